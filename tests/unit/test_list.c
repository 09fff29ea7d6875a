#include "cmd/list.h"

#include "tests/lib/tap.h"

static void test_wants(void)
{
	static const struct {
		const char *format, *key;
		bool wanted;
	} cases[] = {
		{ "{{.ID}}\t{{.Names}}", "ID", true },
		{ "{{.ID}}\t{{.Names}}", "Names", true },
		{ "{{.ID}}\t{{.Names}}", "Labels", false },
		{ "{{.IDs}}", "ID", false },
		{ "{{.Label \"a\"}}", "Labels", true },
		{ "{{json .}}", "Labels", true },
		{ "{{range $k, $v := .}}{{$v}}{{end}}", "Labels", true },
		{ "{{index . \"Labels\"}}", "Labels", true },
		{ "{{with $}}{{json $}}{{end}}", "Labels", true },
		{ "no field", "Labels", false },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct list l = { .format = (char *)cases[i].format };

		ok(list_wants(&l, cases[i].key) == cases[i].wanted, "%s of %s", cases[i].key,
		   cases[i].format);
	}
	ok(list_wants(&(struct list){ .as_json = true }, "Labels"), "JSON has all");
}

int main(void)
{
	test_wants();
	return done_testing();
}
