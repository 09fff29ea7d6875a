/* Any message is parsed or refused; what is parsed packs to something that parses to the same. */
#include "slirp/join.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_join_ struct join j = { 0 }, again = { 0 };
	_cleanup_free_ char *msg = NULL;
	size_t len;
	struct err *e = join_parse((const char *)data, size, &j);

	if (e) {
		err_free(e);
		return 0;
	}
	msg = join_pack(&j, &len);
	e = join_parse(msg, len, &again);
	assert(!e && str_eq(j.id, again.id) && j.names.n == again.names.n &&
	       j.ports.n == again.ports.n);
	return 0;
}
