/* Names, documents and notes; the containers are kube_pod.c's. */
#include "core/compose/kube_priv.h"

#include <ctype.h>

#include "core/box/runopt.h"
#include "registry/auth.h"

enum { NAME_MAX_BYTES = 52 }; /* 63, less what a StatefulSet's revision puts behind it */

/* --- trees ------------------------------------------------------------------------------------ */

static struct node *fresh(struct kube *k, enum node_kind kind, const char *text)
{
	static const struct pos nowhere;

	return node_new(k->a, kind, text, &nowhere);
}

void kube_put(struct kube *k, struct node *map, const char *key, const char *text)
{
	node_set(k->a, map, key, NULL, fresh(k, NODE_STR, text));
}

void kube_put_int(struct kube *k, struct node *map, const char *key, int64_t n)
{
	node_set(k->a, map, key, NULL, fresh(k, NODE_INT, arena_printf(k->a, "%lld", (long long)n)));
}

void kube_put_true(struct kube *k, struct node *map, const char *key)
{
	node_set(k->a, map, key, NULL, fresh(k, NODE_BOOL, "true"));
}

static struct node *child(struct kube *k, struct node *map, const char *key, enum node_kind kind)
{
	struct node *n = node_get(map, key);

	if (!n) {
		n = fresh(k, kind, NULL);
		node_set(k->a, map, key, NULL, n);
	}
	return n;
}

struct node *kube_map(struct kube *k, struct node *map, const char *key)
{
	return child(k, map, key, NODE_MAP);
}

struct node *kube_list(struct kube *k, struct node *map, const char *key)
{
	return child(k, map, key, NODE_LIST);
}

struct node *kube_item(struct kube *k, struct node *map, const char *key)
{
	struct node *n = fresh(k, NODE_MAP, NULL);

	node_push(k->a, kube_list(k, map, key), n);
	return n;
}

void kube_word(struct kube *k, struct node *map, const char *key, const char *text)
{
	node_push(k->a, kube_list(k, map, key), fresh(k, NODE_STR, text));
}

/* --- what is lost ----------------------------------------------------------------------------- */

void kube_lost(struct kube *k, const char *key, const char *of)
{
	struct node *list = kube_list(k, k->lost, key);

	for (size_t i = 0; i < list->n; i++)
		if (!strcmp(list->m[i].value->text, of))
			return;
	node_push(k->a, list, fresh(k, NODE_STR, of));
}

static void say_lost(struct kube *k)
{
	static const struct {
		const char *key, *why;
	} known[] = {
		{ "bind mounts", "a cluster does not have this machine's files, they are left out" },
		{ "build", "a cluster does not build, push the images where it can pull them" },
		{ "depends_on", "everything starts at once and has to try again until its peers answer" },
		{ "external", "it is not written, the cluster has to have it" },
		{ "networks", "all pods reach each other, a NetworkPolicy would keep them apart" },
		{ "published ports", "the Services are the cluster's own, see `kubectl port-forward`" },
		{ "renamed", "the name would not be one in a cluster, others have to use the new one" },
		{ "restart", "a Deployment always restarts what ends" },
		{ "shared volumes", "ReadWriteOnce lets the pods of one node alone share it" },
		{ "volume size", "each claim asks for 1Gi, change that to what you need" },
	};

	for (size_t i = 0; i < k->lost->n; i++) {
		const struct member *m = &k->lost->m[i];
		const char *why = "Kubernetes has nothing for it, it is left out";
		_cleanup_str_ struct str who = { 0 };

		for (size_t n = 0; n < ARRAY_LEN(known); n++)
			if (!strcmp(known[n].key, m->key))
				why = known[n].why;
		for (size_t n = 0; n < m->value->n; n++)
			str_addf(&who, "%s%s", n ? ", " : "", m->value->m[n].value->text);
		strv_addf(k->notes, "%s (%s): %s", m->key, who.s, why);
	}
}

/* --- names ------------------------------------------------------------------------------------ */

