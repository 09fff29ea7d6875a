#include "core/box/membership.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "core/base/fd.h"
#include "core/base/lock.h"
#include "core/base/proc.h"
#include "core/box/runopt.h"
#include "slirp/hub.h"

enum {
	BACKLOG = 1024,
	BUSY_MS = 2, /* somebody else holds the lock: he is about to listen, or to end */
	FAILED_MS = 1000, /* a network's process that ended so soon is not made again at once */
	LEAVE_MS = 1000,
	ANSWER_MS = 10000, /* the network's process has to come up, on a busy machine */
	MTU_MIN = 1280, /* IPv6's least */
	MTU_MAX = 65520,
};

static struct err *set_mac(const struct net_want *want, struct net_addrs *a)
{
	a->mac[0] = 0x02; /* locally administered, then the address, as Docker has it */
	a->mac[1] = 0x42;
	memcpy(a->mac + 2, &a->ip, 4);
	return want->mac && *want->mac ? mac_parse(want->mac, a->mac) : NULL;
}

static struct err *want_lease(const struct net_want *want, struct lease *ret)
{
	*ret = (struct lease){ 0 };
	if (want->ip && *want->ip && inet_pton(AF_INET, want->ip, &ret->ip) != 1)
		return err_new(0, "invalid IPv4 address: %s", want->ip);
	if (want->ip6 && *want->ip6 && inet_pton(AF_INET6, want->ip6, &ret->ip6) != 1)
		return err_new(0, "invalid IPv6 address: %s", want->ip6);
	return NULL;
}

/* Docker's option of the network. */
static uint16_t mtu_of(const struct network *n)
{
	const char *text = strv_env(&n->options, "com.docker.network.driver.mtu");
	uint64_t mtu = NET_MTU;

	err_free(text ? str_to_u64(text, MTU_MIN, MTU_MAX, &mtu) : NULL); /* nonsense: the usual one */
	return (uint16_t)mtu;
}

struct err *membership_prepare(struct store *st, const char *id, const struct net_want *want,
			       const struct net_state *kept, struct membership **ret)
{
	struct membership *m = xcalloc(1, sizeof(*m));
	struct lease wish, had = { 0 }, l = { 0 };
	struct err *e = NULL;

	m->conn.fd = m->retry.src.fd = m->dir = m->packet_fd = m->parent = -1;
	if (!strcmp(want->name, NETWORK_DEFAULT))
		e = network_settle_default(st);
	e = e ?: network_get(st, want->name, &m->net);
	e = e ?: network_open(st, m->net.name, &m->dir);
	e = e ?: want_lease(want, &wish);
	if (kept && !strcmp(kept->id, m->net.id))
		had = (struct lease){ kept->addrs.ip, kept->addrs.ip6 };
	e = e ?: lease_take(st, &m->net, id, &wish, &had, &l);
	if (!e) {
		m->addrs = (struct net_addrs){
			.ip = l.ip,
			.gateway = m->net.gateway,
			.dns = network_dns(&m->net),
			.ip6 = l.ip6,
			.gateway6 = m->net.gateway6,
			.prefix = m->net.subnet.prefix,
			.prefix6 = m->net.subnet6.prefix,
			.mtu = mtu_of(&m->net),
		};
		e = set_mac(want, &m->addrs);
	}
	if (e) {
		membership_free(m);
		return e;
	}
	m->join.id = xstrdup(id);
	m->join.ip = l.ip;
	/* In the default network names mean IPv4 addresses, as with Docker: servers that listen there only are
	 * common, and not every client tries the second address.  IPv6 is its way out. */
	if (strcmp(m->net.name, NETWORK_DEFAULT))
		m->join.ip6 = l.ip6;
	if (m->net.ipv6)
		m->join.device_ip6 = l.ip6;
	memcpy(m->join.mac, m->addrs.mac, NET_MAC_LEN);
	*ret = m;
	return NULL;
}

void membership_state(const struct membership *m, struct net_state *ret)
{
	*ret = (struct net_state){ .name = xstrdup(m->net.name), .addrs = m->addrs, .ipv6 = m->net.ipv6 };
	memcpy(ret->id, m->net.id, sizeof(ret->id));
}

/* -- the network's process ------------------------------------------------------------------------------------- */

