/* cmd/resume.c -- devbox resume [--install|--uninstall]
 *
 * There is no daemon that would start containers after a reboot.  `devbox resume` does it: those whose restart policy
 * is always or unless-stopped and which nobody stopped, but which ended with the machine, the session or their monitor.
 * --install, asked for only, lets the user's login call it: a unit of the systemd user manager where there is one, else
 * a marked block in ~/.profile. */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "cmd/verb.h"
#include "core/base/fd.h"
#include "core/base/lock.h"
#include "core/branch/switchboard.h"

#define UNIT "devbox-resume.service"
#define UNIT_DIR ".config/systemd/user"
#define BLOCK_BEGIN "# >>> devbox resume >>>\n"
#define BLOCK_END "# <<< devbox resume <<<\n"

enum { PROFILE_MAX = 1 << 20 };

static bool opt_install, opt_uninstall;

static const struct opt opts[] = {
	{ 0, "install", NULL, "Call this at each login (systemd user unit, else ~/.profile)",
	  OPT_BOOL, &opt_install, NULL },
	{ 0, "uninstall", NULL, "Undo --install", OPT_BOOL, &opt_uninstall, NULL },
	{ 0 },
};

/* --- starting --------------------------------------------------------------------------------- */

static bool should_run(const struct box *b)
{
	const struct state *s = &b->state;

	return (b->spec.restart.when == RESTART_ALWAYS ||
		b->spec.restart.when == RESTART_UNLESS_STOPPED) &&
	       s->status == BOX_EXITED && !s->user_stopped;
}

static struct err *resume_all(void)
{
	_cleanup_store_ struct store *st = NULL;
	_cleanup_strv_ struct strv projects = { 0 };
	_cleanup_close_ int lock = -1;
	struct box **boxes = NULL;
	struct err *all = NULL;
	size_t n = 0;
	struct err *e = store_open(&st);

	e = e ?: lock_take(st->root, "resume.lock", false, &lock); /* two logins at once: one after the other */
	e = e ?: box_list(st, &boxes, &n);
	if (e)
		return e;
	for (size_t i = n; i-- > 0;) { /* oldest first: the order in which they were made */
		struct box *b = boxes[i];

		if (should_run(b)) {
			e = box_start(b, NULL);
			if (!e)
				puts(b->spec.name);
			for (size_t k = 0; !e && k < b->notes.n; k++)
				fprintf(stderr, "%s: %s\n", prog(), b->notes.v[k]);
			fflush(stdout);
			all = err_also(all, e);
		}
		box_free(b);
	}
	free(boxes);
	e = switchboard_resume(st, &projects); /* databases of branches: a connection starts them */
	for (size_t i = 0; i < projects.n; i++)
		puts(projects.v[i]);
	return err_also(all, e);
}

/* --- login ------------------------------------------------------------------------------------ */

static struct err *open_home(const char **ret_path, int *ret_fd)
{
	*ret_path = getenv("HOME");
	if (!*ret_path || **ret_path != '/')
		return err_new(0, "HOME is not set");
	return fd_open(AT_FDCWD, *ret_path, O_RDONLY | O_DIRECTORY, 0, ret_fd);
}

/* By its private socket: no library, no bus. */
static bool has_user_manager(void)
{
	const char *dir = getenv("XDG_RUNTIME_DIR");
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	_cleanup_close_ int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int len = snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/systemd/private", dir ?: "");

	return dir && sock >= 0 && len < (int)sizeof(sun.sun_path) &&
	       connect(sock, (struct sockaddr *)&sun, sizeof(sun)) == 0;
}

/* TEXT quoted: for the shell, or for a unit file, where "%" and "$" are special as well. */
static void add_quoted(struct str *out, const char *text, bool unit)
{
	str_addc(out, unit ? '"' : '\'');
	for (; *text; text++) {
		if (!unit && *text == '\'')
			str_add(out, "'\\''");
		else if (unit && (*text == '"' || *text == '\\'))
			str_addf(out, "\\%c", *text);
		else if (unit && (*text == '%' || *text == '$'))
			str_addf(out, "%c%c", *text, *text);
		else
			str_addc(out, *text);
	}
	str_addc(out, unit ? '"' : '\'');
}

static struct err *own_path(char ret[PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", ret, PATH_MAX - 1);

	if (n < 0)
		return err_new(errno, "finding devbox's own file");
	ret[n] = '\0';
	return strchr(ret, '\n') ? err_new(0, "devbox's own path has a line break in it") : NULL;
}

static struct err *install_unit(int home, const char *self)
{
	const char *data = getenv("XDG_DATA_HOME");
	_cleanup_str_ struct str text = { 0 };
	_cleanup_close_ int dir = -1, wants = -1;
	struct err *e;

	str_add(&text, "[Unit]\nDescription=Start the devbox containers that should run\n\n[Service]\n"
		       "Type=oneshot\n# the containers are processes of this unit: it stays\n"
		       "RemainAfterExit=yes\nDelegate=yes\nTimeoutStopSec=30\n");
	if (data && *data == '/') {
		_cleanup_free_ char *setting = xasprintf("XDG_DATA_HOME=%s", data);

		str_add(&text, "Environment=");
		add_quoted(&text, setting, true);
		str_addc(&text, '\n');
	}
	str_add(&text, "ExecStart=");
	add_quoted(&text, self, true);
	str_add(&text, " resume\n\n[Install]\nWantedBy=default.target\n");
	e = fd_mkdir_p(home, UNIT_DIR "/default.target.wants", 0755, NULL);
	e = e ?: fd_open(home, UNIT_DIR, O_RDONLY | O_DIRECTORY, 0, &dir);
	e = e ?: fd_open(dir, "default.target.wants", O_RDONLY | O_DIRECTORY, 0, &wants);
	e = e ?: fd_write_atomic(dir, UNIT, text.s, text.len, 0644, false);
	if (!e && symlinkat("../" UNIT, wants, UNIT) < 0 && errno != EEXIST)
		e = err_new(errno, "enabling %s", UNIT);
	return e;
}

static struct err *uninstall_unit(int home, bool *ret_any)
{
	static const char *const files[] = { UNIT_DIR "/default.target.wants/" UNIT, UNIT_DIR "/" UNIT };

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		if (unlinkat(home, files[i], 0) == 0)
			*ret_any = true;
		else if (errno != ENOENT && errno != ENOTDIR)
			return err_new(errno, "removing ~/%s", files[i]);
	}
	return NULL;
}

