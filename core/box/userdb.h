/* core/box/userdb.h -- user and group names of an image, looked up in its own /etc/passwd and /etc/group (never the host's, no NSS).
 * "": root; "mysql"; "mysql:adm"; "999"; "999:999"; as Docker reads them.  The parsing half is pure and takes hostile text. */
#ifndef CORE_BOX_USERDB_H
#define CORE_BOX_USERDB_H

#include <sys/types.h>

#include "core/base/str.h"

struct user {
	uid_t uid;
	gid_t gid;
	gid_t *groups; /* supplementary, including those of /etc/group naming the user */
	size_t n_groups;
	char *home; /* "/" if unknown */
	char *name; /* NULL if the id has no entry */
};
/* ROOT: directory of the container's root, or -1 for "/" when already inside.  Errors: "unable to find user X: no matching entries in passwd file". */
struct err *user_lookup(int root, const char *text, struct user *ret) MUST_CHECK;
/* The same on texts (NULL: file absent). */
struct err *user_resolve(const char *passwd, const char *group, const char *text, struct user *ret) MUST_CHECK;
void user_done(struct user *u);

#endif
