/* core/branch/project.h -- the records of databases that follow a repository's branches.
 *
 * A project is a git repository (or, made by hand, just a name).  It has services ("mysql"), each of which has
 * data for some branches: a fork.  A fork is one container and its volumes; all forks of a branch answer on that
 * branch's loopback address, each on its engine's own port.  A work tree has an address too, the stable one: it
 * leads to the branch that is checked out there.
 *
 *   branches/<project>/project.json    all of this, one small file, written aside and renamed
 *   branches/<project>/lock            flock: exclusive while the record changes
 *   branches/<project>/switch          flock: held by the living switchboard, see switchboard.h
 *   branches/<project>/ctl             its socket
 *   branches/addresses                 flock: while an address is chosen, which all projects have to respect */
#ifndef CORE_BRANCH_PROJECT_H
#define CORE_BRANCH_PROJECT_H

#include "core/branch/git.h"
#include "core/store/dirs.h"

enum { ADDRESS_MAX = 16, SLUG_MAX = 48 };

struct fork {
	char *branch;
	char *parent; /* the branch its data came from; NULL: it began empty */
	char *box; /* container id */
	struct strv volumes; /* in the order of the service's targets */
	char *origin; /* in words, what the data was made from: "snapshot x", "import dump.sql"; or NULL */
	char *replica_of; /* the branch this one replicates; NULL: it is no replica */
	struct strv args; /* its server's further arguments, behind the service's */
	char *error; /* why it could not be brought up last, or NULL */
	int64_t created_ns, used_ns; /* used: brought up, or a connection began */
};

struct dbservice {
	char *name; /* "mysql": what the user types */
	char *image, *image_id; /* as typed; what it was when the service was made */
	char *recipe; /* engine */
	char *shared; /* the snapshot that was pushed or pulled last: what the next one stands on; or NULL */
	struct strv env, args; /* what the user gave, plus the password that was made up; the server's arguments */
	struct strv binds; /* -v with absolute host paths */
	struct strv targets; /* where the volumes go; the first one holds the data */
	bool made_password;
	bool up; /* addresses answer; false: `db stop` */
	uint16_t port;
	int64_t idle_ms; /* asleep after this long without a connection; 0: never */
	int64_t ttl_ms; /* new branches are removed when unused for so long; 0: never */
	struct fork *forks;
	size_t n_forks;
};

/* A compose project that follows the branches, see stack.h. */
struct stack_port {
	char *service;
	uint16_t host, container; /* TCP: at a branch's address, and in its container */
};
struct stack_fork {
	char *branch, *parent; /* parent: the branch its volumes came from, or NULL */
	struct strv volumes; /* those it was made with */
	struct strv filling; /* of these, those that are just being made: of no use if their maker has died */
	bool up; /* not taken down since */
	int64_t created_ns, used_ns; /* used: brought up */
};
struct stack {
	char *name; /* the compose project's, of all branches */
	struct stack_port *ports; /* as they were brought up last */
	size_t n_ports;
	struct stack_fork *forks;
	size_t n_forks;
};

struct branch {
	char *name; /* git's; "@" and 12 digits for a detached HEAD */
	char *slug; /* for names of containers and hosts: lower case, unique in the project */
	char address[ADDRESS_MAX];
	bool protected; /* reset and rm refuse */
	bool keep; /* gone from git, and the user said to keep its data */
	int64_t ttl_ms; /* its own, in place of the service's; -1: the service's */
};

struct work_tree {
	char *dir; /* the work tree's git directory */
	char address[ADDRESS_MAX]; /* the stable one */
	char *path; /* the work tree itself */
	char *pinned; /* `db switch NAME`: this branch whatever is checked out; NULL: follow HEAD */
	bool env_file; /* keep .env.devbox there */
};

struct dbproject {
	char *id; /* the directory's name */
	char *common; /* git's common directory; NULL: not of a repository */
	uint64_t dev, ino; /* of COMMON: a repository that was moved is recognised */
	struct branch *branches;
	size_t n_branches;
	struct dbservice *services;
	size_t n_services;
	struct stack *stacks;
	size_t n_stacks;
	struct work_tree *trees;
	size_t n_trees;
	char *error; /* why a branch that has no data could not be given any last, or NULL */
};
void dbproject_done(struct dbproject *p);
#define _cleanup_dbproject_ _cleanup_(dbproject_done)

