#include "slirp/names.h"

#include <arpa/inet.h>

#include "slirp/dns_msg.h"

struct holder {
	struct holder *next;
	char *id; /* NULL: the gateway */
	char *title; /* what its address is called backwards; NULL: nothing */
	struct in_addr ip;
	struct in6_addr ip6;
};

/* A name that is or was ours.  Without holders it does not exist, and is still not asked for outside. */
struct name {
	char *text; /* lower case */
	uint32_t hash;
	unsigned turn; /* which holder comes first in the next answer */
	const struct holder **holders;
	size_t n, cap;
};

struct names {
	struct names_cfg cfg; /* without the text */
	char *suffix; /* ".network", lower case */
	struct holder *holders;
	struct name *v;
	size_t n, cap, n_gone;
};

static const char *const gateway_names[] = {
	"host.docker.internal",
	"gateway.docker.internal",
	"host.containers.internal",
	NULL,
};

/* FNV-1a: names are compared only where this is equal. */
static uint32_t hash_of(const char *text)
{
	uint32_t h = 2166136261U;

	for (; *text; text++)
		h = (h ^ (uint8_t)*text) * 16777619U;
	return h;
}

static char *lower_case(const char *text)
{
	char *low = xstrdup(text);

	for (char *c = low; *c; c++)
		*c = *c >= 'A' && *c <= 'Z' ? (char)(*c + 'a' - 'A') : *c;
	return low;
}

static struct name *find(const struct names *t, const char *text)
{
	uint32_t hash = hash_of(text);

	for (size_t i = 0; i < t->n; i++) {
		if (t->v[i].hash == hash && str_eq(t->v[i].text, text))
			return &t->v[i];
	}
	return NULL;
}

/* Names nobody has any more are kept, but not without end. */
static void forget_gone(struct names *t)
{
	size_t kept = 0;

	for (size_t i = 0; i < t->n; i++) {
		if (t->v[i].n) {
			t->v[kept++] = t->v[i];
			continue;
		}
		free(t->v[i].text);
		free(t->v[i].holders);
	}
	t->n = kept;
	t->n_gone = 0;
}

/* The name TEXT, made if it is new; NULL if it is no domain name. */
static struct name *get(struct names *t, const char *text)
{
	_cleanup_free_ char *low = lower_case(text);
	uint8_t wire[DNS_NAME_MAX];
	struct name *name;

	if (!dns_name_wire(low, wire))
		return NULL;
	name = find(t, low);
	if (name)
		return name;
	if (t->n_gone >= NAMES_GONE_MAX)
		forget_gone(t);
	t->v = xgrow(t->v, t->n, &t->cap, sizeof(*t->v));
	name = &t->v[t->n++];
	*name = (struct name){ .hash = hash_of(low) };
	name->text = TAKE_PTR(low);
	t->n_gone++;
	return name;
}

static void give(struct names *t, const char *text, const struct holder *h)
{
	struct name *name = get(t, text);

	if (!name)
		return;
	for (size_t i = 0; i < name->n; i++) {
		if (name->holders[i] == h)
			return; /* twice in its list */
	}
	if (!name->n)
		t->n_gone--;
	name->holders = xgrow(name->holders, name->n, &name->cap, sizeof(*name->holders));
	name->holders[name->n++] = h;
}

static struct holder *add_holder(struct names *t, const struct names_member *m)
{
	struct holder *h = xcalloc(1, sizeof(*h));

	h->id = xstrdup(m->id);
	h->ip = m->ip;
	h->ip6 = m->ip6;
	h->next = t->holders;
	t->holders = h;
	for (const char *const *name = m->names; *name; name++)
		give(t, *name, h);
	return h;
}

struct names *names_new(const struct names_cfg *cfg)
{
	struct names *t = xcalloc(1, sizeof(*t));
	struct names_member gateway = { .names = gateway_names, .ip = cfg->addrs.gateway };
	_cleanup_free_ char *suffix = xasprintf(".%s", cfg->network);

