/* cmd/dbhook.c -- devbox db hook install|remove: a post-checkout hook for those who want one */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/db.h"
#include "core/base/fd.h"

#define HOOK_BEGIN "# >>> devbox >>>\n"
#define HOOK_END "# <<< devbox <<<\n"
/* $3 is 1 when a branch was checked out, 0 for files. */
static const char hook_lines[] = HOOK_BEGIN
	"[ \"$3\" != 1 ] || ! command -v devbox >/dev/null || devbox db up -q || true\n" HOOK_END;

enum { HOOK_MAX = 1 << 20 };

static struct err *write_hook(const struct git_repo *repo, bool install)
{
	_cleanup_free_ char *path = xasprintf("%s/hooks", repo->common), *text = NULL;
	_cleanup_str_ struct str out = { 0 };
	_cleanup_close_ int dir = -1;
	char *begin, *end;
	struct err *e;

	if (mkdir(path, 0777) < 0 && errno != EEXIST)
		return err_new(errno, "making %s", path);
	e = fd_open(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0, &dir);
	if (e)
		return e;
	e = fd_read_file(dir, "post-checkout", HOOK_MAX, &text, NULL);
	if (err_is(e, ENOENT)) {
		err_free(e);
		e = NULL;
		text = xstrdup("");
	}
	if (e)
		return e;
	begin = strstr(text, HOOK_BEGIN);
	end = begin ? strstr(begin, HOOK_END) : NULL;
	if (begin && end) {
		str_addn(&out, text, (size_t)(begin - text));
		str_add(&out, end + strlen(HOOK_END));
	} else {
		str_add(&out, text);
	}
	if (install) {
		if (!out.len)
			str_add(&out, "#!/bin/sh\n");
		else if (!str_ends(out.s, "\n"))
			str_addc(&out, '\n');
		str_add(&out, hook_lines);
	}
	if (!install && (!out.len || !strcmp(out.s, "#!/bin/sh\n"))) {
		if (unlinkat(dir, "post-checkout", 0) < 0 && errno != ENOENT)
			return err_new(errno, "removing %s/post-checkout", path);
		return NULL;
	}
	return fd_write_atomic(dir, "post-checkout", out.s, out.len, 0755, false);
}

static struct err *hook(UNUSED struct call *c, UNUSED int argc, char **argv)
{
	_cleanup_db_ struct db db = { 0 };
	bool install = !strcmp(argv[0], "install");
	struct err *e = NULL;

	if (!install && strcmp(argv[0], "remove"))
		return err_new(0, "install or remove, not '%s'", argv[0]);
	e = db_open(&db, NULL);
	if (!e && !db.repo.dir)
		e = err_new(0, "not in a git work tree");
	return e ?: write_hook(&db.repo, install);
}

const struct verb verb_db_hook = {
	.name = "hook",
	.args = "install|remove",
	.min_args = 1,
	.max_args = 1,
	.summary = "Let git bring up a branch's databases when it checks it out (not needed: a connection does)",
	.run = hook,
};
