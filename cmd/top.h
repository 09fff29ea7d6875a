/* cmd/top.h -- the processes of a container as lines. */
#ifndef CMD_TOP_H
#define CMD_TOP_H

#include "core/box/box.h"

/* Titles, then a line for each process, tabs between the columns.  With arguments the host's ps(1) writes them.
 * Errors: not running. */
struct err *top_lines(struct box *b, int argc, char **argv, struct strv *ret) MUST_CHECK;

#endif
