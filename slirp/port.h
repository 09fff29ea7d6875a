/* slirp/port.h -- published ports: what "-p", "-P" and "--expose" mean and how ps and port print them.  Pure, no I/O.
 *
 *	-p 3306:3306              host port 3306 on 127.0.0.1 and ::1
 *	-p 127.0.0.1:3306:3306    on that address only; [::1]:80:80 for IPv6
 *	-p 3306                   the same number on the host if it is free, else a free one
 *	-p 127.0.0.1::3306        likewise on that address
 *	-p 8000-8005:80-85        six ports; 8000-8005:80 is the first free one of six
 *	-p 53:53/udp              UDP
 * Source: docker run reference, "Publish or expose port"; docker/go-connections nat.ParsePortSpec. */
#ifndef SLIRP_PORT_H
#define SLIRP_PORT_H

#include <stdint.h>

#include "core/base/str.h"

enum port_proto { PORT_TCP, PORT_UDP, PORT_PROTO_MAX };
extern const char *const port_proto_names[]; /* "tcp", "udp" */

enum { PORT_IP_MAX = 46 }; /* INET6_ADDRSTRLEN */

struct port {
	char ip[PORT_IP_MAX]; /* numeric host address in canonical form, or "": 127.0.0.1 and ::1 */
	uint16_t host, host_last; /* host ports; 0: to be chosen */
	uint16_t ctr, ctr_last; /* container ports, ctr <= ctr_last */
	enum port_proto proto;
	bool same_if_free; /* host is 0: take the container's number where free, any free one otherwise */
};
/* Either host ports and container ports are as many (they go in pairs), or there is one container port and any
 * free one of the host ports will do, or host is 0.
 * In a list of published ports (listeners_ports()) every entry is one pair with an address and a host port. */

struct ports {
	struct port *v;
	size_t n, cap;
};
void ports_add(struct ports *l, const struct port *p);
void ports_copy(struct ports *to, const struct ports *from); /* appends */
/* Is the container's port CTR of PROTO among them? */
bool ports_have(const struct ports *l, uint16_t ctr, enum port_proto proto);
void ports_done(struct ports *l);
#define _cleanup_ports_ _cleanup_(ports_done)

/* Append what "-p TEXT" means.  Errors name the offending part; nothing is appended then. */
struct err *port_parse(const char *text, struct ports *to) MUST_CHECK;
/* "3306", "3306/tcp", "3000-3005/udp": the container side only, as EXPOSE and --expose have it. */
struct err *port_parse_exposed(const char *text, struct port *ret) MUST_CHECK;
/* "-P": append every exposed port that L does not publish yet.  Entries that do not parse (an image can contain
 * anything) are skipped. */
void ports_add_exposed(struct ports *l, const struct strv *exposed);

/* Append P as "-p" takes it, always with "/proto": parses back to the same value. */
void port_text(const struct port *p, struct str *out);
/* Append "127.0.0.1:3306" or "[::1]:3306". */
void port_host_text(const char *ip, uint16_t port, struct str *out);
/* Append the PORTS column of ps: published ports with ranges merged, then exposed ones that are not published:
 * "127.0.0.1:3306->3306/tcp, [::1]:3306->3306/tcp, 33060/tcp".  EXPOSED may be NULL. */
void ports_ps_text(const struct ports *published, const struct strv *exposed, struct str *out);

#endif
