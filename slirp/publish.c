#include "slirp/publish.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "core/base/fd.h"

/* The two loopback addresses stand for "no address given": Docker's default of all addresses would open a developer's
 * database to the network. */
static const char *const default_ips[] = { "127.0.0.1", "::1" };

enum {
	BACKLOG = 4096, /* the kernel lowers it to net.core.somaxconn */
	NEAR_TRIES = 200, /* numbers tried when looking for a free port nearby */
	UNPRIVILEGED = 1024,
	LISTEN_STATE = 0x0a, /* TCP_LISTEN in /proc/net/tcp */
	UDP_CLOSE_STATE = 0x07, /* what bound UDP sockets show */
};

static socklen_t fill_addr(const char *ip, uint16_t port, struct sockaddr_storage *ret)
{
	struct sockaddr_in *sin = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *)ret;

	memset(ret, 0, sizeof(*ret));
	if (strchr(ip, ':')) {
		sin6->sin6_family = AF_INET6;
		sin6->sin6_port = htons(port);
		inet_pton(AF_INET6, ip, &sin6->sin6_addr);
		return sizeof(*sin6);
	}
	sin->sin_family = AF_INET;
	sin->sin_port = htons(port);
	inet_pton(AF_INET, ip, &sin->sin_addr);
	return sizeof(*sin);
}

/* Bind, and listen for TCP; port 0 lets the kernel choose.  Returns the descriptor or -1 and errno. */
static int try_open(const char *ip, uint16_t port, enum port_proto proto)
{
	bool tcp = proto == PORT_TCP;
	_cleanup_close_ int fd = -1;
	struct sockaddr_storage sa;
	socklen_t len = fill_addr(ip, port, &sa);
	int one = 1;

	fd = socket(sa.ss_family, (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	if (sa.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if (tcp) {
		/* Connections of a former container may still linger.  A listener is refused all the same. */
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)); /* accepted ones inherit it */
	}
	if (bind(fd, (struct sockaddr *)&sa, len) < 0 || (tcp && listen(fd, BACKLOG) < 0))
		return -1;
	return TAKE_FD(fd);
}

static uint16_t bound_port(int fd)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);

	if (getsockname(fd, (struct sockaddr *)&sa, &len) < 0)
		return 0;
	return ntohs(sa.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&sa)->sin6_port
					      : ((struct sockaddr_in *)&sa)->sin_port);
}

/* --- who holds a port ------------------------------------------------------------------------------------------- */

struct holder {
	unsigned long inode; /* 0: nobody found */
	uid_t uid;
	pid_t pid; /* 0: not to be seen */
	char name[32]; /* of the process */
	bool wildcard; /* listens on every address */
};

/* An address as /proc/net/tcp writes it: 32-bit words of the machine, in hexadecimal. */
static bool parse_proc_addr(const char *s, size_t digits, uint8_t *ret)
{
	for (size_t i = 0; i < digits / 8; i++) {
		char word[9] = { 0 };
		uint32_t v;

		memcpy(word, s + i * 8, 8);
		v = (uint32_t)strtoul(word, NULL, 16);
		memcpy(ret + i * 4, &v, 4);
	}
	return digits == 8 || digits == 32;
}

/* Is a socket bound to the address of a /proc line in the way of IP? */
static bool overlaps(const char *local, size_t digits, const char *ip, bool *ret_wildcard)
{
	static const uint8_t zero[16], mapped[12] = { [10] = 0xff, [11] = 0xff };
	uint8_t theirs[16], ours[16];
	bool v6 = strchr(ip, ':') != NULL;
	size_t len = digits / 2;

	if (!parse_proc_addr(local, digits, theirs))
		return false;
	inet_pton(v6 ? AF_INET6 : AF_INET, ip, ours);
	*ret_wildcard = memcmp(theirs, zero, len) == 0;
	if (len == 16 && !v6) /* "::" takes IPv4 too, and ::ffff:a.b.c.d is IPv4 */
		return *ret_wildcard ||
		       (memcmp(theirs, mapped, 12) == 0 && memcmp(theirs + 12, ours, 4) == 0);
	if (len == 4 && v6)
		return false;
	return *ret_wildcard || memcmp(ours, zero, len) == 0 || memcmp(theirs, ours, len) == 0;
}

/* "  0: 0100007F:0CEA 00000000:0000 0A ... uid timeout inode" (proc(5)). */
static bool match_line(const char *line, const char *ip, uint16_t port, unsigned state,
		       struct holder *ret)
{
	char local[40];
	unsigned long local_port, st, uid, inode;
	size_t digits;

