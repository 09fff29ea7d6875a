#include "core/box/boxnet.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "core/base/fd.h"
#include "core/box/links.h"
#include "core/box/state.h"
#include "core/ns/errand.h"
#include "core/ns/userns.h"
#include "core/store/events.h"
#include "slirp/resolv.h"

enum { RESOLV_MAX = 65536, ETC_MAX = 4 << 20, WORK_MS = 10000 };

/* -- addresses ------------------------------------------------------------------------------------------------- */

static const struct net_state *kept_state(const struct state *s, const char *name)
{
	for (size_t i = 0; i < s->n_nets; i++)
		if (!strcmp(s->nets[i].name, name))
			return &s->nets[i];
	return NULL;
}

/* What the memberships are becomes the state's. */
static void put_state(const struct boxnet *bn, struct state *s)
{
	char ip[INET_ADDRSTRLEN];

	state_nets_done(s);
	free(TAKE_PTR(s->ip));
	if (!bn->n)
		return;
	s->nets = xcalloc(bn->n, sizeof(*s->nets));
	s->n_nets = bn->n;
	for (size_t i = 0; i < bn->n; i++)
		membership_state(bn->v[i], &s->nets[i]);
	s->ip = xstrdup(inet_ntop(AF_INET, &bn->v[0]->addrs.ip, ip, sizeof(ip)));
}

static struct err *add(struct boxnet *bn, struct box *b, const struct net_want *want)
{
	struct membership *m = NULL;
	struct err *e;

	if (bn->n == NETNS_LINKS_MAX)
		return err_new(0, "a container can be on %d networks", NETNS_LINKS_MAX);
	e = membership_prepare(b->st, b->spec.id, want, kept_state(&b->state, want->name), &m);
	if (e)
		return e;
	membership_names(m, &b->spec, want);
	m->want_relay = bn->want_relay;
	m->arg = bn->arg;
	m->join.host_loopback = hosts_want_gateway(&b->spec.add_hosts);
	bn->v[bn->n++] = m;
	return NULL;
}

/* Each network's name server may ask the others. */
static void tell_others(struct boxnet *bn)
{
	for (size_t i = 0; i < bn->n; i++) {
		struct strv *others = &bn->v[i]->join.others;

		strv_done(others);
		for (size_t k = 0; k < bn->n; k++)
			if (k != i)
				strv_add(others, bn->v[k]->net.name);
	}
}

struct err *boxnet_prepare(struct boxnet *bn, struct box *b)
{
	struct err *e = NULL;

	for (size_t i = 0; i < b->spec.nets.n && b->spec.net == NET_DEFAULT && !e; i++)
		e = add(bn, b, &b->spec.nets.v[i]);
	tell_others(bn);
	if (!e)
		put_state(bn, &b->state);
	return e;
}

/* -- a run ----------------------------------------------------------------------------------------------------- */

static struct err *open_one(const struct boxnet *bn, size_t i, struct loop *loop,
			    const struct ports *published)
{
	struct membership *m = bn->v[i];

	m->parent = bn->bridging ? bn->parent : -1;
	ports_done(&m->join.ports);
	ports_copy(&m->join.ports, published);
	return membership_open(m, loop);
}

struct err *boxnet_open(struct boxnet *bn, struct box *b UNUSED, struct loop *loop,
			const struct ports *published)
{
	struct err *e = NULL;

	bn->up = true;
	for (size_t i = 0; i < bn->n && !e; i++)
		e = open_one(bn, i, loop, published);
	return e;
}

/* The first one with a way out has the default route; bn->n: none has. */
static size_t way_out(const struct boxnet *bn)
{
	size_t i = 0;

	while (i < bn->n && bn->v[i]->net.internal)
		i++;
	return i;
}

static void link_of(const struct boxnet *bn, size_t i, struct netns_link *ret)
{
	const struct membership *m = bn->v[i];

	*ret = (struct netns_link){ .addrs = m->addrs, .ipv6 = m->net.ipv6, .route = i == way_out(bn) };
}

size_t boxnet_links(const struct boxnet *bn, struct netns_link ret[NETNS_LINKS_MAX])
{
	for (size_t i = 0; i < bn->n; i++)
		link_of(bn, i, &ret[i]);
	return bn->n;
}

