#include "cmd/api/runreq.h"

#include "cmd/api/member.h"
#include "cmd/netopt.h"
#include "core/box/runopt.h"
#include "core/compose/request.h"
#include "core/store/network.h"

/* --- Config ----------------------------------------------------------------------------------------------------- */

static struct err *take_command(json *config, struct run_request *rq)
{
	_cleanup_strv_ struct strv entry = { 0 };
	json *v = json_get(config, "Entrypoint");
	struct err *e = member_words(config, "Entrypoint", &entry);

	e = e ?: member_words(config, "Cmd", &rq->args);
	if (e || json_is_null(v))
		return e;
	rq->entrypoint_set = true;
	if (entry.n)
		rq->entrypoint = json_text(v) ?: json_text(json_at(v, 0));
	for (size_t i = 1; i < entry.n; i++)
		strv_add(&rq->entrypoint_rest, entry.v[i]);
	return NULL;
}

static struct err *take_health(json *config, struct run_request *rq)
{
	struct health_config *h = &rq->health;
	json *v = json_get(config, "Healthcheck");
	struct err *e = member_check("Healthcheck", v, true, MEMBER_LIST_MAX);
	int64_t retries = 0;

	e = e ?: member_list(v, "Test", &h->test);
	e = e ?: member_number(v, "Interval", 0, INT64_MAX, &h->interval_ns);
	e = e ?: member_number(v, "Timeout", 0, INT64_MAX, &h->timeout_ns);
	e = e ?: member_number(v, "StartPeriod", 0, INT64_MAX, &h->start_period_ns);
	e = e ?: member_number(v, "StartInterval", 0, INT64_MAX, &h->start_interval_ns);
	e = e ?: member_number(v, "Retries", 0, INT32_MAX, &retries);
	h->retries = (unsigned)retries;
	if (!e && h->test.n && strcmp(h->test.v[0], "CMD") && strcmp(h->test.v[0], "CMD-SHELL") &&
	    strcmp(h->test.v[0], "NONE"))
		e = err_new(0, "Healthcheck: Test: unknown type %s", h->test.v[0]);
	return e;
}

/* "true" stands in the request for each stream that whoever made it wants to be connected to. */
static struct err *take_attach(json *config, struct run_request *rq)
{
	static const char *const keys[] = { "AttachStdin", "AttachStdout", "AttachStderr" };
	struct err *e = NULL;

	for (unsigned i = 0; !e && i < ARRAY_LEN(keys); i++) {
		bool on = false;

		e = member_flag(config, keys[i], &on);
		rq->attach |= on ? 1u << i : 0;
	}
	return e;
}

static struct err *take_volumes(json *config, struct run_request *rq)
{
	struct err *e = member_keys(config, "Volumes", MEMBER_LIST_MAX, &rq->volumes);

	for (size_t i = 0; !e && i < rq->volumes.n; i++) {
		const char *target = rq->volumes.v[i];

		if (*target != '/' || !target[strspn(target, "/")] || strchr(target, ':'))
			e = err_new(0, "invalid volume specification: '%s'", target);
	}
	return e;
}

static struct err *take_stop(json *config, struct run_request *rq)
{
	int64_t timeout = -2; /* not said */
	struct err *e = member_number(config, "StopTimeout", -1, INT32_MAX, &timeout);

	rq->stop_timeout_s = timeout == -2 ? -1 : timeout == -1 ? INT32_MAX : (int)timeout;
	return e ?: member_text(config, "StopSignal", &rq->stop_signal);
}

static struct err *take_config(json *config, struct run_request *rq)
{
	bool no_network = false;
	struct err *e = member_text(config, "Image", &rq->image);

