/* cmd/composerun.c -- devbox compose exec, run: a command in a service's container, or in one of its own. */
#include <fcntl.h>
#include <stdio.h>

#include "cmd/compose.h"
#include "cmd/envfile.h"
#include "core/base/fd.h"
#include "core/compose/request.h"
#include "core/compose/schema.h"

static bool opt_detach, opt_no_tty, opt_interactive = true, opt_tty_ignored, opt_privileged;
static unsigned opt_index;
static struct strv opt_env, opt_env_files;
static const char *opt_user, *opt_workdir, *opt_detach_keys;

static struct err *set_env(const char *value, UNUSED void *to)
{
	return env_add(value, &opt_env);
}

static bool on_terminal(void)
{
	return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
}

/* --- exec ------------------------------------------------------------------------------------- */

static const struct opt exec_opts[] = {
	{ 'd', "detach", NULL, "Detached mode: Run command in the background", OPT_BOOL,
	  &opt_detach, NULL },
	{ 'e', "env", NULL, "Set environment variables", OPT_CALL, NULL, set_env },
	{ 0, "index", "int", "Index of the container if service has multiple replicas", OPT_UINT,
	  &opt_index, NULL },
	{ 'i', "interactive", NULL, NULL, OPT_BOOL, &opt_interactive, NULL },
	{ 'T', "no-TTY", NULL, "Disable pseudo-TTY allocation", OPT_BOOL, &opt_no_tty, NULL },
	{ 0, "no-tty", NULL, NULL, OPT_BOOL, &opt_no_tty, NULL },
	{ 0, "privileged", NULL, "Give extended privileges to the process", OPT_BOOL,
	  &opt_privileged, NULL },
	{ 't', "tty", NULL, NULL, OPT_BOOL, &opt_tty_ignored, NULL },
	{ 'u', "user", "string", "Run the command as this user", OPT_STR, &opt_user, NULL },
	{ 'w', "workdir", "string", "Path to workdir directory for this command", OPT_STR,
	  &opt_workdir, NULL },
	COMPOSE_OPTS_END,
};

static struct err *exec(struct call *c, int argc, char **argv)
{
	static const int stdio[3] = { STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO };
	_cleanup_session_ struct session s = { 0 };
	struct exec_request req = { .user = opt_user,
				    .workdir = opt_workdir,
				    .detach = opt_detach,
				    .privileged = opt_privileged };
	struct box *b = NULL;
	struct err *e = session_look(&s, 0, NULL, NULL);

	e = e ?: session_container(&s, argv[0], opt_index, &b);
	if (e || session_is_dry(&s, b->spec.name, "Executed"))
		return e;
	for (int i = 1; i < argc; i++)
		strv_add(&req.argv, argv[i]);
	strv_copy(&req.env, &opt_env);
	req.open_stdin = opt_interactive && !opt_detach;
	req.tty = !opt_no_tty && !opt_detach && on_terminal();
	e = box_exec(b, &req, stdio, opt_detach_keys, &c->status);
	strv_done(&req.argv);
	strv_done(&req.env);
	return e;
}

const struct verb verb_compose_exec = {
	.name = "exec",
	.args = "SERVICE COMMAND [ARGS...]",
	.min_args = 2,
	.max_args = -1,
	.grammar = OPT_FIRST,
	.opts = exec_opts,
	.summary = "Execute a command in a running container",
	.run = exec,
};

/* --- run -------------------------------------------------------------------------------------- */

static bool opt_build, opt_no_deps, opt_rm, opt_ports, opt_aliases, opt_orphans, opt_quiet,
	opt_quiet_pull, opt_quiet_build, opt_entrypoint_set;
static const char *opt_name, *opt_entrypoint, *opt_pull;
static struct strv opt_publish, opt_volumes, opt_labels, opt_cap_add, opt_cap_drop;

static struct err *set_entrypoint(const char *value, UNUSED void *to)
{
	opt_entrypoint = value;
	opt_entrypoint_set = true;
	return NULL;
}

