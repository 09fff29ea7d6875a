#include "core/compose/hook.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "core/base/fd.h"

enum { OUTPUT_MAX = 64 << 10 }; /* what is told of it */

void hook_fill(const struct node *hook, struct exec_request *req)
{
	const struct node *command = node_get(hook, "command"), *env = node_get(hook, "environment");

	*req = (struct exec_request){ .user = node_str(hook, "user"),
				      .workdir = node_str(hook, "working_dir"),
				      .privileged = node_true(hook, "privileged") };
	for (size_t i = 0; i < node_len(command); i++)
		strv_add(&req->argv, command->m[i].value->text);
	for (size_t i = 0; i < node_len(env); i++)
		if (env->m[i].value->text)
			strv_addf(&req->env, "%s=%s", env->m[i].key, env->m[i].value->text);
}

void hook_done(struct exec_request *req)
{
	strv_done(&req->argv);
	strv_done(&req->env);
}

static void tell_lines(int fd, void (*tell)(void *arg, const char *line), void *arg)
{
	_cleanup_free_ char *text = xmalloc(OUTPUT_MAX + 1);
	ssize_t n = pread(fd, text, OUTPUT_MAX, 0);

	text[n > 0 ? n : 0] = '\0';
	for (char *at = text; *at;) {
		size_t len = strcspn(at, "\n");
		bool more = at[len];

		at[len] = '\0';
		tell(arg, at);
		at += len + more;
	}
}

static struct err *run_one(const struct node *hook, struct box *b,
			   void (*tell)(void *arg, const char *line), void *arg)
{
	_cleanup_close_ int none = open("/dev/null", O_RDONLY | O_CLOEXEC),
			    out = memfd_create("hook", MFD_CLOEXEC);
	const int stdio[3] = { none, out, out };
	struct exec_request req;
	struct err *e = NULL;
	int status = 0;

	if (none < 0 || out < 0)
		return err_new(errno, "opening what a hook writes to");
	hook_fill(hook, &req);
	if (!req.argv.n)
		e = err_new(0, "a hook needs a command");
	e = e ?: box_exec(b, &req, stdio, NULL, &status);
	hook_done(&req);
	tell_lines(out, tell, arg);
	return e || !status ? e : err_new(0, "the hook ended with status %d", status);
}

struct err *hooks_run(const struct service *s, const char *key, struct box *b,
		      void (*tell)(void *arg, const char *line), void *arg)
{
	const struct node *list = s ? node_get(s->node, key) : NULL;
	struct err *e = NULL;

	for (size_t i = 0; i < node_len(list) && !e; i++) {
		const struct node *hook = list->m[i].value;

		e = run_one(hook, b, tell, arg);
		if (e)
			e = pos_wrap(&hook->pos, err_wrap(e, "services.%s.%s", s->name, key));
	}
	return e;
}
