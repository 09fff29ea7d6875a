#include "cmd/describe.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>

#include "cmd/ps.h"
#include "cmd/ui/human.h"
#include "cmd/volume.h"
#include "core/base/fd.h"
#include "core/base/proc.h"
#include "core/box/links.h"
#include "core/box/procs.h"
#include "core/box/runopt.h"
#include "core/store/network.h"
#include "core/store/volume.h"
#include "registry/mark.h"

#define NEVER "0001-01-01T00:00:00Z" /* Go's zero time */

/* VALUE may come from the command line: any bytes. */
static void put(struct json_out *o, const char *key, const char *value)
{
	_cleanup_str_ struct str valid = { 0 };

	human_utf8(value ?: "", &valid);
	json_put_str(o, key, valid.s ?: "");
}

static void put_list(struct json_out *o, const char *key, const struct strv *l, size_t from)
{
	json_open(o, key, '[');
	for (size_t i = from; i < l->n; i++)
		put(o, NULL, l->v[i]);
	json_close(o, ']');
}

static void put_list_or_null(struct json_out *o, const char *key, const struct strv *l)
{
	if (l->n)
		put_list(o, key, l, 0);
	else
		json_put_null(o, key);
}

static void put_time(struct json_out *o, const char *key, int64_t ns)
{
	char text[TIME_TEXT_MAX];

	if (ns)
		time_format(ns, text);
	json_put_str(o, key, ns ? text : NEVER);
}

/* {"3306/tcp": {}, ...} */
static void put_set(struct json_out *o, const char *key, const struct strv *l)
{
	json_open(o, key, '{');
	for (size_t i = 0; i < l->n; i++) {
		json_open(o, l->v[i], '{');
		json_close(o, '}');
	}
	json_close(o, '}');
}

static void put_map(struct json_out *o, const char *key, const struct strv *l)
{
	json_open(o, key, '{');
	for (size_t i = 0; i < l->n; i++) {
		_cleanup_free_ char *name = xstrndup(l->v[i], strcspn(l->v[i], "="));
		_cleanup_str_ struct str valid = { 0 };

		human_utf8(name, &valid);
		put(o, valid.s ?: "", l->v[i] + strlen(name) + (l->v[i][strlen(name)] == '='));
	}
	json_close(o, '}');
}

/* --- ports ------------------------------------------------------------------------------------ */

static void ports_keys(const struct strv *exposed, const struct ports *published, struct strv *keys)
{
	for (size_t i = 0; i < published->n; i++) {
		const struct port *p = &published->v[i];

		for (unsigned c = p->ctr; c <= p->ctr_last || c == p->ctr; c++) {
			_cleanup_free_ char *k = xasprintf("%u/%s", c, port_proto_names[p->proto]);

			if (!strv_has(keys, k))
				strv_add(keys, k);
		}
	}
	for (size_t i = 0; exposed && i < exposed->n; i++)
		if (!strv_has(keys, exposed->v[i]))
			strv_add(keys, exposed->v[i]);
}

static void put_bindings(struct json_out *o, const char *key, const struct ports *published)
{
	bool any = false;

	for (size_t i = 0; i < published->n; i++) {
		const struct port *p = &published->v[i];

		for (unsigned c = p->ctr; c <= p->ctr_last || c == p->ctr; c++) {
			char own[32], host[16];

			snprintf(own, sizeof(own), "%u/%s", c, port_proto_names[p->proto]);
			if (strcmp(own, key))
				continue;
			if (!any)
				json_open(o, key, '[');
			any = true;
			snprintf(host, sizeof(host), "%u", p->host ? p->host + (c - p->ctr) : 0);
			json_open(o, NULL, '{');
			json_put_str(o, "HostIp", p->ip);
			json_put_str(o, "HostPort", p->host ? host : "");
			json_close(o, '}');
		}
	}
	if (any)
		json_close(o, ']');
	else
		json_put_null(o, key);
}

void describe_ports(const char *key, const struct strv *exposed, const struct ports *published,
		    struct json_out *o)
{
	_cleanup_strv_ struct strv keys = { 0 };

	ports_keys(exposed, published, &keys);
	json_open(o, key, '{');
	for (size_t i = 0; i < keys.n; i++)
		put_bindings(o, keys.v[i], published);
	json_close(o, '}');
}

