#include "core/box/logfile.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "core/base/fd.h"
#include "tests/lib/tap.h"

static int dir = -1;

static const struct log_bound no_bound = { 0, 1 };

static struct logfile *open_log(const char *name)
{
	struct logfile *l = NULL;

	is_err(logfile_open(dir, name, &no_bound, &l), NULL, "opening %s to write", name);
	return l;
}

static void put(struct logfile *l, enum log_stream s, const char *text, int64_t now)
{
	struct err *e = logfile_write(l, s, text, strlen(text), now);

	if (e)
		is_err(e, NULL, "writing '%s'", text);
}

/* Lines as "STREAM@TIME:DATA|", until the end. */
static char *read_on(struct logreader *r)
{
	struct str s = { 0 };
	struct log_record rec;
	bool more = true;

	while (more) {
		struct err *e = logreader_next(r, &rec, &more);

		if (e) {
			is_err(e, NULL, "reading");
			break;
		}
		if (!more)
			break;
		do {
			const char *nl = memchr(rec.data, '\n', rec.len);
			size_t n = nl ? (size_t)(nl - rec.data) + 1 : rec.len;

			str_addf(&s, "%d@%lld:", rec.stream, (long long)rec.time_ns);
			str_addn(&s, rec.data, n);
			str_addc(&s, '|');
			rec.data += n;
			rec.len -= n;
		} while (rec.len);
	}
	return str_take(&s);
}

static char *read_log(const char *name, uint64_t tail, int64_t since, int64_t until)
{
	struct logreader *r = NULL;
	char *text;

	if (!is_err(logreader_open(dir, name, tail, since, until, &r), NULL, "opening %s to read", name))
		return NULL;
	text = read_on(r);
	logreader_free(r);
	return text;
}

#define IS_LOG(name, tail, since, until, want, ...)                                                \
	do {                                                                                       \
		_cleanup_free_ char *log_text = read_log(name, tail, since, until);                \
		is_str(log_text, want, __VA_ARGS__);                                               \
	} while (0)
#define ALL UINT64_MAX

static void test_lines(void)
{
	struct logfile *l = open_log("lines");

	put(l, LOG_STDOUT, "one\ntwo\nthr", 1);
	IS_LOG("lines", ALL, 0, 0, "1@1:one\n|1@1:two\n|", "whole lines are there, the rest waits");
	put(l, LOG_STDERR, "err", 2);
	put(l, LOG_STDOUT, "", 2);
	put(l, LOG_STDOUT, "ee\n\n", 3);
	put(l, LOG_STDERR, "or\n", 4);
	put(l, LOG_STDOUT, "end", 5);
	is_err(logfile_flush(l, 6), NULL, "the end of the streams");
	is_err(logfile_flush(l, 7), NULL, "flushing nothing");
	IS_LOG("lines", ALL, 0, 0, "1@1:one\n|1@1:two\n|1@3:three\n|1@3:\n|2@4:error\n|1@6:end|",
	       "lines of both streams in order of their ends");
	IS_LOG("lines", ALL, 3, 0, "1@3:three\n|1@3:\n|2@4:error\n|1@6:end|", "since");
	IS_LOG("lines", ALL, 0, 3, "1@1:one\n|1@1:two\n|1@3:three\n|1@3:\n|", "until");
	IS_LOG("lines", ALL, 2, 4, "1@3:three\n|1@3:\n|2@4:error\n|", "since and until");
	IS_LOG("lines", 0, 0, 0, "", "a tail of nothing");
	IS_LOG("lines", 1, 0, 0, "1@6:end|", "a tail of one line, the incomplete one");
	IS_LOG("lines", 2, 0, 0, "2@4:error\n|1@6:end|", "two lines");
	IS_LOG("lines", 3, 0, 0, "1@3:\n|2@4:error\n|1@6:end|", "three, one of them empty");
	IS_LOG("lines", 100, 0, 0, "1@1:one\n|1@1:two\n|1@3:three\n|1@3:\n|2@4:error\n|1@6:end|",
	       "more than there are");
	IS_LOG("lines", 3, 4, 0, "2@4:error\n|1@6:end|", "the tail, then since");
	logfile_free(l);
	l = open_log("lines");
	put(l, LOG_STDOUT, "again\n", 8);
	logfile_free(l);
	IS_LOG("lines", 1, 0, 0, "1@8:again\n|", "a restart appends");
	IS_LOG("lines", 2, 0, 0, "1@6:end|1@8:again\n|",
	       "its first line is another one than the last of the time before");
}

