/* Layers: names, whiteouts, links, and every trick to get out of the directory. */
#include "registry/layer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "core/base/fd.h"
#include "registry/inflate.h"
#include "tests/lib/tap.h"

/* --- a small tar writer
 * -------------------------------------------------------------------------------------------- */

struct entry {
	const char *name;
	char type; /* '0' file, '1' hard link, '2' link, '3' char, '5' directory, '6' fifo */
	unsigned mode;
	const char *link, *data;
	unsigned uid;
	unsigned mtime;
};

static void octal(char *at, unsigned digits, size_t value)
{
	while (digits--) {
		at[digits] = (char)('0' + (value & 7));
		value >>= 3;
	}
}

static void add_block(struct str *tar, const struct entry *t)
{
	size_t len = t->data ? strlen(t->data) : 0;
	unsigned sum = 0;
	char b[512] = "";

	snprintf(b, 100, "%s", t->name);
	octal(b + 100, 7, t->mode ?: 0644);
	octal(b + 108, 7, t->uid);
	octal(b + 116, 7, t->uid);
	octal(b + 124, 11, len);
	octal(b + 136, 11, t->mtime);
	memset(b + 148, ' ', 8);
	b[156] = t->type;
	snprintf(b + 157, 100, "%s", t->link ?: "");
	memcpy(b + 257,
	       "ustar\0"
	       "00",
	       8);
	for (size_t i = 0; i < sizeof(b); i++)
		sum += (unsigned char)b[i];
	octal(b + 148, 6, sum);
	b[154] = '\0';
	str_addn(tar, b, sizeof(b));
	if (len) {
		char pad[512] = "";

		str_addn(tar, t->data, len);
		str_addn(tar, pad, (512 - len % 512) % 512);
	}
}

static void make_tar(struct str *tar, const struct entry *list, size_t n)
{
	char zeros[1024] = "";

	for (size_t i = 0; i < n; i++)
		add_block(tar, &list[i]);
	str_addn(tar, zeros, sizeof(zeros));
}

/* --- unpacking in small pieces
 * ------------------------------------------------------------------------------------- */

struct pieces {
	const char *data;
	size_t len, piece;
};

static struct err *next_piece(void *arg, const void **ret, size_t *ret_len)
{
	struct pieces *p = arg;
	size_t n = p->len < p->piece ? p->len : p->piece;

	*ret = p->data;
	*ret_len = n;
	p->data += n;
	p->len -= n;
	return NULL;
}

static char top[] = "/tmp/test_layer.XXXXXX";
static int top_fd = -1;

/* Into a fresh "in" below the scratch directory, on top of LOWER; *ret is opened. */
static int lower = -1;

static struct err *unpack(const struct entry *list, size_t n, int *ret, struct layer_stats *st)
{
	_cleanup_str_ struct str tar = { 0 };
	struct userns_ids ids = { .single = true, .n_uid = 1, .n_gid = 1 };
	struct pieces p = { .piece = 700 };
	struct layer_links links;
	struct layer_source src = { next_piece, &p };
	struct err *e;

	ids.uid[0] = ids.gid[0] = (struct id_range){ 0, 0, 1 };
	make_tar(&tar, list, n);
	p.data = tar.s;
	p.len = tar.len;
	e = fd_rm_tree(top_fd, "in");
	if (!e && mkdirat(top_fd, "in", 0700) < 0)
		e = err_new(errno, "mkdir");
	e = e ?: fd_open(top_fd, "in", O_RDONLY | O_DIRECTORY, 0, ret);
	if (e)
		return e;
	e = layer_unpack(*ret, &ids, &src, st, &links);
	e = e ?: layer_copy_links(*ret, &lower, lower >= 0, &links);
	layer_links_done(&links);
	return e;
}

static const char *content(int dir, const char *path)
{
	static char *text;
	struct err *e;

	free(text);
	text = NULL;
	e = fd_read_file(dir, path, 1 << 20, &text, NULL);
	err_free(e);
	return text;
}

