#include "core/store/subnet.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

static struct err *split(const char *text, char ip[INET6_ADDRSTRLEN], unsigned max, uint8_t *ret_prefix)
{
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : 0;
	uint64_t prefix;
	struct err *e;

	if (!len || len >= INET6_ADDRSTRLEN)
		return err_new(0, "invalid CIDR address: %s", text);
	memcpy(ip, text, len);
	ip[len] = '\0';
	e = str_to_u64(slash + 1, 0, max, &prefix);
	if (e) {
		err_free(e);
		return err_new(0, "invalid CIDR address: %s", text);
	}
	*ret_prefix = (uint8_t)prefix;
	return NULL;
}

static uint32_t mask_bits(uint8_t prefix)
{
	return prefix ? ~0U << (32 - prefix) : 0;
}

static struct in_addr mask_of(const struct subnet *s)
{
	return (struct in_addr){ htonl(mask_bits(s->prefix)) };
}

struct err *subnet_parse(const char *text, struct subnet *ret)
{
	char ip[INET6_ADDRSTRLEN];
	struct subnet s = { 0 };
	struct err *e = split(text, ip, 32, &s.prefix);

	if (!e && inet_pton(AF_INET, ip, &s.ip) != 1)
		e = err_new(0, "invalid CIDR address: %s", text);
	if (e)
		return e;
	s.ip.s_addr &= mask_of(&s).s_addr;
	*ret = s;
	return NULL;
}

static void clear_host6(struct subnet6 *s)
{
	for (unsigned bit = s->prefix; bit < 128; bit++)
		s->ip.s6_addr[bit / 8] &= (uint8_t) ~(0x80U >> (bit % 8));
}

struct err *subnet_parse6(const char *text, struct subnet6 *ret)
{
	char ip[INET6_ADDRSTRLEN];
	struct subnet6 s = { 0 };
	struct err *e = split(text, ip, 128, &s.prefix);

	if (!e && inet_pton(AF_INET6, ip, &s.ip) != 1)
		e = err_new(0, "invalid CIDR address: %s", text);
	if (e)
		return e;
	clear_host6(&s);
	*ret = s;
	return NULL;
}

void subnet_text(const struct subnet *s, char ret[SUBNET_TEXT_MAX])
{
	char ip[INET_ADDRSTRLEN];

	snprintf(ret, SUBNET_TEXT_MAX, "%s/%u", inet_ntop(AF_INET, &s->ip, ip, sizeof(ip)), s->prefix);
}

void subnet_text6(const struct subnet6 *s, char ret[SUBNET_TEXT_MAX])
{
	char ip[INET6_ADDRSTRLEN];

	snprintf(ret, SUBNET_TEXT_MAX, "%s/%u", inet_ntop(AF_INET6, &s->ip, ip, sizeof(ip)), s->prefix);
}

bool subnet_has(const struct subnet *s, struct in_addr ip)
{
	return (ip.s_addr & mask_of(s).s_addr) == s->ip.s_addr;
}

bool subnet_has6(const struct subnet6 *s, const struct in6_addr *ip)
{
	struct subnet6 other = { *ip, s->prefix };

	clear_host6(&other);
	return memcmp(&other.ip, &s->ip, sizeof(s->ip)) == 0;
}

bool subnet_overlap(const struct subnet *a, const struct subnet *b)
{
	return a->prefix <= b->prefix ? subnet_has(a, b->ip) : subnet_has(b, a->ip);
}

bool subnet_overlap6(const struct subnet6 *a, const struct subnet6 *b)
{
	return a->prefix <= b->prefix ? subnet_has6(a, &b->ip) : subnet_has6(b, &a->ip);
}

uint32_t subnet_size(const struct subnet *s)
{
	return s->prefix ? 1U << (32 - s->prefix) : UINT32_MAX;
}

struct in_addr subnet_at(const struct subnet *s, uint32_t n)
{
	return (struct in_addr){ htonl(ntohl(s->ip.s_addr) + n) };
}

struct in6_addr subnet_at6(const struct subnet6 *s, uint32_t n)
{
	struct in6_addr ip = s->ip;

	for (int i = 0; i < 4; i++)
		ip.s6_addr[15 - i] |= (uint8_t)(n >> (8 * i));
	return ip;
}

void subnets_add(struct subnets *l, const struct subnet *s)
{
	l->v = xgrow(l->v, l->n, &l->cap, sizeof(*l->v));
	l->v[l->n++] = *s;
}

void subnets_done(struct subnets *l)
{
	free(l->v);
	*l = (struct subnets){ 0 };
}

/* "Iface Destination Gateway Flags RefCnt Use Metric Mask ...": addresses in the machine's own byte order, in hex. */
void subnets_add_routes(struct subnets *l, const char *text)
{
	for (const char *line = strchr(text, '\n'); line && line[1]; line = strchr(line + 1, '\n')) {
		unsigned destination, mask;
		struct subnet s = { 0 };

		if (sscanf(line + 1, "%*31s %8x %*x %*x %*u %*u %*u %8x", &destination, &mask) != 2)
			continue;
		s.prefix = (uint8_t)__builtin_popcount(mask);
		s.ip.s_addr = destination & mask_of(&s).s_addr;
		if (s.prefix)
			subnets_add(l, &s);
	}
}

static bool is_free(const struct subnets *used, const struct subnet *s)
{
	for (size_t i = 0; i < used->n; i++)
		if (subnet_overlap(&used->v[i], s))
			return false;
	return true;
}

bool subnet_pick(const struct subnets *used, bool default_net, struct subnet *ret)
{
	for (unsigned n = default_net ? 17 : 18; n < 32; n++) {
		struct subnet s = { { htonl(0xac000000U | n << 16) }, 16 };

		if (is_free(used, &s)) {
			*ret = s;
			return true;
		}
	}
	for (unsigned n = 0; n < 256; n += 16) {
		struct subnet s = { { htonl(0xc0a80000U | n << 8) }, 20 };

		if (is_free(used, &s)) {
			*ret = s;
			return true;
		}
	}
	return false;
}

void subnet_make6(struct subnet6 *ret)
{
	*ret = (struct subnet6){ .prefix = 64 };
	random_bytes(ret->ip.s6_addr + 1, 5);
	ret->ip.s6_addr[0] = 0xfd;
}
