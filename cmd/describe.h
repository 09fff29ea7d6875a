/* cmd/describe.h -- containers and images as the JSON that `docker inspect` prints. */
#ifndef CMD_DESCRIBE_H
#define CMD_DESCRIBE_H

#include "core/box/box.h"
#include "core/store/network.h"

/* One object each, as an array's element. */
/* SIZES: also how much its files take, which has to be measured. */
void describe_box(const struct box *b, bool sizes, struct json_out *o);
/* The shorter one of GET /containers/json. */
void describe_box_row(const struct box *b, bool sizes, struct json_out *o);
/* ALL: every image of the store, for the further names of the same image. */
void describe_image(const struct image *img, struct image *const *all, size_t n_all, struct json_out *o);
/* The same as the API has it: with the member "ContainerConfig". */
void describe_image_old(const struct image *img, struct image *const *all, size_t n_all,
			struct json_out *o);
/* The shorter one of GET /images/json, with the names that are among ALL.  CONTAINERS: how many use it, SHARED: bytes
 * that others have, too; -1: not asked.  NONE: without names it is "<none>:<none>", as before API 1.43. */
void describe_image_row(const struct image *img, struct image *const *all, size_t n_all,
			int containers, int64_t shared, bool none, struct json_out *o);
struct err *describe_network(struct store *st, const struct network *n, struct json_out *o) MUST_CHECK;
/* The volume NAME, which exists.  USAGE: what it takes, and how many containers mount it; NULL: not asked. */
struct volume_usage {
	uint64_t bytes;
	size_t users;
};
struct err *describe_volume(struct store *st, const char *name, const struct volume_usage *usage,
			    struct json_out *o) MUST_CHECK;
/* Of this machine and store, an object: `docker info`. */
struct err *describe_info(struct store *st, struct json_out *o) MUST_CHECK;
/* Version and machine, members of an open object. */
void describe_version(struct json_out *o);

#endif