/* --- containers ------------------------------------------------------------------------------- */

static void put_health(const struct health *h, struct json_out *o)
{
	json_open(o, "Health", '{');
	json_put_str(o, "Status", health_names[h->status]);
	json_put_int(o, "FailingStreak", h->streak);
	json_open(o, "Log", '[');
	for (size_t i = 0; i < h->n; i++) {
		json_open(o, NULL, '{');
		put_time(o, "Start", h->log[i].start_ns);
		put_time(o, "End", h->log[i].end_ns);
		json_put_int(o, "ExitCode", h->log[i].exit_code);
		put(o, "Output", h->log[i].output);
		json_close(o, '}');
	}
	json_close(o, ']');
	json_close(o, '}');
}

static void put_healthcheck(const struct health_config *h, struct json_out *o)
{
	const struct {
		const char *key;
		int64_t value;
	} rest[] = { { "Interval", h->interval_ns },
		     { "Timeout", h->timeout_ns },
		     { "StartPeriod", h->start_period_ns },
		     { "StartInterval", h->start_interval_ns },
		     { "Retries", h->retries } };

	if (!h->test.n)
		return;
	json_open(o, "Healthcheck", '{');
	put_list(o, "Test", &h->test, 0);
	for (size_t i = 0; i < ARRAY_LEN(rest); i++)
		if (rest[i].value)
			json_put_int(o, rest[i].key, rest[i].value);
	json_close(o, '}');
}

static void put_state(const struct box *b, struct json_out *o)
{
	const struct state *s = &b->state;

	json_open(o, "State", '{');
	json_put_str(o, "Status", box_is_paused(b) ? "paused" : box_status_names[s->status]);
	json_put_bool(o, "Running", state_is_up(s));
	json_put_bool(o, "Paused", box_is_paused(b));
	json_put_bool(o, "Restarting", s->status == BOX_RESTARTING);
	json_put_bool(o, "OOMKilled", s->oom_killed);
	json_put_bool(o, "Dead", s->status == BOX_DEAD);
	json_put_int(o, "Pid", s->pid);
	json_put_int(o, "ExitCode", s->exit_code);
	put(o, "Error", s->error);
	put_time(o, "StartedAt", s->started_ns);
	put_time(o, "FinishedAt", s->finished_ns);
	if (s->health.status)
		put_health(&s->health, o);
	if (b->spec.recipe)
		json_put_bool(o, "Ready", s->ready);
	json_close(o, '}');
}

static char *mount_source(const struct box *b, const struct mount_spec *m)
{
	if (m->type == MOUNT_VOLUME)
		return xasprintf("%s/volumes/%s/data", b->st->path, m->source);
	return xstrdup(m->source ?: "");
}

/* What --mount asked for. */
static void put_asked_mounts(const struct spec *s, struct json_out *o)
{
	json_open(o, "Mounts", '[');
	for (size_t i = 0; i < s->mounts.n; i++) {
		const struct mount_spec *m = &s->mounts.v[i];

		if (!m->by_mount || m->device)
			continue;
		json_open(o, NULL, '{');
		json_put_str(o, "Type", mount_type_names[m->type]);
		if (m->type != MOUNT_TMPFS)
			put(o, "Source", m->source);
		put(o, "Target", m->target);
		if (m->read_only)
			json_put_bool(o, "ReadOnly", true);
		if (m->no_copy || m->subpath) {
			json_open(o, "VolumeOptions", '{');
			if (m->no_copy)
				json_put_bool(o, "NoCopy", true);
			if (m->subpath)
				put(o, "Subpath", m->subpath);
			json_close(o, '}');
		}
		json_close(o, '}');
	}
	json_close(o, ']');
}

static void put_devices(const struct spec *s, struct json_out *o)
{
	json_open(o, "Devices", '[');
	for (size_t i = 0; i < s->mounts.n; i++) {
		if (!s->mounts.v[i].device)
			continue;
		json_open(o, NULL, '{');
		put(o, "PathOnHost", s->mounts.v[i].source);
		put(o, "PathInContainer", s->mounts.v[i].target);
		json_put_str(o, "CgroupPermissions", "rwm");
		json_close(o, '}');
	}
	json_close(o, ']');
}

