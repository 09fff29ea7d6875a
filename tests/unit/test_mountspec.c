#include "core/box/spec.h"

#include "tests/lib/tap.h"

/* want: "TYPE SOURCE TARGET [FLAGS]"; source "-" for none or not yet */
static const struct {
	const char *text, *want, *err;
} volumes[] = {
	{ "/data", "volume - /data anonymous", NULL },
	{ "/data//x/../", "volume - /data anonymous", NULL },
	{ "db:/var/lib/mysql", "volume db /var/lib/mysql", NULL },
	{ "my.vol_1-x:/v:ro", "volume my.vol_1-x /v ro", NULL },
	{ "db:/v:nocopy,ro", "volume db /v ro nocopy", NULL },
	{ "/srv/a:/b", "bind /srv/a /b", NULL },
	{ "/srv//a/./:/b/", "bind /srv/a /b", NULL },
	{ "/:/host:ro", "bind / /host ro", NULL },
	{ "/srv/a:/b:ro,z", "bind /srv/a /b ro", NULL },
	{ "/srv/a:/b:rw", "bind /srv/a /b", NULL },
	{ "db:/v:U,ro", "volume db /v ro chown", NULL },
	{ "./a:/b:cached", "bind /home/u/a /b", NULL },
	{ "../a:/b", "bind /home/a /b", NULL },
	{ ".:/b", "bind /home/u /b", NULL },
	{ "my.cnf:/etc/my.cnf", "volume my.cnf /etc/my.cnf", NULL }, /* as Docker: a name, not a file */
	{ "", NULL, "invalid volume specification: '': empty section between colons" },
	{ ":/x", NULL, "invalid volume specification: ':/x': empty section between colons" },
	{ "/x:", NULL, "invalid volume specification: '/x:': empty section between colons" },
	{ "/x:/y:", NULL, "invalid volume specification: '/x:/y:': empty section between colons" },
	{ "/x:/y:ro:z", NULL, "invalid volume specification: '/x:/y:ro:z': too many colons" },
	{ "data", NULL,
	  "invalid volume specification: 'data': invalid mount path: 'data' mount path must be absolute" },
	{ "/x:ro", NULL,
	  "invalid volume specification: '/x:ro': invalid mount path: 'ro' mount path must be absolute" },
	{ "db:data", NULL, "*invalid mount path: 'data' mount path must be absolute" },
	{ "/x:/", NULL, "invalid volume specification: '/x:/': destination can't be '/'" },
	{ "db:/a/..", NULL, "invalid volume specification: 'db:/a/..': destination can't be '/'" },
	{ "/x:/y:rx", NULL, "invalid mode: 'rx' in rx" },
	{ "/x:/y:ro,", NULL, "invalid mode: ''" },
	{ "/x:/y:nocopy", NULL, "invalid mode: 'nocopy' in nocopy" },
	{ "/x:/y:shared", NULL, "invalid mode: 'shared' in shared" },
	{ "data/db:/x", NULL, "\"data/db\" includes invalid characters for a local volume name, *" },
	{ "~/x:/y", NULL, "\"~/x\" includes invalid characters for a local volume name, *" },
	{ "a:/y", NULL, "*Windows path*" },
	{ "D:/mysql/data:/var/lib/mysql", NULL,
	  "invalid volume specification: 'D:/mysql/data:/var/lib/mysql': a Windows path means nothing on Linux (hint: "
	  "give the folder's path as it is here; under WSL 2 drive D: is /mnt/d)" },
	{ "c:\\data:/x", NULL, "*a Windows path means nothing on Linux (hint: *drive C: is /mnt/c)" },
};

static const struct {
	const char *text, *want, *err;
} tmpfs[] = {
	{ "/run", "tmpfs - /run", NULL },
	{ "/run:size=64m,mode=1777", "tmpfs - /run size=67108864,mode=1777", NULL },
	{ "/run:size=64MiB", "tmpfs - /run size=67108864", NULL },
	{ "/run:size=50%,uid=999,gid=0", "tmpfs - /run size=50%,uid=999,gid=0", NULL },
	{ "/run:rw,noexec,nosuid,nodev,size=1k", "tmpfs - /run size=1024", NULL },
	{ "/run:exec,suid,ro", "tmpfs - /run ro exec suid", NULL },
	{ "/run:nr_inodes=4k", "tmpfs - /run nr_inodes=4096", NULL },
	{ "run", NULL, "*invalid mount path: 'run' mount path must be absolute" },
	{ "/", NULL, "*destination can't be '/'" },
	{ "/run:", NULL, "invalid mode: ''" },
	{ "/run:size=x", NULL, "invalid mode: 'size=x' in size=x" },
	{ "/run:size=%", NULL, "invalid mode: 'size=%' in size=%" },
	{ "/run:mode=9", NULL, "invalid mode: 'mode=9' in mode=9" },
	{ "/run:mode=", NULL, "invalid mode: 'mode=' in mode=" },
	{ "/run:uid=-1", NULL, "invalid mode: 'uid=-1' in uid=-1" },
	{ "/run:context=foo", NULL, "invalid mode: 'context=foo' in context=foo" },
	{ "/run:dev", NULL, "invalid mode: 'dev' in dev" },
};

