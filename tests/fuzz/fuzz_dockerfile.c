/* Any bytes are a Dockerfile or an error that names it; what is parsed can be expanded, and an ONBUILD trigger read
 * again. */
#include "core/build/dockerfile.h"

#include <assert.h>

#include "core/build/expand.h"

static const char *get(void *arg, const char *name)
{
	(void)arg;
	return *name == 'x' ? "a/b.c" : *name == 'e' ? "" : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dockerfile d = { 0 };
	struct err *e = dockerfile_parse((const char *)data, size, "Dockerfile", &d);

	if (e) {
		assert(str_starts(e->text, "Dockerfile"));
		err_free(e);
		return 0;
	}
	for (size_t i = 0; i < d.n; i++) {
		const struct expand x = { .escape = d.escape, .get = get };
		struct instr again = { 0 };

		assert(d.v[i].kind < INSTR_MAX && d.v[i].text && d.v[i].pos.line > 0);
		for (size_t k = 0; k < d.v[i].words.n; k++) {
			_cleanup_free_ char *text = NULL;

			err_free(expand_word(&x, d.v[i].words.v[k].text, &text));
		}
		for (size_t k = 0; k < d.v[i].n_heredocs; k++) {
			_cleanup_free_ char *text = heredoc_text(&d.v[i].heredocs[k]);

			assert(text);
		}
		if (d.v[i].kind == INSTR_ONBUILD && d.escape == '\\')
			err_free(instr_parse(d.v[i].text, "ONBUILD", &again));
		instr_done(&again);
	}
	dockerfile_done(&d);
	return 0;
}
