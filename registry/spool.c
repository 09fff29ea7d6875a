#include "registry/spool.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/fd.h"
#include "registry/blob.h"
#include "registry/layer.h"
#include "registry/manifest.h"

enum { READ_SIZE = 256 << 10, LINKS_FOLLOWED = 8, NAME_MAX_BYTES = 4096, PROGRESS_BYTES = 1 << 20 };

struct reader {
	struct spool *s;
	struct archive *a;
	void (*progress)(void *arg, uint64_t done);
	void *arg;
	char *buf;
	uint64_t told;
};

static struct err *damaged(struct reader *r)
{
	int errnum = archive_errno(r->a);
	const char *said = archive_error_string(r->a);

	/* libarchive's own numbers are above those of the system, but for these */
	return err_new(errnum == EIO || errnum == ENOSPC ? errnum : 0, "reading the archive: %s",
		       said ?: "it makes no sense");
}

static void tell(struct reader *r)
{
	uint64_t done = (uint64_t)archive_filter_bytes(r->a, -1);

	if (!r->progress || done - r->told < PROGRESS_BYTES)
		return;
	r->told = done;
	r->progress(r->arg, done);
}

static struct err *clean_name(const char *name, char **ret)
{
	if (name && strlen(name) > NAME_MAX_BYTES)
		return err_new(0, "the archive holds a name of more than %d bytes", NAME_MAX_BYTES);
	if (!name || !layer_clean_name(name, ret))
		return err_new(0, "the archive holds \"%.100s\", a name that leads out of it",
			       name ?: "");
	return NULL;
}

static void file_name(unsigned number, char buf[16])
{
	snprintf(buf, 16, "%u", number);
}

static struct err *spool_content(struct reader *r, struct spool_file *f)
{
	_cleanup_close_ int fd = -1;
	struct sha256 *sha;
	la_ssize_t n = 0;
	struct err *e;
	char name[16];

	file_name(f->number, name);
	e = fd_open(r->s->dir, name, O_WRONLY | O_CREAT | O_EXCL, 0644, &fd);
	if (e)
		return e;
	sha = sha256_new();
	while (!e && (n = archive_read_data(r->a, r->buf, READ_SIZE)) > 0) {
		f->size += (uint64_t)n;
		if (f->size > (uint64_t)LAYER_MAX_BYTES)
			e = err_new(0, "%s in the archive is too large", f->name);
		sha256_add(sha, r->buf, (size_t)n);
		e = e ?: fd_write_all(fd, f->name, r->buf, (size_t)n);
		tell(r);
	}
	if (!e && n < 0)
		e = damaged(r);
	sha256_text(sha, f->digest);
	sha256_free(sha);
	return e;
}

static struct err *add_link(struct reader *r, const char *name, const char *target, bool symbolic)
{
	_cleanup_free_ char *clean = NULL, *from = NULL, *path = NULL;
	const char *slash = strrchr(name, '/');
	struct spool *s = r->s;
	struct err *e;

	if (symbolic && *target != '/' && slash)
		path = xasprintf("%.*s/%s", (int)(slash - name), name, target);
	e = clean_name(path ?: target, &clean);
	if (e)
		return e;
	s->links = xgrow(s->links, s->n_links, &s->links_cap, sizeof(*s->links));
	from = xstrdup(name);
	s->links[s->n_links++] = (struct spool_link){ TAKE_PTR(from), TAKE_PTR(clean) };
	return NULL;
}

static struct err *spool_entry(struct reader *r, struct archive_entry *ae)
{
	struct spool *s = r->s;
	_cleanup_free_ char *name = NULL;
	const char *link = archive_entry_hardlink(ae);
	struct spool_file f = { 0 };
	struct err *e = clean_name(archive_entry_pathname(ae), &name);

	if (e)
		return e;
	if (s->n_files + s->n_links >= SPOOL_ENTRIES_MAX)
		return err_new(0, "the archive has more than %d entries", SPOOL_ENTRIES_MAX);
	if (link)
		return add_link(r, name, link, false);
	if (archive_entry_filetype(ae) == AE_IFLNK)
		return add_link(r, name, archive_entry_symlink(ae) ?: "", true);
	if (archive_entry_filetype(ae) != AE_IFREG)
		return NULL; /* directories say nothing; devices have no business here */
	if (archive_entry_sparse_count(ae) > 0)
		return err_new(0, "%s in the archive is a sparse file", name);
	f.name = TAKE_PTR(name);
	f.number = (unsigned)s->n_files;
	e = spool_content(r, &f);
	s->files = xgrow(s->files, s->n_files, &s->files_cap, sizeof(*s->files));
	s->files[s->n_files++] = f;
	return e;
}

