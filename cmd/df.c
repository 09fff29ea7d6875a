/* cmd/df.c -- devbox system df [-v] [--format F]: what takes how much of the disk */
#include "cmd/df.h"

#include <stdio.h>
#include <stdlib.h>

#include "cmd/list.h"
#include "cmd/verb.h"
#include "cmd/volume.h"
#include "cmd/ui/human.h"
#include "core/base/proc.h"
#include "core/store/fork.h"
#include "core/store/trash.h"
#include "core/store/volume.h"
#include "core/build/build.h"
#include "registry/mark.h"

static bool opt_verbose;
static const char *opt_format;

static const struct opt opts[] = {
	{ 0, "format", "string",
	  "Format output using a custom template:\n'table', 'table TEMPLATE', 'json' or a Go template",
	  OPT_STR, &opt_format, NULL },
	{ 'v', "verbose", NULL, "Show detailed information on space usage", OPT_BOOL, &opt_verbose, NULL },
	{ 0 },
};

static const struct column columns[] = {
	{ "Type", "TYPE" }, { "TotalCount", "TOTAL" },	      { "Active", "ACTIVE" },
	{ "Size", "SIZE" }, { "Reclaimable", "RECLAIMABLE" }, { NULL, NULL },
};

size_t disk_image_users(const struct disk *d, const char *id)
{
	size_t n = 0;

	for (size_t i = 0; i < d->n_boxes; i++)
		n += str_eq(d->boxes[i]->spec.image_id, id);
	return n;
}

size_t disk_volume_users(const struct disk *d, const char *name)
{
	size_t n = 0;

	for (size_t i = 0; i < d->n_boxes; i++) {
		const struct mounts *m = &d->boxes[i]->spec.mounts;

		for (size_t k = 0; k < m->n; k++)
			if (m->v[k].type == MOUNT_VOLUME && str_eq(m->v[k].source, name)) {
				n++;
				break;
			}
	}
	return n;
}

static struct err *add_row(struct list *l, const char *type, size_t total, size_t active,
			   uint64_t bytes, uint64_t free_bytes)
{
	_cleanup_str_ struct str size = { 0 }, unused = { 0 };
	char n[32], used[32];

	snprintf(n, sizeof(n), "%zu", total);
	snprintf(used, sizeof(used), "%zu", active);
	human_size(bytes, false, &size);
	human_size(free_bytes, false, &unused);
	if (bytes)
		str_addf(&unused, " (%d%%)", (int)(free_bytes * 100 / bytes));
	list_row(l);
	list_put(l, "Type", type);
	list_put(l, "TotalCount", n);
	list_put(l, "Active", used);
	list_put(l, "Size", size.s);
	list_put(l, "Reclaimable", unused.s);
	return list_end_row(l);
}

void disk_layers(const struct disk *d, struct disk_layers *ret)
{
	_cleanup_strv_ struct strv seen = { 0 }, ids = { 0 };
	uint64_t size;

	*ret = (struct disk_layers){ 0 };
	for (int unused = 0; unused <= 1; unused++) {
		for (size_t i = 0; i < d->n_images; i++) {
			const struct image *img = d->images[i];

			if ((disk_image_users(d, img->id) == 0) != (unused == 1) ||
			    strv_has(&ids, img->id))
				continue;
			strv_add(&ids, img->id);
			ret->active += !unused;
			for (size_t k = 0; k < img->diff_ids.n; k++) {
				if (strv_has(&seen, img->diff_ids.v[k]) ||
				    !mark_check(d->st, img->diff_ids.v[k], &size))
					continue;
				strv_add(&seen, img->diff_ids.v[k]);
				ret->bytes += size;
			}
		}
		if (!unused)
			ret->kept = ret->bytes + mark_copies(d->st, &seen);
	}
	ret->bytes += mark_copies(d->st, &seen);
	ret->images = ids.n;
}

