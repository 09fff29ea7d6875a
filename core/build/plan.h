/* core/build/plan.h -- a Dockerfile with everything filled in that does not depend on running it: which stages are
 * needed, what each step is to do, the configuration that comes of it.
 *
 * Variables never depend on what RUN does, so all of this is known before the first step; only base images have to be
 * there, for their environment and ONBUILD triggers. */
#ifndef CORE_BUILD_PLAN_H
#define CORE_BUILD_PLAN_H

#include "core/build/build.h"
#include "core/build/cache.h"
#include "core/build/conf.h"
#include "core/build/dockerfile.h"
#include "core/build/tree.h"
#include "registry/image.h"
#include "registry/manifest.h"

enum { STAGES_MAX = 500, STEPS_MAX = 5000, URL_FILE_MODE = 0600 };

/* A directory that COPY can take files from, read with the caller's own rights. */
struct context {
	char *stage; /* under tmp/: where a tar was unpacked, locked; or NULL */
	int stage_fd;
	char *name; /* of --build-context; NULL: the context */
	char *path; /* for fingerprints and messages */
	int root; /* -1: none */
	struct ignore ignore;
	struct fingerprints *fp;
};

struct stage;

/* Where files come from: a context, or a stage (an image without steps is one, too). */
struct source {
	struct context *context;
	struct stage *stage;
};

enum sharing { SHARING_SHARED, SHARING_PRIVATE, SHARING_LOCKED, SHARING_MAX };

enum step_mount_kind { STEP_BIND, STEP_CACHE, STEP_TMPFS, STEP_SECRET, STEP_SSH, STEP_MOUNT_MAX };

/* RUN --mount */
struct step_mount {
	enum step_mount_kind kind;
	char *target, *source, *id;
	struct source from; /* of a bind and a cache; none: the context, an empty directory */
	bool read_write, required;
	enum sharing sharing;
	char *env; /* of a secret: set it in this variable instead of a file */
	unsigned mode, uid, gid;
	uint64_t size;
	struct tree tree; /* of a bind from a context */
};

enum item_kind { ITEM_PATH, ITEM_TEXT, ITEM_URL, ITEM_REPO };

/* One source of COPY or ADD. */
struct item {
	enum item_kind kind;
	char *name; /* the path or pattern; the file's name */
	char *text; /* of a heredoc */
	char *url, *checksum; /* CHECKSUM: "sha256:...", of a repository a commit; or NULL */
	struct context *repo; /* of a repository, once it was fetched */
	bool keep_git; /* its .git comes along */
	char *stage, *file; /* of a URL: a staging folder in tmp/ and the file in it, from tmp/ */
	int stage_fd;
	struct tree tree; /* of a path in a context, and of a repository */
	unsigned char digest[32]; /* of a URL's content */
	struct timespec mtime;
	bool archive; /* ADD unpacks it */
};

enum step_kind { STEP_RUN, STEP_COPY, STEP_WORKDIR };

struct step {
	enum step_kind kind;
	const struct instr *in;
	unsigned number; /* for events */
	char *name; /* "[build 2/4] RUN make" */
	/* RUN */
	struct strv argv, env;
	struct strv fixed; /* settings of ENV that count for the key; ENV has those of proxies, too */
	char *user, *workdir;
	enum build_net net;
	struct step_mount *mounts;
	size_t n_mounts;
	char *script; /* a heredoc with its own #! line, to be executed */
	/* COPY, ADD */
	struct item *items;
	size_t n_items;
	struct source from;
	char *dest, *chown;
	int chmod; /* -1: as it is */
	bool is_add, link, parents;
	struct ignore exclude;
	/* results */
	bool hashed;
	char input[HASH_LEN + 1]; /* over what comes from contexts */
	bool done;
	char key[HASH_LEN + 1]; /* of its record */
	struct cached result;
};

enum stage_state { STAGE_WAITING, STAGE_RUNNING, STAGE_DONE };

struct stage {
	unsigned index;
	char *name; /* as in "AS name", or NULL; of an image its reference */
	bool is_image; /* named by COPY --from only: no instructions */
	const struct instr *from;
	size_t first, end; /* its instructions */
	/* what it begins with: a stage, or an image, or nothing (scratch) */
	struct stage *base;
	struct image *image;
	char *platform; /* --platform, or NULL */
	bool evaluated, packed; /* PACKED: its layers go into the image */
	unsigned number; /* of FROM, for events */
	char *title; /* "[build 1/4] FROM docker.io/library/gcc" */
	struct conf conf; /* as it is at the end */
	struct strv args; /* K=V of ARG in scope at the end */
	struct instr *triggers; /* ONBUILD of the image or stage it is made from */
	char *triggers_name;
	size_t n_triggers;
	struct step *steps;
	size_t n_steps, steps_cap;
	struct history *history; /* of its own instructions */
	struct step_of_history {
		bool has;
		size_t step;
	} * history_step; /* which step an entry belongs to */
	size_t n_history, history_cap;
	enum {
		FRESH_UNKNOWN,
		FRESH_YES,
		FRESH_NO
	} fresh; /* --no-cache-filter; see build_plan_caches() */
	/* results */
	enum stage_state state;
	char key[HASH_LEN + 1]; /* of its end */
	struct strv layers; /* names under layers/ at its end, bottom first */
};

/* --secret: read at the start, kept in memory alone. */
struct secret {
	char *id, *data;
	size_t len;
};

/* --ssh: an agent's socket. */
struct agent {
	char *id, *path; /* PATH is absolute, or from the store */
	char *stage; /* of agent_share() */
	int stage_fd;
	pid_t relay;
};

