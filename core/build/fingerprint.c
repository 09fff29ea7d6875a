/* cache/context/<hash of the context's path>: a header and fixed records in the order of device and inode.  Whoever
 * has new ones writes the whole file aside and renames it; of two who do so at once one wins, the other's files are
 * read again next time. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "core/base/fd.h"
#include "core/build/tree.h"
#include "registry/blob.h"

enum {
	VERSION = 1,
	FILES_MAX = 64, /* contexts that are remembered */
	/* a file changed within the same tick of the kernel's clock keeps its times: what is so fresh is not kept */
	FRESH_NS = 50000000,
};

struct record {
	uint64_t dev, ino, size;
	int64_t mtime_ns, ctime_ns;
	unsigned char digest[32];
};

struct fingerprints {
	struct store *st;
	char *name; /* of the file */
	struct record *old; /* mapped */
	size_t n_old, mapped;
	struct record *v; /* new ones */
	size_t n, cap;
	int64_t now_ns; /* when loaded: younger changes might be hidden by equal times */
};

static int64_t to_ns(const struct timespec *t)
{
	return (int64_t)t->tv_sec * 1000000000 + t->tv_nsec;
}

static int compare(const void *a, const void *b)
{
	const struct record *x = a, *y = b;

	if (x->dev != y->dev)
		return x->dev < y->dev ? -1 : 1;
	return x->ino < y->ino ? -1 : x->ino > y->ino;
}

/* A header of one record's size: "devbox", version. */
static bool header_ok(const struct record *r)
{
	return !memcmp(r, "devbox\0", 8) && r->ino == VERSION;
}

struct err *fingerprints_load(struct store *st, const char *name, struct fingerprints **ret)
{
	struct fingerprints *fp = xcalloc(1, sizeof(*fp));
	char digest[DIGEST_LEN + 1];
	_cleanup_close_ int fd = -1;
	struct timespec now;
	struct stat sb;
	void *map;

	blob_digest(name, strlen(name), digest);
	fp->st = st;
	fp->name = xasprintf("context/%s", blob_name(digest));
	clock_gettime(CLOCK_REALTIME, &now);
	fp->now_ns = to_ns(&now);
	*ret = fp;
	fd = openat(st->cache, fp->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fstat(fd, &sb) < 0 || (size_t)sb.st_size < sizeof(struct record))
		return NULL; /* nothing is known yet */
	map = mmap(NULL, (size_t)sb.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		return NULL;
	fp->old = map;
	fp->mapped = (size_t)sb.st_size;
	if (header_ok(fp->old))
		fp->n_old = fp->mapped / sizeof(struct record) - 1;
	return NULL;
}

static struct record record_of(const struct tree_file *f)
{
	return (struct record){ f->dev, f->ino, f->size, to_ns(&f->mtime), to_ns(&f->ctime), { 0 } };
}

bool fingerprints_find(struct fingerprints *fp, const struct tree_file *f, unsigned char ret[32])
{
	struct record key = record_of(f), *found;

	found = fp->n_old ? bsearch(&key, fp->old + 1, fp->n_old, sizeof(key), compare) : NULL;
	if (!found || found->size != key.size || found->mtime_ns != key.mtime_ns ||
	    found->ctime_ns != key.ctime_ns)
		return false;
	memcpy(ret, found->digest, sizeof(found->digest));
	return true;
}

void fingerprints_add(struct fingerprints *fp, const struct tree_file *f)
{
	struct record r = record_of(f);

	if (r.ctime_ns > fp->now_ns - FRESH_NS || r.mtime_ns > fp->now_ns - FRESH_NS)
		return;
	memcpy(r.digest, f->digest, sizeof(r.digest));
	fp->v = xgrow(fp->v, fp->n, &fp->cap, sizeof(r));
	fp->v[fp->n++] = r;
}

/* The oldest go when there are too many. */
static void bound(int dir)
{
	_cleanup_dir_ DIR *d = fd_opendir(dir);
	_cleanup_free_ char *oldest = NULL;
	struct timespec when = { 0 };
	struct dirent *de;
	struct stat st;
	size_t n = 0;

	while (d && (de = readdir(d)) != NULL) {
		if (*de->d_name == '.' || fstatat(dir, de->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		n++;
		if (!oldest || st.st_mtim.tv_sec < when.tv_sec) {
			when = st.st_mtim;
			free(oldest);
			oldest = xstrdup(de->d_name);
		}
	}
	if (n > FILES_MAX)
		unlinkat(dir, oldest, 0);
}

void fingerprints_save(struct fingerprints *fp)
{
	_cleanup_str_ struct str out = { 0 };
	struct record head = { .ino = VERSION };
	_cleanup_close_ int dir = -1;
	size_t i = 0, k = 0;
	struct err *e;

	if (!fp->n)
		return;
	memcpy(&head, "devbox\0", 8);
	str_addn(&out, &head, sizeof(head));
	qsort(fp->v, fp->n, sizeof(*fp->v), compare);
	while (i < fp->n_old || k < fp->n) { /* a new record takes the place of an old one */
		int c = i == fp->n_old ? 1 : k == fp->n ? -1 : compare(&fp->old[i + 1], &fp->v[k]);

		if (c < 0) {
			str_addn(&out, &fp->old[++i], sizeof(head));
			continue;
		}
		i += c == 0;
		str_addn(&out, &fp->v[k], sizeof(head));
		while (++k < fp->n && !compare(&fp->v[k], &fp->v[k - 1]))
			;
	}
	e = fd_mkdir_p(fp->st->cache, "context", 0700, NULL);
	e = e ?: fd_open(fp->st->cache, "context", O_RDONLY | O_DIRECTORY, 0, &dir);
	e = e ?: fd_write_atomic(dir, fp->name + strlen("context/"), out.s, out.len, 0600, false);
	if (!e)
		bound(dir);
	err_free(e); /* best effort: the files are read again */
}

void fingerprints_free(struct fingerprints *fp)
{
	if (!fp)
		return;
	if (fp->old)
		munmap(fp->old, fp->mapped);
	free(fp->v);
	free(fp->name);
	free(fp);
}
