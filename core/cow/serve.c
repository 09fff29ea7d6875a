/* How it works
 *   cow_start()  whoever wants a mount connects; if nobody listens and NAME.lock is free, a socket is bound and a
 *                process forked twice, so that it belongs to nobody.  It inherits socket, lock and directories.
 *   serve()      opens the trees, then waits for messages; each connection sends one at a time and gets an answer:
 *                USERNS                  with our user namespace
 *                MOUNT                   with a clone of the mount; the first one makes it, attached where nobody else
 *                                        sees it, and starts the threads that answer for it (fuse.c)
 *                SEAL with a directory   fs_seal(); after the answer what was sealed is synced
 *   let_go()     when the last connection that got a clone has closed, our own mount goes
 *   thread()     answers until the kernel says that the last clone has gone, too; the last thread tells the loop, which
 *                ends.
 * A connection that comes in between sees it closed, and tries again. */
#include "core/cow/serve.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include "core/base/fd.h"
#include "core/base/lock.h"
#include "core/base/loop.h"
#include "core/base/proc.h"
#include "core/cow/fs.h"
#include "core/cow/fuse.h"
#include "core/cow/mount.h"
#include "core/ns/userns.h"

enum {
	THREADS = 4,
	STACK = 256 << 10,
	ANSWER_S = 60,
	START_MS = 20000,
	RETRY_MS = 5,
	UNUSED_MS = 30000, /* nobody mounted what was started: its starter died */
	VALID_S = 24 * 3600,
};

enum msg_type { MSG_USERNS = 'U', MSG_MOUNT = 'M', MSG_SEAL = 'S' };
struct msg {
	char type, pad[3];
	uint32_t depth; /* SEAL */
};

/* --- the process: the mount ------------------------------------------------------------------- */

struct server {
	struct loop loop;
	struct source listen, ended;
	struct timer unused;
	struct cow_fs *fs;
	const char *name;
	struct fuse_mount fuse;
	int tree; /* our own mount, of which clones are made; -1: not yet, or not any more */
	bool mounted; /* it was made */
	unsigned users; /* connections that got a clone */
	atomic_int threads;
	int hold;
};

struct conn {
	struct source src;
	struct server *sv;
	bool uses; /* is one of sv->users */
};

static void *thread(void *arg)
{
	struct server *sv = arg;
	const uint64_t one = 1;

	fuse_run(&sv->fuse);
	if (atomic_fetch_sub(&sv->threads, 1) == 1 && write(sv->ended.fd, &one, sizeof(one)) < 0)
		_exit(1); /* cannot happen: nobody would be left to end us */
	return NULL;
}

static void start_threads(struct server *sv)
{
	pthread_attr_t attr;

	sv->threads = THREADS;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	for (int i = 0; i < THREADS; i++) {
		pthread_t t;

		if (pthread_create(&t, &attr, thread, sv) != 0)
			_exit(1); /* the mount is aborted with us: better than one that stands still */
	}
	pthread_attr_destroy(&attr);
}

/* Only what is attached can be cloned (before Linux 6.15): over "/" of our mount namespace, where no path of ours
 * leads to it. */
static struct err *make_mount(struct server *sv)
{
	_cleanup_close_ int fuse = -1, tree = -1;
	struct err *e = cow_fuse_open(&fuse);

