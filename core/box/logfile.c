/* How the writer works: each stream collects the current line in a buffer of its own; complete lines are framed straight
 * from the caller's data.  All records of one call leave in as few writev(2) as the vector allows, with no copying but
 * for lines that began in an earlier call.
 *
 * How a reader finds its way: forward by the head's length; backward by the length repeated behind the data.  A record is believed
 * if its magic, stream and both lengths agree; anything else at the end of the file is a torn write, which the next writer
 * cuts off. */
#include "core/box/logfile.h"

#include <endian.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "core/base/fd.h"

enum {
	MAGIC = 0xdb106700, /* the stream is in the lowest byte */
	RECORDS_MAX = 256, /* of one writev: three vectors each, below IOV_MAX */
	READ_BUF = 1 << 16,
};

struct head {
	uint32_t magic, len;
	int64_t time_ns;
} __attribute__((packed));

enum { FRAME = sizeof(struct head) + sizeof(uint32_t) };

/* -- writing --------------------------------------------------------------------------------------------------- */

struct pending {
	char *line; /* of LOG_LINE_MAX bytes, allocated by the first incomplete line */
	size_t len;
};

struct logfile {
	int fd;
	struct pending streams[2];
	struct head heads[RECORDS_MAX];
	uint32_t tails[RECORDS_MAX];
	struct iovec iov[3 * RECORDS_MAX];
	size_t n; /* records collected */
};

static bool head_is_valid(const struct head *h)
{
	uint32_t magic = le32toh(h->magic);

	return (magic == (MAGIC | LOG_STDOUT) || magic == (MAGIC | LOG_STDERR)) &&
	       le32toh(h->len) <= LOG_LINE_MAX;
}

/* Where the last whole record ends.  Believes the tail when head and tail agree (the usual case, two reads); walks
 * from the beginning otherwise. */
static struct err *find_end(int fd, off_t size, off_t *ret)
{
	struct head h;
	uint32_t len;
	off_t at = 0;

	if (size >= FRAME && pread(fd, &len, sizeof(len), size - (off_t)sizeof(len)) == sizeof(len)) {
		len = le32toh(len);
		if (len <= LOG_LINE_MAX && size >= FRAME + (off_t)len &&
		    pread(fd, &h, sizeof(h), size - FRAME - (off_t)len) == sizeof(h) && head_is_valid(&h) &&
		    le32toh(h.len) == len) {
			*ret = size;
			return NULL;
		}
	}
	while (at + FRAME <= size && pread(fd, &h, sizeof(h), at) == sizeof(h) && head_is_valid(&h) &&
	       at + FRAME + (off_t)le32toh(h.len) <= size)
		at += FRAME + (off_t)le32toh(h.len);
	*ret = at;
	return NULL;
}

struct err *logfile_open(int dir, const char *name, struct logfile **ret)
{
	_cleanup_close_ int fd = -1;
	struct stat st;
	struct err *e;
	off_t end;

	e = fd_open(dir, name, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW, 0600, &fd);
	if (e)
		return e;
	if (fstat(fd, &st) < 0)
		return err_new(errno, "looking at %s", name);
	e = find_end(fd, st.st_size, &end);
	if (!e && end < st.st_size && ftruncate(fd, end) < 0)
		e = err_new(errno, "cutting off an incomplete record of %s", name);
	if (e)
		return e;
	*ret = xcalloc(1, sizeof(**ret));
	(*ret)->fd = TAKE_FD(fd);
	return NULL;
}

static struct err *write_out(struct logfile *l)
{
	struct iovec *v = l->iov;
	size_t n = 3 * l->n;

	l->n = 0;
	while (n) {
		ssize_t done = writev(l->fd, v, (int)n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return err_new(errno, "writing the log");
		for (; n && (size_t)done >= v->iov_len; v++, n--)
			done -= (ssize_t)v->iov_len;
		if (n) {
			v->iov_base = (char *)v->iov_base + done;
			v->iov_len -= (size_t)done;
		}
	}
	return NULL;
}

/* DATA must stay as it is until write_out(). */
static struct err *add_record(struct logfile *l, enum log_stream stream, const char *data, size_t len, int64_t now_ns)
{
	struct iovec *v = &l->iov[3 * l->n];

	l->heads[l->n] = (struct head){ htole32(MAGIC | stream), htole32((uint32_t)len),
					(int64_t)htole64((uint64_t)now_ns) };
	l->tails[l->n] = htole32((uint32_t)len);
	v[0] = (struct iovec){ &l->heads[l->n], sizeof(struct head) };
	v[1] = (struct iovec){ (void *)(uintptr_t)data, len };
	v[2] = (struct iovec){ &l->tails[l->n], sizeof(uint32_t) };
	return ++l->n == RECORDS_MAX ? write_out(l) : NULL;
}

struct err *logfile_write(struct logfile *l, enum log_stream stream, const void *data, size_t len, int64_t now_ns)
{
	struct pending *p = &l->streams[stream == LOG_STDERR];
	const char *at = data, *end = at + len;
	struct err *e = NULL;

	while (at < end && !e) {
		size_t room = LOG_LINE_MAX - p->len, n = (size_t)(end - at);
		const char *newline = memchr(at, '\n', n < room ? n : room);

		if (newline)
			n = (size_t)(newline + 1 - at);
		else if (n > room)
			n = room;
		if (p->len || (!newline && n < LOG_LINE_MAX)) {
			if (!p->line)
				p->line = xmalloc(LOG_LINE_MAX);
			memcpy(p->line + p->len, at, n);
			p->len += n;
			if (newline || p->len == LOG_LINE_MAX) {
				e = add_record(l, stream, p->line, p->len, now_ns);
				/* the buffer is used again for the rest of this call */
				e = e ?: write_out(l);
				p->len = 0;
			}
		} else {
			e = add_record(l, stream, at, n, now_ns);
		}
		at += n;
	}
	return e ?: write_out(l);
}

struct err *logfile_flush(struct logfile *l, int64_t now_ns)
{
	struct err *e = NULL;

