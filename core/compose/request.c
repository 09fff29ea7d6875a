#include "core/compose/request_priv.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <openssl/sha.h>
#include <unistd.h>

#include "core/base/fd.h"
#include "core/base/proc.h"
#include "core/box/keepid.h"
#include "core/box/runopt.h"
#include "registry/manifest.h"

enum { PORT_SHIFT = 8000, FIRST_FREE_PORT = 1024 };

static const char *text(const struct maker *m, const char *key)
{
	return node_str(m->s->node, key);
}

static void note(const struct maker *m, const char *fmt, ...) PRINTF(2, 3);
static void note(const struct maker *m, const char *fmt, ...)
{
	va_list ap;
	char *line;

	va_start(ap, fmt);
	line = xvasprintf(fmt, ap);
	va_end(ap);
	if (m->o->notes && !strv_has(m->o->notes, line))
		strv_take(m->o->notes, line);
	else
		free(line);
}

const char *container_name(struct project *p, const struct service *s, unsigned number, bool underscores)
{
	const char *own = node_str(s->node, "container_name"), *gap = underscores ? "_" : "-";

	if (own && *own)
		return p->suffix ? arena_printf(&p->arena, "%s-%s", own, p->suffix) : own;
	return arena_printf(&p->arena, "%s%s%s%s%u", p->name, gap, s->name, gap, number);
}

const char *real_name(const struct project *p, const char *section, const char *key)
{
	return node_str(node_get(node_get(p->root, section), key), "name");
}

/* --- command, settings, labels ---------------------------------------------------------------- */

static void copy_words(const struct node *list, struct strv *to)
{
	for (size_t i = 0; i < node_len(list); i++)
		strv_add(to, list->m[i].value->text);
}

/* The entrypoint's first word goes where --entrypoint has it, the others in front of the command. */
static void command(const struct maker *m)
{
	const struct node *entry = get(m, "entrypoint"), *cmd = get(m, "command");
	struct run_request *req = m->req;

	if (node_is(entry, NODE_LIST)) {
		req->entrypoint_set = true;
		req->entrypoint = entry->n ? entry->m[0].value->text : "";
		for (size_t i = 1; i < entry->n; i++)
			strv_add(&req->args, entry->m[i].value->text);
	}
	copy_words(cmd, &req->args);
	/* an entrypoint that is only taken away leaves the image's command */
	if (node_is(entry, NODE_LIST) && !entry->n && !node_len(cmd) && m->o->image)
		strv_copy(&req->args, &m->o->image->cmd);
}

static void settings(const struct maker *m)
{
	const struct node *env = get(m, "environment");

	for (size_t i = 0; i < node_len(env); i++) {
		const char *value = env->m[i].value->text;

		if (value)
			strv_addf(&m->req->env, "%s=%s", env->m[i].key, value);
		else
			strv_add(&m->req->env, env->m[i].key);
	}
}

static void depends_label(const struct service *s, struct strv *to)
{
	_cleanup_str_ struct str list = { 0 };

	for (size_t i = 0; i < s->n_depends; i++)
		str_addf(&list, "%s%s:%s:%s", i ? "," : "", s->depends[i].service,
			 depend_when_names[s->depends[i].when],
			 s->depends[i].restart ? "true" : "false");
	strv_addf(to, "%s=%s", LABEL_DEPENDS, list.s ?: "");
}