static void put_ulimits(const struct spec *s, struct json_out *o)
{
	json_open(o, "Ulimits", '[');
	for (size_t i = 0; i < s->ulimits.n; i++) {
		_cleanup_free_ char *name = xstrndup(s->ulimits.v[i], strcspn(s->ulimits.v[i], "="));
		struct ulimit u = { 0 };

		err_free(ulimit_parse(s->ulimits.v[i], &u)); /* was checked */
		json_open(o, NULL, '{');
		put(o, "Name", name);
		json_put_int(o, "Hard", (int64_t)u.limit.rlim_max);
		json_put_int(o, "Soft", (int64_t)u.limit.rlim_cur);
		json_close(o, '}');
	}
	json_close(o, ']');
}

static void put_limits(const struct box *b, struct json_out *o)
{
	const struct limits *l = &b->spec.limits;

	json_put_int(o, "Memory", l->memory);
	json_put_int(o, "MemorySwap", l->memory_swap);
	json_put_int(o, "MemoryReservation", l->memory_reservation);
	json_put_int(o, "NanoCpus", l->nano_cpus);
	json_put_int(o, "CpuShares", l->cpu_shares);
	json_put_int(o, "CpuPeriod", l->cpu_period);
	json_put_int(o, "CpuQuota", l->cpu_quota);
	json_put_str(o, "CpusetCpus", l->cpuset ?: "");
	if (l->pids)
		json_put_int(o, "PidsLimit", l->pids);
	else
		json_put_null(o, "PidsLimit");
	json_put_int(o, "BlkioWeight", l->blkio_weight);
	json_put_str(o, "LimitsMode", limits_mode_names[b->state.limits_mode]); /* of the last run */
}

static void put_taken_text(struct json_out *o, const char *key, char *text)
{
	put(o, key, text);
	free(text);
}

/* "/db:/web/alias", by the name the other one has now. */
static void put_links(const struct box *b, struct json_out *o)
{
	_cleanup_strv_ struct strv links = { 0 };

	for (size_t i = 0; i < b->spec.links.n; i++) {
		const char *alias;
		struct box *other = NULL;
		struct err *e = link_find(b->st, b->spec.links.v[i], &other, &alias);

		if (!e)
			strv_addf(&links, "/%s:/%s/%s", other->spec.name, b->spec.name, alias);
		err_free(e); /* removed */
		box_free(other);
	}
	put_list_or_null(o, "Links", &links);
}

static void put_host_config(const struct box *b, struct json_out *o)
{
	const struct spec *s = &b->spec;

	json_open(o, "HostConfig", '{');
	json_open(o, "Binds", '[');
	for (size_t i = 0; i < s->mounts.n; i++) {
		const struct mount_spec *m = &s->mounts.v[i];
		_cleanup_free_ char *bind = NULL;

		if (m->type == MOUNT_TMPFS || m->anonymous || m->by_mount)
			continue;
		bind = xasprintf("%s:%s%s", m->source, m->target, m->read_only ? ":ro" : "");
		put(o, NULL, bind);
	}
	json_close(o, ']');
	put_asked_mounts(s, o);
	put_list_or_null(o, "VolumesFrom", &s->volumes_from);
	put_taken_text(o, "NetworkMode", describe_network_mode(s));
	put_links(b, o);
	describe_ports("PortBindings", NULL, &s->ports, o);
	json_put_bool(o, "AutoRemove", s->auto_remove);
	put_list(o, "ExtraHosts", &s->add_hosts, 0);
	json_put_str(o, "UsernsMode", s->userns ?: "");
	json_put_bool(o, "Privileged", s->privileged);
	put_devices(s, o);
	put_list_or_null(o, "Dns", &s->dns);
	put_list_or_null(o, "DnsSearch", &s->dns_search);
	put_list_or_null(o, "DnsOptions", &s->dns_options);
	put_list_or_null(o, "GroupAdd", &s->group_add);
	json_put_int(o, "OomScoreAdj", s->oom_score_adj);
	json_put_int(o, "ShmSize", s->shm_bytes ? s->shm_bytes : SHM_DEFAULT);
	put_map(o, "Sysctls", &s->sysctls);
	put_ulimits(s, o);
	put_list_or_null(o, "CapAdd", &s->cap_add);
	put_list_or_null(o, "CapDrop", &s->cap_drop);
	put_list_or_null(o, "SecurityOpt", &s->security_opt);
	json_put_bool(o, "ReadonlyRootfs", s->read_only);
	json_put_bool(o, "Init", s->use_init);
	json_open(o, "RestartPolicy", '{');
	json_put_str(o, "Name", restart_names[s->restart.when]);
	json_put_int(o, "MaximumRetryCount", s->restart.max);
	json_close(o, '}');
	json_open(o, "LogConfig", '{');
	json_put_str(o, "Type", s->log_driver && *s->log_driver ? s->log_driver : "json-file");
	put_map(o, "Config", &s->log_opts);
	json_close(o, '}');
	put_limits(b, o);
	json_open(o, "Tmpfs", '{');
	for (size_t i = 0; i < s->mounts.n; i++)
		if (s->mounts.v[i].type == MOUNT_TMPFS && !s->mounts.v[i].by_mount)
			put(o, s->mounts.v[i].target, s->mounts.v[i].options);
	json_close(o, '}');
	json_close(o, '}');
}

