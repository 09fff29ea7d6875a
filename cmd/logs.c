/* cmd/logs.c -- devbox logs [-f] [-t] [-n LINES] [--since TIME] [--until TIME] [--details] CONTAINER */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>

#include "cmd/logs.h"
#include "cmd/verb.h"
#include "core/base/proc.h"
#include "core/box/logconf.h"

static struct logs_opts opt = { .tail = "all" };

static const struct opt opts[] = {
	{ 0, "details", NULL, "Show extra details provided to logs", OPT_BOOL, &opt.details, NULL },
	{ 'f', "follow", NULL, "Follow log output", OPT_BOOL, &opt.follow, NULL },
	{ 0, "since", NULL,
	  "Show logs since timestamp (e.g. \"2026-01-02T13:23:37Z\") or relative (e.g. \"42m\")",
	  OPT_STR, &opt.since, NULL },
	{ 'n', "tail", NULL, "Number of lines to show from the end of the logs (default \"all\")",
	  OPT_STR, &opt.tail, NULL },
	{ 't', "timestamps", NULL, "Show timestamps", OPT_BOOL, &opt.timestamps, NULL },
	{ 0, "until", NULL, "Show logs before timestamp or relative", OPT_STR, &opt.until, NULL },
	{ 0 },
};

struct printer {
	struct logreader *r;
	const struct logs_opts *o;
	struct err *(*write)(void *arg, enum log_stream stream, const char *data, size_t len);
	void *arg;
	bool tty; /* a terminal's records all go to stdout */
	char *details; /* what stands before each line, or NULL */
	int64_t until_ns; /* 0: no end */
	bool in_line[LOG_STDERR + 1]; /* the last record of the stream did not end its line */
};

static struct err *open_reader(struct box *b, struct printer *p)
{
	const struct logs_opts *o = p->o;
	int64_t now = time_now_ns(), since = 0;
	uint64_t tail = UINT64_MAX;
	struct logconf conf = { 0 };
	struct err *e = NULL;

	if (strcmp(o->tail, "all") && strcmp(o->tail, "-1"))
		e = str_to_u64(o->tail, 0, UINT64_MAX - 1, &tail);
	e = err_wrap(e, "invalid value for \"tail\"");
	if (!e && o->since)
		e = err_wrap(time_parse(o->since, now, &since), "invalid value for \"since\"");
	if (!e && o->until)
		e = err_wrap(time_parse(o->until, now, &p->until_ns), "invalid value for \"until\"");
	e = e ?: logconf_parse(b->spec.log_driver, &b->spec.log_opts, &conf);
	if (!e && conf.none)
		e = err_new(0, "configured logging driver does not support reading");
	if (!e && o->details)
		p->details = logconf_details(&conf, &b->spec.labels, &b->spec.env);
	logconf_done(&conf);
	return e ?: logreader_open(b->dir, "log", tail, since, p->until_ns, &p->r);
}

static struct err *show_record(struct printer *p, const struct log_record *rec)
{
	enum log_stream stream = p->tty ? LOG_STDOUT : rec->stream;
	_cleanup_str_ struct str out = { 0 };
	char when[TIME_TEXT_MAX];
	size_t at = 0;

	if (!p->o->timestamps && !p->details)
		return p->write(p->arg, stream, rec->data, rec->len);
	time_format(rec->time_ns, when);
	while (at < rec->len) {
		const char *nl = memchr(rec->data + at, '\n', rec->len - at);
		size_t n = nl ? (size_t)(nl - rec->data) + 1 - at : rec->len - at;

		if (p->o->timestamps && !p->in_line[rec->stream])
			str_addf(&out, "%s ", when);
		if (p->details && !p->in_line[rec->stream])
			str_addf(&out, "%s ", p->details);
		str_addn(&out, rec->data + at, n);
		p->in_line[rec->stream] = !nl;
		at += n;
	}
	return p->write(p->arg, stream, out.s, out.len);
}

