/* core/base/fd.h -- descriptors, files and directory trees.  Every descriptor made here is close-on-exec.
 * A path that comes from an image, an archive, a compose file or a record goes through fd_open_in_root(), which
 * resolves symbolic links inside ROOT as a chroot would (openat2(2), RESOLVE_IN_ROOT, Linux 5.6). */
#ifndef CORE_BASE_FD_H
#define CORE_BASE_FD_H

#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "core/base/str.h"

/* openat(2) with O_CLOEXEC; for paths that are ours. */
struct err *fd_open(int dir, const char *path, int flags, mode_t mode, int *ret_fd) MUST_CHECK;
/* For paths that are not ours. */
struct err *fd_open_in_root(int root, const char *path, int flags, mode_t mode, int *ret_fd) MUST_CHECK;
/* mkdir -p below ROOT, following links inside ROOT, also those that lead to what is not there yet; opens the last
 * directory (O_PATH) if RET_FD is given. */
struct err *fd_mkdir_p(int root, const char *path, mode_t mode, int *ret_fd) MUST_CHECK;
/* The same for an empty file PATH with its directories; an existing file (or whatever it is) stays.
 * *ret_fd is O_PATH. */
struct err *fd_create_p(int root, const char *path, mode_t mode, int *ret_fd) MUST_CHECK;
/* The whole of a file of at most MAX bytes, NUL-ended.  Errors: EFBIG if larger. */
struct err *fd_read_all(int fd, const char *what, size_t max, char **ret_text, size_t *ret_len)
	MUST_CHECK;
struct err *fd_read_file(int dir, const char *path, size_t max, char **ret_text, size_t *ret_len)
	MUST_CHECK;
struct err *fd_write_all(int fd, const char *what, const void *data, size_t len) MUST_CHECK;
/* Write NAME in DIR aside and rename it into place: readers see the old or the new content, never a part.
 * SYNC: fsync the file before and the directory after the rename, so that it also survives power loss. */
struct err *fd_write_atomic(int dir, const char *name, const void *data, size_t len, mode_t mode,
			    bool sync) MUST_CHECK;
/* rm -rf of NAME in DIR, crossing no mount point and following no link; absent is success.  Directories
 * without permissions (mode 000) are opened up first. */
struct err *fd_rm_tree(int dir, const char *name) MUST_CHECK;
/* The entries of the directory DIR, which stays open and where it is.  NULL and errno. */
DIR *fd_opendir(int dir);
/* Append their names, sorted, but for "." and "..". */
struct err *fd_list(int dir, struct strv *ret) MUST_CHECK;
/* Sum of allocated bytes below DIR/NAME, counting a file with several links once per link seen. */
uint64_t fd_tree_size(int dir, const char *name);
/* Close all descriptors above 2 but the N in KEEP (-1 is none). */
void fd_close_except(const int *keep, size_t n);
struct err *fd_nonblock(int fd, bool on) MUST_CHECK;
struct err *fd_socketpair(int type, int ret_fds[2]) MUST_CHECK; /* AF_UNIX, close-on-exec */

/* One message with up to FD_PASS_MAX descriptors over a unix socket (SCM_RIGHTS).  fd_recv() writes the length
 * (0 at end of file) and the received descriptors; *N_FDS is the room on entry and the number on return. */
enum { FD_PASS_MAX = 16 };
struct err *fd_send(int sock, const void *data, size_t len, const int *fds, size_t n_fds) MUST_CHECK;
struct err *fd_recv(int sock, void *buf, size_t size, size_t *ret_len, int *fds, size_t *n_fds)
	MUST_CHECK;

/* A listening unix socket, close-on-exec, of the type SOCK_STREAM: the file NAME in DIR, which must not be there yet.
 * Only this user can connect to it.  WHAT: how it is called in errors. */
struct err *fd_listen(int dir, const char *name, const char *what, int *ret_fd) MUST_CHECK;

/* sockaddr_un for NAME inside the directory DIR, whatever the directory's own path length: goes through
 * /proc/self/fd.  Valid while DIR is open. */
struct sockaddr_un;
void fd_sun(int dir, const char *name, struct sockaddr_un *ret);

#endif
