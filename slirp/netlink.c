#include "slirp/netlink.h"

#include <assert.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

enum { ERRNO_MAX = 4095 }; /* the kernel's MAX_ERRNO */

struct err *netlink_open(int *ret_fd)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), one = 1;

	if (fd < 0)
		return err_new(errno, "opening a route socket");
	/* Answers without a copy of our request: one message fits one small buffer.  Old kernels do without. */
	setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one));
	*ret_fd = fd;
	return NULL;
}

void netlink_batch_init(struct netlink_batch *b)
{
	memset(b, 0, sizeof(*b));
}

static void *reserve(struct netlink_batch *b, size_t len)
{
	size_t at = b->len, room = NLMSG_ALIGN(len);

	assert(at + room <= sizeof(b->buf)); /* batches are written by hand: their size does not depend on input */
	memset(b->buf + at, 0, room);
	b->len += room;
	return b->buf + at;
}

/* The lengths of the message and of the attributes around the place just written. */
static void grow(struct netlink_batch *b)
{
	struct nlmsghdr *nh = (struct nlmsghdr *)(void *)(b->buf + b->msg);

	nh->nlmsg_len = (uint32_t)(b->len - b->msg);
	for (size_t i = 0; i < b->n_nested; i++) {
		struct rtattr *a = (struct rtattr *)(void *)(b->buf + b->nested[i]);

		a->rta_len = (uint16_t)(b->len - b->nested[i]);
	}
}

void netlink_begin(struct netlink_batch *b, uint16_t type, uint16_t flags, const void *header,
		   size_t len, const char *what)
{
	struct nlmsghdr *nh;

	assert(b->n < NETLINK_BATCH_MSGS && b->n_nested == 0);
	b->msg = b->len;
	nh = reserve(b, sizeof(*nh));
	nh->nlmsg_type = type;
	nh->nlmsg_flags = NLM_F_REQUEST | flags;
	nh->nlmsg_seq = (uint32_t)b->n;
	b->what[b->n++] = what;
	netlink_raw(b, header, len);
}

void netlink_raw(struct netlink_batch *b, const void *data, size_t len)
{
	memcpy(reserve(b, len), data, len);
	grow(b);
}

void netlink_attr(struct netlink_batch *b, uint16_t type, const void *data, size_t len)
{
	struct rtattr *a = reserve(b, RTA_LENGTH(len));

	a->rta_type = type;
	a->rta_len = (uint16_t)RTA_LENGTH(len);
	if (len)
		memcpy(RTA_DATA(a), data, len);
	grow(b);
}

void netlink_attr_u32(struct netlink_batch *b, uint16_t type, uint32_t value)
{
	netlink_attr(b, type, &value, sizeof(value));
}

void netlink_nest(struct netlink_batch *b, uint16_t type)
{
	assert(b->n_nested < NETLINK_NESTED_MAX);
	b->nested[b->n_nested++] = b->len;
	netlink_attr(b, type, NULL, 0);
}

void netlink_nest_end(struct netlink_batch *b)
{
	assert(b->n_nested);
	b->n_nested--;
}

/* Not NLMSG_NEXT(): of a last message that is not aligned it takes more than there is. */
bool netlink_hear(struct netlink_batch *b, const void *buf, size_t len)
{
	const unsigned char *at = buf;
	bool last = false;

	while (len >= NLMSG_HDRLEN) {
		struct nlmsghdr nh;
		size_t step;
		int error;

		memcpy(&nh, at, sizeof(nh));
		if (nh.nlmsg_len < NLMSG_HDRLEN || nh.nlmsg_len > len)
			break;
		if (nh.nlmsg_type == NLMSG_ERROR && nh.nlmsg_seq < b->n &&
		    nh.nlmsg_len >= NLMSG_HDRLEN + sizeof(error)) {
			memcpy(&error, at + NLMSG_HDRLEN, sizeof(error));
			b->errnum[nh.nlmsg_seq] = error > 0 || error < -ERRNO_MAX ? EPROTO : -error;
			last |= nh.nlmsg_seq == b->n - 1;
		}
		step = NLMSG_ALIGN((size_t)nh.nlmsg_len);
		step = step < len ? step : len;
		at += step;
		len -= step;
	}
	return last;
}

struct err *netlink_run(int fd, struct netlink_batch *b)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	struct nlmsghdr *last = (struct nlmsghdr *)(void *)(b->buf + b->msg);
	bool done = false;

	if (b->n == 0)
		return NULL;
	/* Failures are answered in any case, success only when asked for; answers come in order, so that of the
	 * last message ends the wait. */
	last->nlmsg_flags |= NLM_F_ACK;
	if (sendto(fd, b->buf, b->len, 0, (struct sockaddr *)&kernel, sizeof(kernel)) < 0)
		return err_new(errno, "asking the kernel's router");
	while (!done) {
		char buf[4096];
		struct sockaddr_nl from = { 0 };
		socklen_t from_len = sizeof(from);
		ssize_t n = recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&from, &from_len);

		if (n < 0 && errno != EINTR)
			return err_new(errno, "hearing from the kernel's router");
		/* Not from who administers the network, as a container with NET_ADMIN does where the relay is. */
		if (n > 0 && from.nl_pid == 0)
			done = netlink_hear(b, buf, (size_t)n);
	}
	return NULL;
}

struct err *netlink_failed(const struct netlink_batch *b, size_t i)
{
	return b->errnum[i] ? err_new(b->errnum[i], "%s", b->what[i]) : NULL;
}
