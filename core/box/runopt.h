/* core/box/runopt.h -- the smaller options of run: their texts read and checked.  Pure, no I/O. */
#ifndef CORE_BOX_RUNOPT_H
#define CORE_BOX_RUNOPT_H

#include <sys/resource.h>

#include "core/box/spec.h"

enum { OOM_SCORE_MAX = 1000 };

struct ulimit {
	int resource; /* RLIMIT_x */
	struct rlimit limit;
};
/* "nofile=1024" or "nofile=1024:2048"; -1 is no limit.  Errors in Docker's words. */
struct err *ulimit_parse(const char *text, struct ulimit *ret) MUST_CHECK;
/* "net.ipv4.ip_forward=1": only what a container has for itself, network, System V and POSIX messages; with the host's
 * network not its settings.  *RET_PATH is below the root directory, the caller's. */
struct err *sysctl_parse(const char *text, enum net_mode net, char **ret_path, const char **ret_value)
	MUST_CHECK;
/* "/dev/x[:/dev/y][:rwm]": appends a bind mount. */
struct err *device_parse(const char *text, struct mounts *to) MUST_CHECK;
/* "02:42:ac:11:00:02", one machine's. */
struct err *mac_parse(const char *text, uint8_t ret[NET_MAC_LEN]) MUST_CHECK;
/* Check and copy all of REQ that this module knows. */
struct err *runopt_resolve(const struct run_request *req, struct spec *s) MUST_CHECK;

#endif
