/* cmd/composelogs.c -- devbox compose logs, and what `up` shows: the output of several containers, line by line, with
 * the container's name in front.
 *
 * How it works
 *  1. viewer_expect() is told of all containers that will be shown: the names stand in a column as wide as the longest
 *  2. viewer_add() opens one when it has started.  Its log is read, and watched with inotify; a connection to its
 *     monitor tells of its end.  Both are behind one epoll descriptor, viewer_fd(): `up` has it among what it waits for
 *     while it starts the others, and calls viewer_pump() then
 *  3. viewer_follow() goes on with that alone until all have ended */
#include <poll.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/inotify.h>

#include "cmd/compose.h"
#include "core/base/fd.h"
#include "core/base/proc.h"
#include "core/box/logfile.h"

/* One container that is shown. */
struct source_log {
	struct box *b; /* ours */
	struct logreader *r; /* NULL: it has written nothing yet */
	char *label; /* "web-1" */
	const char *color;
	int conn; /* readable when it has ended; -1: it does not run */
	int watch;
	bool mid_line[LOG_STDERR + 1];
};

struct viewer {
	struct session *s;
	const struct log_opts *o;
	struct source_log *v;
	size_t n, cap;
	struct strv expected; /* labels */
	size_t width;
	bool color;
	bool said; /* "Attaching to ..." */
	bool beside_list; /* `up` still shows what it does: what is written goes above that */
	int notify, events; /* inotify; epoll over that and each connection */
	size_t left; /* those that run */
	bool stop; /* one has ended, and that is to end all */
	int code; /* its exit code, if it is to be ours */
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

	if (vw->beside_list)
		tasks_hide(&vw->s->tasks);
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

static struct err *listen_to(const struct viewer *vw, int fd)
{
	struct epoll_event ev = { .events = EPOLLIN };

	return epoll_ctl(vw->events, EPOLL_CTL_ADD, fd, &ev) < 0 ? err_new(errno, "watching logs")
								 : NULL;
}

static struct err *hear_of_end(const struct viewer *vw, struct source_log *l)
{
	struct err *e = watch_end(l->b, &l->conn);

	return e || l->conn < 0 ? e : listen_to(vw, l->conn);
}

static struct err *watch(struct viewer *vw, struct source_log *l)
{
	_cleanup_free_ char *path = xasprintf("/proc/self/fd/%d", l->b->dir);

	if (inotify_add_watch(vw->notify, path, IN_MODIFY | IN_MOVED_TO | IN_CREATE) < 0)
		return err_new(errno, "watching the log of %s", l->b->spec.name);
	return hear_of_end(vw, l);
}

/* L runs no more: `up` says so, and may have to end all others. */
static void tell_end(struct viewer *vw, struct source_log *l)
{
	int code = l->b->state.exit_code;

	end_lines(l);
	if (!vw->o->attached)
		return;
	if (vw->beside_list)
		tasks_hide(&vw->s->tasks);
	printf("%s exited with code %d\n", l->label, code);
	if (!vw->o->abort_on_exit && !(vw->o->abort_on_failure && code))
		return;
	if (!vw->stop && !vw->o->code_from)
		vw->code = code;
	vw->stop = true;
}

/* L's run is over: its policy may have begun another. */
static struct err *run_ended(struct viewer *vw, struct source_log *l)
{
	struct err *e = drain(vw, l);

	close(l->conn);
	l->conn = -1;
	end_lines(l);
	e = e ?: box_refresh(l->b);
	if (e && str_starts(e->text, "No such container")) {
		err_free(e);
		vw->left--;
		return NULL;
	}
	if (!e && state_is_up(&l->b->state))
		e = hear_of_end(vw, l);
	if (e)
		return e;
	if (l->conn < 0) {
		vw->left--;
		tell_end(vw, l);
	} else if (vw->o->attached) {
		printf("%s exited with code %d\n", l->label, l->b->state.exit_code);
	}
	return NULL;
}

/* Show what there is by now, and who has ended. */
static struct err *show_news(struct viewer *vw)
{
	_cleanup_free_ struct pollfd *fds = xcalloc(vw->n + 1, sizeof(*fds));
	char drained[4096];
	struct err *e = NULL;

	while (read(vw->notify, drained, sizeof(drained)) > 0)
		; /* what changed is read from the logs themselves */
	for (size_t i = 0; i < vw->n; i++)
		fds[i] = (struct pollfd){ .fd = vw->v[i].conn, .events = POLLIN };
	if (poll(fds, vw->n, 0) < 0 && errno != EINTR)
		return err_new(errno, "waiting for logs");
	for (size_t i = 0; i < vw->n && !e; i++)
		e = fds[i].revents && vw->v[i].conn >= 0 ? run_ended(vw, &vw->v[i])
							 : drain(vw, &vw->v[i]);
	fflush(stdout);
	return e;
}

struct err *viewer_pump(struct viewer *vw)
{
	struct err *e = show_news(vw);

	for (size_t i = 0; i < vw->n && vw->s->tasks.tty; i++)
		end_lines(&vw->v[i]); /* the list goes on below */
	fflush(stdout);
	tasks_show(&vw->s->tasks);
	return e;
}

struct err *viewer_follow(struct viewer *vw, int *ret_code, bool *ret_interrupted)
{
	struct err *e;

