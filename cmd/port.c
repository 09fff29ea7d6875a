/* cmd/port.c -- devbox port CONTAINER [PRIVATE_PORT[/PROTO]] */
#include <stdio.h>

#include "cmd/verb.h"

static void print_port(const struct port *p, bool with_container)
{
	_cleanup_str_ struct str s = { 0 };

	if (with_container)
		str_addf(&s, "%u/%s -> ", p->ctr, port_proto_names[p->proto]);
	port_host_text(p->ip, p->host, &s);
	puts(s.s);
}

static struct err *port(UNUSED struct call *c, int argc, char **argv)
{
	_cleanup_store_ struct store *st = NULL;
	_cleanup_box_ struct box *b = NULL;
	struct port want = { 0 };
	bool any = false;
	struct err *e = store_open(&st);

	e = e ?: box_find(st, argv[0], &b);
	if (!e && argc > 1)
		e = port_parse_exposed(argv[1], &want);
	for (size_t i = 0; !e && i < b->state.published.n; i++) {
		const struct port *p = &b->state.published.v[i];

		if (argc > 1 && (p->ctr != want.ctr || p->proto != want.proto))
			continue;
		print_port(p, argc == 1);
		any = true;
	}
	if (!e && argc > 1 && !any)
		e = err_new(0, "no public port '%u/%s' published for %s", want.ctr,
			    port_proto_names[want.proto], argv[0]);
	return e;
}

const struct verb verb_port = {
	.name = "port",
	.args = "CONTAINER [PRIVATE_PORT[/PROTO]]",
	.min_args = 1,
	.max_args = 2,
	.summary = "List port mappings or a specific mapping for the container",
	.run = port,
};
