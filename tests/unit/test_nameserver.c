/* The name server over TCP, with a resolver of this test, in a network namespace of its own (port 53 is free there). */
#include "slirp/nameserver.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "core/base/fd.h"
#include "core/base/proc.h"
#include "slirp/dns_msg.h"
#include "slirp/netns.h"

#include "tests/lib/tap.h"

/* Queries over TCP: for "db" (ours) and "x" (not ours), with ids 1 and 2. */
static const uint8_t db[] = { 0, 20, 0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 2, 'd', 'b', 0, 0, 1, 0, 1 };
static const uint8_t x[] = { 0, 19, 0, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 'x', 0, 0, 1, 0, 1 };
enum { PATIENCE_MS = 10000, RESOLVER_BYTES = 60000 };

static struct loop loop;
static struct nameserver *server;
static struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "\0test_nameserver" };

/* The resolver: answers with REFUSED, or over TCP with a long answer. */
static struct source udp, tcp, accepted;
static unsigned asked_udp, asked_tcp;

static struct err *udp_ready(struct source *s, uint32_t events UNUSED)
{
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	uint8_t msg[512];
	ssize_t n = recvfrom(s->fd, msg, sizeof(msg), 0, (struct sockaddr *)&from, &len);

	asked_udp++;
	dns_make_error(msg, DNS_REFUSED);
	sendto(s->fd, msg, (size_t)n, 0, (struct sockaddr *)&from, len);
	return NULL;
}

static struct err *accepted_ready(struct source *s, uint32_t events UNUSED)
{
	static uint8_t msg[2 + RESOLVER_BYTES];
	ssize_t n = recv(s->fd, msg, sizeof(msg), 0);

	if (n == sizeof(x)) {
		asked_tcp++;
		dns_make_error(msg + 2, DNS_NOERROR);
		msg[0] = RESOLVER_BYTES >> 8;
		msg[1] = RESOLVER_BYTES & 0xff;
		/* in two parts */
		ok(send(s->fd, msg, 1000, 0) == 1000 &&
			   send(s->fd, msg + 1000, sizeof(msg) - 1000, 0) == sizeof(msg) - 1000,
		   "the resolver answers");
	} else {
		loop_del_close(&loop, s);
	}
	return NULL;
}

static struct err *tcp_ready(struct source *s, uint32_t events UNUSED)
{
	accepted = (struct source){ .fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC),
				    .ready = accepted_ready };
	return loop_add(&loop, &accepted, EPOLLIN);
}

static int listener(int family, const void *addr, socklen_t len, int type)
{
	int fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (bind(fd, addr, len) < 0 || (type == SOCK_STREAM && listen(fd, 16) < 0))
		return -1;
	return fd;
}

