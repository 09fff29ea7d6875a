#include "registry/blob.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "core/base/fd.h"

enum { READ_SIZE = 256 << 10 };

/* --- digests
 * ------------------------------------------------------------------------------------------------------- */

struct sha256 {
	EVP_MD_CTX *ctx;
};

static void start(struct sha256 *s)
{
	if (EVP_DigestInit_ex(s->ctx, EVP_sha256(), NULL) != 1)
		abort();
}

struct sha256 *sha256_new(void)
{
	struct sha256 *s = xmalloc(sizeof(*s));

	s->ctx = EVP_MD_CTX_new();
	if (!s->ctx)
		abort();
	start(s);
	return s;
}

void sha256_free(struct sha256 *s)
{
	if (!s)
		return;
	EVP_MD_CTX_free(s->ctx);
	free(s);
}

void sha256_add(struct sha256 *s, const void *data, size_t len)
{
	if (EVP_DigestUpdate(s->ctx, data, len) != 1)
		abort();
}

void sha256_text(struct sha256 *s, char *buf)
{
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	if (EVP_DigestFinal_ex(s->ctx, md, &len) != 1 || len * 2 != DIGEST_HEX_LEN)
		abort();
	str_hex(md, len, stpcpy(buf, DIGEST_PREFIX));
	start(s);
}

static void cleanup_sha256(struct sha256 **s)
{
	sha256_free(*s);
}
#define _cleanup_sha256_ _cleanup_(cleanup_sha256)

void blob_digest(const void *data, size_t len, char *buf)
{
	_cleanup_sha256_ struct sha256 *s = sha256_new();

	sha256_add(s, data, len);
	sha256_text(s, buf);
}

/* --- small blobs
 * --------------------------------------------------------------------------------------------------- */

const char *blob_name(const char *digest)
{
	return digest + strlen(DIGEST_PREFIX);
}

bool blob_exists(struct store *st, const char *digest)
{
	return faccessat(st->blobs, blob_name(digest), F_OK, 0) == 0;
}

static struct err *mismatch(const char *got)
{
	return err_hint(err_new(0, "the bytes do not have this digest but %.19s", got),
			"the registry, a mirror or a proxy on the way changed them");
}

struct err *blob_read(struct store *st, const char *digest, size_t max, bool check, char **ret_text,
		      size_t *ret_len)
{
	_cleanup_free_ char *text = NULL;
	char got[DIGEST_LEN + 1];
	struct err *e;
	size_t len;

	e = fd_read_file(st->blobs, blob_name(digest), max, &text, &len);
	if (e)
		return e;
	if (check) {
		blob_digest(text, len, got);
		if (!str_eq(got, digest))
			return mismatch(got);
	}
	*ret_text = TAKE_PTR(text);
	*ret_len = len;
	return NULL;
}

struct err *blob_write(struct store *st, const char *digest, const void *data, size_t len)
{
	return fd_write_atomic(st->blobs, blob_name(digest), data, len, 0644, false);
}

/* What D may have at most. */
static uint64_t size_max(const struct descriptor *d)
{
	return d->size == SIZE_UNKNOWN ? (uint64_t)LAYER_MAX_BYTES : (uint64_t)d->size;
}

static struct err *check_size(const struct descriptor *d, uint64_t size)
{
	if (d->size == SIZE_UNKNOWN || size == (uint64_t)d->size)
		return NULL;
	return err_new(0, "it has %llu bytes, but the manifest says %lld", (unsigned long long)size,
		       (long long)d->size);
}

struct err *blob_fetch(struct store *st, struct client *c, struct http *h, const char *kind,
		       const struct descriptor *d, char **ret_text, size_t *ret_len)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", kind, d->digest);
	struct client_req req = {
		.path = path,
		.accept = str_eq(kind, "manifests") ? MANIFEST_ACCEPT : NULL,
		.body_max = (size_t)d->size + 1, /* 0 would mean the default */
	};
	char got[DIGEST_LEN + 1];
	struct http_resp r;
	struct err *e;

	e = blob_read(st, d->digest, (size_t)d->size, true, ret_text, ret_len);
	if (!e)
		return err_wrap(check_size(d, *ret_len), "%.19s", d->digest);
	err_free(e); /* not there, or damaged: from the registry then */
	e = client_ask(c, h, &req, &r);
	if (e)
		return e;
	blob_digest(r.body.s ?: "", r.body.len, got);
	if (!str_eq(got, d->digest))
		e = mismatch(got);
	e = e ?: check_size(d, r.body.len);
	e = e ?: blob_write(st, d->digest, r.body.s, r.body.len);
	if (!e) {
		*ret_len = r.body.len;
		*ret_text = str_take(&r.body);
	}
	http_resp_done(&r);
	return err_wrap(e, "%.19s", d->digest);
}

