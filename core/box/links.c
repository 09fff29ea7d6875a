#include "core/box/links.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>

#include "core/store/network.h"

void links_done(struct links *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i].names);
	free(l->v);
	*l = (struct links){ 0 };
}

/* "NAME", "NAME:ALIAS".  Both are the caller's. */
static struct err *parse(const char *text, char **ret_name, char **ret_alias)
{
	const char *colon = strchr(text, ':'), *name = *text == '/' ? text + 1 : text;

	if (!*name || colon == name || (colon && (!colon[1] || strchr(colon + 1, ':'))))
		return err_new(0, "bad format for links: %s", text);
	*ret_name = colon ? xstrndup(name, (size_t)(colon - name)) : xstrdup(name);
	*ret_alias = xstrdup(colon ? colon + 1 : name);
	return NULL;
}

struct err *links_resolve(struct store *st, const struct strv *links, bool by_name, struct strv *ret)
{
	struct err *e = NULL;

	for (size_t i = 0; i < links->n && !e; i++) {
		_cleanup_free_ char *name = NULL, *alias = NULL;
		struct box *other = NULL;

		e = parse(links->v[i], &name, &alias);
		e = e
			    ?: err_wrap(box_find(st, name, &other),
					"could not get container for %s", name ?: "");
		if (!e)
			strv_addf(ret, "%s:%s", by_name ? other->spec.name : other->spec.id, alias);
		box_free(other);
	}
	return e;
}

struct err *link_find(struct store *st, const char *link, struct box **ret, const char **ret_alias)
{
	const char *colon = strchr(link, ':');
	_cleanup_free_ char *text = xstrndup(link, strcspn(link, ":"));
	struct err *e = box_find(st, text, ret);

	*ret_alias = colon ? colon + 1 : "";
	if (!e && strcmp((*ret)->spec.id, text) && strcmp((*ret)->spec.name, text)) {
		box_free(*ret); /* the name is the beginning of another one's id */
		*ret = NULL;
		e = err_new(0, "No such container: %s", text);
	}
	return e;
}

/* The address at which B sees the other one, or 0. */
static struct in_addr address(const struct box *b, const struct box *other)
{
	for (size_t i = 0; i < b->spec.nets.n; i++)
		for (size_t k = 0; k < other->state.n_nets; k++)
			if (!strcmp(b->spec.nets.v[i].name, other->state.nets[k].name))
				return other->state.nets[k].addrs.ip;
	return (struct in_addr){ 0 };
}

void links_find(const struct box *b, struct links *ret)
{
	*ret = (struct links){ .v = xcalloc(b->spec.links.n + 1, sizeof(*ret->v)) };
	for (size_t i = 0; i < b->spec.links.n; i++) {
		const char *alias;
		struct box *other = NULL;
		struct err *e = link_find(b->st, b->spec.links.v[i], &other, &alias);
		struct link *l = &ret->v[ret->n];

		err_free(e); /* removed meanwhile */
		if (!other)
			continue;
		l->ip = address(b, other);
		if (l->ip.s_addr && other->state.status == BOX_RUNNING) {
			l->names = xasprintf("%s %.12s%s%s", alias, other->spec.id,
					     strcmp(alias, other->spec.name) ? " " : "",
					     strcmp(alias, other->spec.name) ? other->spec.name : "");
			ret->n++;
		}
		box_free(other);
	}
}

/* ALIAS_PORT=tcp://172.17.0.2:3306 and so on, for each exposed port; ALIAS_PORT alone is the LOWEST one, if wanted. */
static void port_env(const char *prefix, const char *ip, const struct strv *exposed, bool lowest,
		     struct strv *env)
{
	for (size_t i = 0; i < exposed->n; i++) {
		const char *port = exposed->v[i], *slash = strchr(port, '/');
		int len = (int)(slash ? slash - port : (ptrdiff_t)strlen(port));
		const char *proto = slash ? slash + 1 : "tcp";
		_cleanup_free_ char *upper = xstrdup(proto);

		for (char *c = upper; *c; c++)
			*c = (char)toupper((unsigned char)*c);
		if (i == 0 && lowest)
			strv_addf(env, "%s_PORT=%s://%s:%.*s", prefix, proto, ip, len, port);
		strv_addf(env, "%s_PORT_%.*s_%s=%s://%s:%.*s", prefix, len, port, upper, proto, ip,
			  len, port);
		strv_addf(env, "%s_PORT_%.*s_%s_ADDR=%s", prefix, len, port, upper, ip);
		strv_addf(env, "%s_PORT_%.*s_%s_PORT=%.*s", prefix, len, port, upper, len, port);
		strv_addf(env, "%s_PORT_%.*s_%s_PROTO=%s", prefix, len, port, upper, proto);
	}
}

/* On the DEFAULT network all that Docker sets; on one of the user's own, where Docker sets nothing, what old files need
 * of a compose project's links.  There ALIAS_PORT alone is left out: today's programs read REDIS_PORT as a number. */
static void link_env(const struct box *b, const struct box *other, const char *alias,
		     bool by_default, struct strv *env)
{
	_cleanup_free_ char *prefix = xstrdup(alias);
	struct in_addr ip = address(b, other);
	char text[INET_ADDRSTRLEN];

	for (char *c = prefix; *c; c++)
		*c = isalnum((unsigned char)*c) ? (char)toupper((unsigned char)*c) : '_';
	inet_ntop(AF_INET, &ip, text, sizeof(text));
	if (by_default)
		strv_addf(env, "%s_NAME=/%s/%s", prefix, b->spec.name, alias);
	port_env(prefix, text, &other->spec.exposed, by_default, env);
	for (size_t i = 0; i < other->spec.env.n; i++) {
		const char *entry = other->spec.env.v[i];

		if (!str_starts(entry, "HOME=") && !str_starts(entry, "PATH="))
			strv_addf(env, "%s_ENV_%s", prefix, entry);
	}
}

struct err *links_env(const struct box *b, struct strv *env)
{
	bool by_default = net_wants_find(&b->spec.nets, NETWORK_DEFAULT) != NULL;
	struct err *e = NULL;

	for (size_t i = 0; i < b->spec.links.n && !e; i++) {
		const char *alias;
		struct box *other = NULL;

		e = link_find(b->st, b->spec.links.v[i], &other, &alias);
		if (e && !by_default) {
			err_free(e); /* removed meanwhile */
			e = NULL;
			continue;
		}
		if (!e && other->state.status != BOX_RUNNING && by_default)
			e = err_hint(err_new(0, "Cannot link to a non running container: /%s AS /%s/%s",
					     other->spec.name, b->spec.name, alias),
				     "start it first");
		if (!e && other->state.status == BOX_RUNNING)
			link_env(b, other, alias, by_default, env);
		box_free(other);
	}
	return e;
}