/* A DNS label that begins with a letter, as the name of a Service has to. */
static const char *dns_label(struct kube *k, const char *text)
{
	char *out = arena_printf(k->a, "%s%s", isalpha((unsigned char)*text) ? "" : "x-", text);
	size_t len = strlen(out);

	if (len > NAME_MAX_BYTES)
		out[len = NAME_MAX_BYTES] = '\0';
	for (char *c = out; *c; c++)
		*c = isalnum((unsigned char)*c) ? (char)tolower((unsigned char)*c) : '-';
	while (out[len - 1] == '-')
		out[--len] = '\0';
	return out;
}

bool kube_is_label(const char *text)
{
	size_t len = strlen(text);

	return len && len < 64 && text[0] != '-' && text[len - 1] != '-' &&
	       strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

const char *kube_unique(struct kube *k, struct node *taken, const char *text)
{
	const char *label = dns_label(k, text), *name = label;

	for (unsigned n = 2; node_get(taken, name); n++)
		name = arena_printf(k->a, "%s-%u", label, n);
	kube_put_true(k, taken, name);
	return name;
}

static void name_all(struct kube *k, const char *section)
{
	struct node *all = node_get(k->used, section), *names = kube_map(k, k->names, section),
		    *taken = fresh(k, NODE_MAP, NULL);

	for (size_t i = 0; i < node_len(all); i++) {
		const struct member *m = &all->m[i];
		bool external = node_true(m->value, "external");
		const char *from = external ? node_str(m->value, "name") ?: m->key : m->key;
		const char *name = kube_unique(k, taken, from);

		kube_put(k, names, m->key, name);
		if (strcmp(name, from) && !strcmp(section, "services"))
			kube_lost(k, "renamed", arena_printf(k->a, "%s is %s", from, name));
		if (external)
			kube_lost(k, "external", arena_printf(k->a, "%s %s", section, name));
	}
}

const char *kube_name(const struct kube *k, const char *section, const char *key)
{
	return node_str(node_get(k->names, section), key) ?: key;
}

/* --- documents -------------------------------------------------------------------------------- */

static struct node *document(struct kube *k, const char *api, const char *kind, const char *name)
{
	struct node *doc = fresh(k, NODE_MAP, NULL), *meta = kube_map(k, doc, "metadata");

	kube_put(k, doc, "apiVersion", api);
	kube_put(k, doc, "kind", kind);
	kube_put(k, meta, "name", name);
	kube_put(k, kube_map(k, meta, "labels"), LABEL_PART_OF, dns_label(k, k->p->name));
	return doc;
}

static void print(struct kube *k, const struct node *doc)
{
	if (k->out.len)
		str_add(&k->out, "---\n");
	node_yaml(doc, &k->out);
}

/* A ConfigMap has text beside bytes, a Secret everything in base64. */
static void put_data(struct kube *k, struct node *doc, bool secret, const char *name,
		     const char *data, size_t len)
{
	bool text = !secret && str_is_utf8(data, len) && !memchr(data, '\0', len);
	_cleanup_free_ char *coded = text ? NULL : auth_base64_encode(data, len);

	kube_put(k, kube_map(k, doc, secret || text ? "data" : "binaryData"), name,
		 text ? arena_strn(k->a, data, len) : arena_str(k->a, coded));
}

static struct err *file_object(struct kube *k, const char *section, const struct member *m)
{
	bool secret = !strcmp(section, "secrets");
	const char *name = kube_name(k, section, m->key),
		   *variable = node_str(m->value, "environment"),
		   *file = node_str(m->value, "file"), *content = node_str(m->value, "content");
	struct node *doc = document(k, "v1", secret ? "Secret" : "ConfigMap", name);
	_cleanup_free_ char *bytes = NULL;
	size_t len = 0;

	if (variable) {
		content = strv_env(&k->p->env, variable);
		if (!content)
			return err_hint(pos_err(&m->pos,
						"environment variable %s required by %s %s is not set",
						variable, section, m->key),
					"export it before");
	} else if (file) {
		struct err *e = k->read(file, &bytes, &len);

		if (e)
			return pos_wrap(&m->pos, e);
	}
	if (!bytes) {
		bytes = xstrdup(content ?: "");
		len = strlen(bytes);
	}
	if (secret)
		kube_put(k, doc, "type", "Opaque");
	put_data(k, doc, secret, name, bytes, len);
	print(k, doc);
	return NULL;
}

static struct err *file_objects(struct kube *k, const char *section)
{
	const struct node *all = node_get(k->used, section);
	struct err *e = NULL;

	for (size_t i = 0; i < node_len(all) && !e; i++)
		if (!node_true(all->m[i].value, "external"))
			e = file_object(k, section, &all->m[i]);
	return e;
}

/* Does LIST mount something at the place that N has? */
static bool has_target(const struct node *list, const struct node *n)
{
	for (size_t i = 0; i < node_len(list); i++)
		if (str_eq(node_str(list->m[i].value, "target"), node_str(n, "target")))
			return true;
	return false;
}

/* The mounts of FROM become S's own, those that it has not already. */
static void take_volumes_of(struct kube *k, struct service *s, const struct service *from, bool read_only)
{
	const struct node *theirs = node_get(from->node, "volumes");

	for (size_t i = 0; i < node_len(theirs); i++) {
		const struct node *n = theirs->m[i].value;
		struct node *own;

		if (has_target(node_get(s->node, "volumes"), n))
			continue;
		own = kube_item(k, s->node, "volumes");
		for (size_t m = 0; m < n->n; m++)
			node_set(k->a, own, n->m[m].key, NULL, n->m[m].value);
		if (read_only)
			kube_put_true(k, own, "read_only");
	}
}

/* volumes_from, whose services may have theirs from others in turn (not in a circle, that was refused before). */
static void take_volumes(struct kube *k, struct service *s)
{
	const struct node *from = node_get(s->node, "volumes_from");
	const char *mark = "x-volumes-taken";

	if (!node_len(from) || node_get(s->node, mark))
		return;
	kube_put_true(k, s->node, mark);
	for (size_t i = 0; i < from->n; i++) {
		const char *text = from->m[i].value->text, *colon = strchr(text, ':');
		struct service *other =
			project_service(k->p, arena_strn(k->a, text, strcspn(text, ":")));

		if (!other) { /* "container:NAME" */
			kube_lost(k, "volumes_from", s->name);
			continue;
		}
		take_volumes(k, other);
		take_volumes_of(k, s, other, str_eq(colon, ":ro"));
	}
}

static bool mounts(const struct service *s, const char *volume)
{
	const struct node *list = node_get(s->node, "volumes");

	for (size_t i = 0; i < node_len(list); i++) {
		const struct node *n = list->m[i].value;

		if (str_eq(node_str(n, "type"), "volume") &&
		    (volume ? str_eq(node_str(n, "source"), volume) : node_str(n, "source") != NULL))
			return true;
	}
	return false;
}

bool kube_volume_is_own(const struct kube *k, const char *volume)
{
	unsigned users = 0;

	if (node_true(node_get(node_get(k->used, "volumes"), volume), "external"))
		return false;
	for (size_t i = 0; i < k->p->n_services; i++) {
		const struct service *s = &k->p->services[i];

		if (s->enabled && mounts(s, volume))
			users += s->scale > 1 || kube_is_job(k, s) ? 2 : 1;
	}
	return users == 1;
}

static void claim_spec(struct kube *k, struct node *spec)
{
	kube_word(k, spec, "accessModes", "ReadWriteOnce");
	kube_put(k, kube_map(k, kube_map(k, spec, "resources"), "requests"), "storage", "1Gi");
}

static void claims(struct kube *k)
{
	static const char *const lost[] = { "driver", "driver_opts" };
	const struct node *all = node_get(k->used, "volumes");

	for (size_t i = 0; i < node_len(all); i++) {
		const struct member *m = &all->m[i];
		const char *name = kube_name(k, "volumes", m->key);
		struct node *doc;

		if (node_true(m->value, "external"))
			continue;
		for (size_t n = 0; n < ARRAY_LEN(lost); n++) {
			const char *driver = node_str(m->value, lost[n]);

			if (node_get(m->value, lost[n]) && !str_eq(driver, "local"))
				kube_lost(k, lost[n], arena_printf(k->a, "volume %s", m->key));
		}
		kube_lost(k, "volume size", m->key);
		if (kube_volume_is_own(k, m->key))
			continue;
		kube_lost(k, "shared volumes", m->key);
		doc = document(k, "v1", "PersistentVolumeClaim", name);
		claim_spec(k, kube_map(k, doc, "spec"));
		print(k, doc);
	}
}

/* --- a service -------------------------------------------------------------------------------- */

bool kube_is_job(const struct kube *k, const struct service *s)
{
	for (size_t i = 0; i < k->p->n_services; i++) {
		const struct service *o = &k->p->services[i];

		for (size_t n = 0; o->enabled && n < o->n_depends; n++)
			if (o->depends[n].when == DEPEND_COMPLETED &&
			    !strcmp(o->depends[n].service, s->name))
				return true;
	}
	return false;
}

static void add_port(struct kube *k, struct node *spec, unsigned char *seen, unsigned target,
		     const char *proto)
{
	static const char *const names[] = { "tcp", "udp", "sctp" };

	for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
		struct node *port;

		if (strcmp(names[i], proto) || !target || target > 65535 || (seen[target] & 1U << i))
			continue;
		seen[target] |= (unsigned char)(1U << i);
		port = kube_item(k, spec, "ports");
		kube_put(k, port, "name", arena_printf(k->a, "%s-%u", proto, target));
		kube_put_int(k, port, "port", target);
		kube_put_int(k, port, "targetPort", target);
		kube_put(k, port, "protocol", i == 0 ? "TCP" : i == 1 ? "UDP" : "SCTP");
	}
}

