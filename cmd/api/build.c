/* cmd/api/build.c -- POST /build as the classic builder has it: a tar archive in, lines of JSON out; /build/prune */
#include "core/build/build.h"

#include <stdlib.h>

#include "cmd/api/call.h"
#include "cmd/api/flow.h"
#include "cmd/api/transfer.h"
#include "cmd/filter.h"
#include "cmd/images.h"
#include "cmd/ui/human.h"
#include "registry/image.h"
#include "registry/pull.h"
#include "slirp/resolv.h"

struct building {
	struct api_call *c;
	struct transfer *t;
	struct build_request rq;
	bool quiet;
	unsigned shown; /* the step whose output came last */
	char cut[4]; /* of that output, the beginning of a character that is not complete */
	size_t n_cut;
};

/* --- the request -------------------------------------------------------------------------------------------------- */

/* The query's KEY, a JSON object of texts, as "name=value"; a null is a bare "name" without a value here. */
static struct err *map(struct api_call *c, const char *key, struct strv *ret)
{
	const char *text = api_query(c, key);
	_cleanup_json_ json *j = NULL;
	struct err *e = *text ? json_parse(text, strlen(text), key, &j) : NULL;

	for (size_t i = 0; !e && i < json_len(j); i++) {
		json *value = NULL;
		const char *name = json_is_object(j) ? json_key_at(j, i, &value) : NULL;

		if (!name)
			e = err_new(0, "invalid %s: not a JSON object", key);
		else if (json_text(value))
			strv_addf(ret, "%s=%s", name, json_text(value));
	}
	return e;
}

/* All values of KEY, each perhaps several between commas. */
static void words(struct api_call *c, const char *key, struct strv *ret)
{
	_cleanup_strv_ struct strv all = { 0 };

	api_query_all(c, key, &all);
	for (size_t i = 0; i < all.n; i++)
		for (const char *s = all.v[i]; *s; s += *s == ',') {
			size_t n = strcspn(s, ",");

			if (n)
				strv_take(ret, xstrndup(s, n));
			s += n;
		}
}

static struct err *hosts(struct api_call *c, struct strv *ret)
{
	_cleanup_strv_ struct strv all = { 0 };
	struct err *e = NULL;

	words(c, "extrahosts", &all);
	for (size_t i = 0; i < all.n && !e; i++) {
		char *entry;

		e = hosts_check(all.v[i], &entry);
		if (!e)
			strv_take(ret, entry);
	}
	return e;
}

static struct err *network(struct api_call *c, enum build_net *ret)
{
	const char *mode = api_query(c, "networkmode");

	if (!*mode || !strcmp(mode, "bridge"))
		mode = build_net_names[BUILD_NET_DEFAULT];
	for (size_t i = 0; i < BUILD_NET_MAX; i++)
		if (!strcmp(mode, build_net_names[i])) {
			*ret = (enum build_net)i;
			return NULL;
		}
	return err_new(0, "network mode %s is not supported: a build can have default, none or host",
		       mode);
}

/* What would ask for something that a RUN does not have. */
static struct err *refuse(struct api_call *c)
{
	static const char rights[] = "a RUN has no more rights than who builds",
			  limits[] = "a RUN has the limits of who builds (nice, ulimit and systemd-run set these)";
	static const struct {
		const char *key, *accepted, *why;
	} refused[] = {
		{ "memory", "0", limits },
		{ "memswap", "0", limits },
		{ "cpushares", "0", limits },
		{ "cpuperiod", "0", limits },
		{ "cpuquota", "0", limits },
		{ "cpusetcpus", "", limits },
		{ "cpusetmems", "", limits },
		{ "cgroupparent", "", limits },
		{ "ulimits", "null", limits },
		{ "securityopt", "null", rights },
		{ "isolation", "default", "it is for Windows" },
		{ "squash", "0", "layers stay as they are built" },
		{ "version", "1", "BuildKit's protocol is not spoken: set DOCKER_BUILDKIT=0" },
		{ "session", "", "BuildKit's protocol is not spoken: set DOCKER_BUILDKIT=0" },
	};

	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		const char *value = api_query(c, refused[i].key);

		if (*value && strcmp(value, refused[i].accepted) && strcmp(value, "[]"))
			return err_new(0, "%s=%s is not supported: %s", refused[i].key, value,
				       refused[i].why);
	}
	return NULL;
}

static const char *text_or_null(struct api_call *c, const char *key)
{
	const char *text = api_query(c, key);

	return *text ? text : NULL;
}

