#include "core/box/execrec.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/fd.h"
#include "core/base/lock.h"
#include "core/base/proc.h"
#include "core/box/state.h"

enum { RECORD_MAX = 8 << 20 };

void execrec_done(struct execrec *r)
{
	strv_done(&r->req.argv);
	strv_done(&r->req.env);
	free(r->user);
	free(r->workdir);
	free(r->detach_keys);
	*r = (struct execrec){ 0 };
}

/* --- the record ------------------------------------------------------------------------------------------------- */

static struct err *write_record(int dir, const struct execrec *r)
{
	_cleanup_free_ char *text = NULL;
	struct json_out o;
	size_t len;

	json_out_init(&o, false);
	json_open(&o, NULL, '{');
	json_put_strv(&o, "argv", &r->req.argv);
	if (r->status != EXECREC_ENDED)
		json_put_strv(&o, "env", &r->req.env);
	json_put_str_if(&o, "user", r->user);
	json_put_str_if(&o, "workdir", r->workdir);
	json_put_str_if(&o, "detach_keys", r->detach_keys);
	json_put_bool_if(&o, "tty", r->req.tty);
	json_put_bool_if(&o, "stdin", r->req.open_stdin);
	json_put_bool_if(&o, "stdout", r->out);
	json_put_bool_if(&o, "stderr", r->err);
	json_put_bool_if(&o, "privileged", r->req.privileged);
	json_put_int(&o, "status", r->status);
	json_put_int_if(&o, "exit_code", r->exit_code);
	json_put_int_if(&o, "keeper", r->keeper);
	json_put_int_if(&o, "keeper_start", (int64_t)r->keeper_start);
	json_put_str_if(&o, "boot_id", r->boot_id);
	json_close(&o, '}');
	text = json_out_take(&o, &len);
	return fd_write_atomic(dir, r->id, text, len, 0600, false);
}

static struct err *read_record(int dir, const char *id, struct execrec *ret)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_json_ json *j = NULL;
	struct execrec r = { 0 };
	int64_t status;
	size_t len;
	struct err *e = fd_read_file(dir, id, RECORD_MAX, &text, &len);

	e = e ?: json_parse(text, len, id, &j);
	if (e)
		return e;
	snprintf(r.id, sizeof(r.id), "%s", id);
	json_strv(j, "argv", &r.req.argv);
	json_strv(j, "env", &r.req.env);
	r.req.user = r.user = xstrdup(json_str(j, "user"));
	r.req.workdir = r.workdir = xstrdup(json_str(j, "workdir"));
	r.detach_keys = xstrdup(json_str(j, "detach_keys"));
	r.req.tty = json_bool(j, "tty", false);
	r.req.open_stdin = json_bool(j, "stdin", false);
	r.out = json_bool(j, "stdout", false);
	r.err = json_bool(j, "stderr", false);
	r.req.privileged = json_bool(j, "privileged", false);
	r.exit_code = (int)json_int(j, "exit_code", 0);
	r.keeper = (pid_t)json_int(j, "keeper", 0);
	r.keeper_start = (uint64_t)json_int(j, "keeper_start", 0);
	snprintf(r.boot_id, sizeof(r.boot_id), "%s", json_str(j, "boot_id") ?: "");
	status = json_int(j, "status", EXECREC_ENDED);
	r.status = status >= 0 && status < EXECREC_STATUS_MAX ? (enum execrec_status)status
							      : EXECREC_ENDED;
	if (r.status == EXECREC_RUNNING && !proc_is(r.keeper, r.keeper_start, r.boot_id)) {
		r.status = EXECREC_ENDED;
		r.exit_code = 128 + SIGKILL;
	}
	if (!r.req.argv.n)
		e = err_new(0, "%s: a record without a command", id);
	if (e)
		execrec_done(&r);
	else
		*ret = r;
	return e;
}

/* --- all of a container's --------------------------------------------------------------------------------------- */

static struct err *open_dir(const struct box *b, bool make, int *ret)
{
	if (make && mkdirat(b->dir, "execs", 0700) < 0 && errno != EEXIST)
		return err_new(errno, "making a directory for commands");
	return fd_open(b->dir, "execs", O_RDONLY | O_DIRECTORY, 0, ret);
}

static bool is_id(const char *name)
{
	return strlen(name) == ID_LEN && strspn(name, "0123456789abcdef") == ID_LEN;
}

static void remove_record(int dir, const char *id)
{
	_cleanup_free_ char *size = xasprintf("%s.size", id);

	unlinkat(dir, id, 0);
	unlinkat(dir, size, 0);
}

/* Room for one more, under the lock.  Only when there is none are the records read. */
static struct err *make_room(int dir)
{
	_cleanup_strv_ struct strv names = { 0 };
	char oldest[ID_LEN + 1] = "";
	struct timespec at = { 0 };
	int dup = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_dir_ DIR *d = dup < 0 ? NULL : fdopendir(dup);
	struct dirent *de;