/* OLD without our block.  True: there was one. */
static bool without_block(const char *old, struct str *out)
{
	const char *begin = strstr(old, BLOCK_BEGIN);
	const char *end = begin ? strstr(begin, BLOCK_END) : NULL;

	if (!end) {
		str_add(out, old);
		return false;
	}
	str_addn(out, old, (size_t)(begin - old));
	str_add(out, end + strlen(BLOCK_END));
	return true;
}

/* SELF NULL: take the block away.  The file may be a link to where the user keeps such files: then that one changes. */
static struct err *edit_profile(const char *home, const char *self, bool *ret_any)
{
	_cleanup_free_ char *path = xasprintf("%s/.profile", home), *old = NULL, *real = NULL;
	_cleanup_str_ struct str text = { 0 };
	_cleanup_close_ int dir = -1;
	const char *data = getenv("XDG_DATA_HOME");
	struct stat st = { .st_mode = 0644 };
	struct err *e;
	char *slash;
	bool had;

	real = realpath(path, NULL) ?: xstrdup(path);
	e = fd_read_file(AT_FDCWD, real, PROFILE_MAX, &old, NULL);
	if (err_is(e, ENOENT)) {
		err_free(TAKE_PTR(e));
		if (!self)
			return NULL;
	} else if (!e && stat(real, &st) < 0) {
		e = err_new(errno, "looking at %s", real);
	}
	if (e)
		return e;
	had = without_block(old ?: "", &text);
	if (!self && !had)
		return NULL;
	if (self) {
		if (text.len && text.s[text.len - 1] != '\n')
			str_addc(&text, '\n');
		str_add(&text, BLOCK_BEGIN "(");
		if (data && *data == '/') {
			str_add(&text, "export XDG_DATA_HOME=");
			add_quoted(&text, data, false);
			str_add(&text, "; ");
		}
		add_quoted(&text, self, false);
		str_add(&text, " resume >/dev/null 2>&1 </dev/null &)\n" BLOCK_END);
	}
	slash = strrchr(real, '/');
	*slash = '\0';
	e = fd_open(AT_FDCWD, *real ? real : "/", O_RDONLY | O_DIRECTORY, 0, &dir);
	e = e ?: fd_write_atomic(dir, slash + 1, text.s ?: "", text.len, st.st_mode & 0777, true);
	*ret_any = !e;
	return err_wrap(e, "changing ~/.profile");
}

static struct err *install(void)
{
	_cleanup_close_ int home = -1;
	const char *path;
	char self[PATH_MAX];
	bool any = false;
	struct err *e = own_path(self);

	e = e ?: open_home(&path, &home);
	if (e)
		return e;
	if (has_user_manager()) {
		e = install_unit(home, self);
		e = e ?: edit_profile(path, NULL, &any);
		if (!e)
			printf("~/" UNIT_DIR "/" UNIT " starts them when you log in\n"
			       "(at boot already: loginctl enable-linger)\n");
		return e;
	}
	e = edit_profile(path, self, &any);
	e = e ?: uninstall_unit(home, &any);
	if (e)
		return e;
	puts("~/.profile starts them when you log in");
	if (faccessat(home, ".bash_profile", F_OK, 0) == 0 ||
	    faccessat(home, ".bash_login", F_OK, 0) == 0)
		fprintf(stderr,
			"%s: bash reads your ~/.bash_profile or ~/.bash_login instead: let it read ~/.profile\n",
			prog());
	return NULL;
}

static struct err *uninstall(void)
{
	_cleanup_close_ int home = -1;
	bool unit = false, profile = false;
	const char *path;
	struct err *e = open_home(&path, &home);

	e = e ?: uninstall_unit(home, &unit);
	e = e ?: edit_profile(path, NULL, &profile);
	if (!e)
		puts(unit || profile ? "your login does not start containers any more"
				     : "it was not installed");
	return e;
}

static struct err *resume(UNUSED struct call *c, UNUSED int argc, UNUSED char **argv)
{
	if (opt_install && opt_uninstall)
		return err_new(0, "--install and --uninstall exclude each other");
	return opt_install ? install() : opt_uninstall ? uninstall() : resume_all();
}

const struct verb verb_resume = {
	.name = "resume",
	.args = "",
	.opts = opts,
	.summary = "Start again what a reboot, a logout or a crash has ended",
	.more = "These are the containers with --restart always or unless-stopped that nobody stopped.  Nothing\n"
		"does this by itself, unless --install was asked for.",
	.run = resume,
};