	if (sscanf(line, " %*[0-9]: %32[0-9A-F]:%lx %*32[0-9A-F]:%*x %lx %*s %*s %*s %lu %*s %lu",
		   local, &local_port, &st, &uid, &inode) != 5)
		return false;
	digits = strlen(local);
	if (local_port != port || st != state || (digits != 8 && digits != 32) ||
	    !overlaps(local, digits, ip, &ret->wildcard))
		return false;
	ret->inode = inode;
	ret->uid = (uid_t)uid;
	return true;
}

static bool search_table(const char *path, const char *ip, uint16_t port, enum port_proto proto,
			 struct holder *ret)
{
	unsigned state = proto == PORT_TCP ? LISTEN_STATE : UDP_CLOSE_STATE;
	FILE *f = fopen(path, "re");
	char line[512];
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f))
		found = match_line(line, ip, port, state, ret);
	if (f)
		fclose(f);
	return found;
}

/* Does PID hold the socket INODE?  Only our own processes can be looked into (all of them as root). */
static bool has_socket(const char *pid, unsigned long inode)
{
	char path[300], want[64], got[64];
	_cleanup_dir_ DIR *d = NULL;
	struct dirent *de;

	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	snprintf(want, sizeof(want), "socket:[%lu]", inode);
	d = opendir(path);
	while (d && (de = readdir(d))) {
		ssize_t n = readlinkat(dirfd(d), de->d_name, got, sizeof(got) - 1);

		if (n > 0) {
			got[n] = '\0';
			if (str_eq(got, want))
				return true;
		}
	}
	return false;
}

static void find_process(struct holder *h)
{
	_cleanup_dir_ DIR *proc = opendir("/proc");
	struct dirent *de;

	while (proc && (de = readdir(proc))) {
		char path[300];
		_cleanup_free_ char *comm = NULL;
		struct err *e;

		if (!isdigit((unsigned char)de->d_name[0]) || !has_socket(de->d_name, h->inode))
			continue;
		snprintf(path, sizeof(path), "/proc/%s/comm", de->d_name);
		e = fd_read_file(AT_FDCWD, path, 64, &comm, NULL);
		if (!e)
			snprintf(h->name, sizeof(h->name), "%.*s", (int)strcspn(comm, "\n"), comm);
		err_free(e); /* it has just ended */
		h->pid = (pid_t)strtol(de->d_name, NULL, 10);
		return;
	}
}

/* The name of UID from /etc/passwd (NSS is not for us), or "uid N".  The caller frees it. */
static char *user_text(uid_t uid)
{
	FILE *f = fopen("/etc/passwd", "re");
	char line[1024], name[64];
	char *found = NULL;
	unsigned id;

	while (f && !found && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%63[^:]:%*[^:]:%u:", name, &id) == 2 && id == uid)
			found = xasprintf("user %s", name);
	}
	if (f)
		fclose(f);
	return found ?: xasprintf("uid %u", uid);
}

/* What one port is to be opened on. */
struct place {
	const char *ips[ARRAY_LEN(default_ips)];
	size_t n;
	bool by_default; /* IPv6's loopback may be missing */
	enum port_proto proto;
	const struct publish_who *who; /* or NULL */
};

/* "mysqld (pid 812)", "a process of user mysql"; NULL if it cannot be told.  The caller frees it. */
static char *holder_text(const struct place *p, const char *ip, uint16_t port)
{
	static const char *const tables[PORT_PROTO_MAX][2] = {
		[PORT_TCP] = { "/proc/net/tcp", "/proc/net/tcp6" },
		[PORT_UDP] = { "/proc/net/udp", "/proc/net/udp6" },
	};
	enum port_proto proto = p->proto;
	struct holder h = { 0 };
	_cleanup_free_ char *user = NULL, *known = NULL;
	const char *where;

	if (!search_table(tables[proto][0], ip, port, proto, &h) &&
	    !search_table(tables[proto][1], ip, port, proto, &h))
		return NULL;
	find_process(&h);
	known = h.pid && p->who ? p->who->name(p->who->arg, h.pid) : NULL;
	if (known)
		return TAKE_PTR(known);
	where = h.wildcard ? ", listening on all addresses" : "";
	if (h.pid)
		return xasprintf("%s (pid %d%s)", h.name, h.pid, where);
	user = user_text(h.uid);
	return xasprintf("a process of %s%s", user, where);
}

/* --- opening ---------------------------------------------------------------------------------------------------- */

static void close_from(struct listeners *l, size_t n)
{
	while (l->n > n)
		close(l->v[--l->n].fd);
}

/* Open PORT on every address of P, or none: then errno is set and *RET_IP is the address that failed.  PORT 0: the
 * kernel chooses on the first, the others follow. */
