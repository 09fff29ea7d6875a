/* core/store/names.h -- finding containers by name, id or prefix; claiming names. */
#ifndef CORE_STORE_NAMES_H
#define CORE_STORE_NAMES_H

#include "core/store/dirs.h"

enum { ID_LEN = 64, ID_SHORT = 12 };

/* A fresh container id: 64 random hex digits (never all decimal in the first 12, so that it cannot
 * be read as a number). */
void id_make(char ret[ID_LEN + 1]);
/* Docker's rule: [a-zA-Z0-9][a-zA-Z0-9_.-]*, two characters at least.  Errors as Docker words them. */
struct err *name_check(const char *name) MUST_CHECK;
/* "quiet_otter": adjective and animal. */
char *name_make(void);
/* Claim NAME for ID, whose it may be already.  The store's lock must be held.
 * Errors: EEXIST, "The container name "/x" is already in use by container "<id>"..." */
struct err *name_claim(struct store *st, const char *name, const char *id) MUST_CHECK;
/* Give it up, if it is ID's. */
void name_release(struct store *st, const char *name, const char *id);
/* Full id for TEXT: full id, name, or unique prefix of an id (in this order).  Errors: ENOENT "No such container: X";
 * "multiple containers start with X". */
struct err *name_find(struct store *st, const char *text, char ret[ID_LEN + 1]) MUST_CHECK;

#endif
