/* How it works: a child reads the source, uncompresses it and writes it into a pipe, the client in the container
 * reads from there.  For a server's address the writer is the image's own dump program, run in the same container. */
#include "core/branch/import.h"

#include <archive.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "core/base/fd.h"
#include "core/base/proc.h"
#include "core/branch/client.h"

enum { BLOCK = 256 << 10, FILES_MAX = 10000 };

/* --- reading ---------------------------------------------------------------------------------- */

/* The content of FD to OUT, whatever of the known ways it is compressed in. */
static struct err *pour(int fd, const char *name, int out, const struct import_opts *o)
{
	struct archive *a = archive_read_new();
	_cleanup_free_ char *buf = xmalloc(BLOCK);
	struct archive_entry *entry;
	struct err *e = NULL;
	struct stat st;
	uint64_t total = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
	ssize_t n = 0;

	archive_read_support_filter_gzip(a);
	archive_read_support_filter_zstd(a);
	archive_read_support_filter_xz(a);
	archive_read_support_filter_bzip2(a);
	archive_read_support_format_raw(a);
	archive_read_support_format_empty(a);
	if (archive_read_open_fd(a, fd, BLOCK) != ARCHIVE_OK)
		e = err_new(0, "%s: %s", name, archive_error_string(a));
	else if (archive_read_next_header(a, &entry) != ARCHIVE_OK) {
		archive_read_free(a); /* an empty file has no entry */
		return NULL;
	}
	while (!e && (n = archive_read_data(a, buf, BLOCK)) > 0) {
		e = fd_write_all(out, "the client", buf, (size_t)n);
		if (o->progress)
			o->progress(o->arg, name, (uint64_t)archive_filter_bytes(a, -1), total);
	}
	if (!e && n < 0)
		e = err_new(0, "%s: %s", name, archive_error_string(a));
	archive_read_free(a);
	return e;
}

static struct err *pour_file(int dir, const char *name, int out, const struct import_opts *o)
{
	_cleanup_close_ int fd = -1;
	struct err *e = fd_open(dir, name, O_RDONLY, 0, &fd);

	e = e ?: pour(fd, name, out, o);
	/* the last statement of a file must not run into the next one's first */
	return e ?: fd_write_all(out, "the client", "\n", 1);
}

static bool is_dump(const char *name)
{
	static const char *const ends[] = { ".sql", ".sql.gz", ".sql.zst", ".sql.xz", ".sql.bz2" };

	for (size_t i = 0; i < ARRAY_LEN(ends); i++)
		if (str_ends(name, ends[i]))
			return true;
	return false;
}

static struct err *pour_dir(int fd, const char *path, int out, const struct import_opts *o)
{
	_cleanup_strv_ struct strv names = { 0 };
	_cleanup_dir_ DIR *d = fdopendir(fd);
	struct dirent *de;
	struct err *e = NULL;

	if (!d) {
		close(fd);
		return err_new(errno, "%s", path);
	}
	while ((de = readdir(d)) != NULL && names.n < FILES_MAX)
		if (is_dump(de->d_name))
			strv_add(&names, de->d_name);
	if (!names.n)
		return err_new(0, "%s holds no .sql files", path);
	strv_sort(&names);
	for (size_t i = 0; i < names.n && !e; i++)
		e = pour_file(dirfd(d), names.v[i], out, o);
	return e;
}

static struct err *pour_source(const char *source, int out, const struct import_opts *o)
{
	struct stat st;
	int fd;
	struct err *e;

	if (!strcmp(source, "-"))
		return pour(STDIN_FILENO, "standard input", out, o);
	if (stat(source, &st) < 0)
		return err_new(errno, "%s", source);
	if (!S_ISDIR(st.st_mode))
		return pour_file(AT_FDCWD, source, out, o);
	e = fd_open(AT_FDCWD, source, O_RDONLY | O_DIRECTORY, 0, &fd);
	return e ?: pour_dir(fd, source, out, o);
}

/* --- feeding ---------------------------------------------------------------------------------- */

struct feeder {
	struct box *b;
	const char *source;
	const struct import_opts *opts;
	const struct client_cmd *dump; /* NULL: files */
	int err_fd;
};