	if (!e && !rq->image)
		e = err_new(0, "Image: which image the container is made from is not said");
	e = e ?: take_command(config, rq);
	e = e ?: take_health(config, rq);
	e = e ?: take_attach(config, rq);
	e = e ?: take_volumes(config, rq);
	e = e ?: take_stop(config, rq);
	e = e ?: member_list(config, "Env", &rq->env);
	e = e ?: member_map(config, "Labels", &rq->labels);
	e = e ?: member_keys(config, "ExposedPorts", MEMBER_WORDS_MAX, &rq->exposed);
	e = e ?: member_text(config, "Hostname", &rq->hostname);
	e = e ?: member_text(config, "Domainname", &rq->domainname);
	e = e ?: member_text(config, "User", &rq->user);
	e = e ?: member_text(config, "WorkingDir", &rq->workdir);
	e = e ?: member_text(config, "MacAddress", &rq->mac);
	e = e ?: member_flag(config, "Tty", &rq->tty);
	e = e ?: member_flag(config, "OpenStdin", &rq->open_stdin);
	e = e ?: member_flag(config, "NetworkDisabled", &no_network);
	if (no_network)
		rq->net = NET_NONE;
	return e;
}

/* --- HostConfig: ports, networks -------------------------------------------------------------------------------- */

static struct err *take_binding(const char *ctr, json *b, struct run_request *rq)
{
	const char *ip = NULL, *port = NULL;
	_cleanup_str_ struct str text = { 0 };
	struct err *e =
		json_is_object(b) ? NULL : member_bad("PortBindings", "an object of lists of objects");

	e = e ?: member_text(b, "HostIp", &ip);
	e = e ?: member_text(b, "HostPort", &port);
	if (e)
		return e;
	if (ip)
		str_addf(&text, strchr(ip, ':') && *ip != '[' ? "[%s]:" : "%s:", ip);
	if (port || ip)
		str_addf(&text, "%s:", port ?: "");
	str_add(&text, ctr);
	return port_parse(text.s, &rq->ports);
}

static struct err *take_ports(json *host, struct run_request *rq)
{
	json *v = json_get(host, "PortBindings"), *list = NULL;
	struct err *e = member_check("PortBindings", v, true, MEMBER_WORDS_MAX);

	for (size_t i = 0; !e && i < json_len(v); i++) {
		const char *ctr = json_key_at(v, i, &list);

		if (strchr(ctr, ':'))
			e = err_new(0, "PortBindings: invalid port: %s", ctr);
		e = e ?: member_check("PortBindings", list, false, MEMBER_WORDS_MAX);
		for (size_t k = 0; !e && k < json_len(list); k++)
			e = take_binding(ctr, json_at(list, k), rq);
		if (!e && !json_len(list))
			strv_add(&rq->exposed, ctr); /* published nowhere */
		if (!e && rq->ports.n > MEMBER_WORDS_MAX)
			e = err_new(0, "PortBindings: more than %d", MEMBER_WORDS_MAX);
	}
	return e ?: member_flag(host, "PublishAllPorts", &rq->publish_all);
}

static struct err *take_endpoint(const char *name, json *o, struct run_request *rq, struct strv *warnings)
{
	json *ipam = json_get(o, "IPAMConfig");
	const char *ip = NULL, *ip6 = NULL, *mac = NULL;
	_cleanup_strv_ struct strv aliases = { 0 };
	struct net_want *w;
	struct err *e = member_check("EndpointsConfig", o, true, MEMBER_LIST_MAX);

	e = e ?: member_check("IPAMConfig", ipam, true, MEMBER_LIST_MAX);
	e = e ?: member_text(ipam, "IPv4Address", &ip);
	e = e ?: member_text(ipam, "IPv6Address", &ip6);
	e = e ?: member_text(o, "MacAddress", &mac);
	e = e ?: member_list(o, "Aliases", &aliases);
	e = e ?: member_list(o, "Links", &rq->links);
	if (e)
		return e;
	w = net_wants_add(&rq->nets, strcmp(name, "default") ? name : NETWORK_DEFAULT);
	if (w->ip || w->ip6 || w->mac || w->aliases.n)
		return err_new(0, "network %s is specified multiple times", name);
	strv_copy(&w->aliases, &aliases);
	w->ip = xstrdup(ip);
	w->ip6 = xstrdup(ip6);
	w->mac = xstrdup(mac);
	if (json_len(json_get(ipam, "LinkLocalIPs")) || json_len(json_get(o, "DriverOpts")))
		strv_addf(warnings,
			  "network %s: options of drivers and link-local addresses have no effect",
			  name);
	return NULL;
}