/* The ports of S as a Service has them. */
static struct err *add_ports(struct kube *k, const struct service *s, struct node *spec)
{
	const struct node *list = node_get(s->node, "ports"), *expose = node_get(s->node, "expose");
	unsigned char *seen = arena_alloc(k->a, 65536);

	for (size_t i = 0; i < node_len(list); i++) {
		const struct node *n = list->m[i].value;

		add_port(k, spec, seen, (unsigned)node_int(n, "target", 0),
			 node_str(n, "protocol") ?: "tcp");
		kube_lost(k, "published ports", s->name);
	}
	for (size_t i = 0; i < node_len(expose); i++) {
		struct port p;
		struct err *e = port_parse_exposed(expose->m[i].value->text, &p);

		if (e)
			return pos_wrap(&expose->m[i].value->pos, e);
		for (unsigned n = p.ctr; n && n <= p.ctr_last; n++)
			add_port(k, spec, seen, n, port_proto_names[p.proto]);
	}
	return NULL;
}

static void label(struct kube *k, const char *name, struct node *labels)
{
	kube_put(k, labels, LABEL_NAME, name);
	kube_put(k, labels, LABEL_PART_OF, dns_label(k, k->p->name));
}

static void starts_after(struct kube *k, const struct service *s)
{
	const struct node *own = node_get(s->node, "depends_on");

	if (!node_len(own))
		return;
	kube_lost(k, "depends_on", s->name);
	str_addf(&k->out, "%s# in the compose file it starts after", k->out.len ? "---\n" : "");
	for (size_t i = 0; i < own->n; i++)
		str_addf(&k->out, "%s %s (%s)", i ? "," : "", own->m[i].key,
			 node_str(own->m[i].value, "condition") ?: "service_started");
	str_addc(&k->out, '\n');
}

