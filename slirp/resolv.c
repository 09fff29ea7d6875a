#include "slirp/resolv.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <net/if.h>

/* Options that change how names are asked for, not whom: those that open files or trust the server (edns0 is
 * harmless; trust-ad is not: our server does not validate; debug only prints) stay out. */
static const char *const good_options[] = {
	"timeout:",
	"attempts:",
	"rotate",
	"no-check-names",
	"edns0",
	"single-request",
	"single-request-reopen",
	"no-tld-query",
	"use-vc",
	"no-aaaa",
};
/* A container's name is asked for as it is before the search list's domains are put behind it: else it would be told to
 * the world, and a domain in which every name exists would hide it. */
#define OUR_OPTIONS "ndots:0"
enum { DNS_PORT = 53 };
enum { SEARCH_MAX = 1024 }; /* bytes of a search list we pass on */

static bool blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* The next word of the line at *S (up to newline or end), or NULL. */
static const char *word(const char **s, size_t *ret_len)
{
	const char *w = *s;

	while (blank(*w))
		w++;
	*s = w;
	while (**s && **s != '\n' && !blank(**s))
		++*s;
	*ret_len = (size_t)(*s - w);
	return *ret_len ? w : NULL;
}

static bool is(const char *w, size_t len, const char *keyword)
{
	return strlen(keyword) == len && memcmp(w, keyword, len) == 0;
}

/* Names are letters, digits, dots, dashes and underscores (also non-ASCII bytes of IDN): nothing that could end a line
 * or start a comment. */
static bool good_name(const char *w, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)w[i];

		if (c <= ' ' || c == 0x7f || c == '#' || c == ';')
			return false;
	}
	return len <= 255;
}

static bool good_option(const char *w, size_t len)
{
	for (size_t i = 0; i < ARRAY_LEN(good_options); i++) {
		size_t known = strlen(good_options[i]);

		if (good_options[i][known - 1] != ':') {
			if (is(w, len, good_options[i]))
				return true;
		} else if (len > known && len < known + 4 && memcmp(w, good_options[i], known) == 0 &&
			   strspn(w + known, "0123456789") == len - known) {
			return true;
		}
	}
	return false;
}

char *resolv_conf_text(const char *host_text, const struct net_addrs *a)
{
	_cleanup_str_ struct str out = { 0 }, search = { 0 }, options = { 0 };
	char ip[INET6_ADDRSTRLEN];

	for (const char *s = host_text; s && *s;) {
		size_t len;
		const char *w = word(&s, &len);
		bool in_search = w && (is(w, len, "search") || is(w, len, "domain"));
		bool in_options = w && is(w, len, "options");

		if (in_search)
			search.len = 0; /* the last one counts, resolv.conf(5) */
		while ((in_search || in_options) && (w = word(&s, &len))) {
			struct str *to = in_search ? &search : &options;

			if (!(in_search ? good_name(w, len) : good_option(w, len)) ||
			    to->len + len > SEARCH_MAX)
				continue;
			str_addc(to, ' ');
			str_addn(to, w, len);
		}
		s += strcspn(s, "\n");
		if (*s)
			s++;
	}
	str_addf(&out, "nameserver %s\n", inet_ntop(AF_INET, &a->dns, ip, sizeof(ip)));
	if (search.len)
		str_addf(&out, "search%.*s\n", (int)search.len, search.s);
	str_addf(&out, "options " OUR_OPTIONS "%.*s\n", (int)options.len, options.s ?: "");
	return str_take(&out);
}

static void add_words(struct str *out, const char *keyword, const struct strv *words)
{
	str_add(out, keyword);
	for (size_t i = 0; i < words->n; i++)
		str_addf(out, " %s", words->v[i]);
	str_addc(out, '\n');
}

char *resolv_conf_override(const char *text, const struct strv *servers, const struct strv *search,
			   const struct strv *options)
{
	_cleanup_str_ struct str out = { 0 };

	for (size_t i = 0; i < servers->n; i++)
		str_addf(&out, "nameserver %s\n", servers->v[i]);
	while (text && *text) {
		size_t line = strcspn(text, "\n"), len;
		const char *s = text, *w = word(&s, &len);

		if (w && !(servers->n && is(w, len, "nameserver")) &&
		    !(search->n && (is(w, len, "search") || is(w, len, "domain"))) &&
		    !(options->n && is(w, len, "options")))
			str_addf(&out, "%.*s\n", (int)line, text);
		text += line + (text[line] != '\0');
	}
	if (search->n && !(search->n == 1 && !strcmp(search->v[0], ".")))
		add_words(&out, "search", search);
	if (options->n)
		add_words(&out, "options", options);
	return str_take(&out);
}

