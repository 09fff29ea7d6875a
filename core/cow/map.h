/* core/cow/map.h -- which blocks of a file are its own: one bit for each block below its limit.  Pure, but for
 * map_load(). */
#ifndef CORE_COW_MAP_H
#define CORE_COW_MAP_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/err.h"

struct map {
	uint64_t *bits;
	uint64_t blocks; /* all from here on count as set */
};
void map_init(struct map *m, uint64_t blocks);
void map_done(struct map *m);
bool map_has(const struct map *m, uint64_t block);
/* How many blocks from BLOCK on are as it is, at most MAX (which is at least 1). */
uint64_t map_run(const struct map *m, uint64_t block, uint64_t max);
bool map_has_all(const struct map *m, uint64_t block, uint64_t n);
void map_set(struct map *m, uint64_t block, uint64_t n);
/* The limit moves down, never up. */
void map_cut(struct map *m, uint64_t blocks);
uint64_t map_count(const struct map *m);

/* From the allocated extents of FD, which are written out first: an extent that is allocated but unwritten is what a
 * crash left of a write whose data never arrived.  Without FIEMAP (tmpfs) by SEEK_DATA. */
struct err *map_load(struct map *m, int fd, uint64_t blocks) MUST_CHECK;

#endif