static void labels(const struct maker *m)
{
	const struct node *own = get(m, "labels");
	struct strv *to = &m->req->labels;
	_cleanup_str_ struct str files = { 0 };
	char hash[65];

	for (size_t i = 0; i < node_len(own); i++)
		strv_addf(to, "%s=%s", own->m[i].key, own->m[i].value->text ?: "");
	for (size_t i = 0; i < m->p->files.n; i++)
		str_addf(&files, "%s%s", i ? "," : "", m->p->files.v[i]);
	service_hash(m->p, m->s, hash);
	strv_addf(to, "%s=%s", LABEL_HASH, hash);
	strv_addf(to, "%s=%u", LABEL_NUMBER, m->o->number);
	depends_label(m->s, to);
	if (m->o->image)
		strv_addf(to, "%s=%s", LABEL_IMAGE, m->o->image->id);
	strv_addf(to, "%s=%s", LABEL_ONEOFF, m->o->oneoff ? "True" : "False");
	strv_addf(to, "%s=%s", LABEL_PROJECT, m->p->name);
	strv_addf(to, "%s=%s", LABEL_FILES, files.s ?: "");
	strv_addf(to, "%s=%s", LABEL_DIRECTORY, m->p->directory);
	strv_addf(to, "%s=%s", LABEL_SERVICE, m->s->name);
	if (m->o->replaces)
		strv_addf(to, "%s=%s", LABEL_REPLACE, m->o->replaces->spec.name);
}

/* --- ports ------------------------------------------------------------------------------------ */

/* The first port that this user may listen on. */
static unsigned first_port(void)
{
	_cleanup_free_ char *line = NULL;
	struct err *e;

	if (geteuid() == 0)
		return 0;
	e = fd_read_file(AT_FDCWD, "/proc/sys/net/ipv4/ip_unprivileged_port_start", 64, &line, NULL);
	if (e) {
		err_free(e);
		return FIRST_FREE_PORT;
	}
	return (unsigned)strtoul(line, NULL, 10);
}

/* Do the files publish something on PORT? */
static bool is_published(const struct project *p, unsigned long port)
{
	for (size_t i = 0; i < p->n_services; i++) {
		const struct node *list = node_get(p->services[i].node, "ports");

		for (size_t k = 0; k < node_len(list); k++) {
			const char *text = node_str(list->m[k].value, "published") ?: "";
			char *end;
			unsigned long first = strtoul(text, &end, 10);
			unsigned long last = *end == '-' ? strtoul(end + 1, NULL, 10) : first;

			if (first && port >= first && port <= last)
				return true;
		}
	}
	return false;
}

/* Does somebody else than OWN (NULL: no container) listen on PORT of the address IP (""; one of IPv4)? */
static bool is_held(const char *ip, uint16_t port, const struct box *own)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(port) };
	int on = 1;

	if (inet_pton(AF_INET, *ip ? ip : "127.0.0.1", &addr.sin_addr) != 1)
		return false; /* who opens it will tell */
	for (size_t i = 0; own && i < own->state.published.n; i++)
		if (own->state.published.v[i].host == port)
			return false;
	/* or what its last connections left behind would count */
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	return bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0 && errno == EADDRINUSE;
}

/* Where PORT goes, which is for root: not to a number that the files have for something else, that another such port
 * goes to, or that somebody holds. */
static uint16_t moved_port(const struct project *p, const struct port *port, const struct box *own)
{
	unsigned to = port->host + PORT_SHIFT;

	for (; to < UINT16_MAX; to++)
		if (!is_published(p, to) && !is_held(port->ip, (uint16_t)to, own) &&
		    (to - PORT_SHIFT == port->host || !is_published(p, to - PORT_SHIFT)))
			break;
	return (uint16_t)to;
}

struct err *request_port(const char *spec, const struct project *project, const char *service,
			 const struct box *replaces, struct run_request *req, struct strv *notes)
{
	struct ports *to = &req->ports;
	size_t before = to->n;
	unsigned low = first_port();
	struct err *e = port_parse(spec, to);

	for (size_t i = before; !e && i < to->n; i++) {
		struct port *p = &to->v[i];
		uint16_t there;

		if (!p->host || p->host >= low || p->host_last != p->host)
			continue;
		there = moved_port(project, p, replaces);
		if (notes)
			strv_addf(notes, "%s: port %u needs root on this host: it is published on %u",
				  service, p->host, there);
		p->host = p->host_last = there;
	}
	return e;
}

