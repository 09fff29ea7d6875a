/* spec_resolve(): the request and the image become one spec. */
#include <signal.h>
#include <sys/utsname.h>

#include "core/base/proc.h"
#include "core/box/logconf.h"
#include "core/box/recipe.h"
#include "core/box/runopt.h"
#include "slirp/resolv.h"
#include "core/box/security.h"
#include "core/box/box.h"
#include "core/box/spec.h"

#define DEFAULT_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

enum {
	STOP_TIMEOUT_S = 10,
	HOSTNAME_MAX = 64, /* HOST_NAME_MAX of the kernel */
	PASSWORD_LEN = 24, /* of 62 characters: 142 bits */
};

/* --- platform --- */

static const char *machine_arch(void)
{
	static const char *const map[][2] = { { "x86_64", "amd64" },	{ "aarch64", "arm64" },
					      { "armv7l", "arm" },	{ "armv6l", "arm" },
					      { "i686", "386" },	{ "i386", "386" },
					      { "ppc64le", "ppc64le" }, { "s390x", "s390x" },
					      { "riscv64", "riscv64" } };
	static struct utsname u;

	uname(&u);
	for (size_t i = 0; i < ARRAY_LEN(map); i++)
		if (!strcmp(u.machine, map[i][0]))
			return map[i][1];
	return u.machine;
}

bool machine_can_run(const char *arch)
{
	static const char *const emulators[][2] = { { "arm64", "aarch64" },   { "amd64", "x86_64" },
						    { "arm", "arm" },	      { "386", "i386" },
						    { "ppc64le", "ppc64le" }, { "s390x", "s390x" },
						    { "riscv64", "riscv64" } };
	const char *own = machine_arch();

	if (!strcmp(arch, own) || (!strcmp(arch, "386") && !strcmp(own, "amd64")) ||
	    (!strcmp(arch, "arm") && !strcmp(own, "arm64")))
		return true;
	for (size_t i = 0; i < ARRAY_LEN(emulators); i++) {
		_cleanup_free_ char *path =
			xasprintf("/proc/sys/fs/binfmt_misc/qemu-%s", emulators[i][1]);

		if (!strcmp(arch, emulators[i][0]) && access(path, F_OK) == 0)
			return true;
	}
	return false;
}

static struct err *check_platform(const struct run_request *req, const struct image *img, struct spec *s)
{
	const char *os = img->os ? img->os : "linux", *arch = img->arch ? img->arch : machine_arch();

	s->platform = xasprintf("%s/%s", os, arch);
	if (!strcmp(os, "linux") && machine_can_run(arch))
		return NULL;
	return err_hint(err_new(0, "image %s is for %s, this machine runs linux/%s", req->image,
				s->platform, machine_arch()),
			"devbox pull --platform linux/%s %s", machine_arch(), req->image);
}

/* --- command and settings --- */

static struct err *resolve_command(const struct run_request *req, const struct image *img,
				   struct spec *s)
{
	if (!req->entrypoint_set)
		strv_copy(&s->entrypoint, &img->entrypoint);
	else if (req->entrypoint && *req->entrypoint)
		strv_add(&s->entrypoint, req->entrypoint);
	strv_copy(&s->entrypoint, &req->entrypoint_rest);
	if (req->args.n)
		strv_copy(&s->cmd, &req->args);
	else if (!req->entrypoint_set)
		strv_copy(&s->cmd, &img->cmd);
	if (!s->entrypoint.n && !s->cmd.n)
		return err_hint(err_new(0, "No command specified"), "name one after the image");
	return NULL;
}

static void env_remove(struct strv *env, const char *key)
{
	size_t len = strlen(key), kept = 0;

	for (size_t i = 0; i < env->n; i++) {
		if (!strncmp(env->v[i], key, len) && env->v[i][len] == '=')
			free(env->v[i]);
		else
			env->v[kept++] = env->v[i];
	}
	if (env->v)
		env->v[env->n = kept] = NULL;
}

static struct err *resolve_env(const struct run_request *req, const struct image *img, struct spec *s)
{
	for (size_t i = 0; i < img->env.n; i++)
		if (strchr(img->env.v[i], '=') > img->env.v[i]) /* an image may hold anything */
			strv_env_set(&s->env, img->env.v[i]);
	for (size_t i = 0; i < req->env.n; i++) {
		const char *entry = req->env.v[i];

		if (!*entry || *entry == '=')
			return err_new(0, "invalid environment variable: '%s'", entry);
		if (strchr(entry, '='))
			strv_env_set(&s->env, entry);
		else
			env_remove(&s->env, entry);
	}
	if (!strv_env(&s->env, "PATH"))
		strv_add(&s->env, DEFAULT_PATH);
	if (req->tty && !strv_env(&s->env, "TERM"))
		strv_add(&s->env, "TERM=xterm");
	return NULL;
}

