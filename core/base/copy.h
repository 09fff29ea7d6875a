/* core/base/copy.h -- copies of files and trees. */
#ifndef CORE_BASE_COPY_H
#define CORE_BASE_COPY_H

#include <sys/types.h>

#include "core/base/err.h"

/* Copy the content of directory SRC into directory DST (which exists): owners, modes, times, extended attributes,
 * links as links, devices and sockets left out.  DST itself gets SRC's owner and mode.  Data is
 * shared with the original where the file system can (FICLONE), else copied in the kernel. */
struct err *copy_tree(int src, int dst) MUST_CHECK;

/* The SIZE bytes of SRC into the empty file DST, shared or copied likewise. */
struct err *copy_bytes(int src, int dst, off_t size) MUST_CHECK;
/* Extended attributes, as far as they can be kept: not those of security modules, nor overlayfs' own. */
void copy_xattrs(int src, int dst);
/* The same while others write to SRC: what they write meanwhile may be missing or torn, copy_again() mends it. */
struct err *copy_live(int src, int dst) MUST_CHECK;
/* Bring DST, a copy made by copy_live() a moment ago, up to what SRC is now: only files that were written since then
 * are read, and only what differs is written.  Nobody may change SRC meanwhile. */
struct err *copy_again(int src, int dst) MUST_CHECK;

#endif