	e = e ?: cow_mount_make(fuse, sv->name, &tree);
	if (!e && syscall(SYS_move_mount, tree, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		e = err_new(errno, "mounting it");
	if (e)
		return e;
	sv->fuse = (struct fuse_mount){ .fd = TAKE_FD(fuse), .fs = sv->fs, .valid_s = VALID_S };
	sv->tree = TAKE_FD(tree);
	sv->mounted = true;
	timer_set(&sv->unused, 0, 0);
	start_threads(sv);
	return NULL;
}

static struct err *clone_mount(struct conn *c, int *ret_tree)
{
	struct server *sv = c->sv;
	struct err *e = sv->mounted ? NULL : make_mount(sv);

	if (!e && sv->tree < 0)
		e = err_new(ECONNRESET, "the volume's process is ending");
	if (e)
		return e;
	*ret_tree = (int)syscall(SYS_open_tree, sv->tree, "",
				 AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (*ret_tree < 0)
		return err_new(errno, "cloning its mount");
	sv->users += !c->uses;
	c->uses = true;
	return NULL;
}

static void let_go(struct server *sv)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", sv->tree);
	if (umount2(path, MNT_DETACH) < 0)
		_exit(1); /* cannot happen: we would never end */
	close(TAKE_FD(sv->tree));
}

static struct err *mount_ended(struct source *s, uint32_t events UNUSED)
{
	struct server *sv = container_of(s, struct server, ended);

	loop_stop(&sv->loop);
	return NULL;
}

static struct err *never_used(struct timer *t)
{
	loop_stop(&container_of(t, struct server, unused)->loop);
	return NULL;
}

/* --- the process: messages -------------------------------------------------------------------- */

static struct err *seal(struct server *sv, int dir, unsigned depth)
{
	struct cow_tree top;
	struct err *e = cow_tree_open(&top, dir, depth, true, true);

	if (e) {
		cow_tree_done(&top);
		close(dir);
		return e;
	}
	e = fs_seal(sv->fs, &top);
	if (e) {
		close(dir);
		return e;
	}
	close(sv->hold); /* now of the sealed tree */
	sv->hold = dir;
	return NULL;
}

/* FD (-1: none) goes along with a success. */
static void tell(int sock, struct err *e, int fd)
{
	char buf[1 + ERR_WIRE_MAX] = { e ? 'E' : 'O' };
	size_t len = 1 + (e ? err_pack(e, buf + 1) : 0);

	err_free(fd_send(sock, buf, len, &fd, !e && fd >= 0)); /* it is gone: its affair */
}

static void conn_release(struct source *s)
{
	struct conn *c = container_of(s, struct conn, src);

	if (c->uses && --c->sv->users == 0 && c->sv->tree >= 0)
		let_go(c->sv);
	free(c);
}

static struct err *conn_ready(struct source *s, uint32_t events UNUSED)
{
	struct conn *c = container_of(s, struct conn, src);
	struct server *sv = c->sv;
	struct msg msg = { 0 };
	size_t len = 0, n_fds = 1;
	bool sealed = false, fatal;
	int fd = -1;
	_cleanup_close_ int given = -1;
	struct err *e = fd_recv(s->fd, &msg, sizeof(msg), &len, &fd, &n_fds);

	if (e || len != sizeof(msg) || n_fds != (msg.type == MSG_SEAL)) { /* gone, or talks something else */
		err_free(e);
		if (fd >= 0)
			close(fd);
		loop_del_close(&sv->loop, s);
		return NULL;
	}
	if (msg.type == MSG_USERNS) {
		e = fd_open(AT_FDCWD, "/proc/self/ns/user", O_RDONLY, 0, &given);
	} else if (msg.type == MSG_MOUNT) {
		e = clone_mount(c, &given);
	} else if (msg.type == MSG_SEAL) {
		e = seal(sv, fd, msg.depth);
		sealed = !e;
	} else {
		e = err_new(EPROTO, "this volume's process does not know the request");
	}
	fatal = err_is(e, EIO);
	tell(s->fd, e, given);
	err_free(e);
	if (fatal)
		_exit(1); /* see fs_seal() */
	if (sealed && fs_sync_sealed(sv->fs) < 0)
		_exit(1); /* the disk fails: what was promised does not hold */
	return NULL;
}

static struct err *listen_ready(struct source *s, uint32_t events UNUSED)
{
	struct server *sv = container_of(s, struct server, listen);
	int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC);
	struct conn *c;

	if (fd < 0)
		return NULL;
	c = xcalloc(1, sizeof(*c));
	c->sv = sv;
	c->src = (struct source){ .fd = fd, .ready = conn_ready, .release = conn_release };
	return loop_add(&sv->loop, &c->src, EPOLLIN);
}

/* --- the process: beginning and end ----------------------------------------------------------- */

struct err *cow_open_trees(const struct cow_dirs *dirs, struct cow_chain *ret)
{
	struct err *e = NULL;

	ret->n = 0;
	for (size_t i = 0; i < dirs->n && !e; i++) {
		e = cow_tree_open(&ret->v[i], dirs->fd[i], dirs->depth[i], dirs->thin[i], i == 0);
		ret->n++;
	}
	return e;
}

struct err *cow_root_make(const struct cow_dirs *dirs)
{
	struct cow_chain c;
	struct err *e = cow_open_trees(dirs, &c);

