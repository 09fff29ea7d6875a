#include "core/box/step.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "core/base/fd.h"
#include "core/base/loop.h"
#include "core/base/proc.h"
#include "core/box/identity.h"
#include "core/box/init.h"
#include "core/box/security.h"
#include "slirp/netns.h"
#include "slirp/resolv.h"
#include "slirp/nameserver.h"
#include "slirp/switch.h"

enum { READ_SIZE = 32 << 10, DRAIN_MS = 2000, BACKLOG = 16 };

static const char step_host[] = "buildkitsandbox"; /* as BuildKit calls it: some builds look */

/* -- network ----------------------------------------------------------------------------------------------------- */

struct step_net {
	struct loop loop;
	struct nameserver *ns;
	struct netswitch *sw;
	struct switch_port *port;
	struct net_addrs addrs;
	char *dns_path;
	int netns;
};

/* In the child: make the device and hand it over. */
NORETURN static void net_child(int sock, const struct net_addrs *addrs, const struct userns_ids *ids)
{
	const struct netns_link link = { .addrs = *addrs, .ipv6 = true, .route = true };
	char buf[1 + ERR_WIRE_MAX] = { INIT_FAILED };
	struct init_net msg = { .what = INIT_NET };
	int fds[2] = { -1, -1 };
	struct err *e = NULL;

	if (unshare(CLONE_NEWNET) < 0)
		e = err_new(errno, "making a network namespace");
	e = e ?: netns_setup(&link, 1, ids, &msg.net);
	if (e)
		_exit(send(sock, buf, 1 + err_pack(e, buf + 1), MSG_NOSIGNAL) < 0);
	fds[0] = msg.net.packet_fd;
	/* opened here: where the host's root runs the build, not even our parent may look into our /proc */
	e = fd_open(AT_FDCWD, "/proc/self/ns/net", O_RDONLY, 0, &fds[1]);
	e = e ?: fd_send(sock, &msg, sizeof(msg), fds, ARRAY_LEN(fds));
	_exit(e != NULL);
}

static void reply(void *arg, const uint8_t head[DNS_CLIENT_MAX], const uint8_t *msg, size_t len)
{
	const struct step_net *n = arg;

	switch_answer(n->sw, head, msg, len);
}

static void query(void *arg, const uint8_t head[FRAME_UDP_HEAD], const uint8_t *msg, size_t len)
{
	struct step_net *n = arg;
	struct dns_client c = { .reply = reply, .arg = n, .who = 1 };

	memcpy(c.key, head, FRAME_UDP_HEAD);
	nameserver_query(n->ns, &c, msg, len);
}

/* Large transfers are not worth a process of their own here: libslirp carries everything. */
static void want_relay(void *arg UNUSED, struct switch_port *p)
{
	switch_relay(p, -1);
}

/* TCP: long answers. */
static struct err *listen_dns(struct step_net *n)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", n->dns_path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0 || listen(fd, BACKLOG) < 0)
		return err_new(errno, "opening the name server's socket");
	return nameserver_listen(n->ns, TAKE_FD(fd));
}

static struct err *make_switch(struct step_net *n, int fd, const struct netns *ns, bool host_loopback)
{
	struct switch_cfg cfg = { .addrs = n->addrs,
				  .ipv6 = ns->ipv6,
				  .dns_socket = n->dns_path,
				  .query = query,
				  .want_relay = want_relay,
				  .arg = n };
	struct join j = {
		.ip = n->addrs.ip, .ip6 = n->addrs.ip6, .kind = ns->kind, .host_loopback = host_loopback
	};
	struct err *e;

	memcpy(j.mac, n->addrs.mac, sizeof(j.mac));
	e = nameserver_new(&n->loop, NULL, "/etc/resolv.conf", &n->ns);
	e = e ?: listen_dns(n);
	e = e ?: switch_new(&n->loop, &cfg, &n->sw);
	if (e) {
		close(fd);
		return e;
	}
	return switch_attach(n->sw, fd, &j, &n->port);
}

static struct err *net_receive(struct step_net *n, int sock, bool host_loopback)
{
	union {
		char what;
		struct init_net net;
		char buf[1 + ERR_WIRE_MAX];
	} msg;
	size_t len, n_fds = 2;
	int fds[2] = { -1, -1 };
	struct err *e = fd_recv(sock, &msg, sizeof(msg), &len, fds, &n_fds);