static struct err *read_request(struct building *b)
{
	struct build_request *rq = &b->rq;
	struct api_call *c = b->c;
	const char *shm = api_query(c, "shmsize");
	uint64_t bytes = 0;
	struct err *e = refuse(c);

	api_query_all(c, "t", &rq->tags);
	e = e ?: map(c, "buildargs", &rq->args);
	e = e ?: map(c, "labels", &rq->labels);
	e = e ?: hosts(c, &rq->add_hosts);
	e = e ?: network(c, &rq->net);
	e = e ?: *shm ? err_wrap(str_to_u64(shm, 0, INT64_MAX, &bytes), "shmsize") : NULL;
	rq->shm_bytes = (int64_t)bytes;
	rq->dockerfile = text_or_null(c, "dockerfile");
	rq->dockerfile_in_context = rq->dockerfile != NULL;
	rq->target = text_or_null(c, "target");
	rq->platform = text_or_null(c, "platform");
	rq->no_cache = api_query_bool(c, "nocache", false);
	rq->pull = api_query_bool(c, "pull", false);
	b->quiet = api_query_bool(c, "q", false);
	rq->context = text_or_null(c, "remote");
	if (!e && rq->context && !remote_is(rq->context))
		e = err_new(0, "remote=%s is no URL", rq->context); /* a path would be one of the host's */
	if (e || rq->context)
		return api_fail(e, 400);
	e = api_body_fd(c, &rq->context_fd);
	rq->context_is_fd = !e;
	return e;
}

/* --- what is told of it ------------------------------------------------------------------------------------------- */

static struct err *say(struct building *b, const char *data, size_t len)
{
	struct json_out o;

	json_out_init(&o, false);
	json_open(&o, NULL, '{');
	json_put_strn(&o, "stream", data, len);
	json_close(&o, '}');
	return transfer_line(b->t, &o);
}

static struct err *sayf(struct building *b, const char *fmt, ...) PRINTF(2, 3) MUST_CHECK;
static struct err *sayf(struct building *b, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	return say(b, text, strlen(text));
}

/* "[2/4] RUN make" -> "Step 2/4 : RUN make", "[app 2/4] RUN make" -> "Step 2/4 of app : RUN make" */
static struct err *say_step(struct building *b, const struct build_event *ev)
{
	const char *end = *ev->name == '[' ? strstr(ev->name, "] ") : NULL, *number;
	size_t n;

	b->shown = ev->step;
	b->n_cut = 0;
	if (!end)
		return sayf(b, "Step : %s\n", ev->name);
	for (number = end; number > ev->name + 1 && number[-1] != ' '; number--)
		;
	n = (size_t)(number - ev->name) - 1;
	return sayf(b, "Step %.*s%s%.*s : %s\n", (int)(end - number), number, n ? " of " : "",
		    n ? (int)n - 1 : 0, ev->name + 1, end + 2);
}

/* Bytes at the end of S that begin a UTF-8 character and do not complete it. */
static size_t cut_of(const char *s, size_t len)
{
	for (size_t n = 1; n <= 3 && n <= len; n++) {
		unsigned char c = (unsigned char)s[len - n];
		size_t whole = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;

		if ((c & 0xc0) != 0x80)
			return whole > n ? n : 0;
	}
	return 0;
}

static struct err *say_output(struct building *b, const char *data, size_t len)
{
	_cleanup_str_ struct str text = { 0 };

	if (!len)
		return NULL;
	str_addn(&text, b->cut, b->n_cut);
	str_addn(&text, data, len);
	b->n_cut = cut_of(text.s, text.len);
	memcpy(b->cut, text.s + text.len - b->n_cut, b->n_cut);
	return text.len > b->n_cut ? say(b, text.s, text.len - b->n_cut) : NULL;
}

static struct err *tell(struct building *b, const struct build_event *ev)
{
	struct err *e = NULL;

	if (ev->kind == BUILD_START || ev->kind == BUILD_CACHED ||
	    (ev->kind == BUILD_LOG && b->shown != ev->step))
		e = ev->name ? say_step(b, ev) : NULL;
	if (e)
		return e;
	switch (ev->kind) {
	case BUILD_CACHED:
		return sayf(b, " ---> Using cache\n");
	case BUILD_LOG:
		return say_output(b, ev->data, ev->len);
	case BUILD_NOTE:
		return sayf(b, " ---> %.*s\n", (int)ev->len, ev->data);
	default:
		return NULL;
	}
}

static void on_event(void *arg, const struct build_event *ev)
{
	struct err *e = tell(arg, ev);

	err_free(e); /* the client has left: its request is about to be ended */
}