uint64_t disk_shared(const struct disk *d, const struct image *img)
{
	uint64_t shared = 0, size;

	for (size_t k = 0; k < img->diff_ids.n; k++)
		for (size_t i = 0; i < d->n_images; i++)
			if (!str_eq(d->images[i]->id, img->id) &&
			    strv_has(&d->images[i]->diff_ids, img->diff_ids.v[k])) {
				shared += mark_check(d->st, img->diff_ids.v[k], &size) ? size : 0;
				break;
			}
	return shared;
}

/* Layers that only unused images have could go. */
static struct err *image_row(struct list *l, const struct disk *d)
{
	struct disk_layers all;

	disk_layers(d, &all);
	return add_row(l, "Images", all.images, all.active, all.bytes, all.bytes - all.kept);
}

/* Trees that forks share, and what was removed: rows only where there is something. */
static struct err *fork_rows(struct list *l, const struct disk *d)
{
	struct snapshots snaps = { 0 };
	struct trash_list gone = { 0 };
	uint64_t sealed = fork_sealed_bytes(d->st), trash = 0;
	struct err *e = snapshot_list(d->st, NULL, &snaps);

	e = e ?: trash_list(d->st, &gone);
	for (size_t i = 0; i < gone.n; i++)
		trash += gone.v[i].bytes;
	if (!e && sealed)
		e = add_row(l, "Shared by Forks", snaps.n, snaps.n, sealed, 0);
	if (!e && gone.n)
		e = add_row(l, "Trash", gone.n, 0, trash, trash);
	snapshots_done(&snaps);
	trash_list_done(&gone);
	return e;
}

static struct err *summary(const struct disk *d)
{
	static const char table[] =
		"{{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}";
	_cleanup_list_ struct list l = { 0 };
	struct err *e = list_open(&l, opt_format, table, columns);
	uint64_t bytes = 0, unused = 0;
	size_t active = 0, records = 0;

	e = e ?: image_row(&l, d);
	for (size_t i = 0; i < d->n_boxes; i++) {
		bool up = d->boxes[i]->state.status == BOX_RUNNING;

		active += up;
		bytes += d->box_bytes[i];
		unused += up ? 0 : d->box_bytes[i];
	}
	e = e ?: add_row(&l, "Containers", d->n_boxes, active, bytes, unused);
	active = 0;
	bytes = unused = 0;
	for (size_t i = 0; i < d->volumes.n; i++) {
		bool used = disk_volume_users(d, d->volumes.v[i]) > 0;

		active += used;
		bytes += d->volume_bytes[i];
		unused += used ? 0 : d->volume_bytes[i];
	}
	e = e ?: add_row(&l, "Local Volumes", d->volumes.n, active, bytes, unused);
	e = e ?: build_cache_size(d->st, &records, &bytes);
	e = e ?: add_row(&l, "Build Cache", records, 0, bytes, bytes);
	e = e ?: fork_rows(&l, d);
	if (!e)
		list_close(&l);
	return e;
}

static void print_table(const char *head, struct table *t)
{
	_cleanup_str_ struct str text = { 0 };

	table_text(t, &text);
	printf("%s\n\n%s\n", head, text.s);
}

static void image_table(const struct disk *d, int64_t now)
{
	_cleanup_table_ struct table t = { 0 };

	table_line(&t, "REPOSITORY\tTAG\tIMAGE ID\tCREATED\tSIZE\tCONTAINERS");
	for (size_t i = 0; i < d->n_images; i++) {
		const struct image *img = d->images[i];
		_cleanup_free_ char *repo = NULL, *tag = NULL;
		_cleanup_str_ struct str line = { 0 };
		struct image_ref ref;
		struct err *e = img->ref ? image_ref_parse(img->ref, &ref) : err_new(0, "no name");

		if (!e) {
			repo = image_ref_familiar_repo(&ref);
			tag = xstrdup(ref.tag);
			image_ref_done(&ref);
		}
		err_free(e); /* shown without a name */
		str_addf(&line, "%s\t%s\t", repo ?: "<none>", tag ?: "<none>");
		human_short_id(img->id, &line);
		str_addc(&line, '\t');
		human_ago(img->created_ns, now, &line);
		str_addc(&line, '\t');
		human_size((uint64_t)img->size_bytes, false, &line);
		str_addf(&line, "\t%zu", disk_image_users(d, img->id));
		table_line(&t, line.s);
	}
	print_table("Images space usage:", &t);
}