	if (!e && len && msg.what != INIT_NET)
		return err_recv(msg.buf + 1, len - 1);
	if (!e && (len != sizeof(msg.net) || n_fds != 2))
		return err_new(0, "the network's helper ended early");
	n->netns = fds[1];
	e = e ?: fd_nonblock(fds[0], true);
	return e ?: make_switch(n, fds[0], &msg.net.net, host_loopback);
}

struct err *step_net_new(const char *dir, const struct userns_ids *ids, bool host_loopback,
			 struct step_net **ret)
{
	struct step_net *n = xcalloc(1, sizeof(*n));
	int fds[2];
	pid_t pid;
	struct err *e;

	n->netns = -1;
	n->dns_path = xasprintf("%s/dns", dir);
	net_addrs_default(&n->addrs);
	e = loop_init(&n->loop);
	e = e ?: fd_socketpair(SOCK_SEQPACKET, fds);
	if (e) {
		step_net_free(n);
		return e;
	}
	pid = fork();
	if (pid == 0) {
		close(fds[0]);
		net_child(fds[1], &n->addrs, ids);
	}
	close(fds[1]);
	e = pid < 0 ? err_new(errno, "forking") : net_receive(n, fds[0], host_loopback);
	close(fds[0]);
	if (pid > 0)
		waitpid(pid, NULL, 0);
	if (e) {
		step_net_free(n);
		return err_wrap(e, "making the network");
	}
	*ret = n;
	return NULL;
}

void step_net_free(struct step_net *n)
{
	if (!n)
		return;
	if (n->port)
		switch_detach(n->port);
	if (n->sw)
		switch_free(n->sw);
	if (n->ns)
		nameserver_free(n->ns);
	if (n->netns >= 0)
		close(n->netns);
	loop_done(&n->loop);
	free(n->dns_path);
	free(n);
}

/* -- the command ------------------------------------------------------------------------------------------------- */

struct pump {
	struct source src;
	struct step *s;
};

struct step {
	const struct step_run *r;
	struct loop *loop;
	struct loop own; /* without a network */
	struct source sync, init;
	struct pump out[2];
	struct timer drain;
	pid_t pid;
	int status;
	bool ended;
	char *buf;
};

static void maybe_stop(struct step *s)
{
	if (s->ended && s->sync.fd < 0 && s->out[0].src.fd < 0 && s->out[1].src.fd < 0)
		loop_stop(s->loop);
}

static struct err *pump_ready(struct source *src, uint32_t events UNUSED)
{
	struct pump *p = container_of(src, struct pump, src);
	struct step *s = p->s;
	ssize_t n = read(src->fd, s->buf, READ_SIZE);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return NULL;
	if (n > 0) {
		s->r->output(s->r->arg, p == &s->out[1], s->buf, (size_t)n);
		return NULL;
	}
	loop_del_close(s->loop, src);
	maybe_stop(s);
	return NULL;
}

static struct err *sync_ready(struct source *src, uint32_t events UNUSED)
{
	struct step *s = container_of(src, struct step, sync);
	char buf[1 + ERR_WIRE_MAX];
	ssize_t n = recv(src->fd, buf, sizeof(buf), 0);

	if (n < 0 && errno == EINTR)
		return NULL;
	loop_del_close(s->loop, src);
	maybe_stop(s);
	return n > 1 && *buf == INIT_FAILED ? err_recv(buf + 1, (size_t)n - 1) : NULL;
}

static struct err *init_ready(struct source *src, uint32_t events UNUSED)
{
	struct step *s = container_of(src, struct step, init);
	struct err *e = proc_wait(src->fd, &s->status);

	loop_del_close(s->loop, src);
	s->ended = true;
	s->pid = 0;
	timer_set(&s->drain, DRAIN_MS, 0); /* somebody outside may hold the pipes open */
	maybe_stop(s);
	return e;
}

static struct err *drain_expired(struct timer *t)
{
	loop_stop(container_of(t, struct step, drain)->loop);
	return NULL;
}

static struct err *write_etc(const struct step_run *r)
{
	const struct spec *s = r->spec;
	_cleanup_free_ char *resolv = NULL, *hosts = NULL;
	_cleanup_close_ int dir = -1;
	struct host_entry own = { .names = step_host };
	struct err *e;