	while (d && (de = readdir(d)) != NULL)
		if (is_id(de->d_name))
			strv_add(&names, de->d_name);
	if (names.n < EXECRECS_MAX)
		return NULL;
	for (size_t i = 0; i < names.n; i++) {
		struct execrec r = { .status = EXECREC_ENDED };
		struct stat st;

		err_free(read_record(dir, names.v[i], &r)); /* what cannot be read is of no use */
		if (r.status != EXECREC_RUNNING &&
		    fstatat(dir, names.v[i], &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    (!*oldest || st.st_mtim.tv_sec < at.tv_sec ||
		     (st.st_mtim.tv_sec == at.tv_sec && st.st_mtim.tv_nsec < at.tv_nsec))) {
			memcpy(oldest, names.v[i], sizeof(oldest));
			at = st.st_mtim;
		}
		execrec_done(&r);
	}
	if (!*oldest)
		return err_new(0, "%d commands are running in the container by the API, which is as many as can be",
			       EXECRECS_MAX);
	remove_record(dir, oldest);
	return NULL;
}

static void tell(struct box *b, const struct execrec *r)
{
	_cleanup_strv_ struct strv attrs = { 0 };
	_cleanup_str_ struct str action = { 0 };

	str_add(&action, "exec_create");
	for (size_t i = 0; i < r->req.argv.n; i++)
		str_addf(&action, "%s%s", i ? " " : ": ", r->req.argv.v[i]);
	strv_addf(&attrs, "execID=%s", r->id);
	box_event_with(b->st, &b->spec, action.s, &attrs);
}

struct err *execrec_make(struct box *b, struct execrec *r)
{
	_cleanup_close_ int dir = -1, lock = -1;
	struct err *e = open_dir(b, true, &dir);

	id_make(r->id);
	r->status = EXECREC_MADE;
	e = e ?: lock_take(dir, "lock", false, &lock);
	e = e ?: make_room(dir);
	e = e ?: write_record(dir, r);
	if (!e)
		tell(b, r);
	return e;
}

/* R's keeper was killed: nobody else writes down that it has ended, without the environment. */
static struct err *end_for_keeper(int dir, struct execrec *r)
{
	_cleanup_close_ int lock = -1;
	struct execrec now = { 0 };
	struct err *e = lock_take(dir, "lock", false, &lock);

	e = e ?: read_record(dir, r->id, &now); /* it may have had the last word just before it ended */
	if (!e && now.req.env.n)
		e = write_record(dir, &now);
	if (e)
		return e;
	execrec_done(r);
	*r = now;
	return NULL;
}

struct err *execrec_find(struct store *st, const char *id, struct box **ret_box, struct execrec *ret)
{
	int dup = openat(st->containers, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_dir_ DIR *d = dup < 0 ? NULL : fdopendir(dup);
	struct execrec r = { 0 };
	struct box *b = NULL;
	struct err *e = NULL;
	struct dirent *de;

	while (d && is_id(id) && !b && !e && (de = readdir(d)) != NULL) {
		_cleanup_free_ char *path = xasprintf("%s/execs/%s", de->d_name, id);

		if (is_id(de->d_name) && faccessat(st->containers, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			e = box_find(st, de->d_name, &b);
	}
	if (!e && b) {
		_cleanup_close_ int dir = -1;

		e = open_dir(b, false, &dir);
		e = e ?: read_record(dir, id, &r);
		if (!e && r.status == EXECREC_ENDED && r.req.env.n)
			e = end_for_keeper(dir, &r);
	}
	if (!e && b) {
		*ret = r;
		*ret_box = b;
		return NULL;
	}
	box_free(b);
	execrec_done(&r);
	err_free(e); /* it goes just now */
	return err_new(0, "No such exec instance: %s", id);
}

struct err *execrec_start(const struct box *b, struct execrec *r)
{
	_cleanup_close_ int dir = -1, lock = -1;
	struct execrec now = { 0 };
	struct err *e = open_dir(b, false, &dir);

	e = e ?: lock_take(dir, "lock", false, &lock);
	e = e ?: read_record(dir, r->id, &now);
	if (!e && now.status != EXECREC_MADE)
		e = err_new(0, "Exec command %s %s", r->id,
			    now.status == EXECREC_RUNNING ? "is already running" : "has already run");
	execrec_done(&now);
	if (e)
		return e;
	r->status = EXECREC_RUNNING;
	r->keeper = getpid();
	r->keeper_start = proc_start_time(r->keeper);
	snprintf(r->boot_id, sizeof(r->boot_id), "%s", proc_boot_id());
	return write_record(dir, r);
}

struct err *execrec_end(const struct box *b, struct execrec *r, int exit_code)
{
	_cleanup_close_ int dir = -1;
	struct err *e = open_dir(b, false, &dir);

	r->status = EXECREC_ENDED;
	r->exit_code = exit_code;
	return e ?: write_record(dir, r);
}

/* --- the terminal's size ---------------------------------------------------------------------------------------- */

struct err *execrec_resize(const struct box *b, const struct execrec *r, uint32_t size)
{
	_cleanup_free_ char *name = xasprintf("%s.size", r->id), *text = xasprintf("%u", size);
	_cleanup_close_ int dir = -1;
	struct err *e = open_dir(b, false, &dir);

	e = e ?: fd_write_atomic(dir, name, text, strlen(text), 0600, false);
	if (!e && r->status == EXECREC_RUNNING)
		kill(r->keeper, SIGWINCH); /* it was alive when R was read; to others the signal says nothing */
	return e;
}

uint32_t execrec_size(const struct box *b, const struct execrec *r)
{
	_cleanup_free_ char *path = xasprintf("execs/%s.size", r->id), *text = NULL;
	uint64_t size = 0;
	struct err *e = fd_read_file(b->dir, path, 32, &text, NULL);

	e = e ?: str_to_u64(text, 0, UINT32_MAX, &size);
	err_free(e); /* nobody has said how large */
	return (uint32_t)size;
}
