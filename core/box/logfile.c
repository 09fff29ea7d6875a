#include "core/box/logfile.h"

#include <endian.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/base/fd.h"

struct head {
	uint32_t magic; /* MAGIC | stream */
	uint32_t len;
	int64_t time_ns;
} __attribute__((packed));
_Static_assert(sizeof(struct head) == 16, "as in the file");

enum {
	MAGIC = 0x64627800, /* "\0xbd" and the stream's number */
	TRAILER = 4,
	FRAME = sizeof(struct head) + TRAILER,
	RECORD_MAX = FRAME + LOG_LINE_MAX,
	OUT_SIZE = 32 << 10, /* records are gathered here for one write(2) */
	WINDOW_SIZE = 128 << 10,
	NAME_ROOM = 64, /* "log.99" */
	LOOKS_MAX = 100,
};
_Static_assert(OUT_SIZE >= RECORD_MAX && WINDOW_SIZE >= RECORD_MAX, "a record fits");

struct line {
	char *s; /* LOG_LINE_MAX bytes, once there was an incomplete line */
	size_t len;
};

struct logfile {
	int fd, dir;
	char name[NAME_ROOM];
	struct log_bound bound;
	off_t size; /* whole records */
	size_t out_len;
	struct line line[LOG_STDERR + 1];
	char out[OUT_SIZE];
};

/* A piece of the file in memory. */
struct window {
	int fd;
	off_t at;
	size_t len;
	char buf[WINDOW_SIZE];
};

struct logreader {
	int dir;
	char name[NAME_ROOM];
	int files[LOG_FILES_MAX]; /* to be read, newest first; the one being read is the last and also w.fd */
	size_t n_files;
	off_t pos; /* start of the next record */
	size_t skip; /* bytes of it that lie before the tail */
	int64_t since_ns, until_ns;
	struct window w;
};

/* NAME itself is file 0, then come NAME.1, NAME.2, ... */
static void file_name(const char *name, unsigned i, char ret[NAME_ROOM + 16])
{
	if (i)
		snprintf(ret, NAME_ROOM + 16, "%s.%u", name, i);
	else
		snprintf(ret, NAME_ROOM + 16, "%s", name);
}

/* --- looking at records --- */

/* LEN bytes at AT, NULL if the file has fewer.  BACKWARD: what is asked for next lies before, not
 * behind. */
static struct err *window_get(struct window *w, off_t at, size_t len, bool backward, const char **ret)
{
	*ret = NULL;
	if (at < w->at || at + (off_t)len > w->at + (off_t)w->len) {
		off_t start = !backward			      ? at
			      : at + (off_t)len > WINDOW_SIZE ? at + (off_t)len - WINDOW_SIZE
							      : 0;

		w->at = start;
		w->len = 0;
		while (w->len < WINDOW_SIZE) {
			ssize_t n = pread(w->fd, w->buf + w->len, WINDOW_SIZE - w->len,
					  start + (off_t)w->len);

			if (n < 0 && errno == EINTR)
				continue;
			if (n < 0)
				return err_new(errno, "reading the log");
			if (n == 0)
				break;
			w->len += (size_t)n;
		}
		if (at + (off_t)len > w->at + (off_t)w->len)
			return NULL;
	}
	*ret = w->buf + (at - w->at);
	return NULL;
}

static bool head_is_valid(const struct head *h)
{
	uint32_t magic = le32toh(h->magic);

	return (magic == (MAGIC | LOG_STDOUT) || magic == (MAGIC | LOG_STDERR)) &&
	       le32toh(h->len) <= LOG_LINE_MAX;
}

/* The record that starts at AT: *ret points to its head, NULL if there is no whole one. */
static struct err *record_at(struct window *w, off_t at, bool backward, const char **ret)
{
	struct head h;
	uint32_t trailer;
	const char *p;
	struct err *e;

	*ret = NULL;
	e = window_get(w, at, sizeof(h), backward, &p);
	if (e || !p)
		return e;
	memcpy(&h, p, sizeof(h));
	if (!head_is_valid(&h))
		return NULL;
	e = window_get(w, at, FRAME + le32toh(h.len), backward, &p);
	if (e || !p)
		return e;
	memcpy(&trailer, p + sizeof(h) + le32toh(h.len), TRAILER);
	if (trailer == h.len)
		*ret = p;
	return NULL;
}

