/* Short forms of the Compose specification. */
#include <arpa/inet.h>
#include <ctype.h>

#include "core/compose/schema.h"

/* A map beside N, to be filled. */
static struct node *map_at(const struct schema_ctx *c, const struct node *n)
{
	struct node *map = node_new(c->arena, NODE_MAP, NULL, &n->pos);

	map->tag = n->tag;
	return map;
}

static struct node *list_at(const struct schema_ctx *c, const struct node *n)
{
	struct node *list = node_new(c->arena, NODE_LIST, NULL, &n->pos);

	list->tag = n->tag;
	return list;
}

static void set_kind(const struct schema_ctx *c, struct node *map, const char *key,
		     enum node_kind kind, const char *text)
{
	node_set(c->arena, map, key, &map->pos, node_new(c->arena, kind, text, &map->pos));
}

/* --- command lines ---------------------------------------------------------------------------- */

struct err *words_split(const char *text, struct strv *to)
{
	_cleanup_str_ struct str word = { 0 };
	bool in_word = false;
	char quote = '\0';

	for (const char *s = text; *s; s++) {
		if (*s == '\\' && quote != '\'') {
			if (!s[1])
				return err_new(0, "invalid command line string: it ends with a backslash");
			s++;
			/* a shell keeps the backslash before most characters in double quotes */
			if (quote == '"' && !strchr("$`\"\\\n", *s))
				str_addc(&word, '\\');
			if (*s != '\n')
				str_addc(&word, *s);
			in_word = true;
		} else if (quote ? *s == quote : *s == '\'' || *s == '"') {
			quote = quote ? '\0' : *s;
			in_word = true;
		} else if (!quote && isspace((unsigned char)*s)) {
			if (in_word)
				strv_take(to, str_take(&word));
			in_word = false;
		} else {
			str_addc(&word, *s);
			in_word = true;
		}
	}
	if (quote)
		return err_new(0, "invalid command line string: a %c is not closed", quote);
	if (in_word)
		strv_take(to, str_take(&word));
	return NULL;
}

struct err *short_health_test(const struct schema_ctx *c, struct node **n)
{
	struct node *list, *old = *n;

	if (old->kind != NODE_STR)
		return NULL;
	list = list_at(c, old);
	node_push(c->arena, list, node_new(c->arena, NODE_STR, "CMD-SHELL", &old->pos));
	node_push(c->arena, list, old);
	*n = list;
	return NULL;
}

/* --- ports ------------------------------------------------------------------------------------ */

struct range {
	unsigned first, last; /* 0: none given */
};

static struct err *parse_range(const struct pos *at, const char *what, const char *text,
			       struct range *ret)
{
	const char *dash = strchr(text, '-');
	_cleanup_free_ char *first = xstrndup(text, dash ? (size_t)(dash - text) : strlen(text));
	uint64_t a = 0, b = 0;
	struct err *e;

	*ret = (struct range){ 0, 0 };
	if (!*text)
		return NULL;
	e = str_to_u64(first, 0, 65535, &a);
	b = a;
	if (!e && dash)
		e = str_to_u64(dash + 1, 0, 65535, &b);
	if (e || b < a) {
		err_free(e);
		return pos_err(at, "invalid %s: %s", what, text);
	}
	*ret = (struct range){ (unsigned)a, (unsigned)b };
	return NULL;
}

struct short_port {
	const char *ip, *host, *ctr, *proto; /* parts of BUF, "" where absent */
	char *buf;
};

/* [IP:][HOST]:CTR[/PROTO]; an IPv6 address has brackets, or is what stands before the last two colons. */
static struct err *split_port(const struct pos *at, const char *text, struct short_port *p)
{
	char *slash, *colon, *rest;

	p->buf = xstrdup(text);
	p->ip = p->host = "";
	p->proto = "tcp";
	slash = strrchr(p->buf, '/');
	if (slash) {
		*slash = '\0';
		p->proto = slash + 1;
		for (char *s = slash + 1; *s; s++)
			*s = (char)tolower((unsigned char)*s);
	}
	colon = strrchr(p->buf, ':');
	p->ctr = colon ? colon + 1 : p->buf;
	if (colon) {
		*colon = '\0';
		rest = strrchr(p->buf, ':');
		if (rest && strchr(rest, ']'))
			rest = NULL; /* "[::1]:80": the brackets hold the address alone */
		p->host = rest ? rest + 1 : p->buf;
		if (rest) {
			*rest = '\0';
			p->ip = p->buf;
		}
	}
	if (*p->ip == '[') {
		char *end = strchr(p->buf, ']');

		if (!end || end[1])
			return pos_err(at, "invalid IP address: %s", p->ip);
		*end = '\0';
		p->ip++;
	}
	return NULL;
}