static struct err *take_networks(json *body, json *host, struct run_request *rq, struct strv *warnings)
{
	json *nets = json_get(json_get(body, "NetworkingConfig"), "EndpointsConfig"), *o = NULL;
	const char *mode = NULL;
	struct err *e = member_text(host, "NetworkMode", &mode);

	e = e ?: member_check("EndpointsConfig", nets, true, MEMBER_LIST_MAX);
	if (!e && mode && strchr(mode, '='))
		e = err_new(0, "network %s not found", mode);
	if (e || rq->net == NET_NONE)
		return e;
	if (mode && strcmp(mode, "default") && (strcmp(mode, NETWORK_DEFAULT) || !json_len(nets)))
		e = netopt_network(mode, rq);
	for (size_t i = 0; !e && i < json_len(nets); i++) {
		const char *name = json_key_at(nets, i, &o);

		if (rq->net == NET_DEFAULT || !str_eq(name, mode))
			e = take_endpoint(name, o, rq, warnings);
	}
	if (!e && (rq->net == NET_NONE || rq->net == NET_HOST) && (rq->ports.n || rq->publish_all))
		strv_addf(warnings, "Published ports are discarded when using %s network mode",
			  net_mode_names[rq->net]);
	return e;
}

/* --- HostConfig: limits, the rest ------------------------------------------------------------------------------- */

struct err *runreq_limits(json *body, struct limits *ret, struct strv *warnings)
{
	static const char *const without[] = { "BlkioWeightDevice",    "BlkioDeviceReadBps",
					       "BlkioDeviceWriteBps",  "BlkioDeviceReadIOps",
					       "BlkioDeviceWriteIOps", "DeviceCgroupRules" };
	static const char *const numbers[] = { "KernelMemory", "KernelMemoryTCP",
					       "CpuRealtimePeriod", "CpuRealtimeRuntime" };
	const char *cpuset = NULL, *mems = NULL;
	bool no_oom_kill = false;
	struct limits l = { 0 };
	struct cpus set;
	struct err *e = member_number(body, "Memory", 0, INT64_MAX, &l.memory);

	e = e ?: member_number(body, "MemorySwap", -1, INT64_MAX, &l.memory_swap);
	e = e ?: member_number(body, "MemoryReservation", 0, INT64_MAX, &l.memory_reservation);
	e = e ?: member_number(body, "NanoCpus", 0, INT64_MAX, &l.nano_cpus);
	e = e ?: member_number(body, "CpuPeriod", 0, INT32_MAX, &l.cpu_period);
	e = e ?: member_number(body, "CpuQuota", -1, INT64_MAX, &l.cpu_quota);
	e = e ?: member_number(body, "CpuShares", 0, INT32_MAX, &l.cpu_shares);
	e = e ?: member_number(body, "PidsLimit", -1, INT32_MAX, &l.pids);
	e = e ?: member_number(body, "BlkioWeight", 0, INT32_MAX, &l.blkio_weight);
	e = e ?: member_text(body, "CpusetCpus", &cpuset);
	e = e ?: member_text(body, "CpusetMems", &mems);
	e = e ?: member_flag(body, "OomKillDisable", &no_oom_kill);
	if (!e && cpuset)
		e = err_wrap(cpuset_parse(cpuset, &set), "CpusetCpus");
	if (e)
		return e;
	for (size_t i = 0; i < ARRAY_LEN(without); i++)
		if (json_len(json_get(body, without[i])))
			strv_addf(warnings, "%s cannot be had without root: discarded", without[i]);
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		if (json_int(body, numbers[i], 0))
			strv_addf(warnings, "%s cannot be had without root: discarded", numbers[i]);
	if (mems || no_oom_kill)
		strv_addf(warnings, "%s cannot be had without root: discarded",
			  mems ? "CpusetMems" : "OomKillDisable");
	l.cpuset = xstrdup(cpuset);
	*ret = l;
	return NULL;
}

