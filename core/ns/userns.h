/* core/ns/userns.h -- who we are inside: the user namespace mapping, and running code as its root.
 * Every change of owner or identity that devbox makes goes through this module.
 *
 * With subordinate ids (subuid(5)): 0 -> the user, 1... -> the ranges, written by newuidmap and newgidmap.
 * As the host's root: 0... -> root's ranges in /etc/subuid, or 100000..165535 (DEFAULT_ROOT_BASE) if there are none;
 * never the host's uid 0.  Otherwise ("single"): only the user's own id is mapped, to 0.
 * Source: user_namespaces(7); NSS is not asked, /etc/subuid and /etc/passwd are read directly. */
#ifndef CORE_NS_USERNS_H
#define CORE_NS_USERNS_H

#include <stdint.h>
#include <sys/types.h>

#include "core/base/str.h"

enum { USERNS_RANGES_MAX = 10 };
struct id_range {
	uint32_t inside, outside, count;
};
struct userns_ids {
	bool single; /* only the own id is mapped: no chown, no setuid to others */
	bool direct; /* we may write the maps ourselves (root), no helper needed */
	size_t n_uid, n_gid;
	struct id_range uid[USERNS_RANGES_MAX], gid[USERNS_RANGES_MAX];
	uid_t root_uid; /* host ids behind the inner root: owner of everything in the store */
	gid_t root_gid;
	char *why_single; /* one phrase for the user when single, else NULL */
};

/* Decide the mapping for the calling user.  Never fails: without subordinate ids the result is "single". */
void userns_ids_load(struct userns_ids *ret);
void userns_ids_done(struct userns_ids *ids);
/* The same ids outside, laid out so that the caller's own ids are UID and GID inside (--userns keep-id): the
 * subordinate ones are counted from 0 around them.  Pure; FROM must be neither single nor direct, RET is not to be
 * ended. */
void userns_ids_keep(const struct userns_ids *from, uint32_t uid, uint32_t gid, struct userns_ids *ret);
/* Name of the caller in /etc/passwd, else $USER, else NULL.  The caller frees it. */
char *userns_own_name(void);
/* Is the inner id ID mapped? */
bool userns_has_uid(const struct userns_ids *ids, uint32_t id);
bool userns_has_gid(const struct userns_ids *ids, uint32_t id);

/* Write the maps of PID, a child that has its own user namespace and waits.  Runs newuidmap and newgidmap side by
 * side where needed.  Errors name the helper and what to do. */
struct err *userns_map(pid_t pid, const struct userns_ids *ids) MUST_CHECK;

/* The same for a child whose namespace lies in one with the map OUTER, which the caller has entered. */
struct err *userns_map_nested(pid_t pid, const struct userns_ids *ids, const struct userns_ids *outer)
	MUST_CHECK;

/* In a process that has just got its maps: drop supplementary groups (not possible when SINGLE) and become uid and
 * gid 0 of the namespace. */
struct err *userns_become_root(bool single) MUST_CHECK;

/* Fork; in the child enter a fresh user namespace with the mapping, become its root, call FN(ARG, result); give its
 * error and the bytes it put into RESULT (at most 64 KiB) back in the parent.  The child keeps all
 * descriptors and the
 * host's other namespaces; it is killed if the parent dies.  Descriptors to directories must be opened before: as the
 * host's root, the child cannot walk through root's private directories. */
struct err *userns_call(const struct userns_ids *ids, struct err *(*fn)(void *arg, struct str *result),
			void *arg, struct str *ret_result) MUST_CHECK;

/* The same; the child calls BEFORE(ARG) when it has all capabilities in the new namespace but is still the caller's
 * user: the moment to unshare mounts and open what only he may reach. */
struct err *userns_call_from(const struct userns_ids *ids, struct err *(*before)(void *arg),
			     struct err *(*fn)(void *arg, struct str *result), void *arg,
			     struct str *ret_result) MUST_CHECK;
/* The same in two halves: the child works while the caller does something else.  userns_end() waits for it. */
struct userns_child {
	pid_t pid; /* 0: none */
	int sock;
};
struct err *userns_start(const struct userns_ids *ids, struct err *(*before)(void *arg),
			 struct err *(*fn)(void *arg, struct str *result), void *arg,
			 struct userns_child *ret) MUST_CHECK;
struct err *userns_end(struct userns_child *c, struct str *ret_result) MUST_CHECK;
/* The same in a container that runs: FN is called as its root, in its user and mount namespaces, with its root
 * directory as "/", but in the host's pid namespace: nothing in the container sees the child, and its /proc has no
 * "self". */
struct err *userns_call_in(int pidfd, bool single, struct err *(*fn)(void *arg, struct str *result),
			   void *arg, struct str *ret_result) MUST_CHECK;

/* userns_call_from() in the user namespace USERNS, whose maps are written, in place of a fresh one. */
struct err *userns_call_at(int userns, bool single, struct err *(*before)(void *arg),
			   struct err *(*fn)(void *arg, struct str *result), void *arg,
			   struct str *ret_result) MUST_CHECK;
/* In a process that has entered a user namespace and is still the caller: is the mapping IDS? */
struct err *userns_check_shared(const struct userns_ids *ids) MUST_CHECK;
/* The container's user namespace, of which PIDFD is a process, also where /proc would not say. */
struct err *userns_of(int pidfd, bool single, int *ret_userns) MUST_CHECK;
/* Enter the container's user namespace and those of PIDFD that KINDS names.  *RET_NESTED (may be NULL) is the one that
 * userns_nest() made for the process behind PIDFD, -1 if it is root or more than one id is mapped. */
struct err *userns_enter(int pidfd, int kinds, bool single, int *ret_nested) MUST_CHECK;

/* With one mapped id ("single") there is only root.  Who wants to be another user gets a user namespace of his own
 * below the container's, in which the one id has his number: to him all that root made is his, as much as what he
 * makes is root's.  He has no capability outside of it, which is what tells a user from root.
 *
 * userns_nest(): this process, root of the container's namespace and with a single thread, becomes UID:GID that way,
 * with all capabilities in the new namespace. */
struct err *userns_nest(uid_t uid, gid_t gid) MUST_CHECK;

/* What the first id mapped in the namespace of the process or thread PID is called in there, by MAP, "uid_map" or
 * "gid_map".  False: it has gone, or has no map yet. */
bool userns_first_id(pid_t pid, const char *map, unsigned *ret);

/* Are unprivileged user namespaces allowed here?  Errors say what forbids them and the mend. */
struct err *userns_check(void) MUST_CHECK;

#endif
