/* cmd/composelogs.c -- devbox compose logs, and what `up` shows: the output of several containers, line by line, with
 * the container's name in front. */
#include <poll.h>
#include <stdio.h>
#include <sys/inotify.h>

#include "cmd/compose.h"
#include "core/base/fd.h"
#include "core/base/proc.h"
#include "core/box/logfile.h"

/* One container that is shown. */
struct source_log {
	struct box *b;
	const char *service;
	struct logreader *r; /* NULL: it has written nothing yet */
	char *label; /* "web-1" */
	const char *color;
	int conn; /* readable when it has ended; -1: it does not run */
	int watch;
	bool mid_line[LOG_STDERR + 1];
};

struct viewer {
	const struct log_opts *o;
	struct source_log *v;
	size_t n;
	size_t width;
	bool color;
	int notify;
};

static const char *const colors[] = { "\033[36m",   "\033[33m",	  "\033[32m",	"\033[35m",
				      "\033[34m",   "\033[1;36m", "\033[1;33m", "\033[1;32m",
				      "\033[1;35m", "\033[1;34m" };

/* --- printing --------------------------------------------------------------------------------- */

static void prefix(const struct viewer *vw, const struct source_log *l)
{
	if (vw->o->no_prefix)
		return;
	printf("%s%-*s%s%s", vw->color ? l->color : "", (int)vw->width, l->label, "  | ",
	       vw->color ? "\033[0m" : "");
}

static void print_record(const struct viewer *vw, struct source_log *l, const struct log_record *rec)
{
	char when[TIME_TEXT_MAX];
	size_t at = 0;

	time_format(rec->time_ns, when);
	while (at < rec->len) {
		const char *nl = memchr(rec->data + at, '\n', rec->len - at);
		size_t len = nl ? (size_t)(nl - rec->data) - at : rec->len - at;

		if (!l->mid_line[rec->stream]) {
			prefix(vw, l);
			if (vw->o->timestamps)
				printf("%s ", when);
		}
		fwrite(rec->data + at, 1, len, stdout);
		if (nl)
			putchar('\n');
		l->mid_line[rec->stream] = !nl;
		at += len + (nl != NULL);
	}
}

static void end_lines(struct source_log *l)
{
	for (size_t i = 0; i < ARRAY_LEN(l->mid_line); i++) {
		if (l->mid_line[i])
			putchar('\n');
		l->mid_line[i] = false;
	}
}

static struct err *open_log(const struct viewer *vw, struct source_log *l)
{
	struct err *e;

	if (l->r)
		return NULL;
	e = logreader_open(l->b->dir, "log", vw->o->tail, vw->o->since_ns, vw->o->until_ns, &l->r);
	if (err_is(e, ENOENT)) { /* it was never started, or keeps no log */
		err_free(e);
		return NULL;
	}
	return e;
}

/* What the log of L holds by now. */
static struct err *drain(const struct viewer *vw, struct source_log *l)
{
	struct err *e = open_log(vw, l);

	while (!e && l->r) {
		struct log_record rec = { 0 };
		bool more = false;

		e = logreader_next(l->r, &rec, &more);
		if (e || !more)
			break;
		print_record(vw, l, &rec);
	}
	return e;
}

/* --- without following ------------------------------------------------------------------------ */

struct kept {
	struct source_log *from;
	enum log_stream stream;
	int64_t time_ns;
	char *data;
	size_t len;
	size_t order;
};

static int by_time(const void *a, const void *b)
{
	const struct kept *x = a, *y = b;

	if (x->time_ns != y->time_ns)
		return x->time_ns < y->time_ns ? -1 : 1;
	return x->order < y->order ? -1 : 1;
}

enum { KEPT_BYTES_MAX = 32 << 20 };

/* All logs in the order of time, as long as they are not too much to hold. */
static struct err *print_sorted(struct viewer *vw)
{
	struct kept *all = NULL;
	size_t n = 0, cap = 0, bytes = 0;
	struct err *e = NULL;

	for (size_t i = 0; i < vw->n && !e && bytes < KEPT_BYTES_MAX; i++) {
		e = open_log(vw, &vw->v[i]);
		while (!e && vw->v[i].r) {
			struct log_record rec = { 0 };
			bool more = false;

			e = logreader_next(vw->v[i].r, &rec, &more);
			if (e || !more || bytes > KEPT_BYTES_MAX)
				break;
			all = xgrow(all, n, &cap, sizeof(*all));
			all[n] = (struct kept){ &vw->v[i],   rec.stream,
						rec.time_ns, xmemdup(rec.data, rec.len),
						rec.len,     n };
			bytes += rec.len;
			n++;
		}
	}
	if (n)
		qsort(all, n, sizeof(*all), by_time);
	for (size_t i = 0; i < n; i++) {
		struct log_record rec = { all[i].stream, all[i].time_ns, all[i].data, all[i].len };

		print_record(vw, all[i].from, &rec);
		free(all[i].data);
	}
	free(all);
	for (size_t i = 0; i < vw->n; i++) {
		e = e ?: drain(vw, &vw->v[i]); /* what was too much */
		end_lines(&vw->v[i]);
	}
	return e;
}

