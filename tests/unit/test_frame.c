#include "slirp/frame.h"

#include <netinet/in.h>

#include "tests/lib/tap.h"

static struct net_addrs addrs;
static const uint8_t ip6_out[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 7 };

/* The checksum as the RFC writes it, sixteen bits a step: 0 over a correct packet. */
static unsigned slow_sum(const uint8_t *p, size_t len, unsigned sum)
{
	for (size_t i = 0; i < len; i++)
		sum += (unsigned)p[i] << (i % 2 ? 0 : 8);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static bool l4_sum_ok(const uint8_t *frame, size_t len)
{
	const uint8_t *ip = frame + 14;
	bool v6 = ip[0] >> 4 == 6;
	size_t header = v6 ? 40 : 20, l4_len = len - 14 - header;
	unsigned sum =
		slow_sum(v6 ? ip + 8 : ip + 12, v6 ? 32 : 8, (unsigned)l4_len + (v6 ? ip[6] : ip[9]));

	return slow_sum(ip + header, l4_len, sum) == 0xffff;
}

/* A frame with DATA_LEN bytes behind the header of PROTO; its checksum field holds the pseudo header's sum as the
 * kernel leaves it when it does not finish it. */
static size_t make(uint8_t *frame, bool v6, uint8_t proto, const uint8_t *dst, size_t data_len)
{
	size_t l4_header = proto == IPPROTO_TCP ? 24 : 8, ip_header = v6 ? 40 : 20;
	size_t l4_len = l4_header + data_len, len = 14 + ip_header + l4_len;
	uint8_t *ip = frame + 14, *l4 = ip + ip_header;
	unsigned sum;

	memset(frame, 0, len);
	frame[12] = v6 ? 0x86 : 0x08;
	frame[13] = v6 ? 0xdd : 0x00;
	if (v6) {
		ip[0] = 0x60;
		ip[4] = (uint8_t)(l4_len >> 8);
		ip[5] = (uint8_t)l4_len;
		ip[6] = proto;
		memcpy(ip + 8, &addrs.ip6, 16);
		memcpy(ip + 24, dst, 16);
	} else {
		ip[0] = 0x45;
		ip[2] = (uint8_t)((20 + l4_len) >> 8);
		ip[3] = (uint8_t)(20 + l4_len);
		ip[9] = proto;
		memcpy(ip + 12, &addrs.ip, 4);
		memcpy(ip + 16, dst, 4);
	}
	if (proto == IPPROTO_TCP) {
		memcpy(l4,
		       "\x9c\x40\x00\x50"
		       "\0\0\0\1\0\0\0\0"
		       "\x60\x02\xff\xff\0\0\0\0"
		       "\2\4\5\xb4",
		       24);
	} else {
		memcpy(l4, "\x9c\x40\x00\x35", 4);
		l4[4] = (uint8_t)(l4_len >> 8);
		l4[5] = (uint8_t)l4_len;
	}
	for (size_t i = 0; i < data_len; i++)
		l4[l4_header + i] = (uint8_t)(i * 7 + 1);
	sum = slow_sum(v6 ? ip + 8 : ip + 12, v6 ? 32 : 8, (unsigned)l4_len + proto);
	l4[proto == IPPROTO_TCP ? 16 : 6] = (uint8_t)(sum >> 8);
	l4[proto == IPPROTO_TCP ? 17 : 7] = (uint8_t)sum;
	return len;
}

static const uint8_t out4[4] = { 192, 0, 2, 9 };
static const struct virtio_net_hdr plain, partial = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM };

