/* What containers need beside images before they are made, and what `down` takes away: networks, volumes (engine.h). */
#include <dirent.h>
#include <fcntl.h>
#include <openssl/sha.h>
#include <stdio.h>

#include "core/base/fd.h"
#include "core/compose/supply.h"
#include "core/compose/request.h"
#include "core/store/network.h"
#include "core/store/trash.h"
#include "core/store/volume.h"

/* --- networks and volumes --------------------------------------------------------------------- */

/* Does a picked service use KEY of SECTION? */
static bool is_needed(const struct compose *en, const bool *picked, const char *section, const char *key)
{
	const struct project *p = en->p;

	for (size_t i = 0; i < p->n_services && !p->all_resources; i++) {
		const struct node *use = node_get(p->services[i].node, section);

		if (!picked[i])
			continue;
		if (node_is(use, NODE_MAP) && node_member(use, key))
			return true;
		for (size_t k = 0; node_is(use, NODE_LIST) && k < use->n; k++)
			if (str_eq(node_str(use->m[k].value, "type"), "volume") &&
			    str_eq(node_str(use->m[k].value, "source"), key))
				return true;
	}
	return p->all_resources;
}

static void own_labels(const struct compose *en, const struct node *def, const char *label,
		       const char *key, struct strv *to)
{
	const struct node *own = node_get(def, "labels");

	for (size_t i = 0; i < node_len(own); i++)
		strv_addf(to, "%s=%s", own->m[i].key, own->m[i].value->text ?: "");
	strv_addf(to, "%s=%s", label, key);
	strv_addf(to, "%s=%s", LABEL_PROJECT, en->p->name);
}

/* What a network is to be, as one number: its label tells later whether the file says something else by then. */
static void network_hash(const struct node *def, char ret[65])
{
	_cleanup_str_ struct str text = { 0 };
	unsigned char sum[SHA256_DIGEST_LENGTH];

	node_yaml(def, &text);
	SHA256((const unsigned char *)(text.s ?: ""), text.len, sum);
	str_hex(sum, sizeof(sum), ret);
}

static struct err *make_network(struct compose *en, const struct member *m, bool check)
{
	const struct node *def = m->value, *ipam = node_get(node_get(def, "ipam"), "config"),
			  *options = node_get(def, "driver_opts");
	const char *name = node_str(def, "name");
	struct network_request req = { .name = name,
				       .driver = node_str(def, "driver"),
				       .internal = node_true(def, "internal"),
				       .ipv6 = node_true(def, "enable_ipv6"),
				       .attachable = node_true(def, "attachable") };
	struct network net = { 0 };
	char hash[65];
	struct err *e = network_find(en->st, name, &net);

	network_done(&net);
	if (!e)
		return NULL;
	if (!err_is(e, ENOENT))
		return e;
	err_free(e);
	e = NULL;
	if (node_true(def, "external"))
		return err_hint(pos_err(&m->pos,
					"network %s declared as external, but could not be found", name),
				"devbox network create %s", name);
	if (check)
		return NULL;
	for (size_t i = 0; i < node_len(ipam); i++) {
		const struct node *sub = ipam->m[i].value;

		if (node_str(sub, "subnet"))
			strv_add(&req.subnets, node_str(sub, "subnet"));
		if (node_str(sub, "gateway"))
			strv_add(&req.gateways, node_str(sub, "gateway"));
		if (node_str(sub, "ip_range"))
			strv_add(&req.ip_ranges, node_str(sub, "ip_range"));
	}
	for (size_t i = 0; i < node_len(options); i++)
		strv_addf(&req.options, "%s=%s", options->m[i].key, options->m[i].value->text ?: "");
	own_labels(en, def, LABEL_NETWORK, m->key, &req.labels);
	network_hash(def, hash);
	strv_addf(&req.labels, "%s=%s", LABEL_HASH, hash);
	engine_tell(en, ENGINE_WORKING, "Network", name, "Creating");
	if (!en->dry_run)
		e = pos_wrap(&m->pos, network_create(en->st, &req, &net));
	engine_tell(en, e ? ENGINE_FAILED : ENGINE_DONE, "Network", name, e ? "Error" : "Created");
	if (!e)
		network_done(&net);
	strv_done(&req.subnets);
	strv_done(&req.gateways);
	strv_done(&req.ip_ranges);
	strv_done(&req.options);
	strv_done(&req.labels);
	return e;
}

