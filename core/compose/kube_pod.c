/* One service's container and the volumes of its pod. */
#include "core/compose/kube_priv.h"

#include <ctype.h>

#include "core/base/proc.h"

/* What one service becomes, while it is made. */
struct maker {
	struct kube *k;
	const struct service *s;
	struct node *pod, *spec, *box; /* BOX: the container */
	struct node *taken; /* names of the pod's volumes */
	struct node *claimed; /* volumes of the project: key to name in the pod */
};

static const struct node *get(const struct maker *m, const char *key)
{
	return node_get(m->s->node, key);
}

static void lost(const struct maker *m, const char *key)
{
	kube_lost(m->k, key, m->s->name);
}

/* --- words ------------------------------------------------------------------------------------ */

/* Kubernetes replaces $(NAME) in words and values; "$$(" is a plain one. */
static const char *literal(struct kube *k, const char *text)
{
	_cleanup_str_ struct str s = { 0 };

	str_add(&s, "");
	for (; *text; text++) {
		if (text[0] == '$' && (text[1] == '(' || text[1] == '$'))
			str_addc(&s, '$');
		str_addc(&s, *text);
	}
	return arena_str(k->a, s.s);
}

static void words(const struct maker *m, const char *to, const struct node *from, size_t first)
{
	for (size_t i = first; i < node_len(from); i++)
		kube_word(m->k, m->box, to, literal(m->k, from->m[i].value->text));
}

static void command(const struct maker *m)
{
	const struct node *entry = get(m, "entrypoint"), *cmd = get(m, "command");

	/* an entrypoint that is taken away leaves the command to start with */
	if (node_is(entry, NODE_LIST) && !entry->n) {
		words(m, "command", cmd, 0);
		if (!node_len(cmd))
			lost(m, "empty entrypoint");
		return;
	}
	words(m, "command", entry, 0);
	words(m, "args", cmd, 0);
}

/* What the API server lets be the name of a variable, also an older one. */
static bool is_variable(const char *name)
{
	return *name && !isdigit((unsigned char)*name) &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") ==
		       strlen(name);
}

static void settings(const struct maker *m)
{
	const struct node *env = get(m, "environment");

	for (size_t i = 0; i < node_len(env); i++) {
		struct node *to;

		if (!env->m[i].value->text)
			continue; /* it is set nowhere */
		if (!is_variable(env->m[i].key)) {
			lost(m, arena_printf(m->k->a, "environment.%s", env->m[i].key));
			continue;
		}
		to = kube_item(m->k, m->box, "env");
		kube_put(m->k, to, "name", env->m[i].key);
		kube_put(m->k, to, "value", literal(m->k, env->m[i].value->text));
	}
}

/* [prefix/]name, the name up to 63 of letters, digits and "-_." with one of the former at either end. */
static bool is_qualified(const char *key)
{
	const char *slash = strchr(key, '/'), *name = slash ? slash + 1 : key;
	size_t len = strlen(name);

	if (!len || len > 63 || slash == key || !isalnum((unsigned char)name[0]) ||
	    !isalnum((unsigned char)name[len - 1]))
		return false;
	for (const char *c = key; slash && c < slash; c++)
		if (!islower((unsigned char)*c) && !isdigit((unsigned char)*c) &&
		    ((*c != '.' && *c != '-') || c == key || c + 1 == slash || c[1] == '.'))
			return false;
	return strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == len;
}

/* Docker's labels hold any text: that is what annotations are for. */
static void labels(const struct maker *m, struct node *meta)
{
	static const char *const keys[] = { "labels", "annotations" };

	for (size_t n = 0; n < ARRAY_LEN(keys); n++) {
		const struct node *own = get(m, keys[n]);

		for (size_t i = 0; i < node_len(own); i++)
			if (is_qualified(own->m[i].key))
				kube_put(m->k, kube_map(m->k, meta, "annotations"), own->m[i].key,
					 own->m[i].value->text ?: "");
			else
				lost(m, arena_printf(m->k->a, "%s.%s", keys[n], own->m[i].key));
	}
}

/* --- health and limits ------------------------------------------------------------------------ */