static size_t record_len(const char *record)
{
	struct head h;

	memcpy(&h, record, sizeof(h));
	return le32toh(h.len);
}

/* The record that ends at END; its head in *ret, NULL if there is none. */
static struct err *record_before(struct window *w, off_t end, const char **ret)
{
	uint32_t len;
	const char *p;
	struct err *e;

	*ret = NULL;
	if (end < FRAME)
		return NULL;
	e = window_get(w, end - TRAILER, TRAILER, true, &p);
	if (e || !p)
		return e;
	memcpy(&len, p, TRAILER);
	len = le32toh(len);
	if (len > LOG_LINE_MAX || end < (off_t)(FRAME + len))
		return NULL;
	e = record_at(w, end - (off_t)(FRAME + len), true, &p);
	if (!e && p && record_len(p) == len)
		*ret = p;
	return e;
}

/* Where the last whole record ends.  Usually that is the end of the file; after a crash the
 * records are walked
 * through from the beginning. */
static struct err *find_end(struct window *w, off_t *ret)
{
	off_t at = 0, size = lseek(w->fd, 0, SEEK_END);
	const char *record;
	struct err *e;

	if (size < 0)
		return err_new(errno, "measuring the log");
	e = record_before(w, size, &record);
	if (e || record || size == 0) {
		*ret = size;
		return e;
	}
	for (;;) {
		e = record_at(w, at, false, &record);
		if (e || !record)
			break;
		at += (off_t)(FRAME + record_len(record));
	}
	*ret = at;
	return e;
}

/* --- writer --- */

/* After a crash in the middle of a rotation "log" is also log.1; a lower bound than last time
 * leaves old files over. */
static void tidy_up(int dir, const char *name, const struct log_bound *b)
{
	char path[NAME_ROOM + 16];
	struct stat st, first;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	file_name(name, 1, path);
	if (fstatat(dir, path, &first, AT_SYMLINK_NOFOLLOW) == 0 && first.st_ino == st.st_ino)
		unlinkat(dir, path, 0);
	for (unsigned i = b->max_files; b->max_bytes && i < LOG_FILES_MAX; i++) {
		file_name(name, i, path);
		unlinkat(dir, path, 0);
	}
}

struct err *logfile_open(int dir, const char *name, const struct log_bound *bound, struct logfile **ret)
{
	_cleanup_free_ struct window *w = xmalloc(sizeof(*w));
	_cleanup_close_ int fd = -1;
	struct logfile *l;
	off_t end = 0;
	struct err *e;

	e = fd_open(dir, name, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW, 0600, &fd);
	if (e)
		return e;
	w->fd = fd;
	w->at = 0;
	w->len = 0;
	e = find_end(w, &end);
	if (!e && ftruncate(fd, end) < 0)
		e = err_new(errno, "cutting the log");
	if (e)
		return e;
	tidy_up(dir, name, bound);
	l = xmalloc(sizeof(*l));
	l->fd = TAKE_FD(fd);
	l->dir = dir;
	snprintf(l->name, sizeof(l->name), "%s", name);
	l->bound = *bound;
	l->size = end;
	l->out_len = 0;
	memset(l->line, 0, sizeof(l->line));
	*ret = l;
	return NULL;
}

static struct err *put_out(struct logfile *l)
{
	struct err *e;

	if (!l->out_len)
		return NULL;
	e = fd_write_all(l->fd, "the log", l->out, l->out_len);
	if (!e)
		l->size += (off_t)l->out_len;
	else if (ftruncate(l->fd, l->size) < 0) /* a part of a record would hide all that follow */
		e = err_also(e, err_new(errno, "cutting the log"));
	l->out_len = 0;
	return e;
}

static struct err *rotate(struct logfile *l)
{
	char from[NAME_ROOM + 16], to[NAME_ROOM + 16], next[NAME_ROOM + 16];
	_cleanup_close_ int fd = -1;
	struct err *e;

