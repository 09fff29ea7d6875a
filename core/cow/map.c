#include "core/cow/map.h"

#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core/base/str.h"
#include "core/cow/link.h"

enum { WORD = 64, EXTENTS = 128 };

void map_init(struct map *m, uint64_t blocks)
{
	m->blocks = blocks;
	m->bits = blocks ? xcalloc((blocks + WORD - 1) / WORD, sizeof(*m->bits)) : NULL;
}

void map_done(struct map *m)
{
	free(TAKE_PTR(m->bits));
	m->blocks = 0;
}

bool map_has(const struct map *m, uint64_t block)
{
	return block >= m->blocks || (m->bits[block / WORD] >> block % WORD & 1);
}

uint64_t map_run(const struct map *m, uint64_t block, uint64_t max)
{
	bool set = map_has(m, block);
	uint64_t n = 1;

	if (block >= m->blocks)
		return max;
	while (n < max && block + n < m->blocks) {
		const uint64_t at = block + n, word = m->bits[at / WORD];

		/* whole words at a time where they are all alike */
		if (at % WORD == 0 && at + WORD <= m->blocks && max - n >= WORD &&
		    word == (set ? UINT64_MAX : 0)) {
			n += WORD;
			continue;
		}
		if ((word >> at % WORD & 1) != set)
			return n;
		n++;
	}
	return n < max && set ? max : n;
}

bool map_has_all(const struct map *m, uint64_t block, uint64_t n)
{
	return !n || (map_has(m, block) && map_run(m, block, n) >= n);
}

void map_set(struct map *m, uint64_t block, uint64_t n)
{
	for (uint64_t b = block; b < block + n && b < m->blocks; b++)
		m->bits[b / WORD] |= 1ULL << b % WORD;
}

void map_cut(struct map *m, uint64_t blocks)
{
	if (blocks < m->blocks)
		m->blocks = blocks;
}

uint64_t map_count(const struct map *m)
{
	uint64_t n = 0;

	for (uint64_t b = 0; b < m->blocks; b++)
		n += map_has(m, b);
	return n;
}

static void set_bytes(struct map *m, uint64_t start, uint64_t len)
{
	uint64_t first = start / COW_BLOCK;

	map_set(m, first, cow_blocks(start + len) - first);
}

static struct err *load_by_seek(struct map *m, int fd)
{
	off_t at = 0, hole;

	while ((at = lseek(fd, at, SEEK_DATA)) >= 0) {
		hole = lseek(fd, at, SEEK_HOLE);
		if (hole < 0)
			return err_new(errno, "looking for holes");
		set_bytes(m, (uint64_t)at, (uint64_t)(hole - at));
		at = hole;
	}
	return errno == ENXIO ? NULL : err_new(errno, "looking for data");
}

struct err *map_load(struct map *m, int fd, uint64_t blocks)
{
	const size_t size = sizeof(struct fiemap) + EXTENTS * sizeof(struct fiemap_extent);
	_cleanup_free_ struct fiemap *f = xmalloc(size);
	uint64_t at = 0, end = blocks * COW_BLOCK;
	uint32_t sync = FIEMAP_FLAG_SYNC;

	map_init(m, blocks);
	while (at < end) {
		memset(f, 0, sizeof(*f));
		f->fm_start = at;
		f->fm_length = end - at;
		f->fm_flags = sync;
		f->fm_extent_count = EXTENTS;
		if (ioctl(fd, FS_IOC_FIEMAP, f) < 0) {
			if (errno == EOPNOTSUPP || errno == ENOTTY)
				return load_by_seek(m, fd);
			return err_new(errno, "reading the map of a file");
		}
		sync = 0;
		if (!f->fm_mapped_extents)
			break;
		for (uint32_t i = 0; i < f->fm_mapped_extents; i++) {
			const struct fiemap_extent *x = &f->fm_extents[i];

			at = x->fe_logical + x->fe_length;
			if (!(x->fe_flags & FIEMAP_EXTENT_UNWRITTEN))
				set_bytes(m, x->fe_logical, x->fe_length);
			if (x->fe_flags & FIEMAP_EXTENT_LAST)
				at = end;
		}
	}
	return NULL;
}
