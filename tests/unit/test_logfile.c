#include "core/box/logfile.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "core/base/fd.h"
#include "core/base/proc.h"
#include "tests/lib/tap.h"

static int dir;

static void write_text(const char *text, enum log_stream stream, size_t step)
{
	struct logfile *l;
	size_t len = strlen(text);

	is_err(logfile_open(dir, "log", &l), NULL, "open for writing");
	for (size_t i = 0; i < len; i += step)
		err_free(logfile_write(l, stream, text + i, len - i < step ? len - i : step, (int64_t)i + 1));
	is_err(logfile_flush(l, 999), NULL, "flush");
	logfile_free(l);
}

/* All records joined with '|' between them. */
static char *read_all(uint64_t tail, int64_t since, int64_t until)
{
	struct logreader *r;
	struct log_record rec;
	struct str s = { 0 };
	bool more = true;

	is_err(logreader_open(dir, "log", tail, since, until, &r), NULL, "open for reading");
	while (more) {
		struct err *e = logreader_next(r, &rec, &more);

		if (e) {
			err_free(e);
			str_add(&s, "!");
			break;
		}
		if (more) {
			str_addc(&s, rec.stream == LOG_STDERR ? 'e' : 'o');
			str_addn(&s, rec.data, rec.len);
			str_addc(&s, '|');
		}
	}
	logreader_free(r);
	return str_take(&s);
}

static void is_log(uint64_t tail, const char *want, const char *what)
{
	_cleanup_free_ char *got = read_all(tail, 0, 0);

	is_str(got, want, "%s", what);
}

static void fresh(void)
{
	unlinkat(dir, "log", 0);
}

static void test_lines(void)
{
	for (size_t step = 1; step <= 8; step++) {
		fresh();
		write_text("one\n\ntwo\nthree", LOG_STDOUT, step);
		is_log(UINT64_MAX, "oone\n|o\n|otwo\n|othree|", "lines, however they were cut up");
		is_log(1, "othree|", "the last line, without a newline");
		is_log(2, "otwo\n|othree|", "the last two");
		is_log(0, "", "none");
		is_log(100, "oone\n|o\n|otwo\n|othree|", "more than there are");
	}
	write_text("x\n", LOG_STDERR, 2);
	is_log(2, "othree|ex\n|", "a second run appends");
}

static void test_long_line(void)
{
	_cleanup_free_ char *text = xmalloc(LOG_LINE_MAX * 2 + 12), *got = NULL;

	fresh();
	memset(text, 'a', LOG_LINE_MAX * 2 + 10);
	memcpy(text + LOG_LINE_MAX * 2 + 10, "\n", 2);
	write_text("first\n", LOG_STDOUT, 100);
	write_text(text, LOG_STDOUT, 1000);
	got = read_all(1, 0, 0);
	is_int(strlen(got), LOG_LINE_MAX * 2 + 11 + 6, "a line in three parts is one line for tail");
	got[2] = '\0';
	is_str(got, "oa", "and begins at its beginning");
}

static void test_torn(void)
{
	struct stat st;
	int fd;

	for (off_t cut = 1; cut < 26; cut++) {
		fresh();
		write_text("one\ntwo!\n", LOG_STDOUT, 100);
		fstatat(dir, "log", &st, 0);
		fd = openat(dir, "log", O_RDWR | O_CLOEXEC);
		ok(ftruncate(fd, st.st_size - cut) == 0, "the last %d bytes are lost", (int)cut);
		close(fd);
		is_log(UINT64_MAX, "oone\n|", "the whole records are read");
		is_log(1, "oone\n|", "the tail is found");
		write_text("new\n", LOG_STDERR, 100);
		is_log(UINT64_MAX, "oone\n|enew\n|", "the next writer cuts the rest off");
	}
}

static void test_times(void)
{
	struct logfile *l;
	char *got;

	fresh();
	is_err(logfile_open(dir, "log", &l), NULL, "open");
	for (int i = 1; i <= 5; i++) {
		char text[3] = { (char)('0' + i), '\n', 0 };

		err_free(logfile_write(l, LOG_STDOUT, text, 2, i * 10));
	}
	logfile_free(l);
	got = read_all(UINT64_MAX, 20, 40);
	is_str(got, "o2\n|o3\n|o4\n|", "since and until");
	free(got);
}

static void test_binary(void)
{
	struct logfile *l;
	struct logreader *r;
	struct log_record rec;
	bool more;

	fresh();
	is_err(logfile_open(dir, "log", &l), NULL, "open");
	err_free(logfile_write(l, LOG_STDOUT, "a\0b\377\n", 5, 1));
	logfile_free(l);
	is_err(logreader_open(dir, "log", UINT64_MAX, 0, 0, &r), NULL, "open");
	is_err(logreader_next(r, &rec, &more), NULL, "next");
	ok(more && rec.len == 5 && !memcmp(rec.data, "a\0b\377\n", 5), "any byte");
	is_err(logreader_next(r, &rec, &more), NULL, "next");
	ok(!more, "the end");
	logreader_free(r);
}

static void test_follow(void)
{
	struct logfile *l;
	struct logreader *r;
	struct log_record rec;
	bool more;

	fresh();
	is_err(logfile_open(dir, "log", &l), NULL, "open");
	err_free(logfile_write(l, LOG_STDOUT, "1\n", 2, 1));
	is_err(logreader_open(dir, "log", UINT64_MAX, 0, 0, &r), NULL, "open");
	is_err(logreader_next(r, &rec, &more), NULL, "next");
	ok(more, "what is there");
	is_err(logreader_next(r, &rec, &more), NULL, "next");
	ok(!more, "no more yet");
	err_free(logfile_write(l, LOG_STDOUT, "2\n", 2, 2));
	is_err(logreader_next(r, &rec, &more), NULL, "next");
	ok(more && rec.len == 2 && rec.data[0] == '2', "what came since");
	logreader_free(r);
	logfile_free(l);
}

int main(void)
{
	char path[] = "/tmp/devbox-test-log.XXXXXX";

	if (!mkdtemp(path))
		return 1;
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	test_lines();
	test_long_line();
	test_torn();
	test_times();
	test_binary();
	test_follow();
	fresh();
	rmdir(path);
	return done_testing();
}