static void test_up(void)
{
	static uint8_t frame[FRAME_MAX];
	size_t len;

	for (int v6 = 0; v6 <= 1; v6++) {
		const uint8_t *dst = v6 ? ip6_out : out4;

		len = make(frame, v6, IPPROTO_TCP, dst, 0);
		ok(frame_check(frame, len, &partial, &addrs), "a SYN passes (IPv%d)", v6 ? 6 : 4);
		ok(l4_sum_ok(frame, len), "its checksum is finished");
		is_int(frame[len - 2] << 8 | frame[len - 1], v6 ? 65460 : 65480, "its MSS is raised");
		frame[len - 2] = 5;
		ok(frame_check(frame, len, &plain, &addrs) && l4_sum_ok(frame, len),
		   "a changed SYN gets a new checksum");
		len = make(frame, v6, IPPROTO_TCP, dst, 65001);
		frame[14 + (v6 ? 40 : 20) + 13] = 0x10; /* ACK */
		ok(frame_check(frame, len,
			       &(struct virtio_net_hdr){ .flags = 1, .gso_type = v6 ? 4 : 1 }, &addrs) &&
			   l4_sum_ok(frame, len),
		   "a large segment of odd length gets its checksum");
		frame[14 + (v6 ? 40 : 20) + 16] ^= 1;
		ok(frame_check(frame, len, &plain, &addrs) && !l4_sum_ok(frame, len),
		   "a wrong checksum is left to the stack to find");
		len = make(frame, v6, IPPROTO_UDP, dst, 100);
		ok(frame_check(frame, len, &partial, &addrs) && l4_sum_ok(frame, len), "UDP");
	}
}

static void test_refused(void)
{
	static const uint8_t bad4[][4] = { { 127, 0, 0, 1 },
					   { 0, 0, 0, 0 },
					   { 224, 0, 0, 251 },
					   { 255, 255, 255, 255 },
					   { 127, 9, 9, 9 } };
	static const uint8_t bad6[][16] = {
		{ 0 }, { [15] = 1 }, { [10] = 0xff, 0xff, 127, 0, 0, 1 }, { 0xff, 2, [15] = 0xfb }
	};
	uint8_t frame[300], keep[300];
	size_t len;

	for (size_t i = 0; i < ARRAY_LEN(bad4); i++) {
		len = make(frame, false, IPPROTO_UDP, bad4[i], 10);
		ok(!frame_check(frame, len, &partial, &addrs), "not to %d.%d.%d.%d", bad4[i][0],
		   bad4[i][1], bad4[i][2], bad4[i][3]);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad6); i++) {
		len = make(frame, true, IPPROTO_TCP, bad6[i], 10);
		ok(!frame_check(frame, len, &partial, &addrs), "not to IPv6 address %zu of the list", i);
	}
	len = make(frame, false, IPPROTO_TCP, out4, 20);
	memcpy(keep, frame, len);
	for (size_t cut = 0; cut < len; cut++)
		if (frame_check(frame, cut, &partial, &addrs))
			break;
	ok(memcmp(frame, keep, len) == 0, "cut short anywhere: refused and untouched");
	frame[14] = 0x46;
	ok(!frame_check(frame, len, &partial, &addrs), "IP options");
	memcpy(frame, keep, len);
	frame[23] = 47;
	ok(!frame_check(frame, len, &plain, &addrs), "another protocol");
	memcpy(frame, keep, len);
	frame[34 + 12] = 0x40;
	ok(!frame_check(frame, len, &plain, &addrs), "a TCP header that is too small");
	frame[34 + 12] = 0xf0;
	ok(!frame_check(frame, len, &plain, &addrs), "a TCP header longer than the segment");
	memcpy(frame, keep, len);
	frame[34 + 21] = 200;
	ok(frame_check(frame, len, &plain, &addrs) && frame[34 + 22] == 5,
	   "a lying TCP option is left alone");
	memcpy(frame, keep, len);
	frame[20] = 0x20;
	ok(!frame_check(frame, len, &plain, &addrs), "a fragment of TCP");
	len = make(frame, false, IPPROTO_UDP, (uint8_t *)&addrs.gateway, 10);
	frame[34 + 3] = 67;
	ok(!frame_check(frame, len, &partial, &addrs), "DHCP");
	frame[34 + 3] = 69;
	ok(!frame_check(frame, len, &partial, &addrs), "TFTP");
	frame[34 + 3] = 68;
	ok(frame_check(frame, len, &partial, &addrs), "but other ports of the gateway");
	frame[12] = 0x88;
	frame[13] = 0xf8;
	ok(!frame_check(frame, len, &plain, &addrs), "NC-SI");
}

