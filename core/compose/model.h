/* core/compose/model.h -- a project: what the compose files, the environment and the flags together say.
 *
 * After project_load() ROOT is resolved: variables and anchors are gone, extends, include and all files are merged,
 * every short form is its long one, paths are absolute, defaults are filled in, every value has the type the
 * specification gives it (schema.h), and every node says at which file:line:col it was written.  The long forms:
 *
 *	name: shop
 *	services:
 *	  web:
 *	    image, container_name, hostname, user, working_dir, restart, network_mode, platform, ...	strings
 *	    command, entrypoint		list of words; an empty list resets the image's
 *	    build			context, dockerfile | dockerfile_inline, args{}, target, labels{}, ...
 *	    environment, labels		map of string or null (null: the variable is not set anywhere)
 *	    depends_on			map of service: { condition, restart, required }
 *	    ports			list of { mode, host_ip, target, published, protocol }
 *	    volumes			list of { type, source, target, read_only, bind{}, volume{}, tmpfs{} }
 *	    networks			map of network key: null | { aliases[], ipv4_address, ipv6_address, ... }
 *	    secrets, configs		list of { source, target, uid, gid, mode }
 *	    healthcheck			{ disable, test[], interval, timeout, start_period, start_interval, retries }
 *	    sizes			bytes, as text ("67108864"); durations: Go's text ("1m30s"); booleans "true"
 *	networks, volumes, secrets, configs: map of key: { name, external, driver, ... }; name is the real one
 *
 * What depends on order or graph is decoded beside it in struct service. */
#ifndef CORE_COMPOSE_MODEL_H
#define CORE_COMPOSE_MODEL_H

#include "core/compose/node.h"

enum depend_when { DEPEND_STARTED, DEPEND_HEALTHY, DEPEND_COMPLETED, DEPEND_WHEN_MAX };
extern const char *const depend_when_names[]; /* "service_started", "service_healthy", ... */

struct depend {
	const char *service;
	enum depend_when when;
	bool restart; /* restarted together with what it depends on */
	bool required; /* false: it may be missing or disabled */
	struct pos pos;
};

struct service {
	const char *name;
	struct node *node; /* of ROOT */
	struct pos pos;
	struct depend *depends; /* also those that links, volumes_from and network_mode bring */
	size_t n_depends;
	unsigned scale; /* scale, deploy.replicas, else 1 */
	bool enabled; /* by its profiles, or as a target's dependency; others are left out by every verb */
};

/* What the user typed in front of the verb. */
struct project_opts {
	struct strv files; /* -f; empty: COMPOSE_FILE, else searched for */
	struct strv profiles; /* --profile; and COMPOSE_PROFILES */
	struct strv env_files; /* --env-file; empty: COMPOSE_ENV_FILES, else .env in the project directory */
	const char *name; /* -p */
	const char *directory; /* --project-directory */
	bool no_interpolate, no_path_resolution, no_env_resolution, no_normalize, no_consistency;
	bool all_resources; /* networks, volumes, ... that no enabled service uses count, too */
	bool all_profiles; /* every service is enabled (down, ps and others that must see all) */
	/* One of several copies of a project that live side by side: its name, and whatever the files give a fixed name
	 * (but what is external), gets "-SUFFIX".  Or NULL. */
	const char *suffix;
	/* Ports are published there that name no address, or a loopback or wildcard one: by the container's number,
	 * where none is given.  Or NULL. */
	const char *address;
};

struct project {
	struct arena arena;
	const char *name;
	const char *suffix, *address; /* as in struct project_opts */
	const char *directory; /* absolute; what relative paths are taken from */
	struct strv files; /* absolute */
	struct strv env; /* KEY=VALUE: .env files below the process's environment */
	struct strv profiles; /* active ones */
	struct strv notes; /* sentences for the user: unset variables, ignored keys; each once */
	bool all_resources; /* see project_opts */
	bool raw; /* variables were left as they stand (no_interpolate) */
	struct node *root;
	struct service *services; /* by name; all of them, see enabled */
	size_t n_services;
};

/* Find, read and resolve the project.  Reads files and the environment, nothing else; no network.
 * Errors: "<file>:<line>:<col>: services.web.imge: unknown key (hint: did you mean 'image'?)". */
struct err *project_load(const struct project_opts *opts, struct project **ret) MUST_CHECK;
void project_free(struct project *p);

bool project_env_true(const struct project *p, const char *name); /* "1", "true" or "t" in its ENV */
struct service *project_service(const struct project *p, const char *name); /* or NULL */
/* Enable NAME and, over depends_on, all it needs; for services given on the command line whose profile is not
 * active.  Errors: "no such service: X". */
struct err *project_enable(struct project *p, const char *name) MUST_CHECK;
/* The service's image: image:, or "<project>-<service>" for one that is only built.  The arena's. */
const char *service_image(struct project *p, const struct service *s);

/* A copy of ROOT with the enabled services alone and what these name of networks, volumes, secrets and configs. */
struct node *project_used(const struct project *p, struct arena *a);

/* --- config --- */
/* As `docker compose config` prints it.  The caller frees it. */
enum config_format { CONFIG_YAML, CONFIG_JSON };
char *project_text(const struct project *p, enum config_format f);
/* Any map as YAML, members by name; every string is quoted that a reader of YAML 1.1 or 1.2 would take for else. */
void node_yaml(const struct node *map, struct str *out);
/* 64 hex digits that change when the service has to be made again. */
void service_hash(const struct project *p, const struct service *s, char ret[65]);

static inline void cleanup_project(struct project **p)
{
	project_free(*p);
}
#define _cleanup_project_ _cleanup_(cleanup_project)

#endif
