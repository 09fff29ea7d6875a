#include "slirp/outgoing.h"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include "core/base/fd.h"
#include "core/base/str.h"
#include "slirp/relay.h"

enum { SYN_MAX = 14 + 60 + 60 };

/* The relay:
 *
 *	UNKNOWN -- the first SYN: ask() --> ASKED -- outgoing_channel() --> THERE or NONE
 *	   ^                                                                 |
 *	   +------------- the channel ends, with the relay ------------------+
 */
enum state { UNKNOWN, ASKED, THERE, NONE };

/* A connection that is being made. */
struct wish {
	struct source src; /* the socket outside */
	struct outgoing *o;
	struct wish *next;
	struct relay_outgoing who;
	bool connected; /* and waits for the channel */
	size_t len;
	uint8_t syn[SYN_MAX];
};

struct outgoing {
	struct loop *loop;
	struct outgoing_cfg cfg;
	enum state state;
	struct source channel;
	struct wish *wishes;
	size_t n_wishes;
};

struct outgoing *outgoing_new(struct loop *loop, const struct outgoing_cfg *cfg)
{
	struct outgoing *o = xcalloc(1, sizeof(*o));

	o->loop = loop;
	o->cfg = *cfg;
	o->channel.fd = -1;
	return o;
}

bool outgoing_begins(const struct frame_info *info)
{
	return (info->tcp_flags & (TH_SYN | TH_ACK | TH_RST)) == TH_SYN;
}

static void wish_release(struct source *s)
{
	free(container_of(s, struct wish, src));
}

static void wish_end(struct wish *w)
{
	struct outgoing *o = w->o;
	struct wish **at = &o->wishes;

	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	o->n_wishes--;
	w->src.release = wish_release;
	loop_del_close(o->loop, &w->src);
}

static void channel_lost(struct outgoing *o)
{
	o->state = UNKNOWN;
	loop_del_close(o->loop, &o->channel);
}

/* Without a channel nobody is left waiting: TCP asks again in a second, and gets what is there then. */
static void settle(struct outgoing *o)
{
	while (o->state != THERE && o->state != ASKED && o->wishes)
		wish_end(o->wishes);
}

/* The relay never speaks on it: this is its end. */
static struct err *channel_ready(struct source *s, uint32_t events UNUSED)
{
	struct outgoing *o = container_of(s, struct outgoing, channel);

	channel_lost(o);
	settle(o);
	return NULL;
}

static void give(struct outgoing *o, const struct relay_outgoing *who, int fd)
{
	struct err *e = fd_send(o->channel.fd, who, sizeof(*who), &fd, 1);

	if (e && !err_is(e, EAGAIN))
		channel_lost(o);
	err_free(e); /* or the relay is busy: TCP asks again */
}

static void hand_over(struct wish *w)
{
	give(w->o, &w->who, w->src.fd);
	wish_end(w);
}

void outgoing_channel(struct outgoing *o, int fd)
{
	struct err *e = NULL;

	if (o->state != ASKED) { /* nobody asked */
		if (fd >= 0)
			close(fd);
		return;
	}
	o->state = fd >= 0 ? THERE : NONE;
	if (fd >= 0) {
		o->channel.fd = fd;
		o->channel.ready = channel_ready;
		e = loop_add(o->loop, &o->channel, EPOLLIN);
	}
	if (e)
		channel_lost(o);
	err_free(e); /* no memory in the kernel: the next connection asks again */
	for (struct wish *w = o->wishes, *next; w; w = next) {
		next = w->next;
		if (o->state == THERE && w->connected)
			hand_over(w);
	}
	settle(o);
}

static struct err *wish_ready(struct source *s, uint32_t events UNUSED)
{
	struct wish *w = container_of(s, struct wish, src);
	struct outgoing *o = w->o;
	struct epoll_event none = { 0 };
	int failed = 0;
	socklen_t len = sizeof(failed);

	getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &failed, &len);
	if (failed) {
		if (failed == ECONNREFUSED)
			o->cfg.refuse(o->cfg.arg, w->syn, w->len);
		else
			o->cfg.stack(o->cfg.arg, w->syn, w->len);
		wish_end(w);
		return NULL;
	}
	w->connected = true;
	if (o->state == THERE)
		hand_over(w);
	else
		epoll_ctl(o->loop->epfd, EPOLL_CTL_DEL, s->fd, &none);
	settle(o);
	return NULL;
}