static void test_names(void)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "", "" },
		{ "./", "" },
		{ "/", "" },
		{ "a", "a" },
		{ "./a//b/./c/", "a/b/c" },
		{ "/etc/x", "etc/x" },
		{ "a/../b", "b" },
		{ "a/b/../../c", "c" },
		{ "a/..", "" },
		{ "..", NULL },
		{ "a/../../b", NULL },
		{ "/..", NULL },
		{ "...", "..." },
		{ "a/.b", "a/.b" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		_cleanup_free_ char *out = NULL;
		bool inside = layer_clean_name(cases[i].in, &out);

		is_str(inside ? out : NULL, cases[i].out, "'%s'", cases[i].in);
	}
}

static void test_ordinary(void)
{
	static const struct entry list[] = {
		{ "./", '5', .mode = 0711, .mtime = 1000 },
		{ "usr/bin/", '5', .mode = 0755, .mtime = 2000 },
		{ "usr/bin/su", '0', .mode = 04755, .data = "su", .mtime = 3000 },
		{ "bin", '2', .mode = 0777, .link = "usr/bin", .mtime = 4000 },
		{ "bin/true", '0', .mode = 0755, .data = "true" },
		{ "usr/bin/yes", '1', .link = "./usr/bin/true" },
		{ "shared/", '5', .mode = 02775 },
		{ "shared/f", '0', .data = "x" },
		{ "pipe", '6', .mode = 0600 },
		{ "dev/null", '3', .mode = 0666 },
		{ "dev/zero", '1', .link = "dev/null" },
		{ "theirs", '0', .data = "y", .uid = 999 },
		{ "empty", '0', .mode = 0 },
		{ "a", '0', .data = "first" },
		{ "a", '0', .data = "second" },
	};
	_cleanup_close_ int dir = -1;
	struct layer_stats stats = { 0 };
	struct stat st, st2;

	if (!is_err(unpack(list, ARRAY_LEN(list), &dir, &stats), NULL, "an ordinary layer"))
		return;
	ok(fstat(dir, &st) == 0 && (st.st_mode & 07777) == 0711 && st.st_mtime == 1000,
	   "the root's own entry");
	ok(fstatat(dir, "usr/bin", &st, 0) == 0 && st.st_mtime == 2000,
	   "a directory's time survives its contents");
	ok(fstatat(dir, "usr/bin/su", &st, 0) == 0 && (st.st_mode & 07777) == 04755 && st.st_mtime == 3000,
	   "set-uid bit and time of a file");
	ok(fstatat(dir, "bin", &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode) &&
		   st.st_mtime == 4000,
	   "a link");
	is_str(content(dir, "usr/bin/true"), "true", "a file put through a link inside the layer");
	ok(fstatat(dir, "usr/bin/true", &st, 0) == 0 && fstatat(dir, "usr/bin/yes", &st2, 0) == 0 &&
		   st.st_ino == st2.st_ino,
	   "a hard link");
	ok(fstatat(dir, "shared", &st, 0) == 0 && (st.st_mode & 07777) == 02775,
	   "set-group-id directory");
	ok(fstatat(dir, "pipe", &st, 0) == 0 && S_ISFIFO(st.st_mode), "a fifo");
	ok(fstatat(dir, "dev/null", &st, 0) < 0, "no device");
	is_int(stats.devices, 2, "but it and its other name are counted");
	is_int(stats.owners, 1, "an owner that is not mapped is counted");
	is_str(content(dir, "a"), "second", "the later entry of a name wins");
	ok(fstatat(dir, "empty", &st, 0) == 0 && st.st_size == 0, "an empty file");
	is_int(stats.bytes, 2 + 4 + 1 + 1 + 5 + 6, "bytes of contents");
}

static bool is_whiteout(int dir, const char *path)
{
	struct stat st;

	return fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISCHR(st.st_mode) &&
	       st.st_rdev == makedev(0, 0);
}

