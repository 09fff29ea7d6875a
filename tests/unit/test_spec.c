#include "core/box/spec.h"

#include <signal.h>
#include <sys/utsname.h>

#include "tests/lib/tap.h"

static void add_words(struct strv *l, const char *text)
{
	while (text && *text) {
		size_t n = strcspn(text, " ");

		strv_take(l, xstrndup(text, n));
		text += n + strspn(text + n, " ");
	}
}

static char *join(const struct strv *l)
{
	struct str s = { 0 };

	for (size_t i = 0; i < l->n; i++)
		str_addf(&s, "%s%s", i ? " " : "", l->v[i]);
	return str_take(&s);
}

#define IS_LIST(list, want, ...)                                                                   \
	do {                                                                                       \
		_cleanup_free_ char *joined = join(&(list));                                       \
		is_str(joined, want, __VA_ARGS__);                                                 \
	} while (0)

static struct image an_image(void)
{
	struct image img = {
		.ref = xstrdup("docker.io/library/tool:latest"),
		.id = xstrdup("sha256:1234"),
		.os = xstrdup("linux"),
		.workdir = xstrdup("/srv//app/"),
		.user = xstrdup("app"),
		.stop_signal = xstrdup("SIGQUIT"),
	};

	add_words(&img.diff_ids, "sha256:aa sha256:bb");
	add_words(&img.entrypoint, "/entry -x");
	add_words(&img.cmd, "serve all");
	add_words(&img.env, "PATH=/opt/bin A=1 B=2 broken =bad");
	add_words(&img.volumes, "/data /cache/ logs /");
	add_words(&img.exposed, "80 443/tcp nonsense 53/udp");
	add_words(&img.labels, "one=1 two=2");
	return img;
}

static void image_done(struct image *img)
{
	free(img->ref);
	free(img->id);
	free(img->os);
	free(img->arch);
	free(img->workdir);
	free(img->user);
	free(img->stop_signal);
	strv_done(&img->diff_ids);
	strv_done(&img->entrypoint);
	strv_done(&img->cmd);
	strv_done(&img->env);
	strv_done(&img->volumes);
	strv_done(&img->exposed);
	strv_done(&img->labels);
}

static void request_done(struct run_request *r)
{
	strv_done(&r->args);
	strv_done(&r->env);
	strv_done(&r->exposed);
	strv_done(&r->labels);
	strv_done(&r->add_hosts);
	strv_done(&r->cap_add);
	strv_done(&r->security_opt);
	strv_done(&r->ulimits);
	strv_done(&r->dns);
	ports_done(&r->ports);
	mounts_done(&r->mounts);
}

static char *mounts_text(const struct mounts *m)
{
	struct str s = { 0 };

	for (size_t i = 0; i < m->n; i++)
		str_addf(&s, "%s%s:%s%s", i ? " " : "", m->v[i].source ? m->v[i].source : "-",
			 m->v[i].target, m->v[i].anonymous ? "(anonymous)" : "");
	return str_take(&s);
}

static char *ports_text(const struct ports *p)
{
	struct str s = { 0 };

	for (size_t i = 0; i < p->n; i++) {
		if (i)
			str_addc(&s, ' ');
		port_text(&p->v[i], &s);
	}
	return str_take(&s);
}