	snprintf(next, sizeof(next), "%s.new", l->name);
	unlinkat(l->dir, next, 0); /* a crash's */
	e = fd_open(l->dir, next, O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW, 0600, &fd);
	if (e)
		return e;
	for (unsigned i = l->bound.max_files - 1; i > 1; i--) {
		file_name(l->name, i - 1, from);
		file_name(l->name, i, to);
		if (renameat(l->dir, from, l->dir, to) < 0 && errno != ENOENT)
			return err_new(errno, "rotating the log");
	}
	file_name(l->name, 1, to);
	if (l->bound.max_files > 1 && unlinkat(l->dir, to, 0) < 0 && errno != ENOENT)
		return err_new(errno, "rotating the log");
	if (l->bound.max_files > 1 && linkat(l->dir, l->name, l->dir, to, 0) < 0)
		return err_new(errno, "rotating the log");
	if (renameat(l->dir, next, l->dir, l->name) < 0)
		return err_new(errno, "rotating the log");
	close(l->fd);
	l->fd = TAKE_FD(fd);
	l->size = 0;
	return NULL;
}

static bool is_full(const struct logfile *l, size_t more)
{
	uint64_t have = (uint64_t)l->size + l->out_len;

	return l->bound.max_bytes && have && have + more > l->bound.max_bytes;
}

/* One record of two pieces. */
static struct err *put_record(struct logfile *l, enum log_stream stream, int64_t now_ns,
			      const struct line *begin, const char *data, size_t len)
{
	size_t begin_len = begin ? begin->len : 0;
	struct head h = {
		.magic = htole32(MAGIC | stream),
		.len = htole32((uint32_t)(begin_len + len)),
		.time_ns = (int64_t)htole64((uint64_t)now_ns),
	};
	struct err *e = NULL;
	char *to;

	if (is_full(l, FRAME + begin_len + len))
		e = put_out(l) ?: rotate(l);
	else if (l->out_len + FRAME + begin_len + len > OUT_SIZE)
		e = put_out(l);
	if (e)
		return e;
	to = mempcpy(l->out + l->out_len, &h, sizeof(h));
	if (begin_len)
		to = mempcpy(to, begin->s, begin_len);
	to = mempcpy(to, data, len);
	memcpy(to, &h.len, TRAILER);
	l->out_len += FRAME + begin_len + len;
	return NULL;
}

static void keep_begin(struct line *line, const char *data, size_t len)
{
	if (!len)
		return;
	if (!line->s)
		line->s = xmalloc(LOG_LINE_MAX);
	memcpy(line->s + line->len, data, len);
	line->len += len;
}

static struct err *put_lines(struct logfile *l, enum log_stream stream, const char *data,
			     size_t len, int64_t now_ns)
{
	struct line *line = &l->line[stream];
	struct err *e = NULL;

	while (len && !e) {
		size_t room = LOG_LINE_MAX - line->len, n = len < room ? len : room;
		const char *newline = memrchr(data, '\n', n);

		if (newline)
			n = (size_t)(newline - data) + 1;
		if (newline || n == room) {
			e = put_record(l, stream, now_ns, line, data, n);
			line->len = 0;
		} else {
			keep_begin(line, data, n);
		}
		data += n;
		len -= n;
	}
	return e;
}

struct err *logfile_write(struct logfile *l, enum log_stream stream, const void *data, size_t len,
			  int64_t now_ns)
{
	struct err *e = put_lines(l, stream, data, len, now_ns);

	return e ?: put_out(l);
}

struct err *logfile_flush(struct logfile *l, int64_t now_ns)
{
	struct err *e = NULL;

	for (enum log_stream s = LOG_STDOUT; s <= LOG_STDERR && !e; s++) {
		if (l->line[s].len)
			e = put_record(l, s, now_ns, &l->line[s], "", 0);
		l->line[s].len = 0;
	}
	return e ?: put_out(l);
}

void logfile_free(struct logfile *l)
{
	if (!l)
		return;
	close(l->fd);
	free(l->line[LOG_STDOUT].s);
	free(l->line[LOG_STDERR].s);
	free(l);
}

