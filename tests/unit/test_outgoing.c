/* Connections made outside and handed over, in a network namespace of its own: the world is its loopback. */
#include "slirp/outgoing.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/socket.h>

#include "core/base/fd.h"
#include "slirp/netns.h"
#include "slirp/relay.h"

#include "tests/lib/tap.h"

enum { PATIENCE_MS = 5000, FRAME_LEN = 14 + 20 + 20, CLIENT_PORT = 4000 };

static struct loop loop;
static struct net_addrs addrs;
static unsigned asked, refused, to_stack;
static uint16_t server_port;

static void ask(void *arg UNUSED)
{
	asked++;
}

static void refuse(void *arg UNUSED, const uint8_t *frame, size_t len)
{
	refused++;
	ok(len == FRAME_LEN && frame[23] == IPPROTO_TCP, "the frame is the one that asked");
}

static void stack(void *arg UNUSED, const uint8_t *frame UNUSED, size_t len UNUSED)
{
	to_stack++;
}

/* A segment from the container to the gateway's PORT. */
static enum outgoing_verdict say(struct outgoing *o, uint16_t client, uint16_t port, uint8_t flags)
{
	uint8_t frame[FRAME_LEN] = { 0 };
	struct frame_info info;

	frame[12] = 8;
	frame[14] = 0x45;
	frame[17] = FRAME_LEN - 14;
	frame[22] = 64;
	frame[23] = IPPROTO_TCP;
	memcpy(frame + 26, &addrs.ip, 4);
	memcpy(frame + 30, &addrs.gateway, 4);
	frame[34] = (uint8_t)(client >> 8);
	frame[35] = (uint8_t)client;
	frame[36] = (uint8_t)(port >> 8);
	frame[37] = (uint8_t)port;
	frame[46] = 0x50;
	frame[47] = flags;
	ok(frame_look(frame, sizeof(frame), &info) && info.tcp_flags == flags &&
		   info.src_port == client && info.port == port,
	   "the frame is understood");
	return outgoing_tcp(o, &info, frame, sizeof(frame));
}

static void run_once(void)
{
	is_err(loop_once(&loop, PATIENCE_MS), NULL, "waiting");
}

static int listen_somewhere(void)
{
	struct sockaddr_in here = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(here);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ok(bind(fd, (void *)&here, len) == 0 && listen(fd, 8) == 0 &&
		   getsockname(fd, (void *)&here, &len) == 0,
	   "a server");
	server_port = ntohs(here.sin_port);
	return fd;
}

static void expect_handed(int channel, uint16_t client)
{
	struct relay_outgoing who;
	size_t len = 0, n = 1;
	int fd = -1;

	is_err(fd_recv(channel, &who, sizeof(who), &len, &fd, &n), NULL, "a message");
	is_int(len, sizeof(who), "a connection");
	ok(n == 1 && !who.v6 && who.client_port == client && who.server_port == server_port &&
		   !memcmp(who.client, &addrs.ip, 4) && !memcmp(who.server, &addrs.gateway, 4),
	   "for who asked, from whom was asked");
	close(fd);
}

static void test_way(struct outgoing *o)
{
	int server = listen_somewhere(), channel[2];

	is_err(fd_socketpair(SOCK_SEQPACKET, channel), NULL, "a channel");
	is_int(say(o, CLIENT_PORT, server_port, TH_ACK), OUTGOING_BACK, "of no connection that begins");
	is_int(asked, 0, "nothing is asked for that");
	is_int(say(o, CLIENT_PORT, server_port, TH_SYN), OUTGOING_TAKEN, "a connection begins");
	is_int(asked, 1, "a relay is asked for");
	is_int(say(o, CLIENT_PORT, server_port, TH_SYN), OUTGOING_TAKEN, "again, out of impatience");
	is_int(say(o, CLIENT_PORT + 1, server_port, TH_SYN), OUTGOING_TAKEN, "another one");
	err_free(loop_once(&loop, 0));
	outgoing_channel(o, channel[0]);
	expect_handed(channel[1], CLIENT_PORT + 1);
	expect_handed(channel[1], CLIENT_PORT);
	is_int(recv(channel[1], &server_port, 1, MSG_DONTWAIT), -1, "no more than these");
	is_int(say(o, CLIENT_PORT + 2, server_port, TH_SYN), OUTGOING_TAKEN, "with the channel there");
	err_free(loop_once(&loop, 0));
	expect_handed(channel[1], CLIENT_PORT + 2);
	is_int(say(o, CLIENT_PORT + 2, server_port, TH_SYN | TH_ACK), OUTGOING_BACK,
	       "its answer goes back");
	close(server);
	is_int(say(o, CLIENT_PORT + 3, server_port, TH_SYN), OUTGOING_TAKEN, "nobody there");
	err_free(loop_once(&loop, 0));
	is_int(refused, 1, "is refused");
	close(channel[1]);
	run_once();
	server = listen_somewhere();
	is_int(say(o, CLIENT_PORT + 4, server_port, TH_SYN), OUTGOING_TAKEN, "the relay has ended");
	is_int(asked, 2, "the next one is asked for");
	outgoing_channel(o, -1);
	is_int(say(o, CLIENT_PORT + 4, server_port, TH_SYN), OUTGOING_STACK, "there is none");
	is_int(say(o, CLIENT_PORT + 4, server_port, TH_ACK), OUTGOING_STACK, "the stack has it all");
	is_int(asked, 2, "and nobody is asked any more");
	close(server);
}

static void test_limit(void)
{
	struct outgoing_cfg cfg = { &addrs, ask, refuse, stack, NULL };
	struct outgoing *o = outgoing_new(&loop, &cfg);
	int server = listen_somewhere();

	for (unsigned i = 0; i < OUTGOING_MAX + 10; i++) {
		if (say(o, (uint16_t)(CLIENT_PORT + i), server_port, TH_SYN) != OUTGOING_TAKEN)
			ok(false, "number %u", i);
	}
	outgoing_free(o);
	err_free(loop_once(&loop, 0));
	close(server);
}

int main(void)
{
	struct outgoing_cfg cfg = { &addrs, ask, refuse, stack, NULL };
	struct outgoing *o;

	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0) {
		ok(true, "skipped: no user namespaces here");
		return done_testing();
	}
	is_err(netns_setup(NULL, 0, NULL, NULL), NULL, "lo is up");
	net_addrs_default(&addrs);
	is_err(loop_init(&loop), NULL, "a loop");
	o = outgoing_new(&loop, &cfg);
	test_way(o);
	outgoing_free(o);
	err_free(loop_once(&loop, 0));
	test_limit();
	is_int(to_stack, 0, "nothing was unreachable");
	loop_done(&loop);
	return done_testing();
}
