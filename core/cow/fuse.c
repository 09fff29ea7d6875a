#include "core/cow/fuse.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>

#include "core/base/str.h"
#include "core/cow/proto.h"

enum { IN_MAX = FUSE_IO_MAX + 4096, BACKGROUND = 64, MINOR_MIN = 31, PLUS_ALIGN = 8 };

/* One thread's work on one request. */
struct work {
	struct fuse_mount *m;
	struct cow_fs *fs;
	char *in, *out; /* IN_MAX, FUSE_IO_MAX */
	struct proto_req req;
	bool answered; /* no answer belongs to it, or it was given */
};

static void answer(struct work *w, int error, const void *data, size_t len)
{
	struct fuse_out_header h = { .len = (uint32_t)(sizeof(h) + len),
				     .error = error,
				     .unique = w->req.head->unique };
	const struct iovec iov[2] = { { &h, sizeof(h) }, { (void *)(uintptr_t)data, len } };

	w->answered = true;
	/* ENOENT: the request was interrupted meanwhile; ENODEV: unmounted.  Nobody waits for it then. */
	if (writev(w->m->fd, iov, 2) < 0 && errno == EINVAL && !error) {
		h.len = sizeof(h);
		h.error = -EIO;
		if (writev(w->m->fd, iov, 1) < 0)
			return;
	}
}

/* --- translation ------------------------------------------------------------------------------ */

static void put_attr(const struct stat *st, struct fuse_attr *a)
{
	*a = (struct fuse_attr){
		.ino = st->st_ino,
		.size = (uint64_t)st->st_size,
		.blocks = (uint64_t)st->st_blocks,
		.atime = (uint64_t)st->st_atim.tv_sec,
		.mtime = (uint64_t)st->st_mtim.tv_sec,
		.ctime = (uint64_t)st->st_ctim.tv_sec,
		.atimensec = (uint32_t)st->st_atim.tv_nsec,
		.mtimensec = (uint32_t)st->st_mtim.tv_nsec,
		.ctimensec = (uint32_t)st->st_ctim.tv_nsec,
		.mode = st->st_mode,
		.nlink = (uint32_t)st->st_nlink,
		.uid = st->st_uid,
		.gid = st->st_gid,
		.blksize = COW_BLOCK,
	};
}

static void put_entry(const struct work *w, const struct fs_entry *en, struct fuse_entry_out *out)
{
	*out = (struct fuse_entry_out){
		.nodeid = en->node,
		.entry_valid = w->m->valid_s,
		.attr_valid = w->m->valid_s,
	};
	put_attr(&en->st, &out->attr);
}

static int answer_entry(struct work *w, int rc, const struct fs_entry *en)
{
	struct fuse_entry_out out;

	if (rc < 0)
		return rc;
	put_entry(w, en, &out);
	answer(w, 0, &out, sizeof(out));
	return 0;
}

static int answer_attr(struct work *w, int rc, const struct stat *st)
{
	struct fuse_attr_out out = { .attr_valid = w->m->valid_s };

	if (rc < 0)
		return rc;
	put_attr(st, &out.attr);
	answer(w, 0, &out, sizeof(out));
	return 0;
}

static struct fs_owner owner(const struct work *w)
{
	return (struct fs_owner){ w->req.head->uid, w->req.head->gid };
}

static void *handle(uint64_t fh)
{
	return (void *)(uintptr_t)fh; /* what we gave; the kernel keeps it */
}

/* --- operations ------------------------------------------------------------------------------- */

static int op_init(struct work *w)
{
	const struct fuse_init_in *in = w->req.arg;
	const uint32_t wanted = FUSE_ASYNC_READ | FUSE_ATOMIC_O_TRUNC | FUSE_BIG_WRITES |
				FUSE_ASYNC_DIO | FUSE_PARALLEL_DIROPS | FUSE_MAX_PAGES |
				FUSE_CACHE_SYMLINKS | FUSE_HANDLE_KILLPRIV_V2 |
				FUSE_EXPLICIT_INVAL_DATA | FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO;
	struct fuse_init_out out = {
		.major = FUSE_KERNEL_VERSION,
		.minor = FUSE_KERNEL_MINOR_VERSION,
		.max_readahead = in->max_readahead,
		.flags = in->flags & wanted,
		.max_background = BACKGROUND,
		.congestion_threshold = BACKGROUND * 3 / 4,
		.max_write = FUSE_IO_MAX,
		.time_gran = 1,
		.max_pages = FUSE_IO_MAX / 4096,
	};

	if (in->major != FUSE_KERNEL_VERSION || in->minor < MINOR_MIN)
		return -EPROTO;
	answer(w, 0, &out, sizeof(out));
	return 0;
}

