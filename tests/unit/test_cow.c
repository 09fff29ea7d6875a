/* A thin tree against a plain directory: the same random operations on both must have the same results, through seals,
 * forks and crashes.  COW_SEED and COW_STEPS make it another or a longer test. */
#include "core/cow/fs.h"
#include "core/cow/merge.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "core/base/copy.h"
#include "core/base/fd.h"
#include "tests/lib/tap.h"

enum { FILE_MAX = 300000, HANDLES = 4, FORKS = 6, LEVELS = 24 };

static int work = -1, model = -1; /* the directories of the trees, and of the plain one */
static struct cow_fs *fs;
static unsigned depth; /* of the top */
static uint64_t seed;
static unsigned long step;
static bool differs;

static struct {
	struct fs_node *node;
	uint64_t id;
	int fd;
} open_files[HANDLES];

/* Forks: the depth of the tree they stand on, and what they must look like. */
static struct {
	unsigned on;
	char want[16];
} forks[FORKS];
static size_t n_forks;

static uint32_t rnd(uint32_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 16) % below;
}

static void PRINTF(1, 2) diff(const char *fmt, ...)
{
	va_list ap;

	if (!differs) {
		printf("# step %lu: ", step);
		va_start(ap, fmt);
		vprintf(fmt, ap);
		va_end(ap);
		putchar('\n');
	}
	differs = true;
}

static void same(long got, long want, const char *what, const char *path)
{
	if (got != want)
		diff("%s %s: %ld (%s) instead of %ld", what, path, got,
		     got < 0 ? strerror((int)-got) : "", want);
}

/* --- trees ------------------------------------------------------------------------------------ */