/* Whole seconds, at least LEAST. */
static void put_seconds(const struct maker *m, struct node *to, const char *key,
			const char *duration, int64_t least)
{
	int64_t ns = 0;

	if (!duration)
		return;
	err_free(duration_parse(duration, &ns)); /* it was parsed before */
	ns = (ns + 999999999) / 1000000000;
	kube_put_int(m->k, to, key, ns < least ? least : ns);
}

static void health(const struct maker *m)
{
	const struct node *h = get(m, "healthcheck"), *test = node_get(h, "test");
	const char *how = node_len(test) ? test->m[0].value->text : "";
	int64_t retries = node_int(h, "retries", 0);
	struct node *probe, *exec;

	if (!h || node_true(h, "disable") || !strcmp(how, "NONE"))
		return;
	if (node_len(test) < 2) {
		lost(m, "healthcheck of the image");
		return;
	}
	probe = kube_map(m->k, m->box, "readinessProbe");
	exec = kube_map(m->k, probe, "exec");
	if (!strcmp(how, "CMD-SHELL")) {
		kube_word(m->k, exec, "command", "/bin/sh");
		kube_word(m->k, exec, "command", "-c");
	}
	for (size_t i = 1; i < test->n; i++)
		kube_word(m->k, exec, "command", test->m[i].value->text);
	/* Docker's defaults are not those of Kubernetes */
	put_seconds(m, probe, "periodSeconds", node_str(h, "interval") ?: "30s", 1);
	put_seconds(m, probe, "timeoutSeconds", node_str(h, "timeout") ?: "30s", 1);
	put_seconds(m, probe, "initialDelaySeconds", node_str(h, "start_period"), 0);
	kube_put_int(m->k, probe, "failureThreshold", retries > 0 ? retries : 3);
	if (node_get(h, "start_interval"))
		lost(m, "healthcheck.start_interval");
}

static void quantity(const struct maker *m, const char *kind, const char *what, const char *text)
{
	if (text && strtod(text, NULL) > 0)
		kube_put(m->k, kube_map(m->k, kube_map(m->k, m->box, "resources"), kind), what, text);
}

static void limits(const struct maker *m)
{
	const struct node *res = node_get(get(m, "deploy"), "resources"),
			  *max = node_get(res, "limits"), *least = node_get(res, "reservations");
	const char *cpus = node_str(max, "cpus") ?: node_str(m->s->node, "cpus");
	int64_t quota = node_int(m->s->node, "cpu_quota", 0),
		period = node_int(m->s->node, "cpu_period", 100000);

	if (!cpus && quota > 0 && period > 0)
		cpus = arena_printf(m->k->a, "%lldm", (long long)(quota * 1000 / period));
	quantity(m, "limits", "cpu", cpus);
	quantity(m, "limits", "memory", node_str(max, "memory") ?: node_str(m->s->node, "mem_limit"));
	quantity(m, "requests", "cpu", node_str(least, "cpus"));
	quantity(m, "requests", "memory",
		 node_str(least, "memory") ?: node_str(m->s->node, "mem_reservation"));
	if (node_get(max, "pids"))
		lost(m, "pids_limit");
	if (node_get(least, "devices") || node_get(least, "generic_resources"))
		lost(m, "deploy.resources.reservations.devices");
}

/* --- rights ----------------------------------------------------------------------------------- */

static bool is_number(const char *s)
{
	return *s && strspn(s, "0123456789") == strlen(s) && strlen(s) < 10;
}

static struct node *rights(const struct maker *m)
{
	return kube_map(m->k, m->box, "securityContext");
}

static void user(const struct maker *m)
{
	const char *who = node_str(m->s->node, "user");
	_cleanup_free_ char *uid = NULL;
	const char *gid;

	if (!who || !*who)
		return;
	uid = xstrndup(who, strcspn(who, ":"));
	gid = who[strlen(uid)] ? who + strlen(uid) + 1 : NULL;
	if (!is_number(uid) || (gid && !is_number(gid))) {
		lost(m, "user by name");
		return;
	}
	kube_put_int(m->k, rights(m), "runAsUser", strtol(uid, NULL, 10));
	if (gid)
		kube_put_int(m->k, rights(m), "runAsGroup", strtol(gid, NULL, 10));
}