	t->cfg = *cfg;
	t->cfg.network = NULL;
	t->suffix = lower_case(suffix);
	if (cfg->ipv6)
		gateway.ip6 = cfg->addrs.gateway6;
	add_holder(t, &gateway)->title = xstrdup(gateway_names[0]);
	return t;
}

void names_add(struct names *t, const struct names_member *m)
{
	names_remove(t, m->id);
	add_holder(t, m)->title = m->names[0] ? xasprintf("%s%s", m->names[0], t->suffix) : NULL;
}

static void holder_free(struct holder *h)
{
	free(h->id);
	free(h->title);
	free(h);
}

static void take_away(struct names *t, struct name *name, const struct holder *h)
{
	for (size_t i = 0; i < name->n; i++) {
		if (name->holders[i] != h)
			continue;
		memmove(name->holders + i, name->holders + i + 1,
			(name->n - i - 1) * sizeof(*name->holders));
		if (--name->n == 0)
			t->n_gone++;
		return;
	}
}

void names_remove(struct names *t, const char *id)
{
	for (struct holder **at = &t->holders; *at; at = &(*at)->next) {
		struct holder *h = *at;

		if (!h->id || !str_eq(h->id, id))
			continue;
		*at = h->next;
		for (size_t i = 0; i < t->n; i++)
			take_away(t, &t->v[i], h);
		holder_free(h);
		return;
	}
}

void names_free(struct names *t)
{
	if (!t)
		return;
	while (t->holders) {
		struct holder *h = t->holders;

		t->holders = h->next;
		holder_free(h);
	}
	for (size_t i = 0; i < t->n; i++) {
		free(t->v[i].text);
		free(t->v[i].holders);
	}
	free(t->v);
	free(t->suffix);
	free(t);
}

/* "db" or "db.network". */
static struct name *find_asked(struct names *t, const char *asked)
{
	struct name *name = find(t, asked);

	if (!name && str_ends(asked, t->suffix)) {
		_cleanup_free_ char *bare = xstrndup(asked, strlen(asked) - strlen(t->suffix));

		name = find(t, bare);
	}
	return name;
}

/* The number of "7.2.18.172.in-addr.arpa" that begins at *TEXT, at most MAX in BASE, in canonical digits; *TEXT is
 * moved behind its dot.  -1: it is none. */
static int part(const char **text, int base, int max)
{
	const char *c = *text;
	int value = 0, digits = 0;

	for (; *c && *c != '.'; c++, digits++) {
		int digit = *c >= '0' && *c <= '9'   ? *c - '0'
			    : *c >= 'a' && *c <= 'f' ? *c - 'a' + 10
						     : base;

		if (digit >= base || (digits && !value) || value * base + digit > max)
			return -1;
		value = value * base + digit;
	}
	if (!digits || *c != '.')
		return -1;
	*text = c + 1;
	return value;
}

static bool reverse4(const char *name, struct in_addr *ret)
{
	uint32_t ip = 0;

	for (int i = 0; i < 4; i++) {
		int n = part(&name, 10, 255);

		if (n < 0)
			return false;
		ip |= (uint32_t)n << 8 * i;
	}
	ret->s_addr = htonl(ip);
	return str_eq(name, "in-addr.arpa");
}

static bool reverse6(const char *name, struct in6_addr *ret)
{
	*ret = (struct in6_addr){ 0 };
	for (int i = 31; i >= 0; i--) {
		int n = part(&name, 16, 15);

		if (n < 0)
			return false;
		ret->s6_addr[i / 2] |= (uint8_t)(i % 2 ? n : n << 4);
	}
	return str_eq(name, "ip6.arpa");
}

static bool same_prefix(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	if (memcmp(a, b, bits / 8) != 0)
		return false;
	return bits % 8 == 0 || (a[bits / 8] ^ b[bits / 8]) >> (8 - bits % 8) == 0;
}

