/* slirp/dns.h -- the name server of a network: passes queries on to the host's resolvers of the moment.
 *
 * resolv.conf is looked at for every query, so a change (VPN, Wi-Fi, a rename or a rewrite) counts
 * at once.  Its servers are asked in turn, whatever family they have, those that did not answer
 * lately last; when none answers the client is told so (SERVFAIL) instead of being left to wait.
 * Each query goes out from a socket of its own: a random port and id. Queries over TCP (answers
 * that were cut) go through libslirp, which knows IPv4 resolvers only.
 * Source: resolv.conf(5); RFC 5452 (source ports). */
#ifndef SLIRP_DNS_H
#define SLIRP_DNS_H

#include "core/base/loop.h"

enum { DNS_PENDING_MAX = 256 };

/* Who asks: enough to address the answer (struct frame_udp); opaque here. */
enum { DNS_CLIENT_MAX = 64 };
typedef void dns_reply_fn(void *arg, const uint8_t client[DNS_CLIENT_MAX], const uint8_t *msg,
			  size_t len);

struct dns;
/* REPLY(ARG) is called for each answer, also from within dns_query().  PATH: resolv.conf; it must
 * outlive the object. */
struct err *dns_new(struct loop *loop, const char *path, dns_reply_fn *reply, void *arg,
		    struct dns **ret) MUST_CHECK;
/* A datagram to port 53.  What is no query, or one too many, is dropped. */
void dns_query(struct dns *d, const uint8_t client[DNS_CLIENT_MAX], const uint8_t *msg, size_t len);
void dns_free(struct dns *d);

#endif