static bool is_opaque(int dir, const char *path)
{
	_cleanup_free_ char *proc = xasprintf("/proc/self/fd/%d/%s", dir, path);
	char c;

	return lgetxattr(proc, "user.overlay.opaque", &c, 1) == 1 && c == 'y';
}

static void test_whiteouts(void)
{
	static const struct entry list[] = {
		{ "etc/.wh.gone", .type = '0' }, { "opt/.wh..wh..opq", .type = '0' },
		{ "opt/new", '0', .data = "n" }, { ".wh..wh.plnk", '5', .mode = 0700 },
		{ ".wh.anew", .type = '0' },	 { "anew/", '5', .mode = 0755 },
		{ "later/", '5', .mode = 0755 }, { ".wh.later", .type = '0' },
		{ ".wh.file", .type = '0' },	 { "file", '0', .data = "f" },
		{ "file2", '0', .data = "f2" },	 { ".wh.file2", .type = '0' },
	};
	static const struct entry nothing[] = { { "a/.wh.", .type = '0' } },
				  up[] = { { "a/.wh...", .type = '0' } };
	_cleanup_close_ int dir = -1, dir2 = -1, dir3 = -1;
	struct layer_stats st;
	struct stat s;

	if (!is_err(unpack(list, ARRAY_LEN(list), &dir, &st), NULL, "whiteouts"))
		return;
	ok(is_whiteout(dir, "etc/gone"), "a removed file");
	ok(is_opaque(dir, "opt"), "an emptied directory");
	is_str(content(dir, "opt/new"), "n", "with something new in it");
	ok(fstatat(dir, ".wh..wh.plnk", &s, 0) < 0, "aufs' book-keeping is left out");
	ok(is_opaque(dir, "anew") && is_opaque(dir, "later"),
	   "removed and made anew: nothing shines through");
	is_str(content(dir, "file"), "f", "a file in place of a removed one");
	is_str(content(dir, "file2"), "f2", "in either order");
	is_err(unpack(nothing, 1, &dir2, &st), "a/.wh.: a whiteout of nothing",
	       "a whiteout without a name");
	is_err(unpack(up, 1, &dir3, &st), "a/.wh...: a whiteout of nothing", "a whiteout of the parent");
}

