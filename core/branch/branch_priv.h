/* core/branch/branch_priv.h -- what the parts of core/branch/branch.h share: branch.c (making, bringing up) and
 * remove.c (resetting, taking away).  Nobody else includes it. */
#ifndef CORE_BRANCH_BRANCH_PRIV_H
#define CORE_BRANCH_BRANCH_PRIV_H

#include "core/branch/branch.h"

#define SNAP_INITIAL "initial" /* the snapshot of what a new database was set up to */

/* The container of F; *RET is NULL if it is gone. */
struct err *branch_find_box(struct store *st, const struct fork *f, struct box **ret) MUST_CHECK;
/* A container for F, whose volumes do not exist: a new database, from the init cache if that has it. */
struct err *branch_make_empty(struct store *st, const struct dbproject *p, struct dbservice *s,
			      struct fork *f) MUST_CHECK;
/* Append the names that the volumes of a new fork for B get. */
void branch_volume_names(const struct dbproject *p, const struct dbservice *s,
			 const struct branch *b, struct strv *ret);
/* BRANCH was renamed with git: its data goes with it.  The record is the caller's to save. */
void branch_follow_rename(struct dbproject *p, const struct git_repo *repo, const char *branch);
/* WHAT: "removed". */
struct err *branch_refuse_protected(const struct dbproject *p, const char *branch, const char *what)
	MUST_CHECK;
struct err *branch_find_repo(const struct dbproject *p, struct git_repo *ret) MUST_CHECK;

#endif
