/* core/cow/fs_priv.h -- nodes; between fsnode.c, fs.c, attr.c and seal.c.
 *
 * Locks, in this order:
 *	gate    shared by every call, exclusive while the tree is sealed
 *	names   the table of nodes and everything in a node, but what a file does for itself (file.h); also held
 *	        while names change on the disk, so that table and disk agree
 * A node is found by its number, and by its inode in the top tree.  It has the place where it was last seen, PARENT and
 * NAME; without a name it is DEAD (nothing can lead to it any more), or only seen through other names, and FD is open.
 * Directories have FD open always. */
#ifndef CORE_COW_FS_PRIV_H
#define CORE_COW_FS_PRIV_H

#include "core/cow/fs.h"

enum { BUCKETS = 1024, IDLE_MAX = 256 };

struct fs_node {
	uint64_t id, lookups;
	unsigned children, opens;
	struct fs_node *parent;
	char *name;
	ino_t inode; /* in the top tree */
	mode_t type;
	uint64_t number; /* shown */
	int fd;
	struct cow_link link; /* of a directory */
	bool has_link, hard, below, dead;
	struct cow_file *file; /* while open, and a while after */
	struct fs_node *idle_next, *idle_prev; /* in the list of files that are kept open */
	bool idle;
	struct fs_node *next_id, *next_inode;
	/* while sealing */
	int new_fd;
	struct cow_link new_link;
	ino_t new_inode;
	bool seated, new_has_link;
};

struct cow_fs {
	struct cow_chain chain;
	pthread_rwlock_t gate;
	pthread_mutex_t names;
	uint64_t last_id, seals;
	struct fs_node *by_id[BUCKETS], *by_inode[BUCKETS];
	struct fs_node *root;
	struct fs_node *idle_first, *idle_last; /* the longest idle first */
	unsigned n_idle;
};

void fs_enter(struct cow_fs *fs); /* gate and names */
void fs_leave(struct cow_fs *fs);

/* All with both locks held. */
struct fs_node *fsnode_get(struct cow_fs *fs, uint64_t id);
struct fs_node *fsnode_by_inode(struct cow_fs *fs, ino_t inode);
/* A directory whose entries are there.  Negative errno in *RET_RC if NULL. */
struct fs_node *fsnode_dir(struct cow_fs *fs, uint64_t id, int *ret_rc);
int fsnode_read_dir(struct cow_fs *fs, struct fs_node *n);
/* The node of NAME in DIR, one more lookup; *ret_st as shown. */
int fsnode_find(struct cow_fs *fs, struct fs_node *dir, const char *name, struct fs_node **ret,
		struct stat *ret_st);
void fsnode_place(struct cow_fs *fs, struct fs_node *n, struct fs_node *parent, const char *name);
int fsnode_stat(struct cow_fs *fs, struct fs_node *n, struct stat *ret);
/* Its path for calls that take none but paths: /proc/self/fd/... */
void fsnode_path(const struct fs_node *n, char buf[NAME_MAX + 32]);
/* NAME in DIR is about to go: keep what is needed to find N. */
int fsnode_keep(struct fs_node *n, struct fs_node *dir, const char *name);
/* It went.  NLINK: as it was before. */
void fsnode_gone(struct cow_fs *fs, struct fs_node *n, struct fs_node *dir, const char *name,
		 nlink_t nlink);
void fsnode_put(struct cow_fs *fs, struct fs_node *n, uint64_t lookups);
int fsnode_open_file(struct cow_fs *fs, struct fs_node *n);
void fsnode_close_file(struct cow_fs *fs, struct fs_node *n);
void fsnode_rehash(struct cow_fs *fs); /* inodes have changed */

#endif
