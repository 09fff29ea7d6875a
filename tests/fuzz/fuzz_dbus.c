/* Input: what the other side of a D-Bus connection sends; and a cgroup's path.  Every text that is found ends within
 * the input. */
#include <stdlib.h>

#include "core/base/dbus.h"
#include "core/box/cgroup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *copy = xmemdup(data, size), *path = xstrndup((const char *)data, size),
			    *unit = NULL, *below = NULL;
	struct dbus_msg m = { 0 };
	size_t len = 0, total = 0;
	struct err *e = dbus_parse(copy, size, &m, &len);

	if (!e && len) {
		total += len > size || m.body + m.body_len > copy + size;
		total += strlen(m.member ?: "") + strlen(m.error ?: "") + strlen(m.signature) > len;
		for (size_t i = 0; i < 5; i++)
			total += strlen(dbus_arg_str(&m, i) ?: "") > m.body_len;
	}
	err_free(e);
	if (total)
		abort();
	if (cgroup_scope(path, &unit, &below) && (!str_ends(unit, ".scope") || *below != '/'))
		abort();
	return 0;
}
