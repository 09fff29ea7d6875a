/* core/box/spec.h -- what to run, resolved: the immutable half of a container (containers/<id>/config.json).
 * cmd/ fills a struct run_request from flags; spec_resolve() joins it with the image's configuration. */
#ifndef CORE_BOX_SPEC_H
#define CORE_BOX_SPEC_H

#include "core/base/json.h"
#include "core/box/limits.h"
#include "core/box/health.h"
#include "core/box/restart.h"
#include "registry/image.h"
#include "slirp/addrs.h"
#include "slirp/port.h"

/* NET_DEFAULT: networks of its own, those of struct net_wants. */
enum net_mode { NET_DEFAULT, NET_NONE, NET_HOST, NET_CONTAINER, NET_MODE_MAX };
extern const char *const net_mode_names[]; /* "default", "none", "host", "container" */

/* A network that a container is on, and what it wishes there. */
struct net_want {
	char *name; /* in a request also its id; in a spec its name */
	struct strv aliases; /* further names there */
	char *ip, *ip6, *mac; /* texts, or NULL: whatever is free */
};
struct net_wants {
	struct net_want *v;
	size_t n, cap;
};
/* The entry for NAME, made if there is none yet. */
struct net_want *net_wants_add(struct net_wants *l, const char *name);
struct net_want *net_wants_find(const struct net_wants *l, const char *name); /* or NULL */
void net_wants_remove(struct net_wants *l, const char *name);
void net_wants_copy(struct net_wants *to, const struct net_wants *from); /* appends */
void net_wants_done(struct net_wants *l);

enum mount_type { MOUNT_BIND, MOUNT_VOLUME, MOUNT_TMPFS, MOUNT_TYPE_MAX };
extern const char *const mount_type_names[]; /* "bind", "volume", "tmpfs" */

struct mount_spec {
	enum mount_type type;
	char *source; /* absolute host path, volume name ("" until one is made for an anonymous one), NULL for tmpfs */
	char *target; /* absolute, inside, clean (str_clean_path()), never "/" */
	char *subpath; /* volume: mount this path inside it, or NULL */
	char *options; /* tmpfs: what mount(2) takes as data, "size=64m,mode=1777", or NULL; else NULL */
	bool read_only;
	bool exec, suid; /* tmpfs: without noexec, nosuid (Docker's default is both) */
	bool anonymous; /* volume made for this container: goes with rm -v and --rm */
	bool no_copy; /* do not fill an empty volume from the image */
	bool chown; /* -v :U: at each start everything in it is given to the container's user */
	bool device; /* --device: a bind of a device, which the host's user may open */
	bool by_mount; /* asked for by --mount: a bind's source must exist then */
	/* A file's content, taken at each start, in memory and with an owner and a mode of its own: secrets. */
	bool copied;
	unsigned uid, gid, mode;
};

struct mounts {
	struct mount_spec *v;
	size_t n, cap;
};
struct mount_spec *mounts_add(struct mounts *m);
void mounts_copy(struct mounts *to, const struct mounts *from); /* appends */
void mounts_done(struct mounts *m);
void mount_done(struct mount_spec *m);

/* "-v" as Docker reads it; appends one mount.  Pure: whether the host path exists is seen at start.
 *	/host:/ctr[:OPTIONS]    ./dir:/ctr and ../dir:/ctr are taken from CWD
 *	name:/ctr[:OPTIONS]
 *	/ctr                    anonymous volume
 * OPTIONS: ro, rw, nocopy (volumes), U (give it to the container's user), and without effect here: z, Z, cached,
 * delegated, consistent, private, rprivate.
 * Errors name the offending text; a Windows path ("D:/data:/ctr") gets words of its own. */
struct err *mount_parse_volume(const char *text, const char *cwd, struct mounts *to) MUST_CHECK;
/* "--tmpfs TARGET[:OPTIONS]": size, mode, uid, gid, nr_inodes, nr_blocks; ro, rw, exec, suid and their opposites. */
struct err *mount_parse_tmpfs(const char *text, struct mounts *to) MUST_CHECK;

/* "--mount", fields separated by commas, quoted as in CSV (mountflag.c):
 *	type=bind|volume|tmpfs (default volume)   source|src=...   target|dst|destination=...
 *	readonly|ro[=BOOL]   volume-nocopy[=BOOL]   volume-subpath=PATH   tmpfs-size=BYTES   tmpfs-mode=OCTAL
 *	bind-propagation=private|rprivate   consistency=... (no effect)   volume-driver=local
 * Errors in Docker's words. */
struct err *mount_parse_mount(const char *text, const char *cwd, struct mounts *to) MUST_CHECK;
/* "--volumes-from CONTAINER[:ro|rw|z|Z]".  *RET_NAME is the caller's. */
struct err *mount_parse_from(const char *text, char **ret_name, bool *ret_read_only) MUST_CHECK;

enum { SHM_DEFAULT = 64 << 20 };
enum { ATTACH_STDIN = 1, ATTACH_STDOUT = 2, ATTACH_STDERR = 4 };