static struct err *push_ports(const struct schema_ctx *c, struct node *list, const struct node *at,
			      const struct short_port *p)
{
	unsigned char addr[16];
	struct range host, ctr;
	struct err *e;

	if (*p->ip && inet_pton(AF_INET, p->ip, addr) != 1 && inet_pton(AF_INET6, p->ip, addr) != 1)
		return pos_err(&at->pos, "invalid IP address: %s", p->ip);
	if (strcmp(p->proto, "tcp") && strcmp(p->proto, "udp") && strcmp(p->proto, "sctp"))
		return err_hint(pos_err(&at->pos, "invalid proto: %s", p->proto), "tcp or udp");
	if (!*p->ctr)
		return pos_err(&at->pos, "no port specified: %s", at->text);
	e = parse_range(&at->pos, "containerPort", p->ctr, &ctr);
	e = e ?: parse_range(&at->pos, "hostPort", p->host, &host);
	if (e)
		return e;
	if (*p->host && host.last - host.first != ctr.last - ctr.first && ctr.last != ctr.first)
		return pos_err(&at->pos,
			       "invalid ranges specified for container and host Ports: %s and %s",
			       p->ctr, p->host);
	for (unsigned i = 0; i <= ctr.last - ctr.first; i++) {
		struct node *port = map_at(c, at);
		_cleanup_free_ char *target = xasprintf("%u", ctr.first + i);

		node_set_str(c->arena, port, "mode", "ingress");
		if (*p->ip)
			node_set_str(c->arena, port, "host_ip", p->ip);
		set_kind(c, port, "target", NODE_INT, target);
		if (*p->host && ctr.first == ctr.last && host.first != host.last)
			node_set_str(c->arena, port, "published", p->host);
		else if (*p->host)
			node_set(c->arena, port, "published", &at->pos,
				 node_newf(c->arena, &at->pos, "%u", host.first + i));
		node_set_str(c->arena, port, "protocol", p->proto);
		node_push(c->arena, list, port);
	}
	return NULL;
}

struct err *short_ports(const struct schema_ctx *c, struct node **n)
{
	struct node *list;
	struct err *e = NULL;

	if ((*n)->kind != NODE_LIST)
		return NULL;
	list = list_at(c, *n);
	for (size_t i = 0; i < (*n)->n && !e; i++) {
		struct node *item = (*n)->m[i].value;

		if (item->kind == NODE_MAP ||
		    (c->raw && item->kind == NODE_STR && strchr(item->text, '$'))) {
			node_push(c->arena, list, item);
		} else if (item->kind == NODE_INT || item->kind == NODE_STR) {
			struct short_port p = { 0 };

			e = split_port(&item->pos, item->text, &p);
			e = e ?: push_ports(c, list, item, &p);
			free(p.buf);
		} else {
			e = pos_err(&item->pos, "a port must be a number, a string or a mapping, not %s",
				    node_kind_names[item->kind]);
		}
	}
	if (!e)
		*n = list;
	return e;
}

/* --- volumes ---------------------------------------------------------------------------------- */

/* Bytes up to the next colon that separates: not the one of a Windows drive ("D:/x"). */
static size_t part_len(const char *s)
{
	size_t n = strcspn(s, ":");

	if (n == 1 && isalpha((unsigned char)*s) && s[1] == ':')
		n = 2 + strcspn(s + 2, ":");
	return n;
}

static bool is_path(const char *s)
{
	return strchr("./~", *s) || str_starts(s, "\\\\") ||
	       (isalpha((unsigned char)*s) && s[1] == ':');
}

static void add_options(const struct schema_ctx *c, const char *text, struct node *mount,
			struct node *bind, struct node *volume)
{
	static const char *const propagations[] = { "rprivate", "private", "rshared",
						    "shared",	"rslave",  "slave" };

	for (const char *s = text; *s;) {
		size_t n = strcspn(s, ",");
		_cleanup_free_ char *o = xstrndup(s, n);

		if (!strcmp(o, "ro"))
			set_kind(c, mount, "read_only", NODE_BOOL, "true");
		else if (!strcmp(o, "nocopy"))
			set_kind(c, volume, "nocopy", NODE_BOOL, "true");
		else if (!strcmp(o, "z") || !strcmp(o, "Z"))
			node_set_str(c->arena, bind, "selinux", o);
		for (size_t i = 0; i < ARRAY_LEN(propagations); i++)
			if (!strcmp(o, propagations[i]))
				node_set_str(c->arena, bind, "propagation", o);
		s += n + (s[n] == ',');
	}
}

static const char *clean(const struct schema_ctx *c, const char *path)
{
	_cleanup_free_ char *text = *path ? str_clean_path(path) : xstrdup("");

	return arena_str(c->arena, text);
}