static struct err *check_volume(const struct member *m)
{
	const struct node *def = m->value, *driver = node_get(def, "driver"),
			  *options = node_get(def, "driver_opts");

	if (driver && strcmp(driver->text, "local"))
		return pos_err(&driver->pos,
			       "volume %s: driver %s is not supported: volumes are directories of yours",
			       m->key, driver->text);
	if (node_len(options))
		return err_hint(pos_err(&options->pos,
					"volume %s: options of its driver are not supported", m->key),
				"a bind mount in the service names a directory of the host");
	return NULL;
}

static struct err *make_volume(struct compose *en, const struct member *m, bool check)
{
	const char *name = node_str(m->value, "name");
	_cleanup_strv_ struct strv labels = { 0 };
	bool there = faccessat(en->st->volumes, name, F_OK, 0) == 0, created = false;
	struct err *e;

	if (there)
		return NULL;
	if (node_true(m->value, "external"))
		return err_hint(pos_err(&m->pos, "external volume \"%s\" not found", name),
				"devbox volume create %s", name);
	if (check)
		return check_volume(m);
	own_labels(en, m->value, LABEL_VOLUME, m->key, &labels);
	engine_tell(en, ENGINE_WORKING, "Volume", name, "Creating");
	e = check_volume(m);
	if (!e && !en->dry_run)
		e = pos_wrap(&m->pos, volume_create(en->st, name, false, &labels, &created));
	engine_tell(en, e ? ENGINE_FAILED : ENGINE_DONE, "Volume", name, e ? "Error" : "Created");
	return e;
}

/* --- with --branch: forked from those of another branch --------------------------------------- */

/* "shop-feature_data" and "fixed-feature" without the branch. */
static void split_name(struct project *p, const struct member *m, struct stack_volume *ret)
{
	const char *name = node_str(m->value, "name"),
		   *own = arena_printf(&p->arena, "%s_%s", p->name, m->key);
	bool fixed = strcmp(name, own) != 0;
	const char *whole = fixed ? name : p->name;

	ret->head =
		arena_printf(&p->arena, "%.*s", (int)(strlen(whole) - strlen(p->suffix) - 1), whole);
	ret->tail = fixed ? "" : own + strlen(p->name);
}

static void tell_filled(const struct compose *en, const struct stack_volume *v, size_t n,
			const struct stack_made *made)
{
	_cleanup_free_ char *words = NULL;

	if (!made->forked)
		return;
	words = *made->from ? xasprintf("Forked from branch %s", made->from)
			    : xstrdup("Forked from the project without a branch");
	for (size_t i = 0; i < n; i++) {
		_cleanup_free_ char *name = stack_volume_name(&v[i], en->p->suffix);

		engine_tell(en, ENGINE_DONE, "Volume", name, words);
	}
}

static struct err *fill_volumes(struct compose *en, const struct node *vols, const bool *picked)
{
	struct stack_volume *v = xcalloc(node_len(vols) + 1, sizeof(*v));
	const char *base =
		arena_printf(&en->p->arena, "%.*s",
			     (int)(strlen(en->p->name) - strlen(en->p->suffix) - 1), en->p->name);
	struct stack_made made = { 0 };
	struct err *e = NULL;
	size_t n = 0;

