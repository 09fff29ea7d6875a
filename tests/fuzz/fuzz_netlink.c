/* Answers on a route socket: the first byte says how many messages were sent, the others are a datagram. */
#include "slirp/netlink.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct netlink_batch b = { 0 };
	bool last;

	if (size == 0)
		return 0;
	b.n = 1 + data[0] % NETLINK_BATCH_MSGS;
	for (size_t i = 0; i < b.n; i++)
		b.what[i] = "asking";
	b.errnum[b.n - 1] = -1; /* no answer yet */
	last = netlink_hear(&b, data + 1, size - 1);
	assert(last == (b.errnum[b.n - 1] != -1));
	b.errnum[b.n - 1] *= last;
	for (size_t i = 0; i < NETLINK_BATCH_MSGS; i++) {
		struct err *e = i < b.n ? netlink_failed(&b, i) : NULL;

		assert(b.errnum[i] >= 0 && b.errnum[i] < 4096);
		assert(i < b.n ? (e != NULL) == (b.errnum[i] != 0) : b.errnum[i] == 0);
		err_free(e);
	}
	return 0;
}