struct err *runreq_restart(json *body, struct restart_policy *ret, bool *ret_given)
{
	json *p = json_get(body, "RestartPolicy");
	_cleanup_free_ char *text = NULL;
	const char *name = NULL;
	int64_t max = 0;
	struct err *e = member_check("RestartPolicy", p, true, MEMBER_LIST_MAX);

	e = e ?: member_text(p, "Name", &name);
	e = e ?: member_number(p, "MaximumRetryCount", 0, INT32_MAX, &max);
	*ret_given = name != NULL;
	if (e || !name)
		return e;
	if (strchr(name, ':'))
		return err_new(0, "invalid restart policy '%s'", name);
	text = max ? xasprintf("%s:%lld", name, (long long)max) : xstrdup(name);
	return restart_parse(text, ret);
}

static struct err *take_ulimits(json *host, struct run_request *rq)
{
	json *v = json_get(host, "Ulimits");
	struct err *e = member_check("Ulimits", v, false, MEMBER_LIST_MAX);

	for (size_t i = 0; !e && i < json_len(v); i++) {
		json *u = json_at(v, i);
		const char *name = NULL;
		int64_t soft = 0, hard = 0;

		e = member_text(u, "Name", &name);
		e = e ?: member_number(u, "Soft", -1, INT64_MAX, &soft);
		e = e ?: member_number(u, "Hard", -1, INT64_MAX, &hard);
		if (!e && !name)
			e = member_bad("Ulimits", "a list of objects with Name, Soft and Hard");
		if (!e)
			strv_addf(&rq->ulimits, "%s=%lld:%lld", name, (long long)soft, (long long)hard);
	}
	return e;
}

static struct err *take_log(json *host, struct run_request *rq)
{
	json *v = json_get(host, "LogConfig");
	struct err *e = member_check("LogConfig", v, true, MEMBER_LIST_MAX);

	e = e ?: member_text(v, "Type", &rq->log_driver);
	return e ?: member_map(v, "Config", &rq->log_opts);
}

/* What is the same for all containers here: asked for in another way it is refused. */
static struct err *check_fixed(json *host)
{
	static const struct {
		const char *key, *values[4], *why;
	} fixed[] = {
		{ "IpcMode", { "private", "shareable", "none" }, "each container has its own IPC namespace" },
		{ "PidMode", { "private" }, "each container has its own processes" },
		{ "UTSMode", { "private" }, "each container has its own host name" },
		{ "CgroupnsMode", { "private", "host" }, "each container has its own cgroup namespace" },
		{ "Runtime", { "runc" }, "devbox runs containers itself" },
		{ "Isolation", { "default" }, "this is Linux" },
		{ "VolumeDriver", { "local" }, "volumes are directories of yours" },
	};
	struct err *e = NULL;

	for (size_t i = 0; !e && i < ARRAY_LEN(fixed); i++) {
		const char *value = NULL;
		bool known;

		e = member_text(host, fixed[i].key, &value);
		known = !value;
		for (size_t k = 0; !known && k < ARRAY_LEN(fixed[i].values) && fixed[i].values[k]; k++)
			known = !strcmp(value, fixed[i].values[k]);
		if (!e && !known)
			e = err_new(0, "%s: %s is not supported: %s", fixed[i].key, value, fixed[i].why);
	}
	if (!e && json_len(json_get(host, "DeviceRequests")))
		e = err_new(0, "could not select device driver: there are no GPUs to be had here");
	return e;
}

static struct err *take_security(json *host, struct run_request *rq, struct strv *warnings)
{
	json *masked = json_get(host, "MaskedPaths"), *read_only = json_get(host, "ReadonlyPaths");
	struct err *e = member_list(host, "SecurityOpt", &rq->security_opt);