static int op_lookup(struct work *w)
{
	struct fs_entry en;
	int rc = fs_lookup(w->fs, w->req.head->nodeid, w->req.name, &en);

	if (rc == -ENOENT) { /* the kernel may remember that, too */
		const struct fuse_entry_out none = { .entry_valid = w->m->valid_s };

		answer(w, 0, &none, sizeof(none));
		return 0;
	}
	return answer_entry(w, rc, &en);
}

static int op_forget(struct work *w)
{
	const struct fuse_forget_in *in = w->req.arg;

	w->answered = true;
	fs_forget(w->fs, w->req.head->nodeid, in->nlookup);
	return 0;
}

static int op_batch_forget(struct work *w)
{
	const struct fuse_batch_forget_in *in = w->req.arg;
	const struct fuse_forget_one *one = w->req.data;

	w->answered = true;
	for (uint32_t i = 0; i < in->count && i < w->req.data_len / sizeof(*one); i++)
		fs_forget(w->fs, one[i].nodeid, one[i].nlookup);
	return 0;
}

static int op_getattr(struct work *w)
{
	struct stat st;

	return answer_attr(w, fs_getattr(w->fs, w->req.head->nodeid, &st), &st);
}

static int op_setattr(struct work *w)
{
	static const struct {
		unsigned theirs, ours;
	} bits[] = { { FATTR_MODE, FS_SET_MODE },	 { FATTR_UID, FS_SET_UID },
		     { FATTR_GID, FS_SET_GID },		 { FATTR_SIZE, FS_SET_SIZE },
		     { FATTR_ATIME, FS_SET_ATIME },	 { FATTR_ATIME_NOW, FS_SET_ATIME },
		     { FATTR_MTIME, FS_SET_MTIME },	 { FATTR_MTIME_NOW, FS_SET_MTIME },
		     { FATTR_KILL_SUIDGID, FS_SET_KILL } };
	const struct fuse_setattr_in *in = w->req.arg;
	const struct stat set = {
		.st_mode = in->mode,
		.st_uid = in->uid,
		.st_gid = in->gid,
		.st_size = (off_t)in->size,
		.st_atim = { (time_t)in->atime,
			     in->valid & FATTR_ATIME_NOW ? UTIME_NOW : (long)in->atimensec },
		.st_mtim = { (time_t)in->mtime,
			     in->valid & FATTR_MTIME_NOW ? UTIME_NOW : (long)in->mtimensec },
	};
	unsigned what = 0;
	struct stat st;

	for (size_t i = 0; i < ARRAY_LEN(bits); i++)
		what |= in->valid & bits[i].theirs ? bits[i].ours : 0;
	return answer_attr(w, fs_setattr(w->fs, w->req.head->nodeid, what, &set, &st), &st);
}

static int op_readlink(struct work *w)
{
	int n = fs_readlink(w->fs, w->req.head->nodeid, w->out, PATH_MAX);

	if (n >= 0)
		answer(w, 0, w->out, (size_t)n);
	return n < 0 ? n : 0;
}

static int op_symlink(struct work *w)
{
	const struct fs_owner o = owner(w);
	struct fs_entry en;

	return answer_entry(
		w, fs_symlink(w->fs, w->req.head->nodeid, w->req.name, w->req.name2, &o, &en), &en);
}

static int op_mknod(struct work *w)
{
	const struct fuse_mknod_in *in = w->req.arg;
	const struct fs_owner o = owner(w);
	struct fs_entry en;

	return answer_entry(w, fs_mknod(w->fs, w->req.head->nodeid, w->req.name, in->mode, &o, &en),
			    &en);
}

static int op_mkdir(struct work *w)
{
	const struct fuse_mkdir_in *in = w->req.arg;
	const struct fs_owner o = owner(w);
	struct fs_entry en;

	return answer_entry(w, fs_mkdir(w->fs, w->req.head->nodeid, w->req.name, in->mode, &o, &en),
			    &en);
}

static int op_unlink(struct work *w)
{
	return fs_unlink(w->fs, w->req.head->nodeid, w->req.name);
}