struct build_plan {
	struct store *st;
	const struct build_request *req;
	struct dockerfile file;
	struct strv globals; /* K=V: ARG before the first FROM */
	struct strv predefined; /* TARGETPLATFORM=... */
	struct strv build_args; /* K=V as given */
	bool *args_used; /* beside BUILD_ARGS */
	struct platform platform; /* of the target */
	struct stage **stages;
	size_t n_stages, stages_cap, n_own; /* N_OWN: those of the Dockerfile */
	struct context **contexts; /* the first is the context */
	size_t n_contexts;
	struct stage *target;
	unsigned n_steps; /* numbered so far */
	int64_t epoch_s; /* SOURCE_DATE_EPOCH, or -1 */
	struct secret *secrets;
	size_t n_secrets;
	struct agent *agents;
	size_t n_agents;
	char *resolv; /* the host's resolv.conf */
	char *remote_text; /* a Dockerfile from a URL */
	/* find or pull an image; *RET is the plan's */
	struct err *(*get_image)(struct build_plan *p, const char *name, const char *platform,
				 struct image **ret);
	void (*note)(struct build_plan *p, const char *text);
	void *arg;
};

/* plan.c: stages and who needs whom; the request's arguments. */
struct err *build_plan_make(struct build_plan *p) MUST_CHECK;
void build_plan_done(struct build_plan *p);
/* The stage or image that COPY --from=NAME means for an instruction of STAGE (NULL: any), or the named context. */
struct err *build_plan_source(struct build_plan *p, const struct stage *stage, const char *name,
			      const struct pos *pos, struct source *ret) MUST_CHECK;
/* May steps of S, which is evaluated, be taken from the cache? */
bool build_plan_caches(const struct build_plan *p, struct stage *s);
/* The value of a variable in FROM and in ARG before it; ARG is the plan. */
const char *build_plan_global(void *arg, const char *name);
/* stage.c: fill in the stage's base, steps and configuration, of those it needs first.  Once for each stage. */
struct err *stage_eval(struct build_plan *p, struct stage *s) MUST_CHECK;
void stage_free(struct stage *s);
/* runmount.c: RUN --mount=TEXT, variables filled in. */
struct err *step_mount_parse(struct build_plan *p, const struct stage *s, const struct word *w,
			     const char *text, struct step_mount *ret) MUST_CHECK;
void step_mount_done(struct step_mount *m);
/* copystep.c: COPY and ADD. */
struct expand;
struct err *copy_eval(struct build_plan *p, struct stage *s, const struct instr *in,
		      const struct expand *x, const char *workdir, struct step *ret) MUST_CHECK;

/* open.c: the contexts, the Dockerfile, secrets and agents, as the caller. */
struct err *build_plan_open(struct build_plan *p) MUST_CHECK;
void build_plan_close(struct build_plan *p);
/* remote.c: https://host/x.git, https://host/x.git#branch:dir, git://..., ssh://..., git@host:x */
bool remote_is_repo(const char *s);
/* remote.c: fetch one commit of the repository URL into a stage of C; C's root is there or in the directory the URL
 * names.  *RET_COMMIT: its id, the caller's. */
struct err *repo_open(struct build_plan *p, const char *url, struct context *c, char **ret_commit)
	MUST_CHECK;
/* remote.c: fill a context from what remote_is(): a repository (by the program git), a tar, or (*RET_TEXT, the
 * caller's) a Dockerfile alone. */
struct err *remote_open(struct build_plan *p, const char *url, struct context *c, char **ret_text)
	MUST_CHECK;
/* open.c: a new context of the plan, still empty. */
struct context *context_new(struct build_plan *p, const char *name);
/* open.c: unpack the tar FD as the context C. */
struct err *context_unpack(struct build_plan *p, struct context *c, int fd) MUST_CHECK;
/* agent.c: make the agent one that containers can reach. */
struct err *agent_share(struct build_plan *p, struct agent *a) MUST_CHECK;
void agent_done(struct build_plan *p, struct agent *a);
/* fetch.c: download URL into *RET_STAGE/file below the store's tmp/; *RET_DIGEST: "sha256:...". */
struct err *url_fetch(struct store *st, const char *url, char **ret_stage, int *ret_stage_fd,
		      struct str *ret_digest) MUST_CHECK;
/* fetch.c: download an item's URL into tmp/; fills file, digest. */
struct err *item_fetch(struct build_plan *p, struct item *it) MUST_CHECK;

/* key.c: hash what the step takes from contexts; as the caller. */
struct err *step_hash(struct build_plan *p, struct step *s) MUST_CHECK;
/* The key of step S behind a step with the key BEFORE. */
void step_key(const struct build_plan *p, const struct step *s, const char *before,
	      char ret[HASH_LEN + 1]);
void stage_base_key(const struct stage *s, char ret[HASH_LEN + 1]);
/* The key by what the files of a COPY --from are, when they have been found (items' trees): a stage that was built anew
 * and gave the same files changes nothing behind it. */
void step_content_key(const struct step *s, const char *before, char ret[HASH_LEN + 1]);
/* What comes behind step S with the record's key RECORD is built on RET. */
void step_next_key(const struct step *s, const char *before, const char *record, char ret[HASH_LEN + 1]);
/* Layers that the stage begins with: names under layers/, bottom first, none twice. */
void stage_base_layers(const struct stage *s, struct strv *ret);
/* One more on top. */
void layers_push(struct strv *l, const char *layer);

#endif
