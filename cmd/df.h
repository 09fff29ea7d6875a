/* cmd/df.h -- what takes how much of the disk, for `system df` and the API. */
#ifndef CMD_DF_H
#define CMD_DF_H

#include "core/box/box.h"

struct disk {
	struct store *st;
	struct image **images; /* one a name */
	struct box **boxes;
	struct strv volumes; /* names */
	size_t n_images, n_boxes;
	uint64_t *box_bytes, *volume_bytes; /* of each of them */
};
/* Look at everything; files are measured. */
struct err *disk_open(struct store *st, struct disk *ret) MUST_CHECK;
void disk_done(struct disk *d);
/* How many containers were made from the image ID, or mount the volume NAME. */
size_t disk_image_users(const struct disk *d, const char *id);
size_t disk_volume_users(const struct disk *d, const char *name);

/* All layers, each counted once; of them, those of images that containers use; the images, and how many are used. */
struct disk_layers {
	uint64_t bytes, kept;
	size_t images, active;
};
void disk_layers(const struct disk *d, struct disk_layers *ret);
/* Bytes of IMG's layers that another image has, too. */
uint64_t disk_shared(const struct disk *d, const struct image *img);

#endif
