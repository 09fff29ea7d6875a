/* core/cow/tree.h -- a thin tree and the sealed trees below it; taking over the entries of a directory.
 *
 * Invariants (T is a tree, "below" a tree of smaller depth):
 *	the trees below the top are never written
 *	a link of T leads to a directory that was read (or never had to be), or to a file with blocks of its own or
 *	without anything below: following one link is enough to find the names, LINK_BELOW of that file leads on
 *	a directory with LINK_UNREAD has no entries; if it has, a crash left them and they are thrown away
 * An entry is taken over with owner, mode, times, attributes and number (but for symbolic links, which carry none); a
 * hard link stays one, within the tree, through the directory links/ beside it.  If one name of a file was taken over
 * by a tree in between and changed there, its other names are still those of an older tree: links/ of the trees in
 * between is asked first.  Devices are left out: nobody in a
 * user namespace can have made them. */
#ifndef CORE_COW_TREE_H
#define CORE_COW_TREE_H

#include <sys/stat.h>

#include "core/base/err.h"
#include "core/cow/link.h"

enum { COW_TREES_MAX = 64 };

struct cow_tree {
	int root; /* data/ */
	int links; /* links/ beside it, or -1 */
	unsigned depth;
	bool thin;
};
struct cow_chain {
	struct cow_tree v[COW_TREES_MAX]; /* the top first */
	size_t n;
};

/* DIR has data/.  A thin tree that is WRITABLE gets its links/. */
struct err *cow_tree_open(struct cow_tree *t, int dir, unsigned depth, bool thin, bool writable)
	MUST_CHECK;
void cow_tree_done(struct cow_tree *t);
void cow_chain_done(struct cow_chain *c);
/* Open what L leads to, never through a symbolic link. */
struct err *cow_open_below(const struct cow_chain *c, const struct cow_link *l, int flags,
			   int *ret_fd) MUST_CHECK;

/* The link of the file or directory NAME in DIR (of FD itself if NAME is NULL).  *RET_HAS: there is one.
 * Errors: one that is damaged, EUCLEAN; one that was copied here by others, ESTALE. */
struct err *cow_link_read(int dir, const char *name, const struct stat *st, struct cow_link *ret,
			  bool *ret_has) MUST_CHECK;
struct err *cow_link_write(int fd, const struct cow_link *l) MUST_CHECK;

/* The root of a top that was never mounted becomes a link to the root below. */
struct err *cow_root_init(const struct cow_chain *c) MUST_CHECK;
/* Take over the entries of DIR, a directory of the top with LINK_UNREAD; L is changed and written. */
struct err *cow_expand(const struct cow_chain *c, int dir, struct cow_link *l) MUST_CHECK;
/* The number shown for an inode of T with (or, L NULL, without) a link. */
uint64_t cow_number(const struct cow_tree *t, uint64_t inode, const struct cow_link *l);

#endif
