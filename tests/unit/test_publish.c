/* Published ports: what lies in a UDP port's queue, and what becomes of it. */
#include "slirp/publish.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/lib/tap.h"

static void send_to(uint16_t port, const char *text)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (sendto(fd, text, strlen(text), 0, (struct sockaddr *)&to, sizeof(to)) < 0)
		abort();
	close(fd);
}

static void test_forget(void)
{
	struct ports want = { 0 };
	struct listeners l = { 0 };
	struct strv notes = { 0 };
	char buf[16] = "";
	size_t i = 0;

	is_err(port_parse("127.0.0.1::7000/udp", &want), NULL, "a UDP port");
	is_err(publish_open(&want, NULL, &l, &notes), NULL, "is published");
	while (i < l.n && l.v[i].proto != PORT_UDP)
		i++;
	ok(i < l.n, "there is its socket");
	for (int k = 0; k < 20; k++)
		send_to(l.v[i].host, "old");
	listeners_forget(&l);
	is_int(recv(l.v[i].fd, buf, sizeof(buf), MSG_DONTWAIT), -1,
	       "nothing is left of what came before");
	is_int(errno, EAGAIN, "it would wait");
	send_to(l.v[i].host, "new");
	is_int(recv(l.v[i].fd, buf, sizeof(buf) - 1, MSG_DONTWAIT), 3, "what comes afterwards is there");
	is_str(buf, "new", "as it was sent");
	listeners_done(&l);
	ports_done(&want);
	strv_done(&notes);
}

int main(void)
{
	test_forget();
	return done_testing();
}
