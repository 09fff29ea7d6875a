/* cmd/tend.c -- devbox rename, pause, unpause, stats: looking after running containers */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sysinfo.h>

#include "cmd/list.h"
#include "cmd/verb.h"
#include "cmd/ui/human.h"
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

/* --- stats ------------------------------------------------------------------------------------ */

enum { SAMPLE_MS = 1000 };

static bool opt_all, opt_no_stream, opt_no_trunc;
static const char *opt_format;

const struct opt stats_opts[] = {
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
	if (spec->limits.memory && (double)spec->limits.memory < total)
		total = (double)spec->limits.memory;
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
