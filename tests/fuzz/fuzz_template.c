/* Templates come from the command line and scripts: any bytes parse or are refused, and run within their limits. */
#include "cmd/ui/template.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	static const char tree_text[] =
		"{\"A\":\"text\",\"B\":[1,2.5,true,null,\"x\"],\"C\":{\"k\":\"v\",\"l\":[{\"m\":1}]},"
		"\"Labels\":\"a=b,c=d\",\"Ports\":{\"80/tcp\":null}}";
	_cleanup_template_ struct template *t = NULL;
	_cleanup_str_ struct str out = { 0 };
	_cleanup_json_ json *tree = NULL;
	_cleanup_free_ char *text = xstrndup((const char *)data, size);
	struct err *e = json_parse(tree_text, sizeof(tree_text) - 1, "tree", &tree);

	e = e ?: template_parse(text, &t);
	e = e ?: template_run(t, tree, &out);
	err_free(e);
	return 0;
}