	e = e ?: cow_root_init(&c);
	cow_chain_done(&c);
	return e;
}

static struct err *open_fs(const struct cow_dirs *dirs, struct cow_fs **ret)
{
	struct cow_chain c;
	struct err *e = cow_open_trees(dirs, &c);

	e = e ?: cow_fs_open(&c, ret);
	cow_chain_done(&c);
	return e;
}

static struct err *serve(struct server *sv, const struct cow_dirs *dirs)
{
	struct rlimit r;
	struct err *e;

	if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
		r.rlim_cur = r.rlim_max;
		setrlimit(RLIMIT_NOFILE, &r);
	}
	umask(0);
	e = open_fs(dirs, &sv->fs);
	for (size_t i = 0; i < dirs->n; i++)
		close(dirs->fd[i]);
	e = e ?: loop_init(&sv->loop);
	sv->ended =
		(struct source){ .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), .ready = mount_ended };
	sv->listen.ready = listen_ready;
	e = e ?: loop_add(&sv->loop, &sv->ended, EPOLLIN);
	e = e ?: loop_add(&sv->loop, &sv->listen, EPOLLIN);
	e = e ?: timer_init(&sv->loop, &sv->unused, never_used);
	if (e)
		return e;
	timer_set(&sv->unused, UNUSED_MS, 0);
	proc_trim_memory();
	return loop_run(&sv->loop);
}

/* What fails here is told to the first who connected: with the connection the kernel closes, nothing else could be. */
static void tell_failure(int listen, struct err *e)
{
	int fd = accept4(listen, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd >= 0)
		tell(fd, e, -1);
}

NORETURN static void server_main(const char *name, const struct cow_dirs *dirs, int hold,
				 int listen, int lock, int userns, bool single)
{
	struct server sv = { .hold = hold, .listen.fd = listen, .name = name, .tree = -1 };
	int keep[COW_TREES_MAX + 4];
	sigset_t all;
	struct err *e = NULL;
	int null;

	for (size_t i = 0; i < dirs->n; i++)
		keep[i] = dirs->fd[i];
	keep[dirs->n] = hold;
	keep[dirs->n + 1] = listen;
	keep[dirs->n + 2] = lock;
	keep[dirs->n + 3] = userns;
	fd_close_except(keep, dirs->n + 4);
	setsid();
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int i = 0; i < 3; i++)
		dup2(null, i);
	prctl(PR_SET_NAME, "devbox-volume");
	proc_title_set("devbox: volume %s", name);
	prctl(PR_SET_PDEATHSIG, 0);
	if (userns >= 0 && setns(userns, CLONE_NEWUSER) < 0)
		e = err_new(errno, "entering the container's user namespace");
	if (userns >= 0)
		close(userns);
	e = e ?: userns_become_root(single);
	prctl(PR_SET_DUMPABLE, 0);
	if (!e && unshare(CLONE_NEWNS) < 0)
		e = err_new(errno, "making a mount namespace");
	e = e ?: serve(&sv, dirs);
	if (e)
		tell_failure(listen, e);
	cow_fs_free(sv.fs);
	_exit(e ? 1 : 0);
}

/* --- those who talk to it --------------------------------------------------------------------- */

static void sock_name(const char *name, char buf[80])
{
	/* sun_path is short, names of volumes may be long: two that begin alike are told apart by length and sum */
	uint32_t sum = 5381;

	for (const char *p = name; *p; p++)
		sum = sum * 33 + (unsigned char)*p;
	if (strlen(name) <= 40)
		snprintf(buf, 80, "%s.sock", name);
	else
		snprintf(buf, 80, "%.32s-%08x-%zu.sock", name, sum, strlen(name));
}

struct err *cow_connect_file(int sock_dir, const char *file, int *ret_conn)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	const struct timeval wait = { .tv_sec = ANSWER_S };
	struct sockaddr_un sun;

	*ret_conn = -1;
	if (fd < 0)
		return err_new(errno, "making a socket");
	fd_sun(sock_dir, file, &sun);
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0)
		return errno == ENOENT || errno == ECONNREFUSED
			       ? NULL
			       : err_new(errno, "connecting to %s", file);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	*ret_conn = TAKE_FD(fd);
	return NULL;
}

