/* Input: filters as typed and labels, one a line; the first half of the lines are filters. */
#include <stdlib.h>

#include "cmd/filter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool starts(const char *value, const void *of)
{
	return str_starts(of, value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const known[] = { "name", "label", "label!", NULL };
	_cleanup_free_ char *text = xstrndup((const char *)data, size);
	_cleanup_strv_ struct strv all = { 0 }, filters = { 0 }, labels = { 0 };
	struct err *e;
	char *rest = text, *line;

	while ((line = strsep(&rest, "\n")) != NULL)
		strv_add(&all, line);
	for (size_t i = 0; i < all.n; i++)
		strv_add(i < all.n / 2 ? &filters : &labels, all.v[i]);
	e = filters_check(&filters, known);
	if (!e && !filters.n && !filters_labels(&filters, &labels))
		abort();
	if (!e)
		filters_pass(&filters, "name", starts, "name of something");
	filters_labels(&filters, &labels);
	err_free(e);
	return 0;
}
