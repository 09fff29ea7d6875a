/* Frames of a hostile container that say who has which address. */
#include "slirp/claim.h"

#include <assert.h>
#include <string.h>

#include "core/base/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ uint8_t *frame = NULL; /* of its exact size, so that a byte too far is seen */
	struct claim c;

	if (size < ETH_HLEN)
		return 0;
	frame = xmalloc(size);
	memcpy(frame, data, size);
	claim_look(frame, size, frame + NET_MAC_LEN, &c);
	assert(c.kind < CLAIM_KIND_MAX);
	assert(c.kind != CLAIM_IP4 || (frame[13] == (ETH_P_ARP & 0xff) && c.ip.s_addr));
	assert(c.kind != CLAIM_IP6 || frame[CLAIM_IP6_HOPS] == CLAIM_ND_HOPS);
	return 0;
}
