/* registry/index.h -- index.json of the store: which images there are, under which names.
 *
 * An OCI image index.  Each entry points at the manifest of one image and carries, in annotations:
 *	org.opencontainers.image.ref.name	the full reference; absent for a dangling image
 *	io.devbox.repo-digest			what the registry called it (digest of the index or manifest)
 *	io.devbox.size				bytes of the unpacked layers
 *	io.devbox.boot				boot id while not yet on disk for sure, see registry/pull.c; else absent
 * Entries of other tools, without io.devbox.id, are left alone.
 * Readers need no lock; whoever changes it holds store_lock() from before index_load() until after index_save(). */
#ifndef REGISTRY_INDEX_H
#define REGISTRY_INDEX_H

#include "core/base/json.h"
#include "core/store/dirs.h"

struct index_entry {
	char *ref; /* NULL: dangling */
	char *media_type, *digest;
	int64_t size; /* of the manifest */
	char *id;
	char *repo_digest; /* may be NULL */
	int64_t image_size;
	char *boot; /* NULL: on disk */
};

struct index {
	json *doc; /* the file as it was; NULL if there was none */
	json **foreign; /* entries of others, parts of doc */
	struct index_entry *v;
	size_t n, cap, n_foreign, foreign_cap;
};

/* Absent or empty is an index without entries.  Errors: malformed. */
struct err *index_load(struct store *st, struct index *ret) MUST_CHECK;
void index_done(struct index *ix);
#define _cleanup_index_ _cleanup_(index_done)
struct err *index_save(struct store *st, const struct index *ix) MUST_CHECK;

/* The entry named REF, or NULL. */
struct index_entry *index_find(struct index *ix, const char *ref);
/* Give REF to the manifest of E (copied).  Who had the name before stays as a dangling image, unless it has others. */
void index_set(struct index *ix, const char *ref, const struct index_entry *e);
/* The same for a dangling image: no name is taken from anybody.  An entry that is there already is left. */
void index_set_dangling(struct index *ix, const struct index_entry *e);
/* Take entry I out, or, if KEEP and no other entry has its manifest, only its name. */
void index_drop(struct index *ix, size_t i, bool keep);

#endif
