#include "core/box/logfile.h"

#include <endian.h>
#include <fcntl.h>

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
};
_Static_assert(OUT_SIZE >= RECORD_MAX && WINDOW_SIZE >= RECORD_MAX, "a record fits");

struct line {
	char *s; /* LOG_LINE_MAX bytes, once there was an incomplete line */
	size_t len;
};

struct logfile {
	int fd;
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
	off_t pos; /* start of the next record */
	int64_t since_ns, until_ns;
	struct window w;
};

/* --- looking at records --- */

/* LEN bytes at AT, NULL if the file has fewer.  BACKWARD: what is asked for next lies before, not behind. */
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

/* Where the last whole record ends.  Usually that is the end of the file; after a crash the records are walked
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

struct err *logfile_open(int dir, const char *name, struct logfile **ret)
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
	l = xmalloc(sizeof(*l));
	l->fd = TAKE_FD(fd);
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

	if (l->out_len + FRAME + begin_len + len > OUT_SIZE)
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
		const char *newline = memchr(data, '\n', n);

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

/* Walk back from END until LINES lines lie behind us. */
static struct err *find_tail(struct logreader *r, off_t end, uint64_t lines)
{
	off_t pos = end;

	r->pos = end;
	while (pos > 0) {
		const char *record;
		struct err *e = record_before(&r->w, pos, &record);

		if (e || !record)
			return e; /* unreadable before here: what was found is the tail */
		/* the end of a line before those we have */
		if ((pos == end || ends_line(record)) && !lines--)
			return NULL;
		pos -= (off_t)(FRAME + record_len(record));
		r->pos = pos;
	}
	return NULL;
}

struct err *logreader_open(int dir, const char *name, uint64_t tail, int64_t since_ns,
			   int64_t until_ns, struct logreader **ret)
{
	struct logreader *r = xmalloc(sizeof(*r));
	struct err *e;
	off_t end;

	r->w.fd = -1;
	r->w.at = r->pos = 0;
	r->w.len = 0;
	r->since_ns = since_ns;
	r->until_ns = until_ns;
	e = fd_open(dir, name, O_RDONLY | O_NOFOLLOW, 0, &r->w.fd);
	if (!e && tail != UINT64_MAX) {
		e = find_end(&r->w, &end);
		e = e ?: find_tail(r, end, tail);
	}
	if (e) {
		logreader_free(r);
		return e;
	}
	*ret = r;
	return NULL;
}

struct err *logreader_next(struct logreader *r, struct log_record *ret, bool *ret_more)
{
	*ret_more = false;
	for (;;) {
		const char *record;
		struct head h;
		int64_t time_ns;
		struct err *e = record_at(&r->w, r->pos, false, &record);

		if (e || !record) {
			r->w.len = 0; /* look at the file again next time */
			return e;
		}
		memcpy(&h, record, sizeof(h));
		r->pos += (off_t)(FRAME + le32toh(h.len));
		time_ns = (int64_t)le64toh((uint64_t)h.time_ns);
		if (time_ns < r->since_ns || (r->until_ns && time_ns > r->until_ns))
			continue;
		*ret = (struct log_record){
			.stream = (enum log_stream)(le32toh(h.magic) & 0xff),
			.time_ns = time_ns,
			.data = record + sizeof(h),
			.len = le32toh(h.len),
		};
		*ret_more = true;
		return NULL;
	}
}

int logreader_fd(struct logreader *r)
{
	return r->w.fd;
}

void logreader_free(struct logreader *r)
{
	if (!r)
		return;
	if (r->w.fd >= 0)
		close(r->w.fd);
	free(r);
}
