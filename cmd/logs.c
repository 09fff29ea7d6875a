/* cmd/logs.c -- devbox logs [-f] [-t] [-n LINES] [--since TIME] [--until TIME] CONTAINER */
#include <poll.h>
#include <stdio.h>
#include <sys/inotify.h>

#include "cmd/verb.h"
#include "core/base/proc.h"
#include "core/box/logfile.h"

static bool opt_follow, opt_timestamps;
static const char *opt_tail = "all", *opt_since, *opt_until;

static const struct opt opts[] = {
	{ 'f', "follow", NULL, "Follow log output", OPT_BOOL, &opt_follow, NULL },
	{ 0, "since", NULL,
	  "Show logs since timestamp (e.g. \"2026-01-02T13:23:37Z\") or relative (e.g. \"42m\")",
	  OPT_STR, &opt_since, NULL },
	{ 'n', "tail", NULL, "Number of lines to show from the end of the logs (default \"all\")",
	  OPT_STR, &opt_tail, NULL },
	{ 't', "timestamps", NULL, "Show timestamps", OPT_BOOL, &opt_timestamps, NULL },
	{ 0, "until", NULL, "Show logs before timestamp or relative", OPT_STR, &opt_until, NULL },
	{ 0 },
};

static struct err *open_reader(struct box *b, struct logreader **ret)
{
	int64_t now = time_now_ns(), since = 0, until = 0;
	uint64_t tail = UINT64_MAX;
	struct err *e = NULL;

	if (strcmp(opt_tail, "all") && strcmp(opt_tail, "-1"))
		e = str_to_u64(opt_tail, 0, UINT64_MAX - 1, &tail);
	e = err_wrap(e, "invalid value for \"tail\"");
	if (!e && opt_since)
		e = err_wrap(time_parse(opt_since, now, &since), "invalid value for \"since\"");
	if (!e && opt_until)
		e = err_wrap(time_parse(opt_until, now, &until), "invalid value for \"until\"");
	return e ?: logreader_open(b->dir, "log", tail, since, until, ret);
}

/* What there is now; a terminal's records all go to stdout. */
static struct err *print_all(struct logreader *r, bool tty)
{
	static bool line_start[3] = { true, true, true };
	FILE *last = NULL;

	for (;;) {
		struct log_record rec = { 0 };
		bool more = false;
		struct err *e = logreader_next(r, &rec, &more);
		FILE *to = rec.stream == LOG_STDERR && !tty ? stderr : stdout;

		if (e || !more)
			return e
				       ?: fflush(stdout) == EOF ? err_new(errno, "writing the output")
								: NULL;
		if (last && last != to)
			fflush(last); /* both may be the same terminal: keep the order */
		last = to;
		if (opt_timestamps && line_start[rec.stream]) {
			char when[TIME_TEXT_MAX];

			time_format(rec.time_ns, when);
			fprintf(to, "%s ", when);
		}
		if (fwrite(rec.data, 1, rec.len, to) != rec.len)
			return err_new(errno, "writing the output");
		line_start[rec.stream] = !rec.len || rec.data[rec.len - 1] == '\n';
		if (to == stderr)
			fflush(stderr);
	}
}

/* Woken by writes to the log and by the container's end, after which the rest is printed. */
static struct err *follow(struct box *b, struct logreader *r)
{
	_cleanup_close_ int notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK), conn = -1;
	_cleanup_free_ char *path = xasprintf("/proc/self/fd/%d/log", b->dir);
	char drain[4096];
	bool ended = false;
	struct err *e;

	if (notify < 0 || inotify_add_watch(notify, path, IN_MODIFY) < 0)
		return err_new(errno, "watching the log of %s", b->spec.name);
	e = watch_end(b, &conn);
	while (!e && !ended) {
		struct pollfd p[2] = { { .fd = notify, .events = POLLIN },
				       { .fd = conn, .events = POLLIN } };

		ended = conn < 0;
		if (!ended && poll(p, 2, -1) < 0 && errno != EINTR)
			return err_new(errno, "waiting for the log of %s", b->spec.name);
		ended |= p[1].revents != 0;
		while (read(notify, drain, sizeof(drain)) > 0)
			; /* what changed is read from the log itself */
		e = print_all(r, b->spec.tty);
	}
	return e;
}

static struct err *logs(UNUSED struct call *c, UNUSED int argc, char **argv)
{
	_cleanup_store_ struct store *st = NULL;
	_cleanup_box_ struct box *b = NULL;
	struct logreader *r = NULL;
	struct err *e = store_open(&st);

	e = e ?: box_find(st, argv[0], &b);
	e = e ?: open_reader(b, &r);
	if (err_is(e, ENOENT)) { /* never started */
		err_free(e);
		return NULL;
	}
	e = e ?: print_all(r, b->spec.tty);
	if (!e && opt_follow && !opt_until)
		e = follow(b, r);
	logreader_free(r);
	return e;
}

const struct verb verb_logs = {
	.name = "logs",
	.args = "CONTAINER",
	.min_args = 1,
	.max_args = 1,
	.opts = opts,
	.summary = "Fetch the logs of a container",
	.run = logs,
};
