/* Any word is expanded or refused, as one and split. */
#include "core/build/expand.h"

static const char *get(void *arg, const char *name)
{
	(void)arg;
	return *name == 'x' ? "foo.tar.gz" : *name == 'e' ? "" : *name == 'w' ? "a b  c" : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = xstrndup((const char *)data, size), *out = NULL;
	struct expand x = { .escape = size && *data == '`' ? '`' : '\\',
			    .raw = size > 1 && data[1] == '#',
			    .get = get };
	struct strv words = { 0 };

	err_free(expand_word(&x, text, &out));
	err_free(expand_split(&x, text, &words));
	strv_done(&words);
	return 0;
}