	for (size_t i = 0; i < node_len(vols) && !e; i++) {
		const struct member *m = &vols->m[i];

		if (node_true(m->value, "external") || !is_needed(en, picked, "volumes", m->key))
			continue;
		e = check_volume(m);
		split_name(en->p, m, &v[n]);
		own_labels(en, m->value, LABEL_VOLUME, m->key, &v[n++].labels);
	}
	e = e ?: stack_fill(en->st, en->place, base, v, n, &made);
	if (!e)
		tell_filled(en, v, n, &made);
	free(made.from);
	for (size_t i = 0; i < n; i++)
		strv_done(&v[i].labels);
	free(v);
	return e;
}

struct err *engine_resources(struct compose *en, const bool *picked, bool check)
{
	const struct node *nets = node_get(en->p->root, "networks"),
			  *vols = node_get(en->p->root, "volumes");
	struct err *e = NULL;

	for (size_t i = 0; i < node_len(nets) && !e; i++)
		if (is_needed(en, picked, "networks", nets->m[i].key))
			e = make_network(en, &nets->m[i], check);
	if (!e && en->place && !check && !en->dry_run)
		e = fill_volumes(en, vols, picked);
	for (size_t i = 0; i < node_len(vols) && !e; i++)
		if (is_needed(en, picked, "volumes", vols->m[i].key))
			e = make_volume(en, &vols->m[i], check);
	return e;
}

/* --- and away with them ----------------------------------------------------------------------- */

static bool has_label(const struct strv *labels, const char *key, const char *value)
{
	return str_eq(strv_env(labels, key), value);
}

struct err *engine_changed_networks(struct compose *en, const bool *picked, struct strv *ret)
{
	const struct node *nets = node_get(en->p->root, "networks");
	struct err *e = NULL;

	for (size_t i = 0; i < node_len(nets) && !e; i++) {
		const struct node *def = nets->m[i].value;
		_cleanup_network_ struct network net = { 0 };
		const char *was;
		char hash[65];

		if (node_true(def, "external") || !is_needed(en, picked, "networks", nets->m[i].key))
			continue;
		e = network_find(en->st, node_str(def, "name"), &net);
		if (err_is(e, ENOENT)) {
			err_free(e);
			e = NULL;
			continue;
		}
		was = e ? NULL : strv_env(&net.labels, LABEL_HASH);
		network_hash(def, hash);
		if (was && has_label(&net.labels, LABEL_PROJECT, en->p->name) && strcmp(was, hash) != 0)
			strv_add(ret, nets->m[i].key);
	}
	return e;
}

static struct err *remove_network(struct compose *en, const struct network *net)
{
	struct err *e;

	engine_tell(en, ENGINE_WORKING, "Network", net->name, "Removing");
	e = en->dry_run ? NULL : network_remove(en->st, net);
	engine_tell(en, e ? ENGINE_FAILED : ENGINE_DONE, "Network", net->name, e ? "Error" : "Removed");
	return e;
}

struct err *engine_remove_network(struct compose *en, const char *key)
{
	_cleanup_network_ struct network net = { 0 };
	struct err *e = network_find(en->st, real_name(en->p, "networks", key), &net);

	return e ?: remove_network(en, &net);
}

static struct err *remove_networks(struct compose *en)
{
	struct network *all = NULL;
	size_t n = 0;
	struct err *e = network_list(en->st, &all, &n), *errors = e;

	for (size_t i = 0; i < n; i++) {
		if (has_label(&all[i].labels, LABEL_PROJECT, en->p->name))
			errors = err_also(errors, remove_network(en, &all[i]));
		network_done(&all[i]);
	}
	free(all);
	return errors;
}

static struct err *remove_volumes(struct compose *en)
{
	_cleanup_strv_ struct strv names = { 0 };
	_cleanup_free_ char *batch = trash_batch(),
			    *reason = xasprintf("compose -p %s down -v", en->p->name);
	struct err *errors = volume_list(en->st, &names);