static void test_long_lines(void)
{
	struct logfile *l = open_log("long");
	_cleanup_free_ char *line = xmalloc(LOG_LINE_MAX * 2 + 10), *got = NULL, *want = NULL;

	memset(line, 'x', LOG_LINE_MAX * 2 + 9);
	line[LOG_LINE_MAX * 2 + 8] = '\n';
	line[LOG_LINE_MAX * 2 + 9] = '\0';
	put(l, LOG_STDOUT, line, 1);
	got = read_log("long", ALL, 0, 0);
	want = xasprintf("1@1:%.*s|1@1:%.*s|1@1:xxxxxxxx\n|", LOG_LINE_MAX, line, LOG_LINE_MAX, line);
	is_str(got, want, "a long line comes in parts");
	free(got);
	got = read_log("long", 1, 0, 0);
	is_str(got, want, "which are one line of the tail");
	free(got);
	logfile_free(l);

	l = open_log("exact");
	for (int i = 0; i < LOG_LINE_MAX - 1; i++)
		put(l, LOG_STDOUT, "y", 2);
	put(l, LOG_STDOUT, "\nz\n", 3);
	memset(line, 'y', LOG_LINE_MAX - 1);
	free(want);
	want = xasprintf("1@3:%.*s\n|1@3:z\n|", LOG_LINE_MAX - 1, line);
	got = read_log("exact", ALL, 0, 0);
	is_str(got, want, "the longest line that is one record, byte by byte");
	logfile_free(l);
}

static void test_follow(void)
{
	struct logfile *l = open_log("follow");
	struct logreader *r = NULL;
	_cleanup_free_ char *a = NULL, *b = NULL, *c = NULL;

	put(l, LOG_STDOUT, "old\nlast\n", 1);
	is_err(logreader_open(dir, "follow", 1, 0, 0, &r), NULL, "opening it");
	a = read_on(r);
	is_str(a, "1@1:last\n|", "what is there");
	put(l, LOG_STDOUT, "new\npart", 2);
	b = read_on(r);
	is_str(b, "1@2:new\n|", "what came");
	put(l, LOG_STDOUT, "ial\n", 3);
	c = read_on(r);
	is_str(c, "1@3:partial\n|", "what came then");
	logreader_free(r);
	logfile_free(l);
}

static off_t size_of(const char *name)
{
	struct stat st;

	return fstatat(dir, name, &st, 0) < 0 ? -1 : st.st_size;
}

/* A crash can leave any part of the last record. */
static void test_torn(void)
{
	struct logfile *l = open_log("torn");
	_cleanup_close_ int fd = -1;
	off_t two, three;

	put(l, LOG_STDOUT, "one\ntwo\n", 1);
	two = size_of("torn");
	put(l, LOG_STDERR, "three\n", 2);
	three = size_of("torn");
	logfile_free(l);
	fd = openat(dir, "torn", O_RDWR | O_CLOEXEC);
	for (off_t cut = three - 1; cut > two; cut--) {
		_cleanup_free_ char *all = NULL, *tail = NULL;

		if (ftruncate(fd, cut) < 0)
			break;
		all = read_log("torn", ALL, 0, 0);
		is_str(all, "1@1:one\n|1@1:two\n|", "cut at %lld of %lld", (long long)cut,
		       (long long)three);
		tail = read_log("torn", 1, 0, 0);
		is_str(tail, "1@1:two\n|", "and its tail");
	}
	l = open_log("torn");
	is_int(size_of("torn"), two, "the next writer cuts it off");
	put(l, LOG_STDERR, "four\n", 3);
	logfile_free(l);
	IS_LOG("torn", ALL, 0, 0, "1@1:one\n|1@1:two\n|2@3:four\n|",
	       "and goes on behind the whole ones");
	/* blocks that never reached the disk read as zeros */
	ok(ftruncate(fd, 10000) == 0, "zeros at the end");
	IS_LOG("torn", 1, 0, 0, "2@3:four\n|", "are no records");
	l = open_log("torn");
	logfile_free(l);
	ok(size_of("torn") < 200, "and are cut off");
}