static bool open_all(const struct place *p, uint16_t port, uint16_t ctr, struct listeners *l,
		     const char **ret_ip)
{
	size_t before = l->n;

	for (size_t i = 0; i < p->n; i++) {
		struct listener ls = { .proto = p->proto, .ctr = ctr };

		ls.fd = try_open(p->ips[i], port, p->proto);
		if (ls.fd < 0 && p->by_default && i > 0 &&
		    (errno == EADDRNOTAVAIL || errno == EAFNOSUPPORT))
			continue; /* a host without IPv6 */
		if (ls.fd < 0) {
			int keep = errno;

			*ret_ip = p->ips[i];
			close_from(l, before);
			errno = keep;
			return false;
		}
		if (port == 0)
			port = bound_port(ls.fd);
		ls.host = port;
		snprintf(ls.ip, sizeof(ls.ip), "%s", p->ips[i]);
		l->v = xgrow(l->v, l->n, &l->cap, sizeof(*l->v));
		l->v[l->n++] = ls;
	}
	return true;
}

/* The next number after PORT that can be opened now on all addresses (at least FROM); 0: none found nearby. */
static uint16_t free_near(const struct place *p, uint16_t port, unsigned from)
{
	struct listeners tried = { 0 };
	const char *ip;
	unsigned n = port + 1U;
	uint16_t found = 0;

	if (n < from)
		n = from;
	for (unsigned end = n + NEAR_TRIES; n < end && n <= UINT16_MAX && !found; n++) {
		if (open_all(p, (uint16_t)n, 0, &tried, &ip))
			found = (uint16_t)n;
		close_from(&tried, 0);
	}
	listeners_done(&tried);
	return found;
}

/* For the hint: "-p 3307:3306", or the entry of a compose file. */
static void flag_text(const struct place *at, const char *ip, uint16_t host, uint16_t ctr,
		      struct str *out)
{
	struct port p = { .host = host, .host_last = host, .ctr = ctr, .ctr_last = ctr, .proto = at->proto };
	const char *service = at->who ? at->who->service : NULL;

	snprintf(p.ip, sizeof(p.ip), "%s", ip);
	str_add(out, service ? "\"" : "-p ");
	port_text(&p, out);
	if (at->proto == PORT_TCP) /* the default is not said */
		out->s[out->len -= 4] = '\0';
	if (service)
		str_addf(out, "\" in the ports of service %s", service);
}

/* Why opening PORT on IP failed with ERRNUM, and what to do. */
static struct err *refuse(const struct place *p, const char *ip, uint16_t port, uint16_t ctr, int errnum)
{
	const char *given = p->by_default ? "" : ip;
	_cleanup_str_ struct str at = { 0 }, flag = { 0 };
	_cleanup_free_ char *holder = NULL;
	uint16_t other;
	struct err *e;

	switch (errnum) {
	case EADDRINUSE:
		holder = holder_text(p, ip, port);
		e = err_new(0, "port %u on %s is in use%s%s", port, ip, holder ? " by " : "",
			    holder ? holder : "");
		other = free_near(p, port, port < UNPRIVILEGED ? 8000U + port % 1000 : 0);
		break;
	case EACCES:
	case EPERM:
		e = err_new(errnum, "port %u on %s", port, ip);
		other = free_near(p, port, 8000U + port % 1000);
		if (!other)
			break;
		flag_text(p, given, other, ctr, &flag);
		return err_hint(e,
				"the host keeps ports below net.ipv4.ip_unprivileged_port_start for "
				"root: use %s, or have it allowed with sudo sysctl "
				"net.ipv4.ip_unprivileged_port_start=%u",
				flag.s, port);
	case EADDRNOTAVAIL:
		return err_new(0, "%s is not an address of this host", ip);
	default:
		port_host_text(ip, port, &at);
		return err_new(errnum, "opening port %s", at.s);
	}
	if (!other)
		return e;
	flag_text(p, given, other, ctr, &flag);
	return err_hint(e, "use another port of the host: %s", flag.s);
}

/* The container's own number, or a free one with a note. */
static struct err *open_preferred(const struct place *p, uint16_t ctr, struct listeners *l,
				  struct strv *notes)
{
	_cleanup_free_ char *holder = NULL, *why = NULL;
	const char *ip = p->ips[0];
	uint16_t other;
	int failed;

	if (open_all(p, ctr, ctr, l, &ip))
		return NULL;
	failed = errno;
	if (failed == EADDRINUSE) {
		holder = holder_text(p, ip, ctr);
		why = xasprintf("is in use%s%s", holder ? " by " : "", holder ? holder : "");
	} else if (failed == EACCES || failed == EPERM) {
		why = xstrdup("is not for ordinary users");
	} else {
		return refuse(p, ip, ctr, ctr, failed);
	}
	other = free_near(p, ctr, ctr < UNPRIVILEGED ? 8000U + ctr % 1000 : 0);
	/* If somebody was faster, or the neighbourhood is full: any. */
	if ((!other || !open_all(p, other, ctr, l, &ip)) && !open_all(p, 0, ctr, l, &ip))
		return refuse(p, ip, ctr, ctr, errno);
	strv_addf(notes, "port %u on %s %s, published on port %u instead", ctr, ip, why,
		  l->v[l->n - 1].host);
	return NULL;
}

