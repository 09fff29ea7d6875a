/* slirp/nameserver.h -- the name server of a network: its own names from slirp/names.h, all others from the host's
 * resolvers (slirp/dns.h); over UDP and TCP.
 *
 *	nameserver_new(loop, names, "/etc/resolv.conf", &ns)
 *	nameserver_query(ns, &client, msg, len)    for a datagram to port 53: the answer comes through client.reply()
 *	nameserver_listen(ns, fd)                  and for TCP: a listening stream socket of any family
 *
 * TCP (RFC 7766): several queries on a connection, answered as they come, also after the client's end of input.  There
 * are at most NAMESERVER_CONNS connections, the idlest makes room; a silent one ends after NAMESERVER_IDLE_MS. */
#ifndef SLIRP_NAMESERVER_H
#define SLIRP_NAMESERVER_H

#include "slirp/dns.h"
#include "slirp/names.h"

enum { NAMESERVER_CONNS = 64, NAMESERVER_IDLE_MS = 10000 };

struct nameserver;
/* NAMES may be NULL: no names of our own.  It and PATH stay the caller's and must outlive the object. */
struct err *nameserver_new(struct loop *loop, struct names *names, const char *path,
			   struct nameserver **ret) MUST_CHECK;
/* C->who must not be 0. */
void nameserver_query(struct nameserver *ns, const struct dns_client *c, const uint8_t *msg, size_t len);
/* Takes over FD (non-blocking, listening) in every case. */
struct err *nameserver_listen(struct nameserver *ns, int fd) MUST_CHECK;
/* The loop must run once more before it ends. */
void nameserver_free(struct nameserver *ns);

#endif
