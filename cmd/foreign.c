#include "cmd/foreign.h"

#include <stdlib.h>

#include "cmd/compose.h"

enum { VERBS_MAX = 6 };

struct foreign {
	const struct verb *verbs[VERBS_MAX];
	char c;
	const char *name;
	/* The values that ask for what is done anyway, between spaces; so does "".  NULL: a flag without a value. */
	const char *accepted;
	const char *why; /* other values, and the flag if it is true, are refused so; NULL: it changes nothing here */
};

#define RUN                                                                                        \
	{                                                                                          \
		&verb_run, &verb_create                                                            \
	}
#define RUN_UPDATE                                                                                 \
	{                                                                                          \
		&verb_run, &verb_create, &verb_update                                              \
	}

static const char windows[] = "it is for Windows",
		  one_device[] = "rates of single devices are not kept; --blkio-weight is",
		  no_realtime[] = "real-time budgets are cgroup v1's; --ulimit rtprio is there",
		  no_driver_rules[] =
			  "a user's containers use devices by the rights of their files (--device)",
		  no_checkpoints[] = "checkpoints of processes are not there; `snapshot` keeps volumes",
		  no_link_local[] = "there are no link-local addresses beside IPv6's own",
		  no_daemon[] = "there is no daemon to be reached",
		  one_image[] = "an image is here for one platform at a time",
		  build_limits[] =
			  "a RUN has the limits of who builds (nice, ulimit and systemd-run set these)",
		  build_rights[] = "a RUN has no more rights than who builds",
		  no_annotations[] = "images are made without annotations and attestations",
		  no_checks[] = "a Dockerfile is read, and its errors told, when it is built",
		  own_addresses[] = "addresses are given by devbox itself",
		  one_machine[] = "networks are of one machine",
		  no_cluster[] = "volumes are of one machine",
		  cache_rule[] = "the cache keeps to 20 GB by itself; without options everything goes";

#define BUILD                                                                                      \
	{                                                                                          \
		&verb_build                                                                        \
	}
#define BUILD_COMPOSE                                                                              \
	{                                                                                          \
		&verb_build, &verb_compose_build                                                   \
	}
#define FALSE " 0 f F false FALSE False "

/* For options before the verb. */
static const struct verb any_verb;