/* Of several files of one name the last one counts, as if they had been unpacked. */
static int file_order(const void *a, const void *b)
{
	const struct spool_file *x = a, *y = b;
	int names = strcmp(x->name, y->name);

	return names ? names : x->number < y->number ? 1 : -1;
}

static int link_order(const void *a, const void *b)
{
	const struct spool_link *x = a, *y = b;

	return strcmp(x->name, y->name);
}

struct err *spool_read(int fd, int dir, void (*progress)(void *arg, uint64_t done), void *arg,
		       struct spool *ret)
{
	struct spool s = { .dir = dir };
	struct reader r = { .s = &s, .a = archive_read_new(), .progress = progress, .arg = arg };
	struct archive_entry *ae;
	struct err *e = NULL;
	unsigned entries = 0;
	int rc = ARCHIVE_OK;

	if (!r.a)
		abort();
	r.buf = xmalloc(READ_SIZE);
	archive_read_support_filter_gzip(r.a);
	archive_read_support_filter_bzip2(r.a);
	archive_read_support_filter_xz(r.a);
	archive_read_support_filter_zstd(r.a);
	archive_read_support_format_tar(r.a);
	if (archive_read_open_fd(r.a, fd, READ_SIZE) != ARCHIVE_OK)
		e = damaged(&r);
	while (!e && (rc = archive_read_next_header(r.a, &ae)) != ARCHIVE_EOF) {
		if (rc != ARCHIVE_OK && rc != ARCHIVE_WARN)
			e = damaged(&r);
		else if (++entries > SPOOL_ENTRIES_MAX)
			e = err_new(0, "the archive has more than %d entries", SPOOL_ENTRIES_MAX);
		e = e ?: spool_entry(&r, ae);
	}
	if (!e && !entries)
		e = err_new(0, "the archive is empty");
	archive_read_free(r.a);
	free(r.buf);
	if (e) {
		spool_done(&s);
		return e;
	}
	if (s.n_files)
		qsort(s.files, s.n_files, sizeof(*s.files), file_order);
	if (s.n_links)
		qsort(s.links, s.n_links, sizeof(*s.links), link_order);
	*ret = s;
	return NULL;
}

void spool_done(struct spool *s)
{
	for (size_t i = 0; i < s->n_files; i++)
		free(s->files[i].name);
	for (size_t i = 0; i < s->n_links; i++) {
		free(s->links[i].name);
		free(s->links[i].target);
	}
	free(s->files);
	free(s->links);
	*s = (struct spool){ .dir = -1 };
}

static const struct spool_file *find_file(const struct spool *s, const char *name)
{
	size_t low = 0, high = s->n_files;

	while (low < high) { /* the first of that name */
		size_t mid = low + (high - low) / 2;

		if (strcmp(s->files[mid].name, name) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low < s->n_files && !strcmp(s->files[low].name, name) ? &s->files[low] : NULL;
}

const struct spool_file *spool_find(const struct spool *s, const char *name)
{
	_cleanup_free_ char *clean = NULL;
	const struct spool_file *f;
	const char *at;

	if (!layer_clean_name(name, &clean))
		return NULL;
	at = clean;
	f = find_file(s, at);
	for (int hops = 0; !f && s->n_links && hops < LINKS_FOLLOWED; hops++) {
		struct spool_link key = { .name = (char *)(uintptr_t)at };
		const struct spool_link *l =
			bsearch(&key, s->links, s->n_links, sizeof(*s->links), link_order);

		if (!l)
			break;
		at = l->target;
		f = find_file(s, at);
	}
	return f;
}

struct err *spool_open(const struct spool *s, const struct spool_file *f, int *ret_fd)
{
	char name[16];

	file_name(f->number, name);
	return fd_open(s->dir, name, O_RDONLY, 0, ret_fd);
}

struct err *spool_text(const struct spool *s, const char *name, size_t max, char **ret_text,
		       size_t *ret_len)
{
	const struct spool_file *f = spool_find(s, name);
	_cleanup_close_ int fd = -1;
	struct err *e;

	if (!f)
		return err_new(0, "there is no %.200s in the archive", name);
	if (f->size > max)
		return err_new(0, "%.200s in the archive is larger than %zu bytes", name, max);
	e = spool_open(s, f, &fd);
	return e ?: fd_read_all(fd, name, max, ret_text, ret_len);
}