static void put_mounts(const struct box *b, struct json_out *o)
{
	json_open(o, "Mounts", '[');
	for (size_t i = 0; i < b->spec.mounts.n; i++) {
		const struct mount_spec *m = &b->spec.mounts.v[i];
		_cleanup_free_ char *source = mount_source(b, m);

		if (m->device)
			continue;
		json_open(o, NULL, '{');
		json_put_str(o, "Type", mount_type_names[m->type]);
		if (m->type == MOUNT_VOLUME)
			put(o, "Name", m->source);
		put(o, "Source", source);
		put(o, "Destination", m->target);
		if (m->type == MOUNT_VOLUME)
			json_put_str(o, "Driver", "local");
		json_put_str(o, "Mode", m->read_only ? "ro" : "");
		json_put_bool(o, "RW", !m->read_only);
		json_put_str(o, "Propagation", m->type == MOUNT_BIND ? "rprivate" : "");
		json_close(o, '}');
	}
	json_close(o, ']');
}

static void put_config(const struct box *b, struct json_out *o)
{
	const struct spec *s = &b->spec;
	_cleanup_strv_ struct strv volumes = { 0 };

	for (size_t i = 0; i < s->mounts.n; i++)
		if (s->mounts.v[i].anonymous)
			strv_add(&volumes, s->mounts.v[i].target);
	json_open(o, "Config", '{');
	put(o, "Hostname", s->hostname);
	put(o, "Domainname", s->domainname);
	put(o, "User", s->user);
	json_put_bool(o, "AttachStdin", s->attach & ATTACH_STDIN);
	json_put_bool(o, "AttachStdout", s->attach & ATTACH_STDOUT);
	json_put_bool(o, "AttachStderr", s->attach & ATTACH_STDERR);
	put_set(o, "ExposedPorts", &s->exposed);
	json_put_bool(o, "Tty", s->tty);
	json_put_bool(o, "OpenStdin", s->open_stdin);
	json_put_bool(o, "StdinOnce", s->attach & ATTACH_STDIN);
	put_list(o, "Env", &s->env, 0);
	put_list_or_null(o, "Cmd", &s->cmd);
	put_healthcheck(&s->health, o);
	put(o, "Image", s->image);
	put_set(o, "Volumes", &volumes);
	put(o, "WorkingDir", s->workdir);
	put_list_or_null(o, "Entrypoint", &s->entrypoint);
	put_map(o, "Labels", &s->labels);
	json_put_str(o, "StopSignal", sig_name(s->stop_signal));
	json_put_int(o, "StopTimeout", s->stop_timeout_s);
	json_close(o, '}');
}