/* "8000-8005:80": the first that is free. */
static struct err *open_one_of(const struct place *p, const struct port *want, struct listeners *l)
{
	const char *ip = p->ips[0];

	for (unsigned host = want->host; host <= want->host_last; host++) {
		if (open_all(p, (uint16_t)host, want->ctr, l, &ip))
			return NULL;
		if (errno != EADDRINUSE)
			return refuse(p, ip, (uint16_t)host, want->ctr, errno);
	}
	return err_new(0, "all ports %u-%u on %s are in use", want->host, want->host_last, ip);
}

static struct err *open_port(const struct port *want, const struct publish_who *who,
			     struct listeners *l, struct strv *notes)
{
	struct place p = { .proto = want->proto, .who = who };
	struct err *e = NULL;

	if (want->ip[0]) {
		p.ips[p.n++] = want->ip;
	} else {
		p.by_default = true;
		for (; p.n < ARRAY_LEN(default_ips); p.n++)
			p.ips[p.n] = default_ips[p.n];
	}
	if (want->host && want->ctr == want->ctr_last && want->host != want->host_last)
		return open_one_of(&p, want, l);
	for (unsigned i = 0; !e && want->ctr + i <= want->ctr_last; i++) {
		uint16_t ctr = (uint16_t)(want->ctr + i), host = (uint16_t)(want->host + i);
		const char *ip;

		if (!want->host && want->same_if_free)
			e = open_preferred(&p, ctr, l, notes);
		else if (!open_all(&p, want->host ? host : 0, ctr, l, &ip))
			e = refuse(&p, ip, host, ctr, errno);
	}
	return e;
}

struct err *publish_open(const struct ports *want, const struct publish_who *who,
			 struct listeners *ret, struct strv *notes)
{
	_cleanup_listeners_ struct listeners l = { 0 };
	struct err *e = NULL;

	/* Those who insist on a number first: the others can give way. */
	for (size_t i = 0; i < want->n && !e; i++) {
		if (want->v[i].host)
			e = open_port(&want->v[i], who, &l, notes);
	}
	for (size_t i = 0; i < want->n && !e; i++) {
		if (!want->v[i].host)
			e = open_port(&want->v[i], who, &l, notes);
	}
	if (e)
		return err_wrap(e, "publishing ports");
	*ret = l;
	l = (struct listeners){ 0 };
	return NULL;
}

void listeners_ports(const struct listeners *l, struct ports *ret)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct listener *ls = &l->v[i];
		struct port p = { .host = ls->host,
				  .host_last = ls->host,
				  .ctr = ls->ctr,
				  .ctr_last = ls->ctr,
				  .proto = ls->proto };

		memcpy(p.ip, ls->ip, sizeof(p.ip));
		ports_add(ret, &p);
	}
}

static void allow_reuse(int fd, int on)
{
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
}

/* shutdown(2) takes a socket out of listening; a port that was asked for by number stays bound (SOCK_BINDPORT_LOCK in
 * the kernel), one that the kernel chose is taken again.  Others could bind it, too, if both sides said they would
 * share an address that does not listen. */
void listeners_rest(const struct listeners *l)
{
	for (size_t i = 0; i < l->n; i++) {
		struct sockaddr_storage sa;
		socklen_t len = sizeof(sa);

		if (l->v[i].proto != PORT_TCP ||
		    getsockname(l->v[i].fd, (struct sockaddr *)&sa, &len) < 0)
			continue;
		allow_reuse(l->v[i].fd, 0);
		if (shutdown(l->v[i].fd, SHUT_RD) < 0 ||
		    bind(l->v[i].fd, (struct sockaddr *)&sa, len) < 0)
			continue; /* EINVAL: it is still bound */
	}
}

void listeners_listen(const struct listeners *l)
{
	for (size_t i = 0; i < l->n; i++) {
		if (l->v[i].proto != PORT_TCP)
			continue;
		allow_reuse(l->v[i].fd, 1);
		if (listen(l->v[i].fd, BACKLOG) < 0)
			continue; /* cannot fail: the port is ours; without it the container goes on */
	}
}

void listeners_forget(const struct listeners *l)
{
	enum {
		QUEUE_MAX = 4096
	}; /* more than a receive buffer holds: a flood does not keep us here */
	char byte;

	for (size_t i = 0; i < l->n; i++)
		for (int k = 0; l->v[i].proto == PORT_UDP && k < QUEUE_MAX; k++)
			if (recv(l->v[i].fd, &byte, 1, MSG_DONTWAIT) < 0)
				break;
}

void listeners_done(struct listeners *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].fd >= 0)
			close(l->v[i].fd);
	free(l->v);
	*l = (struct listeners){ 0 };
}