static void security(const struct maker *m)
{
	static const char *const caps[][2] = { { "cap_add", "add" }, { "cap_drop", "drop" } };
	const struct node *groups = get(m, "group_add"), *sysctls = get(m, "sysctls");

	user(m);
	for (size_t n = 0; n < ARRAY_LEN(caps); n++) {
		const struct node *list = get(m, caps[n][0]);

		for (size_t i = 0; i < node_len(list); i++) {
			const char *cap = list->m[i].value->text;

			kube_word(m->k, kube_map(m->k, rights(m), "capabilities"), caps[n][1],
				  str_after(cap, "CAP_") ?: cap);
		}
	}
	if (node_true(m->s->node, "privileged"))
		kube_put_true(m->k, rights(m), "privileged");
	if (node_true(m->s->node, "read_only"))
		kube_put_true(m->k, rights(m), "readOnlyRootFilesystem");
	for (size_t i = 0; i < node_len(groups); i++) {
		const char *group = groups->m[i].value->text;
		struct node *list;

		if (!is_number(group)) {
			lost(m, "group_add by name");
			continue;
		}
		list = kube_list(m->k, kube_map(m->k, m->pod, "securityContext"), "supplementalGroups");
		node_push(m->k->a, list, node_new(m->k->a, NODE_INT, group, NULL));
	}
	for (size_t i = 0; i < node_len(sysctls); i++) {
		struct node *to = kube_item(m->k, kube_map(m->k, m->pod, "securityContext"), "sysctls");

		kube_put(m->k, to, "name", sysctls->m[i].key);
		kube_put(m->k, to, "value", sysctls->m[i].value->text ?: "");
	}
}

/* --- volumes ---------------------------------------------------------------------------------- */

static struct node *mount(const struct maker *m, const char *name, const char *target)
{
	struct node *to = kube_item(m->k, m->box, "volumeMounts");

	kube_put(m->k, to, "name", name);
	kube_put(m->k, to, "mountPath", target);
	return to;
}

/* A volume of the pod, called after BASE, with the part KIND to fill; mounted by the caller. */
static struct node *volume(const struct maker *m, const char *base, const char *kind,
			   const char **ret_name)
{
	struct node *to = kube_item(m->k, m->pod, "volumes");

	*ret_name = kube_unique(m->k, m->taken, base);
	kube_put(m->k, to, "name", *ret_name);
	return kube_map(m->k, to, kind);
}

/* Empty at the start of the pod; in memory, at most SIZE bytes. */
static void memory(const struct maker *m, const char *target, const char *size)
{
	const char *name;
	struct node *dir = volume(m, "tmpfs", "emptyDir", &name);

	kube_put(m->k, dir, "medium", "Memory");
	if (size && strcmp(size, "0"))
		kube_put(m->k, dir, "sizeLimit", size);
	mount(m, name, target);
}

static const char *claim(const struct maker *m, const char *key)
{
	const char *name = node_str(m->claimed, key), *real = kube_name(m->k, "volumes", key);

	if (name)
		return name;
	if (kube_volume_is_own(m->k, key)) {
		struct node *to = kube_item(m->k, m->spec, "volumeClaimTemplates");

		name = kube_unique(m->k, m->taken, real);
		kube_put(m->k, kube_map(m->k, to, "metadata"), "name", name);
	} else {
		kube_put(m->k, volume(m, real, "persistentVolumeClaim", &name), "claimName", real);
	}
	kube_put(m->k, m->claimed, key, name);
	return name;
}

static void one_mount(const struct maker *m, const struct node *n)
{
	const char *type = node_str(n, "type") ?: "volume", *source = node_str(n, "source"),
		   *target = node_str(n, "target"),
		   *subpath = node_str(node_get(n, "volume"), "subpath"), *name;
	struct node *to;

	if (!strcmp(type, "tmpfs")) {
		memory(m, target, node_str(node_get(n, "tmpfs"), "size"));
		return;
	}
	if (!target || *target != '/' || strchr(target, ':')) {
		lost(m, arena_printf(m->k->a, "mount at %s", target ?: ""));
		return;
	}
	if (strcmp(type, "volume")) {
		lost(m, !strcmp(type, "bind") ? "bind mounts" : "volumes of another type");
		return;
	}
	if (source && *source)
		name = claim(m, source);
	else
		volume(m, "volume", "emptyDir", &name);
	to = mount(m, name, target);
	if (node_true(n, "read_only"))
		kube_put_true(m->k, to, "readOnly");
	if (subpath)
		kube_put(m->k, to, "subPath", subpath);
}

