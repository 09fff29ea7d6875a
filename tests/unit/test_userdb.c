#include "core/box/userdb.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "core/base/fd.h"
#include "tests/lib/tap.h"

static const char passwd[] = "root:x:0:0:root:/root:/bin/bash\n"
			     "# a comment: with: colons\n"
			     "mysql:x:999:999::/var/lib/mysql:/bin/false\r\n"
			     "\n"
			     "broken:x:zero:0::/:/bin/sh\n"
			     "short:x:5\n"
			     ":x:77:77::/:/bin/sh\n"
			     "12:x:500:500::/home/twelve:/bin/sh\n"
			     "homeless:x:600:600\n"
			     "nohome:x:601:601:::/bin/sh\n"
			     "big:x:4294967296:0::/:/bin/sh\n"
			     "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin";
static const char group[] = "root:x:0:\n"
			    "adm:x:4:syslog,mysql\n"
			    "mysql:x:999:\n"
			    "ssl-cert:x:101:postgres,mysql,root\n"
			    "bad:x:none:mysql\n"
			    "mysqlx:x:102:mysqlx\n"
			    "again:x:4:mysql\n"
			    "wheel:x:10:root\n"
			    "nomembers:x:11\n"
			    "nogroup:x:65534:";

/* groups: as printed by id -G */
static const struct {
	const char *text, *name, *ids, *home, *err;
} cases[] = {
	{ "", "root", "0:0 0 101 10", "/root", NULL },
	{ "root", "root", "0:0 0 101 10", "/root", NULL },
	{ "0", "root", "0:0 0 101 10", "/root", NULL },
	{ "mysql", "mysql", "999:999 999 4 101", "/var/lib/mysql", NULL },
	{ "999", "mysql", "999:999 999 4 101", "/var/lib/mysql", NULL },
	{ "mysql:adm", "mysql", "999:4 4", "/var/lib/mysql", NULL },
	{ "mysql:4", "mysql", "999:4 4", "/var/lib/mysql", NULL },
	{ "mysql:nomembers", "mysql", "999:11 11", "/var/lib/mysql", NULL },
	{ "mysql:", "mysql", "999:999 999 4 101", "/var/lib/mysql", NULL },
	{ ":adm", "root", "0:4 4", "/root", NULL },
	{ "nobody:nogroup", "nobody", "65534:65534 65534", "/nonexistent", NULL },
	{ "12", NULL, "12:0 0", "/", NULL }, /* an id, though a user is called so */
	{ "4242", NULL, "4242:0 0", "/", NULL },
	{ "4242:4343", NULL, "4242:4343 4343", "/", NULL },
	{ "nohome", "nohome", "601:601 601", "/", NULL },
	{ "2147483647", NULL, "2147483647:0 0", "/", NULL },
	{ "homeless", "homeless", "600:600 600", "/", NULL },
	{ "short", NULL, NULL, NULL, "unable to find user short: no matching entries in passwd file" },
	{ "broken", NULL, NULL, NULL, "unable to find user broken: no matching entries in passwd file" },
	{ "big", NULL, NULL, NULL, "unable to find user big: no matching entries in passwd file" },
	{ "mysq", NULL, NULL, NULL, "unable to find user mysq: no matching entries in passwd file" },
	{ "mysql:none", NULL, NULL, NULL, "unable to find group none: no matching entries in group file" },
	{ "mysql:bad", NULL, NULL, NULL, "unable to find group bad: no matching entries in group file" },
	{ "-1", NULL, NULL, NULL, "id -1: uids and gids must be in range 0-2147483647" },
	{ "2147483648", NULL, NULL, NULL, "id 2147483648: uids and gids must be in range 0-2147483647" },
	{ "0:99999999999", NULL, NULL, NULL,
	  "id 99999999999: uids and gids must be in range 0-2147483647" },
};

static char *show(const struct user *u)
{
	struct str s = { 0 };

	str_addf(&s, "%u:%u", u->uid, u->gid);
	for (size_t i = 0; i < u->n_groups; i++)
		str_addf(&s, " %u", u->groups[i]);
	return str_take(&s);
}

static void test_table(void)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct user u = { 0 };
		struct err *e = user_resolve(passwd, group, cases[i].text, &u);

		if (cases[i].err) {
			is_err(e, cases[i].err, "'%s' is refused", cases[i].text);
		} else if (ok(!e, "'%s' is found", cases[i].text)) {
			_cleanup_free_ char *ids = show(&u);

			is_str(ids, cases[i].ids, "its ids");
			is_str(u.home, cases[i].home, "its home");
			is_str(u.name, cases[i].name, "its name");
		}
		user_done(&u);
	}
}

static void test_absent(void)
{
	_cleanup_free_ char *ids = NULL;
	struct user u = { 0 };

	is_err(user_resolve(NULL, NULL, "", &u), NULL, "no files");
	ids = show(&u);
	is_str(ids, "0:0 0", "without files the default is root");
	user_done(&u);
	is_err(user_resolve(NULL, NULL, "mysql", &u), "unable to find user mysql: *", "no passwd file");
	is_err(user_resolve("", "", "1:adm", &u), "unable to find group adm: *", "empty files");
}

static void test_files(void)
{
	char path[] = "/tmp/test_userdb.XXXXXX";
	_cleanup_close_ int dir = -1, real = -1;
	struct user u = { 0 };

	ok(mkdtemp(path) != NULL, "scratch directory");
	dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	is_err(user_lookup(dir, "7", &u), NULL, "an id needs no /etc");
	is_int(u.uid, 7, "and is taken as it is");
	user_done(&u);

	mkdirat(dir, "etc", 0755);
	mkdirat(dir, "real", 0755);
	is_err(fd_open(dir, "real", O_RDONLY | O_DIRECTORY, 0, &real), NULL, "opening real");
	is_err(fd_write_atomic(real, "passwd", passwd, strlen(passwd), 0644, false), NULL,
	       "a passwd file");
	ok(!symlinkat("/real/passwd", dir, "etc/passwd"), "an absolute link");
	is_err(user_lookup(dir, "mysql", &u), NULL, "through the link");
	is_int(u.uid, 999, "followed inside the root");
	user_done(&u);

	ok(!unlinkat(dir, "etc/passwd", 0) && !mkfifoat(dir, "etc/passwd", 0644), "a FIFO as passwd");
	is_err(user_lookup(dir, "mysql", &u), "/etc/passwd of the image is not a file",
	       "does not block");
	err_free(fd_rm_tree(AT_FDCWD, path));
}

int main(void)
{
	test_table();
	test_absent();
	test_files();
	return done_testing();
}
