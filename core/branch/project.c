#include "core/branch/project.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/base/fd.h"
#include "core/base/json.h"
#include "core/base/lock.h"

enum { RECORD_MAX = 8 << 20, TRIES = 4096 };

void dbproject_close(struct dbproject_dir *d)
{
	if (d->dir >= 0)
		close(d->dir);
	if (d->lock >= 0)
		close(d->lock);
	*d = (struct dbproject_dir){ .dir = -1, .lock = -1 };
}

/* branches/ itself. */
static struct err *open_all(struct store *st, int *ret)
{
	if (mkdirat(st->root, "branches", 0700) < 0 && errno != EEXIST)
		return err_new(errno, "making the folder of projects");
	return fd_open(st->root, "branches", O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, ret);
}

struct err *dbproject_list(struct store *st, struct strv *ret)
{
	_cleanup_dir_ DIR *d = NULL;
	struct dirent *de;
	int fd;
	struct err *e = open_all(st, &fd);

	if (e)
		return e;
	d = fdopendir(fd);
	while (d && (de = readdir(d)) != NULL) {
		_cleanup_free_ char *record = xasprintf("%s/project.json", de->d_name);

		if (*de->d_name != '.' && faccessat(dirfd(d), record, F_OK, 0) == 0)
			strv_add(ret, de->d_name);
	}
	return NULL;
}

static struct err *read_record(int dir, const char *id, struct dbproject *ret)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	struct err *e = fd_read_file(dir, "project.json", RECORD_MAX, &text, &len);

	e = e ?: dbproject_from_json(text, len, ret);
	if (!e)
		ret->id = xstrdup(id);
	return err_wrap(e, "reading the record of project %s", id);
}

struct err *dbproject_open(struct store *st, const char *id, bool lock,
			   struct dbproject_dir *ret_dir, struct dbproject *ret)
{
	struct dbproject_dir d = { .dir = -1, .lock = -1 };
	_cleanup_close_ int all = -1;
	struct err *e = open_all(st, &all);

	if (!e && (strchr(id, '/') || *id == '.'))
		e = err_new(ENOENT, "project %s", id);
	e = e ?: fd_open(all, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, &d.dir);
	if (!e && lock)
		e = lock_take(d.dir, "lock", false, &d.lock);
	e = e ?: read_record(d.dir, id, ret);
	if (e)
		dbproject_close(&d);
	else
		*ret_dir = d;
	return e;
}

struct err *dbproject_find(struct store *st, const struct git_repo *repo, char **ret_id)
{
	_cleanup_strv_ struct strv ids = { 0 };
	_cleanup_free_ char *moved = NULL;
	struct stat sb;
	struct err *e = dbproject_list(st, &ids);

	*ret_id = NULL;
	if (!e && stat(repo->common, &sb) < 0)
		e = err_new(errno, "%s", repo->common);
	for (size_t i = 0; !e && i < ids.n; i++) {
		_cleanup_pdir_ struct dbproject_dir d = { .dir = -1, .lock = -1 };
		_cleanup_dbproject_ struct dbproject p = { 0 };
		struct err *bad = dbproject_open(st, ids.v[i], false, &d, &p);

		if (bad) { /* removed meanwhile, or unreadable: not ours */
			err_free(bad);
			continue;
		}
		if (str_eq(p.common, repo->common)) {
			*ret_id = xstrdup(p.id);
			return NULL;
		}
		if (p.common && p.dev == sb.st_dev && p.ino == sb.st_ino &&
		    access(p.common, F_OK) < 0 && !moved)
			moved = xstrdup(p.id);
	}
	if (!e)
		*ret_id = TAKE_PTR(moved);
	return e;
}

/* The folder's name that holds the repository: "shop" for /home/u/shop/.git, "shop" for /srv/shop.git. */
static char *repo_name(const struct git_repo *repo)
{
	_cleanup_free_ char *path = xstrdup(repo->common);
	char *slash = strrchr(path, '/');

	if (slash && !strcmp(slash, "/.git")) {
		*slash = '\0';
		slash = strrchr(path, '/');
	} else if (str_ends(path, ".git")) {
		path[strlen(path) - 4] = '\0';
	}
	return slug_make(slash ? slash + 1 : path);
}

