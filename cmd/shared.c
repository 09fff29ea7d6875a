/* cmd/shared.c -- what verbs share, see verb.h */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cmd/verb.h"
#include "core/base/proc.h"
#include "core/box/control.h"
#include "core/box/term.h"

/* One container of a command line, worked on by a child of ours. */
struct work {
	const char *name; /* as typed */
	pid_t pid; /* 0: it was not begun, error says why */
	int result; /* the child's error comes here; end of file alone is success */
	struct err *error;
};

static struct err *begin_work(struct work *w, struct box *b,
			      struct err *(*fn)(struct box *b, void *arg), void *arg)
{
	_cleanup_close_ int write_end = -1;
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_new(errno, "making a pipe");
	w->result = fds[0];
	write_end = fds[1];
	fflush(stdout); /* or the child would print it again */
	w->pid = fork();
	if (w->pid < 0) {
		w->pid = 0;
		close(TAKE_FD(w->result));
		return err_new(errno, "forking");
	}
	if (w->pid == 0) {
		struct err *e = fn(b, arg);

		if (e)
			err_send(write_end, e);
		_exit(0);
	}
	return NULL;
}

static struct err *end_work(struct work *w)
{
	char buf[ERR_WIRE_MAX];
	ssize_t n;
	int status;

	if (!w->pid)
		return TAKE_PTR(w->error);
	do
		n = read(w->result, buf, sizeof(buf));
	while (n < 0 && errno == EINTR);
	close(TAKE_FD(w->result));
	err_free(proc_wait_pid(w->pid, &status)); /* what it has to say was in the pipe */
	return n > 0 ? err_recv(buf, (size_t)n) : NULL;
}

static struct err *finish_box(const char *name, struct err *e)
{
	if (!e)
		puts(name);
	fflush(stdout); /* the next one may take its time */
	return e;
}

struct err *each_box(int argc, char **argv, struct err *(*fn)(struct box *b, void *arg), void *arg)
{
	_cleanup_store_ struct store *st = NULL;
	struct err *all = store_open(&st);

	for (int i = 0; st && i < argc; i++) {
		_cleanup_box_ struct box *b = NULL;
		struct err *e = box_find(st, argv[i], &b);

		all = err_also(all, finish_box(argv[i], e ?: fn(b, arg)));
	}
	return all;
}

struct err *each_box_at_once(int argc, char **argv, struct err *(*fn)(struct box *b, void *arg),
			     void *arg)
{
	enum { AT_ONCE_MAX = 32 };
	_cleanup_store_ struct store *st = NULL;
	struct work work[AT_ONCE_MAX];
	struct err *all = NULL;

	if (argc == 1)
		return each_box(argc, argv, fn, arg);
	all = store_open(&st);
	for (int from = 0; st && from < argc; from += AT_ONCE_MAX) {
		int n = argc - from < AT_ONCE_MAX ? argc - from : AT_ONCE_MAX;

		for (int i = 0; i < n; i++) {
			_cleanup_box_ struct box *b = NULL;

			work[i] = (struct work){ .name = argv[from + i], .result = -1 };
			work[i].error = box_find(st, work[i].name, &b);
			if (!work[i].error)
				work[i].error = begin_work(&work[i], b, fn, arg);
		}
		for (int i = 0; i < n; i++)
			all = err_also(all, finish_box(work[i].name, end_work(&work[i])));
	}
	return all;
}

struct err *set_detach_keys(const char *value, void *to)
{
	struct detach_keys keys;
	struct err *e = detach_keys_parse(value, &keys);

	if (!e)
		*(const char **)to = value;
	return e;
}

struct err *watch_end(struct box *b, int *ret_conn)
{
	struct err *e = ctl_connect(b->dir, ret_conn);

	e = e ?: ctl_send(*ret_conn, CTL_WAIT, 0, NULL, 0, -1);
	if (err_is(e, ECONNREFUSED) || err_is(e, ENOENT) || err_is(e, EPIPE)) {
		if (*ret_conn >= 0)
			close(TAKE_FD(*ret_conn));
		err_free(e);
		return NULL;
	}
	return e;
}

bool confirm(const char *question)
{
	char answer[64];

	printf("%s [y/N] ", question);
	fflush(stdout);
	if (!fgets(answer, sizeof(answer), stdin)) {
		putchar('\n');
		return false;
	}
	return answer[0] == 'y' || answer[0] == 'Y';
}

struct err *images_in_use(struct store *st, struct strv *ret)
{
	struct box **boxes = NULL;
	size_t n = 0;
	struct err *e = box_list(st, &boxes, &n);

	for (size_t i = 0; i < n; i++) {
		strv_add(ret, boxes[i]->spec.image_id);
		box_free(boxes[i]);
	}
	free(boxes);
	return e;
}