static struct err *resolve_workdir(const struct run_request *req, const struct image *img,
				   struct spec *s)
{
	const char *dir = req->workdir && *req->workdir ? req->workdir : img->workdir;

	if (!dir || !*dir)
		dir = "/";
	if (*dir != '/')
		return err_new(0, "the working directory '%s' is invalid, it needs to be an absolute path",
			       dir);
	s->workdir = str_clean_path(dir);
	return NULL;
}

static void resolve_labels(const struct run_request *req, const struct image *img, struct spec *s)
{
	const struct strv *from[] = { &img->labels, &req->labels };

	for (size_t k = 0; k < ARRAY_LEN(from); k++)
		for (size_t i = 0; i < from[k]->n; i++) {
			const char *label = from[k]->v[i];
			const char *with = from[k] == &img->labels ? str_after(label, LABEL_WITH) : NULL;
			_cleanup_free_ char *empty =
				strchr(label, '=') ? NULL : xasprintf("%s=", label);

			if (!with || (*with && *with != '='))
				strv_env_set(&s->labels, empty ? empty : label);
		}
}

static struct err *resolve_hostname(const struct run_request *req, struct spec *s)
{
	if (!req->hostname || !*req->hostname)
		return NULL; /* made of the id */
	if (!host_name_ok(req->hostname, strlen(req->hostname)) || strlen(req->hostname) > HOSTNAME_MAX)
		return err_new(0, "invalid hostname format: %s", req->hostname);
	s->hostname = xstrdup(req->hostname);
	return NULL;
}

static struct err *add_host(const char *text, struct spec *s)
{
	char *entry = NULL;
	struct err *e = hosts_check(text, &entry);

	if (!e)
		strv_take(&s->add_hosts, entry);
	return e;
}

/* --- ports --- */

/* Which container ports are exposed: one bit each, so that 1-65535 is no burden and order comes for free. */
struct port_set {
	uint64_t bits[PORT_PROTO_MAX][65536 / 64];
};

static void set_add(struct port_set *set, const struct port *p)
{
	for (unsigned n = p->ctr; n <= p->ctr_last; n++)
		set->bits[p->proto][n / 64] |= UINT64_C(1) << (n % 64);
}

static void set_list(const struct port_set *set, struct strv *to)
{
	for (unsigned n = 0; n < 65536; n++) {
		uint64_t bit = UINT64_C(1) << (n % 64), any = 0;

		for (int proto = 0; proto < PORT_PROTO_MAX; proto++) {
			any |= set->bits[proto][n / 64];
			if (set->bits[proto][n / 64] & bit)
				strv_addf(to, "%u/%s", n, port_proto_names[proto]);
		}
		if (!any)
			n |= 63; /* nothing in this word */
	}
}

static struct err *resolve_ports(const struct run_request *req, const struct image *img, struct spec *s)
{
	struct port_set set = { 0 };
	struct err *e = NULL;
	struct port p;

	for (size_t i = 0; i < img->exposed.n; i++) {
		e = port_parse_exposed(img->exposed.v[i], &p);
		if (!e)
			set_add(&set, &p);
		err_free(e); /* an image may hold anything */
	}
	for (size_t i = 0; i < req->exposed.n; i++) {
		e = port_parse_exposed(req->exposed.v[i], &p);
		if (e)
			return e;
		set_add(&set, &p);
	}
	for (size_t i = 0; i < req->ports.n; i++)
		set_add(&set, &req->ports.v[i]);
	set_list(&set, &s->exposed);
	ports_copy(&s->ports, &req->ports);
	if (req->publish_all)
		ports_add_exposed(&s->ports, &s->exposed);
	return NULL;
}

/* --- mounts --- */

static const struct mount_spec *mount_at(const struct mounts *m, const char *target)
{
	for (size_t i = 0; i < m->n; i++)
		if (!strcmp(m->v[i].target, target))
			return &m->v[i];
	return NULL;
}

/* Anonymous volumes where nothing else is. */
static void add_volumes(const struct strv *targets, struct spec *s)
{
	for (size_t i = 0; i < targets->n; i++) {
		_cleanup_free_ char *rooted = xasprintf("/%s", targets->v[i]);
		_cleanup_free_ char *target = str_clean_path(rooted);
		struct mount_spec *m;

		if (!strcmp(target, "/") || mount_at(&s->mounts, target))
			continue;
		m = mounts_add(&s->mounts);
		m->type = MOUNT_VOLUME;
		m->source = xstrdup("");
		m->target = TAKE_PTR(target);
		m->anonymous = true;
	}
}