static void test_strange(void)
{
	struct logfile *l = open_log("bytes");
	static const char nul[] = "a\0b\n\xff\xfe\n";
	struct logreader *r = NULL;
	struct log_record rec;
	bool more;

	is_err(logfile_write(l, LOG_STDOUT, nul, sizeof(nul) - 1, -5), NULL,
	       "any bytes, a clock before 1970");
	is_err(logreader_open(dir, "bytes", ALL, INT64_MIN, 0, &r), NULL, "reading them");
	is_err(logreader_next(r, &rec, &more), NULL, "first");
	ok(more && rec.len == 7 && !memcmp(rec.data, nul, 7) && rec.time_ns == -5, "are kept");
	logreader_free(r);
	logfile_free(l);
	is_err(logreader_open(dir, "none", ALL, 0, 0, &r),
	       "opening none: No such file or directory", "no log");
	ok(mkdirat(dir, "d", 0755) == 0, "a directory");
	is_err(logfile_open(dir, "d", &no_bound, &l), "opening d: Is a directory", "is no log");
	ok(symlinkat("/etc/passwd", dir, "link") == 0, "a link");
	is_err(logfile_open(dir, "link", &no_bound, &l),
	       "opening link: Too many levels of symbolic links", "is not followed");
}

/* Many records, over the edges of all buffers, forwards and from the end. */
static void test_many(void)
{
	enum { N = 20000 };
	struct logfile *l = open_log("many");
	_cleanup_str_ struct str text = { 0 };
	struct logreader *r = NULL;
	struct log_record rec;
	size_t good = 0;
	bool more, is_ok = true;

	for (int i = 0; i < N; i++) {
		str_addf(&text, "%d %.*s\n", i, i % 300,
			 "................................................"
			 "................................................................................"
			 "................................................................................"
			 "................................................................................"
			 "................................................................................");
		if (text.len > 50000 || i == N - 1) {
			put(l, LOG_STDOUT, text.s, i);
			text.len = 0;
		}
	}
	logfile_free(l);
	is_err(logreader_open(dir, "many", ALL, 0, 0, &r), NULL, "reading %d lines", N);
	for (more = true; more;) {
		is_ok &= !logreader_next(r, &rec, &more);
		for (size_t at = 0; more && at < rec.len; good++) {
			is_ok &= strtoul(rec.data + at, NULL, 10) == good;
			at += (size_t)((char *)memchr(rec.data + at, '\n', rec.len - at) + 1 -
				       (rec.data + at));
		}
	}
	is_int(good, N, "all of them");
	ok(is_ok, "each in its place");
	logreader_free(r);
	for (int tail = 1; tail <= N; tail = tail * 3 + 1) {
		is_err(logreader_open(dir, "many", (uint64_t)tail, 0, 0, &r), NULL, "the last %d", tail);
		is_err(logreader_next(r, &rec, &more), NULL, "begin");
		is_int(more ? strtoll(rec.data, NULL, 10) : -1, N - tail, "with this line");
		logreader_free(r);
	}
}

static char *files_of(const char *name)
{
	struct str s = { 0 };

	for (unsigned i = 0; i < 6; i++) {
		_cleanup_free_ char *path = i ? xasprintf("%s.%u", name, i) : xstrdup(name);
		struct stat st;

		if (fstatat(dir, path, &st, 0) == 0)
			str_addf(&s, "%u:%lld ", i, (long long)st.st_size);
	}
	return str_take(&s);
}

