#include "core/branch/git.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/fd.h"
#include "tests/lib/tap.h"

#define A40 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B40 "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define Z40 "0000000000000000000000000000000000000000"
#define WHO " A U Thor <a@example.org> 1700000000 +0000\t"

static void test_names(void)
{
	static const char *const good[] = { "main", "feature/x", "a.b", "v1.0-rc",
					    "ünï",  "@a",	 "a@b" },
				 *const bad[] = { "",	    "-x",	"a b",	"a..b", ".a",
						  "a/.b",   "a//b",	"/a",	"a/",	"a.",
						  "a.lock", "a.lock/b", "a~1",	"a^",	"a:b",
						  "a?",	    "a*",	"a[",	"a\\b", "a@{1}",
						  "@",	    "HEAD",	"a\tb", "a\x7f" };

	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		ok(git_name_ok(good[i]), "'%s' may be a branch", good[i]);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		ok(!git_name_ok(bad[i]), "'%s' may not", bad[i]);
}

static void test_head(void)
{
	static const struct {
		const char *text, *ref, *commit, *err;
	} cases[] = {
		{ "ref: refs/heads/main\n", "refs/heads/main", "", NULL },
		{ "ref: refs/heads/feature/x", "refs/heads/feature/x", "", NULL },
		{ "ref:refs/heads/main\r\n", "refs/heads/main", "", NULL },
		{ A40 "\n", NULL, A40, NULL },
		{ "ref: refs/heads/.invalid\n", NULL, "", "its references are not kept in files*" },
		{ "ref: refs/heads/../../etc\n", NULL, "", "HEAD is neither a branch nor a commit" },
		{ "ref: /etc/passwd\n", NULL, "", "HEAD is neither*" },
		{ "ref: \n", NULL, "", "HEAD is neither*" },
		{ "", NULL, "", "HEAD is neither*" },
		{ "AAAAaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", NULL, "", "HEAD is neither*" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		_cleanup_free_ char *ref = NULL;
		char commit[GIT_COMMIT_MAX + 1];

		is_err(git_parse_head(cases[i].text, strlen(cases[i].text), &ref, commit),
		       cases[i].err, "HEAD %zu", i);
		is_str(ref, cases[i].ref, "  its reference");
		is_str(commit, cases[i].commit, "  its commit");
	}
}

static void test_files(void)
{
	static const char packed[] =
		"# pack-refs with: peeled fully-peeled sorted \n" A40 " refs/heads/main\n" B40
		" refs/heads/a/b\n^" A40 "\n" A40 " refs/tags/v1\n" A40
		" refs/heads/..\nxx refs/heads/y\n" B40 " refs/heads/last";
	_cleanup_strv_ struct strv l = { 0 };
	_cleanup_free_ char *path = NULL, *none = NULL;

	git_parse_packed(packed, sizeof(packed) - 1, &l);
	is_int(l.n, 3, "three branches are packed");
	is_str(l.v[0], "main", "the first");
	is_str(l.v[1], "a/b", "one with a slash");
	is_str(l.v[2], "last", "one without a newline");
	is_err(git_parse_file("gitdir: ../.git/worktrees/x\n", 28, &path), NULL, "a .git file");
	is_str(path, "../.git/worktrees/x", "names its directory");
	is_err(git_parse_file("gitdir: \n", 9, &none), "it names no git directory", "an empty one");
	is_err(git_parse_file("gitdir: a\0b\n", 12, &none), "it names no git directory",
	       "one with a zero byte");
	is_err(git_parse_file("hello\n", 6, &none), "it names no git directory", "something else");
}

static void test_logs(void)
{
	static const char branch[] =
		Z40 " " A40 WHO "branch: Created from main\n" A40 " " B40 WHO "commit: x\n",
			  renamed[] = Z40 " " A40 WHO "branch: Created from HEAD\n" A40 " " A40 WHO
					  "Branch: renamed refs/heads/old to refs/heads/new\n",
			  head[] = Z40 " " A40 WHO "commit (initial): one\n" A40 " " A40 WHO
				       "checkout: moving from main to feature\n" A40 " " A40 WHO
				       "checkout: moving from feature to main\n" A40 " " A40 WHO
				       "checkout: moving from other to feature\n" A40 " " B40 WHO
				       "checkout: moving from feature to " B40 "\n";
	static const struct {
		const char *to;
		bool last;
		const char *from;
	} moves[] = {
		{ "feature", false, "main" }, { "feature", true, "other" },
		{ "main", false, "feature" }, { "featur", false, NULL },
		{ B40, true, "feature" },     { "nowhere", false, NULL },
	};
	char *got;

	got = git_log_origin(branch, sizeof(branch) - 1);
	is_str(got, "main", "what a branch was created from");
	free(got);
	got = git_log_origin(head, sizeof(head) - 1);
	is_str(got, NULL, "nothing, if the log begins with something else");
	free(got);
	got = git_log_renamed(renamed, sizeof(renamed) - 1);
	is_str(got, "old", "its name before");
	free(got);
	for (size_t i = 0; i < ARRAY_LEN(moves); i++) {
		got = git_log_moved(head, sizeof(head) - 1, moves[i].to, moves[i].last);
		is_str(got, moves[i].from, "left for %s", moves[i].to);
		free(got);
	}
}

/* --- a repository made of files --- */

static void put(const char *root, const char *name, const char *text)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", root, name);
	_cleanup_close_ int fd = -1;

	for (char *p = strchr(path + strlen(root) + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		mkdir(path, 0755);
		*p = '/';
	}
	err_free(fd_open(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, 0644, &fd));
	if (fd >= 0)
		err_free(fd_write_all(fd, name, text, strlen(text)));
}

static void is_head(const char *dir, const char *branch, const char *from, const char *what)
{
	_cleanup_git_ struct git_repo r = { 0 };
	_cleanup_git_head_ struct git_head h = { 0 };

	is_err(git_find(dir, &r), NULL, "%s: found", what);
	is_err(git_head(&r, &h), NULL, "%s: HEAD", what);
	is_str(h.branch, branch, "  the branch");
	is_str(h.from, from, "  what was left");
}

static void test_repo(void)
{
	char top[] = "/tmp/test_git.XXXXXX";
	_cleanup_git_ struct git_repo r = { 0 };
	_cleanup_strv_ struct strv l = { 0 }, parents = { 0 };
	_cleanup_free_ char *w = NULL, *deep = NULL, *sub = NULL;

	if (!mkdtemp(top))
		return;
	put(top, "r/.git/HEAD", "ref: refs/heads/main\n");
	put(top, "r/.git/objects/x", "");
	put(top, "r/.git/refs/heads/main", A40 "\n");
	put(top, "r/.git/refs/heads/feature/x", A40 "\n");
	put(top, "r/.git/packed-refs", A40 " refs/heads/old\n");
	put(top, "r/.git/logs/refs/heads/main", Z40 " " A40 WHO "commit (initial): one\n");
	put(top, "r/.git/logs/refs/heads/feature/x", Z40 " " A40 WHO "branch: Created from HEAD\n");
	put(top, "r/.git/logs/HEAD", A40 " " A40 WHO "checkout: moving from old to feature/x\n");
	put(top, "r/a/b/c", "");
	put(top, "r/.git/worktrees/w/HEAD", "ref: refs/heads/feature/x\n");
	put(top, "r/.git/worktrees/w/commondir", "../..\n");
	put(top, "w/.git", "gitdir: ../r/.git/worktrees/w\n");
	deep = xasprintf("%s/r/a/b", top);
	w = xasprintf("%s/w", top);
	is_head(deep, "main", NULL, "from below");
	is_head(w, "feature/x", NULL, "a linked work tree");
	is_err(git_find(top, &r), "* is not in a git work tree*", "outside");
	is_err(git_find(w, &r), NULL, "the work tree's repository");
	ok(str_ends(r.common, "/r/.git"), "is that of all");
	is_err(git_branches(&r, &l), NULL, "branches");
	is_int(l.n, 3, "are three");
	is_str(l.v[0], "feature/x", "a loose one");
	is_str(l.v[2], "old", "a packed one");
	git_parents(&r, "feature/x", &parents);
	is_str(parents.v[0], "old", "what HEAD was moved from comes first");
	is_str(parents.v[1], "main", "then who has been at the same commit");

	put(top, "r/.git/HEAD", A40 "\n");
	put(top, "r/.git/logs/HEAD", A40 " " A40 WHO "checkout: moving from main to " A40 "\n");
	is_head(deep, NULL, "main", "detached");
	put(top, "r/.git/rebase-merge/head-name", "refs/heads/feature/x\n");
	is_head(deep, "feature/x", NULL, "while it is rebased");

	put(top, "bad/.git", "gitdir: /nonexistent\n");
	sub = xasprintf("%s/bad", top);
	is_err(git_find(sub, &r), "*is not in a git work tree*",
	       "a .git file that leads nowhere is no work tree");
	err_free(fd_rm_tree(AT_FDCWD, top));
}

int main(void)
{
	test_names();
	test_head();
	test_files();
	test_logs();
	test_repo();
	return done_testing();
}
