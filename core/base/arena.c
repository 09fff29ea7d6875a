#include "core/base/arena.h"

#include <stddef.h>
#include <stdlib.h>

#include "core/base/str.h"

enum { FIRST_BYTES = 1 << 10, BLOCK_BYTES = 64 << 10 };

struct arena_block {
	struct arena_block *next;
	size_t used, size;
	max_align_t data[];
};

void *arena_alloc(struct arena *a, size_t size)
{
	size_t align = __alignof__(max_align_t), need = (size + align - 1) / align * align;
	struct arena_block *b = a->blocks;

	if (!b || b->size - b->used < need) {
		size_t next = b ? 2 * b->size : FIRST_BYTES, room;

		next = next < BLOCK_BYTES ? next : BLOCK_BYTES;
		room = need > next / 4 ? need : next;
		b = xcalloc(1, sizeof(*b) + room);
		b->size = room;
		/* a block made for one large thing goes behind the one that still has room */
		if (a->blocks && room == need) {
			b->next = a->blocks->next;
			a->blocks->next = b;
		} else {
			b->next = a->blocks;
			a->blocks = b;
		}
	}
	b->used += need;
	return (char *)b->data + b->used - need;
}

char *arena_strn(struct arena *a, const char *s, size_t n)
{
	char *copy = arena_alloc(a, n + 1);

	memcpy(copy, s, n);
	return copy;
}

char *arena_str(struct arena *a, const char *s)
{
	return s ? arena_strn(a, s, strlen(s)) : NULL;
}

char *arena_vprintf(struct arena *a, const char *fmt, va_list ap)
{
	_cleanup_free_ char *text = xvasprintf(fmt, ap);

	return arena_str(a, text);
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	char *text;
	va_list ap;

	va_start(ap, fmt);
	text = arena_vprintf(a, fmt, ap);
	va_end(ap);
	return text;
}

void arena_done(struct arena *a)
{
	while (a->blocks) {
		struct arena_block *b = a->blocks;

		a->blocks = b->next;
		free(b);
	}
}
