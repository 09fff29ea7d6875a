/* cmd/composebranch.c -- devbox compose --branch: the project as the branch that is checked out has it, see stack.h. */
#include <stdio.h>

#include "cmd/compose.h"
#include "core/base/proc.h"

/* In the environment or in .env: as if --branch was always given. */
#define FOLLOW_VARIABLE "DEVBOX_COMPOSE_BRANCH"

bool opt_compose_branch;

enum wish { WISH_NO, WISH_YES, WISH_AS_BEFORE };

static enum wish wish(const struct project *p)
{
	const char *value = strv_env(&p->env, FOLLOW_VARIABLE);

	if (opt_compose_branch)
		return WISH_YES;
	if (value && *value)
		return strcmp(value, "0") && strcmp(value, "false") ? WISH_YES : WISH_NO;
	return compose_project_opts.name ? WISH_NO : WISH_AS_BEFORE; /* -p means that one */
}

/* It was brought up so: then it stays so until nothing is left of it. */
static struct err *followed_before(struct store **st, const struct project *p, bool *ret)
{
	struct err *e = store_open(st);

	if (!e)
		return stack_is_known(*st, p->directory, p->name, ret);
	err_free(e); /* whoever needs the store tells; `config` does not */
	*ret = false;
	return NULL;
}

struct err *compose_enter_branch(const struct project *p, bool make, struct store **st,
				 struct stack_place *ret, bool *ret_follows)
{
	enum wish w = wish(p);
	bool follows = w == WISH_YES;
	struct err *e = NULL;

	*ret_follows = false;
	if (w == WISH_AS_BEFORE)
		e = followed_before(st, p, &follows);
	else if (follows)
		e = store_open(st);
	if (e || !follows)
		return e;
	e = stack_enter(*st, p->directory, make, ret);
	if (err_is(e, ENOENT)) {
		err_free(e);
		e = err_hint(err_new(0, "--branch: %s is not in a git work tree", p->directory),
			     "git init makes it one");
	}
	if (e)
		return e;
	*ret_follows = true;
	compose_project_opts.suffix = ret->slug;
	compose_project_opts.address = *ret->address ? ret->address : NULL;
	return NULL;
}

/* "shop" of "shop-feature". */
static char *base_name(const struct session *s)
{
	return xstrndup(s->name, strlen(s->name) - strlen(s->place.slug) - 1);
}

static void collect_ports(const struct session *s, struct stack *to)
{
	for (size_t i = 0; i < s->a.n; i++) {
		const struct ports *ports = &s->a.v[i].box->spec.ports;

		if (s->a.v[i].oneoff || s->a.v[i].number > 1)
			continue;
		for (size_t k = 0; k < ports->n; k++) {
			const struct port *p = &ports->v[k];

			if (p->proto == PORT_TCP && !strcmp(p->ip, s->place.address))
				for (unsigned n = 0; p->host && p->host + n <= p->host_last; n++)
					stack_add_port(to, s->a.v[i].service, (uint16_t)(p->host + n),
						       (uint16_t)(p->ctr + n));
		}
	}
}

static struct err *record(struct session *s, bool up, struct stack *ports)
{
	_cleanup_free_ char *base = base_name(s);
	_cleanup_strv_ struct strv notes = { 0 };
	struct err *e = stack_is(s->st, &s->place, base, up, ports, &notes);

	for (size_t i = 0; i < notes.n; i++)
		fprintf(stderr, "%s: %s\n", prog(), notes.v[i]);
	return e;
}

struct err *compose_branch_up(struct session *s)
{
	struct stack ports = { 0 };
	struct err *e;

	if (!s->c.place || compose_dry_run)
		return NULL;
	collect_ports(s, &ports);
	tasks_done(&s->tasks);
	fprintf(stderr, "branch %s of %s\n", s->place.branch, s->name);
	for (size_t i = 0; i < ports.n_ports; i++)
		fprintf(stderr, "  %-12s %s:%u  (%s.%s.localhost), and for what is checked out %s:%u\n",
			ports.ports[i].service, s->place.address, ports.ports[i].host,
			s->place.slug, s->place.id, s->place.stable, ports.ports[i].host);
	e = record(s, true, &ports);
	stack_drop_ports(&ports);
	return e;
}

struct err *compose_branch_down(struct session *s)
{
	return s->c.place && !compose_dry_run ? record(s, false, NULL) : NULL;
}