/* No address, or one that says only "this machine". */
static bool is_anywhere(const char *ip)
{
	return !ip || !*ip || !strcmp(ip, "0.0.0.0") || !strcmp(ip, "127.0.0.1") ||
	       !strcmp(ip, "::") || !strcmp(ip, "::1");
}

static struct err *port(const struct maker *m, const struct node *n)
{
	const char *ip = node_str(n, "host_ip"), *published = node_str(n, "published"),
		   *target = node_str(n, "target"), *proto = node_str(n, "protocol");
	_cleanup_str_ struct str s = { 0 };

	if (!target)
		return BAD(n, "a port of service \"%s\" lacks its target", m->s->name);
	if (m->p->address && is_anywhere(ip)) {
		ip = m->p->address;
		if (!published || !*published || !strcmp(published, "0"))
			published = target;
	}
	if (ip && *ip)
		str_addf(&s, strchr(ip, ':') ? "[%s]:" : "%s:", ip);
	if (published && *published && strcmp(published, "0"))
		str_addf(&s, "%s:", published);
	else if (s.len)
		str_add(&s, ":");
	str_addf(&s, "%s/%s", target, proto ?: "tcp");
	return pos_wrap(&n->pos,
			request_port(s.s, m->p, m->s->name, m->o->replaces, m->req, m->o->notes));
}

static struct err *ports(const struct maker *m)
{
	const struct node *list = get(m, "ports"), *expose = get(m, "expose");
	struct err *e = NULL;

	for (size_t i = 0; i < node_len(list) && !e && (!m->o->oneoff || m->o->with_ports); i++)
		e = port(m, list->m[i].value);
	for (size_t i = 0; i < node_len(expose) && !e; i++) {
		struct port p;

		e = pos_wrap(&expose->m[i].value->pos,
			     port_parse_exposed(expose->m[i].value->text, &p));
		for (unsigned n = e ? 0 : p.ctr; n && n <= p.ctr_last; n++)
			strv_addf(&m->req->exposed, "%u/%s", n, port_proto_names[p.proto]);
	}
	return e;
}

/* --- networks --------------------------------------------------------------------------------- */

static int by_priority(const void *a, const void *b)
{
	const struct member *x = *(const struct member *const *)a,
			    *y = *(const struct member *const *)b;
	int64_t p = node_int(x->value, "priority", 0), q = node_int(y->value, "priority", 0);

	return p == q ? strcmp(x->key, y->key) : p < q ? 1 : -1;
}

static struct err *join_networks(const struct maker *m)
{
	const struct node *nets = get(m, "networks");
	const struct member *order[32];
	size_t n = 0;

	for (size_t i = 0; i < node_len(nets); i++) {
		if (n == ARRAY_LEN(order))
			return BAD(nets, "service \"%s\" is on more than %zu networks", m->s->name, n);
		order[n++] = &nets->m[i];
	}
	qsort(order, n, sizeof(order[0]), by_priority);
	for (size_t i = 0; i < n; i++) {
		const struct node *o = order[i]->value;
		struct net_want *w =
			net_wants_add(&m->req->nets, real_name(m->p, "networks", order[i]->key));

		if (!m->o->oneoff || m->o->with_aliases)
			strv_add(&w->aliases, m->s->name);
		if (m->p->suffix && !m->o->oneoff && node_get(m->s->node, "container_name"))
			strv_add(&w->aliases, node_str(m->s->node, "container_name")); /* as others call it */
		if (!m->o->oneoff || m->o->with_aliases)
			copy_words(node_get(o, "aliases"), &w->aliases);
		w->ip = xstrdup(node_str(o, "ipv4_address"));
		w->ip6 = xstrdup(node_str(o, "ipv6_address"));
		w->mac = xstrdup(node_str(o, "mac_address"));
	}
	return NULL;
}

