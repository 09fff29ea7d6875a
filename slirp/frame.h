/* slirp/frame.h -- Ethernet frames between the container's kernel and the user-mode stack.  Pure, no I/O.
 *
 * In both directions a frame travels behind a struct virtio_net_hdr and may be a TCP segment far larger than the MTU:
 *   up    the kernel leaves checksums unfinished and segments whole: frame_check() finishes the
 * checksum, and raises the
 *         MSS in SYNs, so that the stack sends segments of up to 64 KiB downward
 *   down  frame_split() gives such a segment back with a header that lets the kernel cut it (GSO) to the MTU the
 *         container believes in; other packets that are too large (UDP) become IP fragments
 * Everything in a frame from the container is hostile.
 * Source: RFC 791, 8200, 9293, 1071 (checksum); virtio specification 5.1.6 (header). */
#ifndef SLIRP_FRAME_H
#define SLIRP_FRAME_H

#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "slirp/addrs.h"

enum {
	FRAME_MAX = 14 + 65535, /* Ethernet header and the largest IP packet */
	FRAME_STACK_MTU = 65520, /* what the stack is told */
	FRAME_HEAD_MAX = 14 + 60 + 60, /* Ethernet, IP and TCP headers */
};

/* Look at a frame of LEN bytes from the container, behind the header VH, finish and rewrite it.  Returns whether
 * the stack may have it.  Dropped: what is cut short or lies about its length, protocols the stack does not know,
 * multicast and broadcast other than address resolution, DHCP and TFTP, packets for the host's loopback, IP options
 * and IPv6 extension headers, more than one segment of UDP. */
bool frame_check(uint8_t *frame, size_t len, const struct virtio_net_hdr *vh, const struct net_addrs *a);

/* The headers of a UDP frame: what is needed to answer it, without what differs from one packet to the next. */
enum { FRAME_UDP_HEAD = 14 + 40 + 8 };
/* Is a frame that passed frame_check() a whole UDP datagram to PORT of the name server's address?  Then its headers and
 * data. */
bool frame_to_dns(const uint8_t *frame, size_t len, const struct net_addrs *a, uint16_t port,
		  uint8_t ret_head[FRAME_UDP_HEAD], const uint8_t **ret_data, size_t *ret_len);
/* Write the answer with DATA to the datagram whose frame begins with HEAD: LEN + FRAME_UDP_HEAD bytes at most.  Returns
 * its length. */
size_t frame_udp_answer(const uint8_t head[FRAME_UDP_HEAD], const uint8_t *data, size_t len,
			uint8_t *out);

/* What a frame that passed frame_check() is, as far as it is decided by that where it may go. */
struct frame_info {
	bool v6;
	uint8_t proto; /* IPPROTO_ */
	const uint8_t *src, *dst; /* the IP addresses, 4 or 16 bytes, inside the frame */
	bool has_ports; /* TCP or UDP, not a later fragment */
	uint16_t port, src_port; /* the destination's; the source's */
	uint8_t tcp_flags; /* TH_SYN...; 0 if it is not TCP */
};
/* False for what is not IP. */
bool frame_look(const uint8_t *frame, size_t len, struct frame_info *ret);
/* Write the answer that says "nobody there" to the frame: a reset for TCP, "port unreachable" for UDP; at most
 * FRAME_REFUSAL_MAX bytes.  Returns its length, 0 if none is due. */
enum { FRAME_REFUSAL_MAX = 14 + 40 + 8 + 40 + 8 };
size_t frame_refuse(const uint8_t *frame, size_t len, uint8_t out[FRAME_REFUSAL_MAX]);

/* One piece of a frame to be written to the container: the header VH, HEAD_LEN bytes of HEAD, LEN bytes of the frame
 * from offset AT. */
struct frame_piece {
	struct virtio_net_hdr vh;
	uint8_t head[FRAME_HEAD_MAX];
	size_t head_len, at, len;
};
/* Zero PIECE before the first call; call until it returns false.  FRAME comes from the stack and is not changed.
 * A frame that fits into MTU, or is not IP, is one piece as it is. */
bool frame_split(const uint8_t *frame, size_t len, uint16_t mtu, struct frame_piece *piece);

#endif