static void test_lower_links(void)
{
	static const struct entry below[] = {
		{ "bin/", '5', .mode = 0750 },
		{ "bin/busybox", '0', .mode = 04711, .data = "bb", .mtime = 5000 },
		{ "bin/sh", '2', .mode = 0777, .link = "busybox" },
		{ "bin/.wh.gone", .type = '0' },
	};
	static const struct entry list[] = {
		{ "su", '1', .link = "bin/busybox" },
		{ "ash", '1', .link = "/bin/sh" },
		{ "new/", '5', .mode = 0755 },
		{ "new/a", '1', .link = "new/b" },
	};
	static const struct entry bad[] = { { "x", '1', .link = "bin/gone" } };
	_cleanup_close_ int dir = -1, dir2 = -1, dir3 = -1;
	struct layer_stats st;
	struct stat s;

	if (!is_err(unpack(below, ARRAY_LEN(below), &dir, &st), NULL, "a layer below") ||
	    renameat(top_fd, "in", top_fd, "below") < 0)
		return;
	lower = dir;
	is_err(unpack(list, 2, &dir2, &st), NULL, "hard links to its files");
	is_str(content(dir2, "su"), "bb", "have their contents");
	ok(fstatat(dir2, "su", &s, 0) == 0 && (s.st_mode & 07777) == 04711 && s.st_mtime == 5000,
	   "mode and time");
	ok(fstatat(dir2, "ash", &s, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(s.st_mode),
	   "or are links as they are");
	ok(fstatat(dir2, "bin", &s, 0) < 0, "the directory they come from is not touched");
	is_err(unpack(list, 4, &dir3, &st), "new/a: a hard link to new/b: No such file*",
	       "to what is nowhere");
	is_err(unpack(bad, 1, &dir3, &st), "x: a hard link to bin/gone: No such file*",
	       "to what was removed below");
	lower = -1;
}

#define OUT "outside"
static void test_escapes(void)
{
	static const struct {
		struct entry list[3];
		size_t n;
		const char *err;
	} cases[] = {
		{ { { "../" OUT, '0', .data = "x" } }, 1, "../" OUT ": it leads out of the layer" },
		{ { { "a/../../" OUT, '0', .data = "x" } }, 1, "a/../../" OUT ": it leads out of the layer" },
		{ { { "../../" OUT "/", '5', .mode = 0777 } }, 1, "../../" OUT "/: it leads out of the layer" },
		{ { { "l", '1', .link = "../" OUT } }, 1, "l: a hard link that leads out of the layer, *" },
		{ { { "l", '1', .link = "/etc/passwd" } }, 1, "l: a hard link to etc/passwd: No such file*" },
		{ { { "up", '2', .link = ".." }, { "up/" OUT, '0', .data = "x" } }, 2, NULL },
		{ { { "abs", '2', .link = "/tmp" }, { "abs/" OUT, '0', .data = "x" } }, 2, "abs/" OUT ": *" },
		{ { { "f", '2', .link = "../" OUT }, { "f", '0', .data = "x" } }, 2, NULL },
		{ { { "p", '2', .link = "/proc/self/root" }, { "p/" OUT, '0', .data = "x" } },
		  2,
		  "p/" OUT ": *" },
		{ { { "loop", '2', .link = "loop" }, { "loop/x", '0', .data = "x" } },
		  2,
		  "loop/x: *levels of symbolic*" },
		{ { { "d", '2', .link = ".." }, { "d/.wh." OUT, .type = '0' } }, 2, NULL },
		{ { { "d", '2', .link = ".." }, { "d", '5', .mode = 0700 } }, 2, NULL },
		{ { { "file", .type = '0' }, { "file/x", .type = '0' } }, 2, "file/x: *Not a directory" },
		{ { { ".", '2', .link = "/" } }, 1, ".: the root of a layer is a directory" },
		{ { { "/" OUT, '0', .data = "in" } }, 1, NULL },
	};
	struct stat st, before;

	if (mkdirat(top_fd, OUT, 0750) < 0 || fstatat(top_fd, OUT, &before, 0) < 0)
		return;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		_cleanup_close_ int dir = -1;
		struct layer_stats stats;

		is_err(unpack(cases[i].list, cases[i].n, &dir, &stats), cases[i].err,
		       "escape %zu, %s", i, cases[i].list[0].name);
		ok(fstatat(top_fd, OUT, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode) &&
			   st.st_mode == before.st_mode && st.st_mtime == before.st_mtime &&
			   faccessat(AT_FDCWD, "/tmp/" OUT, F_OK, 0) < 0,
		   "nothing outside was touched");
	}
}

static void test_damage(void)
{
	static const struct entry list[] = { { "a", '0', .data = "0123456789" } };
	_cleanup_str_ struct str tar = { 0 };
	struct userns_ids ids = { .single = true };
	struct pieces p = { .piece = 512 };
	struct layer_links links;
	struct layer_source src = { next_piece, &p };
	_cleanup_close_ int dir = -1;
	struct layer_stats st;

	make_tar(&tar, list, 1);
	if (mkdirat(top_fd, "damage", 0700) < 0 ||
	    (dir = openat(top_fd, "damage", O_RDONLY | O_DIRECTORY)) < 0)
		return;
	p.data = tar.s;
	p.len = 600;
	is_err(layer_unpack(dir, &ids, &src, &st, &links), "a: *runcated*", "a stream that is cut off");
	memset(tar.s + 100, 'z', 300);
	p.data = tar.s;
	p.len = tar.len;
	is_err(layer_unpack(dir, &ids, &src, &st, &links), "damaged tar data: *", "no tar at all");
	p.len = 0;
	is_err(layer_unpack(dir, &ids, &src, &st, &links), NULL, "an empty stream is an empty layer");
}