	/* how the CLI says --security-opt systempaths=unconfined; other lists of paths are nobody's */
	if (json_is_array(masked) && json_is_array(read_only) && !json_len(masked) &&
	    !json_len(read_only))
		strv_add(&rq->security_opt, "systempaths=unconfined");
	e = e ?: member_list(host, "CapAdd", &rq->cap_add);
	e = e ?: member_list(host, "CapDrop", &rq->cap_drop);
	e = e ?: member_flag(host, "Privileged", &rq->privileged);
	e = e ?: member_text(host, "UsernsMode", &rq->userns);
	if (str_eq(rq->userns, "host"))
		strv_add(warnings,
			 "the container has a user namespace all the same; its root is you on the host");
	return e ?: member_flag(host, "ReadonlyRootfs", &rq->read_only);
}

/* [rows, columns] */
static struct err *take_size(json *host, struct run_request *rq)
{
	json *v = json_get(host, "ConsoleSize");
	struct err *e = member_check("ConsoleSize", v, false, 2);
	const char *digits[2] = { "0", "0" };
	uint64_t side[2] = { 0 };

	for (size_t i = 0; !e && json_len(v) == 2 && i < 2; i++) {
		if (!json_is_number(json_at(v, i), &digits[i]))
			return member_bad("ConsoleSize", "a list of two numbers");
		e = err_wrap(str_to_u64(digits[i], 0, UINT16_MAX, &side[i]), "ConsoleSize");
	}
	rq->tty_size = (uint32_t)(side[0] << 16 | side[1]);
	return e;
}

static struct err *take_host(json *host, struct run_request *rq, struct strv *warnings)
{
	int64_t score = 0;
	const char *parent = NULL;
	bool given;
	struct err *e = member_check("HostConfig", host, true, MEMBER_LIST_MAX);

	e = e ?: check_fixed(host);
	e = e ?: runmounts_take(host, rq);
	e = e ?: take_ports(host, rq);
	e = e ?: runreq_limits(host, &rq->limits, warnings);
	e = e ?: runreq_restart(host, &rq->restart, &given);
	e = e ?: take_ulimits(host, rq);
	e = e ?: take_log(host, rq);
	e = e ?: take_security(host, rq, warnings);
	e = e ?: take_size(host, rq);
	e = e ?: member_flag(host, "AutoRemove", &rq->auto_remove);
	e = e ?: member_flag(host, "Init", &rq->use_init);
	e = e ?: member_number(host, "ShmSize", 0, INT64_MAX, &rq->shm_bytes);
	e = e ?: member_number(host, "OomScoreAdj", -OOM_SCORE_MAX, OOM_SCORE_MAX, &score);
	rq->oom_score_adj = (int)score;
	e = e ?: member_list(host, "ExtraHosts", &rq->add_hosts);
	e = e ?: member_list(host, "Links", &rq->links);
	e = e ?: member_list(host, "GroupAdd", &rq->group_add);
	e = e ?: member_list(host, "Dns", &rq->dns);
	e = e ?: member_list(host, "DnsSearch", &rq->dns_search);
	e = e ?: member_list(host, "DnsOptions", &rq->dns_options);
	e = e ?: member_map(host, "Sysctls", &rq->sysctls);
	e = e ?: member_text(host, "CgroupParent", &parent);
	if (!e && (parent || json_len(json_get(host, "StorageOpt"))))
		strv_addf(warnings, "%s cannot be had without root: discarded",
			  parent ? "CgroupParent" : "StorageOpt");
	return e;
}

struct err *runreq_parse(json *body, struct run_request *ret, struct strv *warnings)
{
	struct run_request rq = { .stop_timeout_s = -1 };
	json *host = json_get(body, "HostConfig");
	struct err *e = json_is_object(body) ? NULL : member_bad("the request's body", "an object");

	e = e ?: take_config(body, &rq);
	e = e ?: take_host(host, &rq, warnings);
	e = e ?: take_networks(body, host, &rq, warnings);
	if (e) {
		request_done(&rq);
		return e;
	}
	*ret = rq;
	return NULL;
}
