/* slirp/relay_priv.h -- what the parts of the relay share: relay.c (listeners, addresses, buffers), relay_tcp.c,
 * relay_udp.c.  Nobody else includes it. */
#ifndef SLIRP_RELAY_PRIV_H
#define SLIRP_RELAY_PRIV_H

#include <sys/socket.h>

#include "slirp/relay.h"

enum {
	RELAY_BUF_BYTES = 65536, /* one read; a connection that fills it is spliced */
	RELAY_PIPE_BYTES = 512 * 1024, /* measured: as good as 1 MiB, better than 256 KiB */
	RELAY_PIPES_MAX = 8,
	RELAY_TICK_MS = 1000,
};

union sock_addr {
	struct sockaddr sa;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};
socklen_t sock_addr_len(const union sock_addr *a);

/* Bytes on their way from a socket to a socket, which no copy is made of: splice(2). */
struct relay_pipe {
	int read_fd, write_fd;
	struct relay_pipe *next;
};

struct relay_listener {
	struct source src;
	struct relay *r;
	struct relay_listener *next;
	enum port_proto proto;
	uint16_t ctr;
	int family;
};

struct relay {
	struct loop *loop;
	struct relay_cfg cfg;
	struct relay_listener *listeners;
	struct timer tick; /* runs while something waits for it */
	bool ticking;
	bool paused; /* no descriptors left: nothing is accepted */
	int spare_fd; /* gives the connection that was accepted last its inner socket */
	uint8_t *buf; /* RELAY_BUF_BYTES, mapped: for use within one call */
	struct relay_pipe *pipes; /* free ones, empty */
	size_t n_pipes; /* with those that slow readers hold */
	bool no_pipes; /* none could be had: not tried again before the next tick */
	bool buf_used, pipes_used; /* since the last tick */
	size_t held_bytes; /* copies that slow readers hold */
	struct relay_conn *conns; /* every TCP connection */
	struct relay_udp *udp; /* NULL until the first UDP listener */
	struct relay_out *out; /* NULL until the first outgoing connection */
};

/* The buffer; its pages are given back a second or two after use. */
uint8_t *relay_buf(struct relay *r);
/* An empty pipe, or NULL: RELAY_PIPES_MAX are in use, or the user has too many (pipe-user-pages-soft). */
struct relay_pipe *relay_pipe_get(struct relay *r);
/* EMPTY: it can be used again. */
void relay_pipe_put(struct relay *r, struct relay_pipe *p, bool empty);
/* N bytes went to the container (IN) or came from it. */
void relay_count(struct relay *r, bool in, size_t n);
void relay_tick_start(struct relay *r);
void relay_pause(struct relay *r);
void relay_resume(struct relay *r);
/* Is ERRNUM one of "no more descriptors or memory for sockets at the moment"? */
bool relay_exhausted(int errnum);

/* How a peer appears inside: its own address, or the gateway for the host's loopback (and for link-local addresses,
 * which mean nothing on another link).  Keeps the port. */
union sock_addr relay_source(const struct relay *r, const union sock_addr *peer);
/* The gateway in IPv4 with the port of PEER. */
union sock_addr relay_source4(const struct relay *r, const union sock_addr *peer);
/* The container's address in FAMILY. */
union sock_addr relay_target(const struct relay *r, int family, uint16_t port);
/* A non-blocking socket of TYPE that may have, and has, the source address SRC; with ANY_PORT its port is chosen by the
 * kernel.  Returns -1 and errno. */
int relay_socket(struct relay *r, int type, const union sock_addr *src, bool any_port);
/* The same without an address yet. */
int relay_socket_open(struct relay *r, int family, int type);

/* relay_tcp.c */
struct err *relay_tcp_ready(struct source *s, uint32_t events); /* of a listener */

/* relay_out.c */
/* Prepare the namespace for connections of the container's address in O. */
struct err *relay_out_prepare(struct relay *r, const struct relay_outgoing *o) MUST_CHECK;
union sock_addr relay_out_addr(const struct relay_outgoing *o, bool server);
/* A socket that has the server's address.  Returns -1 and errno. */
int relay_out_socket(struct relay *r, const struct relay_outgoing *o);
/* From now on what the container sends on this connection does not leave the namespace; false if there are too many
 * like that.  And its end. */
bool relay_out_shorten(struct relay *r, const struct relay_outgoing *o);
void relay_out_unshorten(struct relay *r, const struct relay_outgoing *o);

/* relay_udp.c */
struct err *relay_udp_listen(struct relay *r, struct relay_listener *l) MUST_CHECK;
struct err *relay_udp_ready(struct source *s, uint32_t events);
/* Forget idle peers; returns whether any are left. */
bool relay_udp_expire(struct relay *r);

#endif
