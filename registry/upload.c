#include "registry/upload.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include "core/base/fd.h"
#include "core/base/lock.h"

enum {
	WHOLE_MAX = 4 << 20, /* up to here a PUT alone: one round trip less */
	PIECE = 16 << 20, /* once it is known that pieces are needed */
	PIECE_MIN = 1 << 20,
	TRIES = 5, /* in a row without any progress */
	BACKOFF_MS = 250, /* before the second try; doubled each time */
	PATIENCE_MS = 300 * 1000, /* while the server puts a large blob together */
	NOTE_MAX = 16 << 10,
};

struct upload {
	struct store *st;
	struct client *c;
	struct http *h;
	const struct descriptor *d;
	const struct upload_watch *w;
	int fd; /* the blob */
	char *note_name; /* cache/<hex>.upload; NULL: another process works with it */
	char *owner; /* its first line: the repository that it is about */
	char *where; /* the server's address for what comes next; NULL: begin */
	uint64_t done; /* bytes the server has */
	uint64_t piece; /* of one PATCH at most */
	uint64_t begin; /* of the body under way, in the blob */
	bool mounted;
	bool retry; /* the last failure may go away */
};

static struct err *read_blob(void *arg, uint64_t offset, void *buf, size_t size, size_t *ret_len)
{
	struct upload *u = arg;
	ssize_t n;

	do
		n = pread(u->fd, buf, size, (off_t)(u->begin + offset));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_new(errno, "reading blob %.19s", u->d->digest);
	*ret_len = (size_t)n;
	if (u->w->progress)
		u->w->progress(u->w->arg, u->begin + offset + (uint64_t)n);
	return NULL;
}

/* --- unfinished uploads ----------------------------------------------------------------------- */

static void remember(struct upload *u)
{
	_cleanup_free_ char *text = xasprintf("%s%s", u->owner, u->where);

	if (u->note_name) /* best effort: else the next push begins anew */
		err_free(fd_write_atomic(u->st->cache, u->note_name, text, strlen(text), 0600, false));
}

static void forget(struct upload *u)
{
	if (u->note_name)
		unlinkat(u->st->cache, u->note_name, 0);
	free(TAKE_PTR(u->where));
	u->done = 0;
}

/* The address in R's answer becomes what is asked next. */
static struct err *take_location(struct upload *u, const struct http_resp *r)
{
	char *next = r->location ? http_resolve(r->url, r->location) : NULL;

	if (!next)
		return err_new(0, "the registry does not say where to go on with %.19s", u->d->digest);
	free(u->where);
	u->where = next;
	return NULL;
}

/* "0-1023" or "bytes=0-1023": 1024.  A lone byte and none at all look alike ("0-0"); such an upload begins anew. */
static uint64_t bytes_there(const char *range)
{
	const char *text = range ? (str_after(range, "bytes=") ?: range) : "";
	unsigned long long last;

	return sscanf(text, "0-%20llu", &last) == 1 && last ? last + 1 : 0;
}

/* How much has it?  Where it does not say, or does not know the upload any more, all starts anew. */
static struct err *ask_how_much(struct upload *u)
{
	struct client_req req = { .url = u->where, .once = true };
	struct http_resp r;
	struct err *e;

	if (!u->where)
		return NULL;
	e = client_ask(u->c, u->h, &req, &r);
	u->done = !e && r.status == 204 ? bytes_there(r.range) : 0;
	if (u->done > (uint64_t)u->d->size)
		u->done = 0;
	if (u->done && r.location)
		e = take_location(u, &r);
	if (!u->done)
		forget(u);
	http_resp_done(&r);
	return e;
}

static void recall(struct upload *u)
{
	_cleanup_free_ char *text = NULL;
	struct err *e;

	if (!u->note_name)
		return;
	e = fd_read_file(u->st->cache, u->note_name, NOTE_MAX, &text, NULL);
	if (!e && str_starts(text, u->owner)) {
		u->where = xstrdup(text + strlen(u->owner));
		e = ask_how_much(u);
	}
	if (e)
		forget(u);
	err_free(e); /* then from the beginning */
}

