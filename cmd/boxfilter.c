#include "cmd/boxfilter.h"

#include <stdio.h>

#include "cmd/filter.h"
#include "cmd/verb.h"
#include "core/box/procs.h"
#include "core/store/network.h"

static const char *const known_filters[] = { "ancestor", "before", "exited", "expose", "health",
					     "id",	 "label",  "label!", "name",   "network",
					     "publish",	 "since",  "status", "volume", NULL };

/* The containers that before= and since= name: what is younger or older than them is meant. */
static struct err *find_bounds(struct boxfilter *f, struct store *st)
{
	for (size_t i = 0; i < f->filters->n; i++) {
		const char *before = str_after(f->filters->v[i], "before="),
			   *since = str_after(f->filters->v[i], "since=");
		_cleanup_box_ struct box *b = NULL;
		struct err *e = before || since ? box_find(st, before ?: since, &b) : NULL;

		if (e)
			return e;
		if (before && b->spec.created_ns < f->before_ns)
			f->before_ns = b->spec.created_ns;
		if (since && b->spec.created_ns > f->since_ns)
			f->since_ns = b->spec.created_ns;
	}
	return NULL;
}

static bool match_name(const char *value, const void *of)
{
	const struct box *b = of;
	const char *from = value + (*value == '^');
	size_t len;
	bool anchored_end;

	from += *from == '/';
	len = strlen(from);
	anchored_end = len && from[len - 1] == '$';
	len -= anchored_end;
	for (const char *p = b->spec.name; *p || !len; p++) {
		if (!strncmp(p, from, len) && (!anchored_end || !p[len]))
			return true;
		if (*value == '^' || !*p)
			break;
	}
	return false;
}

static bool match_id(const char *value, const void *of)
{
	return str_starts(((const struct box *)of)->spec.id, value);
}

static bool match_status(const char *value, const void *of)
{
	const struct box *b = of;

	return !strcmp(value, box_is_paused(b) ? "paused" : box_status_names[b->state.status]);
}

static bool match_health(const char *value, const void *of)
{
	const struct state *s = &((const struct box *)of)->state;

	return !strcmp(value, health_names[s->health.status]);
}

static bool match_exited(const char *value, const void *of)
{
	const struct state *s = &((const struct box *)of)->state;
	char code[16];

	snprintf(code, sizeof(code), "%d", s->exit_code);
	return s->status == BOX_EXITED && !strcmp(value, code);
}

static bool match_ancestor(const char *value, const void *of)
{
	const struct spec *s = &((const struct box *)of)->spec;
	const char *hex = str_after(value, "sha256:") ?: value;
	struct image_ref ref;
	_cleanup_free_ char *full = NULL;
	struct err *e;

	if (!strcmp(value, s->image) ||
	    (strlen(hex) >= 4 && str_starts(s->image_id + strlen("sha256:"), hex)))
		return true;
	e = image_ref_parse(value, &ref);
	if (e) {
		err_free(e);
		return false;
	}
	full = image_ref_full(&ref);
	image_ref_done(&ref);
	return str_eq(full, s->image_ref);
}

static bool has_port(const char *value, const struct strv *exposed, const struct ports *published)
{
	struct port want;
	struct err *e = port_parse_exposed(value, &want);
	char text[32];

	if (e) {
		err_free(e);
		return false;
	}
	snprintf(text, sizeof(text), "%u/%s", want.ctr, port_proto_names[want.proto]);
	for (size_t i = 0; published && i < published->n; i++)
		if (published->v[i].ctr == want.ctr && published->v[i].proto == want.proto)
			return true;
	return exposed && strv_has(exposed, text);
}

static bool match_publish(const char *value, const void *of)
{
	const struct box *b = of;

	return has_port(value, NULL, &b->state.published) || has_port(value, NULL, &b->spec.ports);
}

static bool match_expose(const char *value, const void *of)
{
	return has_port(value, &((const struct box *)of)->spec.exposed, NULL);
}

static bool match_network(const char *value, const void *of)
{
	const struct box *b = of;

	for (size_t i = 0; i < b->state.n_nets; i++)
		if (str_starts(b->state.nets[i].id, value) && strlen(value) >= ID_SHORT)
			return true;
	return net_wants_find(&b->spec.nets, strcmp(value, "default") ? value : NETWORK_DEFAULT) ||
	       (!b->spec.nets.n && !strcmp(value, net_mode_names[b->spec.net]));
}

static bool match_volume(const char *value, const void *of)
{
	const struct mounts *m = &((const struct box *)of)->spec.mounts;

	for (size_t i = 0; i < m->n; i++)
		if (str_eq(m->v[i].source, value) || !strcmp(m->v[i].target, value))
			return true;
	return false;
}

bool boxfilter_passes(const struct boxfilter *f, const struct box *b)
{
	static const struct {
		const char *key;
		bool (*match)(const char *value, const void *of);
	} tests[] = {
		{ "ancestor", match_ancestor },
		{ "exited", match_exited },
		{ "expose", match_expose },
		{ "health", match_health },
		{ "id", match_id },
		{ "name", match_name },
		{ "network", match_network },
		{ "publish", match_publish },
		{ "status", match_status },
		{ "volume", match_volume },
	};

	if (b->spec.created_ns >= f->before_ns || b->spec.created_ns <= f->since_ns)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(tests); i++)
		if (!filters_pass(f->filters, tests[i].key, tests[i].match, b))
			return false;
	return filters_labels(f->filters, &b->spec.labels);
}

/* A word that no state has would match nothing, in silence. */
static struct err *check_values(const struct strv *filters)
{
	for (size_t i = 0; i < filters->n; i++) {
		const char *status = str_after(filters->v[i], "status="),
			   *health = str_after(filters->v[i], "health=");
		bool good = (!status && !health) || str_eq(status, "paused");

		for (int k = 0; status && !good && k < BOX_STATUS_MAX; k++)
			good = !strcmp(status, box_status_names[k]);
		for (int k = 0; health && !good && k < HEALTH_MAX; k++)
			good = !strcmp(health, health_names[k]);
		if (!good)
			return err_new(0, "invalid filter '%s'", filters->v[i]);
	}
	return NULL;
}

struct err *boxfilter_open(struct boxfilter *f, struct store *st, const struct strv *filters)
{
	struct err *e = filters_check(filters, known_filters);

	*f = (struct boxfilter){ .filters = filters, .before_ns = INT64_MAX, .since_ns = INT64_MIN };
	e = e ?: check_values(filters);
	return e ?: find_bounds(f, st);
}

bool boxfilter_names_state(const struct boxfilter *f)
{
	for (size_t i = 0; i < f->filters->n; i++)
		if (str_starts(f->filters->v[i], "status=") || str_starts(f->filters->v[i], "exited="))
			return true;
	return false;
}
