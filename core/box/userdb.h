/* core/box/userdb.h -- user and group names of an image, looked up in its own /etc/passwd and /etc/group (never the
 * host's, no NSS), as Docker reads them:
 *	""           the entry of uid 0, or plain root without one
 *	mysql        by name; its own group and every group that lists it
 *	999          always an id, even if some user is called so; need not exist (then gid 0)
 *	mysql:adm    this group alone, by name or number
 * The parsing half is pure and takes hostile text: lines that are not an entry are skipped.
 * Sources: passwd(5), group(5); runc's libcontainer/user for the rules and words. */
#ifndef CORE_BOX_USERDB_H
#define CORE_BOX_USERDB_H

#include <sys/types.h>

#include "core/base/str.h"

struct user {
	uid_t uid;
	gid_t gid;
	gid_t *groups; /* for setgroups(2): the primary group first, then those of /etc/group naming the user */
	size_t n_groups;
	char *home; /* "/" if unknown */
	char *name; /* NULL if the id has no entry */
};
/* ROOT: directory of the container's root, or -1 for "/" when already inside.
 * Errors: "unable to find user X: no matching entries in passwd file" (likewise group), id out of range. */
struct err *user_lookup(int root, const char *text, struct user *ret) MUST_CHECK;
/* The same on texts (NULL: file absent). */
struct err *user_resolve(const char *passwd, const char *group, const char *text, struct user *ret)
	MUST_CHECK;
void user_done(struct user *u);

#endif