char *dbproject_to_json(const struct dbproject *p, size_t *ret_len);
struct err *dbproject_from_json(const char *text, size_t len, struct dbproject *ret) MUST_CHECK;

/* NULL if there is none. */
struct branch *dbproject_branch(const struct dbproject *p, const char *name);
struct dbservice *dbproject_service(const struct dbproject *p, const char *name);
struct work_tree *dbproject_tree(const struct dbproject *p, const char *dir);
struct fork *dbservice_fork(const struct dbservice *s, const char *branch);
struct fork *dbservice_add_fork(struct dbservice *s, const char *branch);
void dbservice_drop_fork(struct dbservice *s, const char *branch);
/* The same, but the caller has it then.  False: there is none. */
bool dbservice_take_fork(struct dbservice *s, const char *branch, struct fork *ret);
void dbfork_done(struct fork *f);
struct dbservice *dbproject_add_service(struct dbproject *p, const char *name);
void dbproject_drop_service(struct dbproject *p, const char *name);
struct work_tree *dbproject_add_tree(struct dbproject *p, const char *dir);
/* Found, or added. */
struct stack *dbproject_ensure_stack(struct dbproject *p, const char *name);
struct stack_fork *stack_ensure_fork(struct stack *s, const char *branch);
struct stack *dbproject_stack(const struct dbproject *p, const char *name);
struct stack_fork *stack_fork(const struct stack *s, const char *branch);
void stack_drop_fork(struct stack *s, const char *branch);
void dbproject_drop_stack(struct dbproject *p, const char *name);
void stack_add_port(struct stack *s, const char *service, uint16_t host, uint16_t container);
void stack_drop_ports(struct stack *s);
bool stack_is_up(const struct stack *s); /* of any branch */
/* Has any service, or any stack, addresses that answer? */
bool dbproject_is_up(const struct dbproject *p);
/* A branch is called otherwise now, wherever it is named but in its own record. */
void dbproject_rename_branch(struct dbproject *p, const char *from, const char *to);
/* A branch that no service and no stack has a fork of is forgotten. */
void dbproject_drop_branch(struct dbproject *p, const char *name);

/* "Feature/Login_2" -> "feature-login-2": letters, digits and single dashes, at most SLUG_MAX bytes, never empty. */
char *slug_make(const char *name);
/* The N-th candidate for the address of KEY (any text): 127.16.0.1 to 127.254.255.254, never a last byte of 0 or 255.
 * The same on every machine. */
void address_candidate(const char *key, unsigned n, char ret[ADDRESS_MAX]);

/* --- on disk --- */

struct dbproject_dir {
	int dir; /* branches/<id> */
	int lock; /* -1: not locked */
};
void dbproject_close(struct dbproject_dir *d);
#define _cleanup_pdir_ _cleanup_(dbproject_close)

/* The id of the project of REPO: the one recorded, also after the repository was moved, or NULL. */
struct err *dbproject_find(struct store *st, const struct git_repo *repo, char **ret_id) MUST_CHECK;
/* Append all ids. */
struct err *dbproject_list(struct store *st, struct strv *ret) MUST_CHECK;
/* Open and lock project ID and read its record.  Errors: ENOENT. */
struct err *dbproject_open(struct store *st, const char *id, bool lock,
			   struct dbproject_dir *ret_dir, struct dbproject *ret) MUST_CHECK;
/* The same for REPO (or, without one, for the name NAME), made if there is none yet. */
struct err *dbproject_make(struct store *st, const struct git_repo *repo, const char *name,
			   struct dbproject_dir *ret_dir, struct dbproject *ret) MUST_CHECK;
/* Write the record.  The lock must be held. */
struct err *dbproject_save(const struct dbproject_dir *d, const struct dbproject *p) MUST_CHECK;
/* Forget the project and its directory; its containers and volumes must be gone. */
struct err *dbproject_remove(struct store *st, struct dbproject_dir *d, const struct dbproject *p)
	MUST_CHECK;
/* The branch's record, with slug and address, made (and saved) on first use; likewise the work tree's.  Valid
 * until the next one is made. */
struct err *dbproject_ensure_branch(struct store *st, const struct dbproject_dir *d,
				    struct dbproject *p, const char *name, struct branch **ret)
	MUST_CHECK;
struct err *dbproject_ensure_tree(struct store *st, const struct dbproject_dir *d, struct dbproject *p,
				  const struct git_repo *repo, struct work_tree **ret) MUST_CHECK;

#endif