/* A linked service's containers under its name, its alias and their own names, each with variables. */
static struct err *links(const struct maker *m)
{
	const struct node *list = get(m, "links"), *outside = get(m, "external_links");

	for (size_t i = 0; i < node_len(list); i++) {
		const char *link = list->m[i].value->text, *colon = strchr(link, ':');
		_cleanup_free_ char *service = xstrndup(link, strcspn(link, ":"));
		const char *alias = colon ? colon + 1 : service, *name;

		for (unsigned k = 1; (name = m->o->peer(m->o->arg, service, k)) != NULL; k++) {
			if (k == 1)
				strv_addf(&m->req->links, "%s:%s", name, alias);
			strv_addf(&m->req->links, "%s:%s_%u", name, alias, k);
			strv_addf(&m->req->links, "%s:%s", name, name);
		}
		if (!m->o->peer(m->o->arg, service, 1))
			return BAD(list->m[i].value, "links: service \"%s\" has no container", service);
	}
	for (size_t i = 0; i < node_len(outside); i++)
		strv_add(&m->req->links, outside->m[i].value->text);
	return NULL;
}

static struct err *networks(const struct maker *m)
{
	const struct node *n = get(m, "network_mode");
	const char *mode = n ? n->text : NULL, *of;
	struct err *e;

	if (!mode) {
		e = join_networks(m);
		return e ?: links(m);
	}
	if (!strcmp(mode, "none")) {
		m->req->net = NET_NONE;
	} else if (!strcmp(mode, "host")) {
		m->req->net = NET_HOST;
	} else if ((of = str_after(mode, "service:")) || (of = str_after(mode, "container:"))) {
		bool service = str_starts(mode, "service:");

		m->req->net = NET_CONTAINER;
		m->req->net_container = service ? m->o->peer(m->o->arg, of, 1) : of;
		if (!m->req->net_container)
			return BAD(n, "network_mode: service \"%s\" has no container", of);
	} else if (strcmp(mode, "bridge") && strcmp(mode, "default")) {
		net_wants_add(&m->req->nets, mode);
	}
	return mode && m->req->net == NET_DEFAULT ? links(m) : NULL;
}

/* --- health, limits --------------------------------------------------------------------------- */

static struct err *duration(const struct node *map, const char *key, int64_t *ret)
{
	const struct node *n = node_get(map, key);

	return n ? pos_wrap(&n->pos, duration_parse(n->text, ret)) : NULL;
}

static struct err *health(const struct maker *m)
{
	const struct node *h = get(m, "healthcheck"), *test = node_get(h, "test");
	struct health_config *to = &m->req->health;
	struct err *e;

	if (node_true(h, "disable")) {
		strv_add(&to->test, "NONE");
		return NULL;
	}
	copy_words(test, &to->test);
	to->retries = (unsigned)node_int(h, "retries", 0);
	e = duration(h, "interval", &to->interval_ns);
	e = e ?: duration(h, "timeout", &to->timeout_ns);
	e = e ?: duration(h, "start_period", &to->start_period_ns);
	return e ?: duration(h, "start_interval", &to->start_interval_ns);
}

static struct err *check_gpus(const struct maker *m)
{
	const struct node *gpus = get(m, "gpus"), *res = node_get(get(m, "deploy"), "resources"),
			  *devices = node_get(node_get(res, "reservations"), "devices");

	if (!node_len(devices) && !node_len(gpus))
		return NULL;
	return err_hint(BAD(node_len(gpus) ? gpus : devices,
			    "service \"%s\" asks for a GPU, which cannot be had here", m->s->name),
			"an override file with !reset takes it away");
}

/* LIMIT's text where the deploy section says it, else what the old key says. */
static const struct node *limit(const struct maker *m, const char *kind, const char *key, const char *old)
{
	return node_get(node_get(node_get(get(m, "deploy"), "resources"), kind), key) ?: get(m, old);
}