static const struct opt run_opts[] = {
	{ 0, "build", NULL, "Build image before starting container", OPT_BOOL, &opt_build, NULL },
	{ 0, "cap-add", "list", "Add Linux capabilities", OPT_LIST, &opt_cap_add, NULL },
	{ 0, "cap-drop", "list", "Drop Linux capabilities", OPT_LIST, &opt_cap_drop, NULL },
	{ 'd', "detach", NULL, "Run container in background and print container ID", OPT_BOOL,
	  &opt_detach, NULL },
	{ 0, "entrypoint", "string", "Override the entrypoint of the image", OPT_CALL, NULL,
	  set_entrypoint },
	{ 'e', "env", NULL, "Set environment variables", OPT_CALL, NULL, set_env },
	{ 0, "env-from-file", "file", "Set environment variables from file", OPT_LIST,
	  &opt_env_files, NULL },
	{ 'i', "interactive", NULL, "Keep STDIN open even if not attached (default true)", OPT_BOOL,
	  &opt_interactive, NULL },
	{ 'l', "label", NULL, "Add or override a label", OPT_LIST, &opt_labels, NULL },
	{ 0, "name", "string", "Assign a name to the container", OPT_STR, &opt_name, NULL },
	{ 'T', "no-TTY", NULL, "Disable pseudo-TTY allocation", OPT_BOOL, &opt_no_tty, NULL },
	{ 0, "no-deps", NULL, "Don't start linked services", OPT_BOOL, &opt_no_deps, NULL },
	{ 'p', "publish", NULL, "Publish a container's port(s) to the host", OPT_LIST, &opt_publish,
	  NULL },
	{ 0, "pull", "string", "Pull image before running (\"always\"|\"missing\"|\"never\")",
	  OPT_STR, &opt_pull, NULL },
	{ 'q', "quiet", NULL, "Don't print anything to STDOUT", OPT_BOOL, &opt_quiet, NULL },
	{ 0, "quiet-build", NULL, "Suppress progress output from the build process", OPT_BOOL,
	  &opt_quiet_build, NULL },
	{ 0, "quiet-pull", NULL, "Pull without printing progress information", OPT_BOOL,
	  &opt_quiet_pull, NULL },
	{ 0, "remove-orphans", NULL, "Remove containers for services not defined in the Compose file",
	  OPT_BOOL, &opt_orphans, NULL },
	{ 0, "rm", NULL, "Automatically remove the container when it exits", OPT_BOOL, &opt_rm, NULL },
	{ 'P', "service-ports", NULL, "Run command with all service's ports enabled and mapped to the host",
	  OPT_BOOL, &opt_ports, NULL },
	{ 't', "tty", NULL, NULL, OPT_BOOL, &opt_tty_ignored, NULL },
	{ 0, "use-aliases", NULL,
	  "Use the service's network aliases in the network(s) the container connects to", OPT_BOOL,
	  &opt_aliases, NULL },
	{ 'u', "user", "string", "Run as specified username or uid", OPT_STR, &opt_user, NULL },
	{ 'v', "volume", NULL, "Bind mount a volume", OPT_LIST, &opt_volumes, NULL },
	{ 'w', "workdir", "string", "Working directory inside the container", OPT_STR, &opt_workdir,
	  NULL },
	COMPOSE_OPTS_END,
};

/* What S depends on is brought up, and is as S wants it. */
static struct err *start_dependencies(struct session *s, const struct service *of)
{
	_cleanup_strv_ struct strv names = { 0 }, none = { 0 };
	_cleanup_free_ bool *picked = xcalloc(s->p->n_services + 1, sizeof(*picked));
	_cleanup_project_plan_ struct project_plan wait = { 0 };
	struct err *e;

	for (size_t i = 0; i < of->n_depends; i++)
		if (project_service(s->p, of->depends[i].service))
			strv_add(&names, of->depends[i].service);
	if (!names.n)
		return NULL;
	e = compose_bring_up(s, &names, &none, picked);
	project_plan_wait(s->p, of, &wait);
	return e ?: session_run(s, &wait);
}

static struct err *read_env_files(struct strv *to)
{
	struct err *e = NULL;

	for (size_t i = 0; i < opt_env_files.n && !e; i++) {
		_cleanup_free_ char *text = NULL;
		size_t len = 0;

		e = fd_read_file(AT_FDCWD, opt_env_files.v[i], 1 << 20, &text, &len);
		e = e ?: env_file_parse(text, len, opt_env_files.v[i], to);
	}
	return e;
}

/* What the command line says over the file. */
static struct err * override(struct session *s, const struct service *of, int argc, char **argv,
			     struct run_request *req, struct strv *notes)
{
	_cleanup_strv_ struct strv words = { 0 };
	struct err *e = NULL;

	if (opt_entrypoint_set) {
		e = words_split(opt_entrypoint, &words);
		req->entrypoint_set = true;
		req->entrypoint = words.n ? arena_str(&s->p->arena, words.v[0]) : "";
	}
	if (argc || opt_entrypoint_set) {
		const struct node *own = node_get(of->node, "entrypoint");

		strv_done(&req->args);
		for (size_t i = 1; i < words.n; i++)
			strv_add(&req->args, words.v[i]);
		/* the further words of the file's entrypoint stand in front of the command */
		for (size_t i = 1; !opt_entrypoint_set && i < node_len(own); i++)
			strv_add(&req->args, own->m[i].value->text);
		for (int i = 0; i < argc; i++)
			strv_add(&req->args, argv[i]);
	}
	e = e ?: read_env_files(&req->env);
	strv_copy(&req->env, &opt_env);
	strv_copy(&req->labels, &opt_labels);
	strv_copy(&req->cap_add, &opt_cap_add);
	strv_copy(&req->cap_drop, &opt_cap_drop);
	for (size_t i = 0; i < opt_publish.n && !e; i++)
		e = request_port(opt_publish.v[i], s->p, of->name, NULL, req, notes);
	for (size_t i = 0; i < opt_volumes.n && !e; i++)
		e = mount_parse_volume(opt_volumes.v[i], s->p->directory, &req->mounts);
	req->user = opt_user ?: req->user;
	req->workdir = opt_workdir ?: req->workdir;
	req->tty = !opt_no_tty && !opt_detach && on_terminal();
	req->open_stdin = opt_interactive && !opt_detach;
	req->auto_remove = opt_rm;
	return e;
}

