/* The list of networks a container is on, see spec.h. */
#include "core/box/spec.h"

struct net_want *net_wants_find(const struct net_wants *l, const char *name)
{
	for (size_t i = 0; i < l->n; i++)
		if (str_eq(l->v[i].name, name))
			return &l->v[i];
	return NULL;
}

struct net_want *net_wants_add(struct net_wants *l, const char *name)
{
	struct net_want *w = net_wants_find(l, name);

	if (w)
		return w;
	l->v = xgrow(l->v, l->n, &l->cap, sizeof(*l->v));
	w = &l->v[l->n++];
	*w = (struct net_want){ .name = xstrdup(name) };
	return w;
}

static void want_done(struct net_want *w)
{
	free(w->name);
	free(w->ip);
	free(w->ip6);
	free(w->mac);
	strv_done(&w->aliases);
}

void net_wants_remove(struct net_wants *l, const char *name)
{
	struct net_want *w = net_wants_find(l, name);

	if (!w)
		return;
	want_done(w);
	l->n--;
	memmove(w, w + 1, (size_t)(l->v + l->n - w) * sizeof(*w));
}

void net_wants_copy(struct net_wants *to, const struct net_wants *from)
{
	for (size_t i = 0; i < from->n; i++) {
		const struct net_want *f = &from->v[i];
		struct net_want *w;

		to->v = xgrow(to->v, to->n, &to->cap, sizeof(*to->v));
		w = &to->v[to->n++];
		*w = (struct net_want){ .name = xstrdup(f->name),
					.ip = xstrdup(f->ip),
					.ip6 = xstrdup(f->ip6),
					.mac = xstrdup(f->mac) };
		strv_copy(&w->aliases, &f->aliases);
	}
}

void net_wants_done(struct net_wants *l)
{
	for (size_t i = 0; i < l->n; i++)
		want_done(&l->v[i]);
	free(l->v);
	*l = (struct net_wants){ 0 };
}
