/* cmd/top.c -- devbox top CONTAINER [ps OPTIONS]: its processes as the host sees them.  Without options the lines are
 * read from /proc; with options the host's ps(1) writes them, and those of the container are picked by their PID. */
#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "cmd/top.h"
#include "cmd/verb.h"
#include "cmd/ui/human.h"
#include "cmd/ui/table.h"
#include "core/base/fd.h"
#include "core/base/proc.h"
#include "core/box/procs.h"

enum { STAT_FIELDS = 22 };

/* Fields 3... of proc_pid_stat(5) as numbers, F[3] being the letter. */
static bool read_stat(pid_t pid, int64_t f[STAT_FIELDS + 1], char comm[64])
{
	_cleanup_free_ char *path = xasprintf("/proc/%d/stat", pid), *text = NULL;
	struct err *e = fd_read_file(AT_FDCWD, path, 4096, &text, NULL);
	char *open, *at;

	if (e) {
		err_free(e); /* it has ended */
		return false;
	}
	open = strchr(text, '(');
	at = strrchr(text, ')');
	if (!open || !at || !at[1] || !at[2])
		return false;
	snprintf(comm, 64, "%.*s", (int)(at - open - 1), open + 1);
	f[3] = at[2];
	at += 3;
	for (int i = 4; i <= STAT_FIELDS; i++)
		f[i] = strtoll(at, &at, 10);
	return true;
}

static void add_command(pid_t pid, const char *comm, struct str *out)
{
	_cleanup_free_ char *path = xasprintf("/proc/%d/cmdline", pid), *text = NULL;
	size_t len = 0;
	struct err *e = fd_read_file(AT_FDCWD, path, 1 << 20, &text, &len);

	err_free(e); /* ended, or without arguments: its name then */
	while (len && !text[len - 1])
		len--;
	for (size_t i = 0; i < len; i++)
		if (!text[i] || text[i] == '\t' || text[i] == '\n')
			text[i] = ' ';
	if (len)
		human_clean(text, out);
	else
		str_addf(out, "[%s]", comm);
}

static void add_start(int64_t start_s, int64_t now_s, struct str *out)
{
	time_t t = (time_t)start_s;
	struct tm tm;
	char text[16];

	localtime_r(&t, &tm);
	strftime(text, sizeof(text), now_s - start_s < 86400 ? "%H:%M" : "%b%d", &tm);
	str_add(out, text);
}

static void add_tty(int64_t tty, struct str *out)
{
	if (tty >> 8 == 136)
		str_addf(out, "pts/%d", (int)(tty & 255));
	else
		str_add(out, "?");
}

/* One line as `ps -ef` has it. */
static void add_top_line(pid_t pid, struct str *out)
{
	const int64_t hz = sysconf(_SC_CLK_TCK), now = time_now_ns() / 1000000000;
	_cleanup_free_ char *dir = xasprintf("/proc/%d", pid);
	int64_t f[STAT_FIELDS + 1] = { 0 }, start, cpu, age;
	struct timespec boot;
	char comm[64];
	struct stat st;

	if (stat(dir, &st) < 0 || !read_stat(pid, f, comm))
		return;
	clock_gettime(CLOCK_BOOTTIME, &boot);
	cpu = (f[14] + f[15]) / hz;
	start = now - boot.tv_sec + f[22] / hz;
	age = now > start ? now - start : 1;
	str_addf(out, "%u\t%d\t%d\t%d\t", st.st_uid, pid, (int)f[4], (int)(cpu * 100 / age));
	add_start(start, now, out);
	str_addc(out, '\t');
	add_tty(f[7], out);
	str_addf(out, "\t%02d:%02d:%02d\t", (int)(cpu / 3600), (int)(cpu / 60 % 60), (int)(cpu % 60));
	add_command(pid, comm, out);
}

static void add_own_lines(const struct procs *p, struct strv *to)
{
	strv_add(to, "UID\tPID\tPPID\tC\tSTIME\tTTY\tTIME\tCMD");
	for (size_t i = 0; i < p->n; i++) {
		_cleanup_str_ struct str line = { 0 };

		add_top_line(p->v[i], &line);
		if (line.len)
			strv_take(to, str_take(&line));
	}
}

/* --- ps ---------------------------------------------------------------------------------------- */

enum { PS_OUTPUT_MAX = 64 << 20 };

/* What `ps ARGS` writes. */
static struct err *run_ps(int argc, char **argv, struct str *out)
{
	_cleanup_strv_ struct strv args = { 0 };
	char buf[65536];
	int fds[2], status = 0;
	struct err *e = NULL;
	ssize_t n = 1;
	pid_t pid;

