/* The name server against resolvers of this test, in a network namespace of its own (port 53 is free there). */
#include "slirp/dns.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/socket.h>

#include "core/base/fd.h"
#include "slirp/dns_msg.h"
#include "slirp/netns.h"

#include "tests/lib/tap.h"

static const uint8_t query[] = { 0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 'x', 0, 0, 1, 0, 1 };
enum { PATIENCE_MS = 10000 };

/* A resolver that answers with RCODE, or is silent (RCODE < 0). */
struct resolver {
	struct source src;
	int rcode;
	unsigned asked;
};

static struct loop loop;
static struct dns *dns;
static int replies, last_rcode, last_len;
static uint16_t last_id;

static struct err *resolver_ready(struct source *s, uint32_t events UNUSED)
{
	struct resolver *r = container_of(s, struct resolver, src);
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	uint8_t msg[512];
	ssize_t n = recvfrom(s->fd, msg, sizeof(msg), 0, (struct sockaddr *)&from, &len);

	if (n < 0)
		return err_new(errno, "receiving a query");
	r->asked++;
	if (r->rcode < 0)
		return NULL;
	dns_make_error(msg, (enum dns_rcode)r->rcode);
	sendto(s->fd, msg, (size_t)n, 0, (struct sockaddr *)&from, len);
	return NULL;
}

static bool resolver_start(struct resolver *r, const char *ip, int rcode)
{
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(53) };
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(53) };
	bool is6 = inet_pton(AF_INET6, ip, &v6.sin6_addr) == 1;
	struct err *e;

	inet_pton(AF_INET, ip, &v4.sin_addr);
	*r = (struct resolver){ .src = { .fd = socket(is6 ? AF_INET6 : AF_INET,
						      SOCK_DGRAM | SOCK_CLOEXEC, 0),
					 .ready = resolver_ready },
				.rcode = rcode };
	if (bind(r->src.fd, is6 ? (void *)&v6 : (void *)&v4, is6 ? sizeof(v6) : sizeof(v4)) < 0)
		return false;
	e = loop_add(&loop, &r->src, EPOLLIN);
	err_free(e);
	return !e;
}

static void on_reply(void *arg, const uint8_t client[DNS_CLIENT_MAX], const uint8_t *msg, size_t len)
{
	ok(arg == &loop && client[0] == 7, "the answer is for who asked");
	replies++;
	last_rcode = (int)dns_rcode(msg);
	last_id = dns_id(msg);
	last_len = (int)len;
}

/* Ask, wait for the answer, and return its rcode. */
static int ask(void)
{
	struct dns_client client = { .reply = on_reply, .arg = &loop, .key = { 7 }, .who = 1 };

	replies = 0;
	last_rcode = -1;
	ok(dns_query(dns, &client, query, sizeof(query)), "an answer will come");
	for (int i = 0; !replies && i < 100; i++)
		is_err(loop_once(&loop, PATIENCE_MS), NULL, "waiting");
	return last_rcode;
}

static void conf(int dir, const char *text)
{
	is_err(fd_write_atomic(dir, "resolv.conf", text, strlen(text), 0644, false), NULL,
	       "resolv.conf is written");
}

/* Ask twice; how often it was accepted. */
static int flood(uint32_t who, unsigned i)
{
	struct dns_client client = {
		.reply = on_reply, .arg = &loop, .key = { 7, (uint8_t)i, (uint8_t)(i >> 8) }, .who = who
	};
	int accepted = dns_query(dns, &client, query, sizeof(query));

	accepted += dns_query(dns, &client, query, sizeof(query));
	err_free(loop_once(&loop, 0));
	return accepted;
}

static void test_servers(int dir)
{
	struct resolver good, six, silent, failing;
	int accepted = 0;

	ok(resolver_start(&good, "127.0.0.1", DNS_NXDOMAIN) && resolver_start(&six, "::1", DNS_NOERROR) &&
		   resolver_start(&silent, "127.0.0.3", -1) &&
		   resolver_start(&failing, "127.0.0.4", DNS_SERVFAIL),
	   "resolvers run");
	conf(dir, "nameserver 127.0.0.1\n");
	is_int(ask(), DNS_NXDOMAIN, "the answer comes");
	is_int(last_id, 0x1234, "with the id of the question");
	is_int(last_len, sizeof(query), "as it is");
	conf(dir, "nameserver ::1\n");
	is_int(ask(), DNS_NOERROR, "a change counts at once, IPv6 as well");
	conf(dir, "# nothing\n");
	is_int(ask(), DNS_NXDOMAIN, "no server: the local one");
	conf(dir, "nameserver 127.0.0.9\nnameserver ::1\n");
	is_int(ask(), DNS_NOERROR, "nobody there: the next");
	conf(dir, "nameserver 127.0.0.4\nnameserver 127.0.0.1\n");
	is_int(ask(), DNS_NXDOMAIN, "an error: the next");
	conf(dir, "nameserver 127.0.0.4\n");
	is_int(ask(), DNS_SERVFAIL, "the only one's error is passed on");
	conf(dir, "nameserver 127.0.0.9\n");
	is_int(ask(), DNS_SERVFAIL, "nobody answers: the client is told");
	conf(dir, "nameserver 127.0.0.3\nnameserver ::1\n");
	is_int(ask(), DNS_NOERROR, "silence: the next");
	is_int(silent.asked, 1, "the silent one was asked");
	is_int(ask(), DNS_NOERROR, "again");
	is_int(silent.asked, 1, "but not asked first again");
	conf(dir, "nameserver 127.0.0.3\n");
	for (unsigned i = 0; i < DNS_PENDING_MAX + 10; i++)
		accepted += flood(1, i);
	is_int(accepted, DNS_PENDING_EACH,
	       "a flood ends at the limit of a client, a repetition is dropped");
	for (unsigned i = 0; i < DNS_PENDING_MAX; i++)
		accepted += flood(2 + i / 32, i);
	is_int(accepted, DNS_PENDING_MAX, "that of many ends at the limit of all");
	while (silent.asked < DNS_PENDING_MAX + 1 && loop_once(&loop, PATIENCE_MS) == NULL)
		;
	is_int(silent.asked, DNS_PENDING_MAX + 1, "so many were passed on");
	loop_del_close(&loop, &good.src);
	loop_del_close(&loop, &six.src);
	loop_del_close(&loop, &silent.src);
	loop_del_close(&loop, &failing.src);
}

int main(void)
{
	char dir[] = "/tmp/test_dns.XXXXXX";
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
	is_err(loop_init(&loop), NULL, "a loop");
	is_err(dns_new(&loop, path, &dns), NULL, "a name server");
	test_servers(fd);
	dns_free(dns);
	err_free(loop_once(&loop, 0));
	loop_done(&loop);
	unlink(path);
	rmdir(dir);
	return done_testing();
}