NORETURN static void hub_child(struct membership *m, int lock, int sock)
{
	struct hub_cfg cfg = {
		.name = m->net.name,
		.addrs = m->addrs,
		.ipv6 = m->net.ipv6,
		.internal = m->net.internal,
		.dir = m->dir,
		.lock = lock,
		.parent = m->packet_fd < 0 ? m->parent : -1, /* else the bridge may be there */
		.listen = sock,
	};
	const int keep[] = { m->dir, lock, sock, cfg.parent };
	sigset_t none;
	pid_t pid;

	setsid();
	pid = fork(); /* its parent shall be nobody who could forget to reap it */
	if (pid)
		_exit(pid < 0);
	fd_close_except(keep, ARRAY_LEN(keep));
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	hub_main(&cfg);
}

/* With the lock: nobody listens. */
static struct err *start_hub(struct membership *m, int lock)
{
	_cleanup_close_ int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un sun;
	int status;
	pid_t pid;
	struct err *e;

	fd_sun(m->dir, "ctl", &sun);
	if (unlinkat(m->dir, "ctl", 0) < 0 && errno != ENOENT)
		return err_new(errno, "removing an old socket");
	if (sock < 0 || bind(sock, (struct sockaddr *)&sun, sizeof(sun)) < 0 ||
	    listen(sock, BACKLOG) < 0)
		return err_new(errno, "opening the network's socket");
	pid = fork();
	if (pid < 0)
		return err_new(errno, "forking the network's process");
	if (pid == 0)
		hub_child(m, lock, sock);
	e = proc_wait_pid(pid, &status);
	if (!e && status)
		e = err_new(0, "the network's process could not be forked");
	return e;
}

static bool try_connect(struct membership *m, int *ret)
{
	_cleanup_close_ int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un sun;

	fd_sun(m->dir, "ctl", &sun);
	if (sock < 0 || connect(sock, (struct sockaddr *)&sun, sizeof(sun)) < 0)
		return false;
	*ret = TAKE_FD(sock);
	return true;
}

static struct err *conn_ready(struct source *s, uint32_t events);

/* Connect, or make the one to connect to.  RET_FD is -1 if that must be tried again in a moment. */
static struct err *reach(struct membership *m, int *ret_fd)
{
	_cleanup_close_ int lock = -1;
	struct err *e;

	*ret_fd = -1;
	if (try_connect(m, ret_fd))
		return NULL;
	e = lock_try(m->dir, "lock", false, &lock);
	if (e || lock < 0)
		return e;
	if (try_connect(m, ret_fd)) /* somebody was faster */
		return NULL;
	e = start_hub(m, lock);
	if (!e && !try_connect(m, ret_fd))
		e = err_new(errno, "reaching the network's process");
	return e;
}

static void send_join(struct membership *m)
{
	_cleanup_free_ char *msg = NULL;
	size_t len;

	if (m->conn.fd < 0 || m->packet_fd < 0)
		return;
	msg = join_pack(&m->join, &len);
	err_free(fd_send(m->conn.fd, msg, len, &m->packet_fd, 1)); /* it is gone: that is the next event */
}

static struct err *open_again(struct membership *m)
{
	int fd = -1;
	struct err *e = reach(m, &fd);

	if (e)
		return e;
	if (fd < 0) {
		timer_set(&m->retry, BUSY_MS, 0);
		return NULL;
	}
	m->opened_ms = time_mono_ms();
	m->conn = (struct source){ .fd = fd, .ready = conn_ready };
	e = loop_add(m->loop, &m->conn, EPOLLIN);
	send_join(m);
	return e;
}

static struct err *retry(struct timer *t)
{
	struct membership *m = container_of(t, struct membership, retry);
	struct err *e = m->conn.fd < 0 ? open_again(m) : NULL;

	if (e)
		timer_set(&m->retry, FAILED_MS, 0);
	err_free(e); /* no memory for a process at the moment: the container goes on, the network comes back later */
	return NULL;
}

static void conn_ended(struct membership *m)
{
	loop_del_close(m->loop, &m->conn);
	timer_set(&m->retry, time_mono_ms() - m->opened_ms < FAILED_MS ? FAILED_MS / 10 : 1, 0);
}

/* It speaks to ask for the relay; else this is its end. */
static struct err *conn_ready(struct source *s, uint32_t events UNUSED)
{
	struct membership *m = container_of(s, struct membership, conn);
	char byte;
	ssize_t n = recv(s->fd, &byte, 1, MSG_DONTWAIT);

	if (n > 0 && byte == JOIN_RELAY)
		m->want_relay(m->arg, m);
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		conn_ended(m);
	return NULL;
}

struct err *membership_open(struct membership *m, struct loop *loop)
{
	struct err *e = NULL;

	m->loop = loop;
	if (m->retry.src.fd < 0)
		e = timer_init(loop, &m->retry, retry);
	e = e ?: open_again(m);
	return err_wrap(e, "joining network %s", m->net.name);
}