static struct err *make(struct session *s, const struct service *of, int argc, char **argv,
			struct box **ret)
{
	_cleanup_image_ struct image *img = NULL;
	_cleanup_strv_ struct strv notes = { 0 };
	struct run_request req = { 0 };
	struct request_opts o = { .oneoff = true,
				  .number = 1,
				  .with_ports = opt_ports,
				  .with_aliases = opt_aliases,
				  .underscores = s->c.underscores,
				  .peer = engine_peer,
				  .arg = &s->c,
				  .notes = &notes };
	unsigned char random[6];
	char hex[13];
	struct err *e = image_find(s->st, service_image(s->p, of), &img);

	random_bytes(random, sizeof(random));
	str_hex(random, sizeof(random), hex);
	o.name = opt_name ?: arena_printf(&s->p->arena, "%s-%s-run-%s", s->name, of->name, hex);
	o.image = img;
	e = e ?: request_make(s->p, of, &o, s->st, &req);
	e = e ?: override(s, of, argc, argv, &req, &notes);
	e = e ?: box_create(s->st, &req, img, ret);
	for (size_t i = 0; i < notes.n; i++)
		fprintf(stderr, "%s: %s\n", prog(), notes.v[i]);
	request_done(&req);
	return e;
}

static struct err *attached(struct call *c, struct box *b)
{
	struct attach_opts o = {
		.stdio = { STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO },
		.with_stdin = b->spec.open_stdin,
		.tty = b->spec.tty,
		.sig_proxy = true,
	};
	_cleanup_close_ int conn = -1;
	enum attach_end end = ATTACH_EXITED;
	struct err *e = box_start(b, &conn);

	for (size_t i = 0; !e && i < b->notes.n; i++)
		fprintf(stderr, "%s: %s\n", prog(), b->notes.v[i]);
	e = e ?: attach_run(b, conn, &o, &end, &c->status);
	if (!e && end == ATTACH_LOST)
		e = err_new(0, "container %s: its monitor ended unexpectedly", b->spec.name);
	return e;
}

static struct err *set_run_pull(struct session *s)
{
	if (!opt_pull)
		return NULL;
	if (strcmp(opt_pull, "always") && strcmp(opt_pull, "missing") && strcmp(opt_pull, "never"))
		return err_new(0, "--pull must be \"always\", \"missing\" or \"never\"");
	s->c.pull = !strcmp(opt_pull, "always")	   ? PULL_ALWAYS
		    : !strcmp(opt_pull, "missing") ? PULL_MISSING
						   : PULL_NEVER;
	return NULL;
}

static struct err *run(struct call *c, int argc, char **argv)
{
	_cleanup_session_ struct session s = { 0 };
	_cleanup_free_ bool *picked = NULL;
	_cleanup_box_ struct box *b = NULL;
	const struct service *of = NULL;
	struct err *e = session_open(&s, SESSION_FILES);

	e = e ?: project_enable(s.p, argv[0]);
	if (e)
		return e;
	of = project_service(s.p, argv[0]);
	e = request_check(s.p, of);
	if (e)
		return e;
	if (opt_quiet)
		s.tasks.quiet = true, s.tasks.tty = false;
	if (opt_orphans)
		e = compose_remove_orphans(&s);
	if (!opt_no_deps)
		e = e ?: start_dependencies(&s, of);
	picked = xcalloc(s.p->n_services + 1, sizeof(*picked));
	picked[of - s.p->services] = true;
	s.c.build = opt_build;
	s.c.quiet_pull = opt_quiet_pull;
	s.c.quiet_build = opt_quiet_build;
	e = e ?: set_run_pull(&s);
	e = e ?: engine_resources(&s.c, picked, true);
	e = e ?: engine_images(&s.c, picked);
	e = e ?: engine_resources(&s.c, picked, false);
	if (e || session_is_dry(&s, of->name, "Run"))
		return e;
	tasks_done(&s.tasks);
	e = e ?: make(&s, of, argc - 1, argv + 1, &b);
	if (e || !opt_detach)
		return e ?: attached(c, b);
	e = box_start(b, NULL);
	if (!e)
		puts(b->spec.name);
	return e;
}

const struct verb verb_compose_run = {
	.name = "run",
	.args = "SERVICE [COMMAND] [ARGS...]",
	.min_args = 1,
	.max_args = -1,
	.grammar = OPT_FIRST,
	.opts = run_opts,
	.summary = "Run a one-off command on a service",
	.run = run,
};
