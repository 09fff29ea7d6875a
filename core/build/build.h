/* core/build/build.h -- images made from a Dockerfile: what `devbox build` and compose call.  No output.
 *
 * Words: a *stage* is what one FROM begins, a *step* one instruction of it that is shown and cached.  Only the stages
 * the target needs are built, independent ones at the same time.  See builder.c for the processes.
 *
 * Sources: Dockerfile reference of docker/dockerfile 1 (the language), BuildKit (words and behaviour). */
#ifndef CORE_BUILD_BUILD_H
#define CORE_BUILD_BUILD_H

#include "core/base/str.h"
#include "core/store/dirs.h"

enum build_event_kind {
	BUILD_START, /* a step begins */
	BUILD_CACHED, /* it was found in the cache */
	BUILD_DONE,
	BUILD_FAILED,
	BUILD_LOG, /* output of it: DATA, LEN */
	BUILD_TICK, /* nothing but time has passed: now and then, for who shows it */
	BUILD_NOTE, /* a sentence for people in DATA; STEP may be 0 */
	BUILD_EVENT_MAX
};

struct build_event {
	enum build_event_kind kind;
	unsigned step; /* counts from 1 in the order of first mention; 0: the build as a whole */
	const char *name; /* "[build 2/4] RUN make"; valid during the call */
	const char *data; /* BUILD_LOG, BUILD_NOTE; not NUL-ended for BUILD_LOG */
	size_t len;
	bool is_stderr; /* of BUILD_LOG */
	int64_t took_ns; /* BUILD_DONE, BUILD_FAILED */
};

enum build_net { BUILD_NET_DEFAULT, BUILD_NET_NONE, BUILD_NET_HOST, BUILD_NET_MAX };
extern const char *const build_net_names[]; /* "default", "none", "host" */

/* Zero and NULL are what a plain `build DIR` means.  Everything stays the caller's. */
struct build_request {
	/* The context: exactly one of them.  Neither: an empty one, then DOCKERFILE_TEXT must be there. */
	const char *context; /* directory, or a tar file */
	int context_fd; /* a tar stream, compressed or not; looked at only if CONTEXT_IS_FD */
	bool context_is_fd;
	/* The Dockerfile: its text, or a file: DOCKERFILE as `-f` takes it, from the working directory, or else
	 * "Dockerfile" (then "dockerfile", "Containerfile") in the context. */
	const char *dockerfile;
	bool dockerfile_in_context; /* DOCKERFILE is a path inside the context, as in a compose file */
	const char *dockerfile_text; /* from stdin, or compose's dockerfile_inline */
	struct strv tags; /* as typed */
	struct strv args; /* "K=V"; a bare "K" takes the caller's environment */
	struct strv labels; /* "K=V" */
	struct strv secrets; /* "id=x,src=FILE" or "id=x,env=VAR" */
	struct strv ssh; /* "default", "id=SOCKET" */
	struct strv add_hosts; /* as run's --add-host */
	struct strv contexts; /* --build-context: "name=DIR" or "name=docker-image://REF" */
	struct strv outputs; /* --output; none: an image in the store; see export.h */
	int tar_fd; /* where a tar without a destination goes */
	const char *target, *platform; /* NULL: the last stage, this machine's */
	const char *iidfile;
	bool no_cache, pull;
	struct strv no_cache_filter; /* names of stages that are done afresh */
	enum build_net net;
	int64_t shm_bytes; /* of RUN's /dev/shm; 0: the default */
	/* Bring NAME from its registry into the store, for PLATFORM (NULL: this machine's), and show it.
	 * NULL: silently. */
	struct err *(*pull_shown)(void *arg, struct store *st, const char *name, const char *platform);
	/* Runs in the calling process; may be NULL. */
	void (*progress)(void *arg, const struct build_event *ev);
	void *arg;
};

/* Is CONTEXT a URL, or git's name for a repository? */
bool remote_is(const char *context);

/* Build.  *RET_ID is the image's id ("sha256:..."), the caller's; NULL when only OUTPUTS were asked for.
 * Errors: "Dockerfile:7: ...", with the exit status of a failed RUN inside the text; the hint says what to do.
 * Blocks; SIGINT's default action ends everything that was started.  Several builds may run at once. */
struct err *build_run(struct store *st, const struct build_request *req, char **ret_id) MUST_CHECK;

/* Forget cached steps, and the layers that no image has.  ALL: also --mount=type=cache directories.
 * UNUSED_SINCE_NS: only what was not used after that time (0: everything). */
struct err *build_prune(struct store *st, bool all, int64_t unused_since_ns,
			uint64_t *ret_freed_bytes) MUST_CHECK;
/* What the cache takes, for `system df`. */
struct err *build_cache_size(struct store *st, size_t *ret_records, uint64_t *ret_bytes) MUST_CHECK;

#endif