static void test_defaults(void)
{
	struct run_request req = { .image = "tool", .stop_timeout_s = -1 };
	struct image img = an_image();
	_cleanup_free_ char *mounts = NULL;
	struct spec s = { 0 };

	if (!is_err(spec_resolve(&req, &img, &s), NULL, "nothing asked for"))
		return;
	is_str(s.image, "tool", "the image as typed");
	is_str(s.image_ref, "docker.io/library/tool:latest", "its full name");
	is_str(s.image_id, "sha256:1234", "its id");
	IS_LIST(s.layers, "sha256:aa sha256:bb", "its layers");
	IS_LIST(s.entrypoint, "/entry -x", "its entrypoint");
	IS_LIST(s.cmd, "serve all", "its command");
	IS_LIST(s.env, "PATH=/opt/bin A=1 B=2", "its settings, without what is none");
	is_str(s.workdir, "/srv/app", "its directory");
	is_str(s.user, "app", "its user");
	is_str(s.hostname, NULL, "no host name");
	IS_LIST(s.exposed, "53/udp 80/tcp 443/tcp", "its ports, in order");
	is_int(s.ports.n, 0, "none published");
	mounts = mounts_text(&s.mounts);
	is_str(mounts, ":/data(anonymous) :/cache(anonymous) :/logs(anonymous)", "its volumes");
	IS_LIST(s.labels, "one=1 two=2", "its labels");
	is_int(s.stop_signal, SIGQUIT, "its signal");
	is_int(s.stop_timeout_s, 10, "ten seconds");
	ok(str_starts(s.platform, "linux/"), "platform %s", s.platform);
	ok(!s.recipe && !s.made_password, "no database");
	spec_done(&s);
	image_done(&img);
}

static void test_asked(void)
{
	struct run_request req = {
		.image = "tool",
		.workdir = "/w/../x",
		.user = "0:0",
		.hostname = "box-1.local",
		.tty = true,
		.open_stdin = true,
		.auto_remove = true,
		.use_init = true,
		.read_only = true,
		.publish_all = true,
		.net = NET_HOST,
		.stop_signal = "INT",
		.stop_timeout_s = 0,
	};
	struct image img = an_image();
	_cleanup_free_ char *mounts = NULL, *ports = NULL;
	struct spec s = { 0 };

	add_words(&req.args, "check");
	add_words(&req.env, "B=3 C= A D=x=y");
	add_words(&req.exposed, "9000-9002 53/udp");
	add_words(&req.labels, "two=zwei three");
	add_words(&req.add_hosts, "db:10.0.0.1 six=[::1] host.docker.internal:host-gateway");
	is_err(port_parse("127.0.0.1:8080:80", &req.ports), NULL, "a port");
	is_err(mount_parse_volume("named:/data", "/", &req.mounts), NULL, "a volume");
	is_err(mount_parse_tmpfs("/cache", &req.mounts), NULL, "a tmpfs");
	if (!is_err(spec_resolve(&req, &img, &s), NULL, "much asked for"))
		return;
	IS_LIST(s.entrypoint, "/entry -x", "the image's entrypoint");
	IS_LIST(s.cmd, "check", "our command");
	IS_LIST(s.env, "PATH=/opt/bin B=3 C= D=x=y TERM=xterm",
		"settings: ours win, a bare name takes away");
	is_str(s.workdir, "/x", "our directory");
	is_str(s.user, "0:0", "our user");
	is_str(s.hostname, "box-1.local", "our host name");
	IS_LIST(s.exposed, "53/udp 80/tcp 443/tcp 9000/tcp 9001/tcp 9002/tcp", "ports of both");
	ports = ports_text(&s.ports);
	is_str(ports, "127.0.0.1:8080:80/tcp 53/udp 443/tcp 9000/tcp 9001/tcp 9002/tcp",
	       "all of them published");
	mounts = mounts_text(&s.mounts);
	is_str(mounts, "named:/data -:/cache :/logs(anonymous)",
	       "volumes of the image where we mount nothing");
	IS_LIST(s.labels, "one=1 two=zwei three=", "labels of both");
	IS_LIST(s.add_hosts, "db:10.0.0.1 six:::1 host.docker.internal:host-gateway", "hosts");
	is_int(s.stop_signal, SIGINT, "our signal");
	is_int(s.stop_timeout_s, 0, "our delay");
	ok(s.tty && s.open_stdin && s.auto_remove && s.use_init && s.read_only && s.net == NET_HOST,
	   "flags");
	spec_done(&s);
	request_done(&req);
	image_done(&img);
}

