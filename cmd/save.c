/* cmd/save.c -- devbox save, load: images as one file */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>

#include "cmd/verb.h"
#include "cmd/ui/progress.h"
#include "core/base/fd.h"
#include "registry/load.h"
#include "registry/save.h"

static const char *opt_file;
static bool opt_quiet;

static const struct opt save_opts[] = {
	{ 'o', "output", "string", "Write to a file, instead of STDOUT", OPT_STR, &opt_file, NULL },
	{ 0 },
};

/* Aside and renamed: a broken save does not leave half a file under the name that was asked for. */
static struct err *save_to_file(struct store *st, const struct strv *names)
{
	_cleanup_free_ char *aside = xasprintf("%s.%d.part", opt_file, (int)getpid());
	_cleanup_close_ int fd = -1;
	struct stat sb;
	struct err *e;

	if (stat(opt_file, &sb) == 0 && !S_ISREG(sb.st_mode)) { /* /dev/stdout, a fifo */
		e = fd_open(AT_FDCWD, opt_file, O_WRONLY, 0, &fd);
		return e ?: image_save(st, names, fd);
	}
	e = fd_open(AT_FDCWD, aside, O_WRONLY | O_CREAT | O_EXCL, 0600, &fd);
	if (e)
		return e;
	e = image_save(st, names, fd);
	if (!e && rename(aside, opt_file) < 0)
		e = err_new(errno, "renaming %s", aside);
	if (e)
		unlink(aside);
	return e;
}

static struct err *save(UNUSED struct call *c, int argc, char **argv)
{
	_cleanup_store_ struct store *st = NULL;
	_cleanup_strv_ struct strv names = { 0 };
	struct err *e;

	if (!opt_file && isatty(STDOUT_FILENO))
		return err_new(0, "cowardly refusing to save to a terminal. Use the -o flag or redirect");
	for (int i = 0; i < argc; i++)
		strv_add(&names, argv[i]);
	signal(SIGPIPE, SIG_IGN);
	e = store_open(&st);
	e = e ?: opt_file ? save_to_file(st, &names) : image_save(st, &names, STDOUT_FILENO);
	if (err_is(e, ENOENT) && str_starts(e->text, "No such image"))
		e->errnum = 0;
	return e;
}

/* --- load ------------------------------------------------------------------------------------- */

static const struct opt load_opts[] = {
	{ 'i', "input", "string", "Read from tar archive file, instead of STDIN", OPT_STR,
	  &opt_file, NULL },
	{ 'q', "quiet", NULL, "Suppress the load output", OPT_BOOL, &opt_quiet, NULL },
	{ 0 },
};

/* One line for the archive, on a terminal alone. */
struct shown {
	struct progress p;
	uint64_t total;
};

static void on_progress(void *arg, uint64_t done, bool unpacking)
{
	struct shown *s = arg;
	struct pull_event ev = {
		.phase = unpacking ? PULL_EXTRACTING : PULL_LOADING,
		.n_layers = 1,
		.digest = "archive",
		.done_bytes = done,
		.total_bytes = unpacking ? 0 : s->total,
	};

	progress_event(&s->p, &ev);
}

static struct err *load(UNUSED struct call *c, UNUSED int argc, UNUSED char **argv)
{
	_cleanup_store_ struct store *st = NULL;
	_cleanup_strv_ struct strv report = { 0 };
	_cleanup_close_ int file = -1;
	struct load_opts lo = { 0 };
	struct shown s = { 0 };
	struct stat sb;
	struct err *e = NULL;
	int fd = STDIN_FILENO;

	if (!opt_file && isatty(STDIN_FILENO))
		return err_new(0, "requested load from stdin, but stdin is empty");
	if (opt_file) {
		e = fd_open(AT_FDCWD, opt_file, O_RDONLY, 0, &file);
		fd = file;
	}
	e = e ?: store_open(&st);
	if (e)
		return e;
	fflush(stdout); /* the child must find our buffers empty */
	progress_init(&s.p, STDERR_FILENO);
	if (s.p.tty && !opt_quiet) {
		if (fstat(fd, &sb) == 0 && S_ISREG(sb.st_mode))
			s.total = (uint64_t)sb.st_size;
		lo.progress = on_progress;
		lo.arg = &s;
	}
	e = image_load(st, fd, &lo, &report);
	progress_done(&s.p);
	for (size_t i = 0; i < report.n; i++)
		puts(report.v[i]);
	return err_wrap(e, "loading %s", opt_file ?: "standard input");
}

const struct verb verb_save = {
	.name = "save",
	.args = "IMAGE [IMAGE...]",
	.min_args = 1,
	.max_args = -1,
	.opts = save_opts,
	.summary = "Save one or more images to a tar archive",
	.run = save,
};
const struct verb verb_load = {
	.name = "load",
	.args = "",
	.max_args = 0,
	.opts = load_opts,
	.summary = "Load images from a tar archive or STDIN",
	.run = load,
};
