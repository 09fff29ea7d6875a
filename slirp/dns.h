/* slirp/dns.h -- passes queries on to the host's resolvers of the moment.
 *
 * resolv.conf is looked at for every query, so a change (VPN, Wi-Fi, a rename or a rewrite) counts
 * at once.  Its servers are asked in turn, whatever family they have, those that did not answer
 * lately last; when none answers the client is told so (SERVFAIL) instead of being left to wait.
 * Each query goes out from a socket of its own: a random port and id.  What came over TCP is asked over TCP (the answer
 * is long), with a connection each.
 * Many queries at once: one client has at most DNS_PENDING_EACH of the DNS_PENDING_MAX places, what is more is dropped
 * and the client asks again, or not.
 * Source: resolv.conf(5); RFC 5452 (source ports), RFC 7766 (TCP). */
#ifndef SLIRP_DNS_H
#define SLIRP_DNS_H

#include "core/base/loop.h"

enum { DNS_PENDING_MAX = 256, DNS_PENDING_EACH = 64, DNS_CLIENT_MAX = 64 };

/* Who asks, and how the answer gets there. */
struct dns_client {
	/* Called for each answer, also from within dns_query(). */
	void (*reply)(void *arg, const uint8_t key[DNS_CLIENT_MAX], const uint8_t *msg, size_t len);
	void *arg; /* must outlive the query, that is the struct dns */
	uint8_t key[DNS_CLIENT_MAX]; /* enough to address the answer; opaque here, but repetitions are known by it */
	uint32_t who; /* tells clients apart, e.g. their address */
	bool tcp;
};

struct dns;
/* PATH: resolv.conf; it must outlive the object. */
struct err *dns_new(struct loop *loop, const char *path, struct dns **ret) MUST_CHECK;
/* Returns whether an answer will come: what is no query, one too many, or asked already, is dropped. */
bool dns_query(struct dns *d, const struct dns_client *c, const uint8_t *msg, size_t len);
void dns_free(struct dns *d);

#endif
