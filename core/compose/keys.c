/* The tables of schema.h, in the order in which `config` prints them. */
#include "core/compose/schema.h"

#define K(n, t)                                                                                    \
	{                                                                                          \
		.name = (n), .type = (t)                                                           \
	}
#define SUB(n, t, s)                                                                               \
	{                                                                                          \
		.name = (n), .type = (t), .sub = (s)                                               \
	}
/* What devbox knows and does not do. */
#define IDLE(n, t, s)                                                                              \
	{                                                                                          \
		.name = (n), .type = (t), .sub = (s), .flags = KEY_IDLE                            \
	}
#define END                                                                                        \
	{                                                                                          \
		.name = NULL                                                                       \
	}

/* --- parts of a service ----------------------------------------------------------------------- */

static const struct key file_mount[] = {
	K("source", KEY_STR), K("target", KEY_STR), K("uid", KEY_STR),
	K("gid", KEY_STR),    K("mode", KEY_MODE),  END,
};
static const struct key file_mounts[] = {
	{ .name = "", .type = KEY_OBJECT, .sub = file_mount, .lengthen = short_file_mount }, END
};

static const struct key ulimit_pair[] = { K("soft", KEY_INT), K("hard", KEY_INT), END };
static const struct key ulimits[] = { SUB("", KEY_OBJECT, ulimit_pair), END };

static const struct key contexts[] = { { .name = "", .type = KEY_STR, .flags = KEY_CONTEXT }, END };

static const struct key build[] = {
	{ .name = "context", .type = KEY_STR, .flags = KEY_CONTEXT },
	K("dockerfile", KEY_STR),
	K("dockerfile_inline", KEY_STR),
	IDLE("entitlements", KEY_WORDS, NULL),
	K("args", KEY_DICT),
	IDLE("provenance", KEY_TEXT, NULL),
	IDLE("sbom", KEY_TEXT, NULL),
	{ .name = "ssh", .type = KEY_WORDS, .lengthen = short_ssh },
	K("labels", KEY_LABELS),
	IDLE("cache_from", KEY_WORD_LIST, NULL),
	IDLE("cache_to", KEY_WORD_LIST, NULL),
	K("no_cache", KEY_BOOL),
	{ .name = "additional_contexts", .type = KEY_DICT, .sub = contexts },
	K("pull", KEY_BOOL),
	K("extra_hosts", KEY_HOSTS),
	IDLE("isolation", KEY_STR, NULL),
	K("network", KEY_STR),
	K("target", KEY_STR),
	{ .name = "secrets", .type = KEY_LIST, .sub = file_mounts, .same = SAME_TARGET },
	K("shm_size", KEY_BYTES),
	{ .name = "tags", .type = KEY_WORDS, .same = SAME_VALUE },
	IDLE("ulimits", KEY_MAP, ulimits),
	K("platforms", KEY_WORDS),
	IDLE("privileged", KEY_BOOL, NULL),
	END,
};

static const struct key hook[] = {
	K("command", KEY_COMMAND), K("user", KEY_STR),	       K("privileged", KEY_BOOL),
	K("working_dir", KEY_STR), K("environment", KEY_DICT), END,
};
static const struct key hooks[] = { SUB("", KEY_OBJECT, hook), END };

static const struct key watch[] = {
	{ .name = "path", .type = KEY_STR, .flags = KEY_FILE },
	K("action", KEY_STR),
	K("target", KEY_STR),
	SUB("exec", KEY_OBJECT, hook),
	K("include", KEY_WORD_LIST),
	K("ignore", KEY_WORD_LIST),
	K("initial_sync", KEY_BOOL),
	END,
};
static const struct key watches[] = { SUB("", KEY_OBJECT, watch), END };
static const struct key develop[] = { SUB("watch", KEY_LIST, watches), END };

static const struct key device_rate[] = { K("path", KEY_STR), K("rate", KEY_BYTES), END };
static const struct key device_rates[] = { SUB("", KEY_OBJECT, device_rate), END };
static const struct key device_weight[] = { K("path", KEY_STR), K("weight", KEY_INT), END };
static const struct key device_weights[] = { SUB("", KEY_OBJECT, device_weight), END };
static const struct key blkio[] = {
	K("weight", KEY_INT),
	IDLE("weight_device", KEY_LIST, device_weights),
	IDLE("device_read_bps", KEY_LIST, device_rates),
	IDLE("device_read_iops", KEY_LIST, device_rates),
	IDLE("device_write_bps", KEY_LIST, device_rates),
	IDLE("device_write_iops", KEY_LIST, device_rates),
	END,
};