static struct err *resolve_mounts(const struct run_request *req, const struct image *img, struct spec *s)
{
	for (size_t i = 0; i < req->mounts.n; i++)
		for (size_t k = 0; k < i; k++)
			if (!strcmp(req->mounts.v[i].target, req->mounts.v[k].target))
				return err_new(0, "Duplicate mount point: %s", req->mounts.v[i].target);
	mounts_copy(&s->mounts, &req->mounts);
	strv_copy(&s->volumes_from, &req->volumes_from);
	for (size_t i = 0; i < req->inherited.n; i++) {
		struct mounts one = { .v = &req->inherited.v[i], .n = 1 };

		if (!mount_at(&s->mounts, req->inherited.v[i].target))
			mounts_copy(&s->mounts, &one);
	}
	add_volumes(&req->volumes, s);
	add_volumes(&img->volumes, s);
	return NULL;
}

/* --- stopping, databases --- */

static struct err *resolve_stop(const struct run_request *req, const struct image *img, struct spec *s)
{
	struct err *e;

	s->attach = req->attach;
	s->stop_timeout_s = req->stop_timeout_s < 0 ? STOP_TIMEOUT_S : (unsigned)req->stop_timeout_s;
	s->stop_signal = SIGTERM;
	if (req->stop_signal && *req->stop_signal)
		return sig_parse(req->stop_signal, &s->stop_signal);
	if (img->stop_signal && *img->stop_signal) {
		e = sig_parse(img->stop_signal, &s->stop_signal);
		err_free(e); /* an image may hold anything: it stays SIGTERM */
	}
	return NULL;
}

/* Letters and digits: means itself in a shell, in a URL and in every configuration file. */
static void make_password(char ret[PASSWORD_LEN + 1])
{
	static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
	size_t n = 0;

	while (n < PASSWORD_LEN) {
		unsigned char r;

		random_bytes(&r, 1);
		if (r < 62 * 4) /* or the first letters would be likelier */
			ret[n++] = set[r % 62];
	}
	ret[n] = '\0';
}

static void resolve_health(const struct run_request *req, const struct image *img, struct spec *s)
{
	const struct health_config *want = &req->health;

	s->health = *want;
	s->health.test = s->health.shell = (struct strv){ 0 };
	strv_copy(&s->health.test, &want->test);
	health_from_image(json_get(img->config, "config"), &s->health);
}

static void resolve_recipe(const struct run_request *req, const struct image *img, struct spec *s)
{
	const struct recipe *r = recipe_for_image(img->ref ? img->ref : req->image, &img->env,
						  &img->exposed, &s->entrypoint, &s->cmd);
	char password[PASSWORD_LEN + 1];

	if (!r)
		return;
	s->recipe = xstrdup(recipe_name(r));
	if (recipe_needs_password(r, &s->env)) {
		make_password(password);
		recipe_add_password(r, password, &s->env);
		s->made_password = true;
	}
}

static struct err *resolve_log(const struct run_request *req, struct spec *s)
{
	struct logconf c = { 0 };
	struct err *e = logconf_parse(req->log_driver, &req->log_opts, &c);

	logconf_done(&c);
	s->log_driver = xstrdup(req->log_driver);
	strv_copy(&s->log_opts, &req->log_opts);
	return e;
}

struct err *spec_resolve(const struct run_request *req, const struct image *img, struct spec *ret)
{
	struct spec s = {
		.image = xstrdup(req->image),
		.image_ref = xstrdup(img->ref),
		.image_id = xstrdup(img->id),
		.user = xstrdup(req->user && *req->user ? req->user
				: img->user		? img->user
							: ""),
		.tty = req->tty,
		.open_stdin = req->open_stdin,
		.auto_remove = req->auto_remove,
		.use_init = req->use_init,
		.read_only = req->read_only,
		.net = req->net,
		.restart = req->restart,
	};
	struct err *e;

	strv_copy(&s.layers, &img->diff_ids);
	if (req->auto_remove && req->restart.when != RESTART_NO)
		e = err_new(0, "conflicting options: cannot specify both --restart and --rm");
	else
		e = check_platform(req, img, &s);
	e = e ?: resolve_command(req, img, &s);
	e = e ?: resolve_env(req, img, &s);
	e = e ?: resolve_workdir(req, img, &s);
	e = e ?: resolve_hostname(req, &s);
	for (size_t i = 0; i < req->add_hosts.n && !e; i++)
		e = add_host(req->add_hosts.v[i], &s);
	e = e ?: resolve_ports(req, img, &s);
	e = e ?: resolve_mounts(req, img, &s);
	e = e ?: resolve_stop(req, img, &s);
	e = e ?: health_check(&req->health);
	e = e ?: security_resolve(req, &s);
	e = e ?: runopt_resolve(req, &s);
	e = e ?: resolve_log(req, &s);
	limits_copy(&s.limits, &req->limits);
	e = e ?: limits_check(&s.limits, (unsigned)sysconf(_SC_NPROCESSORS_ONLN));
	if (e) {
		spec_done(&s);
		return e;
	}
	resolve_labels(req, img, &s);
	resolve_health(req, img, &s);
	resolve_recipe(req, img, &s);
	*ret = s;
	return NULL;
}