	for (size_t i = 0; i < names.n; i++) {
		_cleanup_strv_ struct strv labels = { 0 };
		struct err *e;

		volume_labels(en->st, names.v[i], &labels);
		if (!has_label(&labels, LABEL_PROJECT, en->p->name))
			continue;
		engine_tell(en, ENGINE_WORKING, "Volume", names.v[i], "Removing");
		e = en->dry_run ? NULL
		    : box_uses_volume(en->st, names.v[i])
			    ? err_new(0, "volume %s is in use", names.v[i])
			    : trash_volume(en->st, names.v[i], reason, batch);
		engine_tell(en, e ? ENGINE_FAILED : ENGINE_DONE, "Volume", names.v[i],
			    e ? "Error" : "Removed");
		errors = err_also(errors, e);
	}
	return errors;
}

static struct err *remove_images(struct compose *en, bool all)
{
	_cleanup_strv_ struct strv in_use = { 0 }, done = { 0 };
	struct err *errors = NULL;
	struct box **boxes = NULL;
	size_t n = 0;

	errors = box_list(en->st, &boxes, &n);
	for (size_t i = 0; i < n; i++) {
		strv_add(&in_use, boxes[i]->spec.image_id);
		box_free(boxes[i]);
	}
	free(boxes);
	for (size_t i = 0; i < en->p->n_services; i++) {
		const struct service *s = &en->p->services[i];
		const char *image = service_image(en->p, s);
		_cleanup_strv_ struct strv report = { 0 };
		struct err *e;

		if ((!all && node_get(s->node, "image")) || strv_has(&done, image))
			continue;
		strv_add(&done, image);
		if (en->dry_run && !image_is_there(en, image))
			continue;
		e = en->dry_run ? NULL : image_remove(en->st, image, false, &in_use, &report);
		if (err_is(e, ENOENT)) {
			err_free(e);
			continue;
		}
		engine_tell(en, e ? ENGINE_FAILED : ENGINE_DONE, "Image", image,
			    e ? "Error" : "Removed");
		errors = err_also(errors, e);
	}
	return errors;
}

/* Files that secrets and configs of the project were written to (request_mounts.c), when no container has them any
 * more. */
static struct err *remove_files(struct compose *en)
{
	_cleanup_dir_ DIR *d = NULL;
	_cleanup_close_ int fd = -1;
	struct box **boxes = NULL;
	size_t n = 0;
	_cleanup_free_ char *own = xasprintf(REQUEST_FILES "/%s", en->p->name);
	struct err *e = fd_open(en->st->root, own, O_RDONLY | O_DIRECTORY, 0, &fd);

	if (e) { /* there never was one */
		err_free(e);
		return NULL;
	}
	e = box_list(en->st, &boxes, &n);
	d = e ? NULL : fd_opendir(fd);
	for (struct dirent *en_file; d && (en_file = readdir(d)) != NULL;) {
		bool used = *en_file->d_name == '.';

		for (size_t i = 0; i < n && !used; i++)
			for (size_t k = 0; k < boxes[i]->spec.mounts.n && !used; k++) {
				const char *source = boxes[i]->spec.mounts.v[k].source;

				used = source && str_ends(source, en_file->d_name);
			}
		if (!used && unlinkat(fd, en_file->d_name, 0) < 0 && errno != ENOENT)
			e = err_also(e, err_new(errno, "removing %s/%s", own, en_file->d_name));
	}
	unlinkat(en->st->root, own, AT_REMOVEDIR); /* if it is empty now */
	for (size_t i = 0; i < n; i++)
		box_free(boxes[i]);
	free(boxes);
	return e;
}

struct err *engine_down(struct compose *en, bool volumes, const char *images)
{
	struct err *e = remove_networks(en);

	if (!en->dry_run)
		e = err_also(e, remove_files(en));
	if (volumes)
		e = err_also(e, remove_volumes(en));
	if (images)
		e = err_also(e, remove_images(en, !strcmp(images, "all")));
	return e;
}
