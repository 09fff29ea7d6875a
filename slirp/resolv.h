/* slirp/resolv.h -- text of /etc/resolv.conf and /etc/hosts for a container.  Pure, no I/O
 * (but for the names of interfaces in resolv_servers()).
 * Source: resolv.conf(5), hosts(5). */
#ifndef SLIRP_RESOLV_H
#define SLIRP_RESOLV_H

#include <sys/socket.h>

#include "core/base/str.h"
#include "slirp/addrs.h"

/* The network's name server plus the host's search list and harmless options, from the text of the host's resolv.conf
 * (NULL: none); "ndots:0" in any case.  The caller frees it. */
char *resolv_conf_text(const char *host_text, const struct net_addrs *a);

/* TEXT with other name servers, search list or options, where a list is not empty; a search list of "." is none.
 * The caller frees it. */
char *resolv_conf_override(const char *text, const struct strv *servers, const struct strv *search,
			   const struct strv *options);

/* The name servers of a resolv.conf (text may be NULL), in order; 127.0.0.1 and ::1 if it names
 * none.  Returns how many. Scopes ("fe80::1%eth0") are looked up among the caller's interfaces. */
enum { RESOLV_SERVERS_MAX = 4 };
struct resolv_server {
	union {
		struct sockaddr sa;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} addr;
	socklen_t len;
};
size_t resolv_servers(const char *text, struct resolv_server ret[RESOLV_SERVERS_MAX]);

/* One of the container's addresses, or another's (a link's): a line of hosts(5). */
struct host_entry {
	char ip[INET6_ADDRSTRLEN];
	const char *names; /* separated by blanks */
};
/* ADD_HOSTS are "name:address" or "name:host-gateway" entries (the address may be IPv6, with or
 * without brackets), already checked by hosts_check(); GATEWAY is NULL when the container has none (network none).
 * Behind them the ENTRIES; without any, HOSTNAME is 127.0.0.1. */
char *hosts_text(const char *hostname, const struct in_addr *gateway,
		 const struct host_entry *entries, size_t n_entries, const struct strv *add_hosts);
/* Is it a name such as hosts have?  Letters, digits, "._-", the first one a letter or digit. */
bool host_name_ok(const char *name, size_t len);
/* Is TEXT a valid --add-host?  *RET is "name:address" then, the address without brackets.  Errors as Docker words
 * them. */
struct err *hosts_check(const char *text, char **ret) MUST_CHECK;
/* Does an entry ask for host-gateway?  Then the stack needs host_loopback. */
bool hosts_want_gateway(const struct strv *add_hosts);

#endif