/* A secret or config: the one file of its object, at its target. */
static void file_mount(const struct maker *m, const struct node *use, const char *section)
{
	bool secret = !strcmp(section, "secrets");
	const char *key = node_str(use, "source"), *target = node_str(use, "target"),
		   *mode = node_str(use, "mode"), *object = kube_name(m->k, section, key), *name;
	struct node *to = volume(m, object, secret ? "secret" : "configMap", &name), *at;

	kube_put(m->k, to, secret ? "secretName" : "name", object);
	if (mode)
		kube_put_int(m->k, to, "defaultMode", strtol(mode, NULL, 8) & 0777);
	if (node_get(use, "uid") || node_get(use, "gid"))
		lost(m, "uid and gid of secrets and configs");
	if (!target || *target != '/')
		target = arena_printf(m->k->a, "%s/%s", secret ? "/run/secrets" : "", target ?: key);
	at = mount(m, name, target);
	kube_put(m->k, at, "subPath", object);
	kube_put_true(m->k, at, "readOnly");
}

static void volumes(const struct maker *m)
{
	static const char *const files[] = { "secrets", "configs" };
	const struct node *list = get(m, "volumes"), *tmp = get(m, "tmpfs");

	for (size_t i = 0; i < node_len(list); i++)
		one_mount(m, list->m[i].value);
	for (size_t i = 0; i < node_len(tmp); i++) {
		const char *spec = tmp->m[i].value->text, *path = strchr(spec, ':');

		if (path)
			lost(m, "options of tmpfs");
		memory(m, arena_strn(m->k->a, spec, strcspn(spec, ":")), NULL);
	}
	if (node_str(m->s->node, "shm_size"))
		memory(m, "/dev/shm", node_str(m->s->node, "shm_size"));
	for (size_t n = 0; n < ARRAY_LEN(files); n++) {
		const struct node *use = get(m, files[n]);

		for (size_t i = 0; i < node_len(use); i++)
			file_mount(m, use->m[i].value, files[n]);
	}
}

/* --- the pod ---------------------------------------------------------------------------------- */

/* TEXT as a cluster has names of hosts, in lower case; NULL if it is none. */
static const char *dns_name(struct kube *k, const char *text, size_t len)
{
	char *name = arena_strn(k->a, text, len);

	for (char *c = name; *c; c++) {
		bool edge = c == name || c[-1] == '.' || !c[1] || c[1] == '.';

		*c = (char)tolower((unsigned char)*c);
		if (!isalnum((unsigned char)*c) && (edge || (*c != '-' && *c != '.')))
			return NULL;
	}
	return len ? name : NULL;
}

static void hosts(const struct maker *m)
{
	const struct node *list = get(m, "extra_hosts");

	for (size_t i = 0; i < node_len(list); i++) {
		const char *host = list->m[i].value->text, *ip = strchr(host, '='), *name;
		struct node *to;

		if (!ip || !strcmp(ip + 1, "host-gateway")) {
			lost(m, "extra_hosts: host-gateway");
			continue;
		}
		name = dns_name(m->k, host, (size_t)(ip - host));
		if (!name) {
			lost(m, "extra_hosts that are no DNS names");
			continue;
		}
		to = kube_item(m->k, m->pod, "hostAliases");
		kube_put(m->k, to, "ip", ip + 1);
		kube_word(m->k, to, "hostnames", name);
	}
}

static void pull_policy(const struct maker *m)
{
	static const char *const known[][2] = { { "always", "Always" },
						{ "never", "Never" },
						{ "missing", "IfNotPresent" },
						{ "if_not_present", "IfNotPresent" } };
	const char *own = node_str(m->s->node, "pull_policy");

	for (size_t i = 0; own && i < ARRAY_LEN(known); i++)
		if (!strcmp(own, known[i][0]))
			kube_put(m->k, m->box, "imagePullPolicy", known[i][1]);
}