/* --- requests --------------------------------------------------------------------------------- */

/* Any answer; one that is no success becomes an error, and u->retry tells whether it may go away. */
static struct err *ask(struct upload *u, struct client_req *req, struct http_resp *r)
{
	struct err *e;

	req->once = true;
	req->content_type = "application/octet-stream";
	e = client_ask(u->c, u->h, req, r);
	u->retry = e ? r->retryable : r->status == 408 || r->status == 429 || r->status >= 500;
	if (!e && (r->status < 200 || r->status > 299))
		e = client_refusal(u->c, req, r);
	return e;
}

static struct err *begin(struct upload *u, const char *from)
{
	_cleanup_str_ struct str path = { 0 };
	struct client_req req = { .method = "POST" };
	struct http_resp r;
	struct err *e;

	str_add(&path, "blobs/uploads/");
	if (from) {
		http_query_add(&path, '?', "mount", u->d->digest);
		http_query_add(&path, '&', "from", from);
	}
	req.path = path.s;
	u->done = 0;
	e = ask(u, &req, &r);
	if (!e && r.status == 201 && from)
		u->mounted = true;
	else if (!e)
		e = take_location(u, &r);
	http_resp_done(&r);
	return e;
}

/* The next piece. */
static struct err *send_piece(struct upload *u)
{
	uint64_t rest = (uint64_t)u->d->size - u->done, len = rest < u->piece ? rest : u->piece;
	_cleanup_free_ char *range = NULL;
	struct client_req req = {
		.url = u->where,
		.method = "PATCH",
		.source = read_blob,
		.source_arg = u,
		.source_len = len,
		.patience_ms = PATIENCE_MS,
	};
	struct http_resp r;
	struct err *e;

	if (len < (uint64_t)u->d->size) {
		range = xasprintf("%llu-%llu", (unsigned long long)u->done,
				  (unsigned long long)(u->done + len - 1));
		req.content_range = range;
	}
	u->begin = u->done;
	e = ask(u, &req, &r);
	if (!e)
		e = take_location(u, &r);
	if (!e) {
		u->done += len;
		remember(u);
	} else if (r.status == 413 && u->piece > PIECE_MIN) {
		u->piece = len > PIECE ? PIECE : len / 2;
		u->retry = true;
	} else if (u->retry && u->piece > PIECE) {
		u->piece = PIECE;
	}
	http_resp_done(&r);
	return e;
}

/* The closing PUT, with the body if nothing was sent before. */
static struct err *finish(struct upload *u)
{
	_cleanup_str_ struct str url = { 0 };
	struct client_req req = { .method = "PUT", .patience_ms = PATIENCE_MS };
	struct http_resp r;
	struct err *e;

	str_add(&url, u->where);
	http_query_add(&url, strchr(u->where, '?') ? '&' : '?', "digest", u->d->digest);
	req.url = url.s;
	if (!u->done && u->d->size) {
		req.source = read_blob;
		req.source_arg = u;
		req.source_len = (uint64_t)u->d->size;
		u->begin = 0;
	}
	e = ask(u, &req, &r);
	if (e && r.status == 413 && req.source) {
		u->piece = PIECE_MIN;
		u->retry = true;
	}
	if (e && r.status == 404) /* the upload was forgotten meanwhile */
		u->retry = true;
	http_resp_done(&r);
	return e;
}

static struct err *send_all(struct upload *u)
{
	bool whole = u->d->size <= WHOLE_MAX && u->piece > WHOLE_MAX;
	struct err *e = NULL;

	while (!e && !whole && u->done < (uint64_t)u->d->size)
		e = send_piece(u);
	return e ?: finish(u);
}

