/* Any text is parsed or refused; what is parsed prints as something that parses to the same. */
#include "slirp/port.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = xstrndup((const char *)data, size);
	_cleanup_ports_ struct ports l = { 0 }, again = { 0 };
	_cleanup_str_ struct str out = { 0 };
	struct err *e = port_parse(text, &l);

	if (e) {
		err_free(e);
		return 0;
	}
	port_text(&l.v[0], &out);
	e = port_parse(out.s, &again);
	assert(!e && memcmp(&l.v[0], &again.v[0], sizeof(l.v[0])) == 0);
	out.len = 0;
	ports_ps_text(&l, NULL, &out);
	return 0;
}
