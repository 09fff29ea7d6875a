/* core/compose/request_priv.h -- what the parts of request.c share. */
#ifndef CORE_COMPOSE_REQUEST_PRIV_H
#define CORE_COMPOSE_REQUEST_PRIV_H

#include "core/compose/request.h"

/* What the functions there work on. */
struct maker {
	struct project *p;
	const struct service *s;
	const struct request_opts *o;
	struct store *st;
	struct run_request *req;
};

#define BAD(node, ...) pos_err(&(node)->pos, __VA_ARGS__)

static inline const struct node *get(const struct maker *m, const char *key)
{
	return node_get(m->s->node, key);
}

/* request_mounts.c: volumes, tmpfs, secrets, configs, devices, volumes_from. */
struct err *request_mounts(const struct maker *m) MUST_CHECK;
/* Those among them that no machine of this kind can have. */
struct err *request_mounts_check(const struct maker *m) MUST_CHECK;

#endif