static int64_t bytes(const struct node *n)
{
	return n && n->text ? strtoll(n->text, NULL, 10) : 0;
}

static struct err *limits(const struct maker *m)
{
	struct limits *l = &m->req->limits;
	const struct node *cpus = limit(m, "limits", "cpus", "cpus"),
			  *pids = limit(m, "limits", "pids", "pids_limit"),
			  *ulimits = get(m, "ulimits");
	int64_t quota = node_int(m->s->node, "cpu_quota", 0),
		period = node_int(m->s->node, "cpu_period", 100000);

	l->memory = bytes(limit(m, "limits", "memory", "mem_limit"));
	l->memory_reservation = bytes(limit(m, "reservations", "memory", "mem_reservation"));
	l->memory_swap = bytes(get(m, "memswap_limit"));
	l->cpu_shares = node_int(m->s->node, "cpu_shares", 0);
	l->blkio_weight = node_int(get(m, "blkio_config"), "weight", 0);
	l->cpuset = xstrdup(text(m, "cpuset"));
	if (pids)
		l->pids = strtoll(pids->text, NULL, 10);
	if (cpus)
		l->nano_cpus = (int64_t)(strtod(cpus->text, NULL) * 1e9);
	else if (quota > 0 && period > 0)
		l->nano_cpus = (int64_t)((double)quota / (double)period * 1e9);
	for (size_t i = 0; i < node_len(ulimits); i++) {
		const struct node *v = ulimits->m[i].value;

		if (v->kind == NODE_MAP)
			strv_addf(&m->req->ulimits, "%s=%s:%s", ulimits->m[i].key,
				  node_str(v, "soft") ?: node_str(v, "hard") ?: "0",
				  node_str(v, "hard") ?: node_str(v, "soft") ?: "0");
		else
			strv_addf(&m->req->ulimits, "%s=%s", ulimits->m[i].key, v->text);
	}
	return NULL;
}

static struct err *restarts(const struct maker *m)
{
	const struct node *own = get(m, "restart"),
			  *deploy = node_get(get(m, "deploy"), "restart_policy");
	const char *when = node_str(deploy, "condition");

	if (m->o->oneoff)
		return NULL;
	if (own)
		return pos_wrap(&own->pos, restart_parse(own->text, &m->req->restart));
	if (!deploy || str_eq(when, "none"))
		return NULL;
	m->req->restart.when = str_eq(when, "on-failure") ? RESTART_ON_FAILURE : RESTART_ALWAYS;
	if (m->req->restart.when == RESTART_ON_FAILURE)
		m->req->restart.max = (unsigned)node_int(deploy, "max_attempts", 0);
	return NULL;
}

/* --- the rest --------------------------------------------------------------------------------- */

static struct err *security(const struct maker *m)
{
	const struct node *opts = get(m, "security_opt");

	copy_words(get(m, "cap_add"), &m->req->cap_add);
	copy_words(get(m, "cap_drop"), &m->req->cap_drop);
	for (size_t i = 0; i < node_len(opts); i++) {
		const struct node *n = opts->m[i].value;
		const char *file = str_after(n->text, "seccomp=") ?: str_after(n->text, "seccomp:");
		_cleanup_free_ char *profile = NULL, *path = NULL;
		struct err *e;

		if (!file || !strcmp(file, "unconfined") || !strcmp(file, "builtin")) {
			_cleanup_free_ char *fixed = xstrdup(n->text);

			fixed[strcspn(fixed, ":=")] = fixed[strcspn(fixed, ":=")] ? '=' : '\0';
			strv_add(&m->req->security_opt, fixed);
			continue;
		}
		path = *file == '/' ? xstrdup(file) : xasprintf("%s/%s", m->p->directory, file);
		e = fd_read_file(AT_FDCWD, path, 1 << 20, &profile, NULL);
		if (e)
			return pos_wrap(&n->pos, err_wrap(e, "opening seccomp profile"));
		strv_addf(&m->req->security_opt, "seccomp=%s", profile);
	}
	return NULL;
}