	strv_add(&args, "ps");
	for (int i = 0; i < argc; i++)
		strv_add(&args, argv[i]);
	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_new(errno, "making a pipe");
	pid = fork();
	if (pid == 0) {
		dup2(fds[1], STDOUT_FILENO);
		execvp("ps", args.v);
		_exit(127);
	}
	close(fds[1]);
	if (pid < 0)
		e = err_new(errno, "forking");
	while (!e && n > 0) {
		n = read(fds[0], buf, sizeof(buf));
		if (n > 0)
			str_addn(out, buf, (size_t)n);
		if (out->len > PS_OUTPUT_MAX)
			e = err_new(EFBIG, "reading what ps says");
	}
	close(fds[0]);
	e = pid < 0 ? e : err_also(e, proc_wait_pid(pid, &status));
	if (!e && status == 127)
		e = err_hint(err_new(0, "the host has no ps"), "%s top CONTAINER without options",
			     prog());
	else if (!e && status)
		e = err_new(0, "ps: it ended with %d", status);
	return e;
}

/* Words of a line; the last of at most MAX takes the rest. */
static void split(const char *line, size_t max, struct strv *words)
{
	while (*(line += strspn(line, " ")) && words->n < max) {
		size_t len = words->n + 1 < max ? strcspn(line, " ") : strlen(line);

		strv_take(words, xstrndup(line, len));
		line += len;
	}
}

static void add_words(const struct strv *words, struct strv *to)
{
	_cleanup_str_ struct str line = { 0 };

	for (size_t i = 0; i < words->n; i++) {
		str_add(&line, i ? "\t" : "");
		human_clean(words->v[i], &line);
	}
	strv_take(to, str_take(&line));
}

static bool is_in(const struct procs *p, const char *pid)
{
	for (size_t i = 0; i < p->n; i++)
		if (strtol(pid, NULL, 10) == p->v[i])
			return true;
	return false;
}

static struct err *add_ps_lines(const struct procs *p, int argc, char **argv, struct strv *to)
{
	_cleanup_strv_ struct strv titles = { 0 };
	_cleanup_str_ struct str out = { 0 };
	struct err *e = run_ps(argc, argv, &out);
	char *rest = out.s, *line = e ? NULL : strsep(&rest, "\n");
	size_t at = 0;

	if (e)
		return e;
	split(line ?: "", SIZE_MAX, &titles);
	while (at < titles.n && strcmp(titles.v[at], "PID"))
		at++;
	if (at == titles.n)
		return err_hint(err_new(0, "Couldn't find PID field in ps output"),
				"-o pid,... shows it");
	add_words(&titles, to);
	while (rest && (line = strsep(&rest, "\n")) != NULL) {
		_cleanup_strv_ struct strv words = { 0 };

		split(line, titles.n, &words);
		if (words.n > at && is_in(p, words.v[at]))
			add_words(&words, to);
	}
	return NULL;
}

struct err *top_lines(struct box *b, int argc, char **argv, struct strv *ret)
{
	_cleanup_procs_ struct procs p = { 0 };
	struct err *e = NULL;

	if (b->state.status != BOX_RUNNING)
		e = err_new(0, "container %s is not running", b->spec.id);
	e = e ?: box_procs(b, &p);
	if (!e && argc)
		e = add_ps_lines(&p, argc, argv, ret);
	else if (!e)
		add_own_lines(&p, ret);
	return e;
}

static struct err *top(UNUSED struct call *c, int argc, char **argv)
{
	_cleanup_store_ struct store *st = NULL;
	_cleanup_box_ struct box *b = NULL;
	_cleanup_table_ struct table t = { 0 };
	_cleanup_strv_ struct strv lines = { 0 };
	_cleanup_str_ struct str text = { 0 };
	struct err *e = store_open(&st);

	e = e ?: box_find(st, argv[0], &b);
	e = e ?: top_lines(b, argc - 1, argv + 1, &lines);
	if (e)
		return e;
	for (size_t i = 0; i < lines.n; i++)
		table_line(&t, lines.v[i]);
	table_text(&t, &text);
	fputs(text.s, stdout);
	return NULL;
}

const struct verb verb_top = {
	.name = "top",
	.args = "CONTAINER [ps OPTIONS]",
	.min_args = 1,
	.max_args = -1,
	.grammar = OPT_FIRST,
	.summary = "Display the running processes of a container",
	.run = top,
};
