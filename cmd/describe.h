/* cmd/describe.h -- containers and images as the JSON that `docker inspect` prints. */
#ifndef CMD_DESCRIBE_H
#define CMD_DESCRIBE_H

#include "core/box/box.h"

/* One object each, as an array's element. */
void describe_box(const struct box *b, struct json_out *o);
/* ALL: every image of the store, for the further names of the same image. */
void describe_image(const struct image *img, struct image *const *all, size_t n_all, struct json_out *o);
/* The volume NAME, which exists. */
struct err *describe_volume(struct store *st, const char *name, struct json_out *o) MUST_CHECK;
/* "3306/tcp" -> what it is published as: [{"HostIp":..,"HostPort":..}], for each port of EXPOSED and PUBLISHED. */
void describe_ports(const char *key, const struct strv *exposed, const struct ports *published,
		    struct json_out *o);

#endif