static struct err *open_netns(pid_t pid, int *ret)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	return fd_open(AT_FDCWD, path, O_RDONLY, 0, ret);
}

struct err *boxnet_bridge(struct boxnet *bn, pid_t init_pid, bool ret[NETNS_LINKS_MAX])
{
	_cleanup_close_ int ns = -1;
	struct err *e = NULL;

	if (!bn->bridging || !bn->n)
		return NULL;
	e = open_netns(init_pid, &ns);
	for (size_t i = 0; i < bn->n && !e; i++) { /* all at once, then all answers */
		_cleanup_free_ char *device = xasprintf("eth%zu", i);

		membership_wish(bn->v[i], ns, device);
	}
	for (size_t i = 0; i < bn->n && !e; i++)
		e = membership_answer(bn->v[i], ns, &ret[i]);
	return e;
}

struct err *boxnet_made(struct boxnet *bn, size_t i, const struct netns *ns, int fd)
{
	if (i >= bn->n) {
		if (fd >= 0)
			close(fd);
		return err_new(0, "a device of no network");
	}
	if (i == 0)
		bn->ns = *ns;
	if (ns->kind != PACKET_BRIDGE)
		membership_join(bn->v[i], fd, ns->kind);
	return NULL;
}

void boxnet_tell(struct boxnet *bn, const struct box *b)
{
	for (size_t i = 0; i < bn->n; i++)
		membership_names(bn->v[i], &b->spec, net_wants_find(&b->spec.nets, bn->v[i]->net.name));
}

