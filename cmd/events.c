/* cmd/events.c -- devbox events [--since T] [--until T] [--filter K=V] [--format F]: the log of
 * core/store/events.h, and what is appended to it while we look (inotify) */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "cmd/filter.h"
#include "cmd/list.h"
#include "cmd/verb.h"
#include "core/base/fd.h"
#include "core/base/proc.h"
#include "core/store/events.h"

static const char *opt_since, *opt_until, *opt_format;
static struct strv opt_filters;

/* Where they go instead of stdout: events_show(). */
static void (*print_to)(void *arg, const void *event);
static void *print_arg;

static const struct opt opts[] = {
	{ 'f', "filter", "filter", "Filter output based on conditions provided", OPT_LIST,
	  &opt_filters, NULL },
	{ 0, "format", "string", "Format output using a custom template: 'json' or a Go template",
	  OPT_STR, &opt_format, NULL },
	{ 0, "since", "string", "Show all events created since timestamp", OPT_STR, &opt_since, NULL },
	{ 0, "until", "string", "Stream events until this timestamp", OPT_STR, &opt_until, NULL },
	{ 0 },
};

struct follow {
	struct store *st;
	int64_t since_ns, until_ns; /* 0: none */
	int fd; /* the file being read; -1: there is none yet */
	struct str rest; /* the begin of a line that is not complete */
};

static bool match_type(const char *value, const void *of)
{
	return str_eq(json_str(of, "Type"), value);
}

static bool match_event(const char *value, const void *of)
{
	const char *action = json_str(of, "Action") ?: "", *rest = str_after(action, value);

	return rest && (!*rest || str_starts(rest, ": ")); /* "health_status" is any of them */
}

static bool match_actor(const char *type, const char *value, json *of)
{
	json *actor = json_get(of, "Actor");
	const char *id = json_str(actor, "ID");

	return str_eq(json_str(of, "Type"), type) && *value &&
	       ((id && str_starts(id, value)) ||
		str_eq(json_str(json_get(actor, "Attributes"), "name"), value));
}

static bool match_container(const char *value, const void *of)
{
	return match_actor("container", value, of);
}

static bool match_volume(const char *value, const void *of)
{
	return match_actor("volume", value, of);
}

static bool match_image(const char *value, const void *of)
{
	const char *image = json_str(json_get(json_get(of, "Actor"), "Attributes"), "image");

	return str_eq(image, value) || match_actor("image", value, of);
}

static bool match_label(const char *value, const void *of)
{
	size_t key = strcspn(value, "=");
	_cleanup_free_ char *name = xstrndup(value, key);
	const char *has = json_str(json_get(json_get(of, "Actor"), "Attributes"), name);

	return has && (!value[key] || !strcmp(has, value + key + 1));
}

static const struct {
	const char *key;
	bool (*match)(const char *value, const void *of);
} tests[] = {
	{ "type", match_type },	    { "event", match_event }, { "container", match_container },
	{ "volume", match_volume }, { "image", match_image },
};

/* Labels must all be there; of other things one of those named. */
static bool passes(json *j)
{
	for (size_t i = 0; i < ARRAY_LEN(tests); i++)
		if (!filters_pass(&opt_filters, tests[i].key, tests[i].match, j))
			return false;
	for (size_t i = 0; i < opt_filters.n; i++) {
		const char *label = str_after(opt_filters.v[i], "label=");

		if (label && !match_label(label, j))
			return false;
	}
	return true;
}

static void text_line(json *j, int64_t ns)
{
	json *actor = json_get(j, "Actor"), *attrs = json_get(actor, "Attributes");
	char when[TIME_TEXT_MAX];

	time_format(ns, when);
	printf("%s %s %s %s", when, json_str(j, "Type") ?: "", json_str(j, "Action") ?: "",
	       json_str(actor, "ID") ?: "");
	for (size_t i = 0; i < json_len(attrs); i++) {
		json *value = NULL;
		const char *key = json_key_at(attrs, i, &value);

		printf("%s%s=%s", i ? ", " : " (", key, json_text(value) ?: "");
	}
	puts(json_len(attrs) ? ")" : "");
}

static struct err *show(const struct follow *f, const char *line, size_t len)
{
	_cleanup_json_ json *j = NULL;
	struct err *e = json_parse(line, len, "an event", &j);
	int64_t ns;

	if (e) { /* cut by a full disk */
		err_free(e);
		return NULL;
	}
	ns = json_int(j, "timeNano", 0);
	if (ns < f->since_ns || (f->until_ns && ns > f->until_ns))
		return NULL;
	if (!passes(j))
		return NULL;
	if (print_to)
		print_to(print_arg, j);
	else if (!opt_format)
		text_line(j, ns);
	else if (!strcmp(opt_format, "json"))
		printf("%.*s\n", (int)len, line);
	else
		e = print_formatted(opt_format, line, len);
	fflush(stdout);
	return e;
}

