#include "registry/put.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "core/base/fd.h"
#include "core/base/proc.h"
#include "registry/blob.h"
#include "registry/index.h"
#include "registry/mark.h"

static char *image_manifest(const struct image_put *p, const char *id, size_t *ret_len)
{
	struct manifest m = { .kind = MANIFEST_IMAGE,
			      .media_type = (char *)(uintptr_t)MANIFEST_TYPE,
			      .config = { (char *)(uintptr_t)CONFIG_TYPE, (char *)(uintptr_t)id,
					  (int64_t)p->config_len },
			      .layers = (struct descriptor *)(uintptr_t)p->layers,
			      .n_layers = p->n_layers };

	return manifest_text(&m, ret_len);
}

static bool has_entry(const struct index *ix, const struct index_entry *e, const char *ref)
{
	for (size_t i = 0; i < ix->n; i++)
		if (str_eq(ix->v[i].digest, e->digest) && (!ref || str_eq(ix->v[i].ref, ref)))
			return true;
	return false;
}

/* Nothing is written when all of it is there: building again what is built already is common. */
static struct err *add_entries(struct store *st, const struct image_put *p,
			       const struct index_entry *entry, bool *ret_new)
{
	_cleanup_index_ struct index ix = { 0 };
	size_t n = p->refs ? p->refs->n : 0;
	bool all = true;
	struct err *e = index_load(st, &ix);

	if (e)
		return e;
	for (size_t i = 0; i < n; i++)
		all &= has_entry(&ix, entry, p->refs->v[i]);
	*ret_new = !all || (!n && !has_entry(&ix, entry, NULL));
	if (!*ret_new)
		return NULL;
	for (size_t i = 0; i < n; i++)
		index_set(&ix, p->refs->v[i], entry);
	if (!n) {
		ix.v = xgrow(ix.v, ix.n, &ix.cap, sizeof(*ix.v));
		ix.v[ix.n++] = (struct index_entry){
			.media_type = xstrdup(entry->media_type),
			.digest = xstrdup(entry->digest),
			.size = entry->size,
			.id = xstrdup(entry->id),
			.image_size = entry->image_size,
			.boot = xstrdup(entry->boot),
		};
	}
	return index_save(st, &ix);
}

static struct err *write_doc(struct store *st, const char *digest, const char *text, size_t len)
{
	return blob_exists(st, digest) ? NULL : blob_write(st, digest, text, len);
}

struct err *image_put(struct store *st, const struct image_put *p, char **ret_id)
{
	char id[DIGEST_LEN + 1], digest[DIGEST_LEN + 1], type[] = MANIFEST_TYPE;
	struct index_entry entry = { .media_type = type,
				     .digest = digest,
				     .id = id,
				     .image_size = (int64_t)p->bytes,
				     .boot = (char *)(uintptr_t)proc_boot_id() };
	_cleanup_free_ char *manifest = NULL;
	_cleanup_close_ int lock = -1;
	bool is_new = false;
	struct err *e;
	size_t len;

	blob_digest(p->config, p->config_len, id);
	manifest = image_manifest(p, id, &len);
	blob_digest(manifest, len, digest);
	entry.size = (int64_t)len;
	e = store_lock(st, &lock);
	e = e ?: write_doc(st, id, p->config, p->config_len);
	e = e ?: write_doc(st, digest, manifest, len);
	e = e ?: add_entries(st, p, &entry, &is_new);
	if (e)
		return err_wrap(e, "recording the image");
	close(TAKE_FD(lock));
	if (is_new)
		image_sync_later(st, digest, p->diff_ids);
	*ret_id = xstrdup(id);
	return NULL;
}

struct err *image_layers(struct store *st, const struct image *img, struct descriptor **layers,
			 size_t *n)
{
	_cleanup_free_ char *text = NULL;
	struct descriptor none = { 0 };
	struct manifest m = { 0 };
	struct platform own = { 0 };
	struct err *e;
	size_t len;

	platform_own(&own);
	e = blob_read(st, img->digest, MANIFEST_MAX_BYTES, true, &text, &len);
	e = e ?: manifest_parse(text, len, NULL, &own, &m, &none);
	platform_done(&own);
	descriptor_done(&none);
	if (e)
		return err_wrap(e, "reading the manifest of the image");
	*layers = xrealloc(*layers, (*n + m.n_layers + 1) * sizeof(**layers));
	for (size_t i = 0; i < m.n_layers; i++) {
		(*layers)[(*n)++] = m.layers[i];
		m.layers[i] = (struct descriptor){ 0 };
	}
	manifest_done(&m);
	return NULL;
}

/* -- reaching the disk ------------------------------------------------------------------------------------------- */

/* Errors have nowhere to go: the marks then keep the boot id, and the next boot does it again. */
static void sync_and_mark(struct store *st, const char *digest, const struct strv *diff_ids)
{
	_cleanup_close_ int lock = -1;
	struct index ix = { 0 };
	struct err *e = NULL;

	if (syncfs(st->root) < 0)
		return;
	e = store_lock(st, &lock);
	for (size_t i = 0; !e && i < diff_ids->n; i++)
		e = mark_on_disk(st, diff_ids->v[i]);
	if (!e && !digest)
		return;
	e = e ?: index_load(st, &ix);
	if (e)
		return;
	for (size_t i = 0; i < ix.n; i++)
		if (str_eq(ix.v[i].digest, digest) && str_eq(ix.v[i].boot, proc_boot_id())) {
			free(ix.v[i].boot);
			ix.v[i].boot = NULL;
		}
	e = index_save(st, &ix);
	err_free(e);
}

void image_sync_later(struct store *st, const char *digest, const struct strv *diff_ids)
{
	int status, null, keep;
	pid_t pid = fork();

	if (pid > 0)
		waitpid(pid, &status, 0);
	if (pid != 0)
		return;
	/* twice: nobody has to reap it; nothing of the caller's stays open in it, or a pipe's reader would wait */
	if (fork() != 0)
		_exit(0);
	setsid();
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int fd = 0; null >= 0 && fd < 3; fd++)
		dup2(null, fd);
	keep = fcntl(st->layers, F_DUPFD_CLOEXEC, 10);
	if (null < 0 || keep < 0 || dup2(st->root, 3) < 0 || dup2(keep, 4) < 0)
		_exit(1);
	st->root = 3;
	st->layers = 4;
	if (close_range(5, ~0U, 0) == 0)
		sync_and_mark(st, digest, diff_ids);
	_exit(0);
}
