/* cmd/describebox.c -- the containers of describe.h */
#include <arpa/inet.h>
#include <stdio.h>

#include "cmd/describe.h"
#include "cmd/ps.h"
#include "cmd/ui/put.h"
#include "cmd/volume.h"
#include "core/base/proc.h"
#include "core/box/links.h"
#include "core/box/procs.h"
#include "core/box/runopt.h"
#include "core/box/state.h"
#include "registry/mark.h"

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

/* "3306/tcp" -> what it is published as: [{"HostIp":..,"HostPort":..}], for each port of EXPOSED and PUBLISHED. */
static void put_ports(const char *key, const struct strv *exposed, const struct ports *published,
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
		put_text(o, "Output", h->log[i].output);
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
	bool paused = box_is_paused(b);

	json_open(o, "State", '{');
	json_put_str(o, "Status", paused ? "paused" : box_status_names[s->status]);
	json_put_bool(o, "Running", state_is_up(s));
	json_put_bool(o, "Paused", paused);
	json_put_bool(o, "Restarting", s->status == BOX_RESTARTING);
	json_put_bool(o, "OOMKilled", s->oom_killed);
	json_put_bool(o, "Dead", s->status == BOX_DEAD);
	json_put_int(o, "Pid", s->pid);
	json_put_int(o, "ExitCode", s->exit_code);
	put_text(o, "Error", s->error);
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
			put_text(o, "Source", m->source);
		put_text(o, "Target", m->target);
		if (m->read_only)
			json_put_bool(o, "ReadOnly", true);
		if (m->no_copy || m->subpath) {
			json_open(o, "VolumeOptions", '{');
			if (m->no_copy)
				json_put_bool(o, "NoCopy", true);
			if (m->subpath)
				put_text(o, "Subpath", m->subpath);
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
		put_text(o, "PathOnHost", s->mounts.v[i].source);
		put_text(o, "PathInContainer", s->mounts.v[i].target);
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
		put_text(o, "Name", name);
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

/* "bridge", "host", "container:<id>".  The caller frees it. */
static char *network_mode(const struct spec *s)
{
	if (s->net == NET_CONTAINER)
		return xasprintf("container:%s", s->net_container);
	return xstrdup(s->nets.n ? s->nets.v[0].name : net_mode_names[s->net]);
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
		put_text(o, NULL, bind);
	}
	json_close(o, ']');
	put_asked_mounts(s, o);
	put_list_or_null(o, "VolumesFrom", &s->volumes_from);
	put_taken(o, "NetworkMode", network_mode(s));
	put_links(b, o);
	put_ports("PortBindings", NULL, &s->ports, o);
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
			put_text(o, s->mounts.v[i].target, s->mounts.v[i].options);
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
			put_text(o, "Name", m->source);
		put_text(o, "Source", source);
		put_text(o, "Destination", m->target);
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
	put_text(o, "Hostname", s->hostname);
	put_text(o, "Domainname", s->domainname);
	put_text(o, "User", s->user);
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
	put_text(o, "Image", s->image);
	put_set(o, "Volumes", &volumes);
	put_text(o, "WorkingDir", s->workdir);
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

static void put_endpoint(const struct box *b, const struct net_want *w, struct json_out *o)
{
	const struct net_state *n = state_net(&b->state, w->name);
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
	if (w == b->spec.nets.v && strcmp(w->name, NETWORK_DEFAULT))
		put_list_or_null(o, "Links", &b->spec.links); /* on the default one they are HostConfig's */
	else
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
	put_ports("Ports", &s->exposed, &b->state.published, o);
	put_addresses(bridge ? state_net(&b->state, NETWORK_DEFAULT) : NULL,
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
	put_text(o, "Path", argv.n ? argv.v[0] : "");
	put_list(o, "Args", &argv, 1);
	put_state(b, o);
	json_put_str(o, "Image", s->image_id);
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		_cleanup_free_ char *path =
			xasprintf("%s/containers/%s/%s", b->st->path, s->id, files[i].file);

		put_text(o, files[i].key, path);
	}
	put_text(o, "Name", slashed);
	json_put_int(o, "RestartCount", b->state.restart_count);
	json_put_str(o, "Driver", "overlay");
	if (sizes)
		put_sizes(b, o);
	put_text(o, "Platform", s->platform);
	put_host_config(b, o);
	put_mounts(b, o);
	put_config(b, o);
	put_network(b, o);
	json_close(o, '}');
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

		if (e || ports_have(&b->state.published, p.ctr, p.proto)) {
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
	put_text(o, "Image", s->image);
	json_put_str(o, "ImageID", s->image_id);
	put_text(o, "Command", command.s);
	json_put_int(o, "Created", s->created_ns / 1000000000);
	put_row_ports(b, o);
	if (sizes)
		put_sizes(b, o);
	put_map(o, "Labels", &s->labels);
	json_put_str(o, "State", box_is_paused(b) ? "paused" : box_status_names[b->state.status]);
	json_put_str(o, "Status", status.s);
	json_open(o, "HostConfig", '{');
	put_taken(o, "NetworkMode", network_mode(s));
	json_close(o, '}');
	put_network(b, o);
	put_mounts(b, o);
	json_close(o, '}');
}