/* Relative paths of binds, long form too.  A name that a shell or Windows means stays. */
static struct err *place_bind(const struct schema_ctx *c, struct node *mount)
{
	static const struct key path = { .name = "", .type = KEY_STR, .flags = KEY_FILE };
	struct node *source = node_get(mount, "source");

	if (!str_eq(node_str(mount, "type"), "bind") || !node_is(source, NODE_STR))
		return NULL;
	if (isalpha((unsigned char)*source->text) && source->text[1] == ':')
		return NULL;
	return schema_apply(c, &path, "source", &source);
}

struct err *short_volume(const struct schema_ctx *c, struct node **n)
{
	struct node *old = *n, *mount, *bind, *volume;
	_cleanup_free_ char *first = NULL, *second = NULL;
	const char *s, *options = "";
	size_t len;

	if (old->kind == NODE_MAP) {
		struct node *target = node_get(old, "target");

		if (!node_get(old, "type"))
			return pos_err(&old->pos, "a volume lacks its type: bind, volume or tmpfs");
		if (str_eq(node_str(old, "type"), "bind") && !node_get(old, "source"))
			return pos_err(&old->pos,
				       "invalid mount config for type \"bind\": field Source must not be empty");
		if (node_is(target, NODE_STR))
			target->text = clean(c, target->text);
		return place_bind(c, old);
	}
	if (old->kind != NODE_STR)
		return pos_err(&old->pos, "a volume must be a string or a mapping, not %s",
			       node_kind_names[old->kind]);
	if (c->raw && strchr(old->text, '$'))
		return NULL;
	s = old->text;
	if (!*s)
		return err_hint(pos_err(&old->pos, "an empty volume"), "is a variable not set?");
	len = part_len(s);
	first = xstrndup(s, len);
	if (s[len]) {
		s += len + 1;
		len = part_len(s);
		second = xstrndup(s, len);
		if (s[len])
			options = s + len + 1;
		if (!*first || !*second || (s[len] && (!*options || strchr(options, ':'))))
			return err_hint(pos_err(&old->pos, "invalid volume '%s': %s", old->text,
						strchr(options, ':') ? "too many colons"
								     : "empty section between colons"),
					"is a variable not set?");
	}
	mount = map_at(c, old);
	bind = map_at(c, old);
	volume = map_at(c, old);
	add_options(c, options, mount, bind, volume);
	node_set_str(c->arena, mount, "type", second && is_path(first) ? "bind" : "volume");
	if (second)
		node_set_str(c->arena, mount, "source", first);
	node_set_str(c->arena, mount, "target", clean(c, second ?: first));
	if (second && is_path(first))
		set_kind(c, bind, "create_host_path", NODE_BOOL, "true");
	else if (strlen(old->text) > 2) /* as Compose has it */
		node_set(c->arena, mount, "volume", &old->pos, volume);
	if (bind->n)
		node_set(c->arena, mount, "bind", &old->pos, bind);
	*n = mount;
	return place_bind(c, mount);
}

/* --- maps from strings and lists -------------------------------------------------------------- */

static struct node *wrap_string(const struct schema_ctx *c, struct node *n, const char *key)
{
	struct node *map = map_at(c, n);

	node_set(c->arena, map, key, &n->pos, n);
	return map;
}

struct err *short_build(const struct schema_ctx *c, struct node **n)
{
	if ((*n)->kind == NODE_STR)
		*n = wrap_string(c, *n, "context");
	return NULL;
}

struct err *short_extends(const struct schema_ctx *c, struct node **n)
{
	if ((*n)->kind == NODE_STR)
		*n = wrap_string(c, *n, "service");
	return NULL;
}

struct err *short_include(const struct schema_ctx *c, struct node **n)
{
	if ((*n)->kind == NODE_STR)
		*n = wrap_string(c, *n, "path");
	return NULL;
}

struct err *short_file_mount(const struct schema_ctx *c, struct node **n)
{
	if ((*n)->kind == NODE_STR)
		*n = wrap_string(c, *n, "source");
	return NULL;
}

struct err *short_names(const struct schema_ctx *c, struct node **n)
{
	struct node *map;

	if ((*n)->kind != NODE_LIST)
		return NULL;
	map = map_at(c, *n);
	for (size_t i = 0; i < (*n)->n; i++) {
		struct node *name = (*n)->m[i].value;

		if (name->kind != NODE_STR)
			return pos_err(&name->pos, "a name must be a string, not %s",
				       node_kind_names[name->kind]);
		node_set(c->arena, map, name->text, &name->pos,
			 node_new(c->arena, NODE_NULL, NULL, &name->pos));
	}
	*n = map;
	return NULL;
}

