/* cmd/ps.h -- cells of a list of containers. */
#ifndef CMD_PS_H
#define CMD_PS_H

#include "core/box/box.h"

/* Append "Up 3 minutes (healthy)". */
void ps_status(const struct box *b, int64_t now, struct str *out);
/* Append the quoted command line, cut to 20 characters unless WHOLE. */
void ps_command(const struct spec *s, bool whole, struct str *out);

#endif
