/* slirp/netlink.h -- several rtnetlink(7) requests in one system call.
 *
 *	struct netlink_batch b;
 *	netlink_batch_init(&b);
 *	netlink_begin(&b, RTM_NEWADDR, NLM_F_CREATE, &ifa, sizeof(ifa), "adding the address");
 *	netlink_attr(&b, IFA_LOCAL, &ip, sizeof(ip));
 *	... next message ...
 *	e = netlink_run(fd, &b);
 *
 * The kernel works on every message even when an earlier one failed; netlink_failed() tells which did.
 * Source: rtnetlink(7), linux/netlink.h. */
#ifndef SLIRP_NETLINK_H
#define SLIRP_NETLINK_H

#include <stdint.h>

#include "core/base/err.h"

enum { NETLINK_BATCH_BYTES = 2048, NETLINK_BATCH_MSGS = 16, NETLINK_NESTED_MAX = 4 };

struct netlink_batch {
	_Alignas(4) unsigned char buf[NETLINK_BATCH_BYTES];
	size_t len, msg; /* bytes used; where the message being written begins */
	size_t nested[NETLINK_NESTED_MAX], n_nested;
	size_t n;
	const char *what[NETLINK_BATCH_MSGS];
	int errnum[NETLINK_BATCH_MSGS]; /* 0: done */
};

/* A route socket in the calling thread's network namespace. */
struct err *netlink_open(int *ret_fd) MUST_CHECK;

void netlink_batch_init(struct netlink_batch *b);
/* Start a message: HEADER is its struct (ifinfomsg, rtmsg...); WHAT says in errors what was tried. */
void netlink_begin(struct netlink_batch *b, uint16_t type, uint16_t flags, const void *header,
		   size_t len, const char *what);
void netlink_attr(struct netlink_batch *b, uint16_t type, const void *data, size_t len);
void netlink_attr_u32(struct netlink_batch *b, uint16_t type, uint32_t value);
void netlink_nest(struct netlink_batch *b, uint16_t type);
void netlink_raw(struct netlink_batch *b, const void *data, size_t len); /* e.g. the header of a nested peer */
void netlink_nest_end(struct netlink_batch *b);

/* Send the batch and wait for the kernel's answers.  Errors: of the transport only. */
struct err *netlink_run(int fd, struct netlink_batch *b) MUST_CHECK;
/* Put down what a datagram of LEN bytes answers to the messages of B; is the last one's answer there?  Pure: whatever
 * the bytes are, errnum[] holds numbers of errors, those of the messages only. */
bool netlink_hear(struct netlink_batch *b, const void *buf, size_t len);
/* The error of message I, or NULL. */
struct err *netlink_failed(const struct netlink_batch *b, size_t i) MUST_CHECK;

#endif