static const struct {
	const char *what, *image_entrypoint, *image_cmd, *entrypoint, *args,
		*want; /* entrypoint + command */
} commands[] = {
	{ "neither", "/e", "c d", NULL, "", "/e + c d" },
	{ "a command", "/e", "c d", NULL, "x y", "/e + x y" },
	{ "an entrypoint drops the command", "/e", "c d", "/n", "", "/n + " },
	{ "an entrypoint and a command", "/e", "c d", "/n", "x", "/n + x" },
	{ "an empty entrypoint resets", "/e", "c d", "", "x", " + x" },
	{ "an image with a command alone", "", "c d", NULL, "", " + c d" },
	{ "an image with an entrypoint alone", "/e", "", NULL, "", "/e + " },
	{ "an empty entrypoint and no command", "/e", "c d", "", "", NULL },
	{ "an image with nothing", "", "", NULL, "", NULL },
};

static void test_commands(void)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		struct run_request req = { .image = "x",
					   .stop_timeout_s = -1,
					   .entrypoint = commands[i].entrypoint,
					   .entrypoint_set = commands[i].entrypoint != NULL };
		struct image img = { .id = xstrdup("sha256:1") };
		struct spec s = { 0 };
		struct err *e;

		add_words(&img.entrypoint, commands[i].image_entrypoint);
		add_words(&img.cmd, commands[i].image_cmd);
		add_words(&req.args, commands[i].args);
		e = spec_resolve(&req, &img, &s);
		if (!commands[i].want) {
			is_err(e, "No command specified (hint: name one after the image)", "%s",
			       commands[i].what);
		} else if (is_err(e, NULL, "%s", commands[i].what)) {
			_cleanup_free_ char *a = join(&s.entrypoint), *b = join(&s.cmd),
					    *both = xasprintf("%s + %s", a, b);

			is_str(both, commands[i].want, "is what runs");
			IS_LIST(s.env,
				"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
				"default PATH");
			is_str(s.workdir, "/", "default directory");
			is_str(s.user, "", "default user");
			is_int(s.stop_signal, SIGTERM, "default signal");
		}
		spec_done(&s);
		request_done(&req);
		image_done(&img);
	}
}

/* One thing wrong at a time. */
static void refused(const char *what, struct run_request req, const char *arch, const char *err)
{
	struct image img = an_image();
	struct spec s = { 0 };

	req.image = "tool";
	img.arch = xstrdup(arch);
	is_err(spec_resolve(&req, &img, &s), err, "%s", what);
	spec_done(&s);
	request_done(&req);
	image_done(&img);
}

static struct strv one(const char *s)
{
	struct strv l = { 0 };

	strv_add(&l, s);
	return l;
}

