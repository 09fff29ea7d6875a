#include "core/cow/proto.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

enum {
	TARGET = 1,
	ATTR = 2,
	DATA = 4
}; /* the (last) name is any string; is an attribute's name; data follow */

static const struct shape {
	unsigned short arg, names, flags;
	bool known;
} shapes[] = {
	[FUSE_LOOKUP] = { 0, 1, 0, true },
	[FUSE_FORGET] = { sizeof(struct fuse_forget_in), 0, 0, true },
	[FUSE_GETATTR] = { sizeof(struct fuse_getattr_in), 0, 0, true },
	[FUSE_SETATTR] = { sizeof(struct fuse_setattr_in), 0, 0, true },
	[FUSE_READLINK] = { 0, 0, 0, true },
	[FUSE_SYMLINK] = { 0, 2, TARGET, true },
	[FUSE_MKNOD] = { sizeof(struct fuse_mknod_in), 1, 0, true },
	[FUSE_MKDIR] = { sizeof(struct fuse_mkdir_in), 1, 0, true },
	[FUSE_UNLINK] = { 0, 1, 0, true },
	[FUSE_RMDIR] = { 0, 1, 0, true },
	[FUSE_RENAME] = { sizeof(struct fuse_rename_in), 2, 0, true },
	[FUSE_LINK] = { sizeof(struct fuse_link_in), 1, 0, true },
	[FUSE_OPEN] = { sizeof(struct fuse_open_in), 0, 0, true },
	[FUSE_READ] = { sizeof(struct fuse_read_in), 0, 0, true },
	[FUSE_WRITE] = { sizeof(struct fuse_write_in), 0, DATA, true },
	[FUSE_STATFS] = { 0, 0, 0, true },
	[FUSE_RELEASE] = { sizeof(struct fuse_release_in), 0, 0, true },
	[FUSE_FSYNC] = { sizeof(struct fuse_fsync_in), 0, 0, true },
	[FUSE_SETXATTR] = { FUSE_COMPAT_SETXATTR_IN_SIZE, 1, ATTR | DATA, true },
	[FUSE_GETXATTR] = { sizeof(struct fuse_getxattr_in), 1, ATTR, true },
	[FUSE_LISTXATTR] = { sizeof(struct fuse_getxattr_in), 0, 0, true },
	[FUSE_REMOVEXATTR] = { 0, 1, ATTR, true },
	[FUSE_INIT] = { 16, 0, DATA, true }, /* longer since 7.36 */
	[FUSE_OPENDIR] = { sizeof(struct fuse_open_in), 0, 0, true },
	[FUSE_READDIR] = { sizeof(struct fuse_read_in), 0, 0, true },
	[FUSE_RELEASEDIR] = { sizeof(struct fuse_release_in), 0, 0, true },
	[FUSE_FSYNCDIR] = { sizeof(struct fuse_fsync_in), 0, 0, true },
	[FUSE_CREATE] = { sizeof(struct fuse_create_in), 1, 0, true },
	[FUSE_INTERRUPT] = { sizeof(struct fuse_interrupt_in), 0, 0, true },
	[FUSE_DESTROY] = { 0, 0, 0, true },
	[FUSE_BATCH_FORGET] = { sizeof(struct fuse_batch_forget_in), 0, DATA, true },
	[FUSE_FALLOCATE] = { sizeof(struct fuse_fallocate_in), 0, 0, true },
	[FUSE_READDIRPLUS] = { sizeof(struct fuse_read_in), 0, 0, true },
	[FUSE_RENAME2] = { sizeof(struct fuse_rename2_in), 2, 0, true },
	[FUSE_LSEEK] = { sizeof(struct fuse_lseek_in), 0, 0, true },
};

static bool good_name(const char *name, unsigned flags)
{
	size_t len = strlen(name);

	if (flags & TARGET)
		return len && len < PATH_MAX;
	if (!len || len > NAME_MAX)
		return false;
	return flags & ATTR || (!strchr(name, '/') && strcmp(name, ".") && strcmp(name, ".."));
}

/* A NUL-ended string at *AT, which moves behind it. */
static const char *take_name(const char **at, const char *end, unsigned flags)
{
	const char *name = *at, *nul = memchr(name, '\0', (size_t)(end - name));

	if (!nul || !good_name(name, flags))
		return NULL;
	*at = nul + 1;
	return name;
}

int proto_parse(const void *buf, size_t len, struct proto_req *ret)
{
	const struct fuse_in_header *h = buf;
	const char *at = (const char *)buf + sizeof(*h), *end;
	struct proto_req r = { .head = h };
	const struct shape *s;

	if (len < sizeof(*h) || h->len != len)
		return -EINVAL;
	*ret = r; /* enough to answer with an error */
	s = h->opcode < sizeof(shapes) / sizeof(shapes[0]) ? &shapes[h->opcode] : &shapes[0];
	if (!s->known)
		return -ENOSYS;
	end = (const char *)buf + len;
	if ((size_t)(end - at) < s->arg)
		return -EINVAL;
	if (s->arg)
		r.arg = at;
	at += s->arg;
	if (s->names > 0) {
		r.name = take_name(&at, end, s->names == 1 ? s->flags : 0);
		if (!r.name)
			return -EINVAL;
	}
	if (s->names > 1) {
		r.name2 = take_name(&at, end, s->flags);
		if (!r.name2)
			return -EINVAL;
	}
	if (s->flags & DATA) {
		r.data = at;
		r.data_len = (size_t)(end - at);
	}
	*ret = r;
	return 0;
}