	if (r->net)
		inet_ntop(AF_INET, &r->net->addrs.ip, own.ip, sizeof(own.ip));
	resolv = r->net ? resolv_conf_text(r->resolv, &r->net->addrs) : xstrdup(r->resolv ?: "");
	hosts = hosts_text(step_host, r->net ? &r->net->addrs.gateway : NULL, &own, r->net != NULL,
			   &s->add_hosts);
	e = fd_open(AT_FDCWD, r->dir, O_RDONLY | O_DIRECTORY, 0, &dir);
	e = e ?: fd_write_atomic(dir, "resolv.conf", resolv, strlen(resolv), 0644, false);
	e = e ?: fd_write_atomic(dir, "hosts", hosts, strlen(hosts), 0644, false);
	return e ?: fd_write_atomic(dir, "hostname", "buildkitsandbox\n", sizeof(step_host), 0644, false);
}

static struct err *add_pipe(struct step *s, int i, int *ret_child)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_new(errno, "making a pipe");
	*ret_child = fds[1];
	s->out[i] = (struct pump){ .src = { .fd = fds[0], .ready = pump_ready }, .s = s };
	return fd_nonblock(fds[0], true) ?: loop_add(s->loop, &s->out[i].src, EPOLLIN);
}

static struct err *spawn(struct step *s)
{
	const struct step_run *r = s->r;
	struct clone_args ca = {
		.flags = CLONE_PIDFD | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS |
			 CLONE_NEWCGROUP | (r->spec->net == NET_NONE ? CLONE_NEWNET : 0),
		.exit_signal = SIGCHLD,
	};
	static const struct strv none;
	struct init_args ia = { .st = r->st,
				.spec = r->spec,
				.ids = &r->st->ids,
				.hostname = step_host,
				.dir = r->dir,
				.netns = r->net ? r->net->netns : -1,
				.env = &none,
				.identity = -1,
				.stdio = { -1, -1, -1 } };
	_cleanup_free_ void *filter = NULL;
	const char mapped = INIT_MAPPED;
	int pidfd = -1, sync[2] = { -1, -1 };
	struct err *e;
	long pid = 0;

	e = security_filter(r->spec, r->st->ids.single, &filter, &ia.seccomp_len);
	e = e ?: fd_open(AT_FDCWD, "/dev/null", O_RDONLY, 0, &ia.stdio[0]);
	for (int i = 0; i < 2 && !e; i++)
		e = add_pipe(s, i, &ia.stdio[i + 1]);
	e = e ?: fd_socketpair(SOCK_SEQPACKET, sync);
	if (r->st->ids.single)
		e = e ?: identity_start("a build", &ia.identity);
	ia.seccomp = filter;
	ia.sync = sync[1];
	ca.pidfd = (uint64_t)(uintptr_t)&pidfd;
	if (!e) {
		pid = syscall(SYS_clone3, &ca, sizeof(ca));
		if (pid == 0)
			init_main(&ia);
		if (pid < 0)
			e = err_new(errno, "making the container's namespaces");
	}
	for (int i = 0; i < 3; i++)
		if (ia.stdio[i] >= 0)
			close(ia.stdio[i]);
	if (ia.identity >= 0)
		close(ia.identity);
	if (sync[1] >= 0)
		close(sync[1]); /* or its end of file would never come */
	if (sync[0] >= 0) {
		s->sync = (struct source){ .fd = sync[0], .ready = sync_ready };
		e = err_also(e, loop_add(s->loop, &s->sync, EPOLLIN));
	}
	if (e)
		return e;
	s->pid = (pid_t)pid;
	s->init = (struct source){ .fd = pidfd, .ready = init_ready };
	e = loop_add(s->loop, &s->init, EPOLLIN);
	return e ?: fd_send(sync[0], &mapped, 1, NULL, 0);
}

struct err *step_run(const struct step_run *r, int *ret_status)
{
	struct step s = { .r = r, .sync.fd = -1, .init.fd = -1 };
	struct err *e = NULL;

	s.out[0].src.fd = s.out[1].src.fd = -1;
	s.buf = xmalloc(READ_SIZE);
	if (r->net) {
		s.loop = &r->net->loop;
		s.loop->stop = false;
	} else {
		s.loop = &s.own;
		e = loop_init(s.loop);
		if (e)
			return e;
	}
	e = timer_init(s.loop, &s.drain, drain_expired);
	e = e ?: write_etc(r);
	e = e ?: spawn(&s);
	e = e ?: loop_run(s.loop);
	if (s.pid > 0)
		proc_kill_and_reap(s.pid);
	for (int i = 0; i < 2; i++)
		loop_del_close(s.loop, &s.out[i].src);
	loop_del_close(s.loop, &s.sync);
	loop_del_close(s.loop, &s.init);
	timer_done(s.loop, &s.drain);
	if (!r->net)
		loop_done(&s.own);
	free(s.buf);
	if (!e)
		*ret_status = s.status;
	return e;
}