static const struct foreign table[] = {
	/* before the verb: how Docker's client finds its daemon */
	{ { &any_verb }, 'H', "host", "", no_daemon },
	{ { &any_verb }, 'c', "context", " default ", no_daemon },
	{ { &any_verb }, 0, "config", "", "the folder of ~/.docker/config.json comes from DOCKER_CONFIG" },
	{ { &any_verb }, 0, "tls", NULL, no_daemon },
	{ { &any_verb }, 0, "tlsverify", NULL, no_daemon },
	{ { &any_verb }, 0, "tlscacert", "", no_daemon },
	{ { &any_verb }, 0, "tlscert", "", no_daemon },
	{ { &any_verb }, 0, "tlskey", "", no_daemon },
	{ { &any_verb }, 'D', "debug", NULL, NULL },
	{ { &any_verb }, 'l', "log-level", "", NULL },
	/* what each container has of its own */
	{ RUN, 0, "cgroupns", " private ", "each container has its own cgroup namespace" },
	{ RUN, 0, "ipc", " private ", "each container has its own IPC namespace" },
	{ RUN, 0, "pid", " private ", "each container has its own processes" },
	{ RUN, 0, "uts", " private ", "each container has its own host name" },
	{ RUN, 0, "runtime", " runc ", "devbox runs containers itself" },
	{ RUN, 0, "volume-driver", " local ", "volumes are directories of yours" },
	{ RUN, 0, "storage-opt", "", "containers share the file system below your home, and its quotas" },
	{ RUN, 0, "isolation", " default ", windows },
	{ RUN, 0, "annotation", "", "annotations are for runtimes; --label is there" },
	{ RUN, 0, "use-api-socket", NULL, no_daemon },
	{ RUN, 0, "link-local-ip", "", no_link_local },
	/* devices */
	{ RUN, 0, "gpus", "", no_driver_rules },
	{ RUN, 0, "device-cgroup-rule", "", no_driver_rules },
	{ RUN, 0, "blkio-weight-device", "", one_device },
	{ RUN, 0, "device-read-bps", "", one_device },
	{ RUN, 0, "device-read-iops", "", one_device },
	{ RUN, 0, "device-write-bps", "", one_device },
	{ RUN, 0, "device-write-iops", "", one_device },
	/* limits */
	{ RUN, 0, "cgroup-parent", "",
	  "a cgroup is asked from your systemd, or made below devbox's own (`devbox doctor` tells which)" },
	{ RUN_UPDATE, 0, "cpu-rt-period", " 0 ", no_realtime },
	{ RUN_UPDATE, 0, "cpu-rt-runtime", " 0 ", no_realtime },
	{ RUN_UPDATE, 0, "cpuset-mems", "", "memory nodes cannot be chosen; --cpuset-cpus is there" },
	{ RUN_UPDATE, 0, "kernel-memory", " 0 ", "the kernel's memory counts as --memory" },
	{ RUN, 0, "memory-swappiness", " -1 ",
	  "cgroup v2 has no swappiness of its own; --memory-swap is there" },
	{ RUN, 0, "oom-kill-disable", NULL,
	  "what is above its memory limit is ended; --oom-score-adj is there" },
	{ RUN, 0, "cpu-count", " 0 ", windows },
	{ RUN, 0, "cpu-percent", " 0 ", windows },
	{ RUN, 0, "io-maxbandwidth", " 0 ", windows },
	{ RUN, 0, "io-maxiops", " 0 ", windows },
	/* life */
	{ { &verb_start }, 0, "checkpoint", "", no_checkpoints },
	{ { &verb_start }, 0, "checkpoint-dir", "", no_checkpoints },
	{ { &verb_rm }, 'l', "link", NULL, "links go with their containers" },
	/* images; digests are always checked, signatures are another matter */
	{ { &verb_run, &verb_create, &verb_pull, &verb_push, &verb_build },
	  0,
	  "disable-content-trust",
	  NULL,
	  NULL },
	/* build: what is built is in the store in any case, nothing is sent anywhere, and nothing stays behind */
	{ BUILD, 0, "allow", " network.host ", build_rights },
	{ BUILD, 0, "annotation", "", no_annotations },
	{ BUILD, 0, "attest", "", no_annotations },
	{ BUILD, 0, "builder", " default ", "there is one builder, \"default\"" },
	{ BUILD, 0, "call", " build ", no_checks },
	{ BUILD, 0, "cgroup-parent", "", build_limits },
	{ BUILD, 0, "check", NULL, no_checks },
	{ BUILD, 0, "compress", NULL, NULL },
	{ BUILD, 0, "cpu-period", " 0 ", build_limits },
	{ BUILD, 0, "cpu-quota", " 0 ", build_limits },
	{ BUILD, 'c', "cpu-shares", " 0 ", build_limits },
	{ BUILD, 0, "cpuset-cpus", "", build_limits },
	{ BUILD, 0, "cpuset-mems", "", build_limits },
	{ BUILD, 'D', "debug", NULL, NULL },
	{ BUILD, 0, "force-rm", NULL, NULL },
	{ BUILD, 0, "isolation", " default ", windows },
	{ BUILD, 0, "load", NULL, NULL },
	{ BUILD, 'm', "memory", " 0 ", build_limits },
	{ BUILD, 0, "memory-swap", " 0 ", build_limits },
	{ BUILD_COMPOSE, 0, "provenance", FALSE, no_annotations },
	{ BUILD, 0, "rm", NULL, NULL },
	{ BUILD_COMPOSE, 0, "sbom", FALSE, no_annotations },
	{ BUILD, 0, "security-opt", "", build_rights },
	{ BUILD, 0, "squash", NULL, "FROM scratch and COPY --from make one layer of many" },
	{ BUILD, 0, "ulimit", "", build_limits },
	{ { &verb_compose_build }, 0, "builder", "", NULL },
	{ { &verb_compose_build }, 'm', "memory", "", NULL },
	{ { &verb_builder_prune }, 0, "filter", "", cache_rule },
	{ { &verb_builder_prune }, 0, "keep-storage", "", cache_rule },
	{ { &verb_builder_prune }, 0, "reserved-space", "", cache_rule },
	{ { &verb_builder_prune }, 0, "max-used-space", "", cache_rule },
	{ { &verb_builder_prune }, 0, "min-free-space", "", cache_rule },
	{ { &verb_builder_prune }, 0, "verbose", NULL, NULL },
	{ { &verb_images }, 0, "tree", NULL, one_image },
	{ { &verb_rmi }, 0, "no-prune", NULL, "layers that no image needs are of no use to you" },
	{ { &verb_push, &verb_save, &verb_load, &verb_history, &verb_rmi, &verb_image_inspect },
	  0,
	  "platform",
	  "",
	  one_image },
	{ { &verb_import }, 0, "platform", "", "what is imported is for this machine" },
	{ { &verb_manifest_inspect },
	  0,
	  "insecure",
	  NULL,
	  "registries without TLS are named in ~/.config/devbox/config.json" },
	/* networks and volumes */
	{ { &verb_network_create }, 0, "aux-address", "", own_addresses },
	{ { &verb_network_create }, 0, "config-from", "", one_machine },
	{ { &verb_network_create }, 0, "config-only", NULL, one_machine },
	{ { &verb_network_create }, 0, "ingress", NULL, one_machine },
	{ { &verb_network_create }, 0, "ipam-driver", " default ", own_addresses },
	{ { &verb_network_create }, 0, "ipam-opt", "", own_addresses },
	{ { &verb_network_create }, 0, "scope", " local ", one_machine },
	{ { &verb_network_connect }, 0, "driver-opt", "", "devbox's networks have no options for one container" },
	{ { &verb_network_connect }, 0, "gw-priority", " 0 ", "the first network is the way out" },
	{ { &verb_network_connect }, 0, "link-local-ip", "", no_link_local },
	{ { &verb_network_inspect }, 'v', "verbose", NULL, NULL },
	{ { &verb_volume_create }, 0, "availability", "", no_cluster },
	{ { &verb_volume_create }, 0, "group", "", no_cluster },
	{ { &verb_volume_create }, 0, "limit-bytes", " 0 ", no_cluster },
	{ { &verb_volume_create }, 0, "required-bytes", " 0 ", no_cluster },
	{ { &verb_volume_create }, 0, "scope", "", no_cluster },
	{ { &verb_volume_create }, 0, "secret", "", no_cluster },
	{ { &verb_volume_create }, 0, "sharing", "", no_cluster },
	{ { &verb_volume_create }, 0, "topology-preferred", "", no_cluster },
	{ { &verb_volume_create }, 0, "topology-required", "", no_cluster },
	{ { &verb_volume_create }, 0, "type", "", no_cluster },
	{ { &verb_volume_ls }, 0, "cluster", NULL, no_cluster },
};