static int client(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	is_int(connect(fd, (void *)&address, sizeof(address)), 0, "connected");
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

/* LEN bytes from FD, running the loop meanwhile; fewer at the end of input. */
static size_t receive(int fd, uint8_t *buf, size_t len)
{
	int64_t end = time_mono_ms() + PATIENCE_MS;
	size_t at = 0;

	while (at < len && time_mono_ms() < end) {
		ssize_t n = recv(fd, buf + at, len - at, 0);

		if (n == 0)
			break;
		if (n > 0)
			at += (size_t)n;
		else if (errno != EAGAIN)
			break;
		err_free(loop_once(&loop, 10));
	}
	return at;
}

static void say(int fd, const void *data, size_t len)
{
	is_int(send(fd, data, len, MSG_NOSIGNAL), (ssize_t)len, "said");
}

static void test_queries(void)
{
	static uint8_t buf[4 + 62 + RESOLVER_BYTES];
	int fd = client();

	for (size_t i = 0; i < sizeof(db); i++) {
		say(fd, db + i, 1);
		err_free(loop_once(&loop, 0));
	}
	is_int(receive(fd, buf, 2 + 36), 38, "an answer to a query in pieces");
	is_int(buf[1], 36, "its length");
	ok(memcmp(buf + 34, ((uint8_t[]){ 10, 0, 2, 100 }), 4) == 0, "the address");
	say(fd, x, sizeof(x));
	say(fd, db, sizeof(db));
	say(fd, x, sizeof(x) - 3);
	shutdown(fd, SHUT_WR);
	is_int(receive(fd, buf, sizeof(buf)), 38 + 2 + RESOLVER_BYTES,
	       "two, also after the end of input; not half a one");
	is_int(buf[3], 1, "the one that is known here comes first");
	is_int(buf[38 + 3], 2, "then that of the resolver");
	is_int(asked_tcp, 1, "who was asked over TCP");
	is_int(asked_udp, 0, "alone");
	close(fd);
}

static void test_bad(void)
{
	uint8_t buf[64];
	const uint8_t silly[] = { 0xff, 0xff, 0, 1, 1, 0, 0, 1 };
	const uint8_t answer[] = { 0, 20, 0, 1, 0x81, 0, 0, 1 };
	int fd = client(), fds[NAMESERVER_CONNS + 1];

	say(fd, silly, sizeof(silly));
	is_int(receive(fd, buf, sizeof(buf)), 0, "too long a query ends the connection");
	close(fd);
	fd = client();
	say(fd, answer, sizeof(answer));
	is_int(receive(fd, buf, sizeof(buf)), 0, "an answer ends it");
	close(fd);
	for (int i = 0; i <= NAMESERVER_CONNS; i++) {
		fds[i] = client();
		err_free(loop_once(&loop, PATIENCE_MS));
	}
	is_int(receive(fds[0], buf, sizeof(buf)), 0, "the idlest has made room");
	say(fds[1], db, sizeof(db));
	is_int(receive(fds[1], buf, 38), 38, "others are there");
	for (int i = 0; i <= NAMESERVER_CONNS; i++)
		close(fds[i]);
	err_free(loop_once(&loop, 0));
}

static void run(const char *path)
{
	static const char *const list[] = { "db", NULL };
	struct sockaddr_in here = { .sin_family = AF_INET,
				    .sin_port = htons(53),
				    .sin_addr = { htonl(INADDR_LOOPBACK) } };
	struct names_cfg cfg = { .network = "net" };
	struct names *names;

	net_addrs_default(&cfg.addrs);
	names = names_new(&cfg);
	names_add(names, &(struct names_member){ .id = "1", .names = list, .ip = cfg.addrs.ip });
	udp = (struct source){ .fd = listener(AF_INET, &here, sizeof(here), SOCK_DGRAM),
			       .ready = udp_ready };
	tcp = (struct source){ .fd = listener(AF_INET, &here, sizeof(here), SOCK_STREAM),
			       .ready = tcp_ready };
	is_err(loop_add(&loop, &udp, EPOLLIN), NULL, "a resolver");
	is_err(loop_add(&loop, &tcp, EPOLLIN), NULL, "over TCP, too");
	is_err(nameserver_new(&loop, names, path, &server), NULL, "a name server");
	is_err(nameserver_listen(server, listener(AF_UNIX, &address, sizeof(address), SOCK_STREAM)),
	       NULL, "listens");
	test_queries();
	test_bad();
	nameserver_free(server);
	err_free(loop_once(&loop, 0));
	loop_del_close(&loop, &udp);
	loop_del_close(&loop, &tcp);
	names_free(names);
}

int main(void)
{
	char dir[] = "/tmp/test_nameserver.XXXXXX";
	_cleanup_free_ char *path = NULL;
	int fd;

	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0) {
		ok(true, "skipped: no user namespaces here");
		return done_testing();
	}
	is_err(netns_setup(NULL, 0, NULL, NULL), NULL, "lo is up");
	ok(mkdtemp(dir) != NULL, "a directory");
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	path = xasprintf("%s/resolv.conf", dir);
	is_err(fd_write_atomic(fd, "resolv.conf", "nameserver 127.0.0.1\n", 21, 0644, false), NULL,
	       "resolv.conf");
	is_err(loop_init(&loop), NULL, "a loop");
	run(path);
	loop_done(&loop);
	unlink(path);
	rmdir(dir);
	return done_testing();
}