void boxnet_leave(struct boxnet *bn, bool wait)
{
	int fds[NETNS_LINKS_MAX];

	bn->up = false;
	for (size_t i = 0; i < bn->n; i++)
		fds[i] = membership_leave(bn->v[i], wait);
	for (size_t i = 0; i < bn->n; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

static void event(const struct membership *m, const struct box *b, const char *action)
{
	_cleanup_strv_ struct strv attrs = { 0 };

	strv_addf(&attrs, "container=%s", b->spec.id);
	strv_addf(&attrs, "name=%s", m->net.name);
	strv_addf(&attrs, "type=%s", m->net.driver);
	event_add(b->st, "network", action, m->net.id, &attrs);
}

void boxnet_event(const struct boxnet *bn, const struct box *b, const char *action)
{
	for (size_t i = 0; i < bn->n; i++)
		event(bn->v[i], b, action);
}

void boxnet_close(const struct boxnet *bn)
{
	for (size_t i = 0; i < bn->n; i++) {
		const struct membership *m = bn->v[i];
		const int fds[] = { m->conn.fd, m->retry.src.fd, m->dir, m->packet_fd };

		for (size_t k = 0; k < ARRAY_LEN(fds); k++)
			if (fds[k] >= 0)
				close(fds[k]);
	}
}

/* -- other networks -------------------------------------------------------------------------------------------- */

/* What a child does in the container's namespaces. */
enum inside_work { WORK_DEVICE, WORK_ROUTE, WORK_REMOVE };
struct inside {
	enum inside_work work;
	const struct netns_link *link;
	int init_pidfd;
	bool single;
	struct netns made;
	int fd; /* the device's; -1: it has none */
};

static struct err *inside_run(void *arg)
{
	struct inside *in = arg;
	struct err *e = userns_enter(in->init_pidfd, CLONE_NEWUSER | CLONE_NEWNET, in->single, NULL);

	prctl(PR_SET_DUMPABLE, 0);
	if (e)
		return e;
	if (in->work == WORK_ROUTE)
		return netns_route(in->link);
	if (in->work == WORK_REMOVE)
		return netns_remove(in->link);
	e = netns_add(in->link, &in->made);
	in->fd = in->made.packet_fd;
	return e;
}

/* *RET_FD is -1 unless a device was made. */
static struct err *work_inside(struct box *b, int init_pidfd, enum inside_work work,
			       const struct netns_link *link, struct netns *ret, int *ret_fd)
{
	struct inside in = { .work = work,
			     .link = link,
			     .init_pidfd = init_pidfd,
			     .single = b->st->ids.single,
			     .fd = -1 };
	struct err *e = errand_run(&(struct errand){
		.ns = -1,
		.what = "working on the container's network",
		.work = inside_run,
		.arg = &in,
		.made = &in.made,
		.made_len = sizeof(in.made),
		.fds = &in.fd,
		.n_fds = work == WORK_DEVICE && !link->bridged,
		.timeout_ms = WORK_MS,
	});

	if (e)
		return e;
	*ret = in.made;
	*ret_fd = in.fd;
	return NULL;
}

/* A tap goes with its descriptor, a veth pair does not. */
static void remove_device(const struct boxnet *bn, size_t i, struct box *b, int init_pidfd)
{
	struct netns_link link;
	struct netns none;
	int fd;

	if (bn->v[i]->join.kind != PACKET_BRIDGE || !bn->up)
		return;
	link_of(bn, i, &link);
	err_free(work_inside(b, init_pidfd, WORK_REMOVE, &link, &none, &fd)); /* the container ends just now */
}

static void drop(struct boxnet *bn, size_t i, struct box *b, int init_pidfd)
{
	struct membership *m = bn->v[i];
	_cleanup_free_ char *name = xstrdup(m->net.name);
	int fd = membership_leave(m, true);

	if (fd >= 0) {
		remove_device(bn, i, b, init_pidfd);
		close(fd);
		event(m, b, "disconnect");
	}
	membership_free(m);
	bn->n--;
	memmove(&bn->v[i], &bn->v[i + 1], (bn->n - i) * sizeof(bn->v[0]));
	lease_drop(b->st, name, b->spec.id);
}

/* For the network that came last. */
static struct err *bridge_last(struct boxnet *bn, pid_t init_pid, bool *ret)
{
	struct membership *m = bn->v[bn->n - 1];
	_cleanup_close_ int ns = -1;
	struct err *e;

	if (!bn->bridging)
		return NULL;
	e = open_netns(init_pid, &ns);
	if (e)
		return e;
	membership_wish(m, ns, "eth%d");
	return membership_answer(m, ns, ret);
}

static struct err *enter(struct boxnet *bn, struct box *b, const struct net_want *want,
			 struct loop *loop, pid_t init_pid, int init_pidfd,
			 const struct ports *published)
{
	struct netns_link link;
	struct netns ns;
	struct err *e = add(bn, b, want);
	int fd = -1;

	if (e || !bn->up)
		return e;
	link_of(bn, bn->n - 1, &link);
	e = open_one(bn, bn->n - 1, loop, published);
	e = e ?: bridge_last(bn, init_pid, &link.bridged);
	e = e ?: work_inside(b, init_pidfd, WORK_DEVICE, &link, &ns, &fd);
	e = e ?: boxnet_made(bn, bn->n - 1, &ns, fd);
	if (e)
		drop(bn, bn->n - 1, b, init_pidfd);
	else
		event(bn->v[bn->n - 1], b, "connect");
	return e;
}

struct err *boxnet_change(struct boxnet *bn, struct box *b, struct loop *loop, pid_t init_pid,
			  int init_pidfd, const struct ports *published)
{
	size_t had = way_out(bn);
	const struct membership *had_m = had < bn->n ? bn->v[had] : NULL;
	struct err *e = NULL;

	for (size_t i = 0; i < bn->n;) {
		if (net_wants_find(&b->spec.nets, bn->v[i]->net.name))
			i++;
		else
			drop(bn, i, b, init_pidfd);
	}
	had = way_out(bn);
	if (bn->up && had < bn->n && bn->v[had] != had_m) { /* the default route went with its device */
		struct netns_link link;
		struct netns none;
		int fd;

		link_of(bn, had, &link);
		e = work_inside(b, init_pidfd, WORK_ROUTE, &link, &none, &fd);
		err_free(TAKE_PTR(e)); /* what the container did to its devices is its affair */
	}
	for (size_t i = 0; i < b->spec.nets.n && !e; i++) {
		const struct net_want *want = &b->spec.nets.v[i];
		bool there = false;

		for (size_t k = 0; k < bn->n; k++)
			there |= !strcmp(bn->v[k]->net.name, want->name);
		if (!there)
			e = enter(bn, b, want, loop, init_pid, init_pidfd, published);
	}
	tell_others(bn);
	boxnet_tell(bn, b);
	put_state(bn, &b->state);
	return e;
}

/* -- files ----------------------------------------------------------------------------------------------------- */

static void add_entry(struct host_entry **v, size_t *n, size_t *cap, int family, const void *ip,
		      const char *names)
{
	*v = xgrow(*v, *n, cap, sizeof(**v));
	inet_ntop(family, ip, (*v)[*n].ip, sizeof((*v)[*n].ip));
	(*v)[(*n)++].names = names;
}

static char *hosts(const struct boxnet *bn, const struct box *b, const char *hostname)
{
	const struct spec *s = &b->spec;
	_cleanup_free_ char *own = s->domainname
					   ? xasprintf("%s.%s %s", hostname, s->domainname, hostname)
					   : xstrdup(hostname);
	struct host_entry *v = NULL;
	struct links links = { 0 };
	size_t n = 0, cap = 0;
	char *text;

	links_find(b, &links);
	for (size_t i = 0; i < links.n; i++)
		add_entry(&v, &n, &cap, AF_INET, &links.v[i].ip, links.v[i].names);
	for (size_t i = 0; i < bn->n; i++) {
		add_entry(&v, &n, &cap, AF_INET, &bn->v[i]->addrs.ip, own);
		if (bn->v[i]->net.ipv6)
			add_entry(&v, &n, &cap, AF_INET6, &bn->v[i]->addrs.ip6, own);
	}
	text = hosts_text(own, bn->n ? &bn->v[0]->addrs.gateway : NULL, v, n, &s->add_hosts);
	free(v);
	links_done(&links);
	return text;
}

static char *resolv(const struct boxnet *bn, const struct spec *s)
{
	_cleanup_free_ char *host = NULL;
	struct err *e = fd_read_file(AT_FDCWD, "/etc/resolv.conf", RESOLV_MAX, &host, NULL);
	char *text;

	err_free(e); /* a machine without: the network's name server only */
	text = bn->n ? resolv_conf_text(host, &bn->v[0]->addrs) : xstrdup(host ?: "");
	if (s->dns.n || s->dns_search.n || s->dns_options.n) {
		char *other = resolv_conf_override(text, &s->dns, &s->dns_search, &s->dns_options);

		free(text);
		text = other;
	}
	return text;
}

static struct err *write_one(const struct box *b, const char *file, const char *text, bool in_place)
{
	const struct userns_ids *ids = &b->st->ids;
	_cleanup_close_ int fd = -1;
	struct err *e;

	if (in_place) {
		e = fd_open(b->dir, file, O_WRONLY | O_TRUNC | O_NOFOLLOW, 0, &fd);
		return e ?: fd_write_all(fd, file, text, strlen(text));
	}
	e = fd_write_atomic(b->dir, file, text, strlen(text), 0644, false);
	if (!e && ids->direct && fchownat(b->dir, file, ids->root_uid, ids->root_gid, 0) < 0)
		e = err_new(errno, "giving %s to the container", file);
	return e;
}

/* --network container:X: it sees what that one sees. */
static struct err *copy_etc(const struct box *b)
{
	static const char *const files[] = { "resolv.conf", "hosts", "hostname" };
	struct err *e = NULL;

	for (size_t i = 0; i < ARRAY_LEN(files) && !e; i++) {
		_cleanup_free_ char *path = xasprintf("%s/%s", b->spec.net_container, files[i]);
		_cleanup_free_ char *text = NULL;

		e = fd_read_file(b->st->containers, path, ETC_MAX, &text, NULL);
		e = e ?: write_one(b, files[i], text, false);
	}
	return e;
}

struct err *boxnet_write_etc(const struct boxnet *bn, struct box *b, const char *hostname, bool in_place)
{
	_cleanup_free_ char *resolv_text = NULL, *hosts_file = NULL, *name = NULL;
	struct err *e;

	if (b->spec.net == NET_CONTAINER)
		return copy_etc(b);
	resolv_text = resolv(bn, &b->spec);
	hosts_file = hosts(bn, b, hostname);
	name = xasprintf("%s\n", hostname);
	e = write_one(b, "resolv.conf", resolv_text, in_place);
	e = e ?: write_one(b, "hosts", hosts_file, in_place);
	if (!in_place)
		e = e ?: write_one(b, "hostname", name, false);
	return e;
}