/* What there is now. */
static struct err *show_all(struct printer *p)
{
	struct err *e = NULL;

	while (!e) {
		struct log_record rec = { 0 };
		bool more = false;

		e = logreader_next(p->r, &rec, &more);
		if (!e && !more)
			return p->write(p->arg, LOG_STDOUT, NULL, 0);
		e = e ?: show_record(p, &rec);
	}
	return e;
}

/* Milliseconds until --until, -1: for ever. */
static int time_left(const struct printer *p)
{
	int64_t ms = (p->until_ns - time_now_ns()) / 1000000 + 1;

	return !p->until_ns ? -1 : ms < 0 ? 0 : ms > INT32_MAX ? INT32_MAX : (int)ms;
}

/* Woken by writes to the log, its rotation, and the container's end, after which the rest is printed. */
static struct err *follow(struct box *b, struct printer *p)
{
	_cleanup_close_ int notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK), conn = -1;
	_cleanup_free_ char *path = xasprintf("/proc/self/fd/%d", b->dir);
	char drain[4096];
	bool ended = false;
	struct err *e;

	/* the directory: "log" will be another file after a rotation */
	if (notify < 0 || inotify_add_watch(notify, path, IN_MODIFY | IN_MOVED_TO) < 0)
		return err_new(errno, "watching the log of %s", b->spec.name);
	e = watch_end(b, &conn);
	ended = conn < 0;
	while (!e && !ended) {
		struct pollfd fds[2] = { { .fd = notify, .events = POLLIN },
					 { .fd = conn, .events = POLLIN } };
		int n;

		e = show_all(p); /* first: something may have come before we watched */
		if (e)
			break;
		n = poll(fds, 2, time_left(p));
		if (n < 0 && errno != EINTR)
			e = err_new(errno, "waiting for the log of %s", b->spec.name);
		ended = fds[1].revents != 0 || n == 0;
		while (read(notify, drain, sizeof(drain)) > 0)
			; /* what changed is read from the log itself */
	}
	return e ?: show_all(p);
}

struct err *logs_check(struct box *b, const struct logs_opts *o)
{
	struct printer p = { .o = o };
	struct err *e = open_reader(b, &p);

	if (err_is(e, ENOENT)) {
		err_free(e);
		e = NULL;
	}
	logreader_free(p.r);
	free(p.details);
	return e;
}

struct err *logs_show(struct box *b, const struct logs_opts *o,
		      struct err *(*write)(void *arg, enum log_stream stream, const char *data,
					   size_t len),
		      void *arg)
{
	struct printer p = { .o = o, .write = write, .arg = arg, .tty = b->spec.tty };
	struct err *e = open_reader(b, &p);

	if (err_is(e, ENOENT)) { /* never started */
		err_free(e);
		e = NULL;
	} else if (!e) {
		e = show_all(&p);
		if (!e && o->follow)
			e = follow(b, &p);
		logreader_free(p.r);
	}
	free(p.details);
	return e;
}

static struct err *print(UNUSED void *arg, enum log_stream stream, const char *data, size_t len)
{
	static FILE *last;
	FILE *to = stream == LOG_STDERR ? stderr : stdout;
	bool good;

	if (!data)
		return fflush(stdout) == EOF ? err_new(errno, "writing the output") : NULL;
	if (last && last != to)
		fflush(last); /* both may be the same terminal: keep the order */
	last = to;
	good = fwrite(data, 1, len, to) == len;
	if (to == stderr)
		fflush(stderr);
	return good ? NULL : err_new(errno, "writing the output");
}

static struct err *logs(UNUSED struct call *c, UNUSED int argc, char **argv)
{
	_cleanup_store_ struct store *st = NULL;
	_cleanup_box_ struct box *b = NULL;
	struct err *e = store_open(&st);

	e = e ?: box_find(st, argv[0], &b);
	return e ?: logs_show(b, &opt, print, NULL);
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
