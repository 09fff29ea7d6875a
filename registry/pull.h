/* registry/pull.h -- bring an image from a registry into the store. */
#ifndef REGISTRY_PULL_H
#define REGISTRY_PULL_H

#include "core/store/dirs.h"
#include "registry/auth.h"
#include "registry/image_ref.h"

enum pull_phase {
	PULL_RESOLVING,
	PULL_WAITING,
	PULL_DOWNLOADING,
	PULL_EXTRACTING,
	PULL_DONE,
	PULL_EXISTS,
	PULL_RETRY,
	PULL_LOADING, /* an archive of images */
	PUSH_PREPARING,
	PUSH_UPLOADING,
	PUSH_DONE,
	PUSH_EXISTS,
	PUSH_MOUNTED,
	PULL_PHASE_MAX
};

/* One change worth showing, of a pull or a push.  LAYER is the layer's number (0 is the bottom), or -1 for the whole
 * image. */
struct pull_event {
	enum pull_phase phase;
	int layer, n_layers;
	const char *digest; /* of the layer's blob */
	uint64_t done_bytes, total_bytes; /* compressed */
	const char *text; /* PULL_RETRY, PULL_RESOLVING: one line for people; PUSH_MOUNTED: the repository */
};

struct pull_opts {
	const char *platform; /* "linux/arm64/v8"; NULL: this machine's */
	const struct auth_creds *creds; /* for this registry, in place of those that are kept; may be NULL */
	void (*progress)(void *arg, const struct pull_event *ev); /* runs in the pulling child process; may be NULL */
	void *arg;
};

/* What a pull ended with. */
struct pull_result {
	char *ref; /* full reference */
	char *digest; /* the registry's digest for the name */
	bool up_to_date; /* nothing was fetched */
};
void pull_result_done(struct pull_result *r);

/* Pull TEXT.  Reads credentials and configuration as the calling user, then works in a child inside the user namespace
 * (registry code and TLS never run in the calling process).  Several pulls of the same image share the work. */
struct err *pull_image(struct store *st, const char *text, const struct pull_opts *opts,
		       struct pull_result *ret) MUST_CHECK;

#endif