/* One network's addresses; empty strings while it has none. */
static void put_addresses(const struct net_state *n, struct json_out *o)
{
	char ip[INET_ADDRSTRLEN] = "", gateway[INET_ADDRSTRLEN] = "", ip6[INET6_ADDRSTRLEN] = "",
	     gateway6[INET6_ADDRSTRLEN] = "", mac[18] = "";

	if (n) {
		const uint8_t *m = n->addrs.mac;

		inet_ntop(AF_INET, &n->addrs.ip, ip, sizeof(ip));
		inet_ntop(AF_INET, &n->addrs.gateway, gateway, sizeof(gateway));
		snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3],
			 m[4], m[5]);
	}
	if (n && n->ipv6) {
		inet_ntop(AF_INET6, &n->addrs.ip6, ip6, sizeof(ip6));
		inet_ntop(AF_INET6, &n->addrs.gateway6, gateway6, sizeof(gateway6));
	}
	json_put_str(o, "Gateway", gateway);
	json_put_str(o, "IPAddress", ip);
	json_put_int(o, "IPPrefixLen", n ? n->addrs.prefix : 0);
	json_put_str(o, "IPv6Gateway", gateway6);
	json_put_str(o, "GlobalIPv6Address", ip6);
	json_put_int(o, "GlobalIPv6PrefixLen", n && n->ipv6 ? n->addrs.prefix6 : 0);
	json_put_str(o, "MacAddress", mac);
}

/* Where it is on the network NAME now, or NULL. */
static const struct net_state *net_now(const struct box *b, const char *name)
{
	for (size_t i = 0; i < b->state.n_nets && b->state.status == BOX_RUNNING; i++)
		if (!strcmp(b->state.nets[i].name, name))
			return &b->state.nets[i];
	return NULL;
}

static void put_endpoint(const struct box *b, const struct net_want *w, struct json_out *o)
{
	const struct net_state *n = net_now(b, w->name);
	_cleanup_strv_ struct strv names = { 0 };

	strv_add(&names, b->spec.name);
	strv_copy(&names, &w->aliases);
	strv_addf(&names, "%.12s", b->spec.id);
	json_open(o, w->name, '{');
	if (w->ip || w->ip6) {
		json_open(o, "IPAMConfig", '{');
		if (w->ip)
			json_put_str(o, "IPv4Address", w->ip);
		if (w->ip6)
			json_put_str(o, "IPv6Address", w->ip6);
		json_close(o, '}');
	} else {
		json_put_null(o, "IPAMConfig");
	}
	json_put_null(o, "Links");
	put_list_or_null(o, "Aliases", &w->aliases);
	json_put_str(o, "NetworkID", n ? n->id : "");
	put_addresses(n, o);
	put_list(o, "DNSNames", &names, 0);
	json_close(o, '}');
}

static void put_network(const struct box *b, struct json_out *o)
{
	const struct spec *s = &b->spec;
	const struct net_want *bridge = net_wants_find(&s->nets, NETWORK_DEFAULT);

	json_open(o, "NetworkSettings", '{');
	describe_ports("Ports", &s->exposed, &b->state.published, o);
	put_addresses(bridge ? net_now(b, NETWORK_DEFAULT) : NULL,
		      o); /* Docker's old form, for that network only */
	json_open(o, "Networks", '{');
	for (size_t i = 0; i < s->nets.n; i++)
		put_endpoint(b, &s->nets.v[i], o);
	if (s->net == NET_HOST || s->net == NET_NONE) {
		json_open(o, net_mode_names[s->net], '{');
		put_addresses(NULL, o);
		json_close(o, '}');
	}
	json_close(o, '}');
	json_close(o, '}');
}

char *describe_network_mode(const struct spec *s)
{
	if (s->net == NET_CONTAINER)
		return xasprintf("container:%s", s->net_container);
	return xstrdup(s->nets.n ? s->nets.v[0].name : net_mode_names[s->net]);
}

/* What the container wrote, and all that it sees. */
static void put_sizes(const struct box *b, struct json_out *o)
{
	uint64_t own = tree_bytes(b->st, b->dir, "upper"), all = own, size;

	for (size_t i = 0; i < b->spec.layers.n; i++)
		if (mark_check(b->st, b->spec.layers.v[i], &size))
			all += size;
	json_put_int(o, "SizeRw", (int64_t)own);
	json_put_int(o, "SizeRootFs", (int64_t)all);
}

