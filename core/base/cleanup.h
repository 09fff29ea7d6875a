/* core/base/cleanup.h -- resources that end by themselves at the end of their scope.
 * _cleanup_X_ runs X's end on the variable when it leaves scope (gcc: attribute cleanup), and keeps errno.
 * Start every such variable with its invalid value (NULL, -1).  TAKE_PTR/TAKE_FD give ownership away. */
#ifndef CORE_BASE_CLEANUP_H
#define CORE_BASE_CLEANUP_H

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF(fmt_arg, first) __attribute__((format(printf, fmt_arg, first)))
#define NORETURN __attribute__((noreturn))
#define UNUSED __attribute__((unused))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#define container_of(ptr, type, member)                                                            \
	((type *)(void *)((char *)(ptr) - __builtin_offsetof(type, member)))

static inline void cleanup_free(void *p)
{
	int keep = errno;

	free(*(void **)p);
	errno = keep;
}

static inline void cleanup_close(int *fd)
{
	int keep = errno;

	if (*fd >= 0)
		close(*fd);
	errno = keep;
}

static inline void cleanup_dir(DIR **d)
{
	int keep = errno;

	if (*d)
		closedir(*d);
	errno = keep;
}

#define _cleanup_(f) __attribute__((cleanup(f)))
#define _cleanup_free_ _cleanup_(cleanup_free)
#define _cleanup_close_ _cleanup_(cleanup_close)
#define _cleanup_dir_ _cleanup_(cleanup_dir)

#define TAKE_PTR(p)                                                                                \
	({                                                                                         \
		__typeof__(p) *take_at = &(p);                                                     \
		__typeof__(p) take_val = *take_at;                                                 \
		*take_at = NULL;                                                                   \
		take_val;                                                                          \
	})

#define TAKE_FD(fd)                                                                                \
	({                                                                                         \
		int *take_at = &(fd);                                                              \
		int take_val = *take_at;                                                           \
		*take_at = -1;                                                                     \
		take_val;                                                                          \
	})

#endif