static void print_workload(struct kube *k, const struct service *s, const struct node *doc)
{
	size_t before = k->out.len;

	starts_after(k, s);
	if (k->out.len != before)
		node_yaml(doc, &k->out); /* the comment stands behind the "---" */
	else
		print(k, doc);
}

/* restartPolicy and backoffLimit of a Job: on-failure:N, or once. */
static void job(struct kube *k, const struct service *s, struct node *spec, struct node *pod)
{
	const char *restart = node_str(s->node, "restart"),
		   *times = str_after(restart ?: "", "on-failure:");
	bool again = restart && str_starts(restart, "on-failure");

	kube_put(k, pod, "restartPolicy", again ? "OnFailure" : "Never");
	if (!again)
		kube_put_int(k, spec, "backoffLimit", 0);
	else if (times)
		kube_put_int(k, spec, "backoffLimit", strtol(times, NULL, 10));
}

static struct err *one_service(struct kube *k, const struct service *s)
{
	const char *name = kube_name(k, "services", s->name), *restart = node_str(s->node, "restart");
	bool once = kube_is_job(k, s), state = !once && mounts(s, NULL);
	struct node *svc = document(k, "v1", "Service", name), *to = kube_map(k, svc, "spec"), *doc,
		    *spec, *template, *pod, *templates;
	struct err *e = add_ports(k, s, to);

