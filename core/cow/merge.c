/* How TOP absorbs BELOW, file by file:
 *   - a directory that was not read yet is read
 *   - a file with content in BELOW: either its missing blocks are copied up, or, if that is less and it has one name
 *     only, its own blocks are copied down and the file below takes its place.  Both are synced before the one step
 *     that counts: the new link, or rename(2).
 * Until then copying changes nothing that is seen: a block that is copied up is the one that was seen through the hole,
 * a block that is copied down is hidden by the one it came from. */
#include "core/cow/merge.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "core/base/fd.h"
#include "core/cow/file.h"

enum { CHUNK_BLOCKS = 64, NAMES_MAX = 65536 };

struct work {
	struct cow_chain c;
	bool shared; /* what is below must stay as it is */
};

struct side {
	int fd;
	struct stat st;
	struct cow_link link;
	bool has;
	struct map map; /* of the file's own blocks, as far as the limit; if BELOW */
};

struct pair {
	struct side top, below;
};

static bool is_below(const struct side *s)
{
	return s->has && s->link.flags & LINK_BELOW;
}

static void side_done(struct side *s)
{
	map_done(&s->map);
	link_done(&s->link);
	if (s->fd >= 0)
		close(s->fd);
}

static struct err *load(struct side *s, bool thin)
{
	struct err *e = NULL;

	if (fstat(s->fd, &s->st) < 0)
		return err_new(errno, "looking at a file");
	if (thin)
		e = cow_link_read(s->fd, NULL, &s->st, &s->link, &s->has);
	if (e || !is_below(s))
		return e;
	if (s->link.limit > cow_blocks((uint64_t)s->st.st_size))
		s->link.limit = (uint32_t)cow_blocks((uint64_t)s->st.st_size);
	return map_load(&s->map, s->fd, s->link.limit);
}

/* --- copying blocks --------------------------------------------------------------------------- */

/* Blocks [FIRST, FIRST + N) from one file to the same place of another; not beyond SIZE. */
static struct err *copy_blocks(int from, int to, uint64_t first, uint64_t n, uint64_t size)
{
	_cleanup_free_ char *buf = xmalloc((size_t)CHUNK_BLOCKS * COW_BLOCK);
	uint64_t at = first * COW_BLOCK, end = (first + n) * COW_BLOCK;

	end = end < size ? end : size;
	while (at < end) {
		size_t len = (size_t)(end - at < CHUNK_BLOCKS * COW_BLOCK ? end - at
									  : CHUNK_BLOCKS * COW_BLOCK);
		ssize_t got = pread(from, buf, len, (off_t)at);

		if (got < 0)
			return err_new(errno, "reading a file to merge");
		memset(buf + got, 0, len - (size_t)got);
		if (pwrite(to, buf, len, (off_t)at) != (ssize_t)len)
			return err_new(errno ?: ENOSPC, "merging a file");
		at += len;
	}
	return NULL;
}

/* The blocks that hold data of FD in [FIRST, END). */
static struct err *data_blocks(int fd, uint64_t first, uint64_t end, struct map *ret)
{
	struct err *e = map_load(ret, fd, end);

	for (uint64_t b = 0; !e && b < first && b / 64 * 64 + 64 <= first; b += 64)
		ret->bits[b / 64] = 0;
	for (uint64_t b = first / 64 * 64; !e && b < first; b++)
		ret->bits[b / 64] &= ~(1ULL << b % 64);
	return e;
}

/* Every block of [0, END) that WANTED has and HAS (may be NULL: nothing) has not. */
static struct err *copy_map(const struct map *wanted, const struct map *has, uint64_t end, int from,
			    int to, uint64_t size)
{
	struct err *e = NULL;

	for (uint64_t b = 0; b < end && !e;) {
		uint64_t run = map_run(wanted, b, end - b);

		if (!map_has(wanted, b) || (has && map_has(has, b))) {
			b += map_has(wanted, b) ? 1 : run;
			continue;
		}
		for (uint64_t k = 1; has && k < run; k++)
			if (map_has(has, b + k))
				run = k;
		e = copy_blocks(from, to, b, run, size);
		b += run;
	}
	return e;
}

/* --- up --------------------------------------------------------------------------------------- */

static struct err *copy_up(struct pair *p)
{
	struct side *top = &p->top, *below = &p->below;
	uint64_t limit = top->link.limit,
		 low = is_below(below) && below->link.limit < limit ? below->link.limit : limit;
	struct map own = { 0 };
	struct err *e;

