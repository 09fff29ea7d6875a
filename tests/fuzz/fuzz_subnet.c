/* Subnets print as what parses to the same; whatever the routes are, the chosen pool overlaps none. */
#include "core/store/subnet.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = xstrndup((const char *)data, size);
	_cleanup_subnets_ struct subnets used = { 0 };
	struct subnet s, again;
	struct subnet6 six;
	char out[SUBNET_TEXT_MAX];
	struct err *e = subnet_parse(text, &s);

	if (!e) {
		subnet_text(&s, out);
		e = subnet_parse(out, &again);
		assert(!e && s.ip.s_addr == again.ip.s_addr && s.prefix == again.prefix);
	}
	err_free(e);
	err_free(subnet_parse6(text, &six));
	subnets_add_routes(&used, text);
	if (subnet_pick(&used, size & 1, &s))
		for (size_t i = 0; i < used.n; i++)
			assert(!subnet_overlap(&used.v[i], &s));
	return 0;
}