/* --- following -------------------------------------------------------------------------------- */

static struct err *watch(struct viewer *vw, struct source_log *l)
{
	_cleanup_free_ char *path = xasprintf("/proc/self/fd/%d", l->b->dir);

	l->watch = inotify_add_watch(vw->notify, path, IN_MODIFY | IN_MOVED_TO | IN_CREATE);
	if (l->watch < 0)
		return err_new(errno, "watching the log of %s", l->b->spec.name);
	return watch_end(l->b, &l->conn);
}

/* L's run is over: *RET_OVER unless its policy has begun another. */
static struct err *run_ended(struct viewer *vw, struct source_log *l, bool *ret_over)
{
	struct err *e = drain(vw, l);

	close(l->conn);
	l->conn = -1;
	end_lines(l);
	e = e ?: box_refresh(l->b);
	if (e && str_starts(e->text, "No such container")) {
		err_free(e);
		*ret_over = true;
		return NULL;
	}
	if (!e && state_is_up(&l->b->state))
		e = watch_end(l->b, &l->conn);
	*ret_over = l->conn < 0;
	if (!e && vw->o->attached) {
		fflush(stdout);
		printf("%s exited with code %d\n", l->label, l->b->state.exit_code);
	}
	return e;
}

static struct err *wait_change(struct viewer *vw, struct pollfd *fds)
{
	char drained[4096];

	for (size_t i = 0; i < vw->n; i++)
		fds[i] = (struct pollfd){ .fd = vw->v[i].conn, .events = POLLIN };
	fds[vw->n] = (struct pollfd){ .fd = vw->notify, .events = POLLIN };
	fds[vw->n + 1] = (struct pollfd){ .fd = vw->o->signals, .events = POLLIN };
	fflush(stdout);
	if (poll(fds, vw->n + 2, -1) < 0 && errno != EINTR)
		return err_new(errno, "waiting for logs");
	while (read(vw->notify, drained, sizeof(drained)) > 0)
		; /* what changed is read from the logs themselves */
	return NULL;
}

static struct err *follow(struct viewer *vw, int *ret_code, bool *ret_interrupted)
{
	_cleanup_free_ struct pollfd *fds = xcalloc(vw->n + 2, sizeof(*fds));
	struct err *e = NULL;
	size_t left = 0;
	bool stop = false;

	vw->notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (vw->notify < 0)
		return err_new(errno, "watching logs");
	for (size_t i = 0; i < vw->n && !e; i++) {
		e = watch(vw, &vw->v[i]);
		left += vw->v[i].conn >= 0;
		/* one that has ended before we looked */
		if (!e && vw->v[i].conn < 0 && vw->o->attached &&
		    vw->v[i].b->state.status == BOX_EXITED) {
			e = drain(vw, &vw->v[i]);
			end_lines(&vw->v[i]);
			printf("%s exited with code %d\n", vw->v[i].label, vw->v[i].b->state.exit_code);
			stop = stop || vw->o->abort_on_exit ||
			       (vw->o->abort_on_failure && vw->v[i].b->state.exit_code);
		}
	}
	for (;;) {
		for (size_t i = 0; i < vw->n && !e; i++)
			e = drain(vw, &vw->v[i]);
		if (e || !left || stop)
			break;
		e = wait_change(vw, fds);
		if (e)
			break;
		if (fds[vw->n + 1].revents) {
			*ret_interrupted = true;
			break;
		}
		for (size_t i = 0; i < vw->n && !e; i++) {
			bool over = false;
			int code;

			if (!fds[i].revents || vw->v[i].conn < 0)
				continue;
			e = run_ended(vw, &vw->v[i], &over);
			code = vw->v[i].b->state.exit_code;
			left -= over;
			if (over && (vw->o->abort_on_exit || (vw->o->abort_on_failure && code))) {
				stop = true;
				if (!vw->o->code_from)
					*ret_code = code;
			}
		}
	}
	fflush(stdout);
	close(TAKE_FD(vw->notify));
	return e;
}

/* The exit code that --exit-code-from asks for, once its container has ended or been stopped. */
static struct err *code_of(struct session *s, const char *service, int *ret)
{
	size_t n = 0;
	struct actual *own = actuals_of(&s->a, service, &n);
	struct err *e = NULL;