/* --- reader --- */

/* Only a full record without a newline is continued by the next one. */
static bool ends_line(const char *record)
{
	size_t len = record_len(record);

	return len < LOG_LINE_MAX || record[sizeof(struct head) + len - 1] == '\n';
}

/* Walk back from END, over the ends of lines: LINES of them are passed, the next one is where the
 * tail begins.  The end of
 * the log (IS_LAST: no record was met yet) ends a line in any case.  *ret_found: it begins in this
 * file. */
static struct err *find_tail(struct logreader *r, off_t end, uint64_t *lines, bool *is_last,
			     bool *ret_found)
{
	off_t pos = end;

	*ret_found = false;
	r->pos = end;
	r->skip = 0;
	while (pos > 0) {
		const char *record, *data;
		struct err *e = record_before(&r->w, pos, &record);
		size_t at;

		*ret_found = !record || ((*is_last || ends_line(record)) && !(*lines)--);
		if (e || *ret_found)
			return e; /* without a record, unreadable before here: what was found is the tail */
		*is_last = false;
		data = record + sizeof(struct head);
		at = record_len(record);
		pos -= (off_t)(FRAME + at);
		r->pos = pos;
		at -= at && data[at - 1] == '\n';
		for (const char *nl; (nl = memrchr(data, '\n', at)); at = (size_t)(nl - data))
			if (!(*lines)--) {
				r->skip = (size_t)(nl - data) + 1;
				*ret_found = true;
				return NULL;
			}
	}
	return NULL;
}

static void close_files(struct logreader *r)
{
	while (r->n_files)
		close(r->files[--r->n_files]);
}

/* Which of the files NAME.1, NAME.2, ... there are: one look at the directory instead of a try for each. */
static void list_files(struct logreader *r, bool there[LOG_FILES_MAX])
{
	_cleanup_dir_ DIR *d = fd_opendir(r->dir);
	struct dirent *de;

	for (unsigned i = 0; i < LOG_FILES_MAX; i++)
		there[i] = !d || !i; /* if it cannot be told: try all of them */
	while (d && (de = readdir(d)) != NULL) {
		const char *rest = str_after(de->d_name, r->name);
		unsigned long n = rest && *rest == '.' ? strtoul(rest + 1, NULL, 10) : 0;

		if (n < LOG_FILES_MAX)
			there[n] = true;
	}
}

/* The descriptors of all files from the newest to the oldest; a file that was moved between two
 * looks comes once.  Stops at the file UNTIL (-1: none), which is not among them. */
static struct err *look_for_files(struct logreader *r, int until)
{
	struct stat seen = { 0 }, st, last = { 0 };
	bool have_last = false, there[LOG_FILES_MAX] = { true };

	if (until >= 0 && fstat(until, &last) == 0)
		have_last = true;
	for (unsigned i = 0; i < LOG_FILES_MAX; i++) {
		char path[NAME_ROOM + 16];
		_cleanup_close_ int fd = -1;
		struct err *e;

		if (i == 1) /* after the newest was opened: a later rotation is noticed by open_files() */
			list_files(r, there);
		if (!there[i])
			continue;
		file_name(r->name, i, path);
		e = fd_open(r->dir, path, O_RDONLY | O_NOFOLLOW, 0, &fd);
		if (err_is(e, ENOENT) && i) { /* a gap that a crash left ends nothing */
			err_free(e);
			continue;
		}
		if (e)
			return e;
		if (fstat(fd, &st) < 0)
			return err_new(errno, "looking at the log");
		if (have_last && st.st_ino == last.st_ino)
			return NULL;
		if (r->n_files && st.st_ino == seen.st_ino)
			continue;
		seen = st;
		r->files[r->n_files++] = TAKE_FD(fd);
	}
	return NULL;
}

/* Two rotations during one look can confuse the order: look again, unless the log is too busy for
 * that. */
