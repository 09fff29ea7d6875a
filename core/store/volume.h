/* core/store/volume.h -- named directories of data that outlive containers: volumes/<name>/{volume.json,data/}. */
#ifndef CORE_STORE_VOLUME_H
#define CORE_STORE_VOLUME_H

#include "core/store/dirs.h"

/* Docker's rule for volume names.  Errors: "volume name X is invalid..." */
struct err *volume_check_name(const char *name) MUST_CHECK;
/* Make it unless it exists; *ret_created tells.  ANONYMOUS is recorded. */
struct err *volume_ensure(struct store *st, const char *name, bool anonymous, bool *ret_created)
	MUST_CHECK;
/* The same with labels ("k=v"; a bare "k" has an empty value), or NULL. */
struct err *volume_create(struct store *st, const char *name, bool anonymous,
			  const struct strv *labels, bool *ret_created) MUST_CHECK;
/* Its labels as "k=v", sorted by nothing; an anonymous one has Docker's "com.docker.volume.anonymous=".  None if the
 * record cannot be read. */
void volume_labels(struct store *st, const char *name, struct strv *ret);
/* The record of a volume in its directory DIR.  LABELS may be NULL. */
struct err *volume_write_record(int dir, const char *name, bool anonymous, const struct strv *labels)
	MUST_CHECK;
/* 64 random hex digits, as Docker names anonymous volumes. */
char *volume_make_name(void);
/* Remove with its data; absent is success. */
struct err *volume_remove(struct store *st, const char *name) MUST_CHECK;
/* All names; the caller ends *ret. */
struct err *volume_list(struct store *st, struct strv *ret) MUST_CHECK;
bool volume_is_anonymous(struct store *st, const char *name);

#endif
