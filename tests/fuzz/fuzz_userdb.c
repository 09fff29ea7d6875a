/* Input: passwd file, NUL, group file, NUL, what is looked up. */
#include "core/box/userdb.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *all = xcalloc(size + 3, 1);
	const char *group, *text;
	struct user u = { 0 };

	if (size)
		memcpy(all, data, size);
	group = all + strlen(all) + 1;
	text = group > all + size ? "mysql" : group + strlen(group) + 1;
	if (group > all + size)
		group = NULL;
	if (text > all + size && group)
		text = "mysql:adm";
	err_free(user_resolve(all, group, text, &u));
	user_done(&u);
	return 0;
}