static int tree_dir(unsigned d, const char *what)
{
	char name[32];
	int fd;

	snprintf(name, sizeof(name), "%s%u", what, d);
	mkdirat(work, name, 0700);
	fd = openat(work, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	mkdirat(fd, "data", 0755);
	return fd;
}

/* The tree of depth D at the top, all below it; the ones of the main line are called t0, t1, ... */
static bool gone[LEVELS + 2]; /* depths whose trees were absorbed */

static struct cow_fs *open_chain(unsigned d, const char *top_name)
{
	struct cow_chain c = { .n = 0 };
	struct cow_fs *ret = NULL;
	struct err *e = NULL;

	for (unsigned i = d + 1; i-- > 0 && !e;) {
		int dir;

		if (gone[i] && i < d)
			continue;
		dir = tree_dir(i, i == d ? top_name : "t");
		e = cow_tree_open(&c.v[c.n++], dir, i, i > 0, i == d);
		close(dir);
	}
	e = e ?: cow_fs_open(&c, &ret);
	cow_chain_done(&c);
	if (e)
		is_err(e, NULL, "opening the tree of depth %u", d);
	return ret;
}

/* --- paths ------------------------------------------------------------------------------------ */

static const char *random_path(char buf[64])
{
	static const char *const dirs[] = { "", "", "a/", "a/b/", "c/", "old/", "old/deep/" };
	static const char *const names[] = { "a", "b", "c", "x", "y", "z", "deep", "big", "small" };

	snprintf(buf, 64, "%s%s", dirs[rnd(ARRAY_LEN(dirs))], names[rnd(ARRAY_LEN(names))]);
	return buf;
}

/* The node of the directory that PATH is in; *RET_NAME is its last part. */
static int dir_of(struct cow_fs *f, const char *path, uint64_t *ret, const char **ret_name)
{
	uint64_t at = COW_ROOT;

	for (;;) {
		const char *slash = strchr(path, '/');
		struct fs_entry en;
		char part[32];
		int rc;

		if (!slash) {
			*ret = at;
			*ret_name = path;
			return 0;
		}
		snprintf(part, sizeof(part), "%.*s", (int)(slash - path), path);
		rc = fs_lookup(f, at, part, &en);
		if (at != COW_ROOT)
			fs_forget(f, at, 1);
		if (rc < 0)
			return rc;
		if (!S_ISDIR(en.st.st_mode)) {
			fs_forget(f, en.node, 1);
			return S_ISLNK(en.st.st_mode) ? -ENOENT : -ENOTDIR; /* it leads nowhere */
		}
		at = en.node;
		path = slash + 1;
	}
}

static int find(struct cow_fs *f, const char *path, struct fs_entry *ret)
{
	const char *name;
	uint64_t dir;
	int rc = dir_of(f, path, &dir, &name);

	if (rc < 0)
		return rc;
	rc = fs_lookup(f, dir, name, ret);
	fs_forget(f, dir, 1);
	return rc;
}

/* --- operations ------------------------------------------------------------------------------- */

static const struct fs_owner own = { 0, 0 };
static char buf_a[FILE_MAX + 70000], buf_b[FILE_MAX + 70000];

static void op_make(const char *path)
{
	const char *name;
	struct fs_entry en = { 0 };
	uint64_t dir;
	int rc = dir_of(fs, path, &dir, &name), want, kind = (int)rnd(4);

	if (kind == 0)
		want = mkdirat(model, path, 0750);
	else if (kind == 1)
		want = symlinkat("some/where", model, path);
	else
		want = mknodat(model, path, kind == 2 ? S_IFREG | 0640 : S_IFIFO | 0600, 0);
	want = want < 0 ? -errno : 0;
	if (!rc) {
		rc = kind == 0	 ? fs_mkdir(fs, dir, name, 0750, &own, &en)
		     : kind == 1 ? fs_symlink(fs, dir, name, "some/where", &own, &en)
				 : fs_mknod(fs, dir, name,
					    kind == 2 ? S_IFREG | 0640 : S_IFIFO | 0600, &own, &en);
		fs_forget(fs, dir, 1);
	}
	if (!rc)
		fs_forget(fs, en.node, 1);
	same(rc, want, "making", path);
}

static void op_remove(const char *path)
{
	const char *name;
	uint64_t dir;
	int rc = dir_of(fs, path, &dir, &name), want;
	bool is_dir = rnd(4) == 0;

	want = unlinkat(model, path, is_dir ? AT_REMOVEDIR : 0) < 0 ? -errno : 0;
	if (!rc) {
		rc = is_dir ? fs_rmdir(fs, dir, name) : fs_unlink(fs, dir, name);
		fs_forget(fs, dir, 1);
	}
	same(rc, want, is_dir ? "rmdir" : "unlink", path);
}

static void op_rename(const char *path, const char *to)
{
	static const unsigned kinds[] = { 0, 0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE };
	unsigned flags = kinds[rnd(ARRAY_LEN(kinds))];
	const char *name, *to_name;
	uint64_t dir, to_dir;
	int rc, want = renameat2(model, path, model, to, flags) < 0 ? -errno : 0;

	rc = dir_of(fs, path, &dir, &name);
	if (!rc) {
		rc = dir_of(fs, to, &to_dir, &to_name);
		if (!rc) {
			rc = fs_rename(fs, dir, name, to_dir, to_name, flags);
			fs_forget(fs, to_dir, 1);
		}
		fs_forget(fs, dir, 1);
	}
	/* which of two reasons is told may differ */
	same(rc < 0, want < 0, "renaming", path);
}

static void op_link(const char *path, const char *to)
{
	struct fs_entry en, made;
	const char *name;
	uint64_t dir;
	int rc, want = linkat(model, path, model, to, 0) < 0 ? -errno : 0;

	rc = find(fs, path, &en);
	if (!rc) {
		rc = dir_of(fs, to, &dir, &name);
		if (!rc) {
			rc = fs_link(fs, en.node, dir, name, &made);
			fs_forget(fs, dir, 1);
		}
		fs_forget(fs, en.node, 1);
	}
	if (!rc)
		fs_forget(fs, made.node, 1);
	same(rc < 0, want < 0, "linking", path);
}

static void fill_random(char *buf, size_t len)
{
	for (size_t i = 0; i + 4 <= len; i += 4) {
		uint32_t v = rnd(UINT32_MAX);

		memcpy(buf + i, &v, 4);
	}
}

static void io(struct fs_node *n, int fd, const char *path)
{
	uint64_t off = rnd(FILE_MAX);
	size_t len = rnd(3) ? rnd(9000) : rnd(60000);
	static const int modes[] = { 0, FALLOC_FL_KEEP_SIZE,
				     FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, FALLOC_FL_ZERO_RANGE,
				     FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE };
	ssize_t got, want;
	int mode;

	if (rnd(2))
		off &= ~(uint64_t)4095;
	switch (rnd(5)) {
	case 0:
	case 1:
		fill_random(buf_a, len);
		want = pwrite(fd, buf_a, len, (off_t)off);
		got = fs_write(fs, n, off, buf_a, len, false);
		same(got, want, "writing", path);
		break;
	case 2:
		want = pread(fd, buf_a, len, (off_t)off);
		got = fs_read(fs, n, off, buf_b, len);
		same(got, want, "reading", path);
		if (got == want && got > 0 && memcmp(buf_a, buf_b, (size_t)got))
			diff("reading %s at %llu: other data", path, (unsigned long long)off);
		break;
	case 3:
		mode = modes[rnd(ARRAY_LEN(modes))];
		want = fallocate(fd, mode, (off_t)off, (off_t)len + 1) < 0 ? -errno : 0;
		got = fs_allocate(fs, n, mode, off, len + 1);
		same(got, want, "allocating", path);
		break;
	default:
		got = fs_sync(fs, n, rnd(2));
		same(got, 0, "syncing", path);
	}
}

static void op_io(const char *path)
{
	struct fs_entry en;
	struct fs_node *n;
	struct stat st;
	int rc = find(fs, path, &en), fd, flags = rnd(10) ? 0 : O_TRUNC;

	if (fstatat(model, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		st.st_mode = 0;
	same(rc == 0 ? (long)en.st.st_mode : 0, (long)st.st_mode, "mode of", path);
	if (rc < 0 || !S_ISREG(st.st_mode) || differs) {
		if (!rc)
			fs_forget(fs, en.node, 1);
		return;
	}
	fd = openat(model, path, O_RDWR | O_CLOEXEC | flags);
	rc = fs_open(fs, en.node, flags, &n);
	same(rc, 0, "opening", path);
	if (!rc) {
		size_t slot = rnd(HANDLES);

		for (int i = (int)rnd(4); i >= 0; i--)
			io(n, fd, path);
		if (!open_files[slot].node && rnd(8) == 0) { /* stays open, whatever becomes of its name */
			open_files[slot].node = n;
			open_files[slot].id = en.node;
			open_files[slot].fd = fd;
			return;
		}
		fs_release(fs, n);
	}
	close(fd);
	fs_forget(fs, en.node, 1);
}

static void close_slot(size_t i)
{
	if (!open_files[i].node)
		return;
	fs_release(fs, open_files[i].node);
	fs_forget(fs, open_files[i].id, 1);
	close(open_files[i].fd);
	open_files[i].node = NULL;
}

static void op_attr(const char *path)
{
	struct fs_entry en;
	struct stat set = { .st_size = rnd(FILE_MAX), .st_mode = rnd(2) ? 0600 : 0644 }, st;
	unsigned what = rnd(3) ? FS_SET_SIZE : FS_SET_MODE;
	int rc = find(fs, path, &en), want = 0;

	if (fstatat(model, path, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		same(rc < 0, 1, "there is", path);
		if (!rc)
			fs_forget(fs, en.node, 1);
		return;
	}
	same(rc, 0, "finding", path);
	if (rc)
		return;
	if (S_ISREG(st.st_mode)) {
		_cleanup_close_ int fd = openat(model, path, O_RDWR | O_CLOEXEC);

		want = what == FS_SET_SIZE ? ftruncate(fd, set.st_size) : fchmod(fd, set.st_mode);
		if (rnd(3) == 0) {
			fsetxattr(fd, "user.test", &set.st_size, 4, 0);
			same(fs_setxattr(fs, en.node, "user.test", &set.st_size, 4, 0), 0,
			     "attribute of", path);
		}
		rc = fs_setattr(fs, en.node, what, &set, &st);
		same(rc, want, "setting", path);
		if (what == FS_SET_SIZE)
			same((long)st.st_size, (long)set.st_size, "size of", path);
	}
	fs_forget(fs, en.node, 1);
}

/* --- comparing -------------------------------------------------------------------------------- */

static bool count_entry(void *arg, const struct fs_dirent *de)
{
	size_t *n = arg;

	*n += strcmp(de->name, ".") && strcmp(de->name, "..");
	return true;
}

static void compare_file(struct cow_fs *f, uint64_t id, int fd, const struct stat *st, const char *path)
{
	struct fs_node *n;
	ssize_t got, want;

	same(fs_open(f, id, 0, &n), 0, "opening", path);
	if (differs)
		return;
	want = pread(fd, buf_a, sizeof(buf_a), 0);
	got = fs_read(f, n, 0, buf_b, sizeof(buf_b));
	same(got, want, "the length of", path);
	if (got == want && memcmp(buf_a, buf_b, (size_t)got)) {
		size_t i = 0;

		while (buf_a[i] == buf_b[i])
			i++;
		diff("%s has other data at %zu of %zd", path, i, want);
	}
	for (off_t at = 0; at < st->st_size && !differs;) { /* what is said to be a hole must read as zeros */
		off_t hole = fs_seek(f, n, (uint64_t)at, SEEK_HOLE),
		      data = fs_seek(f, n, (uint64_t)at, SEEK_DATA);

		if (hole < 0 || (data < 0 && data != -ENXIO))
			diff("%s: seeking at %lld: %lld, %lld", path, (long long)at,
			     (long long)hole, (long long)data);
		data = data < 0 ? st->st_size : data;
		for (off_t i = at; i < data; i++)
			if (buf_a[i]) {
				diff("%s: data at %lld is called a hole", path, (long long)i);
				break;
			}
		at = data > at ? data : hole;
	}
	fs_release(f, n);
}

static void compare(struct cow_fs *f, uint64_t node, int dir, const char *where)
{
	int dup = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_dir_ DIR *d = fdopendir(dup);
	size_t n = 0, got_n = 0;
	struct dirent *de;
	struct fs_dir *h;

	while ((de = readdir(d)) != NULL && !differs) {
		_cleanup_free_ char *path = xasprintf("%s/%s", where, de->d_name);
		char value[8], got_value[8];
		struct fs_entry en;
		struct stat st;
		ssize_t len;

		if (!strcmp(de->d_name, ".") || !strcmp(de->d_name, ".."))
			continue;
		n++;
		fstatat(dir, de->d_name, &st, AT_SYMLINK_NOFOLLOW);
		same(fs_lookup(f, node, de->d_name, &en), 0, "looking up", path);
		if (differs)
			return;
		same((long)en.st.st_mode, (long)st.st_mode, "mode of", path);
		if (S_ISREG(st.st_mode)) {
			_cleanup_close_ int fd = openat(dir, de->d_name, O_RDONLY | O_CLOEXEC);

			same((long)en.st.st_size, (long)st.st_size, "size of", path);
			compare_file(f, en.node, fd, &st, path);
			len = fgetxattr(fd, "user.test", value, sizeof(value));
			len = len < 0 ? -errno : len;
			same(fs_getxattr(f, en.node, "user.test", got_value, sizeof(got_value)),
			     len, "attribute of", path);
			same(fs_getxattr(f, en.node, LINK_XATTR, got_value, sizeof(got_value)),
			     -ENODATA, "our own attribute of", path);
		} else if (S_ISDIR(st.st_mode)) {
			_cleanup_close_ int sub =
				openat(dir, de->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

			compare(f, en.node, sub, path);
		} else if (S_ISLNK(st.st_mode)) {
			same(fs_readlink(f, en.node, value, sizeof(value)), 8, "the target of", path);
		}
		fs_forget(f, en.node, 1);
	}
	same(fs_opendir(f, node, &h), 0, "opening", where);
	if (differs)
		return;
	same(fs_readdir(f, h, 0, count_entry, &got_n), 0, "reading", where);
	fs_closedir(h);
	same((long)got_n, (long)n, "number of entries in", where);
}

/* --- seals, forks, crashes -------------------------------------------------------------------- */

static int copy_of_model(const char *name)
{
	int fd;

	mkdirat(work, name, 0755);
	fd = openat(work, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	is_err(copy_tree(model, fd), NULL, "step %lu: what a fork must look like is kept", step);
	return fd;
}

static void seal(void)
{
	struct cow_tree top;
	int dir = tree_dir(depth + 1, "t");
	struct err *e = cow_tree_open(&top, dir, depth + 1, true, true);

	close(dir);
	e = e ?: fs_seal(fs, &top);
	if (err_is(e, EBUSY)) { /* one of several names of an open file went */
		_cleanup_free_ char *name = xasprintf("t%u", depth + 1);

		err_free(e);
		err_free(fd_rm_tree(work, name));
		return;
	}
	if (!is_err(e, NULL, "step %lu: sealed at depth %u", step, depth)) {
		differs = true;
		return;
	}
	depth++;
	if (n_forks < FORKS && rnd(3) == 0) {
		forks[n_forks].on = depth - 1;
		snprintf(forks[n_forks].want, sizeof(forks[0].want), "want%zu", n_forks);
		close(copy_of_model(forks[n_forks].want));
		n_forks++;
	}
}

/* The process is killed: nothing is said to the files. */
static void crash(void)
{
	for (size_t i = 0; i < HANDLES; i++)
		close_slot(i);
	cow_fs_free(fs);
	fs = open_chain(depth, "t");
}

/* The top takes over the tree below it, if no fork stands there; killed once in between. */
static void absorb(void)
{
	struct cow_dirs dirs = { .n = 0 };
	unsigned below = depth - 1;
	struct err *e;
	int data;

	while (below > 0 && gone[below])
		below--;
	for (size_t i = 0; i < n_forks; i++)
		if (forks[i].on == below)
			return;
	if (gone[below])
		return;
	for (size_t i = 0; i < HANDLES; i++)
		close_slot(i);
	cow_fs_free(fs);
	for (unsigned i = depth + 1; i-- > 0;) {
		if (gone[i] && i < depth)
			continue;
		dirs.fd[dirs.n] = tree_dir(i, "t");
		dirs.depth[dirs.n] = i;
		dirs.thin[dirs.n++] = i > 0;
	}
	e = cow_absorb(&dirs);
	differs |= !is_err(e, NULL, "step %lu: tree %u absorbs %u", step, depth, below);
	/* nothing may lead there any more */
	data = openat(dirs.fd[1], "data", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	err_free(fd_rm_tree(dirs.fd[1], "data"));
	err_free(fd_rm_tree(dirs.fd[1], "links"));
	close(data);
	for (size_t i = 0; i < dirs.n; i++)
		close(dirs.fd[i]);
	gone[below] = true;
	fs = open_chain(depth, "t");
	if (fs)
		compare(fs, COW_ROOT, model, "");
}

static void one_step(void)
{
	char path[64], other[64];
	uint32_t what = rnd(1000);

	random_path(path);
	random_path(other);
	if (what < 120)
		op_make(path);
	else if (what < 190)
		op_remove(path);
	else if (what < 260)
		op_rename(path, other);
	else if (what < 300)
		op_link(path, other);
	else if (what < 400)
		op_attr(path);
	else if (what < 900)
		op_io(path);
	else if (what < 950) {
		size_t slot = rnd(HANDLES);

		if (open_files[slot].node && rnd(3) == 0)
			close_slot(slot);
		else if (open_files[slot].node)
			io(open_files[slot].node, open_files[slot].fd, "(open)");
	} else if (what < 960)
		compare(fs, COW_ROOT, model, "");
	else if (what < 967 && depth < LEVELS)
		seal();
	else if (what < 972)
		crash();
	else if (what < 977)
		absorb();
}

static void put(int dir, const char *name, size_t len)
{
	_cleanup_close_ int fd = openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	fill_random(buf_a, len);
	err_free(fd_write_all(fd, name, buf_a, len));
}

static void fill_base(void)
{
	_cleanup_close_ int base = tree_dir(0, "t"),
			    data = openat(base, "data", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	mkdirat(data, "old", 0755);
	mkdirat(data, "old/deep", 0700);
	put(data, "old/deep/x", 200000);
	put(data, "old/big", FILE_MAX);
	put(data, "old/y", 5000);
	put(data, "small", 100);
	put(data, "z", 4096);
	linkat(data, "old/y", data, "old/deep/y", 0);
	ok(symlinkat("some/where", data, "old/z") == 0, "a link");
	mkdirat(work, "model", 0755);
	model = openat(work, "model", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	is_err(copy_tree(data, model), NULL, "the plain directory has the same");
	unlinkat(model, "old/deep/y", 0); /* a copy makes two files of it */
	linkat(model, "old/y", model, "old/deep/y", 0);
}

/* The fork NAME copies up all but the lowest KEEP trees, and looks the same. */
static void flatten(unsigned d, const char *name, size_t keep, int want)
{
	struct cow_dirs dirs = { .n = 0 };
	struct cow_chain c;
	struct cow_fs *f = NULL;
	struct err *e;

	for (unsigned i = d + 1; i-- > 0;) {
		if (gone[i] && i < d)
			continue;
		dirs.fd[dirs.n] = tree_dir(i, i == d ? name : "t");
		dirs.depth[dirs.n] = i;
		dirs.thin[dirs.n++] = i > 0;
	}
	e = cow_flatten(&dirs, keep);
	differs |= !is_err(e, NULL, "%s is all its own above %zu trees", name, keep);
	if (keep && dirs.n > 2) { /* the trees in between do not count any more */
		dirs.fd[1] = dirs.fd[dirs.n - 1];
		dirs.depth[1] = dirs.depth[dirs.n - 1];
		dirs.thin[1] = dirs.thin[dirs.n - 1];
	}
	dirs.n = keep && dirs.n > 1 ? 2 : 1;
	e = cow_open_trees(&dirs, &c);
	e = e ?: cow_fs_open(&c, &f);
	differs |= !is_err(e, NULL, "opening it");
	if (f)
		compare(f, COW_ROOT, want, name);
	ok(!differs, "it looks the same");
	cow_fs_free(f);
}

static void check_forks(void)
{
	for (size_t i = 0; i < n_forks && !differs; i++) {
		_cleanup_close_ int want =
			openat(work, forks[i].want, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		char name[32];
		struct cow_fs *f;

		snprintf(name, sizeof(name), "fork%zu-", i);
		f = open_chain(forks[i].on + 1, name);
		if (!f)
			return;
		compare(f, COW_ROOT, want, forks[i].want);
		ok(!differs, "the fork on depth %u is what was there then", forks[i].on);
		cow_fs_free(f);
		flatten(forks[i].on + 1, name, 1, want);
		flatten(forks[i].on + 1, name, 0, want);
	}
}

int main(void)
{
	const char *steps = getenv("COW_STEPS"), *from = getenv("COW_SEED");
	unsigned long n = steps ? strtoul(steps, NULL, 10) : 6000;
	char top[] = "/var/tmp/test_cow.XXXXXX";

	seed = from ? strtoul(from, NULL, 10) : 20260101;
	umask(0);
	if (!mkdtemp(top))
		return 1;
	work = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fill_base();
	depth = 1;
	fs = open_chain(depth, "t");
	if (!ok(fs != NULL, "a thin tree over it"))
		return done_testing();
	for (step = 0; step < n && !differs; step++)
		one_step();
	ok(!differs, "%lu steps, %u seals: no difference", step, depth);
	if (!differs)
		compare(fs, COW_ROOT, model, "");
	ok(!differs, "the trees are the same in the end");
	check_forks();
	for (size_t i = 0; i < HANDLES; i++)
		close_slot(i);
	cow_fs_free(fs);
	if (!differs)
		err_free(fd_rm_tree(AT_FDCWD, top));
	return done_testing();
}