static void box_table(const struct disk *d, int64_t now)
{
	_cleanup_table_ struct table t = { 0 };

	table_line(&t, "CONTAINER ID\tIMAGE\tLOCAL VOLUMES\tSIZE\tCREATED\tSTATUS\tNAMES");
	for (size_t i = 0; i < d->n_boxes; i++) {
		const struct box *b = d->boxes[i];
		_cleanup_str_ struct str line = { 0 };
		size_t volumes = 0;

		for (size_t k = 0; k < b->spec.mounts.n; k++)
			volumes += b->spec.mounts.v[k].type == MOUNT_VOLUME;
		str_addf(&line, "%.12s\t%s\t%zu\t", b->spec.id, b->spec.image, volumes);
		human_size(d->box_bytes[i], false, &line);
		str_addc(&line, '\t');
		human_ago(b->spec.created_ns, now, &line);
		str_addf(&line, "\t%s\t%s", box_status_names[b->state.status], b->spec.name);
		table_line(&t, line.s);
	}
	print_table("Containers space usage:", &t);
}

static void volume_table(const struct disk *d)
{
	_cleanup_table_ struct table t = { 0 };

	table_line(&t, "VOLUME NAME\tLINKS\tSIZE");
	for (size_t i = 0; i < d->volumes.n; i++) {
		_cleanup_str_ struct str line = { 0 };

		str_addf(&line, "%s\t%zu\t", d->volumes.v[i], disk_volume_users(d, d->volumes.v[i]));
		human_size(d->volume_bytes[i], false, &line);
		table_line(&t, line.s);
	}
	print_table("Local Volumes space usage:", &t);
}

struct err *disk_open(struct store *st, struct disk *ret)
{
	struct disk d = { .st = st };
	struct err *e = image_list(st, &d.images, &d.n_images);

	e = e ?: box_list(st, &d.boxes, &d.n_boxes);
	e = e ?: volume_list(st, &d.volumes);
	d.box_bytes = xcalloc(d.n_boxes + 1, sizeof(uint64_t));
	d.volume_bytes = xcalloc(d.volumes.n + 1, sizeof(uint64_t));
	for (size_t i = 0; !e && i < d.n_boxes; i++)
		d.box_bytes[i] = tree_bytes(st, d.boxes[i]->dir, "upper");
	for (size_t i = 0; !e && i < d.volumes.n; i++)
		d.volume_bytes[i] = tree_bytes(st, st->volumes, d.volumes.v[i]);
	if (e)
		disk_done(&d);
	else
		*ret = d;
	return e;
}

void disk_done(struct disk *d)
{
	for (size_t i = 0; i < d->n_images; i++)
		image_free(d->images[i]);
	for (size_t i = 0; i < d->n_boxes; i++)
		box_free(d->boxes[i]);
	free(d->images);
	free(d->boxes);
	free(d->box_bytes);
	free(d->volume_bytes);
	strv_done(&d->volumes);
	*d = (struct disk){ 0 };
}

static struct err *df(UNUSED struct call *c, UNUSED int argc, UNUSED char **argv)
{
	_cleanup_store_ struct store *st = NULL;
	struct disk d = { 0 };
	int64_t now = time_now_ns();
	struct err *e = NULL;

	if (opt_verbose && opt_format)
		e = err_new(0, "--format cannot be used with --verbose");
	e = e ?: store_open(&st);
	e = e ?: disk_open(st, &d);
	if (!e && opt_verbose) {
		image_table(&d, now);
		box_table(&d, now);
		volume_table(&d);
	} else {
		e = e ?: summary(&d);
	}
	disk_done(&d);
	return e;
}

const struct verb verb_system_df = {
	.name = "df",
	.args = "",
	.opts = opts,
	.summary = "Show disk usage",
	.run = df,
};
