/* cmd/verb.h -- what a verb is, and what verbs share.  verbs.c lists them; dispatch, --help and the README's list are
 * read from there. */
#ifndef CMD_VERB_H
#define CMD_VERB_H

#include "cmd/opt.h"
#include "core/box/box.h"

/* One invocation of a verb. */
struct call {
	const struct verb *verb;
	const char *path; /* as typed: "devbox container stop" */
	int status; /* what the program ends with when run() succeeds: a container's exit code */
};

struct verb {
	const char *name;
	const char *args; /* operands for the usage line, "" for none */
	const char *summary;
	const char *more; /* further paragraphs of --help, or NULL */
	int min_args, max_args; /* -1: no maximum */
	enum opt_grammar grammar;
	const struct opt *opts;
	bool runs; /* it runs a process of an image: its own failures end with 125, not 1 */
	struct err *(*run)(struct call *c, int argc, char **argv);
};

/* "devbox", or "docker" when called by that name. */
const char *prog(void);
bool prog_is_docker(void);

/* Find the verb, parse its options, run it.  *RET_STATUS is the exit status if the result is NULL; usage errors have
 * been printed by then.  After an error, *RET_STATUS is the status for failures that do not carry one. */
struct err *verbs_run(int argc, char **argv, int *ret_status) MUST_CHECK;

/* FN for each container named; its name as typed goes to stdout after success.  One failure
 * does not spare the others. */
struct err *each_box(int argc, char **argv, struct err *(*fn)(struct box *b, void *arg), void *arg)
	MUST_CHECK;

/* The same, each container in a child of its own: ten servers stop in the time of one. */
struct err *each_box_at_once(int argc, char **argv, struct err *(*fn)(struct box *b, void *arg),
			     void *arg) MUST_CHECK;
/* For options: checks the keys before anything starts; TO is a const char *. */
struct err *set_detach_keys(const char *value, void *to) MUST_CHECK;
/* A connection that becomes readable when the container has ended; -1 if it does not run. */
struct err *watch_end(struct box *b, int *ret_conn) MUST_CHECK;

/* Options of verbs that other groups have too, with names of another kind in place of containers' ones. */
extern const struct opt attach_opts[], commit_opts[], cp_opts[], export_opts[], stats_opts[];
/* `events` with these filters, until UNTIL or for ever; SINCE, UNTIL: as its options, or NULL.  PRINT gets each
 * event (a json of core/store/events.h). */
struct err *events_show(const struct strv *filters, const char *since, const char *until,
			void (*print)(void *arg, const void *event), void *arg) MUST_CHECK;

/* Ask on the terminal; "y" is yes, anything else and the end of input are no. */
bool confirm(const char *question);
/* The image ids of all containers, for image_remove() and image_prune(). */
struct err *images_in_use(struct store *st, struct strv *ret) MUST_CHECK;

static inline void cleanup_store(struct store **st)
{
	store_free(*st);
}
static inline void cleanup_box(struct box **b)
{
	box_free(*b);
}
static inline void cleanup_image(struct image **img)
{
	image_free(*img);
}
#define _cleanup_store_ _cleanup_(cleanup_store)
#define _cleanup_box_ _cleanup_(cleanup_box)
#define _cleanup_image_ _cleanup_(cleanup_image)

extern const struct verb verb_network_connect, verb_network_create, verb_network_disconnect,
	verb_network_inspect, verb_network_ls, verb_network_prune, verb_network_rm;
extern const struct verb verb_volume_fork, verb_snapshot_create, verb_snapshot_diff,
	verb_snapshot_ls, verb_snapshot_restore, verb_snapshot_rm, verb_undo;
extern const struct verb verb_context_inspect, verb_context_ls, verb_context_show, verb_context_use;
extern const struct verb verb_build, verb_builder_prune;
extern const struct verb verb_events, verb_pause, verb_system_df, verb_system_service, verb_rename,
	verb_stats, verb_top, verb_unpause;
extern const struct verb verb_db_cache, verb_db_create, verb_db_import, verb_db_replica,
	verb_db_snapshot, verb_db_diff_size, verb_db_hook, verb_db_hosts, verb_db_ls, verb_db_prune,
	verb_db_protect, verb_db_rename, verb_db_reset, verb_db_rm, verb_db_sleep, verb_db_stop,
	verb_db_switch, verb_db_up, verb_db_url;
extern const struct verb verb_attach, verb_commit, verb_container_inspect, verb_container_prune,
	verb_cp, verb_create, verb_diff, verb_doctor, verb_env, verb_exec, verb_ip, verb_export,
	verb_import, verb_image_inspect, verb_image_prune, verb_images, verb_info, verb_inspect,
	verb_kill, verb_history, verb_load, verb_login, verb_logout, verb_logs, verb_port,
	verb_prune, verb_ps, verb_pull, verb_push, verb_restart, verb_resume, verb_rm, verb_rmi,
	verb_run, verb_save, verb_search, verb_manifest_inspect, verb_start, verb_stop, verb_tag,
	verb_update, verb_version, verb_volume_create, verb_volume_inspect, verb_volume_ls,
	verb_volume_prune, verb_volume_rm, verb_wait, verb_with;

#endif