/* --- locks -------------------------------------------------------------------------------- */

/* Is NAME still the file we have open?  Its last holder may have unlinked or renamed it. */
static bool is_same_file(int dir, const char *name, int fd)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && fstatat(dir, name, &b, AT_SYMLINK_NOFOLLOW) == 0 &&
	       a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

struct err *lock_hold(int dir, const char *name, void (*waiting)(void *arg), void *arg, int *ret_fd)
{
	for (;;) {
		_cleanup_close_ int fd = -1;
		struct err *e;

		e = fd_open(dir, name, O_RDWR | O_CREAT | O_NOFOLLOW, 0600, &fd);
		if (e)
			return e;
		if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
			if (waiting)
				waiting(arg);
			while (flock(fd, LOCK_EX) < 0)
				if (errno != EINTR)
					return err_new(errno, "locking %s", name);
		}
		if (is_same_file(dir, name, fd)) {
			*ret_fd = TAKE_FD(fd);
			return NULL;
		}
	}
}

void lock_drop(int dir, const char *name, int fd)
{
	unlinkat(dir, name, 0);
	close(fd);
}

/* --- streams
 * ------------------------------------------------------------------------------------------------------- */

struct stream {
	const struct descriptor *d;
	const struct blob_follower *f;
	struct sha256 *sha;
	int part; /* cache/<hex>.part */
	uint64_t done; /* bytes hashed, fed and written */
	char *buf; /* READ_SIZE bytes: what came from the line, until it is worth a write */
	size_t held; /* bytes in it */
	struct err *senseless; /* what the follower said about the content; it is not fed any more */
	bool local_failure; /* of the follower or the disk: no retry helps */
};

static struct err *follow(struct stream *s, const void *data, size_t len)
{
	struct err *e;

	sha256_add(s->sha, data, len);
	s->done += len;
	s->f->progress(s->f->arg, s->done);
	if (s->senseless)
		return NULL;
	e = s->f->feed(s->f->arg, data, len);
	if (!e || e->errnum) {
		s->local_failure |= e != NULL;
		return e;
	}
	s->senseless = e;
	return NULL;
}

/* All of file FD, from its beginning. */
static struct err *follow_file(struct stream *s, int fd)
{
	struct err *e = NULL;

	while (!e) {
		ssize_t n = pread(fd, s->buf, READ_SIZE, (off_t)s->done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_new(errno, "reading a blob");
		if (n == 0)
			break;
		e = follow(s, s->buf, (size_t)n);
	}
	return e;
}

static struct err *flush(struct stream *s)
{
	size_t len = s->held;
	struct err *e;

	if (!len)
		return NULL;
	s->held = 0;
	e = fd_write_all(s->part, "a download", s->buf, len);
	if (e) {
		s->local_failure = true;
		return e;
	}
	return follow(s, s->buf, len);
}

/* libcurl gives 16 KiB at a time. */
static struct err *on_data(struct stream *s, const char *data, size_t len)
{
	struct err *e = NULL;

	if (len > size_max(s->d) - s->done - s->held)
		return err_new(0, "the registry sends more than the %llu bytes announced",
			       (unsigned long long)size_max(s->d));
	while (!e && len) {
		size_t n = READ_SIZE - s->held < len ? READ_SIZE - s->held : len;

		memcpy(s->buf + s->held, data, n);
		s->held += n;
		data += n;
		len -= n;
		if (s->held == READ_SIZE)
			e = flush(s);
	}
	return e;
}

/* What one answer brings; a server may ignore Range and begin at 0 again. */
struct answer {
	struct stream *s;
	uint64_t at; /* position in the blob of the next byte */
	bool begun;
};

static struct err *on_answer(void *arg, uint64_t start_at, const void *data, size_t len)
{
	struct answer *a = arg;
	const char *p = data;
	uint64_t have = a->s->done + a->s->held;

	if (!a->begun) {
		a->begun = true;
		a->at = start_at;
	}
	if (a->at > have)
		return err_new(0, "the registry answers with another part than asked for");
	if (a->at < have) {
		uint64_t known = have - a->at;

		if (known > len)
			known = len;
		a->at += known;
		p += known;
		len -= known;
	}
	a->at += len;
	return len ? on_data(a->s, p, len) : NULL;
}

static uint64_t on_offset(void *arg)
{
	struct answer *a = arg;

	a->begun = false;
	return a->s->done + a->s->held;
}

static bool on_failed(void *arg)
{
	struct answer *a = arg;

	return a->s->local_failure;
}

static struct err *download(struct stream *s, struct client *c, struct http *h, bool *ret_bad_range)
{
	_cleanup_free_ char *path = xasprintf("blobs/%s", s->d->digest);
	struct answer a = { .s = s };
	struct client_req req = {
		.path = path,
		.sink = on_answer,
		.offset = on_offset,
		.failed = on_failed,
		.arg = &a,
	};
	struct http_resp r;
	struct err *e;