/* Writes to OUT; its error goes to RESULT. */
NORETURN static void feeder_main(const struct feeder *f, int out, int result)
{
	struct err *e;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN); /* the client has ended: it says why */
	if (f->dump) {
		_cleanup_close_ int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
		int stdio[3] = { null, out, f->err_fd };

		e = client_exec(f->b, f->dump, stdio);
		e = err_wrap(e, "dumping the other server");
	} else {
		e = pour_source(f->source, out, f->opts);
	}
	if (e && !err_is(e, EPIPE))
		err_send(result, e);
	err_free(e);
	_exit(0);
}

static struct err *feed(const struct feeder *f, const struct client_cmd *client)
{
	_cleanup_close_ int in = -1, ours = -1, null = -1;
	char buf[ERR_WIRE_MAX];
	int data[2], result[2], status;
	struct err *e = NULL, *fed = NULL;
	ssize_t n;
	pid_t pid;

	e = fd_open(AT_FDCWD, "/dev/null", O_WRONLY, 0, &null);
	if (!e && pipe2(data, O_CLOEXEC) < 0)
		e = err_new(errno, "making a pipe");
	if (e)
		return e;
	if (pipe2(result, O_CLOEXEC) < 0) {
		e = err_new(errno, "making a pipe");
		close(data[0]);
		close(data[1]);
		return e;
	}
	pid = fork();
	if (pid == 0) {
		close(data[0]);
		close(result[0]);
		feeder_main(f, data[1], result[1]);
	}
	close(data[1]); /* or the client would never see the end */
	close(result[1]);
	in = data[0];
	ours = result[0];
	if (pid < 0)
		return err_new(errno, "forking");
	{
		int stdio[3] = { in, null, f->err_fd };

		e = client_exec(f->b, client, stdio);
	}
	close(TAKE_FD(in)); /* the client may have ended early: so does the feeder */
	do
		n = read(ours, buf, sizeof(buf));
	while (n < 0 && errno == EINTR);
	if (n > 0)
		fed = err_recv(buf, (size_t)n);
	err_free(proc_wait_pid(pid, &status)); /* what it has to say was in the pipe */
	if (fed) { /* the cause: the client only saw less than there was */
		err_free(e);
		return fed;
	}
	return e;
}

static struct err *make_database(struct box *b, const char *name)
{
	const struct recipe *r = recipe_by_name(b->spec.recipe);
	_cleanup_free_ char *quoted = client_quote_name(r, name), *text = client_quote_text(name),
			    *sql = NULL, *rows = NULL;
	struct err *e;

	if (recipe_engine(r) != ENGINE_POSTGRES) {
		sql = xasprintf("CREATE DATABASE IF NOT EXISTS %s", quoted);
		return client_run(b, "mysql", sql, NULL); /* one that is there in any case */
	}
	sql = xasprintf("SELECT 1 FROM pg_database WHERE datname = %s", text);
	e = client_run(b, "postgres", sql, &rows);
	if (e || *rows)
		return e;
	free(sql);
	sql = xasprintf("CREATE DATABASE %s", quoted);
	return client_run(b, "postgres", sql, NULL);
}

struct err *import_source(struct box *b, const char *source, const struct import_opts *opts, int err_fd)
{
	const struct recipe *r = recipe_by_name(b->spec.recipe);
	_cleanup_client_ struct client_cmd client = { 0 }, dump = { 0 };
	_cleanup_free_ char *theirs = NULL;
	bool address = strstr(source, "://") != NULL;
	struct feeder f = {
		.b = b, .source = source, .opts = opts, .dump = address ? &dump : NULL, .err_fd = err_fd
	};
	struct err *e = NULL;

	if (address)
		e = client_dump(r, source, &dump, &theirs);
	if (!e && opts->database)
		e = make_database(b, opts->database);
	e = e ?: client_sql(r, &b->spec.env, opts->database, &client);
	e = e ?: feed(&f, &client);
	/* an address may hold a password */
	return err_wrap(e, "importing %s", address ? theirs ?: "from a server" : source);
}