struct err *short_depends(const struct schema_ctx *c, struct node **n)
{
	static const char *const conditions[] = { "service_started", "service_healthy",
						  "service_completed_successfully", NULL };
	bool list = (*n)->kind == NODE_LIST;
	struct err *e = short_names(c, n);

	for (size_t i = 0; !e && (*n)->kind == NODE_MAP && i < (*n)->n; i++) {
		struct member *m = &(*n)->m[i];
		const char *when;

		if (list) {
			m->value = node_new(c->arena, NODE_MAP, NULL, &m->pos);
			node_set_str(c->arena, m->value, "condition", conditions[0]);
		}
		if (m->value->kind != NODE_MAP || m->value->tag == NODE_RESET)
			continue;
		when = node_str(m->value, "condition");
		if (!when)
			return pos_err(&m->pos, "depends_on %s: missing property 'condition'", m->key);
		for (size_t k = 0; when && conditions[k]; k++)
			if (!strcmp(when, conditions[k]))
				when = NULL;
		if (when && !(c->raw && strchr(when, '$'))) {
			const char *near = str_nearest(when, conditions);

			e = pos_err(&node_get(m->value, "condition")->pos,
				    "depends_on %s: unknown condition '%s'", m->key, when);
			return err_hint(e, "%s",
					near
						?: "service_started, service_healthy or "
						   "service_completed_successfully");
		}
		if (!node_get(m->value, "required"))
			set_kind(c, m->value, "required", NODE_BOOL, "true");
	}
	return e;
}

struct err *short_env_file(const struct schema_ctx *c, struct node **n)
{
	struct node *list = *n;

	if (list->kind == NODE_STR) {
		list = list_at(c, *n);
		node_push(c->arena, list, *n);
	}
	if (list->kind != NODE_LIST)
		return NULL;
	for (size_t i = 0; i < list->n; i++) {
		struct node **item = &list->m[i].value;

		if ((*item)->kind == NODE_STR)
			*item = wrap_string(c, *item, "path");
		if ((*item)->kind == NODE_MAP && !node_get(*item, "path"))
			return pos_err(&(*item)->pos, "env_file: an entry lacks its path");
		if ((*item)->kind == NODE_MAP && !node_get(*item, "required"))
			set_kind(c, *item, "required", NODE_BOOL, "true");
	}
	*n = list;
	return NULL;
}

struct err *short_device(const struct schema_ctx *c, struct node **n)
{
	struct node *old = *n, *map;
	_cleanup_strv_ struct strv part = { 0 };

	if (old->kind != NODE_STR)
		return NULL;
	for (const char *s = old->text;; s++) {
		size_t len = strcspn(s, ":");

		strv_take(&part, xstrndup(s, len));
		s += len;
		if (!*s)
			break;
	}
	if (part.n > 3 || !*part.v[0])
		return pos_err(&old->pos, "invalid device '%s'", old->text);
	map = map_at(c, old);
	node_set_str(c->arena, map, "source", part.v[0]);
	node_set_str(c->arena, map, "target", part.n > 1 && *part.v[1] ? part.v[1] : part.v[0]);
	node_set_str(c->arena, map, "permissions", part.n > 2 ? part.v[2] : "rwm");
	*n = map;
	return NULL;
}

struct err *short_count(const struct schema_ctx *c, struct node **n)
{
	if ((*n)->kind == NODE_STR && !strcmp((*n)->text, "all"))
		*n = node_new(c->arena, NODE_INT, "-1", &(*n)->pos);
	return NULL;
}

struct err *short_gpus(const struct schema_ctx *c, struct node **n)
{
	struct node *list;

	if ((*n)->kind != NODE_STR)
		return NULL;
	list = list_at(c, *n);
	node_push(c->arena, list, wrap_string(c, *n, "count"));
	*n = list;
	return NULL;
}

struct err *short_ssh(const struct schema_ctx *c, struct node **n)
{
	struct node *list;

	if ((*n)->kind != NODE_MAP)
		return NULL;
	list = list_at(c, *n);
	for (size_t i = 0; i < (*n)->n; i++) {
		const struct member *m = &(*n)->m[i];

		if (m->value->text)
			node_push(c->arena, list,
				  node_newf(c->arena, &m->pos, "%s=%s", m->key, m->value->text));
		else
			node_push(c->arena, list, node_new(c->arena, NODE_STR, m->key, &m->pos));
	}
	*n = list;
	return NULL;
}

struct err *short_external(const struct schema_ctx *c, struct node **n)
{
	struct node *external = node_get(*n, "external");

	if (!node_is(external, NODE_MAP))
		return NULL;
	if (node_str(external, "name") && !node_get(*n, "name"))
		node_set(c->arena, *n, "name", &external->pos, node_get(external, "name"));
	set_kind(c, *n, "external", NODE_BOOL, "true");
	return NULL;
}
