/* cmd/tend.c -- devbox rename, pause, unpause, top, stats: looking after running containers */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <time.h>

#include "cmd/list.h"
#include "cmd/verb.h"
#include "cmd/ui/human.h"
#include "core/base/fd.h"
#include "core/base/proc.h"
#include "core/box/procs.h"

/* --- rename, pause, unpause ------------------------------------------------------------------- */

static struct err *rename_verb(UNUSED struct call *c, UNUSED int argc, char **argv)
{
	_cleanup_store_ struct store *st = NULL;
	_cleanup_box_ struct box *b = NULL;
	struct err *e = store_open(&st);

	e = e ?: box_find(st, argv[0], &b);
	return e ?: box_rename(b, argv[1]);
}

static struct err *pause_one(struct box *b, UNUSED void *arg)
{
	return box_pause(b);
}

static struct err *pause_verb(UNUSED struct call *c, int argc, char **argv)
{
	return each_box(argc, argv, pause_one, NULL);
}

static struct err *unpause_one(struct box *b, UNUSED void *arg)
{
	return box_unpause(b);
}

static struct err *unpause_verb(UNUSED struct call *c, int argc, char **argv)
{
	return each_box(argc, argv, unpause_one, NULL);
}

/* --- top -------------------------------------------------------------------------------------- */

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

static struct err *top(UNUSED struct call *c, int argc, char **argv)
{
	_cleanup_store_ struct store *st = NULL;
	_cleanup_box_ struct box *b = NULL;
	_cleanup_procs_ struct procs p = { 0 };
	_cleanup_table_ struct table t = { 0 };
	_cleanup_str_ struct str text = { 0 };
	struct err *e = store_open(&st);

	e = e ?: box_find(st, argv[0], &b);
	if (!e && argc > 1)
		e = err_hint(err_new(0, "options of ps are not supported"), "%s exec %s ps %s",
			     prog(), argv[0], argv[1]);
	if (!e && b->state.status != BOX_RUNNING)
		e = err_new(0, "container %s is not running", b->spec.id);
	e = e ?: box_procs(b, &p);
	if (e)
		return e;
	table_line(&t, "UID\tPID\tPPID\tC\tSTIME\tTTY\tTIME\tCMD");
	for (size_t i = 0; i < p.n; i++) {
		_cleanup_str_ struct str line = { 0 };

		add_top_line(p.v[i], &line);
		if (line.len)
			table_line(&t, line.s);
	}
	table_text(&t, &text);
	fputs(text.s, stdout);
	return NULL;
}

/* --- stats ------------------------------------------------------------------------------------ */

enum { SAMPLE_MS = 1000 };

static bool opt_all, opt_no_stream, opt_no_trunc;
static const char *opt_format;

static const struct opt stats_opts[] = {
	{ 'a', "all", NULL, "Show all containers (default shows just running)", OPT_BOOL, &opt_all, NULL },
	{ 0, "format", "string",
	  "Format output using a custom template:\n'table', 'table TEMPLATE', 'json' or a Go template",
	  OPT_STR, &opt_format, NULL },
	{ 0, "no-stream", NULL, "Disable streaming stats and only pull the first result", OPT_BOOL,
	  &opt_no_stream, NULL },
	{ 0, "no-trunc", NULL, "Do not truncate output", OPT_BOOL, &opt_no_trunc, NULL },
	{ 0 },
};

static const struct column stats_columns[] = {
	{ "ID", "CONTAINER ID" }, { "Container", "CONTAINER" },	       { "Name", "NAME" },
	{ "CPUPerc", "CPU %" },	  { "MemUsage", "MEM USAGE / LIMIT" }, { "MemPerc", "MEM %" },
	{ "NetIO", "NET I/O" },	  { "BlockIO", "BLOCK I/O" },	       { "PIDs", "PIDS" },
	{ NULL, NULL },
};

struct sample {
	struct box *b;
	struct usage first, now;
	int64_t first_ms, now_ms;
	bool known;
};

static void take(struct sample *s)
{
	struct err *e = NULL;

	s->first = s->now;
	s->first_ms = s->now_ms;
	s->now = (struct usage){ 0 };
	e = box_refresh(s->b);
	e = e
		    ?: s->b->state.status == BOX_RUNNING ? box_usage(s->b, &s->now)
							 : err_new(0, "it does not run");
	s->now_ms = time_mono_ms();
	s->known = !e;
	err_free(e); /* a container that has ended has no numbers */
}

/* "1.5MiB": binary units, four digits, as Docker shows memory. */
static void binary_size(uint64_t bytes, struct str *out)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	double n = (double)bytes;
	size_t u = 0;

	for (; n >= 1024 && u + 1 < ARRAY_LEN(units); u++)
		n /= 1024;
	str_addf(out, "%.4g%s", n, units[u]);
}

static void put_pair(struct list *l, const char *key, uint64_t a, uint64_t b)
{
	_cleanup_str_ struct str s = { 0 };

	human_size(a, false, &s);
	str_add(&s, " / ");
	human_size(b, false, &s);
	list_put(l, key, s.s);
}

