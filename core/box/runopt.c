#include "core/box/runopt.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>

static const struct {
	const char *name;
	int resource;
} ulimits[] = {
	{ "core", RLIMIT_CORE },	 { "cpu", RLIMIT_CPU },
	{ "data", RLIMIT_DATA },	 { "fsize", RLIMIT_FSIZE },
	{ "locks", RLIMIT_LOCKS },	 { "memlock", RLIMIT_MEMLOCK },
	{ "msgqueue", RLIMIT_MSGQUEUE }, { "nice", RLIMIT_NICE },
	{ "nofile", RLIMIT_NOFILE },	 { "nproc", RLIMIT_NPROC },
	{ "rss", RLIMIT_RSS },		 { "rtprio", RLIMIT_RTPRIO },
	{ "rttime", RLIMIT_RTTIME },	 { "sigpending", RLIMIT_SIGPENDING },
	{ "stack", RLIMIT_STACK },
};

static struct err *limit_value(const char *text, rlim_t *ret)
{
	uint64_t n;
	struct err *e;

	if (!strcmp(text, "-1")) {
		*ret = RLIM_INFINITY;
		return NULL;
	}
	e = str_to_u64(text, 0, INT64_MAX, &n);
	if (!e)
		*ret = n;
	return e;
}

struct err *ulimit_parse(const char *text, struct ulimit *ret)
{
	const char *equals = strchr(text, '=');
	_cleanup_free_ char *name = xstrndup(text, equals ? (size_t)(equals - text) : 0);
	_cleanup_free_ char *soft = xstrdup(equals ? equals + 1 : "");
	char *hard = strchr(soft, ':');
	struct ulimit u = { .resource = -1 };
	struct err *e;

	if (!equals)
		return err_new(0, "invalid ulimit argument: %s", text);
	for (size_t i = 0; i < ARRAY_LEN(ulimits); i++)
		if (!strcmp(name, ulimits[i].name))
			u.resource = ulimits[i].resource;
	if (u.resource < 0)
		return err_new(0, "invalid ulimit type: %s", name);
	if (hard)
		*hard++ = '\0';
	e = limit_value(soft, &u.limit.rlim_cur);
	e = e ?: limit_value(hard ?: soft, &u.limit.rlim_max);
	if (e)
		return err_wrap(e, "invalid ulimit argument: %s", text);
	if (u.limit.rlim_cur > u.limit.rlim_max)
		return err_new(0, "ulimit soft limit must be less than or equal to hard limit: %s > %s",
			       soft, hard ?: soft);
	*ret = u;
	return NULL;
}

struct err *sysctl_parse(const char *text, enum net_mode net, char **ret_path, const char **ret_value)
{
	static const char *const ipc[] = { "kernel.msgmax", "kernel.msgmnb",
					   "kernel.msgmni", "kernel.sem",
					   "kernel.shmall", "kernel.shmmax",
					   "kernel.shmmni", "kernel.shm_rmid_forced" };
	const char *equals = strchr(text, '=');
	_cleanup_free_ char *name = xstrndup(text, equals ? (size_t)(equals - text) : 0);
	bool known = str_starts(name, "net.") || str_starts(name, "fs.mqueue.");

	if (!*name)
		return err_new(0, "invalid sysctl: '%s': it is NAME=VALUE", text);
	for (size_t i = 0; i < ARRAY_LEN(ipc); i++)
		known |= !strcmp(name, ipc[i]);
	for (const char *c = name; *c; c++)
		known &= isalnum((unsigned char)*c) || *c == '_' || *c == '-' ||
			 (*c == '.' && c[1] && c[1] != '.');
	if (!known)
		return err_hint(
			err_new(0, "sysctl '%s' is not allowed: it is not in a separate kernel namespace",
				name),
			"it would change the host; net.*, fs.mqueue.*, kernel.shm*, kernel.msg* and "
			"kernel.sem are a container's own");
	if (net == NET_HOST && str_starts(name, "net."))
		return err_new(0, "sysctl '%s' is not allowed in the host's network namespace", name);
	for (char *c = name; *c; c++)
		if (*c == '.')
			*c = '/';
	*ret_path = xasprintf("proc/sys/%s", name);
	*ret_value = equals + 1;
	return NULL;
}

struct err *device_parse(const char *text, struct mounts *to)
{
	_cleanup_free_ char *copy = xstrdup(text);
	char *rest = copy, *part[3] = { NULL };
	const char *access = "rwm", *inside;
	struct mount_spec *m;
	size_t n = 0;