	for (size_t i = 0; i < n && !e; i++) {
		if (own[i].oneoff)
			continue;
		e = box_refresh(own[i].box);
		if (!e && state_is_up(&own[i].box->state))
			e = box_stop(own[i].box, s->c.stop_timeout_s);
		if (!e) {
			*ret = own[i].box->state.exit_code;
			break;
		}
	}
	return e;
}

/* --- both ------------------------------------------------------------------------------------- */

struct err *compose_logs(struct session *s, const struct strv *services, const struct log_opts *o,
			 int *ret_code, bool *ret_interrupted)
{
	struct viewer vw = { .o = o, .color = !o->no_color && isatty(STDOUT_FILENO), .notify = -1 };
	struct err *e = NULL;

	vw.v = xcalloc(s->a.n + 1, sizeof(*vw.v));
	for (size_t i = 0; i < s->a.n; i++) {
		const struct actual *c = &s->a.v[i];
		struct source_log *l = &vw.v[vw.n];
		size_t len;

		if (!is_meant(c, services) || (o->attached && !services->n))
			continue;
		*l = (struct source_log){ .b = c->box, .service = c->service, .conn = -1 };
		l->label = str_starts(c->name, s->name) && c->name[strlen(s->name)]
				   ? xstrdup(c->name + strlen(s->name) + 1)
				   : xstrdup(c->name);
		l->color = colors[vw.n % ARRAY_LEN(colors)];
		len = strlen(l->label);
		vw.width = len > vw.width ? len : vw.width;
		vw.n++;
	}
	if (o->attached && vw.n) {
		fprintf(stderr, "Attaching to ");
		for (size_t i = 0; i < vw.n; i++)
			fprintf(stderr, "%s%s", i ? ", " : "", vw.v[i].label);
		fprintf(stderr, "\n");
	}
	e = o->follow ? follow(&vw, ret_code, ret_interrupted) : print_sorted(&vw);
	if (!e && o->code_from && !*ret_interrupted)
		e = code_of(s, o->code_from, ret_code);
	for (size_t i = 0; i < vw.n; i++) {
		logreader_free(vw.v[i].r);
		free(vw.v[i].label);
		if (vw.v[i].conn >= 0)
			close(vw.v[i].conn);
	}
	free(vw.v);
	return e;
}

static struct log_opts opt = { .signals = -1 };
static const char *opt_tail = "all", *opt_since, *opt_until;
static unsigned opt_index;

static const struct opt opts[] = {
	{ 'f', "follow", NULL, "Follow log output", OPT_BOOL, &opt.follow, NULL },
	{ 0, "index", "int", "Index of the container if service has multiple replicas", OPT_UINT,
	  &opt_index, NULL },
	{ 0, "no-color", NULL, "Produce monochrome output", OPT_BOOL, &opt.no_color, NULL },
	{ 0, "no-log-prefix", NULL, "Don't print prefix in logs", OPT_BOOL, &opt.no_prefix, NULL },
	{ 0, "since", "string",
	  "Show logs since timestamp (e.g. 2026-01-02T13:23:37Z) or relative (e.g. 42m)", OPT_STR,
	  &opt_since, NULL },
	{ 'n', "tail", "string",
	  "Number of lines to show from the end of the logs for each container (default all)",
	  OPT_STR, &opt_tail, NULL },
	{ 't', "timestamps", NULL, "Show timestamps", OPT_BOOL, &opt.timestamps, NULL },
	{ 0, "until", "string", "Show logs before a timestamp or relative", OPT_STR, &opt_until, NULL },
	COMPOSE_OPTS_END,
};

static struct err *logs(struct call *c, int argc, char **argv)
{
	_cleanup_session_ struct session s = { 0 };
	_cleanup_strv_ struct strv services = { 0 };
	int64_t now = time_now_ns();
	bool interrupted = false;
	struct err *e = NULL;

	opt.tail = UINT64_MAX;
	if (strcmp(opt_tail, "all") && strcmp(opt_tail, "-1"))
		e = err_wrap(str_to_u64(opt_tail, 0, UINT64_MAX - 1, &opt.tail),
			     "invalid value for \"tail\"");
	if (!e && opt_since)
		e = err_wrap(time_parse(opt_since, now, &opt.since_ns), "invalid value for \"since\"");
	if (!e && opt_until)
		e = err_wrap(time_parse(opt_until, now, &opt.until_ns), "invalid value for \"until\"");
	e = e ?: session_look(&s, argc, argv, &services);
	for (size_t i = 0; !e && opt_index && i < s.a.n; i++)
		if (s.a.v[i].number != opt_index)
			s.a.v[i].oneoff = true; /* not shown */
	return e ?: compose_logs(&s, &services, &opt, &c->status, &interrupted);
}

const struct verb verb_compose_logs = {
	.name = "logs",
	.args = "[SERVICE...]",
	.max_args = -1,
	.opts = opts,
	.summary = "View output from containers",
	.run = logs,
};