/* --- compression
 * --------------------------------------------------------------------------------------------------- */

struct collected {
	char buf[7]; /* so small that everything crosses its borders */
	struct str out;
};

static struct err *room(void *arg, void **ret, size_t *ret_size)
{
	struct collected *c = arg;

	*ret = c->buf;
	*ret_size = sizeof(c->buf);
	return NULL;
}

static struct err *done(void *arg, size_t len)
{
	struct collected *c = arg;

	str_addn(&c->out, c->buf, len);
	return NULL;
}

static void test_inflate(void)
{
#define HELLO "hello, hello, hello, hello, hello\n"
#define GZ                                                                                         \
	"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xcb\x48\xcd\xc9\xc9\xd7\x51"                     \
	"\xc8\xc0\x49\x71\x01\x00\x32\xbd\xb1\xf0\x22\x00\x00\x00"
#define ZST                                                                                        \
	"\x28\xb5\x2f\xfd\x04\x58\x75\x00\x00\x40\x68\x65\x6c\x6c\x6f\x2c\x20\x0a\x01\x00\xb2\x8b\x11\xe4\x19\x5e\xe4"
#define S(x) x, sizeof(x) - 1
	static const struct {
		const char *what, *in;
		size_t len;
		const char *out, *err;
	} cases[] = {
		{ "plain", S(HELLO), HELLO, NULL },
		{ "three plain bytes", S("abc"), "abc", NULL },
		{ "nothing", "", 0, "", NULL },
		{ "gzip", S(GZ), HELLO, NULL },
		{ "two gzip members", S(GZ GZ), HELLO HELLO, NULL },
		{ "gzip and padding", S(GZ "\0\0\0\0\0"), HELLO, NULL },
		{ "gzip and garbage", S(GZ "zz"), HELLO, "corrupt gzip data: garbage behind its end" },
		{ "gzip without its last byte", GZ, sizeof(GZ) - 2, HELLO,
		  "corrupt gzip data: it is cut off" },
		{ "zstd", S(ZST), HELLO, NULL },
		{ "two zstd frames", S(ZST ZST), HELLO HELLO, NULL },
		{ "zstd without its last byte", ZST, sizeof(ZST) - 2, NULL,
		  "corrupt zstd data: it is cut off" },
		{ "half a gzip header", S("\x1f\x8b\x08"), "", "corrupt gzip data: it is cut off" },
		{ "garbage behind a gzip header", S("\x1f\x8b\x08\x00zzzzzzzzzzzzzzzzzz"), NULL,
		  "corrupt gzip data*" },
		{ "a zstd magic alone", S("\x28\xb5\x2f\xfd"), "", "corrupt zstd data: it is cut off" },
		{ "garbage behind it",
		  S("\x28\xb5\x2f\xfd\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
		  NULL, "corrupt zstd data: *" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		for (size_t piece = 1; piece < 40; piece += 19) {
			struct collected c = { 0 };
			struct inflate_sink sink = { room, done, &c };
			struct inflate *z = inflate_new(&sink);
			struct err *e = NULL;

			for (size_t at = 0; !e && at < cases[i].len; at += piece)
				e = inflate_feed(z, cases[i].in + at,
						 cases[i].len - at < piece ? cases[i].len - at : piece);
			e = e ?: inflate_end(z);
			is_err(e, cases[i].err, "%s, %zu bytes at a time", cases[i].what, piece);
			if (cases[i].out)
				is_str(c.out.s ?: "", cases[i].out, "its text");
			inflate_free(z);
			str_done(&c.out);
		}
}

int main(void)
{
	umask(0);
	if (!mkdtemp(top))
		return 1;
	top_fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	test_names();
	test_ordinary();
	test_whiteouts();
	test_lower_links();
	test_escapes();
	test_damage();
	test_inflate();
	is_err(fd_rm_tree(AT_FDCWD, top), NULL, "the scratch directory goes");
	return done_testing();
}