static void networks(const struct maker *m)
{
	const struct node *nets = get(m, "networks");

	for (size_t i = 0; i < node_len(nets); i++)
		if (strcmp(nets->m[i].key, "default") || node_len(nets->m[i].value))
			lost(m, "networks");
}

/* Keys that say something and are none of those that are written, or that make no difference in a cluster. */
static void others(const struct maker *m)
{
	const struct node *deploy = get(m, "deploy");
	static const char *const known[] = {
		"annotations",
		"attach",
		"cap_add",
		"cap_drop",
		"command",
		"configs",
		"cpu_period",
		"cpu_quota",
		"cpus",
		"depends_on",
		"deploy",
		"develop",
		"entrypoint",
		"env_file",
		"environment",
		"expose",
		"extends",
		"extra_hosts",
		"group_add",
		"healthcheck",
		"hostname",
		"image",
		"init",
		"label_file",
		"labels",
		"logging",
		"mem_limit",
		"networks",
		"mem_reservation",
		"ports",
		"privileged",
		"profiles",
		"pull_policy",
		"read_only",
		"restart",
		"scale",
		"secrets",
		"shm_size",
		"stdin_open",
		"stop_grace_period",
		"sysctls",
		"tmpfs",
		"tty",
		"user",
		"volumes",
		"volumes_from", /* volumes by now */
		"working_dir",
		"pull_refresh_after",
	};

	if (node_len(node_get(deploy, "labels")))
		lost(m, "deploy.labels");
	if (node_get(deploy, "restart_policy"))
		lost(m, "deploy.restart_policy");
	for (size_t i = 0; i < m->s->node->n; i++) {
		const struct member *key = &m->s->node->m[i];
		bool says = key->value->kind >= NODE_LIST
				    ? key->value->n > 0
				    : key->value->text != NULL && strcmp(key->value->text, "false");

		for (size_t n = 0; n < ARRAY_LEN(known) && says; n++)
			says = strcmp(known[n], key->key) != 0;
		if (says && !str_starts(key->key, "x-"))
			lost(m, key->key);
	}
}

void kube_pod(struct kube *k, const struct service *s, struct node *meta, struct node *pod,
	      struct node *spec, const struct node *ports)
{
	struct node *scratch = node_new(k->a, NODE_MAP, NULL, NULL);
	const struct maker m = { .k = k,
				 .s = s,
				 .pod = pod,
				 .spec = spec,
				 .box = kube_item(k, pod, "containers"),
				 .taken = kube_map(k, scratch, "taken"),
				 .claimed = kube_map(k, scratch, "claimed") };
	const char *host = node_str(s->node, "hostname"), *dir = node_str(s->node, "working_dir");

	kube_put(k, m.box, "name", kube_name(k, "services", s->name));
	kube_put(k, m.box, "image", service_image(k->p, s));
	pull_policy(&m);
	command(&m);
	settings(&m);
	if (dir && *dir)
		kube_put(k, m.box, "workingDir", dir);
	for (size_t i = 0; i < node_len(ports); i++) {
		struct node *to = kube_item(k, m.box, "ports");

		kube_put_int(k, to, "containerPort", node_int(ports->m[i].value, "port", 0));
		kube_put(k, to, "protocol", node_str(ports->m[i].value, "protocol"));
	}
	if (node_true(s->node, "stdin_open"))
		kube_put_true(k, m.box, "stdin");
	if (node_true(s->node, "tty"))
		kube_put_true(k, m.box, "tty");
	health(&m);
	limits(&m);
	security(&m);
	volumes(&m);
	labels(&m, meta);
	hosts(&m);
	networks(&m);
	others(&m);
	if (host && kube_is_label(host))
		kube_put(k, pod, "hostname", host);
	else if (host)
		lost(&m, "hostname");
	put_seconds(&m, pod, "terminationGracePeriodSeconds", node_str(s->node, "stop_grace_period"), 0);
	/* DB_PORT=tcp://... in the environment is what programs of a compose project do not expect */
	node_set(k->a, pod, "enableServiceLinks", NULL, node_new(k->a, NODE_BOOL, "false", NULL));
}