/* Keys with which only what devbox does anyway can be had. */
static struct err *check_fixed(const struct maker *m)
{
	static const struct {
		const char *key, *values[4], *why;
	} fixed[] = {
		{ "ipc", { "private", "shareable", "none" }, "each container has its own IPC namespace" },
		{ "pid", { "private" }, "each container has its own processes" },
		{ "uts", { "private" }, "each container has its own host name" },
		{ "cgroup", { "private", "host" }, "each container has its own cgroup namespace" },
		{ "runtime", { "runc" }, "devbox runs containers itself" },
		{ "isolation", { "default" }, "this is Linux" },
	};
	const char *userns;
	uint32_t uid, gid;
	struct err *e = NULL;

	for (size_t i = 0; i < ARRAY_LEN(fixed); i++) {
		const struct node *n = get(m, fixed[i].key);
		bool known = !n || !*n->text;

		for (size_t k = 0; !known && k < ARRAY_LEN(fixed[i].values) && fixed[i].values[k]; k++)
			known = !strcmp(n->text, fixed[i].values[k]);
		if (!known)
			return BAD(n, "services.%s.%s: %s is not supported: %s", m->s->name,
				   fixed[i].key, n->text, fixed[i].why);
	}
	userns = text(m, "userns_mode");
	if (userns && *userns && strcmp(userns, "host") != 0)
		e = keepid_parse(userns, 0, 0, &uid, &gid);
	if (e)
		return pos_wrap(&get(m, "userns_mode")->pos,
				err_wrap(e, "services.%s.userns_mode: %s", m->s->name, userns));
	if (node_len(get(m, "models")))
		return BAD(get(m, "models"),
			   "services.%s: models are not supported: there is nothing here that runs them",
			   m->s->name);
	if (node_true(m->s->node, "use_api_socket"))
		return BAD(get(m, "use_api_socket"),
			   "services.%s.use_api_socket: there is no engine's socket to give",
			   m->s->name);
	return get(m, "provider")
		       ? BAD(get(m, "provider"),
			     "services.%s: providers are not supported: programs that a file runs on the host",
			     m->s->name)
		       : NULL;
}

static void logging(const struct maker *m)
{
	static const char *const known[] = { "json-file", "local", "none", NULL };
	const struct node *l = get(m, "logging"), *options = node_get(l, "options");
	const char *driver = node_str(l, "driver");
	bool ours = !driver;

	for (size_t i = 0; driver && known[i]; i++)
		ours = ours || !strcmp(driver, known[i]);
	if (!ours) {
		note(m, "%s: logging driver %s is not there: its output is kept for `logs`",
		     m->s->name, driver);
		return;
	}
	m->req->log_driver = driver;
	for (size_t i = 0; i < node_len(options); i++)
		if (options->m[i].value->text && *options->m[i].value->text)
			strv_addf(&m->req->log_opts, "%s=%s", options->m[i].key,
				  options->m[i].value->text);
}

static struct err *plain(const struct maker *m)
{
	struct run_request *req = m->req;
	const struct node *hosts = get(m, "extra_hosts"), *sysctls = get(m, "sysctls"),
			  *grace = get(m, "stop_grace_period");
	int64_t ns = 0;
	struct err *e = grace ? pos_wrap(&grace->pos, duration_parse(grace->text, &ns)) : NULL;