/* Put the pieces of FRAME together; returns how many there were. */
static size_t gather(const uint8_t *frame, size_t len, uint8_t *data, size_t *ret_len, bool v6)
{
	struct frame_piece piece = { 0 };
	size_t n = 0, header = 14 + (v6 ? 48 : 20);

	*ret_len = 0;
	while (frame_split(frame, len, NET_MTU, &piece)) {
		const uint8_t *ip = piece.head + 14;
		size_t offset = v6 ? (size_t)(ip[42] << 8 | ip[43]) & ~(size_t)7
				   : (size_t)((ip[6] & 0x1f) << 8 | ip[7]) * 8;

		n++;
		ok(piece.head_len + piece.len <= 14 + NET_MTU, "fragment %zu fits", n);
		ok(piece.head_len == header && offset == *ret_len, "and continues the one before");
		if (!v6)
			ok(slow_sum(ip, 20, 0) == 0xffff, "with the right header checksum");
		memcpy(data + offset, frame + piece.at, piece.len);
		*ret_len += piece.len;
	}
	return n;
}

static void test_down(void)
{
	static uint8_t frame[FRAME_MAX], data[FRAME_MAX];
	struct frame_piece piece = { 0 };
	size_t len, got;

	len = make(frame, false, IPPROTO_UDP, out4, 1000);
	ok(frame_split(frame, len, NET_MTU, &piece) && piece.head_len == 0 && piece.at == 0 &&
		   piece.len == len && !piece.vh.gso_type,
	   "a small frame is left as it is");
	ok(!frame_split(frame, len, NET_MTU, &piece), "and is one piece");
	for (int v6 = 0; v6 <= 1; v6++) {
		size_t headers = v6 ? 78 : 58;

		memset(&piece, 0, sizeof(piece));
		len = make(frame, v6, IPPROTO_TCP, v6 ? ip6_out : out4, 60000);
		ok(frame_split(frame, len, NET_MTU, &piece) && piece.at == headers &&
			   piece.head_len == headers && piece.len == 60000 &&
			   piece.vh.gso_type == (v6 ? 4 : 1) &&
			   piece.vh.gso_size == 1500 - headers + 14 &&
			   piece.vh.csum_start == headers - 24 && piece.vh.csum_offset == 16 &&
			   piece.vh.hdr_len == headers && piece.vh.flags == 1,
		   "a large segment is for the kernel to cut");
		ok(memcmp(piece.head + headers - 8, frame + headers - 8, 2) == 0,
		   "with the sum of the pseudo header in it");
		ok(!frame_split(frame, len, NET_MTU, &piece), "in one piece");
		len = make(frame, v6, IPPROTO_UDP, v6 ? ip6_out : out4, 5001);
		is_int(gather(frame, len, data, &got, v6), 4, "a large datagram is four fragments");
		ok(got == 5009 && memcmp(data, frame + len - 5009, got) == 0,
		   "that join to the datagram");
	}
	memset(frame, 0, 3000);
	memset(&piece, 0, sizeof(piece));
	ok(!frame_split(frame, 3000, NET_MTU, &piece), "what is too large and not IP is not sent");
}