void describe_box(const struct box *b, bool sizes, struct json_out *o)
{
	const struct spec *s = &b->spec;
	_cleanup_free_ char *slashed = xasprintf("/%s", s->name);
	_cleanup_strv_ struct strv argv = { 0 };
	static const struct {
		const char *key, *file;
	} files[] = { { "ResolvConfPath", "resolv.conf" },
		      { "HostnamePath", "hostname" },
		      { "HostsPath", "hosts" },
		      { "LogPath", "log" } };

	strv_copy(&argv, &s->entrypoint);
	strv_copy(&argv, &s->cmd);
	json_open(o, NULL, '{');
	json_put_str(o, "Id", s->id);
	put_time(o, "Created", s->created_ns);
	put(o, "Path", argv.n ? argv.v[0] : "");
	put_list(o, "Args", &argv, 1);
	put_state(b, o);
	json_put_str(o, "Image", s->image_id);
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		_cleanup_free_ char *path =
			xasprintf("%s/containers/%s/%s", b->st->path, s->id, files[i].file);

		put(o, files[i].key, path);
	}
	put(o, "Name", slashed);
	json_put_int(o, "RestartCount", b->state.restart_count);
	json_put_str(o, "Driver", "overlay");
	if (sizes)
		put_sizes(b, o);
	put(o, "Platform", s->platform);
	put_host_config(b, o);
	put_mounts(b, o);
	put_config(b, o);
	put_network(b, o);
	json_close(o, '}');
}

static bool is_published(const struct ports *published, const struct port *p)
{
	for (size_t i = 0; i < published->n; i++)
		if (published->v[i].proto == p->proto && published->v[i].ctr <= p->ctr &&
		    (published->v[i].ctr == p->ctr || published->v[i].ctr_last >= p->ctr))
			return true;
	return false;
}

static void put_row_ports(const struct box *b, struct json_out *o)
{
	json_open(o, "Ports", '[');
	for (size_t i = 0; b->state.status == BOX_RUNNING && i < b->state.published.n; i++) {
		const struct port *p = &b->state.published.v[i];

		for (unsigned c = p->ctr; c <= p->ctr_last || c == p->ctr; c++) {
			json_open(o, NULL, '{');
			json_put_str(o, "IP", p->ip);
			json_put_int(o, "PrivatePort", c);
			json_put_int(o, "PublicPort", p->host + (c - p->ctr));
			json_put_str(o, "Type", port_proto_names[p->proto]);
			json_close(o, '}');
		}
	}
	for (size_t i = 0; b->state.status == BOX_RUNNING && i < b->spec.exposed.n; i++) {
		const char *text = b->spec.exposed.v[i];
		struct port p;
		struct err *e = port_parse_exposed(text, &p);

		if (e || is_published(&b->state.published, &p)) {
			err_free(e); /* of another version */
			continue;
		}
		json_open(o, NULL, '{');
		json_put_int(o, "PrivatePort", p.ctr);
		json_put_str(o, "Type", port_proto_names[p.proto]);
		json_close(o, '}');
	}
	json_close(o, ']');
}

void describe_box_row(const struct box *b, bool sizes, struct json_out *o)
{
	const struct spec *s = &b->spec;
	_cleanup_free_ char *slashed = xasprintf("/%s", s->name);
	_cleanup_str_ struct str command = { 0 }, status = { 0 };

	for (size_t i = 0; i < s->entrypoint.n; i++)
		str_addf(&command, "%s%s", command.len ? " " : "", s->entrypoint.v[i]);
	for (size_t i = 0; i < s->cmd.n; i++)
		str_addf(&command, "%s%s", command.len ? " " : "", s->cmd.v[i]);
	ps_status(b, time_now_ns(), &status);
	json_open(o, NULL, '{');
	json_put_str(o, "Id", s->id);
	json_open(o, "Names", '[');
	json_put_str(o, NULL, slashed);
	json_close(o, ']');
	put(o, "Image", s->image);
	json_put_str(o, "ImageID", s->image_id);
	put(o, "Command", command.s);
	json_put_int(o, "Created", s->created_ns / 1000000000);
	put_row_ports(b, o);
	if (sizes)
		put_sizes(b, o);
	put_map(o, "Labels", &s->labels);
	json_put_str(o, "State", box_is_paused(b) ? "paused" : box_status_names[b->state.status]);
	json_put_str(o, "Status", status.s);
	json_open(o, "HostConfig", '{');
	put_taken_text(o, "NetworkMode", describe_network_mode(s));
	json_close(o, '}');
	put_network(b, o);
	put_mounts(b, o);
	json_close(o, '}');
}

/* --- images ----------------------------------------------------------------------------------- */

