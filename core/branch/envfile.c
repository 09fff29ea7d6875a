#include "core/branch/envfile.h"

#include <fcntl.h>

#include "core/base/fd.h"

enum { FILE_MAX = 1 << 16, EXCLUDE_MAX = 1 << 20 };

void dbservice_access(const struct dbservice *s, const char *address, struct db_access *ret)
{
	recipe_access(recipe_by_name(s->recipe), &s->env, &s->args, address, s->port, ret);
}

/* The whole file: every service at T's stable address, and DEVBOX_BRANCH, the branch it leads to. */
static char *whole_text(const struct dbproject *p, const struct work_tree *t, const char *branch)
{
	struct str out = { 0 };
	const struct branch *b = dbproject_branch(p, branch);

	str_add(&out, "# written by devbox; follows the branch that is checked out\n");
	str_addf(&out, "DEVBOX_BRANCH=%s\n",
		 branch); /* git allows no blanks or quotes that a reader would take */
	if (b)
		str_addf(&out, "DEVBOX_BRANCH_HOST=%s\n", b->address);
	for (size_t i = 0; i < p->n_services; i++) {
		_cleanup_free_ char *text = NULL;
		struct db_access a;

		dbservice_access(&p->services[i], t->address, &a);
		text = db_access_format(&a, ENV_DOTENV);
		str_add(&out, text);
		db_access_done(&a);
	}
	return str_take(&out);
}

/* Add the file's name to the repository's own list of what is not its business. */
static struct err *exclude(const char *common)
{
	_cleanup_close_ int info = -1, fd = -1;
	_cleanup_free_ char *path = xasprintf("%s/info", common), *text = NULL;
	static const char line[] = ENVFILE_NAME "\n";
	const char *at;
	struct err *e = fd_open(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0, &info);

	if (err_is(e, ENOENT)) {
		err_free(e);
		return NULL;
	}
	e = e ?: fd_open(info, "exclude", O_RDWR | O_CREAT | O_APPEND, 0644, &fd);
	e = e ?: fd_read_all(fd, "exclude", EXCLUDE_MAX, &text, NULL);
	if (e)
		return e;
	at = strstr(text, ENVFILE_NAME);
	if (at && (at == text || at[-1] == '\n' || at[-1] == '/'))
		return NULL;
	if (*text && !str_ends(text, "\n"))
		e = fd_write_all(fd, "exclude", "\n", 1);
	return e ?: fd_write_all(fd, "exclude", line, sizeof(line) - 1);
}

struct err *envfile_write(const struct dbproject *p, const struct work_tree *t, const char *branch)
{
	_cleanup_free_ char *text = whole_text(p, t, branch), *old = NULL;
	_cleanup_close_ int dir = -1;
	struct err *e;

	if (!t->path)
		return NULL;
	e = fd_open(AT_FDCWD, t->path, O_RDONLY | O_DIRECTORY, 0, &dir);
	if (e)
		return e;
	err_free(fd_read_file(dir, ENVFILE_NAME, FILE_MAX, &old, NULL)); /* absent: written now */
	if (str_eq(old, text))
		return NULL;
	e = fd_write_atomic(dir, ENVFILE_NAME, text, strlen(text), 0600, false);
	if (!e && !old && p->common)
		e = exclude(p->common);
	return e;
}
