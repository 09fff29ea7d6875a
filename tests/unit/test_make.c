/* Instructions of `commit -c` and `import -c`, and headers of tar streams. */
#include "registry/make.h"

#include <sys/stat.h>

#include "core/box/tarout.h"
#include "tests/lib/tap.h"

static char *joined(const struct strv *l)
{
	struct str s = { 0 };

	for (size_t i = 0; i < l->n; i++)
		str_addf(&s, "%s%s", i ? "|" : "", l->v[i]);
	return str_take(&s);
}

static void list_is(const char *change, struct image_conf *c, const struct strv *l, const char *want)
{
	_cleanup_free_ char *got = NULL;

	is_err(image_conf_change(c, change), NULL, "%s", change);
	got = joined(l);
	is_str(got, want, "what it makes of the configuration");
}

static void fails(const char *change, const char *want)
{
	_cleanup_(image_conf_done) struct image_conf c = { 0 };

	is_err(image_conf_change(&c, change), want, "%s", change);
}

static void test_changes(void)
{
	_cleanup_(image_conf_done) struct image_conf c = { 0 };

	list_is("CMD [\"a\", \"b c\"]", &c, &c.cmd, "a|b c");
	list_is("cmd echo $HOME", &c, &c.cmd, "/bin/sh|-c|echo $HOME");
	list_is("CMD [ -f x ]", &c, &c.cmd, "/bin/sh|-c|[ -f x ]");
	list_is("ENTRYPOINT [\"e\"]", &c, &c.entrypoint, "e");
	list_is("ENV A=1 B=\"two words\" C='x' D=a\\ b", &c, &c.env, "A=1|B=two words|C=x|D=a b");
	list_is("ENV A the old form", &c, &c.env, "A=the old form|B=two words|C=x|D=a b");
	list_is("LABEL a.b=c", &c, &c.labels, "a.b=c");
	list_is("EXPOSE 80 53/udp 80/tcp", &c, &c.exposed, "80/tcp|53/udp");
	list_is("VOLUME /a /b", &c, &c.volumes, "/a|/b");
	list_is("VOLUME [\"/b\", \"/c d\"]", &c, &c.volumes, "/a|/b|/c d");
	is_err(image_conf_change(&c, "WORKDIR /a/b"), NULL, "a directory");
	is_err(image_conf_change(&c, "WORKDIR ../c"), NULL, "one relative to it");
	is_str(c.workdir, "/a/c", "where it leads");
	fails("FROM x", "FROM: FROM is not a valid change command*");
	fails("CMD", "CMD requires at least one argument");
	fails("EXPOSE x", "EXPOSE: \"x\" is not a port");
	fails("VOLUME x", "VOLUME: the volume's path \"x\" is not absolute");
	fails("ENV A", "ENV: a name and a value are needed");
	fails("ENV A=1 B", "ENV: \"B\" is not of the form name=value");
	fails("CMD [1]", "CMD: a command's words must be strings");
}

static void test_headers(void)
{
	struct stat st = { .st_mode = S_IFREG | 0640, .st_uid = 33, .st_gid = 44, .st_size = 5 };
	_cleanup_str_ struct str out = { 0 }, pax = { 0 };
	char name[161];

	tarout_header("a/b", "", '0', &st, NULL, &out);
	is_int(out.len, 512, "a plain file needs one block");
	is_str(out.s, "a/b", "its name");
	is_str(out.s + 100, "0000640", "its mode");
	is_str(out.s + 108, "0000041", "its owner");
	is_str(out.s + 124, "00000000005", "its size");
	is_str(out.s + 257, "ustar", "the magic");
	memset(name, 'x', 160);
	name[160] = '\0';
	st.st_mtim.tv_sec = 1;
	st.st_mtim.tv_nsec = 500000000;
	tarout_header(name, "", '0', &st, NULL, &pax);
	is_int(pax.len, 3 * 512, "a long name and a fraction need an extended header");
	ok(pax.s[156] == 'x', "which comes first");
	ok(strstr(pax.s + 512, "170 path=xxx") == pax.s + 512, "a record counts its own length");
	ok(strstr(pax.s + 512, "21 mtime=1.500000000\n") != NULL, "the time, as it reads");
}

int main(void)
{
	test_changes();
	test_headers();
	return done_testing();
}
