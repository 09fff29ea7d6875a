/* core/base/arena.h -- memory that ends all at once: what is made in an arena is not freed by itself.
 *
 * A zeroed struct is an empty arena. */
#ifndef CORE_BASE_ARENA_H
#define CORE_BASE_ARENA_H

#include <stdarg.h>

#include "core/base/err.h"

struct arena {
	struct arena_block *blocks;
};
void *arena_alloc(struct arena *a, size_t size); /* zeroed */
char *arena_str(struct arena *a, const char *s); /* NULL gives NULL */
char *arena_strn(struct arena *a, const char *s, size_t n);
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF(2, 3);
char *arena_vprintf(struct arena *a, const char *fmt, va_list ap) PRINTF(2, 0);
void arena_done(struct arena *a);

#endif
