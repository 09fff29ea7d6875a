/* core/box/init.h -- the child that becomes a container's first process.
 * monitor --clone3(all namespaces)--> init (this) --execve--> the image's program */
#ifndef CORE_BOX_INIT_H
#define CORE_BOX_INIT_H

#include "core/box/spec.h"
#include "core/store/dirs.h"
#include "slirp/netns.h"

/* Messages of the child on its socket to the monitor: one byte, with a descriptor or an error
 * behind it.  End of file means that the program was executed. */
enum { INIT_MAPPED = 'M' };
struct init_go { /* from the monitor: the id maps are written; the first byte may come alone */
	char what; /* INIT_MAPPED */
	bool bridged[NETNS_LINKS_MAX]; /* these links' devices are there */
};
enum init_msg {
	INIT_NET = 'N', /* struct init_net, with a packet descriptor if it has one; one for each link */
	INIT_TTY = 'T', /* with the terminal's master side */
	INIT_FAILED = 'E', /* followed by an error, see err_recv() */
};

struct init_net {
	char what; /* INIT_NET */
	unsigned index; /* of struct init_args' links */
	struct netns net; /* the descriptor's number is the child's: the one that came with the message counts */
};

struct init_args {
	struct store *st;
	const struct spec *spec;
	const char *hostname;
	const char *dir; /* see struct rootfs_cfg */
	const struct userns_ids *ids; /* the mapping that the spec wants */
	const int *trees; /* see struct rootfs_cfg */
	bool ran, api; /* see struct rootfs_cfg */
	int netns; /* a network namespace to join instead of making one, or -1 */
	const struct netns_link *links; /* the networks' devices to be made */
	size_t n_links;
	const struct strv *env; /* beside the spec's: what its links say; that one's wins */
	int sync; /* our end of the socket pair, SOCK_SEQPACKET */
	int identity; /* of identity_start(), where one id is mapped; else -1 */
	int stdio[3]; /* -1 with a terminal */
	const void *seccomp;
	size_t seccomp_len;
};

NORETURN void init_main(const struct init_args *a);

#endif
