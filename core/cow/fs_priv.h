/* core/cow/fs_priv.h -- nodes; between node.c, fs.c, attr.c and seal.c.
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

struct node {
	uint64_t id, lookups;
	unsigned children, opens;
	struct node *parent;
	char *name;
	ino_t inode; /* in the top tree */
	mode_t type;
	uint64_t number; /* shown */
	int fd;
	struct cow_link link; /* of a directory */
	bool has_link, hard, below, dead;
	struct cow_file *file; /* while open, and a while after */
	struct node *idle_next, *idle_prev; /* in the list of files that are kept open */
	bool idle;
	struct node *next_id, *next_inode;
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
	struct node *by_id[BUCKETS], *by_inode[BUCKETS];
	struct node *root;
	struct node *idle_first, *idle_last; /* the longest idle first */
	unsigned n_idle;
};

void fs_enter(struct cow_fs *fs); /* gate and names */
void fs_leave(struct cow_fs *fs);
int fs_errno(struct err *e); /* takes E; negative */

/* All with both locks held. */
struct node *node_get(struct cow_fs *fs, uint64_t id);
struct node *node_by_inode(struct cow_fs *fs, ino_t inode);
/* A directory whose entries are there.  Negative errno in *RET_RC if NULL. */
struct node *node_dir(struct cow_fs *fs, uint64_t id, int *ret_rc);
int node_read_dir(struct cow_fs *fs, struct node *n);
/* The node of NAME in DIR, one more lookup; *ret_st as shown. */
int node_find(struct cow_fs *fs, struct node *dir, const char *name, struct node **ret, struct stat *ret_st);
void node_place(struct cow_fs *fs, struct node *n, struct node *parent, const char *name);
int node_stat(struct cow_fs *fs, struct node *n, struct stat *ret);
/* Its path for calls that take none but paths: /proc/self/fd/... */
void node_path(const struct node *n, char buf[NAME_MAX + 32]);
/* NAME in DIR is about to go: keep what is needed to find N. */
int node_keep(struct node *n, struct node *dir, const char *name);
/* It went.  NLINK: as it was before. */
void node_gone(struct cow_fs *fs, struct node *n, struct node *dir, const char *name, nlink_t nlink);
void node_put(struct cow_fs *fs, struct node *n, uint64_t lookups);
int node_open_file(struct cow_fs *fs, struct node *n);
void node_close_file(struct cow_fs *fs, struct node *n);
void node_rehash(struct cow_fs *fs); /* inodes have changed */

#endif