static struct err *add_stats(struct list *l, const struct sample *s)
{
	const struct spec *spec = &s->b->spec;
	_cleanup_free_ char *id = xstrndup(spec->id, opt_no_trunc ? 64 : 12);
	_cleanup_str_ struct str mem = { 0 }, text = { 0 };
	double cpu = 0, total;
	struct sysinfo si;

	sysinfo(&si);
	total = (double)si.totalram * si.mem_unit;
	if (s->now_ms > s->first_ms && s->now.cpu_ticks > s->first.cpu_ticks)
		cpu = (double)(s->now.cpu_ticks - s->first.cpu_ticks) /
		      (double)sysconf(_SC_CLK_TCK) * 1e5 / (double)(s->now_ms - s->first_ms);
	list_row(l);
	list_put(l, "ID", id);
	list_put(l, "Container", id);
	list_put(l, "Name", spec->name);
	str_addf(&text, "%.2f%%", cpu);
	list_put(l, "CPUPerc", s->known ? text.s : "--");
	binary_size(s->now.memory, &mem);
	str_add(&mem, " / ");
	binary_size((uint64_t)total, &mem);
	list_put(l, "MemUsage", s->known ? mem.s : "-- / --");
	text.len = 0;
	str_addf(&text, "%.2f%%", (double)s->now.memory * 100 / total);
	list_put(l, "MemPerc", s->known ? text.s : "--");
	put_pair(l, "NetIO", s->now.net_in, s->now.net_out);
	put_pair(l, "BlockIO", s->now.disk_in, s->now.disk_out);
	text.len = 0;
	str_addf(&text, "%llu", (unsigned long long)s->now.n_procs);
	list_put(l, "PIDs", text.s);
	return list_end_row(l);
}

static struct err *print_stats(const struct sample *s, size_t n)
{
	static const char table[] =
		"{{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}";
	_cleanup_list_ struct list l = { 0 };
	struct err *e = list_open(&l, opt_format, table, stats_columns);

	for (size_t i = 0; !e && i < n; i++)
		e = add_stats(&l, &s[i]);
	if (!e)
		list_close(&l);
	fflush(stdout);
	return e;
}

/* The containers named, or all that run. */
static struct err *stats_boxes(struct store *st, int argc, char **argv, struct sample **ret, size_t *ret_n)
{
	struct box **all = NULL;
	struct err *e = NULL;
	size_t n = 0;

	*ret_n = 0;
	if (argc)
		*ret = xcalloc((size_t)argc, sizeof(**ret));
	for (int i = 0; !e && i < argc; i++) {
		e = box_find(st, argv[i], &(*ret)[*ret_n].b);
		*ret_n += !e;
	}
	if (argc)
		return e;
	e = box_list(st, &all, &n);
	*ret = xcalloc(n + 1, sizeof(**ret));
	for (size_t i = 0; i < n; i++)
		if (opt_all || all[i]->state.status == BOX_RUNNING)
			(*ret)[(*ret_n)++].b = all[i];
		else
			box_free(all[i]);
	free(all);
	return e;
}

static struct err *stats(UNUSED struct call *c, int argc, char **argv)
{
	_cleanup_store_ struct store *st = NULL;
	struct sample *s = NULL;
	size_t n = 0;
	struct err *e = store_open(&st);

	e = e ?: stats_boxes(st, argc, argv, &s, &n);
	for (size_t i = 0; !e && i < n; i++)
		take(&s[i]);
	while (!e) {
		if (n || !opt_no_stream)
			poll(NULL, 0, SAMPLE_MS); /* usage is a difference over time */
		for (size_t i = 0; i < n; i++)
			take(&s[i]);
		if (!opt_no_stream && isatty(STDOUT_FILENO))
			fputs("\033[2J\033[H", stdout);
		e = print_stats(s, n);
		if (opt_no_stream)
			break;
	}
	for (size_t i = 0; i < n; i++)
		box_free(s[i].b);
	free(s);
	return e;
}

const struct verb verb_rename = {
	.name = "rename",
	.args = "CONTAINER NEW_NAME",
	.min_args = 2,
	.max_args = 2,
	.summary = "Rename a container",
	.run = rename_verb,
};
const struct verb verb_pause = {
	.name = "pause",
	.args = "CONTAINER [CONTAINER...]",
	.min_args = 1,
	.max_args = -1,
	.summary = "Pause all processes within one or more containers",
	.run = pause_verb,
};
const struct verb verb_unpause = {
	.name = "unpause",
	.args = "CONTAINER [CONTAINER...]",
	.min_args = 1,
	.max_args = -1,
	.summary = "Unpause all processes within one or more containers",
	.run = unpause_verb,
};
const struct verb verb_top = {
	.name = "top",
	.args = "CONTAINER",
	.min_args = 1,
	.max_args = -1,
	.grammar = OPT_FIRST,
	.summary = "Display the running processes of a container",
	.run = top,
};
const struct verb verb_stats = {
	.name = "stats",
	.args = "[CONTAINER...]",
	.min_args = 0,
	.max_args = -1,
	.opts = stats_opts,
	.summary = "Display a live stream of container(s) resource usage statistics",
	.more = "Sums over the processes of the moment: what ended processes used counts as soon as\n"
		"their parents have waited for them.  Memory is anonymous and shared memory, without caches.",
	.run = stats,
};