static void test_rotate(void)
{
	static const struct log_bound three = { 60, 3 }, one = { 60, 1 }, two = { 60, 2 };
	struct logfile *l = NULL;
	struct logreader *r = NULL, *late = NULL;
	char text[] = "0_______\n";
	_cleanup_free_ char *files = NULL, *a = NULL, *b = NULL, *c = NULL;

	is_err(logfile_open(dir, "rot", &three, &l), NULL, "a log of three files");
	for (int i = 1; i <= 3; i++) { /* a record is 29 bytes: two in a file */
		text[0] = (char)('0' + i);
		put(l, LOG_STDOUT, text, i);
	}
	is_err(logreader_open(dir, "rot", ALL, 0, 0, &r), NULL, "a reader of two files");
	is_err(logreader_open(dir, "rot", 1, 0, 0, &late), NULL, "a reader of the last line");
	a = read_on(r);
	is_str(a, "1@1:1_______\n|1@2:2_______\n|1@3:3_______\n|", "reads both");
	for (int i = 4; i <= 7; i++) {
		text[0] = (char)('0' + i);
		put(l, LOG_STDOUT, text, i);
	}
	b = read_on(r);
	is_str(b, "1@4:4_______\n|1@5:5_______\n|1@6:6_______\n|1@7:7_______\n|",
	       "follows over two rotations");
	c = read_on(late);
	is_str(c, "1@3:3_______\n|1@4:4_______\n|1@5:5_______\n|1@6:6_______\n|1@7:7_______\n|",
	       "so does the other, from where it was");
	logreader_free(r);
	logreader_free(late);
	files = files_of("rot");
	is_str(files, "0:29 1:58 2:58 ", "the oldest is gone");
	IS_LOG("rot", ALL, 0, 0,
	       "1@3:3_______\n|1@4:4_______\n|1@5:5_______\n|1@6:6_______\n|1@7:7_______\n|",
	       "what is left");
	IS_LOG("rot", 0, 0, 0, "", "tail over files: none");
	IS_LOG("rot", 1, 0, 0, "1@7:7_______\n|", "one");
	IS_LOG("rot", 2, 0, 0, "1@6:6_______\n|1@7:7_______\n|", "two, in two files");
	IS_LOG("rot", 4, 0, 0, "1@4:4_______\n|1@5:5_______\n|1@6:6_______\n|1@7:7_______\n|",
	       "in three");
	IS_LOG("rot", 100, 0, 0,
	       "1@3:3_______\n|1@4:4_______\n|1@5:5_______\n|1@6:6_______\n|1@7:7_______\n|", "more");
	IS_LOG("rot", ALL, 5, 6, "1@5:5_______\n|1@6:6_______\n|", "times");
	logfile_free(l);
	/* killed between the link and the rename */
	ok(unlinkat(dir, "rot.1", 0) == 0 && linkat(dir, "rot", dir, "rot.1", 0) == 0, "a crash");
	IS_LOG("rot", ALL, 0, 0, "1@3:3_______\n|1@4:4_______\n|1@7:7_______\n|", "a file comes once");
	is_err(logfile_open(dir, "rot", &two, &l), NULL, "the next writer has two files");
	free(files);
	files = files_of("rot");
	is_str(files, "0:29 ", "and tidies up");
	logfile_free(l);
	is_err(logfile_open(dir, "rot", &one, &l), NULL, "and a third, with one");
	put(l, LOG_STDOUT, "8_______\n", 8);
	put(l, LOG_STDOUT, "9_______\n", 9);
	free(files);
	files = files_of("rot");
	is_str(files, "0:29 ", "has one");
	put(l, LOG_STDOUT, "x\ny\nz\n", 10);
	IS_LOG("rot", 2, 0, 0, "1@10:y\n|1@10:z\n|", "a part of a record");
	IS_LOG("rot", 4, 0, 0, "1@9:9_______\n|1@10:x\n|1@10:y\n|1@10:z\n|", "all of it and more");
	logfile_free(l);
}

/* A disk that is full: a file size limit stands for it (EFBIG in place of ENOSPC). */
static void test_full(void)
{
	struct logfile *l = open_log("full");
	struct rlimit old, small = { 1000, RLIM_INFINITY };
	_cleanup_str_ struct str text = { 0 };

	for (int i = 0; i < 200; i++)
		str_addf(&text, "line %d\n", i);
	put(l, LOG_STDOUT, "first\n", 1);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	setrlimit(RLIMIT_FSIZE, &small);
	is_err(logfile_write(l, LOG_STDOUT, text.s, text.len, 2), "writing the log: File too large",
	       "no room");
	setrlimit(RLIMIT_FSIZE, &old);
	put(l, LOG_STDOUT, "later\n", 3);
	logfile_free(l);
	IS_LOG("full", ALL, 0, 0, "1@1:first\n|1@3:later\n|", "only whole records stay, and it goes on");
}

int main(void)
{
	char path[] = "/tmp/test_logfile.XXXXXX";

	if (!mkdtemp(path))
		return 1;
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	test_lines();
	test_long_lines();
	test_follow();
	test_torn();
	test_strange();
	test_many();
	test_rotate();
	test_full();
	err_free(fd_rm_tree(AT_FDCWD, path));
	return done_testing();
}
