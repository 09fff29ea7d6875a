/* Input: one byte says which option, the rest is its text. */
#include "core/box/keepid.h"
#include "core/box/runopt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = size ? xstrndup((const char *)data + 1, size - 1) : NULL,
			    *path = NULL;
	uint8_t mac[NET_MAC_LEN];
	struct mounts m = { 0 };
	struct ulimit u = { 0 };
	uint32_t uid = 1, gid = 1;
	const char *value;

	if (!size)
		return 0;
	switch (*data % 5) {
	case 0:
		err_free(ulimit_parse(text, &u));
		break;
	case 1:
		err_free(sysctl_parse(text, NET_DEFAULT, &path, &value));
		if (path && strstr(path, ".."))
			abort();
		break;
	case 2:
		err_free(device_parse(text, &m));
		break;
	case 3:
		err_free(keepid_parse(text, 1, 1, &uid, &gid));
		if (uid > INT32_MAX || gid > INT32_MAX)
			abort();
		break;
	default:
		err_free(mac_parse(text, mac));
	}
	mounts_done(&m);
	return 0;
}
