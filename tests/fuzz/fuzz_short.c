/* Short forms of ports, volumes, commands: any text gives the long form or an error with a place. */
#include "core/compose/schema.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void try(struct arena *a, const char *text, bool list,
		struct err *(*fn)(const struct schema_ctx *c, struct node **n))
{
	const struct schema_ctx c = { .arena = a, .directory = "/project" };
	const struct pos at = { "fuzz", 1, 1 };
	struct node *n = node_new(a, NODE_STR, text, &at), *outer = node_new(a, NODE_LIST, NULL, &at);

	node_push(a, outer, n);
	if (list)
		n = outer;
	err_free(fn(&c, &n));
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	_cleanup_free_ char *text = xstrndup((const char *)data, size);
	_cleanup_strv_ struct strv words = { 0 };
	struct arena a = { 0 };

	try(&a, text, true, short_ports);
	try(&a, text, false, short_volume);
	try(&a, text, false, short_device);
	try(&a, text, true, short_depends);
	err_free(words_split(text, &words));
	arena_done(&a);
	return 0;
}
