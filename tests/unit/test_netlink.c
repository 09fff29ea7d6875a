#include "slirp/netlink.h"

#include <errno.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/tap.h"

struct answer {
	struct nlmsghdr nh;
	int error;
};

static struct answer answer(uint32_t seq, int error)
{
	return (struct answer){
		{ .nlmsg_len = sizeof(struct answer), .nlmsg_type = NLMSG_ERROR, .nlmsg_seq = seq }, error
	};
}

/* A batch of two messages that hears LEN bytes of BUF, which end where memory does. */
static bool hear(struct netlink_batch *b, const void *buf, size_t len)
{
	void *exact = malloc(len);
	bool last;

	memcpy(exact, buf, len);
	netlink_batch_init(b);
	b->n = 2;
	b->what[0] = "making a bridge";
	b->what[1] = "starting it";
	last = netlink_hear(b, exact, len);
	free(exact);
	return last;
}

static void test_hear(void)
{
	struct answer two[2] = { answer(0, -EPERM), answer(1, 0) };
	struct netlink_batch b;

	ok(hear(&b, two, sizeof(two)), "the last message is answered");
	is_err(netlink_failed(&b, 0), "making a bridge: Operation not permitted", "the first failed");
	is_err(netlink_failed(&b, 1), NULL, "the second did not");
	ok(!hear(&b, two, sizeof(two[0])), "the first answer alone");
	two[0].nh.nlmsg_type = NLMSG_DONE;
	ok(hear(&b, two, sizeof(two)) && b.errnum[0] == 0, "what is no answer is passed over");
}

static void test_hostile(void)
{
	struct answer two[2] = { answer(0, 0), answer(1, 0) };
	char odd[sizeof(two[0]) + 1] = { 0 };
	struct netlink_batch b;

	two[0].nh.nlmsg_len = 0;
	ok(!hear(&b, two, sizeof(two)), "a length of nothing ends the datagram");
	two[0].nh.nlmsg_len = sizeof(two) + 1;
	ok(!hear(&b, two, sizeof(two)), "so does one of more than there is");
	two[0] = answer(1, 0);
	two[0].nh.nlmsg_len = sizeof(odd);
	memcpy(odd, two, sizeof(two[0]));
	ok(hear(&b, odd, sizeof(odd)), "a last message without its padding is the last");
	two[0] = answer(2, -EPERM);
	ok(hear(&b, two, sizeof(two)), "an answer to a message that was not sent is passed over");
	two[0] = answer(0, 7);
	two[1] = answer(1, INT32_MIN);
	ok(hear(&b, two, sizeof(two)), "numbers that are no errors");
	ok(b.errnum[0] == EPROTO && b.errnum[1] == EPROTO, "are failures all the same");
}

int main(void)
{
	test_hear();
	test_hostile();
	return done_testing();
}