static int op_rmdir(struct work *w)
{
	return fs_rmdir(w->fs, w->req.head->nodeid, w->req.name);
}

static int op_rename(struct work *w)
{
	const struct fuse_rename_in *in = w->req.arg;

	return fs_rename(w->fs, w->req.head->nodeid, w->req.name, in->newdir, w->req.name2, 0);
}

static int op_rename2(struct work *w)
{
	const struct fuse_rename2_in *in = w->req.arg;

	return fs_rename(w->fs, w->req.head->nodeid, w->req.name, in->newdir, w->req.name2, in->flags);
}

static int op_link(struct work *w)
{
	const struct fuse_link_in *in = w->req.arg;
	struct fs_entry en;

	return answer_entry(w, fs_link(w->fs, in->oldnodeid, w->req.head->nodeid, w->req.name, &en),
			    &en);
}

static struct fuse_open_out open_out(void *fh)
{
	return (struct fuse_open_out){ .fh = (uint64_t)(uintptr_t)fh, .open_flags = FOPEN_KEEP_CACHE };
}

static int op_open(struct work *w)
{
	const struct fuse_open_in *in = w->req.arg;
	struct fs_node *n;
	int rc = fs_open(w->fs, w->req.head->nodeid, (int)in->flags, &n);

	if (rc == 0) {
		const struct fuse_open_out out = open_out(n);

		answer(w, 0, &out, sizeof(out));
	}
	return rc;
}

static int op_create(struct work *w)
{
	const struct fuse_create_in *in = w->req.arg;
	const struct fs_owner o = owner(w);
	struct {
		struct fuse_entry_out entry;
		struct fuse_open_out open;
	} out;
	struct fs_entry en;
	struct fs_node *n;
	int rc = fs_create(w->fs, w->req.head->nodeid, w->req.name, in->mode, (int)in->flags, &o,
			   &en, &n);

	if (rc == 0) {
		put_entry(w, &en, &out.entry);
		out.open = open_out(n);
		answer(w, 0, &out, sizeof(out));
	}
	return rc;
}

static int op_release(struct work *w)
{
	const struct fuse_release_in *in = w->req.arg;

	fs_release(w->fs, handle(in->fh));
	return 0;
}

static int op_read(struct work *w)
{
	const struct fuse_read_in *in = w->req.arg;
	ssize_t n = in->size > FUSE_IO_MAX
			    ? -EINVAL
			    : fs_read(w->fs, handle(in->fh), in->offset, w->out, in->size);

	if (n >= 0)
		answer(w, 0, w->out, (size_t)n);
	return n < 0 ? (int)n : 0;
}

static int op_write(struct work *w)
{
	const struct fuse_write_in *in = w->req.arg;
	struct fuse_write_out out = { 0 };
	ssize_t n = in->size > w->req.data_len
			    ? -EINVAL
			    : fs_write(w->fs, handle(in->fh), in->offset, w->req.data, in->size,
				       in->write_flags & FUSE_WRITE_KILL_SUIDGID);

	out.size = n < 0 ? 0 : (uint32_t)n;
	if (n >= 0)
		answer(w, 0, &out, sizeof(out));
	return n < 0 ? (int)n : 0;
}

static int op_statfs(struct work *w)
{
	struct fuse_statfs_out out = { 0 };
	struct statvfs v;
	int rc = fs_statfs(w->fs, &v);

	if (rc < 0)
		return rc;
	out.st = (struct fuse_kstatfs){
		.blocks = v.f_blocks,
		.bfree = v.f_bfree,
		.bavail = v.f_bavail,
		.files = v.f_files,
		.ffree = v.f_ffree,
		.bsize = (uint32_t)v.f_bsize,
		.namelen = (uint32_t)v.f_namemax,
		.frsize = (uint32_t)v.f_frsize,
	};
	answer(w, 0, &out, sizeof(out));
	return 0;
}

static int op_fsync(struct work *w)
{
	const struct fuse_fsync_in *in = w->req.arg;

	return fs_sync(w->fs, handle(in->fh), in->fsync_flags & FUSE_FSYNC_FDATASYNC);
}

static int op_fallocate(struct work *w)
{
	const struct fuse_fallocate_in *in = w->req.arg;

	return fs_allocate(w->fs, handle(in->fh), (int)in->mode, in->offset, in->length);
}

