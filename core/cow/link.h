/* core/cow/link.h -- where an inherited file or directory of a thin tree has its content from: one extended attribute.
 * Pure, no I/O.
 *
 * A thin tree is a directory of ordinary files.  What was made in it is complete and has no link.  What came from below
 * has one:
 *	a file       is sparse.  Its blocks that are allocated are its own; the others, up to LIMIT, are those of
 *	             the file PATH in the tree of depth DEPTH; beyond LIMIT the file is all its own
 *	a directory  LINK_UNREAD: it is still empty, its entries are those of PATH in the tree of depth DEPTH
 * The kernel's file system is the block map: an extent is there or not, whatever crashes (ext4 allocates under its
 * journal and marks a block as written after its data is).  So there is no map of our own to keep in step.
 *
 * Layout, little endian: version, flags, depth (2 bytes), limit in blocks (4), number (8), own inode (8), path. */
#ifndef CORE_COW_LINK_H
#define CORE_COW_LINK_H

#include <limits.h>
#include <stdint.h>

#include "core/base/str.h"

#define LINK_XATTR "user.devbox"
enum {
	COW_BLOCK = 4096,
	LINK_HEAD = 24,
	LINK_PATH_MAX = PATH_MAX - 1,
	LINK_MAX = LINK_HEAD + LINK_PATH_MAX
};
enum link_flags {
	LINK_UNREAD = 1, /* a directory whose entries were not taken over yet */
	LINK_BELOW = 2, /* a file with content below: DEPTH, LIMIT and PATH count */
	LINK_HARD = 4, /* a file with several names: links/<number> is one more */
	LINK_NAMED = 8, /* PATH is a name in links/ of that tree, not in its data/ */
	LINK_FLAGS_MAX = 16,
};

struct cow_link {
	uint8_t flags;
	uint16_t depth;
	uint32_t limit; /* in blocks */
	uint64_t number; /* the inode number that is shown: stays the same in all forks */
	uint64_t self; /* the inode that carries this: a copy made by others has lost its holes */
	char *path; /* relative to the tree's root, "" for the root; never NULL */
};
/* LEN bytes into BUF (LINK_MAX). */
size_t link_pack(const struct cow_link *l, uint8_t *buf);
/* False: this is none, or has a path that leads out of a tree.  The caller ends *ret with link_done(). */
bool link_unpack(const void *data, size_t len, struct cow_link *ret);
void link_done(struct cow_link *l);

/* Blocks that BYTES touch. */
static inline uint64_t cow_blocks(uint64_t bytes)
{
	return bytes / COW_BLOCK + (bytes % COW_BLOCK != 0);
}

/* "a/b": relative, no empty part, no "." or "..".  "" is one, too. */
bool link_path_ok(const char *path, size_t len);
/* The number of an inode that has no link, in a tree of depth DEPTH. */
static inline uint64_t link_number(unsigned depth, uint64_t inode)
{
	return (uint64_t)depth << 40 ^ inode;
}

#endif