static const struct key credential[] = {
	K("config", KEY_STR),
	{ .name = "file", .type = KEY_STR },
	K("registry", KEY_STR),
	END,
};

static const struct key depend[] = {
	K("condition", KEY_STR),
	K("restart", KEY_BOOL),
	{ .name = "required", .type = KEY_BOOL, .flags = KEY_KEEP },
	END,
};
static const struct key depends[] = { SUB("", KEY_OBJECT, depend), END };

static const struct key gpu[] = {
	K("capabilities", KEY_WORDS),
	K("driver", KEY_STR),
	{ .name = "count", .type = KEY_INT, .lengthen = short_count },
	K("device_ids", KEY_WORDS),
	K("options", KEY_DICT),
	END,
};
static const struct key gpus[] = { SUB("", KEY_OBJECT, gpu), END };
static const struct key discrete[] = { K("kind", KEY_STR), K("value", KEY_INT), END };
static const struct key generic[] = { SUB("discrete_resource_spec", KEY_OBJECT, discrete), END };
static const struct key generics[] = { SUB("", KEY_OBJECT, generic), END };
static const struct key resource[] = {
	K("cpus", KEY_FLOAT),
	K("memory", KEY_BYTES),
	K("pids", KEY_INT),
	SUB("devices", KEY_LIST, gpus),
	SUB("generic_resources", KEY_LIST, generics),
	END,
};
static const struct key resources[] = { SUB("limits", KEY_OBJECT, resource),
					SUB("reservations", KEY_OBJECT, resource), END };
static const struct key update[] = {
	{ .name = "parallelism", .type = KEY_INT, .flags = KEY_KEEP },
	K("delay", KEY_DURATION),
	K("failure_action", KEY_STR),
	K("monitor", KEY_DURATION),
	K("max_failure_ratio", KEY_FLOAT),
	K("order", KEY_STR),
	END,
};
static const struct key restart_policy[] = {
	K("condition", KEY_STR),
	{ .name = "delay", .type = KEY_DURATION, .flags = KEY_KEEP },
	{ .name = "max_attempts", .type = KEY_INT, .flags = KEY_KEEP },
	{ .name = "window", .type = KEY_DURATION, .flags = KEY_KEEP },
	END,
};
static const struct key spread[] = { K("spread", KEY_STR), END };
static const struct key spreads[] = { SUB("", KEY_OBJECT, spread), END };
static const struct key placement[] = {
	K("constraints", KEY_WORDS),
	SUB("preferences", KEY_LIST, spreads),
	K("max_replicas_per_node", KEY_INT),
	END,
};
static const struct key deploy[] = {
	{ .name = "mode", .type = KEY_STR, .flags = KEY_SWARM },
	{ .name = "replicas", .type = KEY_INT, .flags = KEY_KEEP },
	K("labels", KEY_LABELS),
	{ .name = "update_config", .type = KEY_OBJECT, .sub = update, .flags = KEY_SWARM },
	{ .name = "rollback_config", .type = KEY_OBJECT, .sub = update, .flags = KEY_SWARM },
	{ .name = "resources", .type = KEY_OBJECT, .sub = resources, .flags = KEY_KEEP },
	SUB("restart_policy", KEY_OBJECT, restart_policy),
	{ .name = "placement", .type = KEY_OBJECT, .sub = placement, .flags = KEY_KEEP | KEY_SWARM },
	{ .name = "endpoint_mode", .type = KEY_STR, .flags = KEY_SWARM },
	END,
};

static const struct key device[] = { K("source", KEY_STR), K("target", KEY_STR),
				     K("permissions", KEY_STR), END };
static const struct key devices[] = {
	{ .name = "", .type = KEY_OBJECT, .sub = device, .lengthen = short_device }, END
};

static const struct key env_file[] = {
	{ .name = "path", .type = KEY_STR, .flags = KEY_FILE },
	{ .name = "required", .type = KEY_BOOL, .flags = KEY_KEEP },
	K("format", KEY_STR),
	END,
};
static const struct key env_files[] = { SUB("", KEY_OBJECT, env_file), END };

static const struct key extends[] = { { .name = "file", .type = KEY_STR }, K("service", KEY_STR), END };

