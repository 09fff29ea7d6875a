/* Two messages: what looks like a query, and what may be its answer.  Also as a frame's data. */
#include "slirp/dns_msg.h"

#include <assert.h>
#include <string.h>

#include "slirp/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t query[65536], out[65536 + FRAME_UDP_HEAD];
	uint8_t head[FRAME_UDP_HEAD];
	struct net_addrs a;
	const uint8_t *msg;
	size_t half = size / 2, len, head_len;

	if (size > 60000)
		return 0;
	memcpy(query, data, half);
	head_len = dns_query_len(query, half);
	assert(head_len <= half);
	dns_answers(data + half, size - half, query, half);
	if (head_len) {
		dns_make_error(query, DNS_REFUSED);
		assert(!dns_query_len(query, head_len));
		assert(dns_answers(query, head_len, query, half));
	}
	net_addrs_default(&a);
	if (frame_to_dns(data, size, &a, 53, head, &msg, &len)) {
		assert(msg >= data && msg + len <= data + size);
		assert(frame_udp_answer(head, msg, len, out) <= len + FRAME_UDP_HEAD);
	}
	return 0;
}