static bool parse_server(const char *w, size_t len, struct resolv_server *ret)
{
	_cleanup_free_ char *text = xstrndup(w, len);
	char *scope = strchr(text, '%');
	struct resolv_server s = { 0 };

	if (scope)
		*scope++ = '\0';
	if (inet_pton(AF_INET, text, &s.addr.v4.sin_addr) == 1) {
		s.addr.v4.sin_family = AF_INET;
		s.addr.v4.sin_port = htons(DNS_PORT);
		s.len = sizeof(s.addr.v4);
	} else if (inet_pton(AF_INET6, text, &s.addr.v6.sin6_addr) == 1) {
		s.addr.v6.sin6_family = AF_INET6;
		s.addr.v6.sin6_port = htons(DNS_PORT);
		s.addr.v6.sin6_scope_id = scope ? if_nametoindex(scope) : 0;
		s.len = sizeof(s.addr.v6);
	} else {
		return false;
	}
	*ret = s;
	return true;
}

size_t resolv_servers(const char *text, struct resolv_server ret[RESOLV_SERVERS_MAX])
{
	size_t n = 0;

	for (const char *s = text; s && *s && n < RESOLV_SERVERS_MAX;) {
		size_t len;
		const char *w = word(&s, &len);

		if (w && is(w, len, "nameserver") && (w = word(&s, &len)) &&
		    parse_server(w, len, &ret[n]))
			n++;
		s += strcspn(s, "\n");
		if (*s)
			s++;
	}
	if (!n) {
		n += parse_server("127.0.0.1", 9, &ret[n]);
		n += parse_server("::1", 3, &ret[n]);
	}
	return n;
}

/* Split "name:address"; the address without brackets goes to IP.  NULL if it is not one of ours. */
static const char *split_host(const char *text, size_t *ret_name_len, char ip[INET6_ADDRSTRLEN])
{
	const char *sep = strpbrk(text, ":=");
	size_t len;

	if (!sep || sep == text || !good_name(text, (size_t)(sep - text)))
		return NULL;
	*ret_name_len = (size_t)(sep - text);
	sep++;
	len = strlen(sep);
	if (len > 2 && sep[0] == '[' && sep[len - 1] == ']') {
		sep++;
		len -= 2;
	}
	if (len == 0 || len >= INET6_ADDRSTRLEN)
		return NULL;
	memcpy(ip, sep, len);
	ip[len] = '\0';
	return ip;
}

bool host_name_ok(const char *name, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)name[i]) && !memchr("._-", name[i], 3))
			return false;
	return len && isalnum((unsigned char)*name);
}

struct err *hosts_check(const char *text, char **ret)
{
	char ip[INET6_ADDRSTRLEN];
	unsigned char addr[16];
	size_t name_len;

	if (!split_host(text, &name_len, ip) || !host_name_ok(text, name_len))
		return err_hint(err_new(0, "bad format for add-host: \"%s\"", text), "it is NAME:IP");
	if (!str_eq(ip, "host-gateway") && inet_pton(AF_INET, ip, addr) != 1 &&
	    inet_pton(AF_INET6, ip, addr) != 1)
		return err_new(0, "invalid IP address in add-host: \"%s\"", ip);
	*ret = xasprintf("%.*s:%s", (int)name_len, text, ip);
	return NULL;
}

bool hosts_want_gateway(const struct strv *add_hosts)
{
	for (size_t i = 0; i < add_hosts->n; i++) {
		char ip[INET6_ADDRSTRLEN];
		size_t name_len;

		if (split_host(add_hosts->v[i], &name_len, ip) && str_eq(ip, "host-gateway"))
			return true;
	}
	return false;
}

char *hosts_text(const char *hostname, const struct in_addr *gateway,
		 const struct host_entry *entries, size_t n_entries, const struct strv *add_hosts)
{
	_cleanup_str_ struct str out = { 0 };
	char ip[INET6_ADDRSTRLEN];

	str_add(&out, "127.0.0.1\tlocalhost\n"
		      "::1\tlocalhost ip6-localhost ip6-loopback\n"
		      "fe00::\tip6-localnet\n"
		      "ff00::\tip6-mcastprefix\n"
		      "ff02::1\tip6-allnodes\n"
		      "ff02::2\tip6-allrouters\n");
	for (size_t i = 0; add_hosts && i < add_hosts->n; i++) {
		size_t name_len;

		if (!split_host(add_hosts->v[i], &name_len, ip))
			continue;
		if (str_eq(ip, "host-gateway")) {
			if (!gateway)
				continue;
			inet_ntop(AF_INET, gateway, ip, sizeof(ip));
		}
		str_addf(&out, "%s\t%.*s\n", ip, (int)name_len, add_hosts->v[i]);
	}
	for (size_t i = 0; i < n_entries; i++)
		str_addf(&out, "%s\t%s\n", entries[i].ip, entries[i].names);
	if (!n_entries)
		str_addf(&out, "127.0.0.1\t%s\n", hostname);
	return str_take(&out);
}