static const struct key health[] = {
	{ .name = "test", .type = KEY_WORDS, .lengthen = short_health_test, .merge = MERGE_REPLACE },
	K("timeout", KEY_DURATION),
	K("interval", KEY_DURATION),
	{ .name = "retries", .type = KEY_INT, .flags = KEY_KEEP },
	K("start_period", KEY_DURATION),
	K("start_interval", KEY_DURATION),
	K("disable", KEY_BOOL),
	END,
};

static const struct key logging[] = { K("driver", KEY_STR), K("options", KEY_OPTIONS), END };

static const struct key model_use[] = { K("endpoint_var", KEY_STR), K("model_var", KEY_STR), END };
static const struct key models_used[] = {
	{ .name = "", .type = KEY_OBJECT, .sub = model_use, .flags = KEY_NULL }, END
};

static const struct key service_net[] = {
	{ .name = "aliases", .type = KEY_WORDS, .same = SAME_VALUE },
	K("driver_opts", KEY_OPTIONS),
	K("gw_priority", KEY_INT),
	K("interface_name", KEY_STR),
	K("ipv4_address", KEY_STR),
	K("ipv6_address", KEY_STR),
	{ .name = "link_local_ips", .type = KEY_WORDS, .same = SAME_VALUE },
	K("mac_address", KEY_STR),
	K("priority", KEY_INT),
	END,
};
static const struct key service_nets[] = {
	{ .name = "", .type = KEY_OBJECT, .sub = service_net, .flags = KEY_NULL }, END
};

static const struct key port[] = {
	K("name", KEY_STR),	    K("mode", KEY_STR),
	K("host_ip", KEY_STR),	    K("target", KEY_INT),
	K("published", KEY_TEXT),   K("protocol", KEY_STR),
	K("app_protocol", KEY_STR), END,
};
static const struct key ports[] = { SUB("", KEY_OBJECT, port), END };

static const struct key provider[] = { K("type", KEY_STR), K("options", KEY_ANY), END };

static const struct key bind[] = {
	K("selinux", KEY_STR),
	K("propagation", KEY_STR),
	K("create_host_path", KEY_BOOL),
	K("recursive", KEY_STR),
	END,
};
static const struct key volume_part[] = {
	K("labels", KEY_LABELS),
	K("nocopy", KEY_BOOL),
	K("subpath", KEY_STR),
	END,
};
static const struct key tmpfs_part[] = { K("size", KEY_BYTES), K("mode", KEY_INT), END };
static const struct key image_part[] = { K("subpath", KEY_STR), END };
static const struct key mount[] = {
	K("type", KEY_STR),
	K("source", KEY_STR),
	K("target", KEY_STR),
	K("read_only", KEY_BOOL),
	K("consistency", KEY_STR),
	{ .name = "bind", .type = KEY_OBJECT, .sub = bind, .flags = KEY_KEEP },
	{ .name = "volume", .type = KEY_OBJECT, .sub = volume_part, .flags = KEY_KEEP },
	{ .name = "tmpfs", .type = KEY_OBJECT, .sub = tmpfs_part, .flags = KEY_KEEP },
	{ .name = "image", .type = KEY_OBJECT, .sub = image_part, .flags = KEY_KEEP },
	END,
};
static const struct key mounts[] = {
	{ .name = "", .type = KEY_OBJECT, .sub = mount, .lengthen = short_volume }, END
};

/* --- a service -------------------------------------------------------------------------------- */