static struct err *make_dir(int all, const char *name, bool exact, char **ret_id)
{
	for (unsigned n = 1; n < TRIES; n++) {
		_cleanup_free_ char *id = n == 1 ? xstrdup(name) : xasprintf("%s-%u", name, n);

		if (mkdirat(all, id, 0700) == 0) {
			*ret_id = TAKE_PTR(id);
			return NULL;
		}
		if (errno != EEXIST)
			return err_new(errno, "making the project's folder");
		if (exact)
			return err_new(EEXIST, "a project %s", name);
	}
	return err_new(EEXIST, "a project %s", name);
}

struct err *dbproject_make(struct store *st, const struct git_repo *repo, const char *name,
			   struct dbproject_dir *ret_dir, struct dbproject *ret)
{
	_cleanup_close_ int all = -1, lock = -1;
	_cleanup_free_ char *id = NULL, *wish = NULL;
	struct dbproject p = { 0 };
	struct stat sb = { 0 };
	struct err *e = open_all(st, &all);

	e = e ?: lock_take(all, "addresses", false, &lock); /* two that make it at once */
	if (repo)
		e = e ?: dbproject_find(st, repo, &id);
	if (e)
		return e;
	if (id) {
		/* who holds a project's lock may wait for the addresses' one */
		close(TAKE_FD(lock));
		e = dbproject_open(st, id, true, ret_dir, ret);
		if (!e && repo && !str_eq(ret->common, repo->common)) { /* it was moved */
			free(ret->common);
			ret->common = xstrdup(repo->common);
			for (size_t i = 0; i < ret->n_trees; i++)
				if (!ret->trees[i].pinned && access(ret->trees[i].dir, F_OK) < 0) {
					free(ret->trees[i].dir);
					ret->trees[i].dir = xstrdup(repo->dir);
				}
			e = dbproject_save(ret_dir, ret);
		}
		return e;
	}
	wish = repo ? repo_name(repo) : slug_make(name);
	e = make_dir(all, wish, !repo, &id);
	if (e)
		return e;
	p.id = TAKE_PTR(id);
	if (repo && stat(repo->common, &sb) == 0) {
		p.common = xstrdup(repo->common);
		p.dev = sb.st_dev;
		p.ino = sb.st_ino;
	}
	*ret_dir = (struct dbproject_dir){ .dir = -1, .lock = -1 };
	e = fd_open(all, p.id, O_RDONLY | O_DIRECTORY, 0, &ret_dir->dir);
	e = e ?: lock_take(ret_dir->dir, "lock", false, &ret_dir->lock);
	e = e ?: dbproject_save(ret_dir, &p);
	if (e) {
		dbproject_close(ret_dir);
		dbproject_done(&p);
	} else {
		*ret = p;
	}
	return e;
}

struct err *dbproject_save(const struct dbproject_dir *d, const struct dbproject *p)
{
	size_t len;
	_cleanup_free_ char *text = dbproject_to_json(p, &len);

	return err_wrap(fd_write_atomic(d->dir, "project.json", text, len, 0600, true),
			"recording project %s", p->id);
}

struct err *dbproject_remove(struct store *st, struct dbproject_dir *d, const struct dbproject *p)
{
	_cleanup_close_ int all = -1;
	struct err *e = open_all(st, &all);

	if (!e && unlinkat(d->dir, "project.json", 0) < 0 && errno != ENOENT)
		e = err_new(errno, "forgetting project %s", p->id);
	return e ?: fd_rm_tree(all, p->id);
}

/* --- addresses -------------------------------------------------------------------------------- */