static int op_lseek(struct work *w)
{
	const struct fuse_lseek_in *in = w->req.arg;
	off_t at = in->whence == SEEK_DATA || in->whence == SEEK_HOLE
			   ? fs_seek(w->fs, handle(in->fh), in->offset, (int)in->whence)
			   : -EINVAL;
	const struct fuse_lseek_out out = { .offset = (uint64_t)at };

	if (at >= 0)
		answer(w, 0, &out, sizeof(out));
	return at < 0 ? (int)at : 0;
}

/* --- directories ------------------------------------------------------------------------------ */

static int op_opendir(struct work *w)
{
	struct fs_dir *d;
	int rc = fs_opendir(w->fs, w->req.head->nodeid, &d);

	if (rc == 0) {
		struct fuse_open_out out = { .fh = (uint64_t)(uintptr_t)d };

		answer(w, 0, &out, sizeof(out));
	}
	return rc;
}

static int op_releasedir(struct work *w)
{
	const struct fuse_release_in *in = w->req.arg;

	fs_closedir(handle(in->fh));
	return 0;
}

struct listing {
	char *buf;
	size_t len, size;
};

static bool put_dirent(void *arg, const struct fs_dirent *de)
{
	struct listing *l = arg;
	size_t name = strlen(de->name), len = FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + name);
	struct fuse_dirent *out = (void *)(l->buf + l->len);

	if (len > l->size - l->len)
		return false;
	memset(l->buf + l->len, 0, len);
	out->ino = de->number;
	out->off = de->next;
	out->namelen = (uint32_t)name;
	out->type = de->type;
	memcpy(out->name, de->name, name);
	l->len += len;
	return true;
}

static int op_readdir(struct work *w)
{
	const struct fuse_read_in *in = w->req.arg;
	struct listing l = { .buf = w->out, .size = in->size < FUSE_IO_MAX ? in->size : FUSE_IO_MAX };
	int rc = fs_readdir(w->fs, handle(in->fh), in->offset, put_dirent, &l);

	if (rc == 0)
		answer(w, 0, l.buf, l.len);
	return rc;
}

/* The same with attributes: room is kept for them, they are looked up when the directory is not locked any more. */
static bool put_direntplus(void *arg, const struct fs_dirent *de)
{
	struct listing *l = arg;
	size_t head = offsetof(struct fuse_direntplus, dirent), keep = l->len;

	if (l->size - l->len < head)
		return false;
	memset(l->buf + l->len, 0, head);
	l->len += head;
	if (put_dirent(l, de))
		return true;
	l->len = keep;
	return false;
}

static int op_readdirplus(struct work *w)
{
	const struct fuse_read_in *in = w->req.arg;
	struct listing l = { .buf = w->out, .size = in->size < FUSE_IO_MAX ? in->size : FUSE_IO_MAX };
	int rc = fs_readdir(w->fs, handle(in->fh), in->offset, put_direntplus, &l);

	for (size_t at = 0; rc == 0 && at < l.len;) {
		struct fuse_direntplus *p = (void *)(l.buf + at);
		char name[NAME_MAX + 1];
		struct fs_entry en;

		snprintf(name, sizeof(name), "%.*s", (int)p->dirent.namelen, p->dirent.name);
		if (strcmp(name, ".") && strcmp(name, "..") &&
		    fs_lookup(w->fs, w->req.head->nodeid, name, &en) == 0) /* else: gone, no attributes then */
			put_entry(w, &en, &p->entry_out);
		at += FUSE_DIRENTPLUS_SIZE(p);
	}
	if (rc == 0)
		answer(w, 0, l.buf, l.len);
	return rc;
}

static int op_fsyncdir(struct work *w)
{
	const struct fuse_fsync_in *in = w->req.arg;

	return fs_syncdir(w->fs, handle(in->fh), in->fsync_flags & FUSE_FSYNC_FDATASYNC);
}

/* --- extended attributes ---------------------------------------------------------------------- */

static int answer_xattr(struct work *w, ssize_t n, uint32_t size)
{
	const struct fuse_getxattr_out out = { .size = n < 0 ? 0 : (uint32_t)n };

	if (n < 0)
		return (int)n;
	if (size)
		answer(w, 0, w->out, (size_t)n);
	else
		answer(w, 0, &out, sizeof(out));
	return 0;
}

static int op_setxattr(struct work *w)
{
	const struct fuse_setxattr_in *in = w->req.arg;

	if (in->size > w->req.data_len)
		return -EINVAL;
	return fs_setxattr(w->fs, w->req.head->nodeid, w->req.name, w->req.data, in->size,
			   (int)in->flags);
}