static union relay_peer {
	struct sockaddr sa;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
} outside(const struct outgoing *o, const struct relay_outgoing *who)
{
	const struct net_addrs *a = o->cfg.addrs;
	union relay_peer to = { 0 };

	if (who->v6) {
		to.v6.sin6_family = AF_INET6;
		to.v6.sin6_port = htons(who->server_port);
		memcpy(&to.v6.sin6_addr, who->server, sizeof(to.v6.sin6_addr));
		if (IN6_ARE_ADDR_EQUAL(&to.v6.sin6_addr, &a->gateway6))
			to.v6.sin6_addr = in6addr_loopback;
	} else {
		to.v4.sin_family = AF_INET;
		to.v4.sin_port = htons(who->server_port);
		memcpy(&to.v4.sin_addr, who->server, sizeof(to.v4.sin_addr));
		if (to.v4.sin_addr.s_addr == a->gateway.s_addr)
			to.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	}
	return to;
}

/* Returns 0 when FD is connected, EINPROGRESS, or why not. */
static int connect_now(int fd, const union relay_peer *to)
{
	socklen_t len = to->sa.sa_family == AF_INET6 ? sizeof(to->v6) : sizeof(to->v4);

	if (connect(fd, &to->sa, len) == 0)
		return 0;
	/* Over lo the handshake is done within the call, only not seen by it: ask once more. */
	if (errno == EINPROGRESS && connect(fd, &to->sa, len) == 0)
		return 0;
	return errno == EALREADY ? EINPROGRESS : errno;
}

static bool wish_add(struct outgoing *o, const struct relay_outgoing *who, int fd, bool connected,
		     const uint8_t *syn, size_t len)
{
	struct wish *w = xcalloc(1, sizeof(*w));
	struct err *e = NULL;

	w->src = (struct source){ .fd = fd, .ready = wish_ready };
	w->o = o;
	w->who = *who;
	w->connected = connected;
	w->len = len;
	memcpy(w->syn, syn, len);
	if (!connected)
		e = loop_add(o->loop, &w->src, EPOLLOUT);
	if (e) {
		err_free(e); /* no memory in the kernel */
		free(w);
		return false;
	}
	w->next = o->wishes;
	o->wishes = w;
	o->n_wishes++;
	return true;
}

static enum outgoing_verdict start(struct outgoing *o, const struct relay_outgoing *who,
				   const uint8_t *syn, size_t len)
{
	union relay_peer to = outside(o, who);
	_cleanup_close_ int fd = socket(to.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int one = 1, failed;

	if (fd < 0)
		return OUTGOING_STACK;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)); /* small writes were small for a reason */
	failed = connect_now(fd, &to);
	if (failed == ECONNREFUSED) {
		o->cfg.refuse(o->cfg.arg, syn, len);
		return OUTGOING_TAKEN;
	}
	if (failed && failed != EINPROGRESS)
		return OUTGOING_STACK;
	if (!failed && o->state == THERE) {
		give(o, who, fd);
		settle(o);
		return OUTGOING_TAKEN;
	}
	if (!wish_add(o, who, fd, !failed, syn, len))
		return OUTGOING_STACK;
	fd = -1;
	if (o->state == UNKNOWN) {
		o->state = ASKED;
		o->cfg.ask(o->cfg.arg);
	}
	return OUTGOING_TAKEN;
}

static bool same(const struct relay_outgoing *a, const struct relay_outgoing *b)
{
	return a->client_port == b->client_port && a->server_port == b->server_port &&
	       a->v6 == b->v6 && !memcmp(a->client, b->client, sizeof(a->client)) &&
	       !memcmp(a->server, b->server, sizeof(a->server));
}

enum outgoing_verdict outgoing_tcp(struct outgoing *o, const struct frame_info *info,
				   const uint8_t *frame, size_t len)
{
	struct relay_outgoing who = { .v6 = info->v6,
				      .client_port = info->src_port,
				      .server_port = info->port };
	size_t ip_len = info->v6 ? 16 : 4;

	if (o->state == NONE)
		return OUTGOING_STACK;
	if (!outgoing_begins(info))
		return OUTGOING_BACK;
	if (len > SYN_MAX) /* with data: it is sent again without */
		return OUTGOING_TAKEN;
	memcpy(who.client, info->src, ip_len);
	memcpy(who.server, info->dst, ip_len);
	for (const struct wish *w = o->wishes; w; w = w->next) {
		if (same(&w->who, &who))
			return OUTGOING_TAKEN; /* asked again out of impatience */
	}
	if (o->n_wishes >= OUTGOING_MAX)
		return OUTGOING_TAKEN;
	return start(o, &who, frame, len);
}

static void outgoing_release(struct source *s)
{
	free(container_of(s, struct outgoing, channel));
}

void outgoing_free(struct outgoing *o)
{
	if (!o)
		return;
	while (o->wishes)
		wish_end(o->wishes);
	if (o->channel.fd < 0) {
		free(o);
		return;
	}
	o->channel.release = outgoing_release;
	loop_del_close(o->loop, &o->channel);
}
