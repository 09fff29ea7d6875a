/* Input: --cpus, --cpuset-cpus and a --log-opt as typed, and what the kernel says of cgroups.
 * What is accepted makes sense. */
#include <stdlib.h>

#include "core/box/cgroup.h"
#include "core/box/logconf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = xstrndup((const char *)data, size), *root = NULL, *own = NULL;
	_cleanup_strv_ struct strv opts = { 0 };
	struct cpus set = { 0 };
	struct logconf c = { 0 };
	int64_t nano = -1;
	struct err *e = cpus_parse(text, &nano);

	if (!e && nano < 0)
		abort();
	err_free(e);
	err_free(cpuset_parse(text, &set));
	strv_add(&opts, text);
	e = logconf_parse(NULL, &opts, &c);
	if (!e && (c.bound.max_files < 1 || c.bound.max_files > LOG_FILES_MAX))
		abort();
	err_free(e);
	logconf_done(&c);
	cgroup_place(text, text, &root, &own);
	if (!root != !own)
		abort();
	return 0;
}
