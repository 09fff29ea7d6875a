/* registry/layer_priv.h -- what layer.c and layer_links.c share. */
#ifndef REGISTRY_LAYER_PRIV_H
#define REGISTRY_LAYER_PRIV_H

#include "registry/layer.h"

/* The directory PATH below ROOT, resolved as a chroot would, O_PATH; 0 or an errno. */
int layer_open_below(int root, const char *path, int *ret_fd);
/* Is the attribute NAME one that layers have? */
bool layer_wants_xattr(const char *name);

#endif