	e = client_ask(c, h, &req, &r);
	*ret_bad_range = r.status == 416;
	if (!e)
		http_resp_done(&r);
	if (!s->local_failure) { /* also what came before the line broke */
		struct err *unwritten = flush(s);

		if (e)
			err_free(unwritten); /* the line is the first thing to mend */
		else
			e = unwritten;
	}
	if (e)
		return e;
	if (s->d->size != SIZE_UNKNOWN && s->done < (uint64_t)s->d->size)
		return err_new(0, "the registry sent %llu of %lld bytes",
			       (unsigned long long)s->done, (long long)s->d->size);
	return NULL;
}

/* All bytes were seen: are they the right ones, and did they make sense? */
static struct err *check(struct stream *s, struct blob_outcome *ret)
{
	char got[DIGEST_LEN + 1];
	struct err *e;

	sha256_text(s->sha, got);
	ret->wrong_digest = !str_eq(got, s->d->digest);
	if (ret->wrong_digest)
		return mismatch(got);
	e = check_size(s->d, s->done);
	return e ?: TAKE_PTR(s->senseless);
}

static struct err *from_store(struct store *st, struct stream *s, int fd, struct blob_outcome *ret)
{
	struct err *e = follow_file(s, fd);

	e = e ?: check(s, ret);
	if (ret->wrong_digest) {
		unlinkat(st->blobs, blob_name(s->d->digest), 0);
		ret->again = true;
	}
	return e;
}

/* With the lock on S->part. */
static struct err *from_registry(struct store *st, struct client *c, struct http *h,
				 struct stream *s, const char *part_name, struct blob_outcome *ret)
{
	bool resumed, bad_range = false;
	struct err *e = NULL;
	struct stat sb;

	if (fstat(s->part, &sb) < 0)
		return err_new(errno, "looking at a download");
	if ((uint64_t)sb.st_size > size_max(s->d) && ftruncate(s->part, 0) < 0)
		return err_new(errno, "starting a download anew");
	e = follow_file(s, s->part);
	resumed = s->done;
	if (!e && lseek(s->part, (off_t)s->done, SEEK_SET) < 0)
		e = err_new(errno, "continuing a download");
	if (!e && (s->done < size_max(s->d) || !s->done)) {
		e = download(s, c, h, &bad_range);
		if (e && !bad_range && !s->local_failure)
			return e; /* the line broke: what is there stays for the next time */
	}
	e = e ?: check(s, ret);
	if (!e && fchmod(s->part, 0644) < 0)
		e = err_new(errno, "completing a download");
	if (!e && renameat(st->cache, part_name, st->blobs, blob_name(s->d->digest)) < 0)
		e = err_new(errno, "putting a download into its place");
	if (e) {
		unlinkat(st->cache, part_name, 0);
		ret->again = resumed &&
			     (ret->wrong_digest || bad_range); /* perhaps only the old part was bad */
	}
	return e;
}

struct err *blob_stream(struct store *st, struct client *c, struct http *h, const struct descriptor *d,
			const struct blob_follower *f, struct blob_outcome *ret)
{
	_cleanup_free_ char *part_name = xasprintf("%s.part", blob_name(d->digest));
	_cleanup_sha256_ struct sha256 *sha = sha256_new();
	_cleanup_close_ int part = -1, whole = -1;
	_cleanup_free_ char *buf = xmalloc(READ_SIZE);
	struct stream s = { .d = d, .f = f, .sha = sha, .buf = buf };
	struct err *e = NULL;

	*ret = (struct blob_outcome){ 0 };
	whole = openat(st->blobs, blob_name(d->digest), O_RDONLY | O_CLOEXEC);
	if (whole < 0 && !c)
		return err_new(0, "blob %.19s is not in the storage", d->digest);
	if (whole < 0) {
		e = lock_hold(st->cache, part_name, f->waiting, f->arg, &part);
		if (e)
			return e;
		/* it may have been completed while we waited */
		whole = openat(st->blobs, blob_name(d->digest), O_RDONLY | O_CLOEXEC);
		if (whole >= 0)
			unlinkat(st->cache, part_name, 0);
	}
	s.part = part;
	e = whole >= 0 ? from_store(st, &s, whole, ret) : from_registry(st, c, h, &s, part_name, ret);
	err_free(s.senseless);
	return e;
}