	for (int i = 0; i < 2 && !e; i++) {
		struct pending *p = &l->streams[i];

		if (p->len)
			e = add_record(l, i ? LOG_STDERR : LOG_STDOUT, p->line, p->len, now_ns);
		p->len = 0;
	}
	return e ?: write_out(l);
}

void logfile_free(struct logfile *l)
{
	if (!l)
		return;
	close(l->fd);
	free(l->streams[0].line);
	free(l->streams[1].line);
	free(l);
}

/* -- reading --------------------------------------------------------------------------------------------------- */

struct logreader {
	int fd;
	off_t at; /* of the next record */
	int64_t since_ns, until_ns;
	char *buf; /* a window of the file from buf_at */
	off_t buf_at;
	size_t buf_len;
};

/* LEN bytes of the file from AT, or NULL if there are not that many (yet). */
static const char *window(struct logreader *r, off_t at, size_t len)
{
	ssize_t n;

	if (at >= r->buf_at && at + (off_t)len <= r->buf_at + (off_t)r->buf_len)
		return r->buf + (at - r->buf_at);
	do
		n = pread(r->fd, r->buf, READ_BUF, at);
	while (n < 0 && errno == EINTR);
	r->buf_at = at;
	r->buf_len = n > 0 ? (size_t)n : 0;
	return len <= r->buf_len ? r->buf : NULL;
}

/* The head of the record that ends at END, or false. */
static bool record_before(struct logreader *r, off_t end, struct head *ret, off_t *ret_at)
{
	uint32_t len;
	off_t at;

	if (end < FRAME || pread(r->fd, &len, sizeof(len), end - (off_t)sizeof(len)) != sizeof(len))
		return false;
	len = le32toh(len);
	at = end - FRAME - (off_t)len;
	if (len > LOG_LINE_MAX || at < 0 || pread(r->fd, ret, sizeof(*ret), at) != sizeof(*ret) ||
	    !head_is_valid(ret) || le32toh(ret->len) != len)
		return false;
	*ret_at = at;
	return true;
}

/* Only a full record without a newline is continued by the next one. */
static bool ends_line(struct logreader *r, const struct head *h, off_t end)
{
	char c;

	return le32toh(h->len) < LOG_LINE_MAX || (pread(r->fd, &c, 1, end - (off_t)sizeof(uint32_t) - 1) == 1 && c == '\n');
}

/* TAIL lines back from the end; partial records belong to the line that follows them. */
static void seek_tail(struct logreader *r, uint64_t tail, off_t end)
{
	struct head h;
	off_t at = end;
	bool newest = true;

	r->at = end;
	while (record_before(r, at, &h, &at)) {
		off_t record_end = at + FRAME + (off_t)le32toh(h.len);

		/* a newline closes the line before the one we are collecting */
		if (newest || ends_line(r, &h, record_end)) {
			if (!tail--)
				return;
			newest = false;
		}
		r->at = at;
	}
}

struct err *logreader_open(int dir, const char *name, uint64_t tail, int64_t since_ns, int64_t until_ns,
			   struct logreader **ret)
{
	_cleanup_close_ int fd = -1;
	struct stat st;
	struct err *e;
	off_t end;

	e = fd_open(dir, name, O_RDONLY | O_NOFOLLOW, 0, &fd);
	if (e)
		return e;
	if (fstat(fd, &st) < 0)
		return err_new(errno, "looking at %s", name);
	*ret = xcalloc(1, sizeof(**ret));
	**ret = (struct logreader){ .fd = fd, .since_ns = since_ns, .until_ns = until_ns, .buf = xmalloc(READ_BUF) };
	if (tail != UINT64_MAX) {
		err_free(find_end(fd, st.st_size, &end)); /* always NULL */
		seek_tail(*ret, tail, end);
	}
	(void)TAKE_FD(fd);
	return NULL;
}

struct err *logreader_next(struct logreader *r, struct log_record *ret, bool *ret_more)
{
	struct head h;
	const char *p;

	*ret_more = false;
	for (;;) {
		p = window(r, r->at, sizeof(h));
		if (!p)
			return NULL;
		memcpy(&h, p, sizeof(h));
		if (!head_is_valid(&h))
			return err_hint(err_new(0, "the log is damaged at byte %lld", (long long)r->at),
					"devbox logs --tail shows the newest lines");
		p = window(r, r->at, FRAME + le32toh(h.len));
		if (!p)
			return NULL; /* it is being written */
		r->at += FRAME + (off_t)le32toh(h.len);
		ret->time_ns = (int64_t)le64toh((uint64_t)h.time_ns);
		if (r->since_ns && ret->time_ns < r->since_ns)
			continue;
		if (r->until_ns && ret->time_ns > r->until_ns)
			return NULL; /* times only grow, but for a clock set back */
		ret->stream = le32toh(h.magic) & 0xff;
		ret->data = p + sizeof(h);
		ret->len = le32toh(h.len);
		*ret_more = true;
		return NULL;
	}
}

int logreader_fd(struct logreader *r)
{
	return r->fd;
}

void logreader_free(struct logreader *r)
{
	if (!r)
		return;
	close(r->fd);
	free(r->buf);
	free(r);
}
