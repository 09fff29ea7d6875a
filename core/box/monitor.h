/* core/box/monitor.h -- the process that stands beside a container for as long as it lives. */
#ifndef CORE_BOX_MONITOR_H
#define CORE_BOX_MONITOR_H

#include "core/box/box.h"

/* The body of the monitor: runs in a child of box_start(), in a session of its own, with the
 * container's lock.  STARTER is its end of a SOCK_SEQPACKET pair to the process that starts the
 * container: it gets STARTED or FAIL, and with ATTACH is an attached client from the first byte on.
 * Never returns. */
NORETURN void monitor_main(struct box *b, int lock, int starter, bool attach);

#endif
