#include "core/cow/link.h"

#include <endian.h>
#include <stdlib.h>

enum { VERSION = 1 };

size_t link_pack(const struct cow_link *l, uint8_t *buf)
{
	const uint16_t depth = htole16(l->depth);
	const uint32_t limit = htole32(l->limit);
	const uint64_t number = htole64(l->number), self = htole64(l->self);
	size_t len = strlen(l->path);

	buf[0] = VERSION;
	buf[1] = l->flags;
	memcpy(buf + 2, &depth, 2);
	memcpy(buf + 4, &limit, 4);
	memcpy(buf + 8, &number, 8);
	memcpy(buf + 16, &self, 8);
	memcpy(buf + LINK_HEAD, l->path, len);
	return LINK_HEAD + len;
}

bool link_path_ok(const char *path, size_t len)
{
	size_t start = 0;

	if (!len)
		return true;
	for (size_t i = 0; i <= len; i++) {
		size_t part = i - start;

		if (i < len && !path[i])
			return false;
		if (i < len && path[i] != '/')
			continue;
		if (!part || part > NAME_MAX || (part == 1 && path[start] == '.') ||
		    (part == 2 && path[start] == '.' && path[start + 1] == '.'))
			return false;
		start = i + 1;
	}
	return true;
}

bool link_unpack(const void *data, size_t len, struct cow_link *ret)
{
	const uint8_t *p = data;
	struct cow_link l;

	if (len < LINK_HEAD || len > LINK_MAX || p[0] != VERSION || p[1] >= LINK_FLAGS_MAX ||
	    !link_path_ok((const char *)p + LINK_HEAD, len - LINK_HEAD))
		return false;
	l.flags = p[1];
	memcpy(&l.depth, p + 2, 2);
	memcpy(&l.limit, p + 4, 4);
	memcpy(&l.number, p + 8, 8);
	memcpy(&l.self, p + 16, 8);
	l.depth = le16toh(l.depth);
	l.limit = le32toh(l.limit);
	l.number = le64toh(l.number);
	l.self = le64toh(l.self);
	l.path = xstrndup((const char *)p + LINK_HEAD, len - LINK_HEAD);
	*ret = l;
	return true;
}

void link_done(struct cow_link *l)
{
	free(TAKE_PTR(l->path));
}