static struct err *refuse(const struct foreign *f)
{
	return err_new(0, "it is not supported: %s", f->why);
}

static struct err *take_value(const char *value, void *to)
{
	const struct foreign *f = &table[*(const size_t *)to];
	_cleanup_free_ char *word = xasprintf(" %s ", value);

	return !f->why || !*value || strstr(f->accepted, word) ? NULL : refuse(f);
}

static struct err *take_flag(const char *value, void *to)
{
	const struct foreign *f = &table[*(const size_t *)to];
	_cleanup_free_ char *word = xasprintf(" %s ", value ?: "true");

	return strstr(FALSE, word) ? NULL : refuse(f);
}

static bool is_of(const struct foreign *f, const struct verb *v)
{
	for (size_t i = 0; i < VERBS_MAX; i++)
		if (f->verbs[i] == v)
			return true;
	return false;
}

struct opt *foreign_opts(const struct verb *v)
{
	static size_t places[ARRAY_LEN(table)]; /* what the options' TO points at */
	static bool ignored;
	struct opt *all = xcalloc(1, sizeof(*all));
	size_t n = 0, cap = 1;

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		const struct foreign *f = &table[i];

		if (!is_of(f, v))
			continue;
		places[i] = i;
		all = xgrow(all, n + 1, &cap, sizeof(*all));
		all[n] = (struct opt){ .c = f->c, .name = f->name, .kind = OPT_BOOL, .to = &ignored };
		if (f->accepted || f->why) {
			all[n].kind = f->accepted ? OPT_CALL : OPT_CALL_FLAG;
			all[n].to = &places[i];
			all[n].set = f->accepted ? take_value : take_flag;
		}
		n++;
	}
	all[n] = (struct opt){ .to = (void *)v->opts }; /* where the table goes on */
	return all;
}

struct opt *foreign_global_opts(void)
{
	return foreign_opts(&any_verb);
}

const char *foreign_verb(const char *name)
{
	static const struct {
		const char *names, *why;
	} verbs[] = {
		{ " swarm node service stack secret config ",
		  "there is no swarm; `compose` runs services here" },
		{ " plugin ", "there is no daemon that plugins could be for" },
		{ " trust ", "images are known by their digests; signatures are not there" },
		{ " checkpoint ", no_checkpoints },
	};
	_cleanup_free_ char *word = xasprintf(" %s ", name);

	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		if (strstr(verbs[i].names, word))
			return verbs[i].why;
	return NULL;
}