static const struct key service[] = {
	{ .name = "profiles", .type = KEY_WORDS, .same = SAME_VALUE },
	IDLE("annotations", KEY_LABELS, NULL),
	{ .name = "attach", .type = KEY_BOOL, .flags = KEY_KEEP },
	{ .name = "build", .type = KEY_OBJECT, .sub = build, .lengthen = short_build },
	SUB("develop", KEY_OBJECT, develop),
	SUB("blkio_config", KEY_OBJECT, blkio),
	{ .name = "cap_add", .type = KEY_WORDS, .same = SAME_VALUE },
	{ .name = "cap_drop", .type = KEY_WORDS, .same = SAME_VALUE },
	IDLE("cgroup_parent", KEY_STR, NULL),
	K("cgroup", KEY_STR),
	IDLE("cpu_count", KEY_INT, NULL),
	IDLE("cpu_percent", KEY_FLOAT, NULL),
	K("cpu_period", KEY_INT),
	K("cpu_quota", KEY_INT),
	IDLE("cpu_rt_period", KEY_INT, NULL),
	IDLE("cpu_rt_runtime", KEY_INT, NULL),
	K("cpus", KEY_FLOAT),
	K("cpuset", KEY_STR),
	K("cpu_shares", KEY_INT),
	{ .name = "command", .type = KEY_COMMAND, .merge = MERGE_REPLACE, .flags = KEY_KEEP },
	{ .name = "configs", .type = KEY_LIST, .sub = file_mounts, .same = SAME_TARGET },
	K("container_name", KEY_STR),
	{ .name = "credential_spec", .type = KEY_OBJECT, .sub = credential, .flags = KEY_SWARM },
	{ .name = "depends_on", .type = KEY_MAP, .sub = depends, .lengthen = short_depends },
	SUB("deploy", KEY_OBJECT, deploy),
	IDLE("device_cgroup_rules", KEY_WORDS, NULL),
	{ .name = "devices", .type = KEY_LIST, .sub = devices, .same = SAME_TARGET },
	{ .name = "dns", .type = KEY_WORD_LIST, .same = SAME_VALUE },
	{ .name = "dns_opt", .type = KEY_WORDS, .same = SAME_VALUE },
	{ .name = "dns_search", .type = KEY_WORD_LIST, .same = SAME_VALUE },
	K("domainname", KEY_STR),
	{ .name = "entrypoint", .type = KEY_COMMAND, .merge = MERGE_REPLACE, .flags = KEY_KEEP },
	SUB("provider", KEY_OBJECT, provider),
	K("environment", KEY_DICT),
	{ .name = "env_file", .type = KEY_LIST, .sub = env_files, .lengthen = short_env_file, .same = SAME_PATH },
	{ .name = "expose", .type = KEY_TEXTS, .same = SAME_VALUE },
	{ .name = "extends", .type = KEY_OBJECT, .sub = extends, .lengthen = short_extends },
	K("external_links", KEY_WORDS),
	{ .name = "extra_hosts", .type = KEY_HOSTS, .same = SAME_VALUE },
	K("group_add", KEY_TEXTS),
	{ .name = "gpus", .type = KEY_LIST, .sub = gpus, .lengthen = short_gpus },
	K("hostname", KEY_STR),
	SUB("healthcheck", KEY_OBJECT, health),
	K("image", KEY_STR),
	{ .name = "init", .type = KEY_BOOL, .flags = KEY_KEEP },
	K("ipc", KEY_STR),
	K("isolation", KEY_STR),
	K("labels", KEY_LABELS),
	{ .name = "label_file", .type = KEY_WORD_LIST, .flags = KEY_FILE },
	{ .name = "links", .type = KEY_WORDS, .same = SAME_VALUE },
	{ .name = "logging", .type = KEY_OBJECT, .sub = logging, .merge = MERGE_LOGGING },
	K("mem_limit", KEY_BYTES),
	K("mem_reservation", KEY_BYTES),
	K("memswap_limit", KEY_BYTES),
	IDLE("mem_swappiness", KEY_BYTES, NULL),
	K("mac_address", KEY_STR),
	{ .name = "models", .type = KEY_MAP, .sub = models_used, .lengthen = short_names },
	K("network_mode", KEY_STR),
	{ .name = "networks", .type = KEY_MAP, .sub = service_nets, .lengthen = short_names },
	IDLE("oom_kill_disable", KEY_BOOL, NULL),
	K("oom_score_adj", KEY_INT),
	K("pid", KEY_STR),
	K("pids_limit", KEY_INT),
	K("platform", KEY_STR),
	{ .name = "ports", .type = KEY_LIST, .sub = ports, .lengthen = short_ports, .same = SAME_PORT },
	SUB("post_start", KEY_LIST, hooks),
	SUB("pre_stop", KEY_LIST, hooks),
	K("privileged", KEY_BOOL),
	K("pull_policy", KEY_STR),
	IDLE("pull_refresh_after", KEY_STR, NULL),
	K("read_only", KEY_BOOL),
	K("restart", KEY_STR),
	K("runtime", KEY_STR),
	{ .name = "scale", .type = KEY_INT, .flags = KEY_KEEP },
	{ .name = "secrets", .type = KEY_LIST, .sub = file_mounts, .same = SAME_TARGET },
	K("security_opt", KEY_WORDS),
	K("shm_size", KEY_BYTES),
	K("stdin_open", KEY_BOOL),
	{ .name = "stop_grace_period", .type = KEY_DURATION, .flags = KEY_KEEP },
	K("stop_signal", KEY_STR),
	IDLE("storage_opt", KEY_OPTIONS, NULL),
	K("sysctls", KEY_LABELS),
	{ .name = "tmpfs", .type = KEY_WORD_LIST, .same = SAME_NAME },
	K("tty", KEY_BOOL),
	{ .name = "ulimits", .type = KEY_MAP, .sub = ulimits },
	K("use_api_socket", KEY_BOOL),
	K("user", KEY_STR),
	K("userns_mode", KEY_STR),
	K("uts", KEY_STR),
	{ .name = "volumes", .type = KEY_LIST, .sub = mounts, .same = SAME_TARGET },
	K("volumes_from", KEY_WORDS),
	K("working_dir", KEY_STR),
	END,
};
const struct key schema_service = { .name = "", .type = KEY_OBJECT, .sub = service };
static const struct key services[] = { SUB("", KEY_OBJECT, service), END };