	/* the blocks that BELOW has itself: from its limit on all that hold data, before it those of its map */
	e = data_blocks(below->fd, 0, limit, &own);
	e = e ?: copy_map(&own, &top->map, limit, below->fd, top->fd, (uint64_t)top->st.st_size);
	map_done(&own);
	if (!e && fdatasync(top->fd) < 0)
		e = err_new(errno, "syncing a merged file");
	if (e)
		return e;
	free(top->link.path);
	if (is_below(below)) {
		top->link.depth = below->link.depth;
		top->link.limit = (uint32_t)low;
		top->link.flags =
			(uint8_t)((top->link.flags & ~LINK_NAMED) | (below->link.flags & LINK_NAMED));
		top->link.path = xstrdup(below->link.path);
	} else {
		top->link.flags &= (uint8_t) ~(LINK_BELOW | LINK_NAMED);
		top->link.limit = 0;
		top->link.path = xstrdup("");
	}
	return cow_link_write(top->fd, &top->link);
}

/* --- down ------------------------------------------------------------------------------------- */

static void drop_xattrs(int fd)
{
	_cleanup_free_ char *names = xmalloc(NAMES_MAX);
	ssize_t n = flistxattr(fd, names, NAMES_MAX);

	for (const char *name = names; n > 0 && name < names + n; name += strlen(name) + 1)
		if (str_starts(name, "user.") && strcmp(name, LINK_XATTR) && fremovexattr(fd, name) < 0)
			continue; /* it is set again, or stays as it was */
}

static struct err *copy_xattrs(int from, int to)
{
	_cleanup_free_ char *names = xmalloc(NAMES_MAX), *value = xmalloc(NAMES_MAX);
	ssize_t n = flistxattr(from, names, NAMES_MAX);

	for (const char *name = names; n > 0 && name < names + n; name += strlen(name) + 1) {
		ssize_t len = strcmp(name, LINK_XATTR) ? fgetxattr(from, name, value, NAMES_MAX) : -1;

		if (len >= 0 && fsetxattr(to, name, value, (size_t)len, 0) < 0 &&
		    str_starts(name, "user."))
			return err_new(errno, "copying the attribute %s", name);
	}
	return NULL;
}

/* The file below becomes what the top's is: content, size, owner, mode, times, attributes, link. */
static struct err *copy_down(struct pair *p)
{
	struct side *top = &p->top, *below = &p->below;
	const struct timespec times[2] = { top->st.st_atim, top->st.st_mtim };
	uint64_t limit = top->link.limit, size = (uint64_t)top->st.st_size, end = cow_blocks(size);
	struct cow_link l = { .number = top->link.number, .self = below->st.st_ino };
	struct map own = { 0 };
	struct err *e = NULL;

	/* beyond the top's limit there is nothing from below */
	if ((uint64_t)below->st.st_size > limit * COW_BLOCK &&
	    ftruncate(below->fd, (off_t)(limit * COW_BLOCK)) < 0)
		e = err_new(errno, "merging a file");
	if (!e && ftruncate(below->fd, (off_t)size) < 0)
		e = err_new(errno, "merging a file");
	if (!e && is_below(below)) {
		l.flags = LINK_BELOW | (below->link.flags & LINK_NAMED);
		l.depth = below->link.depth;
		l.limit = below->link.limit < limit ? below->link.limit : (uint32_t)limit;
		l.path = below->link.path;
	} else {
		l.path = (char *)(uintptr_t) "";
	}
	e = e ?: data_blocks(top->fd, 0, end, &own);
	e = e ?: copy_map(&own, NULL, end, top->fd, below->fd, size);
	map_done(&own);
	if (e)
		return e;
	drop_xattrs(below->fd);
	e = cow_link_write(below->fd, &l);
	e = e ?: copy_xattrs(top->fd, below->fd);
	if (!e && fchown(below->fd, top->st.st_uid, top->st.st_gid) < 0 && errno != EINVAL &&
	    errno != EPERM)
		e = err_new(errno, "setting the owner of a merged file");
	if (!e && fchmod(below->fd, top->st.st_mode & 07777) < 0)
		e = err_new(errno, "setting the mode of a merged file");
	if (!e && (futimens(below->fd, times) < 0 || fsync(below->fd) < 0))
		e = err_new(errno, "syncing a merged file");
	return e;
}

/* --- files and directories -------------------------------------------------------------------- */