void membership_names(struct membership *m, const struct spec *s, const struct net_want *want)
{
	struct strv *names = &m->join.names;

	strv_done(names);
	strv_add(names, s->name);
	strv_addf(names, "%.12s", s->id);
	if (s->hostname && *s->hostname && !strv_has(names, s->hostname))
		strv_add(names, s->hostname);
	for (size_t i = 0; want && i < want->aliases.n; i++)
		if (!strv_has(names, want->aliases.v[i]))
			strv_add(names, want->aliases.v[i]);
	if (m->conn.fd >= 0 && m->packet_fd >= 0)
		send_join(m);
}

void membership_wish(struct membership *m, int ctr_ns, const char *device)
{
	_cleanup_free_ char *msg = NULL;
	struct err *e;
	size_t len;

	if (m->join.device != device) {
		free(m->join.device);
		m->join.device = xstrdup(device);
	}
	m->join.kind = PACKET_BRIDGE;
	m->wished = false;
	if (m->conn.fd < 0)
		return;
	msg = join_pack(&m->join, &len);
	e = fd_send(m->conn.fd, msg, len, &ctr_ns, 1);
	m->wished = !e;
	err_free(e); /* it is gone: membership_answer() sees that */
}

/* It was not there yet, or somebody else was making it. */
static struct err *connect_for_wish(struct membership *m, int ctr_ns, int64_t until_ms)
{
	struct err *e = NULL;

	while (m->conn.fd < 0 && !e && time_mono_ms() < until_ms) {
		poll(NULL, 0, BUSY_MS);
		e = open_again(m);
	}
	if (!e && m->conn.fd >= 0 && !m->wished)
		membership_wish(m, ctr_ns, m->join.device);
	return e;
}

struct err *membership_answer(struct membership *m, int ctr_ns, bool *ret_bridged)
{
	int64_t until_ms = time_mono_ms() + ANSWER_MS;
	struct err *e = connect_for_wish(m, ctr_ns, until_ms);
	size_t len = 0, n_fds = 1;
	char byte = JOIN_ALONE;
	int fd = -1;
	struct pollfd p = { .fd = m->conn.fd, .events = POLLIN };

	*ret_bridged = false;
	if (!e && (p.fd < 0 || poll(&p, 1, (int)(until_ms - time_mono_ms())) != 1))
		e = err_new(ETIMEDOUT, "waiting for the process of network %s", m->net.name);
	if (e)
		return e;
	free(TAKE_PTR(m->join.device));
	m->join.kind = PACKET_TAP;
	e = fd_recv(m->conn.fd, &byte, 1, &len, &fd, &n_fds);
	if (e || !len)
		conn_ended(m); /* it was killed, or is of another version: the device will be one that needs less */
	err_free(e);
	if (len && byte == JOIN_BRIDGED && fd >= 0) {
		*ret_bridged = true;
		m->packet_fd = fd;
		m->join.kind = PACKET_BRIDGE;
	} else if (fd >= 0) {
		close(fd);
	}
	return NULL;
}

void membership_join(struct membership *m, int packet_fd, enum packet_kind kind)
{
	if (m->packet_fd >= 0)
		close(m->packet_fd);
	m->packet_fd = packet_fd;
	m->join.kind = kind;
	send_join(m);
}

void membership_relay(struct membership *m, int fd)
{
	err_free(fd_send(m->conn.fd, "", 1, &fd, fd >= 0)); /* it is gone: that is the next event */
}

int membership_leave(struct membership *m, bool wait)
{
	if (m->loop)
		timer_set(&m->retry, 0, 0);
	if (m->conn.fd >= 0) {
		struct pollfd p = { .fd = loop_del(m->loop, &m->conn), .events = POLLIN };

		if (wait && send(p.fd, "{}", 2, MSG_NOSIGNAL | MSG_DONTWAIT) == 2)
			poll(&p, 1, LEAVE_MS); /* its end of the connection closes behind the descriptor */
		close(p.fd);
	}
	return TAKE_FD(m->packet_fd);
}

static void release(struct source *s)
{
	struct timer *t = container_of(s, struct timer, src);

	free(container_of(t, struct membership, retry));
}

void membership_free(struct membership *m)
{
	int fd;

	if (!m)
		return;
	fd = membership_leave(m, false);
	if (fd >= 0)
		close(fd);
	if (m->dir >= 0)
		close(m->dir);
	network_done(&m->net);
	join_done(&m->join);
	if (m->retry.src.fd < 0) {
		free(m);
		return;
	}
	m->retry.src.release = release; /* an event of this batch may still be for it */
	timer_done(m->loop, &m->retry);
}
