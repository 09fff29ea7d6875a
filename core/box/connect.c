/* Other networks for a container that is there: they are written into its record; a running container's monitor takes
 * them from there. */
#include "core/box/box.h"

#include "core/base/fd.h"
#include "core/box/control.h"
#include "core/box/links.h"
#include "core/box/netresolve.h"
#include "core/box/record.h"
#include "core/box/state.h"
#include "core/store/network.h"

struct change {
	const struct net_want *want;
	const struct strv *links;
};

static struct err *add(UNUSED struct box *b, struct spec *s, void *arg)
{
	const struct change *c = arg;
	const struct net_want *want = c->want;
	const struct strv *links = c->links;
	struct net_wants one = { .v = (struct net_want *)want, .n = 1 };

	if (net_wants_find(&s->nets, want->name))
		return err_new(0, "endpoint with name %s already exists in network %s", s->name,
			       want->name);
	net_wants_copy(&s->nets, &one);
	for (size_t i = 0; i < links->n; i++)
		if (!strv_has(&s->links, links->v[i]))
			strv_add(&s->links, links->v[i]);
	return NULL;
}

static struct err *take(UNUSED struct box *b, struct spec *s, void *arg)
{
	const struct net_want *want = arg;

	if (!net_wants_find(&s->nets, want->name))
		return err_new(0, "container %s is not connected to network %s", s->id, want->name);
	net_wants_remove(&s->nets, want->name);
	return NULL;
}

struct err *box_tell(struct box *b, enum ctl_type what)
{
	_cleanup_close_ int sock = -1;
	struct ctl_msg msg = { 0 };
	size_t len = 0;
	struct err *e = ctl_connect(b->dir, &sock);

	if (err_is(e, ECONNREFUSED) || err_is(e, ENOENT)) { /* it does not run: the next start reads the record */
		err_free(e);
		return NULL;
	}
	e = e ?: ctl_send(sock, what, 0, NULL, 0, -1);
	e = e ?: ctl_recv(sock, &msg, &len, NULL);
	if (!e && msg.type == CTL_FAIL)
		e = err_recv(msg.data, len);
	if (!e && msg.type == CTL_OK && len && len < CTL_DATA_MAX) {
		msg.data[len] = '\0';
		strv_add(&b->notes, msg.data);
	}
	return e;
}

static struct err *has_own(const struct box *b)
{
	return b->spec.net == NET_DEFAULT
		       ? NULL
		       : err_new(0, "container %s uses the network mode %s: it cannot be on other networks",
				 b->spec.name, net_mode_names[b->spec.net]);
}

struct err *box_connect(struct box *b, const struct net_want *want, const struct strv *links)
{
	_cleanup_strv_ struct strv found = { 0 };
	struct net_wants one = { 0 };
	struct net_wants source = { .v = (struct net_want *)want, .n = 1 };
	struct err *e = has_own(b), *back;

	if (e)
		return e;
	net_wants_copy(&one, &source);
	e = net_want_check(b->st, one.v);
	e = e ?: links_resolve(b->st, links, strcmp(one.v->name, NETWORK_DEFAULT) != 0, &found);
	e = e ?: record_change(b, add, &(struct change){ one.v, &found });
	if (!e) {
		e = box_tell(b, CTL_NETWORKS);
		if (e) { /* it is not on it: nor shall the record say so */
			back = record_change(b, take, one.v);
			err_free(back); /* the first error counts */
		}
	}
	net_wants_done(&one);
	return e;
}

struct err *box_disconnect(struct box *b, const char *network)
{
	_cleanup_network_ struct network n = { 0 };
	struct net_want want = { 0 };
	struct err *e = has_own(b);

	e = e ?: network_get(b->st, network, &n);
	if (e)
		return e;
	want.name = n.name;
	e = record_change(b, take, &want);
	e = e ?: box_tell(b, CTL_NETWORKS);
	if (!e)
		lease_drop(b->st, want.name, b->spec.id); /* of one that does not run */
	return e;
}
