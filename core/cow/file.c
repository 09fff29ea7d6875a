#include "core/cow/file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "core/base/str.h"

enum { ZEROS = 64 << 10 };

/* --- opening ---------------------------------------------------------------------------------- */

static void level_done(struct cow_level *l)
{
	map_done(&l->map);
	if (l->fd >= 0)
		close(l->fd);
}

static struct cow_level *add_level(struct cow_file *f, int fd)
{
	struct cow_level *l;

	f->level = xrealloc(f->level, (f->n + 1) * sizeof(*f->level));
	l = &f->level[f->n++];
	l->fd = fd;
	l->map = (struct map){ 0 };
	l->dirty = false;
	return l;
}

/* FD at the end of the levels, and what its link leads to.  The limit never reaches beyond the file's size: a crash
 * between the two steps of a truncation is mended here. */
static struct err *add_levels(struct cow_file *f, const struct cow_chain *c, int fd)
{
	struct err *e = NULL;

	while (!e) {
		struct cow_level *l = add_level(f, fd);
		bool top = f->n == 1, has, more = false;
		struct cow_link link;
		struct stat st;

		if (fstat(fd, &st) < 0)
			return err_new(errno, "looking at a file of the volume");
		e = cow_link_read(fd, NULL, &st, &link, &has);
		if (e)
			return e;
		if (has && link.flags & LINK_BELOW && f->n > COW_TREES_MAX)
			e = err_new(EUCLEAN, "the volume's trees form a circle");
		if (has && link.flags & LINK_BELOW) {
			uint64_t blocks = cow_blocks((uint64_t)st.st_size);

			more = true;
			if (top && link.limit > blocks) {
				link.limit = (uint32_t)blocks;
				e = e ?: cow_link_write(fd, &link);
			}
			e = e ?: map_load(&l->map, fd, link.limit);
			e = e ?: cow_open_below(c, &link, O_RDONLY, &fd);
		}
		if (top) {
			f->link = link;
			f->has_link = has;
			f->size = (uint64_t)st.st_size;
		} else {
			link_done(&link);
		}
		if (!more)
			break;
	}
	return e;
}

struct err *cow_file_open(const struct cow_chain *c, int fd, struct cow_file **ret)
{
	struct cow_file *f = xcalloc(1, sizeof(*f));
	struct err *e;

	pthread_rwlock_init(&f->lock, NULL);
	e = add_levels(f, c, fd);
	if (e) {
		cow_file_free(f);
		return e;
	}
	*ret = f;
	return NULL;
}

void cow_file_free(struct cow_file *f)
{
	if (!f)
		return;
	cow_file_sync_below(f);
	for (size_t i = 0; i < f->n; i++)
		level_done(&f->level[i]);
	free(f->level);
	link_done(&f->link);
	pthread_rwlock_destroy(&f->lock);
	free(f);
}

struct err *cow_file_seal(struct cow_file *f, const struct cow_chain *c, int fd)
{
	_cleanup_close_ int top = fd;
	struct cow_link link = { 0 };
	struct cow_level *l;
	struct stat st;
	bool has, skip;
	struct err *e;

	if (fstat(fd, &st) < 0)
		return err_new(errno, "looking at a file of the volume");
	e = cow_link_read(fd, NULL, &st, &link, &has);
	if (!e && !has)
		e = err_new(EUCLEAN, "a file has no link");
	if (e)
		return e;
	if (!(link.flags & LINK_BELOW)) { /* an empty one */
		for (size_t i = 0; i < f->n; i++)
			level_done(&f->level[i]);
		f->n = 0;
		l = add_level(f, TAKE_FD(top));
		l->dirty = true;
	} else {
		/* a link that passes over the tree just sealed: the file had no blocks there */
		skip = link.depth != c->v[1].depth;
		if (skip) {
			level_done(&f->level[0]);
		} else {
			f->level = xrealloc(f->level, (f->n + 1) * sizeof(*f->level));
			for (size_t i = f->n++; i > 0; i--)
				f->level[i] = f->level[i - 1];
		}
		l = &f->level[0];
		l->fd = TAKE_FD(top);
		l->dirty = false;
		map_init(&l->map, link.limit);
	}
	link_done(&f->link);
	f->link = link;
	f->has_link = true;
	return NULL;
}

