/* The record of a spec: config.json.  See resolve.c for how a spec comes to be. */
#include "core/box/spec.h"

#include "core/box/caps.h"
#include "core/store/network.h"

#include <signal.h>
#include <stddef.h>

const char *const net_mode_names[] = { "default", "none", "host", "container" };
_Static_assert(ARRAY_LEN(net_mode_names) == NET_MODE_MAX, "a name for every mode");

enum { FORMAT = 1 }; /* raised when an older devbox would misread the record */

struct field {
	const char *key;
	size_t at; /* offset in struct spec */
};
#define FIELD(name)                                                                                \
	{                                                                                          \
#name, offsetof(struct spec, name)                                                 \
	}

static const struct field texts[] = {
	FIELD(id),	 FIELD(name),	    FIELD(image),	  FIELD(image_ref),
	FIELD(image_id), FIELD(workdir),    FIELD(user),	  FIELD(hostname),
	FIELD(recipe),	 FIELD(platform),   FIELD(seccomp),	  FIELD(domainname),
	FIELD(mac),	 FIELD(log_driver), FIELD(net_container), FIELD(init_key),
	FIELD(userns),	 FIELD(kept_name),
};
static const struct field lists[] = {
	FIELD(layers),	     FIELD(entrypoint),	 FIELD(cmd),	   FIELD(env),
	FIELD(exposed),	     FIELD(labels),	 FIELD(add_hosts), FIELD(log_opts),
	FIELD(volumes_from), FIELD(cap_add),	 FIELD(cap_drop),  FIELD(security_opt),
	FIELD(ulimits),	     FIELD(sysctls),	 FIELD(group_add), FIELD(dns),
	FIELD(dns_search),   FIELD(dns_options), FIELD(links),
};
static const struct field flags[] = {
	FIELD(tty),	   FIELD(open_stdin),	FIELD(auto_remove),
	FIELD(use_init),   FIELD(read_only),	FIELD(made_password),
	FIELD(privileged), FIELD(no_new_privs), FIELD(unmasked),
};

/* May be NULL in a record that was read; all other texts of the table never are. */
static bool may_be_null(const char *key)
{
	static const char *const keys[] = { "image_ref",  "hostname", "recipe",	    "seccomp",
					    "domainname", "mac",      "log_driver", "net_container",
					    "init_key",	  "userns",   "kept_name" };

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (!strcmp(key, keys[i]))
			return true;
	return false;
}

void spec_done(struct spec *s)
{
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		free(*(char **)((char *)s + texts[i].at));
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		strv_done((struct strv *)(void *)((char *)s + lists[i].at));
	health_config_done(&s->health);
	ports_done(&s->ports);
	mounts_done(&s->mounts);
	net_wants_done(&s->nets);
	limits_done(&s->limits);
	*s = (struct spec){ 0 };
}

/* JSON holds UTF-8; a command line, a setting or a path may be anything: then it is {"hex": "..."}. */
static void put_bytes(struct json_out *o, const char *key, const char *s)
{
	_cleanup_free_ char *hex = NULL;
	size_t len = s ? strlen(s) : 0;

	if (!s)
		return;
	if (str_is_utf8(s, len)) {
		json_put_strn(o, key, s, len);
		return;
	}
	hex = xmalloc(2 * len + 1);
	str_hex(s, len, hex);
	json_open(o, key, '{');
	json_put_str(o, "hex", hex);
	json_close(o, '}');
}