static void put_names(const struct image *img, struct image *const *all, size_t n_all,
		      struct json_out *o)
{
	_cleanup_strv_ struct strv tags = { 0 }, digests = { 0 };

	for (size_t i = 0; i < n_all; i++) {
		struct image_ref ref;
		struct err *e;

		if (!all[i]->ref || strcmp(all[i]->id, img->id))
			continue;
		e = image_ref_parse(all[i]->ref, &ref);
		if (e) {
			err_free(e); /* a record of another version; its id is shown all the same */
			continue;
		}
		if (ref.tag && !ref.digest)
			strv_take(&tags, image_ref_familiar(&ref));
		if (all[i]->repo_digest) {
			_cleanup_free_ char *repo = image_ref_familiar_repo(&ref);
			_cleanup_free_ char *text = xasprintf("%s@%s", repo, all[i]->repo_digest);

			if (!strv_has(&digests, text))
				strv_add(&digests, text);
		}
		image_ref_done(&ref);
	}
	put_list(o, "RepoTags", &tags, 0);
	put_list(o, "RepoDigests", &digests, 0);
}

static void put_image_config(const struct image *img, struct json_out *o)
{
	json *raw = json_get(img->config, "config");
	json *rest[] = { json_get(raw, "Healthcheck"), json_get(raw, "OnBuild"),
			 json_get(raw, "Shell") };
	static const char *const rest_keys[] = { "Healthcheck", "OnBuild", "Shell" };

	json_open(o, "Config", '{');
	put(o, "User", img->user);
	put_set(o, "ExposedPorts", &img->exposed);
	put_list(o, "Env", &img->env, 0);
	put_list_or_null(o, "Cmd", &img->cmd);
	put_set(o, "Volumes", &img->volumes);
	put(o, "WorkingDir", img->workdir);
	put_list_or_null(o, "Entrypoint", &img->entrypoint);
	put_map(o, "Labels", &img->labels);
	if (img->stop_signal)
		put(o, "StopSignal", img->stop_signal);
	for (size_t i = 0; i < ARRAY_LEN(rest); i++)
		if (!json_is_null(rest[i]))
			json_put(o, rest_keys[i], rest[i]);
	json_close(o, '}');
}

void describe_image(const struct image *img, struct image *const *all, size_t n_all, struct json_out *o)
{
	json *steps = json_get(img->config, "history");

	json_open(o, NULL, '{');
	json_put_str(o, "Id", img->id);
	put_names(img, all, n_all, o);
	json_put_str(o, "Parent", "");
	put(o, "Comment",
	    json_str(img->config, "comment")
		    ?: json_str(json_at(steps, json_len(steps) - 1), "comment"));
	put(o, "Created", json_str(img->config, "created") ?: NEVER);
	put(o, "DockerVersion", json_str(img->config, "docker_version"));
	put(o, "Author", json_str(img->config, "author"));
	put_image_config(img, o);
	put(o, "Architecture", img->arch);
	if (json_str(img->config, "variant"))
		put(o, "Variant", json_str(img->config, "variant"));
	put(o, "Os", img->os);
	json_put_int(o, "Size", img->size_bytes);
	json_open(o, "GraphDriver", '{');
	json_put_str(o, "Name", "overlay");
	json_put_null(o, "Data");
	json_close(o, '}');
	json_open(o, "RootFS", '{');
	json_put_str(o, "Type", "layers");
	put_list(o, "Layers", &img->diff_ids, 0);
	json_close(o, '}');
	json_open(o, "Metadata", '{');
	json_put_str(o, "LastTagTime", NEVER);
	json_close(o, '}');
	json_close(o, '}');
}

/* --- networks --------------------------------------------------------------------------------- */

static void put_ipam(const struct network *n, struct json_out *o)
{
	char text[SUBNET_TEXT_MAX];

	json_open(o, "IPAM", '{');
	json_put_str(o, "Driver", "default");
	json_put_null(o, "Options");
	json_open(o, "Config", '[');
	if (n->subnet.prefix) {
		json_open(o, NULL, '{');
		subnet_text(&n->subnet, text);
		json_put_str(o, "Subnet", text);
		if (n->ip_range.prefix) {
			subnet_text(&n->ip_range, text);
			json_put_str(o, "IPRange", text);
		}
		json_put_str(o, "Gateway", inet_ntop(AF_INET, &n->gateway, text, sizeof(text)));
		json_close(o, '}');
	}
	if (n->ipv6) {
		json_open(o, NULL, '{');
		subnet_text6(&n->subnet6, text);
		json_put_str(o, "Subnet", text);
		json_put_str(o, "Gateway", inet_ntop(AF_INET6, &n->gateway6, text, sizeof(text)));
		json_close(o, '}');
	}
	json_close(o, ']');
	json_close(o, '}');
}

