/* cmd/ip.c -- devbox ip [CONTAINER...] */
#include <arpa/inet.h>
#include <stdio.h>

#include "cmd/verb.h"

static struct err *print_one(struct store *st, const char *name)
{
	_cleanup_box_ struct box *b = NULL;
	char text[INET_ADDRSTRLEN];
	struct err *e = box_find(st, name, &b);

	if (e)
		return e;
	if (b->state.status != BOX_RUNNING)
		return err_hint(err_new(0, "container %s is not running", b->spec.name),
				"%s start %s", prog(), b->spec.name);
	if (!b->state.n_nets)
		return err_new(0, "container %s has no address of its own", b->spec.name);
	inet_ntop(AF_INET, &b->state.nets[0].addrs.ip, text, sizeof(text));
	puts(text);
	return NULL;
}

static struct err *ip(UNUSED struct call *c, int argc, char **argv)
{
	_cleanup_store_ struct store *st = NULL;
	struct err *e = NULL;

	if (!argc) {
		puts("127.0.0.1");
		return NULL;
	}
	e = store_open(&st);
	for (int i = 0; i < argc && st; i++)
		e = err_also(e, print_one(st, argv[i]));
	return e;
}

const struct verb verb_ip = {
	.name = "ip",
	.args = "[CONTAINER...]",
	.max_args = -1,
	.summary = "Print the address where published ports answer, or that of containers",
	.more = "Without CONTAINER: the host's own address, at which ports published without another one answer (what\n"
		"`docker-machine ip` is asked for).  With CONTAINER: its address on its first network, for other\n"
		"containers there; it stays the same over restarts.",
	.run = ip,
};