static void test_refused(void)
{
	struct mounts twice = { 0 };

	is_err(mount_parse_volume("a1:/x", "/", &twice), NULL, "a mount");
	is_err(mount_parse_tmpfs("/x/", &twice), NULL, "another at the same place");
	refused("two mounts at one place", (struct run_request){ .mounts = twice }, NULL,
		"Duplicate mount point: /x");
	refused("relative directory", (struct run_request){ .workdir = "x" }, NULL,
		"the working directory 'x' is invalid, it needs to be an absolute path");
	refused("nameless setting", (struct run_request){ .env = one("=x") }, NULL,
		"invalid environment variable: '=x'");
	refused("empty setting", (struct run_request){ .env = one("") }, NULL,
		"invalid environment variable: ''");
	refused("host name with a line break", (struct run_request){ .hostname = "a\n1.2.3.4 b" },
		NULL, "invalid hostname format: a\n1.2.3.4 b");
	refused("host name with a dash first", (struct run_request){ .hostname = "-a" }, NULL,
		"invalid hostname format: -a");
	refused("long host name",
		(struct run_request){
			.hostname = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" },
		NULL, "invalid hostname format: *");
	refused("add-host without address", (struct run_request){ .add_hosts = one("db") }, NULL,
		"bad format for add-host: \"db\" (hint: it is NAME:IP)");
	refused("add-host with a wrong address",
		(struct run_request){ .add_hosts = one("db:10.0.0.256") }, NULL,
		"invalid IP address in add-host: \"10.0.0.256\"");
	refused("add-host with half a bracket", (struct run_request){ .add_hosts = one("db:[") },
		NULL, "invalid IP address in add-host: \"[\"");
	refused("add-host with a line break", (struct run_request){ .add_hosts = one("db\nx:1.2.3.4") },
		NULL, "bad format for add-host: *");
	refused("signal", (struct run_request){ .stop_signal = "SIGNONE" }, NULL,
		"'SIGNONE' is not a signal");
	refused("exposed port", (struct run_request){ .exposed = one("http") }, NULL, "*http*");
	refused("another platform", (struct run_request){ .image = "tool" }, "mips64le",
		"image tool is for linux/mips64le, this machine runs linux/* "
		"(hint: devbox pull --platform linux/* tool)");
}

static void test_database(void)
{
	struct run_request req = { .image = "mysql",
				   .stop_timeout_s = -1,
				   .env = one("MYSQL_DATABASE=app") };
	struct image img = { .id = xstrdup("sha256:1"),
			     .ref = xstrdup("docker.io/library/mysql:latest") };
	_cleanup_free_ char *first = NULL;
	struct spec s = { 0 };

	add_words(&img.env, "MYSQL_VERSION=9.1.0");
	add_words(&img.exposed, "3306/tcp");
	add_words(&img.entrypoint, "docker-entrypoint.sh");
	add_words(&img.cmd, "mysqld");
	is_err(spec_resolve(&req, &img, &s), NULL, "a database");
	is_str(s.recipe, "mysql", "is recognised");
	ok(s.made_password, "its password is made up");
	first = xstrdup(strv_env(&s.env, "MYSQL_ROOT_PASSWORD"));
	ok(first && strlen(first) == 24 &&
		   strspn(first, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == 24,
	   "24 letters and digits");
	spec_done(&s);
	is_err(spec_resolve(&req, &img, &s), NULL, "another");
	ok(strcmp(first, strv_env(&s.env, "MYSQL_ROOT_PASSWORD")), "has another password");
	spec_done(&s);
	strv_add(&req.env, "MYSQL_ROOT_PASSWORD=given");
	is_err(spec_resolve(&req, &img, &s), NULL, "one with a password");
	ok(!s.made_password && str_eq(strv_env(&s.env, "MYSQL_ROOT_PASSWORD"), "given"), "keeps it");
	spec_done(&s);
	add_words(&req.args, "mysql -h db");
	is_err(spec_resolve(&req, &img, &s), NULL, "a client");
	ok(!s.recipe && !s.made_password, "is no database");
	spec_done(&s);
	request_done(&req);
	image_done(&img);
}

static void test_record(void)
{
	struct run_request req = { .image = "tool", .tty = true, .stop_timeout_s = 3, .net = NET_NONE };
	struct image img = an_image();
	_cleanup_free_ char *text = NULL, *again = NULL;
	size_t len, len2;
	struct spec s = { 0 }, back = { 0 };

	strv_add(&req.args, "latin-1 \xe4\xf6");
	strv_add(&req.args, "tab\t\"quote\" \\ \x01 \xe2\x82\xac");
	strv_add(&req.args, "");
	strv_add(&req.env, "X=\xff\xfe");
	is_err(port_parse("8080-8082:80-82", &req.ports), NULL, "ports");
	is_err(port_parse("5000/udp", &req.ports), NULL, "a port to be chosen");
	is_err(mount_parse_volume("/srv/\xe4:/b:ro", "/", &req.mounts), NULL, "a path of bytes");
	is_err(mount_parse_tmpfs("/t:size=1m,exec", &req.mounts), NULL, "a tmpfs");
	is_err(mount_parse_mount("src=vol,dst=/s,volume-subpath=x", "/", &req.mounts), NULL, "a part");
	strv_add(&req.cap_add, "SYS_ADMIN");
	strv_add(&req.security_opt, "seccomp=unconfined");
	strv_add(&req.ulimits, "nofile=5");
	strv_add(&req.dns, "192.0.2.1");
	req.shm_bytes = INT64_C(1) << 40;
	req.tty_size = 30 << 16 | 70;
	req.oom_score_adj = -5;
	req.domainname = "example.org";
	is_err(spec_resolve(&req, &img, &s), NULL, "a spec of everything");
	s.id = xstrdup("0123");
	s.name = xstrdup("quiet_otter");
	s.created_ns = 1234567890123456789;
	text = spec_to_json(&s, &len);
	is_int(strlen(text), len, "the record's length");
	if (!is_err(spec_from_json(text, len, &back), NULL, "is read back"))
		return;
	again = spec_to_json(&back, &len2);
	is_str(again, text, "and written the same");
	is_str(back.cmd.v[0], "latin-1 \xe4\xf6", "bytes that are no UTF-8");
	is_str(back.cmd.v[1], s.cmd.v[1], "special characters");
	is_str(back.cmd.v[2], "", "an empty argument");
	is_str(strv_env(&back.env, "X"), "\xff\xfe", "a setting of bytes");
	is_str(back.mounts.v[0].source, "/srv/\xe4", "a path of bytes");
	ok(back.mounts.v[0].read_only && back.mounts.v[1].exec && back.mounts.v[3].anonymous,
	   "flags of mounts");
	is_int(back.created_ns, s.created_ns, "nanoseconds");
	is_str(back.mounts.v[2].subpath, "x", "a path inside a volume");
	ok(back.caps == s.caps && back.caps >> 21 & 1, "capabilities");
	is_str(back.seccomp, "unconfined", "no filter");
	ok(back.shm_bytes == req.shm_bytes && back.oom_score_adj == -5 && back.tty_size == req.tty_size,
	   "numbers");
	ok(back.ulimits.n == 1 && back.dns.n == 1 && str_eq(back.domainname, "example.org"),
	   "small ones");
	is_str(back.hostname, NULL, "what was not there is not there");
	ok(back.ports.v[1].same_if_free && back.ports.v[1].host == 0, "a port to be chosen");
	is_int(back.net, NET_NONE, "network");
	spec_done(&s);
	spec_done(&back);
	request_done(&req);
	image_done(&img);
}

#define MIN_TEXTS                                                                                         \
	"\"id\":\"1\",\"name\":\"n\",\"image\":\"i\",\"image_id\":\"s\",\"workdir\":\"/\",\"user\":\"\"," \
	"\"platform\":\"linux/amd64\",\"cmd\":[\"x\"],\"net\":\"none\""

static const struct {
	const char *text, *err;
} records[] = {
	{ "{" MIN_TEXTS "}", NULL },
	{ "{" MIN_TEXTS ",\"env\":[1,{\"hex\":\"zz\"},{\"hex\":\"4\"},{\"hex\":\"413d42\"}]}", NULL },
	{ "", "config.json: malformed JSON: *" },
	{ "[]", "config.json: id is missing" },
	{ "{" MIN_TEXTS ",\"format\":2}", "config.json was written by a newer devbox (hint: *)" },
	{ "{" MIN_TEXTS ",\"stop_signal\":65}",
	  "config.json: net, stop_signal or stop_timeout_s is wrong" },
	{ "{" MIN_TEXTS ",\"mounts\":[{}]}", "config.json: a mount without type" },
	{ "{" MIN_TEXTS ",\"mounts\":[{\"type\":\"tmpfs\",\"target\":\"x\"}]}",
	  "config.json: a mount without target" },
	{ "{" MIN_TEXTS ",\"mounts\":[{\"type\":\"bind\",\"target\":\"/x\"}]}",
	  "config.json: the mount at /x has no source" },
	{ "{" MIN_TEXTS ",\"ports\":[\"x\"]}", "config.json: *x*" },
	{ "{" MIN_TEXTS ",\"ports\":[5]}", "config.json: a port is no text" },
};

static void test_records(void)
{
	for (size_t i = 0; i < ARRAY_LEN(records); i++) {
		struct spec s = { 0 };

		is_err(spec_from_json(records[i].text, strlen(records[i].text), &s), records[i].err,
		       "record %zu", i);
		if (i == 1)
			IS_LIST(s.env, "A=B", "only what makes sense is taken");
		spec_done(&s);
	}
}

int main(void)
{
	test_defaults();
	test_asked();
	test_commands();
	test_refused();
	test_database();
	test_record();
	test_records();
	return done_testing();
}