/* Append every address that P, or any project on the disk, has given out. */
static struct err *taken_addresses(struct store *st, const struct dbproject *own, struct strv *ret)
{
	_cleanup_strv_ struct strv ids = { 0 };
	struct err *e = dbproject_list(st, &ids);

	for (size_t i = 0; !e && i <= ids.n; i++) {
		_cleanup_pdir_ struct dbproject_dir d = { .dir = -1, .lock = -1 };
		_cleanup_dbproject_ struct dbproject other = { 0 };
		const struct dbproject *p = &other;

		if (i == ids.n)
			p = own;
		else if (!strcmp(ids.v[i], own->id))
			continue;
		else
			err_free(dbproject_open(st, ids.v[i], false, &d, &other)); /* unreadable: nothing taken */
		for (size_t k = 0; k < p->n_branches; k++)
			strv_add(ret, p->branches[k].address);
		for (size_t k = 0; k < p->n_trees; k++)
			strv_add(ret, p->trees[k].address);
	}
	return e;
}

/* *RET_LOCK is to be held until the address is recorded. */
static struct err *choose_address(struct store *st, const struct dbproject *p, const char *what,
				  const char *name, char ret[ADDRESS_MAX], int *ret_lock)
{
	_cleanup_free_ char *key = xasprintf("%s\n%s\n%s", p->common ?: p->id, what, name);
	_cleanup_strv_ struct strv taken = { 0 };
	_cleanup_close_ int all = -1;
	struct err *e = open_all(st, &all);

	e = e ?: lock_take(all, "addresses", false, ret_lock);
	e = e ?: taken_addresses(st, p, &taken);
	if (e)
		return e;
	for (unsigned n = 0; n < TRIES; n++) {
		address_candidate(key, n, ret);
		if (!strv_has(&taken, ret))
			return NULL;
	}
	return err_new(0, "no loopback address is free for %s", name);
}

static char *unique_slug(const struct dbproject *p, const char *name)
{
	_cleanup_free_ char *base = slug_make(name);

	for (unsigned n = 1;; n++) {
		char *slug = n == 1 ? xstrdup(base) : xasprintf("%s-%u", base, n);
		bool taken = false;

		for (size_t i = 0; i < p->n_branches; i++)
			taken |= !strcmp(p->branches[i].slug, slug);
		if (!taken)
			return slug;
		free(slug);
	}
}

struct err *dbproject_ensure_branch(struct store *st, const struct dbproject_dir *d,
				    struct dbproject *p, const char *name, struct branch **ret)
{
	_cleanup_close_ int lock = -1;
	struct branch *b = dbproject_branch(p, name);
	char address[ADDRESS_MAX];
	struct err *e;

	if (b) {
		*ret = b;
		return NULL;
	}
	e = choose_address(st, p, "branch", name, address, &lock);
	if (e)
		return e;
	p->branches = xrealloc(p->branches, (p->n_branches + 1) * sizeof(*b));
	b = &p->branches[p->n_branches];
	*b = (struct branch){ .name = xstrdup(name), .slug = unique_slug(p, name), .ttl_ms = -1 };
	memcpy(b->address, address, sizeof(address));
	p->n_branches++;
	*ret = b;
	return dbproject_save(d, p);
}

struct err *dbproject_ensure_tree(struct store *st, const struct dbproject_dir *d, struct dbproject *p,
				  const struct git_repo *repo, struct work_tree **ret)
{
	_cleanup_close_ int lock = -1;
	struct work_tree *t = dbproject_tree(p, repo ? repo->dir : "");
	char address[ADDRESS_MAX];
	struct err *e;

	if (!t) {
		e = choose_address(st, p, "work tree", repo ? repo->dir : "", address, &lock);
		if (e)
			return e;
		t = dbproject_add_tree(p, repo ? repo->dir : "");
		memcpy(t->address, address, sizeof(address));
	}
	if (repo && repo->work_tree && !str_eq(t->path, repo->work_tree)) {
		free(t->path);
		t->path = xstrdup(repo->work_tree);
	}
	*ret = t;
	return dbproject_save(d, p);
}