static const struct {
	const char *text, *want, *err;
} flags[] = {
	{ "type=bind,src=/a/./b,dst=/c/", "bind /a/b /c", NULL },
	{ "type=bind,source=./x,target=/c,readonly", "bind /home/u/x /c ro", NULL },
	{ "TYPE=Bind,src=/a,dst=/c,ro=false", "bind /a /c", NULL },
	{ "type=bind,\"src=/a,\"\"b\",dst=/c", "bind /a,\"b /c", NULL },
	{ "type=bind,src=/a,dst=/c,bind-propagation=rprivate,consistency=cached", "bind /a /c", NULL },
	{ "src=db,dst=/c", "volume db /c", NULL },
	{ "dst=/c", "volume - /c anonymous", NULL },
	{ "src=db,destination=/c,volume-nocopy=true,volume-subpath=a//b/",
	  "volume db /c sub=a/b nocopy", NULL },
	{ "type=tmpfs,dst=/c,tmpfs-size=64m,tmpfs-mode=1770", "tmpfs - /c size=67108864,mode=1770", NULL },
	{ "", NULL, "value is empty" },
	{ "type=npipe,dst=/c", NULL, "mount type npipe is not supported *" },
	{ "type=bind,src=/a,dst", NULL, "invalid field 'dst' must be a key=value pair" },
	{ "src=va,dst=/c,readonly=maybe", NULL, "invalid value for readonly: maybe" },
	{ "src=va,dst=/c,nosuch=1", NULL, "unexpected key 'nosuch' in 'nosuch=1'" },
	{ "type=bind,src=a,dst=/c", NULL,
	  "invalid mount config for type \"bind\": invalid mount path: 'a' *" },
	{ "type=bind,dst=/c", NULL,
	  "invalid mount config for type \"bind\": field Source must not be empty" },
	{ "src=va", NULL, "invalid mount config for type \"volume\": field Target must not be empty" },
	{ "src=va,dst=c", NULL, "*invalid mount path: 'c' mount path must be absolute" },
	{ "src=va,dst=/..", NULL, "*destination can't be '/'" },
	{ "type=tmpfs,src=x,dst=/c", NULL, "*source must not be specified" },
	{ "type=bind,src=/a,dst=/c,volume-nocopy", NULL,
	  "cannot mix 'volume-*' options with mount type 'bind'" },
	{ "src=va,dst=/c,tmpfs-size=many", NULL, "invalid value for tmpfs-size: many" },
	{ "src=va,dst=/c,tmpfs-mode=9", NULL, "invalid value for tmpfs-mode: 9" },
	{ "src=va,dst=/c,bind-propagation=rshared", NULL, "bind-propagation=rshared is not supported*" },
	{ "src=va,dst=/c,volume-subpath=a/../../b", NULL, "invalid value for volume-subpath: *" },
	{ "src=va,dst=/c,volume-opt=type=nfs", NULL, "volume-opt=type=nfs is not supported*" },
};

static char *show(const struct mount_spec *m)
{
	struct str s = { 0 };

	str_addf(&s, "%s %s %s", mount_type_names[m->type],
		 m->source && *m->source ? m->source : "-", m->target);
	if (m->options)
		str_addf(&s, " %s", m->options);
	if (m->subpath)
		str_addf(&s, " sub=%s", m->subpath);
	str_add(&s, m->read_only ? " ro" : "");
	str_add(&s, m->no_copy ? " nocopy" : "");
	str_add(&s, m->anonymous ? " anonymous" : "");
	str_add(&s, m->exec ? " exec" : "");
	str_add(&s, m->suid ? " suid" : "");
	str_add(&s, m->chown ? " chown" : "");
	return str_take(&s);
}

static void check(const char *text, struct mounts *m, struct err *e, const char *want, const char *err)
{
	is_err(e, err, "'%s'", text);
	is_int(m->n, err ? 0 : 1, "mounts made of it");
	if (m->n) {
		_cleanup_free_ char *got = show(&m->v[0]);

		is_str(got, want, "what it means");
	}
	mounts_done(m);
}

static void test_from(void)
{
	static const struct {
		const char *text, *name, *err;
		bool ro;
	} from[] = {
		{ "db", "db", NULL, false },
		{ "db:ro", "db", NULL, true },
		{ "db:rw", "db", NULL, false },
		{ "db:z", "db", NULL, false },
		{ "db:rx", NULL, "invalid mode: rx", false },
		{ "db:", NULL, "invalid mode: ", false },
		{ "", NULL, "volumes-from must not be an empty string or begin with ':'", false },
		{ ":ro", NULL, "volumes-from must not be an empty string or begin with ':'", false },
	};

	for (size_t i = 0; i < ARRAY_LEN(from); i++) {
		_cleanup_free_ char *name = NULL;
		bool ro = false;

		is_err(mount_parse_from(from[i].text, &name, &ro), from[i].err, "from '%s'",
		       from[i].text);
		is_str(name, from[i].name, "whose");
		is_int(ro, from[i].ro, "how");
	}
}

int main(void)
{
	struct mounts m = { 0 }, copy = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(volumes); i++) {
		struct err *e = mount_parse_volume(volumes[i].text, "/home/u", &m);

		check(volumes[i].text, &m, e, volumes[i].want, volumes[i].err);
	}
	for (size_t i = 0; i < ARRAY_LEN(tmpfs); i++) {
		struct err *e = mount_parse_tmpfs(tmpfs[i].text, &m);

		check(tmpfs[i].text, &m, e, tmpfs[i].want, tmpfs[i].err);
	}
	for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
		struct err *e = mount_parse_mount(flags[i].text, "/home/u", &m);

		check(flags[i].text, &m, e, flags[i].want, flags[i].err);
	}
	test_from();
	is_err(mount_parse_volume("db:/v:ro", "/", &m), NULL, "one");
	is_err(mount_parse_tmpfs("/run:size=1", &m), NULL, "and another");
	mounts_copy(&copy, &m);
	mounts_done(&m);
	is_int(copy.n, 2, "copied");
	is_str(copy.v[0].source, "db", "with what they point to");
	is_str(copy.v[1].options, "size=1", "both");
	mounts_done(&copy);
	return done_testing();
}