static struct err *read_lines(struct follow *f)
{
	char buf[65536];
	struct err *e = NULL;
	ssize_t n = 0;

	while (!e && f->fd >= 0 && (n = read(f->fd, buf, sizeof(buf))) > 0) {
		char *at, *end;

		str_addn(&f->rest, buf, (size_t)n);
		for (at = f->rest.s;
		     !e && (end = memchr(at, '\n', f->rest.len - (size_t)(at - f->rest.s))) != NULL;
		     at = end + 1)
			e = show(f, at, (size_t)(end - at));
		f->rest.len -= (size_t)(at - f->rest.s);
		memmove(f->rest.s, at, f->rest.len);
	}
	return e ?: n < 0 ? err_new(errno, "reading events") : NULL;
}

static struct err *open_file(struct follow *f, const char *name)
{
	struct err *e;

	if (f->fd >= 0)
		close(TAKE_FD(f->fd));
	f->rest.len = 0;
	e = fd_open(f->st->root, name, O_RDONLY, 0, &f->fd);
	if (err_is(e, ENOENT)) {
		err_free(e);
		return NULL;
	}
	return e;
}

/* Is the file we read not "events" any more? */
static bool moved(const struct follow *f)
{
	struct stat own, now;

	if (fstatat(f->st->root, "events", &now, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	return f->fd < 0 || fstat(f->fd, &own) < 0 || own.st_ino != now.st_ino ||
	       own.st_dev != now.st_dev;
}

static struct err *follow(struct follow *f, int watch)
{
	struct pollfd p = { .fd = watch, .events = POLLIN };
	char buf[8192];
	struct err *e = NULL;

	while (!e) {
		int64_t left_ms = f->until_ns ? (f->until_ns - time_now_ns()) / 1000000 + 1 : -1;

		if (f->until_ns && left_ms <= 0)
			return NULL;
		if (poll(&p, 1, left_ms > INT32_MAX ? INT32_MAX : (int)left_ms) > 0 &&
		    read(watch, buf, sizeof(buf)) < 0)
			e = err_new(errno, "watching the storage");
		e = e ?: read_lines(f);
		if (!e && moved(f)) {
			e = open_file(f, "events");
			e = e ?: read_lines(f);
		}
	}
	return e;
}

/* Has the older file anything of that time? */
static bool older_counts(const struct follow *f)
{
	struct stat st;

	return fstatat(f->st->root, "events.1", &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       st.st_mtim.tv_sec >= f->since_ns / 1000000000 - 1; /* its clock is a coarse one */
}

static struct err *events(UNUSED struct call *c, UNUSED int argc, UNUSED char **argv)
{
	static const char *const known[] = { "container", "event",  "image", "label",
					     "type",	  "volume", NULL };
	_cleanup_store_ struct store *st = NULL;
	_cleanup_close_ int watch = inotify_init1(IN_CLOEXEC);
	struct follow f = { .fd = -1, .since_ns = time_now_ns() };
	int64_t now = f.since_ns;
	struct err *e = filters_check(&opt_filters, known);

	e = e ?: opt_since ? time_parse(opt_since, now, &f.since_ns) : NULL;
	if (!e && opt_until)
		e = time_parse(opt_until, now, &f.until_ns);
	e = e ?: store_open(&st);
	if (!e && (watch < 0 ||
		   inotify_add_watch(watch, st->path, IN_MODIFY | IN_CREATE | IN_MOVED_TO) < 0))
		e = err_new(errno, "watching the storage");
	f.st = st;
	if (!e && opt_since && older_counts(&f)) {
		e = open_file(&f, "events.1");
		e = e ?: read_lines(&f);
	}
	e = e ?: open_file(&f, "events");
	e = e ?: read_lines(&f);
	e = e ?: follow(&f, watch);
	if (f.fd >= 0)
		close(f.fd);
	str_done(&f.rest);
	return e;
}

struct err *events_show(const struct strv *filters, const char *since, const char *until,
			void (*print)(void *arg, const void *event), void *arg)
{
	strv_copy(&opt_filters, filters);
	opt_since = since;
	opt_until = until;
	print_to = print;
	print_arg = arg;
	return events(NULL, 0, NULL);
}

const struct verb verb_events = {
	.name = "events",
	.args = "",
	.opts = opts,
	.summary = "Get real time events of containers, images, networks and volumes",
	.more = "The last megabyte of events is kept for --since.",
	.run = events,
};
