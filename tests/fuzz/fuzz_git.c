/* Repositories come from anywhere: any bytes in HEAD, .git, packed-refs and the reflogs give names that may be
 * branches, or nothing. */
#include "core/branch/git.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	const char *text = (const char *)data;
	_cleanup_free_ char *ref = NULL, *path = NULL, *origin = NULL, *renamed = NULL, *moved = NULL;
	_cleanup_strv_ struct strv packed = { 0 };
	char commit[GIT_COMMIT_MAX + 1];

	err_free(git_parse_head(text, size, &ref, commit));
	if (ref && (!str_starts(ref, "refs/") || !git_name_ok(ref + 5)))
		__builtin_trap();
	err_free(git_parse_file(text, size, &path));
	git_parse_packed(text, size, &packed);
	for (size_t i = 0; i < packed.n; i++)
		if (!git_name_ok(packed.v[i]))
			__builtin_trap();
	origin = git_log_origin(text, size);
	renamed = git_log_renamed(text, size);
	moved = git_log_moved(text, size, "main", size & 1);
	if ((renamed && !git_name_ok(renamed)) || (moved && !git_name_ok(moved)))
		__builtin_trap();
	return 0;
}
