/* core/branch/branch.h -- data for every branch: made, brought up, put back, taken away.
 *
 * What a branch's data is made from, when it is first asked for:
 *   1. its own, under an older name, if the branch was renamed in git
 *   2. a fork of the data of the branch it was cut from (git_parents()), or of that one's, if it has none ...
 *   3. nothing: the image sets up a new database
 * A volume of the fork's name that is still there (brought back by undo) is taken as it is.
 *
 * A branch is what git_head() says; a detached HEAD is called "@" and 12 digits of its commit, is forked from the
 * branch that was left for it, and goes after a day without use.
 *
 * How to be safe with two processes: the record changes under the project's lock only; containers are started without
 * it.  What a crash leaves between the two is a volume or container without a record: the next try takes it over. */
#ifndef CORE_BRANCH_BRANCH_H
#define CORE_BRANCH_BRANCH_H

#include "core/box/box.h"
#include "core/branch/project.h"
#include "core/store/trash.h"

enum { DETACHED_TTL_S = 24 * 3600, READY_TIMEOUT_S = 120 };

/* The name under which the data of HEAD is kept; the caller's. */
char *branch_of_head(const struct git_head *h);
/* The branch that is checked out in T now, or the one it is pinned to. */
struct err *branch_of_tree(const struct work_tree *t, char **ret) MUST_CHECK;

struct dbservice_want {
	const char *name, *image;
	struct strv env, args, binds;
	int64_t idle_ms, ttl_ms;
};
/* Define the service NAME of P by what the user gave and the image says.  Errors: the image holds no database
 * that devbox knows; it exists. */
struct err *dbservice_define(struct store *st, struct dbproject *p, const struct dbservice_want *want,
			     const struct image *img, struct dbservice **ret) MUST_CHECK;

struct branch_result {
	bool made; /* the data was made now */
	bool started; /* its server was started now */
	char *parent, *origin; /* what it came from, or NULL */
	char *box; /* container id */
};
void branch_result_done(struct branch_result *r);

/* Bring up SERVICE for BRANCH: make its data unless it is there, start its server, wait until it answers.
 * REPO may be NULL (it is looked up).  FROM: make it from this branch, or NULL.
 * What fails is recorded with the fork, for who was not there when it failed. */
struct err *branch_up(struct store *st, const char *project, const char *service,
		      const char *branch, const struct git_repo *repo, const char *from,
		      struct branch_result *ret) MUST_CHECK;
/* Only the first part. */
struct err *branch_make(struct store *st, const char *project, const char *service,
			const char *branch, const struct git_repo *repo, const char *from,
			struct branch_result *ret) MUST_CHECK;

/* Stop its server; its data stays.  Absent is success. */
struct err *branch_stop(struct store *st, const struct fork *f) MUST_CHECK;
/* Throw its data away and make it anew from FROM (a branch or NULL: its parent); up again if it was.  Protected
 * branches refuse. */
struct err *branch_reset(struct store *st, const char *project, const char *service,
			 const char *branch, const char *from, struct branch_result *ret) MUST_CHECK;
/* Remove its data (to the trash, as one batch) and its container.  FORCE: also if protected. */
struct err *branch_remove(struct store *st, const char *project, const char *service,
			  const char *branch, bool force, const char *batch) MUST_CHECK;
struct err *branch_rename(struct store *st, const char *project, const char *from, const char *to)
	MUST_CHECK;
/* Put what VOLUMES (of a fork or snapshots) hold into the fork in place of its data, which goes to the trash. */
struct err *branch_replace(struct store *st, const char *project, const char *service,
			   const char *branch, const struct strv *from_volumes, const char *origin)
	MUST_CHECK;

/* Undo for data that a branch has other data in place of (reset, restore): put IT back, and what is there now
 * into the trash.  *RET_DONE is false if it is no branch's volume; nothing has happened then. */
struct err *branch_bring_back(struct store *st, const struct trash_item *it, bool *ret_done) MUST_CHECK;

/* Make NAME, a fork of SOURCE that will replicate it, with ARGS for its server.  Its container is not started. */
struct err *branch_make_replica(struct store *st, const char *project, const char *service,
				const char *name, const char *source, const struct strv *args,
				struct branch_result *ret) MUST_CHECK;
/* Give BRANCH's server these arguments behind the service's, and say what it replicates (NULL: nothing): its
 * container is made anew, over the same data, and brought up again if it was. */
struct err *branch_set_args(struct store *st, const char *project, const char *service,
			    const char *branch, const struct strv *args, const char *replica_of)
	MUST_CHECK;

/* Make snapshots or forks of one fork's volumes, FROM[i] -> TO[i], while its server may be running. */
struct err *branch_copy(struct store *st, const struct dbservice *s, const struct fork *f,
			const struct strv *from, const struct strv *to) MUST_CHECK;

/* Append every volume that is a branch's of whatever project: in use, also when no container says so now. */
struct err *branch_volumes(struct store *st, struct strv *ret) MUST_CHECK;
/* Append the branches with data that are neither in git, nor kept, nor checked out. */
struct err *branch_gone(const struct dbproject *p, struct strv *ret) MUST_CHECK;
/* Remove what nobody used for its time to live; never what is protected, checked out, running, or the parent's. */
struct err *branch_expire(struct store *st, const char *project, struct strv *ret_removed) MUST_CHECK;

#endif