/* --- reading ---------------------------------------------------------------------------------- */

/* The level that has BLOCK, and how many blocks from there on (at most MAX) it has. */
static size_t source(const struct cow_file *f, uint64_t block, uint64_t max, uint64_t *ret_run)
{
	size_t i = 0;

	while (i + 1 < f->n && !map_has(&f->level[i].map, block)) {
		max = map_run(&f->level[i].map, block, max);
		i++;
	}
	*ret_run = map_run(&f->level[i].map, block, max);
	return i;
}

/* All LEN bytes; zeros where a level ends. */
static int read_all(int fd, uint64_t off, char *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pread(fd, buf + done, len - done, (off_t)(off + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	memset(buf + done, 0, len - done);
	return 0;
}

/* Within the size.  The lock is held. */
static int read_range(const struct cow_file *f, uint64_t off, char *buf, size_t len)
{
	while (len) {
		uint64_t block = off / COW_BLOCK, run, bytes;
		size_t i = source(f, block, cow_blocks(off + len) - block, &run);
		int rc;

		bytes = (block + run) * COW_BLOCK - off;
		bytes = bytes < len ? bytes : len;
		rc = read_all(f->level[i].fd, off, buf, (size_t)bytes);
		if (rc < 0)
			return rc;
		off += bytes;
		buf += bytes;
		len -= (size_t)bytes;
	}
	return 0;
}

static bool is_whole(const struct cow_file *f)
{
	return f->n == 1 || !f->level[0].map.blocks;
}

ssize_t cow_file_read(struct cow_file *f, uint64_t off, void *buf, size_t len)
{
	uint64_t size;
	int rc;

	if (is_whole(f)) {
		ssize_t n = pread(f->level[0].fd, buf, len, (off_t)off);

		return n < 0 ? -errno : n;
	}
	pthread_rwlock_rdlock(&f->lock);
	size = f->size;
	if (off >= size)
		len = 0;
	else if (len > size - off)
		len = (size_t)(size - off);
	rc = read_range(f, off, buf, len);
	pthread_rwlock_unlock(&f->lock);
	return rc < 0 ? rc : (ssize_t)len;
}

/* --- writing ---------------------------------------------------------------------------------- */

static void grow(struct cow_file *f, uint64_t end)
{
	uint64_t size = f->size;

	while (size < end && !atomic_compare_exchange_weak(&f->size, &size, end))
		;
}

static ssize_t write_plain(struct cow_file *f, uint64_t off, const void *data, size_t len)
{
	ssize_t n = pwrite(f->level[0].fd, data, len, (off_t)off);

	if (n < 0)
		return -errno;
	f->level[0].dirty = true;
	grow(f, off + (uint64_t)n);
	return n;
}

/* A block of which only a part arrived (the disk is full) must not hide the one below. */
static void undo_part(struct cow_file *f, uint64_t block)
{
	if (!map_has(&f->level[0].map, block))
		fallocate(f->level[0].fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			  (off_t)(block * COW_BLOCK), COW_BLOCK);
}

/* The range touches blocks that are not the file's own yet: what it leaves of the first and the last one comes from
 * below, and all is written together. */
static ssize_t write_over(struct cow_file *f, uint64_t off, const void *data, size_t len)
{
	struct map *own = &f->level[0].map;
	uint64_t first = off / COW_BLOCK, last = (off + len - 1) / COW_BLOCK, end = off + len;
	uint64_t start = off, size = f->size;
	char head[COW_BLOCK], tail[COW_BLOCK];
	struct iovec iov[3] = { { head, 0 }, { (void *)(uintptr_t)data, len }, { tail, 0 } };
	uint64_t whole;
	ssize_t n;
	int rc = 0;

	if (off % COW_BLOCK && !map_has(own, first)) {
		start = first * COW_BLOCK;
		iov[0].iov_len = (size_t)(off - start);
		rc = read_range(f, start, head, iov[0].iov_len);
	}
	if (end % COW_BLOCK && end < size && !map_has(own, last)) {
		uint64_t stop = (last + 1) * COW_BLOCK;

		stop = stop < size ? stop : size;
		iov[2].iov_len = (size_t)(stop - end);
		rc = rc ?: read_range(f, end, tail, iov[2].iov_len);
	}
	if (rc < 0)
		return rc;
	n = pwritev(f->level[0].fd, iov, 3, (off_t)start);
	if (n < 0) {
		rc = -errno;
		return rc;
	}
	f->level[0].dirty = true;
	if ((size_t)n == iov[0].iov_len + len + iov[2].iov_len) {
		map_set(own, first, last - first + 1);
		grow(f, end);
		return (ssize_t)len;
	}
	whole = (start + (uint64_t)n) / COW_BLOCK;
	undo_part(f, whole);
	if (whole > first)
		map_set(own, first, whole - first);
	if (whole * COW_BLOCK <= off)
		return -ENOSPC;
	grow(f, whole * COW_BLOCK);
	return (ssize_t)(whole * COW_BLOCK - off);
}

ssize_t cow_file_write(struct cow_file *f, uint64_t off, const void *data, size_t len)
{
	uint64_t first = off / COW_BLOCK, n = cow_blocks(off + len) - first;
	ssize_t rc;

	if (is_whole(f) || !len)
		return write_plain(f, off, data, len);
	pthread_rwlock_rdlock(&f->lock);
	if (map_has_all(&f->level[0].map, first, n)) {
		rc = write_plain(f, off, data, len);
		pthread_rwlock_unlock(&f->lock);
		return rc;
	}
	pthread_rwlock_unlock(&f->lock);
	pthread_rwlock_wrlock(&f->lock);
	rc = map_has_all(&f->level[0].map, first, n) ? write_plain(f, off, data, len)
						     : write_over(f, off, data, len);
	pthread_rwlock_unlock(&f->lock);
	return rc;
}

/* Make BLOCK the file's own. */
static int own_block(struct cow_file *f, uint64_t block)
{
	uint64_t start = block * COW_BLOCK, end = start + COW_BLOCK, size = f->size;
	char buf[COW_BLOCK];
	ssize_t n;
	int rc;

	end = end < size ? end : size;
	if (map_has(&f->level[0].map, block) || end <= start)
		return 0;
	rc = read_range(f, start, buf, (size_t)(end - start));
	if (rc < 0)
		return rc;
	n = pwrite(f->level[0].fd, buf, (size_t)(end - start), (off_t)start);
	if (n < (ssize_t)(end - start)) {
		rc = n < 0 ? -errno : -ENOSPC;
		undo_part(f, block);
		return rc;
	}
	map_set(&f->level[0].map, block, 1);
	return 0;
}

/* First the file, then the limit in its link: see add_levels() for a crash in between. */
static int truncate_over(struct cow_file *f, uint64_t size)
{
	uint64_t limit = cow_blocks(size);
	int rc = 0;

	if (size < f->size && size % COW_BLOCK)
		rc = own_block(f, size / COW_BLOCK);
	if (rc < 0)
		return rc;
	if (ftruncate(f->level[0].fd, (off_t)size) < 0)
		return -errno;
	f->size = size;
	if (limit < f->level[0].map.blocks) {
		struct err *e;

		map_cut(&f->level[0].map, limit);
		f->link.limit = (uint32_t)limit;
		e = cow_link_write(f->level[0].fd, &f->link);
		rc = e ? -(e->errnum ?: EIO) : 0;
		err_free(e);
	}
	return rc;
}

int cow_file_truncate(struct cow_file *f, uint64_t size)
{
	int rc;

	pthread_rwlock_wrlock(&f->lock);
	f->level[0].dirty = true;
	if (is_whole(f)) {
		rc = ftruncate(f->level[0].fd, (off_t)size) < 0 ? -errno : 0;
		if (!rc)
			f->size = size;
	} else {
		rc = truncate_over(f, size);
	}
	pthread_rwlock_unlock(&f->lock);
	return rc;
}

static int write_zeros(struct cow_file *f, uint64_t off, uint64_t end)
{
	_cleanup_free_ char *zeros = xcalloc(1, ZEROS);

	while (off < end) {
		uint64_t len = end - off < ZEROS ? end - off : ZEROS;
		ssize_t n = write_over(f, off, zeros, (size_t)len);

		if (n < 0)
			return (int)n;
		off += (uint64_t)n;
	}
	return 0;
}

/* Blocks below the limit cannot be holes, which would show what is below: they are written as zeros. */
static int allocate_over(struct cow_file *f, int mode, uint64_t off, uint64_t len)
{
	const uint64_t limit = f->level[0].map.blocks * COW_BLOCK;
	uint64_t end = off + len, size = f->size, low = end < limit ? end : limit;
	bool zero = mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE),
	     keep = mode & FALLOC_FL_KEEP_SIZE;
	int rc = 0;

	if (zero && off < low && off < size)
		rc = write_zeros(f, off, low < size ? low : size);
	if (!rc && end > limit) {
		uint64_t from = off > limit ? off : limit;

		if (fallocate(f->level[0].fd, mode, (off_t)from, (off_t)(end - from)) < 0)
			rc = -errno;
	} else if (!rc && !keep && end > size) {
		rc = ftruncate(f->level[0].fd, (off_t)end) < 0 ? -errno : 0;
	}
	if (!rc && !keep)
		grow(f, end);
	return rc;
}

int cow_file_allocate(struct cow_file *f, int mode, uint64_t off, uint64_t len)
{
	const int known = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE;
	int rc;

	if (mode & ~known)
		return -EOPNOTSUPP;
	if (!len || off + len < off || off + len > INT64_MAX)
		return -EINVAL;
	pthread_rwlock_wrlock(&f->lock);
	f->level[0].dirty = true;
	if (!is_whole(f))
		rc = allocate_over(f, mode, off, len);
	else if (fallocate(f->level[0].fd, mode, (off_t)off, (off_t)len) < 0)
		rc = -errno;
	else {
		rc = 0;
		if (!(mode & FALLOC_FL_KEEP_SIZE))
			grow(f, off + len);
	}
	pthread_rwlock_unlock(&f->lock);
	return rc;
}

/* --- looking, syncing ------------------------------------------------------------------------- */

/* In [OFF, END) of the level L. */
static off_t seek_in(const struct cow_level *l, uint64_t off, uint64_t end, int whence)
{
	off_t at;

	/* blocks in a map are data; what counts as set beyond it, or in a complete file, may have holes */
	if (off / COW_BLOCK < l->map.blocks)
		return whence == SEEK_DATA ? (off_t)off : (off_t)end;
	at = lseek(l->fd, (off_t)off, whence);
	if (at < 0 && errno == ENXIO) /* the level ends before */
		at = whence == SEEK_DATA ? (off_t)end : (off_t)off;
	return at < 0 ? -errno : at > (off_t)end ? (off_t)end : at;
}

off_t cow_file_seek(struct cow_file *f, uint64_t off, int whence)
{
	off_t found = -ENXIO;
	uint64_t size;

	pthread_rwlock_wrlock(&f->lock); /* lseek() moves descriptors that others share */
	size = f->size;
	while (off < size) {
		uint64_t block = off / COW_BLOCK, run, end;
		size_t i = source(f, block, cow_blocks(size) - block, &run);

		if (block < f->level[i].map.blocks && block + run > f->level[i].map.blocks)
			run = f->level[i].map.blocks - block;
		end = (block + run) * COW_BLOCK;
		end = end < size ? end : size;
		found = seek_in(&f->level[i], off, end, whence);
		if (found < (off_t)end)
			break;
		off = end;
		found = whence == SEEK_DATA ? -ENXIO : (off_t)size;
	}
	pthread_rwlock_unlock(&f->lock);
	return found;
}

static int sync_level(struct cow_level *l, bool data_only)
{
	int rc;

	l->dirty = false; /* before: what is written meanwhile makes it dirty again */
	rc = data_only ? fdatasync(l->fd) : fsync(l->fd);
	if (rc < 0) {
		rc = -errno;
		l->dirty = true;
	}
	return rc;
}

bool cow_file_dirty_below(const struct cow_file *f)
{
	for (size_t i = 1; i < f->n; i++)
		if (f->level[i].dirty)
			return true;
	return false;
}

int cow_file_sync_below(struct cow_file *f)
{
	int rc = 0;

	for (size_t i = 1; i < f->n && !rc; i++)
		if (f->level[i].dirty)
			rc = sync_level(&f->level[i], true);
	return rc;
}

int cow_file_sync(struct cow_file *f, bool data_only)
{
	return cow_file_sync_below(f) ?: sync_level(&f->level[0], data_only);
}