struct err *cow_connect(int sock_dir, const char *name, int *ret_conn)
{
	char file[80];

	sock_name(name, file);
	return err_wrap(cow_connect_file(sock_dir, file, ret_conn),
			"reaching the process of volume %s", name);
}

static struct err *make_listener(int sock_dir, const char *name, int *ret_fd)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un sun;
	char file[80];

	if (fd < 0)
		return err_new(errno, "making a socket");
	sock_name(name, file);
	fd_sun(sock_dir, file, &sun);
	unlinkat(sock_dir, file, 0); /* of one that was killed: we have its lock */
	if (bind(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0 || listen(fd, 64) < 0)
		return err_new(errno, "making the socket of volume %s", name);
	*ret_fd = TAKE_FD(fd);
	return NULL;
}

static struct err *spawn(int sock_dir, const char *name, const struct cow_dirs *dirs, int hold,
			 int lock, int userns, bool single)
{
	_cleanup_close_ int listener = -1;
	struct err *e = make_listener(sock_dir, name, &listener);
	int status;
	pid_t pid;

	if (e)
		return e;
	pid = fork();
	if (pid < 0)
		return err_new(errno, "forking");
	if (pid == 0) {
		pid = fork();
		if (pid == 0)
			server_main(name, dirs, hold, listener, lock, userns, single);
		_exit(pid < 0);
	}
	e = proc_wait_pid(pid, &status);
	return e ?: status ? err_new(0, "forking failed") : NULL;
}

struct err *cow_start(int sock_dir, const char *name, const struct cow_dirs *dirs, int hold,
		      int userns, bool single, int *ret_conn)
{
	_cleanup_free_ char *lock_name = xasprintf("%s.lock", name);
	int64_t deadline = time_mono_ms() + START_MS;
	struct err *e;

	for (;;) {
		_cleanup_close_ int lock = -1;

		e = cow_connect(sock_dir, name, ret_conn);
		if (e || *ret_conn >= 0)
			return e;
		e = lock_try(sock_dir, lock_name, false, &lock);
		if (e)
			return e;
		if (lock >= 0) {
			e = spawn(sock_dir, name, dirs, hold, lock, userns, single);
			if (e)
				return err_wrap(e, "starting the process of volume %s", name);
			continue;
		}
		/* somebody else is just starting it, or it is ending */
		if (time_mono_ms() > deadline)
			return err_new(ETIMEDOUT, "the process of volume %s neither works nor ends",
				       name);
		poll(NULL, 0, RETRY_MS);
	}
}

/* FD (-1: none) goes with the request; *RET_FD comes with the answer, NULL: nothing does. */
static struct err *ask(int conn, const struct msg *m, int fd, int *ret_fd)
{
	char buf[1 + ERR_WIRE_MAX];
	size_t len = 0, n_fds = 1;
	_cleanup_close_ int got = -1;
	struct err *e = fd_send(conn, m, sizeof(*m), &fd, fd >= 0);

	e = e ?: fd_recv(conn, buf, sizeof(buf), &len, ret_fd ? &got : NULL, ret_fd ? &n_fds : NULL);
	if (e)
		return e;
	if (!len)
		return err_new(ECONNRESET, "the volume's process has ended");
	if (*buf != 'O')
		return err_recv(buf + 1, len - 1);
	if (ret_fd && got < 0)
		return err_new(EPROTO, "the volume's process sent no descriptor");
	if (ret_fd)
		*ret_fd = TAKE_FD(got);
	return NULL;
}

struct err *cow_serve_userns(int conn, int *ret_userns)
{
	const struct msg m = { .type = MSG_USERNS };

	return ask(conn, &m, -1, ret_userns);
}

struct err *cow_serve_mount(int conn, int *ret_tree)
{
	const struct msg m = { .type = MSG_MOUNT };

	return ask(conn, &m, -1, ret_tree);
}

struct err *cow_serve_seal(int conn, int dir, unsigned depth)
{
	const struct msg m = { .type = MSG_SEAL, .depth = depth };

	return ask(conn, &m, dir, NULL);
}