	vw->beside_list = false;
	e = show_news(vw);
	while (!e && vw->left && !vw->stop) {
		struct pollfd fds[2] = { { .fd = vw->events, .events = POLLIN },
					 { .fd = vw->o->signals, .events = POLLIN } };

		if (poll(fds, ARRAY_LEN(fds), -1) < 0 && errno != EINTR)
			return err_new(errno, "waiting for logs");
		if (fds[1].revents) {
			*ret_interrupted = true;
			return NULL;
		}
		e = show_news(vw);
	}
	*ret_code = vw->code ?: *ret_code;
	return e;
}

/* --- both ------------------------------------------------------------------------------------- */

static char *label_of(const struct viewer *vw, const char *name)
{
	const char *project = vw->s->name;

	return xstrdup(str_starts(name, project) && name[strlen(project)] ? name + strlen(project) + 1
									  : name);
}

struct viewer *viewer_new(struct session *s, const struct log_opts *o)
{
	struct viewer *vw = xcalloc(1, sizeof(*vw));

	*vw = (struct viewer){ .s = s,
			       .o = o,
			       .color = !o->no_color && isatty(STDOUT_FILENO),
			       .beside_list = o->attached,
			       .notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK),
			       .events = epoll_create1(EPOLL_CLOEXEC) };
	return vw;
}

void viewer_expect(struct viewer *vw, const char *name)
{
	char *label = label_of(vw, name);
	size_t len = strlen(label);

	vw->width = len > vw->width ? len : vw->width;
	strv_take(&vw->expected, label);
}

int viewer_fd(const struct viewer *vw)
{
	return vw->events;
}

static void say_attaching(struct viewer *vw)
{
	_cleanup_str_ struct str s = { 0 };

	if (!vw->o->attached || vw->said)
		return;
	vw->said = true;
	for (size_t i = 0; i < vw->expected.n; i++)
		str_addf(&s, "%s%s", i ? ", " : "Attaching to ", vw->expected.v[i]);
	tasks_note(&vw->s->tasks, s.s);
}

struct err *viewer_add(struct viewer *vw, const char *name)
{
	_cleanup_free_ char *label = label_of(vw, name);
	struct source_log *l;
	struct box *b = NULL;
	struct err *e = NULL;

	if (!strv_has(&vw->expected, label))
		return NULL;
	for (size_t i = 0; i < vw->n; i++)
		if (!strcmp(vw->v[i].label, label))
			return NULL;
	e = box_find(vw->s->st, name, &b);
	if (e)
		return e;
	say_attaching(vw);
	vw->v = xgrow(vw->v, vw->n, &vw->cap, sizeof(*vw->v));
	l = &vw->v[vw->n];
	*l = (struct source_log){ .b = b,
				  .label = TAKE_PTR(label),
				  .color = colors[vw->n % ARRAY_LEN(colors)],
				  .conn = -1 };
	vw->n++;
	if (!vw->o->follow)
		return NULL;
	if (vw->n == 1)
		e = vw->notify < 0 || vw->events < 0 ? err_new(errno, "watching logs")
						     : listen_to(vw, vw->notify);
	e = e ?: watch(vw, l);
	vw->left += l->conn >= 0;
	e = e ?: drain(vw, l);
	if (!e && l->conn < 0 && l->b->state.status == BOX_EXITED) /* before we looked */
		tell_end(vw, l);
	return e;
}

void viewer_free(struct viewer *vw)
{
	if (!vw)
		return;
	for (size_t i = 0; i < vw->n; i++) {
		logreader_free(vw->v[i].r);
		free(vw->v[i].label);
		box_free(vw->v[i].b);
		if (vw->v[i].conn >= 0)
			close(vw->v[i].conn);
	}
	free(vw->v);
	strv_done(&vw->expected);
	if (vw->notify >= 0)
		close(vw->notify);
	if (vw->events >= 0)
		close(vw->events);
	free(vw);
}

struct err *compose_code_of(struct session *s, const char *service, int *ret)
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

/* --- the verb --------------------------------------------------------------------------------- */

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

static struct err *show(struct session *s, const struct strv *services, int *ret_code)
{
	_cleanup_viewer_ struct viewer *vw = viewer_new(s, &opt);
	bool interrupted = false;
	struct err *e = NULL;

	for (int shows = 0; shows < 2; shows++) /* all names are known before the first line is shown */
		for (size_t i = 0; i < s->a.n && !e; i++) {
			const struct actual *c = &s->a.v[i];

			if (!is_meant(c, services) || (opt_index && c->number != opt_index))
				continue;
			if (shows)
				e = viewer_add(vw, c->name);
			else
				viewer_expect(vw, c->name);
		}
	if (e)
		return e;
	return opt.follow ? viewer_follow(vw, ret_code, &interrupted) : print_sorted(vw);
}

static struct err *logs(struct call *c, int argc, char **argv)
{
	_cleanup_session_ struct session s = { 0 };
	_cleanup_strv_ struct strv services = { 0 };
	int64_t now = time_now_ns();
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
	return e ?: show(&s, &services, &c->status);
}

const struct verb verb_compose_logs = {
	.name = "logs",
	.args = "[SERVICE...]",
	.max_args = -1,
	.opts = opts,
	.summary = "View output from containers",
	.run = logs,
};
