/* core/box/changes.h -- what a container changed in its file system, and that file system as a tar stream. */
#ifndef CORE_BOX_CHANGES_H
#define CORE_BOX_CHANGES_H

#include "core/box/box.h"

/* Append one line for each path: "A /new", "C /changed", "D /deleted", in the order of the paths. */
struct err *box_changes(struct box *b, struct str *ret) MUST_CHECK;
/* The whole root file system, volumes not included, to FD. */
struct err *box_export(struct box *b, int fd) MUST_CHECK;
/* What was changed, as the layer of an image, to FD. */
struct err *box_layer(struct box *b, int fd) MUST_CHECK;

#endif