static int op_getxattr(struct work *w)
{
	const struct fuse_getxattr_in *in = w->req.arg;
	uint32_t size = in->size < FUSE_IO_MAX ? in->size : FUSE_IO_MAX;

	return answer_xattr(w, fs_getxattr(w->fs, w->req.head->nodeid, w->req.name, w->out, size), size);
}

static int op_listxattr(struct work *w)
{
	const struct fuse_getxattr_in *in = w->req.arg;
	uint32_t size = in->size < FUSE_IO_MAX ? in->size : FUSE_IO_MAX;

	return answer_xattr(w, fs_listxattr(w->fs, w->req.head->nodeid, w->out, size), size);
}

static int op_removexattr(struct work *w)
{
	return fs_removexattr(w->fs, w->req.head->nodeid, w->req.name);
}

static int op_nothing(struct work *w)
{
	w->answered = w->req.head->opcode == FUSE_INTERRUPT; /* it is soon over anyway */
	return 0;
}

/* --- the loop --------------------------------------------------------------------------------- */

static int (*const ops[])(struct work *w) = {
	[FUSE_LOOKUP] = op_lookup,
	[FUSE_FORGET] = op_forget,
	[FUSE_GETATTR] = op_getattr,
	[FUSE_SETATTR] = op_setattr,
	[FUSE_READLINK] = op_readlink,
	[FUSE_SYMLINK] = op_symlink,
	[FUSE_MKNOD] = op_mknod,
	[FUSE_MKDIR] = op_mkdir,
	[FUSE_UNLINK] = op_unlink,
	[FUSE_RMDIR] = op_rmdir,
	[FUSE_RENAME] = op_rename,
	[FUSE_LINK] = op_link,
	[FUSE_OPEN] = op_open,
	[FUSE_READ] = op_read,
	[FUSE_WRITE] = op_write,
	[FUSE_STATFS] = op_statfs,
	[FUSE_RELEASE] = op_release,
	[FUSE_FSYNC] = op_fsync,
	[FUSE_SETXATTR] = op_setxattr,
	[FUSE_GETXATTR] = op_getxattr,
	[FUSE_LISTXATTR] = op_listxattr,
	[FUSE_REMOVEXATTR] = op_removexattr,
	[FUSE_INIT] = op_init,
	[FUSE_OPENDIR] = op_opendir,
	[FUSE_READDIR] = op_readdir,
	[FUSE_RELEASEDIR] = op_releasedir,
	[FUSE_FSYNCDIR] = op_fsyncdir,
	[FUSE_CREATE] = op_create,
	[FUSE_INTERRUPT] = op_nothing,
	[FUSE_DESTROY] = op_nothing,
	[FUSE_BATCH_FORGET] = op_batch_forget,
	[FUSE_FALLOCATE] = op_fallocate,
	[FUSE_READDIRPLUS] = op_readdirplus,
	[FUSE_RENAME2] = op_rename2,
	[FUSE_LSEEK] = op_lseek,
};

static void serve(struct work *w, size_t len)
{
	int rc = proto_parse(w->in, len, &w->req);

	w->answered = false;
	if (!w->req.head)
		return; /* not even a whole header */
	if (rc == 0)
		rc = w->req.head->opcode < ARRAY_LEN(ops) && ops[w->req.head->opcode]
			     ? ops[w->req.head->opcode](w)
			     : -ENOSYS;
	if (!w->answered)
		answer(w, rc, NULL, 0);
}

void fuse_run(struct fuse_mount *m)
{
	struct work w = { .m = m, .fs = m->fs };
	char *buf = mmap(NULL, IN_MAX + FUSE_IO_MAX, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (buf == MAP_FAILED)
		return; /* without threads the mount is aborted, which those who wait see */
	w.in = buf;
	w.out = buf + IN_MAX;
	for (;;) {
		ssize_t n = read(m->fd, w.in, IN_MAX);

		if (n < 0 && (errno == EINTR || errno == EAGAIN || errno == ENOENT))
			continue; /* ENOENT: it was interrupted before we saw it */
		if (n <= 0)
			break; /* ENODEV: unmounted */
		w.req.head = NULL;
		serve(&w, (size_t)n);
	}
	munmap(buf, IN_MAX + FUSE_IO_MAX);
}
