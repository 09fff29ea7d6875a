/* Whatever the host's resolv.conf holds, the container's keeps its form: every line begins with a known keyword. */
#include "slirp/resolv.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = xstrndup((const char *)data, size), *out = NULL, *entry = NULL;
	struct net_addrs a;

	net_addrs_default(&a);
	out = resolv_conf_text(text, &a);
	for (const char *s = out; *s; s = strchr(s, '\n') + 1)
		assert(str_starts(s, "nameserver ") || str_starts(s, "search ") ||
		       str_starts(s, "options "));
	err_free(hosts_check(text, &entry));
	return 0;
}