	for (; rest && n < ARRAY_LEN(part); n++)
		part[n] = strsep(&rest, ":");
	if (rest || !part[0] || *part[0] != '/')
		return err_new(0, "invalid device specification: %s%s", text,
			       strchr(text, '=') ? " (devices by kind, CDI, are not supported)" : "");
	inside = part[0];
	if (n == 2 && *part[1] != '/')
		access = part[1];
	else if (n >= 2)
		inside = part[1];
	if (n == 3)
		access = part[2];
	if (!*access || access[strspn(access, "rwm")] || *inside != '/')
		return err_new(0, "invalid device mode: %s", access);
	if (!strchr(access, 'r') || !strchr(access, 'w'))
		return err_new(0,
			       "device mode %s is not supported: a user's container cannot be given less than "
			       "rw of a device",
			       access);
	m = mounts_add(to);
	m->type = MOUNT_BIND;
	m->device = m->by_mount = true;
	m->source = str_clean_path(part[0]);
	m->target = str_clean_path(inside);
	return NULL;
}

struct err *mac_parse(const char *text, uint8_t ret[NET_MAC_LEN])
{
	size_t i = 0;

	for (; i < NET_MAC_LEN; i++) {
		const char *at = text + 3 * i;
		char pair[3] = { 0 };

		if (strlen(text) != 3 * NET_MAC_LEN - 1 || !isxdigit((unsigned char)at[0]) ||
		    !isxdigit((unsigned char)at[1]) || (at[2] && at[2] != ':'))
			break;
		memcpy(pair, at, 2);
		ret[i] = (uint8_t)strtoul(pair, NULL, 16);
	}
	if (i < NET_MAC_LEN || ret[0] & 1)
		return err_new(0, "%s is not a valid mac address", text);
	return NULL;
}

/* A word of resolv.conf(5). */
static bool is_word(const char *s)
{
	for (const char *c = s; *c; c++)
		if ((unsigned char)*c <= ' ' || *c == 0x7f || *c == '#' || *c == ';')
			return false;
	return *s && strlen(s) <= 255;
}

static struct err *resolve_dns(const struct run_request *req, struct spec *s)
{
	unsigned char addr[16];

	for (size_t i = 0; i < req->dns.n; i++)
		if (inet_pton(AF_INET, req->dns.v[i], addr) != 1 &&
		    inet_pton(AF_INET6, req->dns.v[i], addr) != 1)
			return err_new(0, "%s is not an ip address", req->dns.v[i]);
	for (size_t i = 0; i < req->dns_search.n; i++)
		if (!is_word(req->dns_search.v[i]))
			return err_new(0, "%s is not a valid domain", req->dns_search.v[i]);
	for (size_t i = 0; i < req->dns_options.n; i++)
		if (!is_word(req->dns_options.v[i]))
			return err_new(0, "'%s' is not an option of resolv.conf",
				       req->dns_options.v[i]);
	strv_copy(&s->dns, &req->dns);
	strv_copy(&s->dns_search, &req->dns_search);
	strv_copy(&s->dns_options, &req->dns_options);
	return NULL;
}

static struct err *resolve_lists(const struct run_request *req, struct spec *s)
{
	struct err *e = NULL;

	for (size_t i = 0; !e && i < req->ulimits.n; i++) {
		struct ulimit u;

		e = ulimit_parse(req->ulimits.v[i], &u);
	}
	for (size_t i = 0; !e && i < req->sysctls.n; i++) {
		_cleanup_free_ char *path = NULL;
		const char *value;

		e = sysctl_parse(req->sysctls.v[i], req->net, &path, &value);
	}
	for (size_t i = 0; !e && i < req->group_add.n; i++)
		if (!*req->group_add.v[i] || strchr(req->group_add.v[i], ':') ||
		    !strcmp(req->group_add.v[i], "keep-groups"))
			e = err_new(0, "group-add '%s' is not supported: it is a group of the image, or a number",
				    req->group_add.v[i]);
	for (size_t i = 0; !e && i < req->ulimits.n; i++)
		strv_env_set(&s->ulimits, req->ulimits.v[i]);
	for (size_t i = 0; !e && i < req->sysctls.n; i++)
		strv_env_set(&s->sysctls, req->sysctls.v[i]);
	strv_copy(&s->group_add, &req->group_add);
	return e;
}

struct err *runopt_resolve(const struct run_request *req, struct spec *s)
{
	uint8_t mac[NET_MAC_LEN];
	struct err *e = resolve_lists(req, s);

	e = e ?: resolve_dns(req, s);
	if (e)
		return e;
	if (req->oom_score_adj < -OOM_SCORE_MAX || req->oom_score_adj > OOM_SCORE_MAX)
		return err_new(0, "Invalid value %d, range for oom score adj is [-1000, 1000]",
			       req->oom_score_adj);
	s->oom_score_adj = req->oom_score_adj;
	s->shm_bytes = req->shm_bytes;
	s->tty_size = req->tty_size;
	if (req->mac && *req->mac) {
		if (req->net != NET_DEFAULT)
			return err_new(0, "conflicting options: mac-address and the network mode");
		e = mac_parse(req->mac, mac);
		s->mac = xstrdup(req->mac);
	}
	if (!e && req->domainname && *req->domainname) {
		if (!is_word(req->domainname) || strlen(req->domainname) > 64)
			return err_new(0, "invalid domainname format: %s", req->domainname);
		s->domainname = xstrdup(req->domainname);
	}
	return e;
}