static void put_member(const struct network *n, const struct box *b, struct json_out *o)
{
	const struct net_state *s = net_now(b, n->name);
	char ip[INET6_ADDRSTRLEN], mac[18];

	if (!s)
		return;
	json_open(o, b->spec.id, '{');
	json_put_str(o, "Name", b->spec.name);
	json_put_str(o, "EndpointID", "");
	snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", s->addrs.mac[0], s->addrs.mac[1],
		 s->addrs.mac[2], s->addrs.mac[3], s->addrs.mac[4], s->addrs.mac[5]);
	json_put_str(o, "MacAddress", mac);
	put_taken_text(o, "IPv4Address",
		       xasprintf("%s/%u", inet_ntop(AF_INET, &s->addrs.ip, ip, sizeof(ip)),
				 s->addrs.prefix));
	put_taken_text(o, "IPv6Address",
		       n->ipv6 ? xasprintf("%s/%u", inet_ntop(AF_INET6, &s->addrs.ip6, ip, sizeof(ip)),
					   s->addrs.prefix6)
			       : xstrdup(""));
	json_close(o, '}');
}

struct err *describe_network(struct store *st, const struct network *n, struct json_out *o)
{
	struct lease_holder *holders = NULL;
	size_t n_holders = 0;
	struct err *e = lease_list(st, n, true, &holders, &n_holders);

	if (e)
		return e;
	json_open(o, NULL, '{');
	put(o, "Name", n->name);
	json_put_str(o, "Id", n->id);
	put_time(o, "Created", n->created_ns);
	json_put_str(o, "Scope", "local");
	json_put_str(o, "Driver", n->driver);
	json_put_bool(o, "EnableIPv4", true);
	json_put_bool(o, "EnableIPv6", n->ipv6);
	put_ipam(n, o);
	json_put_bool(o, "Internal", n->internal);
	json_put_bool(o, "Attachable", n->attachable);
	json_put_bool(o, "Ingress", false);
	json_open(o, "ConfigFrom", '{');
	json_put_str(o, "Network", "");
	json_close(o, '}');
	json_put_bool(o, "ConfigOnly", false);
	json_open(o, "Containers", '{');
	for (size_t i = 0; i < n_holders; i++) {
		struct box *b = NULL;

		err_free(box_find(st, holders[i].id, &b)); /* removed meanwhile */
		if (b)
			put_member(n, b, o);
		box_free(b);
	}
	json_close(o, '}');
	put_map(o, "Options", &n->options);
	put_map(o, "Labels", &n->labels);
	json_close(o, '}');
	free(holders);
	return NULL;
}

/* --- volumes ---------------------------------------------------------------------------------- */

struct err *describe_volume(struct store *st, const char *name, struct json_out *o)
{
	_cleanup_free_ char *record = xasprintf("%s/volume.json", name), *text = NULL;
	_cleanup_free_ char *point = xasprintf("%s/volumes/%s/data", st->path, name);
	_cleanup_strv_ struct strv labels = { 0 };
	_cleanup_json_ json *j = NULL;
	size_t len;
	struct err *e;

	e = fd_read_file(st->volumes, record, 1 << 20, &text, &len);
	e = e ?: json_parse(text, len, "volume.json", &j);
	if (e)
		return err_wrap(e, "reading volume %s", name);
	json_open(o, NULL, '{');
	put(o, "CreatedAt", json_str(j, "CreatedAt"));
	json_put_str(o, "Driver", "local");
	volume_labels(st, name, &labels);
	put_map(o, "Labels", &labels);
	put(o, "Mountpoint", point);
	put(o, "Name", name);
	json_put_null(o, "Options");
	json_put_str(o, "Scope", "local");
	json_close(o, '}');
	return NULL;
}
