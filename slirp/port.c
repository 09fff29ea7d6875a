#include "slirp/port.h"

#include <arpa/inet.h>
#include <assert.h>

const char *const port_proto_names[] = { [PORT_TCP] = "tcp", [PORT_UDP] = "udp" };
static_assert(ARRAY_LEN(port_proto_names) == PORT_PROTO_MAX, "one name a protocol");

void ports_add(struct ports *l, const struct port *p)
{
	l->v = xgrow(l->v, l->n, &l->cap, sizeof(*l->v));
	l->v[l->n++] = *p;
}

void ports_copy(struct ports *to, const struct ports *from)
{
	for (size_t i = 0; i < from->n; i++)
		ports_add(to, &from->v[i]);
}

void ports_done(struct ports *l)
{
	free(l->v);
	*l = (struct ports){ 0 };
}

/* "80" or "80-85" in the LEN bytes of S; SIDE names it in errors as Docker does. */
static struct err *parse_range(const char *s, size_t len, const char *side, uint16_t *ret_first,
			       uint16_t *ret_last)
{
	_cleanup_free_ char *text = xstrndup(s, len);
	char *dash = strchr(text, '-');
	uint64_t first, last;
	struct err *e;

	if (dash)
		*dash = '\0';
	e = str_to_u64(text, 1, UINT16_MAX, &first);
	last = first;
	if (!e && dash)
		e = str_to_u64(dash + 1, 1, UINT16_MAX, &last);
	if (e) {
		err_free(e); /* its words speak of one number; ours of the whole part */
		return err_new(0, "invalid %s: %.*s", side, (int)len, s);
	}
	if (last < first)
		return err_new(0, "invalid %s: %.*s ends before it begins", side, (int)len, s);
	*ret_first = (uint16_t)first;
	*ret_last = (uint16_t)last;
	return NULL;
}

/* The container's side with its protocol: "80", "80-85/udp". */
static struct err *parse_ctr(const char *s, struct port *p)
{
	size_t len = strcspn(s, "/");

	p->proto = PORT_TCP;
	if (s[len] == '/') {
		const char *name = s + len + 1;
		unsigned proto = 0;

		while (proto < PORT_PROTO_MAX && strcasecmp(name, port_proto_names[proto]) != 0)
			proto++;
		if (proto == PORT_PROTO_MAX)
			return err_new(0, "invalid proto: %s", name);
		p->proto = proto;
	}
	if (len == 0)
		return err_new(0, "no port specified");
	return parse_range(s, len, "containerPort", &p->ctr, &p->ctr_last);
}

/* "127.0.0.1", "[::1]" or "::1" in the LEN bytes of S, to its canonical form. */
static struct err *parse_ip(const char *s, size_t len, char *ret_ip)
{
	_cleanup_free_ char *text = NULL;
	unsigned char addr[16];
	int family;

	if (len >= 2 && s[0] == '[' && s[len - 1] == ']')
		text = xstrndup(s + 1, len - 2);
	else
		text = xstrndup(s, len);
	family = strchr(text, ':') ? AF_INET6 : AF_INET;
	if (inet_pton(family, text, addr) != 1)
		return err_new(0, "invalid IP address: %s", text);
	inet_ntop(family, addr, ret_ip, PORT_IP_MAX);
	return NULL;
}

static struct err *parse_spec(const char *text, struct port *p)
{
	const char *ctr = strrchr(text, ':'), *host;
	struct err *e;

	ctr = ctr ? ctr + 1 : text;
	e = parse_ctr(ctr, p);
	if (e)
		return e;
	if (ctr == text) { /* "C" */
		p->same_if_free = true;
		return NULL;
	}
	for (host = ctr - 1; host > text && host[-1] != ':' && host[-1] != ']';)
		host--;
	if (ctr - 1 - host == 1 && *host == '0')
		p->same_if_free = false; /* "0:C": any */
	else if (host < ctr - 1)
		e = parse_range(host, (size_t)(ctr - 1 - host), "hostPort", &p->host, &p->host_last);
	else
		p->same_if_free = true; /* "IP::C" */
	if (!e && host > text)
		e = parse_ip(text, (size_t)(host - 1 - text), p->ip);
	if (e)
		return e;
	if (p->host && p->ctr_last != p->ctr && p->host_last - p->host != p->ctr_last - p->ctr)
		return err_new(0,
			       "invalid ranges specified for container and host ports: "
			       "%u-%u and %u-%u",
			       p->ctr, p->ctr_last, p->host, p->host_last);
	return NULL;
}

struct err *port_parse(const char *text, struct ports *to)
{
	struct port p = { 0 };
	struct err *e = parse_spec(text, &p);