static unsigned nibble(char c)
{
	return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

/* NULL if V is neither a text nor its hex form. */
static char *get_bytes(json *v)
{
	const char *hex = json_str(v, "hex");
	size_t len = hex ? strlen(hex) : 0;
	char *s;

	if (!hex)
		return xstrdup(json_text(v));
	if (len % 2 || !str_is_hex(hex, len))
		return NULL;
	s = xmalloc(len / 2 + 1);
	for (size_t i = 0; i < len / 2; i++)
		s[i] = (char)(nibble(hex[2 * i]) << 4 | nibble(hex[2 * i + 1]));
	s[len / 2] = '\0';
	return s;
}

/* What is empty, false, 0 or NULL is not written: `ps` reads every container's record, and most of one is that. */
static void put_list(struct json_out *o, const char *key, const struct strv *l)
{
	if (!l->n)
		return;
	json_open(o, key, '[');
	for (size_t i = 0; i < l->n; i++)
		put_bytes(o, NULL, l->v[i]);
	json_close(o, ']');
}

static void get_list(json *j, struct strv *l)
{
	for (size_t i = 0; i < json_len(j); i++) {
		char *s = get_bytes(json_at(j, i));

		if (s)
			strv_take(l, s);
	}
}

static void put_mount(struct json_out *o, const struct mount_spec *m)
{
	json_open(o, NULL, '{');
	json_put_str(o, "type", mount_type_names[m->type]);
	put_bytes(o, "source", m->source);
	put_bytes(o, "target", m->target);
	put_bytes(o, "subpath", m->subpath);
	put_bytes(o, "options", m->options);
	json_put_bool_if(o, "read_only", m->read_only);
	json_put_bool_if(o, "anonymous", m->anonymous);
	json_put_bool_if(o, "no_copy", m->no_copy);
	json_put_bool_if(o, "chown", m->chown);
	json_put_bool_if(o, "device", m->device);
	json_put_bool_if(o, "by_mount", m->by_mount);
	json_put_bool_if(o, "exec", m->exec);
	json_put_bool_if(o, "suid", m->suid);
	if (m->copied) {
		json_put_bool(o, "copied", true);
		json_put_int(o, "uid", m->uid);
		json_put_int(o, "gid", m->gid);
		json_put_int(o, "mode", m->mode);
	}
	json_close(o, '}');
}

static void put_net(struct json_out *o, const struct net_want *w)
{
	json_open(o, NULL, '{');
	json_put_str(o, "name", w->name);
	put_list(o, "aliases", &w->aliases);
	json_put_str_if(o, "ip", w->ip);
	json_put_str_if(o, "ip6", w->ip6);
	json_put_str_if(o, "mac", w->mac);
	json_close(o, '}');
}

static void get_net(json *j, struct net_wants *to)
{
	const char *name = json_str(j, "name");
	struct net_want *w = name ? net_wants_add(to, name) : NULL;

	if (!w || w->aliases.n)
		return; /* twice: the first counts */
	get_list(json_get(j, "aliases"), &w->aliases);
	w->ip = xstrdup(json_str(j, "ip"));
	w->ip6 = xstrdup(json_str(j, "ip6"));
	w->mac = xstrdup(json_str(j, "mac"));
}

static void put_health(struct json_out *o, const struct health_config *h)
{
	if (!h->test.n)
		return;
	json_open(o, "health", '{');
	put_list(o, "test", &h->test);
	put_list(o, "shell", &h->shell);
	json_put_int(o, "interval_ns", h->interval_ns);
	json_put_int(o, "timeout_ns", h->timeout_ns);
	json_put_int(o, "start_period_ns", h->start_period_ns);
	json_put_int(o, "start_interval_ns", h->start_interval_ns);
	json_put_int(o, "retries", h->retries);
	json_close(o, '}');
}

static void get_health(json *j, struct health_config *h)
{
	get_list(json_get(j, "test"), &h->test);
	get_list(json_get(j, "shell"), &h->shell);
	h->interval_ns = json_int(j, "interval_ns", 0);
	h->timeout_ns = json_int(j, "timeout_ns", 0);
	h->start_period_ns = json_int(j, "start_period_ns", 0);
	h->start_interval_ns = json_int(j, "start_interval_ns", 0);
	h->retries = (unsigned)json_int(j, "retries", 0);
}

char *spec_to_json(const struct spec *s, size_t *ret_len)
{
	struct json_out o;

	json_out_init(&o, false);
	json_open(&o, NULL, '{');
	json_put_int(&o, "format", FORMAT);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		put_bytes(&o, texts[i].key, *(char *const *)((const char *)s + texts[i].at));
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		put_list(&o, lists[i].key,
			 (const struct strv *)(const void *)((const char *)s + lists[i].at));
	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		json_put_bool_if(&o, flags[i].key, *(const bool *)((const char *)s + flags[i].at));
	json_put_str(&o, "net", net_mode_names[s->net]);
	json_open(&o, "nets", '[');
	for (size_t i = 0; i < s->nets.n; i++)
		put_net(&o, &s->nets.v[i]);
	json_close(&o, ']');
	json_open(&o, "ports", '[');
	for (size_t i = 0; i < s->ports.n; i++) {
		_cleanup_str_ struct str text = { 0 };

		port_text(&s->ports.v[i], &text);
		json_put_str(&o, NULL, text.s);
	}
	json_close(&o, ']');
	json_open(&o, "mounts", '[');
	for (size_t i = 0; i < s->mounts.n; i++)
		put_mount(&o, &s->mounts.v[i]);
	json_close(&o, ']');
	json_put_int(&o, "stop_signal", s->stop_signal);
	json_put_int(&o, "stop_timeout_s", s->stop_timeout_s);
	json_put_int_if(&o, "attach", s->attach);
	put_health(&o, &s->health);
	json_put_str(&o, "restart", restart_names[s->restart.when]);
	json_put_int_if(&o, "restart_max", s->restart.max);
	json_put_int_if(&o, "shm_bytes", s->shm_bytes);
	json_put_int_if(&o, "oom_score_adj", s->oom_score_adj);
	json_put_int_if(&o, "tty_size", s->tty_size);
	json_put_int(&o, "caps", (int64_t)s->caps);
	limits_put(&s->limits, &o);
	json_put_int(&o, "created_ns", s->created_ns);
	json_close(&o, '}');
	return json_out_take(&o, ret_len);
}

/* -1 if it is none of them. */
static int name_index(const char *name, const char *const *names, int n)
{
	for (int i = 0; i < n; i++)
		if (name && !strcmp(name, names[i]))
			return i;
	return -1;
}

static struct err *get_mount(json *j, struct mounts *to)
{
	int type = name_index(json_str(j, "type"), mount_type_names, MOUNT_TYPE_MAX);
	struct mount_spec *m;

	if (type < 0)
		return err_new(0, "a mount without type");
	m = mounts_add(to);
	m->type = (enum mount_type)type;
	m->source = get_bytes(json_get(j, "source"));
	m->target = get_bytes(json_get(j, "target"));
	m->subpath = get_bytes(json_get(j, "subpath"));
	m->options = get_bytes(json_get(j, "options"));
	m->read_only = json_bool(j, "read_only", false);
	m->anonymous = json_bool(j, "anonymous", false);
	m->no_copy = json_bool(j, "no_copy", false);
	m->chown = json_bool(j, "chown", false);
	m->device = json_bool(j, "device", false);
	m->by_mount = json_bool(j, "by_mount", false);
	m->exec = json_bool(j, "exec", false);
	m->suid = json_bool(j, "suid", false);
	m->copied = json_bool(j, "copied", false);
	m->uid = (unsigned)json_int(j, "uid", 0);
	m->gid = (unsigned)json_int(j, "gid", 0);
	m->mode = (unsigned)json_int(j, "mode", 0);
	if (!m->target || *m->target != '/' || !m->target[1])
		return err_new(0, "a mount without target");
	if (m->type != MOUNT_TMPFS && !m->source)
		return err_new(0, "the mount at %s has no source", m->target);
	return NULL;
}

static struct err *get_all(json *j, struct spec *s)
{
	json *ports = json_get(j, "ports"), *mounts = json_get(j, "mounts"),
	     *nets = json_get(j, "nets");
	int net = name_index(json_str(j, "net"), net_mode_names, NET_MODE_MAX);
	int restart = name_index(json_str(j, "restart") ?: "no", restart_names, RESTART_MAX);
	int64_t sig = json_int(j, "stop_signal", SIGTERM), timeout = json_int(j, "stop_timeout_s", 10);
	struct err *e = NULL;

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		char *text = get_bytes(json_get(j, texts[i].key));

		if (!text && !may_be_null(texts[i].key))
			return err_new(0, "%s is missing", texts[i].key);
		*(char **)((char *)s + texts[i].at) = text;
	}
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		get_list(json_get(j, lists[i].key), (struct strv *)(void *)((char *)s + lists[i].at));
	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		*(bool *)((char *)s + flags[i].at) = json_bool(j, flags[i].key, false);
	if (net < 0 || sig < 1 || sig > 64 || timeout < 0 || timeout > INT32_MAX)
		return err_new(0, "net, stop_signal or stop_timeout_s is wrong");
	if (!s->entrypoint.n && !s->cmd.n)
		return err_new(0, "there is no command");
	if (restart < 0)
		return err_new(0, "restart is wrong");
	get_health(json_get(j, "health"), &s->health);
	s->restart.when = (enum restart_when)restart;
	s->restart.max = (unsigned)json_int(j, "restart_max", 0);
	s->net = (enum net_mode)net;
	for (size_t i = 0; i < json_len(nets); i++)
		get_net(json_at(nets, i), &s->nets);
	if (s->net == NET_DEFAULT && json_is_null(nets)) /* a record from before there were others */
		net_wants_add(&s->nets, NETWORK_DEFAULT);
	s->stop_signal = (int)sig;
	s->stop_timeout_s = (unsigned)timeout;
	s->attach = (unsigned)json_int(j, "attach", 0) & (ATTACH_STDIN | ATTACH_STDOUT | ATTACH_STDERR);
	s->shm_bytes = json_int(j, "shm_bytes", 0);
	s->oom_score_adj = (int)json_int(j, "oom_score_adj", 0);
	s->tty_size = (uint32_t)json_int(j, "tty_size", 0);
	s->caps = (uint64_t)json_int(j, "caps", (int64_t)caps_default());
	limits_get(j, &s->limits);
	s->created_ns = json_int(j, "created_ns", 0);
	for (size_t i = 0; i < json_len(ports) && !e; i++) {
		const char *text = json_text(json_at(ports, i));

		e = text ? port_parse(text, &s->ports) : err_new(0, "a port is no text");
	}
	for (size_t i = 0; i < json_len(mounts) && !e; i++)
		e = get_mount(json_at(mounts, i), &s->mounts);
	return e;
}

struct err *spec_from_json(const char *text, size_t len, struct spec *ret)
{
	_cleanup_json_ json *j = NULL;
	struct spec s = { 0 };
	struct err *e;

	e = json_parse(text, len, "config.json", &j);
	if (e)
		return e;
	if (json_int(j, "format", 0) > FORMAT)
		return err_hint(err_new(0, "config.json was written by a newer devbox"),
				"use that one, or remove the container");
	e = get_all(j, &s);
	if (e) {
		spec_done(&s);
		return err_wrap(e, "config.json");
	}
	*ret = s;
	return NULL;
}
