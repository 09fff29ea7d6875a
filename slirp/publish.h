/* slirp/publish.h -- host side of published ports: opens the listeners, refuses what cannot work.
 *
 * Runs in the host's network namespace as the user, before the container starts.  TCP sockets are bound and listen,
 * UDP sockets are bound; the relay (slirp/relay.h) inherits them.
 *   - "H:C" is exact: a port that is taken (also by a wildcard listener that would shadow it) is an error with the
 *     name and pid of the holder where /proc tells, and a free port nearby as hint.
 *   - "C" prefers the same number and takes a free one if that is taken; a note tells which.
 *   - A port the user may not bind is an error that says what would allow it and offers another. */
#ifndef SLIRP_PUBLISH_H
#define SLIRP_PUBLISH_H

#include "slirp/port.h"

struct listener {
	int fd; /* non-blocking, close-on-exec */
	enum port_proto proto;
	char ip[PORT_IP_MAX];
	uint16_t host, ctr;
};

struct listeners {
	struct listener *v;
	size_t n, cap;
};

/* What the caller knows of those that have a port, and of the one that wants it. */
struct publish_who {
	/* What the process PID is to the user, or NULL: "container db".  The publisher frees it. */
	char *(*name)(void *arg, pid_t pid);
	void *arg;
	const char *service; /* of a compose file, which says the ports; NULL: they were given with -p */
};

/* Open everything WANT asks for, or nothing.  Sentences for the user are appended to NOTES ("port 3306 on 127.0.0.1 is
 * in use by mysqld (pid 812), published on port 3307 instead").
 * WHO may be NULL.  Errors: "port 3306 on 127.0.0.1 is in use by mysqld (pid 812)". */
struct err *publish_open(const struct ports *want, const struct publish_who *who,
			 struct listeners *ret, struct strv *notes) MUST_CHECK;
/* What is published where, one entry a listener; appended to RET. */
void listeners_ports(const struct listeners *l, struct ports *ret);
/* Between two runs of a container: the ports stay ours, but who connects is refused, as nothing serves them; and again
 * as they were. */
void listeners_rest(const struct listeners *l);
void listeners_listen(const struct listeners *l);
/* Datagrams that came when nothing served them are dropped: the next run shall not get what was meant for the last. */
void listeners_forget(const struct listeners *l);
/* Closes the descriptors. */
void listeners_done(struct listeners *l);
#define _cleanup_listeners_ _cleanup_(listeners_done)

#endif
