/* Compose files come from anywhere: any bytes give a checked tree or an error; laying it over itself keeps it sound. */
#include "core/compose/file.h"
#include "core/compose/merge.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static struct err *document(void *arg, struct node *root)
{
	struct arena *a = arg;
	const struct schema_ctx c = { .arena = a, .directory = "/project" };
	struct err *e = schema_apply(&c, &schema_root, "", &root);

	if (!e)
		merge_nodes(a, &schema_root, node_clone(a, root), root);
	return e;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	struct arena a = { 0 };

	err_free(yaml_parse(&a, "fuzz", (const char *)data, size, document, &a));
	arena_done(&a);
	return 0;
}