/* Is NAME an address of the network backwards?  Then who has it, or NULL. */
static bool find_reverse(const struct names *t, const char *name, const struct holder **ret)
{
	const struct net_addrs *a = &t->cfg.addrs;
	struct in_addr ip = { 0 };
	struct in6_addr ip6 = { 0 };
	bool four = reverse4(name, &ip), six = !four && t->cfg.ipv6 && reverse6(name, &ip6);

	if (!(four && same_prefix((uint8_t *)&ip, (const uint8_t *)&a->gateway, a->prefix)) &&
	    !(six && same_prefix(ip6.s6_addr, a->gateway6.s6_addr, a->prefix6)))
		return false;
	*ret = NULL;
	for (const struct holder *h = t->holders; h; h = h->next) {
		if (h->title && (four ? h->ip.s_addr == ip.s_addr : IN6_ARE_ADDR_EQUAL(&h->ip6, &ip6)))
			*ret = h;
	}
	return true;
}

static bool asks(const struct dns_question *q, enum dns_type type)
{
	return (q->type == type || q->type == DNS_TYPE_ANY) &&
	       (q->class == DNS_CLASS_IN || q->class == DNS_CLASS_ANY);
}

static void add_addresses(struct dns_answer *a, const struct dns_question *q, struct name *name)
{
	for (size_t i = 0; i < name->n; i++) {
		const struct holder *h = name->holders[(name->turn + i) % name->n];

		if (asks(q, DNS_TYPE_A) && h->ip.s_addr)
			dns_answer_record(a, DNS_TYPE_A, NAMES_TTL_S, &h->ip, sizeof(h->ip));
		if (asks(q, DNS_TYPE_AAAA) && !IN6_IS_ADDR_UNSPECIFIED(&h->ip6))
			dns_answer_record(a, DNS_TYPE_AAAA, NAMES_TTL_S, &h->ip6, sizeof(h->ip6));
	}
	if (a->records)
		name->turn++; /* not for empty answers: A and AAAA are asked in pairs, and all turns would be even */
}

static void add_title(struct dns_answer *a, const struct dns_question *q, const struct holder *h)
{
	uint8_t wire[DNS_NAME_MAX];
	size_t len = dns_name_wire(h->title, wire);

	if (len && asks(q, DNS_TYPE_PTR))
		dns_answer_record(a, DNS_TYPE_PTR, NAMES_TTL_S, wire, len);
}

enum names_verdict names_answer(struct names *t, const uint8_t *query, size_t len, uint8_t *out,
				size_t max, size_t *ret_len)
{
	const struct holder *who = NULL;
	struct dns_question q;
	struct dns_answer a;
	struct name *name;
	enum dns_rcode rcode;
	bool backwards;

	if (!dns_is_query(query, len))
		return NAMES_DROP;
	rcode = dns_parse(query, len, &q);
	if (rcode != DNS_NOERROR) {
		dns_refuse(query, rcode, out);
		*ret_len = DNS_HEADER_LEN;
		return NAMES_ANSWER;
	}
	name = q.plain ? find_asked(t, q.name) : NULL;
	backwards = !name && q.plain && find_reverse(t, q.name, &who);
	if (!name && !backwards && !t->cfg.closed)
		return NAMES_FORWARD;
	if (max < NAMES_TCP_MAX && q.udp_max < max)
		max = q.udp_max;
	rcode = (name && name->n) || who || q.edns_version ? DNS_NOERROR : DNS_NXDOMAIN;
	dns_answer_begin(&a, out, max, query, &q, rcode);
	if (name && !q.edns_version)
		add_addresses(&a, &q, name);
	if (who && !q.edns_version)
		add_title(&a, &q, who);
	*ret_len = dns_answer_end(&a);
	return NAMES_ANSWER;
}