static void pause_before(struct upload *u, unsigned tries, const struct err *e)
{
	int64_t ms = (int64_t)BACKOFF_MS << tries;
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000 };
	_cleanup_free_ char *text = xasprintf("%s; trying again in %.1f s", e->text, (double)ms / 1000);

	if (u->w->note)
		u->w->note(u->w->arg, text);
	nanosleep(&ts, NULL);
}

static struct err *upload(struct upload *u, const char *from)
{
	uint64_t before = 0;
	unsigned tries = 0;
	struct err *e;

	recall(u);
	for (;;) {
		e = u->where ? NULL : begin(u, from);
		if (e && from && !u->retry) { /* mounting is not allowed, or not known: then without */
			err_free(e);
			e = begin(u, NULL);
		}
		from = NULL;
		if (!e && u->mounted)
			return NULL;
		e = e ?: send_all(u);
		if (!e) {
			forget(u);
			return NULL;
		}
		if (u->done > before)
			tries = 0;
		before = u->done;
		if (!u->retry || ++tries >= TRIES)
			return e;
		pause_before(u, tries - 1, e);
		err_free(e);
		e = ask_how_much(u);
		err_free(e); /* it begins anew then */
	}
}

/* --- one blob --------------------------------------------------------------------------------- */

static struct err *exists(struct upload *u, bool *ret)
{
	_cleanup_free_ char *path = xasprintf("blobs/%s", u->d->digest);
	struct client_req req = { .path = path, .method = "HEAD" };
	struct http_resp r;
	struct err *e = client_ask(u->c, u->h, &req, &r);

	*ret = !e;
	if (!e)
		http_resp_done(&r);
	if (e && (r.status == 404 || r.status == 401 || r.status == 403)) {
		err_free(e); /* not there; or not for us: then the upload is refused, and with words, unlike HEAD */
		return NULL;
	}
	return e;
}

static struct err *open_blob(struct upload *u)
{
	struct stat sb;
	struct err *e = fd_open(u->st->blobs, blob_name(u->d->digest), O_RDONLY, 0, &u->fd);

	if (err_is(e, ENOENT)) {
		err_free(e);
		return err_hint(err_new(0, "blob %.19s of the image is not in the storage", u->d->digest),
				"pull or build the image again");
	}
	if (!e && fstat(u->fd, &sb) < 0)
		e = err_new(errno, "looking at blob %.19s", u->d->digest);
	if (!e && sb.st_size != u->d->size)
		e = err_new(0, "blob %.19s has %lld bytes, but the manifest says %lld",
			    u->d->digest, (long long)sb.st_size, (long long)u->d->size);
	return e;
}

struct err *upload_blob(struct store *st, struct client *c, struct http *h, const struct descriptor *d,
			const char *from, const struct upload_watch *w, enum upload_outcome *ret)
{
	struct upload u = { .st = st, .c = c, .h = h, .d = d, .w = w, .fd = -1, .piece = UINT64_MAX };
	_cleanup_free_ char *lock_name = NULL;
	bool there = false;
	struct err *e;
	int lock = -1;

	e = exists(&u, &there);
	if (e || there) {
		*ret = UPLOAD_EXISTED;
		return e;
	}
	lock_name = xasprintf("%s.upload.lock", blob_name(d->digest));
	u.owner = xasprintf("%s/%s\n", client_ref(c)->host, client_ref(c)->repo);
	e = open_blob(&u);
	e = e ?: lock_try(st->cache, lock_name, false, &lock);
	if (lock >= 0)
		u.note_name = xasprintf("%s.upload", blob_name(d->digest));
	e = e ?: upload(&u, from);
	if (!e)
		*ret = u.mounted ? UPLOAD_MOUNTED : UPLOAD_SENT;
	if (lock >= 0)
		lock_drop(st->cache, lock_name, lock);
	if (u.fd >= 0)
		close(u.fd);
	free(u.note_name);
	free(u.owner);
	free(u.where);
	return e;
}
