#include "core/box/apisock.h"

#include <sys/stat.h>
#include <unistd.h>

bool apisock_is_path(const char *path)
{
	return str_eq(path, "/var/run/docker.sock") || str_eq(path, "/run/docker.sock");
}

bool apisock_stands_in(const struct mount_spec *m)
{
	struct stat st;

	if (m->type != MOUNT_BIND || m->copied || m->device || !apisock_is_path(m->source))
		return false;
	/* one of root's would be there in the container, too, and refuse everybody: groups of the host do not count */
	return stat(m->source, &st) < 0 || !S_ISSOCK(st.st_mode) || st.st_uid != geteuid();
}

bool apisock_wanted(const struct mounts *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (apisock_stands_in(&l->v[i]))
			return true;
	return false;
}