static struct err *on_pull(void *arg, struct store *st, const char *name, const char *platform)
{
	struct building *b = arg;
	struct pull_opts po = { .platform = platform };
	struct pull_result res = { 0 };
	struct auth_creds creds = { 0 };
	struct image_ref ref;
	bool found = false;
	struct err *e = image_ref_parse(name, &ref);

	if (e)
		return err_wrap(e, "%s", name);
	e = transfer_creds(b->c, &ref, &creds, &found);
	image_ref_done(&ref);
	po.creds = found ? &creds : NULL;
	if (b->quiet) {
		e = e ?: pull_image(st, name, &po, &res);
		pull_result_done(&res);
	} else {
		e = e ?: transfer_pull(b->t, name, platform, po.creds);
	}
	auth_creds_done(&creds);
	return e;
}

/* Clients take the id out of "aux", or out of the words "Successfully built". */
static struct err *tell_result(struct building *b, const char *id)
{
	_cleanup_str_ struct str brief = { 0 };
	struct json_out o;
	struct err *e;

	if (b->quiet)
		return sayf(b, "%s\n", id);
	human_short_id(id, &brief);
	json_out_init(&o, false);
	json_open(&o, NULL, '{');
	json_open(&o, "aux", '{');
	json_put_str(&o, "ID", id);
	json_close(&o, '}');
	json_close(&o, '}');
	e = transfer_line(b->t, &o);
	e = e ?: sayf(b, "Successfully built %s\n", brief.s);
	for (size_t i = 0; i < b->rq.tags.n && !e; i++) {
		struct image_ref ref;
		_cleanup_free_ char *name = NULL;

		e = image_ref_parse(b->rq.tags.v[i], &ref);
		if (e)
			return e;
		name = image_ref_familiar(&ref);
		image_ref_done(&ref);
		e = sayf(b, "Successfully tagged %s\n", name);
	}
	return e;
}

/* The client's program ends with the code that a RUN ended with. */
static struct err *with_code(struct err *e)
{
	static const char words_of_it[] = "exit code: ";
	const char *code = e ? strstr(e->text, words_of_it) : NULL;

	if (code)
		e->status = (int)strtol(code + strlen(words_of_it), NULL, 10);
	return e;
}

static struct err *build(struct api_call *c)
{
	struct building b = { .c = c, .t = transfer_new(c) };
	_cleanup_free_ char *id = NULL;
	struct err *e = read_request(&b);

	if (!b.quiet)
		b.rq.progress = on_event;
	b.rq.pull_shown = on_pull;
	b.rq.tar_fd = -1;
	b.rq.arg = &b;
	if (!e && *api_query(c, "cachefrom") && strcmp(api_query(c, "cachefrom"), "[]") &&
	    strcmp(api_query(c, "cachefrom"), "null") && !b.quiet)
		e = sayf(&b, "cache_from has no effect: the cache is this machine's own, by content\n");
	e = e ?: with_code(build_run(c->st, &b.rq, &id));
	if (b.rq.context_is_fd)
		close(b.rq.context_fd);
	e = e ?: tell_result(&b, id);
	e = transfer_end(b.t, e);
	if (e && api_judge(e)->status == 500 && !e->errnum)
		e->status = 400; /* what is wrong with the Dockerfile, or with the request */
	transfer_free(b.t);
	return e;
}

static struct err *prune(struct api_call *c)
{
	static const char *const known[] = { "until", "unused-for", NULL };
	_cleanup_strv_ struct strv filters = { 0 };
	int64_t until_ns = INT64_MAX;
	uint64_t freed = 0;
	struct json_out o;
	struct err *e = api_filters(c, &filters);

	e = e ?: filters_check(&filters, known);
	for (size_t i = 0; i < filters.n; i++)
		if (str_starts(filters.v[i], "unused-for=")) {
			char *same = xasprintf("until=%s", filters.v[i] + strlen("unused-for="));

			free(filters.v[i]);
			filters.v[i] = same;
		}
	e = e ?: filters_until(&filters, &until_ns);
	e = e
		    ?: builds_prune(c->st, api_query_bool(c, "all", false),
				    until_ns == INT64_MAX ? 0 : until_ns, &freed);
	if (e)
		return e;
	json_out_init(&o, false);
	json_open(&o, NULL, '{');
	json_open(&o, "CachesDeleted", '[');
	json_close(&o, ']');
	json_put_int(&o, "SpaceReclaimed", (int64_t)freed);
	json_close(&o, '}');
	return api_json(c, 200, &o);
}

const struct api_route api_build_routes[] = {
	{ "POST", "/build", build },
	{ "POST", "/build/prune", prune },
	{ 0 },
};