	if (e)
		return err_wrap(e, "publishing \"%s\"", text);
	ports_add(to, &p);
	return NULL;
}

struct err *port_parse_exposed(const char *text, struct port *ret)
{
	struct port p = { .same_if_free = true };
	struct err *e = parse_ctr(text, &p);

	if (e)
		return err_wrap(e, "exposing \"%s\"", text);
	*ret = p;
	return NULL;
}

bool ports_have(const struct ports *l, uint16_t ctr, enum port_proto proto)
{
	for (size_t i = 0; i < l->n; i++) {
		if (l->v[i].proto == proto && l->v[i].ctr <= ctr && ctr <= l->v[i].ctr_last)
			return true;
	}
	return false;
}

void ports_add_exposed(struct ports *l, const struct strv *exposed)
{
	for (size_t i = 0; i < exposed->n; i++) {
		struct port range;
		struct err *e = port_parse_exposed(exposed->v[i], &range);

		if (e) {
			err_free(e); /* an image's nonsense is not the user's mistake */
			continue;
		}
		for (unsigned ctr = range.ctr; ctr <= range.ctr_last; ctr++) {
			struct port one = range;

			one.ctr = one.ctr_last = (uint16_t)ctr;
			if (!ports_have(l, one.ctr, one.proto))
				ports_add(l, &one);
		}
	}
}

static void range_text(uint16_t first, uint16_t last, struct str *out)
{
	str_addf(out, "%u", first);
	if (last != first)
		str_addf(out, "-%u", last);
}

void port_text(const struct port *p, struct str *out)
{
	if (p->ip[0])
		str_addf(out, strchr(p->ip, ':') ? "[%s]:" : "%s:", p->ip);
	if (p->host)
		range_text(p->host, p->host_last, out);
	else if (!p->same_if_free)
		str_addc(out, '0');
	if (p->host || !p->same_if_free || p->ip[0])
		str_addc(out, ':');
	range_text(p->ctr, p->ctr_last, out);
	str_addf(out, "/%s", port_proto_names[p->proto]);
}

void port_host_text(const char *ip, uint16_t port, struct str *out)
{
	str_addf(out, strchr(ip, ':') ? "[%s]:%u" : "%s:%u", ip, port);
}

/* Order of the PORTS column: protocol by container port, then address, so that neighbours merge. */
static int compare(const void *a, const void *b)
{
	const struct port *p = a, *q = b;
	int d = strcmp(p->ip, q->ip);

	if (p->proto != q->proto)
		return p->proto < q->proto ? -1 : 1;
	if (d)
		return d;
	if (p->ctr != q->ctr)
		return p->ctr < q->ctr ? -1 : 1;
	return p->host < q->host ? -1 : p->host > q->host;
}

/* Sort L and join neighbours that continue each other. */
static void merge(struct ports *l)
{
	size_t n = 0;

	if (l->n)
		qsort(l->v, l->n, sizeof(*l->v), compare);
	for (size_t i = 0; i < l->n; i++) {
		struct port *last = n ? &l->v[n - 1] : NULL, *p = &l->v[i];

		if (last && last->proto == p->proto && str_eq(last->ip, p->ip) &&
		    last->ctr_last + 1 == p->ctr &&
		    (p->host ? last->host_last + 1 == p->host : !last->host)) {
			last->ctr_last = p->ctr_last;
			last->host_last = p->host_last;
		} else {
			l->v[n++] = *p;
		}
	}
	l->n = n;
}

static void ps_add(const struct ports *l, struct str *out)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct port *p = &l->v[i];

		if (out->len)
			str_add(out, ", ");
		if (p->host) {
			str_addf(out, strchr(p->ip, ':') ? "[%s]:" : "%s:", p->ip);
			range_text(p->host, p->host_last, out);
			str_add(out, "->");
		}
		range_text(p->ctr, p->ctr_last, out);
		str_addf(out, "/%s", port_proto_names[p->proto]);
	}
}

void ports_ps_text(const struct ports *published, const struct strv *exposed, struct str *out)
{
	_cleanup_ports_ struct ports pub = { 0 }, all = { 0 }, only = { 0 };
	_cleanup_str_ struct str text = { 0 };

	ports_copy(&pub, published);
	ports_copy(&all, published);
	if (exposed)
		ports_add_exposed(&all, exposed);
	for (size_t i = published->n; i < all.n; i++)
		ports_add(&only, &all.v[i]);
	merge(&pub);
	merge(&only);
	ps_add(&pub, &text);
	ps_add(&only, &text);
	str_addn(out, text.s ? text.s : "", text.len);
}