static void test_dns(void)
{
	uint8_t frame[300], out[300 + FRAME_UDP_HEAD], head[FRAME_UDP_HEAD];
	const uint8_t *data;
	size_t len, data_len;

	for (int v6 = 0; v6 <= 1; v6++) {
		len = make(frame, v6, IPPROTO_UDP, v6 ? (void *)&addrs.dns6 : (void *)&addrs.dns, 31);
		frame[6] = 0xaa; /* the sender's address */
		ok(frame_to_dns(frame, len, &addrs, 53, head, &data, &data_len) && data_len == 31 &&
			   data == frame + len - 31,
		   "a question (IPv%d)", v6 ? 6 : 4);
		ok(!frame_to_dns(frame, len, &addrs, 54, head, &data, &data_len), "not at another port");
		len = frame_udp_answer(head, (const uint8_t *)"answer!", 7, out);
		is_int(len, (v6 ? 62 : 42) + 7, "its answer");
		ok(l4_sum_ok(out, len) && out[0] == 0xaa && memcmp(out + len - 7, "answer!", 7) == 0,
		   "is whole and goes to the sender");
		ok(out[14 + (v6 ? 40 : 20) + 1] == 53 &&
			   memcmp(out + (v6 ? 22 : 26),
				  v6 ? (void *)&addrs.dns6 : (void *)&addrs.dns, v6 ? 16 : 4) == 0,
		   "from the name server");
		if (!v6)
			ok(slow_sum(out + 14, 20, 0) == 0xffff, "with the header's checksum");
	}
	len = make(frame, false, IPPROTO_UDP, out4, 31);
	ok(!frame_to_dns(frame, len, &addrs, 53, head, &data, &data_len), "not at another address");
}

/* What a frame is, and the answer that says "nobody there". */
static void test_refuse(bool v6)
{
	uint8_t frame[200], out[FRAME_REFUSAL_MAX];
	const uint8_t *dst = v6 ? ip6_out : out4;
	size_t ip_len = v6 ? 40 : 20, len = make(frame, v6, IPPROTO_TCP, dst, 0), n;
	struct frame_info f;

	memcpy(frame, "\2\0\0\0\0\1\2\0\0\0\0\2", 12);
	ok(frame_look(frame, len, &f) && f.v6 == v6 && f.proto == IPPROTO_TCP && f.has_ports &&
		   f.port == 80 && !memcmp(f.dst, dst, v6 ? 16 : 4),
	   "a SYN is seen");
	n = frame_refuse(frame, len, out);
	is_int(n, 14 + ip_len + 20, "a reset");
	ok(!memcmp(out, frame + 6, 6) && !memcmp(out + 6, frame, 6), "to where it came from");
	ok(!memcmp(out + 14 + (v6 ? 8 : 12), dst, v6 ? 16 : 4), "from where it went");
	ok(!memcmp(out + 14 + ip_len, "\0\x50\x9c\x40\0\0\0\0\0\0\0\2\x50\x14", 14),
	   "it acknowledges the SYN");
	ok(l4_sum_ok(out, n), "its checksum is right");
	memcpy(frame, out, 14);
	is_int(frame_refuse(out, n, frame), 0, "a reset is not answered");

	len = make(frame, v6, IPPROTO_UDP, dst, 20);
	ok(frame_look(frame, len, &f) && f.proto == IPPROTO_UDP && f.port == 53, "a datagram is seen");
	n = frame_refuse(frame, len, out);
	is_int(n, 14 + ip_len + 8 + ip_len + 8, "a message of ICMP");
	ok(out[14 + ip_len] == (v6 ? 1 : 3) && out[15 + ip_len] == (v6 ? 4 : 3), "port unreachable");
	ok(!memcmp(out + 14 + ip_len + 8, frame + 14, ip_len + 8), "it quotes the datagram");
	ok(v6 ? l4_sum_ok(out, n) : slow_sum(out + 34, n - 34, 0) == 0xffff, "its checksum is right");
	ok(!frame_look(frame, 20, &f) && !frame_refuse(frame, 20, out), "half a frame is none");
}

int main(void)
{
	net_addrs_default(&addrs);
	test_dns();
	test_up();
	test_refused();
	test_down();
	test_refuse(false);
	test_refuse(true);
	return done_testing();
}