/* Copying down ends with a rename, so the file must have this one name; and a crash in the middle leaves a file below
 * that is longer or shorter, which only a complete or untouched map of the top's survives: its limit lies within. */
static bool better_down(const struct pair *p)
{
	return p->top.st.st_nlink == 1 && p->below.st.st_nlink == 1 &&
	       !(p->top.link.flags & (LINK_HARD | LINK_NAMED)) &&
	       p->below.st.st_blocks > p->top.st.st_blocks;
}

static struct err *absorb_file(const struct work *w, int dir, const char *name)
{
	struct pair p = { .top = { .fd = -1 }, .below = { .fd = -1 } };
	struct err *e = fd_open(dir, name, O_RDWR | O_NOFOLLOW, 0, &p.top.fd);

	e = e ?: load(&p.top, true);
	if (!e && is_below(&p.top) && p.top.link.depth == w->c.v[1].depth) {
		e = cow_open_below(&w->c, &p.top.link, w->shared ? O_RDONLY : O_RDWR, &p.below.fd);
		e = e ?: load(&p.below, w->c.v[1].thin);
		if (!e && !w->shared && better_down(&p)) {
			e = copy_down(&p);
			if (!e && renameat(w->c.v[1].root, p.top.link.path, dir, name) < 0)
				e = err_new(errno, "moving a merged file");
		} else {
			e = e ?: copy_up(&p);
		}
	}
	side_done(&p.top);
	side_done(&p.below);
	return err_wrap(e, "%s", name);
}

static struct err *absorb_dir(const struct work *w, int dir, unsigned depth);

static struct err *absorb_entry(const struct work *w, int dir, const char *name, unsigned depth)
{
	_cleanup_close_ int sub = -1;
	struct stat st;
	struct err *e;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_new(errno, "looking at %s", name);
	if (S_ISREG(st.st_mode))
		return absorb_file(w, dir, name);
	if (!S_ISDIR(st.st_mode))
		return NULL;
	e = fd_open(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, &sub);
	return e ?: absorb_dir(w, sub, depth + 1);
}

static struct err *absorb_dir(const struct work *w, int dir, unsigned depth)
{
	_cleanup_dir_ DIR *d = NULL;
	struct cow_link l = { 0 };
	struct dirent *de;
	struct stat st;
	bool has;
	struct err *e = NULL;

	if (depth > PATH_MAX / 2)
		return err_new(ELOOP, "nested too deeply");
	if (fstat(dir, &st) < 0)
		return err_new(errno, "looking at a directory");
	e = cow_link_read(dir, NULL, &st, &l, &has);
	if (!e && l.flags & LINK_UNREAD && l.depth == w->c.v[1].depth)
		e = cow_expand(&w->c, dir, &l);
	if (e || l.flags & LINK_UNREAD) { /* of a tree further below: nothing to do here */
		link_done(&l);
		return e;
	}
	link_done(&l);
	d = fd_opendir(dir);
	if (!d)
		return err_new(errno, "reading a directory");
	while (!e && (de = readdir(d)) != NULL)
		if (strcmp(de->d_name, ".") && strcmp(de->d_name, ".."))
			e = absorb_entry(w, dir, de->d_name, depth);
	return e;
}

static struct err *absorb(const struct cow_dirs *dirs, bool shared)
{
	struct work w = { .shared = shared };
	struct err *e = cow_open_trees(dirs, &w.c);

	if (!e && w.c.n < 2)
		e = err_new(EINVAL, "there is nothing below the tree");
	e = e ?: cow_root_init(&w.c);
	e = e ?: absorb_dir(&w, w.c.v[0].root, 0);
	/* what has no name but in links/ may still be meant by a directory that was not read yet */
	e = e ?: absorb_dir(&w, w.c.v[0].links, 0);
	if (!e && syncfs(w.c.v[0].root) < 0)
		e = err_new(errno, "syncing");
	cow_chain_done(&w.c);
	return e;
}

struct err *cow_absorb(const struct cow_dirs *dirs)
{
	return absorb(dirs, false);
}

struct err *cow_flatten(const struct cow_dirs *dirs, size_t keep)
{
	struct cow_dirs left = *dirs;
	struct err *e = NULL;

	while (left.n > 1 + keep && !e) {
		e = absorb(&left, true);
		left.n--;
		for (size_t i = 1; i < left.n; i++) {
			left.fd[i] = left.fd[i + 1];
			left.depth[i] = left.depth[i + 1];
			left.thin[i] = left.thin[i + 1];
		}
	}
	return e;
}
