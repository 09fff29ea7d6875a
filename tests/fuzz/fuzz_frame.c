/* Frames of a hostile container: a virtio header and a frame.  What passes the check must keep its promises. */
#include "slirp/frame.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t frame[FRAME_MAX];
	uint8_t refusal[FRAME_REFUSAL_MAX];
	struct frame_piece piece = { 0 };
	struct frame_info info;
	struct virtio_net_hdr vh;
	struct net_addrs a;
	size_t len, sent = 0;

	if (size < sizeof(vh) || size > sizeof(vh) + FRAME_MAX)
		return 0;
	memcpy(&vh, data, sizeof(vh));
	len = size - sizeof(vh);
	memcpy(frame, data + sizeof(vh), len);
	net_addrs_default(&a);
	if (frame_check(frame, len, &vh, &a) && frame[12] == 0x08 && frame[13] == 0x00)
		assert(frame[30] != 127 && frame[30] != 0 && frame[14] == 0x45);
	memcpy(frame, data + sizeof(vh), len);
	if (frame_look(frame, len, &info))
		assert(info.dst >= frame + 14 && info.dst + (info.v6 ? 16 : 4) <= frame + len);
	assert(frame_refuse(frame, len, refusal) <= sizeof(refusal));
	for (unsigned n = 0; frame_split(frame, len, 100, &piece); n++) {
		assert(piece.head_len <= sizeof(piece.head) && piece.at + piece.len <= len);
		assert(n < 2000);
		sent += piece.len;
	}
	assert(sent <= len);
	return 0;
}