static struct err *open_files(struct logreader *r, int until)
{
	for (int i = 0; i < LOOKS_MAX; i++) {
		struct stat first, now;
		struct err *e;

		close_files(r);
		e = look_for_files(r, until);
		if (e || !r->n_files)
			return e;
		if (fstat(r->files[0], &first) == 0 && fstatat(r->dir, r->name, &now, 0) == 0 &&
		    first.st_ino == now.st_ino)
			break;
	}
	return NULL;
}

static void read_file(struct logreader *r, int fd)
{
	r->w.fd = fd;
	r->w.at = 0;
	r->w.len = 0;
	r->pos = 0;
	r->skip = 0;
}

static struct err *start_at_tail(struct logreader *r, uint64_t lines)
{
	bool found = false, is_last = true;
	struct err *e = NULL;
	size_t n = 0;

	while (!e && !found && n < r->n_files) {
		off_t end = 0;

		read_file(r, r->files[n++]);
		e = find_end(&r->w, &end);
		e = e ?: find_tail(r, end, &lines, &is_last, &found);
	}
	while (r->n_files > n) /* older than the tail */
		close(r->files[--r->n_files]);
	return e;
}

struct err *logreader_open(int dir, const char *name, uint64_t tail, int64_t since_ns,
			   int64_t until_ns, struct logreader **ret)
{
	struct logreader *r = xmalloc(sizeof(*r));
	struct err *e;

	r->dir = dir;
	snprintf(r->name, sizeof(r->name), "%s", name);
	r->n_files = 0;
	r->since_ns = since_ns;
	r->until_ns = until_ns;
	e = open_files(r, -1);
	if (!e)
		read_file(r, r->files[r->n_files - 1]);
	if (!e && tail != UINT64_MAX)
		e = start_at_tail(r, tail);
	if (e) {
		logreader_free(r);
		return e;
	}
	*ret = r;
	return NULL;
}

/* At the end of a file: is there a newer one?  Then nothing is written to this one any more, but
 * the last of it may have been
 * written after we looked: *ret_again asks to look once more before going on. */
static struct err *next_file(struct logreader *r, bool was_asked, bool *ret_more, bool *ret_again)
{
	struct stat st, cur;
	struct err *e;
	int old = r->w.fd;

	*ret_more = *ret_again = false;
	if (r->n_files == 1) {
		if (fstat(old, &cur) < 0 || fstatat(r->dir, r->name, &st, 0) < 0 ||
		    st.st_ino == cur.st_ino)
			return NULL;
		if (!was_asked) {
			*ret_again = true;
			return NULL;
		}
		r->n_files = 0;
		e = open_files(r, old);
		if (e || !r->n_files) {
			close_files(r);
			r->files[r->n_files++] = old;
			return e;
		}
	} else {
		r->n_files--;
	}
	close(old); /* only now: its inode must not be given to a new file while we compare */
	read_file(r, r->files[r->n_files - 1]);
	*ret_more = true;
	return NULL;
}

struct err *logreader_next(struct logreader *r, struct log_record *ret, bool *ret_more)
{
	bool asked = false;

	*ret_more = false;
	for (;;) {
		const char *record;
		struct head h;
		int64_t time_ns;
		size_t skip = r->skip;
		struct err *e = record_at(&r->w, r->pos, false, &record);

		if (!e && !record) {
			bool more, again;

			r->w.len = 0; /* look at the file again next time */
			e = next_file(r, asked, &more, &again);
			asked = again;
			if (!e && (more || again))
				continue;
		}
		if (e || !record)
			return e;
		memcpy(&h, record, sizeof(h));
		r->pos += (off_t)(FRAME + le32toh(h.len));
		r->skip = 0;
		time_ns = (int64_t)le64toh((uint64_t)h.time_ns);
		if (time_ns < r->since_ns || (r->until_ns && time_ns > r->until_ns))
			continue;
		*ret = (struct log_record){
			.stream = (enum log_stream)(le32toh(h.magic) & 0xff),
			.time_ns = time_ns,
			.data = record + sizeof(h) + skip,
			.len = le32toh(h.len) - skip,
		};
		*ret_more = true;
		return NULL;
	}
}

void logreader_free(struct logreader *r)
{
	if (!r)
		return;
	close_files(r);
	free(r);
}