	if (e)
		return e;
	doc = document(k, once ? "batch/v1" : "apps/v1",
		       once    ? "Job"
		       : state ? "StatefulSet"
			       : "Deployment",
		       name);
	spec = kube_map(k, doc, "spec");
	template = kube_map(k, spec, "template");
	pod = kube_map(k, template, "spec");
	label(k, name, kube_map(k, kube_map(k, svc, "metadata"), "labels"));
	label(k, name, kube_map(k, kube_map(k, doc, "metadata"), "labels"));
	label(k, name, kube_map(k, kube_map(k, template, "metadata"), "labels"));
	label(k, name, kube_map(k, to, "selector"));
	if (!node_get(to, "ports"))
		kube_put(k, to, "clusterIP", "None");
	if (once) {
		job(k, s, spec, pod);
	} else {
		kube_put_int(k, spec, "replicas", s->scale);
		label(k, name, kube_map(k, kube_map(k, spec, "selector"), "matchLabels"));
		if (restart && (!strcmp(restart, "no") || str_starts(restart, "on-failure")))
			kube_lost(k, "restart", s->name);
	}
	if (state)
		kube_put(k, spec, "serviceName", name);
	kube_pod(k, s, kube_map(k, template, "metadata"), pod, spec, node_get(to, "ports"));
	templates = node_get(spec, "volumeClaimTemplates");
	for (size_t i = 0; i < node_len(templates); i++)
		claim_spec(k, kube_map(k, templates->m[i].value, "spec"));
	if (!once)
		print(k, svc);
	print_workload(k, s, doc);
	return NULL;
}

struct err *kube_text(struct project *p,
		      struct err *(*read)(const char *path, char **ret, size_t *ret_len),
		      struct strv *notes, char **ret)
{
	static const char *const sections[] = { "services", "volumes", "configs", "secrets" };
	struct kube k = { .p = p, .a = &p->arena, .read = read, .notes = notes };
	struct err *e;

	k.used = project_used(p, k.a);
	k.names = fresh(&k, NODE_MAP, NULL);
	k.lost = fresh(&k, NODE_MAP, NULL);
	for (size_t i = 0; i < p->n_services; i++)
		take_volumes(&k, &p->services[i]);
	for (size_t i = 0; i < ARRAY_LEN(sections); i++)
		name_all(&k, sections[i]);
	e = file_objects(&k, "secrets");
	e = e ?: file_objects(&k, "configs");
	if (!e)
		claims(&k);
	for (size_t i = 0; i < p->n_services && !e; i++)
		if (p->services[i].enabled)
			e = one_service(&k, &p->services[i]);
	node_sort(k.lost);
	say_lost(&k);
	if (!e)
		*ret = str_take(&k.out);
	str_done(&k.out);
	return e;
}