struct spec {
	char *id; /* 64 hex digits */
	char *name;
	char *image; /* as the user typed it */
	char *image_ref; /* full reference, or NULL when run by id */
	char *image_id; /* "sha256:..." */
	struct strv layers; /* "sha256:" and a name in layers/, bottom first: diff ids, or their copies of keepid.h */
	struct strv entrypoint, cmd; /* argv = entrypoint followed by cmd */
	struct strv env; /* KEY=VALUE, complete */
	char *workdir; /* absolute */
	char *user; /* as configured: "", "mysql", "999:999" */
	char *hostname;
	bool tty, open_stdin, auto_remove, use_init, read_only;
	unsigned attach; /* ATTACH_*: what whoever made it wanted to be connected to */
	enum net_mode net;
	struct net_wants nets; /* with NET_DEFAULT: in the order of eth0, eth1... */
	struct strv links; /* "<id or name>:ALIAS", see links.h */
	char *net_container; /* with NET_CONTAINER: the id of the one whose network this is; else NULL */
	struct ports ports; /* to publish, as asked for (-p, -P resolved against exposed) */
	struct strv exposed; /* "3306/tcp" */
	struct mounts mounts;
	struct strv volumes_from; /* as asked for; MOUNTS has what came of it */
	struct strv labels; /* key=value */
	struct strv add_hosts; /* name:ip, name:host-gateway */
	int stop_signal;
	unsigned stop_timeout_s;
	struct restart_policy restart;
	struct health_config health;
	struct strv ulimits, sysctls; /* NAME=VALUE */
	struct strv group_add; /* groups of the image, by name or number */
	struct strv dns, dns_search, dns_options; /* in place of what resolv.conf would say */
	int64_t shm_bytes; /* of /dev/shm; 0: SHM_DEFAULT */
	int oom_score_adj; /* 0: as it is */
	uint32_t tty_size; /* its terminal's at first, see term_size(); 0: the one's who starts it */
	char *domainname, *mac; /* or NULL */
	char *userns; /* "keep-id[:uid=N,gid=N]", see keepid.h; NULL: the usual mapping */
	char *kept_name; /* with USERNS: what its maker is called, for the container's passwd file */
	bool privileged, no_new_privs;
	bool unmasked; /* nothing of /proc and /sys is hidden or read-only */
	uint64_t caps; /* see caps.h */
	struct strv cap_add, cap_drop, security_opt; /* as asked for; what came of them is beside */
	char *seccomp; /* "unconfined", a profile's JSON, or NULL: the default filter */
	char *recipe; /* engine name of core/box/recipe.h, or NULL */
	bool made_password; /* nobody gave the database a password, ENV holds a random one */
	char *init_key; /* what its set-up will be kept under when it is ready, see initcache.h; NULL: not */
	char *platform; /* "linux/amd64" */
	char *log_driver; /* as given, NULL: the default; see logconf.h */
	struct strv log_opts; /* "max-size=10m" */
	struct limits limits;
	int64_t created_ns;
};
void spec_done(struct spec *s);
/* The record.  Command lines and settings survive byte by byte, UTF-8 or not. */
char *spec_to_json(const struct spec *s, size_t *ret_len);
struct err *spec_from_json(const char *text, size_t len, struct spec *ret) MUST_CHECK;

/* What the user asked for; unset members mean "the image's". */
struct run_request {
	const char *image; /* as typed */
	struct strv args; /* COMMAND [ARG...] */
	const char *entrypoint; /* --entrypoint; "" resets */
	bool entrypoint_set;
	struct strv entrypoint_rest; /* its further words */
	struct strv env; /* --env-file, then -e, in order: "K=V"; a bare "K" takes K away from the image's */
	const char *workdir, *user, *hostname, *name;
	bool tty, open_stdin, auto_remove, use_init, read_only, publish_all;
	unsigned attach;
	bool starts; /* it is started right after: with --rm and nobody left to do that, it goes again */
	enum net_mode net;
	struct net_wants nets; /* none: the default network; wishes about addresses apply to that then */
	struct strv links; /* --link: "CONTAINER[:ALIAS]" */
	const char *net_container; /* with NET_CONTAINER: its name or id */
	struct ports ports;
	struct strv exposed; /* "3306", "3306/tcp", "8000-8010/udp" */
	struct mounts mounts; /* -v, --mount and --tmpfs in order */
	struct strv volumes; /* targets of anonymous ones, as an image has them: what else is mounted there wins */
	struct strv volumes_from; /* CONTAINER[:MODE] */
	struct mounts inherited; /* what VOLUMES_FROM brings, by box_create(); own targets and earlier entries win */
	struct strv labels, add_hosts;
	struct strv ulimits, sysctls, group_add, dns, dns_search, dns_options;
	int64_t shm_bytes; /* 0: the default */
	int oom_score_adj;
	uint32_t tty_size;
	const char *domainname, *mac;
	const char *userns; /* "keep-id[:...]", "host" or "" */
	bool privileged;
	bool no_init_cache; /* set up a new database in any case, and do not remember it */
	struct strv cap_add, cap_drop;
	struct strv security_opt; /* a profile's text in place of its file's name */
	const char *stop_signal; /* --stop-signal */
	const char *log_driver;
	struct strv log_opts;
	struct limits limits; /* not checked yet */
	int stop_timeout_s; /* -1: default (10) */
	struct restart_policy restart;
	struct health_config health; /* --health-*; test {"NONE"}: --no-healthcheck */
};

/* Join REQ with the image as Docker does:
 *  - --entrypoint takes the place of the image's and drops its command; else COMMAND replaces the image's command
 *  - settings: the image's, then REQ's; PATH if there is none, TERM=xterm with a terminal.  HOME and HOSTNAME are for
 *    who starts it
 *  - the image's volumes become anonymous ones, unless a mount of REQ has the same target
 *  - ports: exposed are the image's, REQ's and the published ones; -P publishes all of them
 *  - a database recipe (core/box/recipe.h) whose password is missing gets a random one
 * Does not set id, name and created_ns.  Takes nothing from REQ (copies).  Errors in Docker's words: "No command
 * specified", "Duplicate mount point: /x", image for another platform, ... */
struct err *spec_resolve(const struct run_request *req, const struct image *img, struct spec *ret)
	MUST_CHECK;

#endif