	req->workdir = text(m, "working_dir");
	req->user = text(m, "user");
	req->userns = text(m, "userns_mode");
	req->hostname = text(m, "hostname");
	req->domainname = text(m, "domainname");
	req->mac = text(m, "mac_address");
	req->stop_signal = text(m, "stop_signal");
	req->stop_timeout_s = grace ? (int)((ns + 999999999) / 1000000000) : -1;
	req->tty = node_true(m->s->node, "tty");
	req->open_stdin = node_true(m->s->node, "stdin_open");
	req->use_init = node_true(m->s->node, "init");
	req->read_only = node_true(m->s->node, "read_only");
	req->privileged = node_true(m->s->node, "privileged");
	req->oom_score_adj = (int)node_int(m->s->node, "oom_score_adj", 0);
	req->shm_bytes = bytes(get(m, "shm_size"));
	copy_words(get(m, "group_add"), &req->group_add);
	copy_words(get(m, "dns"), &req->dns);
	copy_words(get(m, "dns_search"), &req->dns_search);
	copy_words(get(m, "dns_opt"), &req->dns_options);
	for (size_t i = 0; i < node_len(hosts); i++) {
		const char *h = hosts->m[i].value->text;
		size_t name = strcspn(h, "=");

		strv_addf(&req->add_hosts, "%.*s:%s", (int)name, h, h + name + 1);
	}
	for (size_t i = 0; i < node_len(sysctls); i++)
		strv_addf(&req->sysctls, "%s=%s", sysctls->m[i].key, sysctls->m[i].value->text);
	return e;
}

/* Containers of another machine's programs cannot run: said before an image is pulled for nothing. */
static struct err *check_platform(const struct maker *m)
{
	const struct node *n = get(m, "platform");
	struct platform own = { 0 }, want = { 0 };
	struct err *e = n && n->text ? platform_parse(n->text, &want) : NULL;

	if (e || !want.arch)
		return e ? pos_wrap(&n->pos, e) : NULL;
	platform_own(&own);
	if (strcmp(own.os, want.os) || !machine_can_run(want.arch))
		e = BAD(n, "services.%s.platform: this machine runs %s/%s, not %s", m->s->name,
			own.os, own.arch, n->text);
	platform_done(&own);
	platform_done(&want);
	return e;
}

struct err *request_check(struct project *p, const struct service *s)
{
	struct maker m = { .p = p, .s = s };
	struct err *e = check_fixed(&m);

	e = e ?: check_gpus(&m);
	e = e ?: check_platform(&m);
	return e ?: request_mounts_check(&m);
}

struct err *request_make(struct project *p, const struct service *s, const struct request_opts *o,
			 struct store *st, struct run_request *ret)
{
	struct run_request req = { .stop_timeout_s = -1 };
	struct maker m = { p, s, o, st, &req };
	struct err *e;

	req.image = service_image(p, s);
	req.name = o->name ?: container_name(p, s, o->number, o->underscores);
	command(&m);
	settings(&m);
	labels(&m);
	logging(&m);
	e = request_check(p, s);
	e = e ?: plain(&m);
	e = e ?: ports(&m);
	e = e ?: request_mounts(&m);
	e = e ?: networks(&m);
	e = e ?: health(&m);
	e = e ?: limits(&m);
	e = e ?: restarts(&m);
	e = e ?: security(&m);
	if (e) {
		request_done(&req);
		return e;
	}
	*ret = req;
	return NULL;
}

void request_done(struct run_request *req)
{
	struct strv *lists[] = { &req->args,	     &req->env,	       &req->exposed,
				 &req->volumes_from, &req->labels,     &req->add_hosts,
				 &req->ulimits,	     &req->sysctls,    &req->group_add,
				 &req->dns,	     &req->dns_search, &req->dns_options,
				 &req->cap_add,	     &req->cap_drop,   &req->security_opt,
				 &req->log_opts,     &req->links,      &req->entrypoint_rest,
				 &req->volumes };

	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		strv_done(lists[i]);
	ports_done(&req->ports);
	mounts_done(&req->mounts);
	mounts_done(&req->inherited);
	net_wants_done(&req->nets);
	health_config_done(&req->health);
	limits_done(&req->limits);
	*req = (struct run_request){ 0 };
}
