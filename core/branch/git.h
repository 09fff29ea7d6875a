/* core/branch/git.h -- what a git work tree says of itself, read from its files: which branch is checked out, which
 * branches there are, which one a branch was cut from.  git is not run, unless the repository keeps its
 * references in a form other than files (extensions.refStorage).
 * Sources: gitrepository-layout(5), git-worktree(1) "DETAILS", git-check-ref-format(1), the reflog's messages as
 * `git switch`, `git checkout` and `git branch` write them.
 *
 * A repository is input from elsewhere: every file is bounded, every name is checked before it is used. */
#ifndef CORE_BRANCH_GIT_H
#define CORE_BRANCH_GIT_H

#include "core/base/str.h"

enum { GIT_NAME_MAX = 250, GIT_COMMIT_MAX = 64 };

struct git_repo {
	char *work_tree; /* where its files are checked out, absolute */
	char *dir; /* of this work tree: HEAD is in it */
	char *common; /* shared by all work trees: the repository's identity.  The same as DIR without worktrees */
};
/* The work tree that START (absolute) is in.  Errors: ENOENT, "not in a git work tree". */
struct err *git_find(const char *start, struct git_repo *ret) MUST_CHECK;
/* The repository behind a recorded git directory (the DIR of another struct); WORK_TREE is NULL. */
struct err *git_open_dir(const char *dir, struct git_repo *ret) MUST_CHECK;
void git_repo_done(struct git_repo *r);
#define _cleanup_git_ _cleanup_(git_repo_done)

struct git_head {
	char *branch; /* "feature/x": the branch, also while it is being rebased or bisected; NULL: detached */
	char commit[GIT_COMMIT_MAX + 1]; /* detached: the commit, in hex; else "" */
	char *from; /* detached: the branch that was left for it, as the reflog has it, or NULL */
};
struct err *git_head(const struct git_repo *r, struct git_head *ret) MUST_CHECK;
void git_head_done(struct git_head *h);
#define _cleanup_git_head_ _cleanup_(git_head_done)

/* Append all local branches, sorted.  A branch without a commit yet (a new repository's) is one too. */
struct err *git_branches(const struct git_repo *r, struct strv *ret) MUST_CHECK;
/* Append the names BRANCH was probably cut from, best guess first: what the reflogs say, then the default branch,
 * then main and master.  BRANCH itself is never among them; what no longer exists may be. */
void git_parents(const struct git_repo *r, const char *branch, struct strv *ret);

/* The name BRANCH had before it was renamed, as its reflog tells, or NULL. */
char *git_renamed_from(const struct git_repo *r, const char *branch);

/* --- pure --- */

/* May NAME be a branch, by git's rules and our length? */
bool git_name_ok(const char *name);
/* HEAD, or any symbolic reference: *RET_REF is "refs/heads/x" (the caller's) or NULL, then COMMIT is filled. */
struct err *git_parse_head(const char *text, size_t len, char **ret_ref,
			   char commit[GIT_COMMIT_MAX + 1]) MUST_CHECK;
/* A .git file: the path behind "gitdir: ". */
struct err *git_parse_file(const char *text, size_t len, char **ret_path) MUST_CHECK;
/* Append the branches of a packed-refs file; lines that are something else are passed over. */
void git_parse_packed(const char *text, size_t len, struct strv *ret);
/* The branch's own reflog: what its first line says it was "Created from", or NULL. */
char *git_log_origin(const char *text, size_t len);
/* The same: the name it had before its last `git branch -m`, or NULL. */
char *git_log_renamed(const char *text, size_t len);
/* HEAD's reflog: the branch that was left when TO (a branch, or the first digits of a commit) was first moved to, or,
 * with LAST, when it was moved to last; NULL if it is not told. */
char *git_log_moved(const char *text, size_t len, const char *to, bool last);

#endif
