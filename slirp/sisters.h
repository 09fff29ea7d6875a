/* slirp/sisters.h -- names across networks: a container on several has one name server, that of its first network,
 * which asks the processes of the others.
 *
 * A SOCK_SEQPACKET unix socket, networks/<name>/names: one DNS query, one answer of that network's own names, or
 * SISTERS_NOT_MINE; then the connection ends.  Nothing is asked outside by it. */
#ifndef SLIRP_SISTERS_H
#define SLIRP_SISTERS_H

#include "core/base/loop.h"
#include "core/base/str.h"
#include "slirp/dns.h"
#include "slirp/names.h"

enum { SISTERS_PENDING_MAX = 256, SISTERS_WAIT_MS = 1000, SISTERS_NOT_MINE = '-' };

struct sisters;
/* DIR: networks/<own name>.  NAMES: what others are told.  NONE_KNOWS(ARG) is called for a query that no other network
 * has an answer to, also from within sisters_ask(). */
struct err *sisters_new(struct loop *loop, int dir, struct names *names,
			void (*none_knows)(void *arg, const struct dns_client *c,
					   const uint8_t *msg, size_t len),
			void *arg, struct sisters **ret) MUST_CHECK;
/* Ask the networks in OTHERS, one after the other; what the first one knows is C's answer. */
void sisters_ask(struct sisters *s, const struct strv *others, const struct dns_client *c,
		 const uint8_t *msg, size_t len);
/* Remove the socket's name. */
void sisters_end(struct sisters *s);

#endif