/* --- the rest of the project ------------------------------------------------------------------ */

static const struct key subnet[] = {
	K("subnet", KEY_STR),
	K("gateway", KEY_STR),
	K("ip_range", KEY_STR),
	K("aux_addresses", KEY_LABELS),
	END,
};
static const struct key subnets[] = { SUB("", KEY_OBJECT, subnet), END };
static const struct key ipam[] = {
	K("driver", KEY_STR),
	{ .name = "config", .type = KEY_LIST, .sub = subnets, .merge = MERGE_SUBNETS },
	K("options", KEY_OPTIONS),
	END,
};
static const struct key network[] = {
	K("name", KEY_STR),
	K("driver", KEY_STR),
	K("driver_opts", KEY_OPTIONS),
	SUB("ipam", KEY_OBJECT, ipam),
	K("external", KEY_BOOL),
	K("internal", KEY_BOOL),
	{ .name = "attachable", .type = KEY_BOOL, .flags = KEY_SWARM },
	K("labels", KEY_LABELS),
	{ .name = "enable_ipv4", .type = KEY_BOOL, .flags = KEY_KEEP },
	{ .name = "enable_ipv6", .type = KEY_BOOL, .flags = KEY_KEEP },
	END,
};
static const struct key volume[] = {
	K("name", KEY_STR),	 K("driver", KEY_STR),	  K("driver_opts", KEY_OPTIONS),
	K("external", KEY_BOOL), K("labels", KEY_LABELS), END,
};
static const struct key file_object[] = {
	K("name", KEY_STR),
	{ .name = "file", .type = KEY_STR, .flags = KEY_FILE },
	K("environment", KEY_STR),
	K("content", KEY_STR),
	K("external", KEY_BOOL),
	K("labels", KEY_LABELS),
	K("driver", KEY_STR),
	K("driver_opts", KEY_OPTIONS),
	K("template_driver", KEY_STR),
	END,
};
static const struct key model[] = {
	K("name", KEY_STR),
	K("model", KEY_STR),
	K("context_size", KEY_INT),
	K("runtime_flags", KEY_WORDS),
	END,
};
static const struct key include[] = {
	K("path", KEY_WORD_LIST),
	K("project_directory", KEY_STR),
	K("env_file", KEY_WORD_LIST),
	END,
};

#define NAMED(n)                                                                                          \
	{                                                                                                 \
		.name = "", .type = KEY_OBJECT, .sub = (n), .lengthen = short_external, .flags = KEY_NULL \
	}
static const struct key networks[] = { NAMED(network), END };
static const struct key volumes[] = { NAMED(volume), END };
static const struct key file_objects[] = { NAMED(file_object), END };
static const struct key models[] = { SUB("", KEY_OBJECT, model), END };
static const struct key includes[] = {
	{ .name = "", .type = KEY_OBJECT, .sub = include, .lengthen = short_include }, END
};

static const struct key root[] = {
	K("name", KEY_STR),
	K("version", KEY_TEXT),
	SUB("include", KEY_LIST, includes),
	{ .name = "services", .type = KEY_MAP, .sub = services, .flags = KEY_KEEP },
	SUB("networks", KEY_MAP, networks),
	SUB("volumes", KEY_MAP, volumes),
	SUB("secrets", KEY_MAP, file_objects),
	SUB("configs", KEY_MAP, file_objects),
	SUB("models", KEY_MAP, models),
	END,
};
const struct key schema_root = { .name = "", .type = KEY_OBJECT, .sub = root };

const struct key *schema_key(const struct key *of, const char *name)
{
	if (of->type == KEY_MAP || of->type == KEY_LIST)
		return of->sub;
	if (of->type != KEY_OBJECT)
		return NULL;
	for (const struct key *k = of->sub; k->name; k++)
		if (!strcmp(k->name, name))
			return k;
	return NULL;
}
