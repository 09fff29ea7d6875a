/* What containers need before they are made: images, networks, volumes (engine.h). */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>

#include "core/base/fd.h"
#include "core/compose/engine.h"
#include "core/compose/jobs.h"
#include "core/compose/request.h"
#include "core/store/network.h"
#include "core/store/trash.h"
#include "core/store/volume.h"
#include "registry/pull.h"

/* --- images ----------------------------------------------------------------------------------- */

/* What a job tells: how far it is, the line a build writes. */
enum { PROGRESS = 'p', LINE = 'l' };

enum { KEPT_BYTES = 8192 };

enum need { NEED_NOTHING, NEED_PULL, NEED_BUILD };

struct supply {
	struct compose *en;
	const struct service *s;
	const char *image;
	enum need need;
	int out;
	struct str line; /* in the job: the beginning of a line */
	struct str kept; /* in the starter: what a build wrote last */
};

static bool is_there(const struct compose *en, const char *image)
{
	struct image *img = NULL;
	struct err *e = image_find(en->st, image, &img);

	image_free(img);
	err_free(e); /* what is broken is pulled again */
	return !e;
}

static struct err *decide(const struct compose *en, const struct service *s, const char *image,
			  enum need *ret)
{
	const struct node *build = node_get(s->node, "build");
	const char *policy = node_str(s->node, "pull_policy") ?: "missing";
	bool there = is_there(en, image);

	*ret = NEED_NOTHING;
	if (build && !en->no_build && (en->build || !there || !strcmp(policy, "build"))) {
		*ret = NEED_BUILD;
		return NULL;
	}
	if (en->pull == PULL_ALWAYS || (en->pull == PULL_AS_FILE && !strcmp(policy, "always")))
		*ret = NEED_PULL;
	if (build && *ret == NEED_PULL && !node_get(s->node, "image"))
		*ret = NEED_NOTHING; /* its name is ours: no registry has it */
	if (there || *ret == NEED_PULL)
		return NULL;
	if (en->pull == PULL_NEVER || (en->pull == PULL_AS_FILE && !strcmp(policy, "never")))
		return pos_err(&s->pos, "service \"%s\": image %s is not there, and may not be pulled",
			       s->name, image);
	*ret = NEED_PULL;
	return NULL;
}

static void on_pull(void *arg, const struct pull_event *ev)
{
	const struct supply *su = arg;
	char text[100];

	if (ev->phase == PULL_DOWNLOADING && ev->total_bytes)
		snprintf(text, sizeof(text), "%.1fMB / %.1fMB", (double)ev->done_bytes / 1e6,
			 (double)ev->total_bytes / 1e6);
	else if (ev->phase == PULL_EXTRACTING)
		snprintf(text, sizeof(text), "extracting layer %d of %d", ev->layer + 1, ev->n_layers);
	else
		return;
	jobs_tell(su->out, PROGRESS, text);
}

static struct err *pull(struct supply *su)
{
	struct pull_opts o = { .platform = node_str(su->s->node, "platform"),
			       .progress = on_pull,
			       .arg = su };
	struct pull_result res = { 0 };
	struct err *e = pull_image(su->en->st, su->image, &o, &res);

	pull_result_done(&res);
	return e;
}

static void tell_line(struct supply *su)
{
	if (su->line.len)
		jobs_tell(su->out, LINE, su->line.s);
	str_done(&su->line);
}

static void on_build(void *arg, const struct build_event *ev)
{
	struct supply *su = arg;

	if (ev->kind == BUILD_START || ev->kind == BUILD_CACHED) {
		tell_line(su);
		jobs_tell(su->out, PROGRESS, ev->name);
		str_addf(&su->line, "%s%s", ev->kind == BUILD_CACHED ? "CACHED " : "", ev->name);
		tell_line(su);
	}
	if (ev->kind == BUILD_NOTE) {
		tell_line(su);
		jobs_tell(su->out, LINE, ev->data);
	}
	for (size_t i = 0; ev->kind == BUILD_LOG && i < ev->len; i++) {
		if (ev->data[i] != '\n' && ev->data[i] != '\r')
			str_addc(&su->line, ev->data[i]);
		if (ev->data[i] == '\n' || su->line.len >= JOB_TEXT_MAX)
			tell_line(su);
	}
}

static struct err *build(struct supply *su)
{
	struct err *e = service_build(su->en->p, su->s, su->en->st, su->image, &su->en->build_extra,
				      on_build, su);

	tell_line(su);
	return e;
}

static struct err *supply_one(void *arg, int out)
{
	struct supply *su = arg;

	su->out = out;
	return su->need == NEED_BUILD ? build(su) : pull(su);
}

/* Services with the same image are served by one job. */
static bool is_first(const struct supply *all, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (all[k].need && !strcmp(all[k].image, all[i].image))
			return false;
	return true;
}

static void tell_supply(const struct compose *en, const struct supply *su, enum engine_state state,
			const char *text)
{
	static const char *const words[][3] = {
		[NEED_PULL] = { "Pulling", "Pulled", "Error" }, [NEED_BUILD] = { "Building", "Built", "Error" }
	};
	_cleanup_free_ char *subject = xasprintf("%s %s", su->need == NEED_BUILD ? "Service" : "Image",
						 su->need == NEED_BUILD ? su->s->name : su->image);
	struct engine_event ev = {
		.subject = subject, .words = words[su->need][state], .text = text, .state = state
	};

	if (en->event)
		en->event(en->arg, &ev);
}

static void line_of(struct compose *en, struct supply *su, const char *text)
{
	struct engine_event ev = { .words = su->s->name, .text = text };

	if (en->build_lines && en->event)
		en->event(en->arg, &ev);
	if (en->build_lines)
		return;
	str_addf(&su->kept, "%s\n", text);
	if (su->kept.len > 2 * KEPT_BYTES) {
		const char *from = strchr(su->kept.s + su->kept.len - KEPT_BYTES, '\n');
		char *rest = xstrdup(from ? from + 1 : "");

		str_done(&su->kept);
		str_add(&su->kept, rest);
		free(rest);
	}
}

/* The end of what a failed build wrote. */
static void tell_kept(struct compose *en, const struct supply *su)
{
	for (const char *s = su->kept.s; s && *s;) {
		_cleanup_free_ char *one = xstrndup(s, strcspn(s, "\n"));
		struct engine_event ev = { .words = su->s->name, .text = one };

		if (en->event)
			en->event(en->arg, &ev);
		s += strlen(one) + (s[strlen(one)] == '\n');
	}
}

/* A build that starts from another service's image waits for it. */
static bool must_wait(const struct supply *all, const bool *over, size_t n, size_t i)
{
	for (size_t k = 0; k < n; k++)
		if (k != i && all[k].need == NEED_BUILD && !over[k] &&
		    builds_on(all[i].s, all[k].s->name))
			return true;
	return false;
}

static struct err *fetch(struct compose *en, struct supply *all, size_t n)
{
	_cleanup_jobs_ struct jobs jobs = { .limit = en->parallel };
	_cleanup_free_ bool *begun = xcalloc(n + 1, sizeof(*begun)),
			    *over = xcalloc(n + 1, sizeof(*over));
	struct err *errors = NULL;

	for (;;) {
		struct job_word word;
		struct err *e = NULL;

		for (size_t i = 0; i < n && !errors && !jobs_full(&jobs); i++) {
			if (begun[i] || !all[i].need || !is_first(all, i) || must_wait(all, over, n, i))
				continue;
			begun[i] = true;
			tell_supply(en, &all[i], ENGINE_WORKING, NULL);
			errors = jobs_start(&jobs, i, supply_one, &all[i]);
		}
		if (!jobs.n)
			return errors;
		e = jobs_next(&jobs, -1, &word);
		if (e)
			return err_also(errors, e);
		if (word.kind == PROGRESS)
			tell_supply(en, &all[word.id], ENGINE_WORKING, word.text);
		if (word.kind == LINE)
			line_of(en, &all[word.id], word.text);
		if (word.kind)
			continue;
		over[word.id] = true;
		if (word.error)
			tell_kept(en, &all[word.id]);
		tell_supply(en, &all[word.id], word.error ? ENGINE_FAILED : ENGINE_DONE, NULL);
		if (word.error && en->pull_failures_pass) {
			_cleanup_free_ char *line = err_line(word.error);
			struct engine_event ev = { .text = line };

			if (en->event)
				en->event(en->arg, &ev);
			err_free(word.error);
			continue;
		}
		errors = err_also(errors, err_wrap(word.error, "service %s", all[word.id].s->name));
	}
}

struct err *engine_images(struct compose *en, const bool *picked, const char **ret_ids)
{
	struct project *p = en->p;
	_cleanup_free_ struct supply *all = xcalloc(p->n_services + 1, sizeof(*all));
	struct err *e = NULL;

	for (size_t i = 0; i < p->n_services && !e; i++) {
		all[i] = (struct supply){ .en = en, .s = &p->services[i] };
		if (!picked[i])
			continue;
		all[i].image = service_image(p, &p->services[i]);
		e = decide(en, all[i].s, all[i].image, &all[i].need);
	}
	e = e ?: fetch(en, all, p->n_services);
	for (size_t i = 0; i < p->n_services; i++)
		str_done(&all[i].kept);
	for (size_t i = 0; i < p->n_services && !e; i++) {
		struct image *img = NULL;

		if (!picked[i])
			continue;
		err_free(image_find(en->st, all[i].image, &img)); /* told when it is used */
		ret_ids[i] = img ? arena_str(&p->arena, img->id) : NULL;
		image_free(img);
	}
	return e;
}

/* --- networks and volumes --------------------------------------------------------------------- */

/* Does a picked service use KEY of SECTION? */
static bool is_needed(const struct compose *en, const bool *picked, const char *section, const char *key)
{
	const struct project *p = en->p;

	for (size_t i = 0; i < p->n_services; i++) {
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
	return false;
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

static struct err *make_network(struct compose *en, const struct member *m)
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
	struct err *e = network_find(en->st, name, &net);

	network_done(&net);
	if (!e)
		return NULL;
	if (!err_is(e, ENOENT))
		return e;
	err_free(e);
	if (node_true(def, "external"))
		return err_hint(pos_err(&m->pos,
					"network %s declared as external, but could not be found", name),
				"devbox network create %s", name);
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
	engine_tell(en, ENGINE_WORKING, "Network", name, "Creating");
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

static struct err *make_volume(struct compose *en, const struct member *m)
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
	own_labels(en, m->value, LABEL_VOLUME, m->key, &labels);
	engine_tell(en, ENGINE_WORKING, "Volume", name, "Creating");
	e = check_volume(m);
	e = e ?: pos_wrap(&m->pos, volume_create(en->st, name, false, &labels, &created));
	engine_tell(en, e ? ENGINE_FAILED : ENGINE_DONE, "Volume", name, e ? "Error" : "Created");
	return e;
}

struct err *engine_resources(struct compose *en, const bool *picked)
{
	const struct node *nets = node_get(en->p->root, "networks"),
			  *vols = node_get(en->p->root, "volumes");
	struct err *e = NULL;

	for (size_t i = 0; i < node_len(nets) && !e; i++)
		if (is_needed(en, picked, "networks", nets->m[i].key))
			e = make_network(en, &nets->m[i]);
	for (size_t i = 0; i < node_len(vols) && !e; i++)
		if (is_needed(en, picked, "volumes", vols->m[i].key))
			e = make_volume(en, &vols->m[i]);
	return e;
}

/* --- and away with them ----------------------------------------------------------------------- */

static bool has_label(const struct strv *labels, const char *key, const char *value)
{
	return str_eq(strv_env(labels, key), value);
}

static struct err *remove_networks(struct compose *en)
{
	struct network *all = NULL;
	size_t n = 0;
	struct err *e = network_list(en->st, &all, &n), *errors = e;

	for (size_t i = 0; i < n; i++) {
		if (has_label(&all[i].labels, LABEL_PROJECT, en->p->name)) {
			engine_tell(en, ENGINE_WORKING, "Network", all[i].name, "Removing");
			e = network_remove(en->st, &all[i]);
			engine_tell(en, e ? ENGINE_FAILED : ENGINE_DONE, "Network", all[i].name,
				    e ? "Error" : "Removed");
			errors = err_also(errors, e);
		}
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
		e = box_uses_volume(en->st, names.v[i])
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
		e = image_remove(en->st, image, false, &in_use, &report);
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

/* Files that secrets and configs were written to (request_mounts.c), when no container has them any more. */
static struct err *remove_files(struct compose *en)
{
	_cleanup_dir_ DIR *d = NULL;
	_cleanup_close_ int fd = -1;
	struct box **boxes = NULL;
	size_t n = 0;
	struct err *e = fd_open(en->st->root, REQUEST_FILES, O_RDONLY | O_DIRECTORY, 0, &fd);

	if (e) { /* there never was one */
		err_free(e);
		return NULL;
	}
	e = box_list(en->st, &boxes, &n);
	d = e ? NULL : fdopendir(dup(fd));
	for (struct dirent *en_file; d && (en_file = readdir(d)) != NULL;) {
		bool used = *en_file->d_name == '.';

		for (size_t i = 0; i < n && !used; i++)
			for (size_t k = 0; k < boxes[i]->spec.mounts.n && !used; k++) {
				const char *source = boxes[i]->spec.mounts.v[k].source;

				used = source && str_ends(source, en_file->d_name);
			}
		if (!used && unlinkat(fd, en_file->d_name, 0) < 0 && errno != ENOENT)
			e = err_also(e, err_new(errno, "removing %s/%s", REQUEST_FILES, en_file->d_name));
	}
	for (size_t i = 0; i < n; i++)
		box_free(boxes[i]);
	free(boxes);
	return e;
}

struct err *engine_down(struct compose *en, bool volumes, const char *images)
{
	struct err *e = remove_networks(en);

	e = err_also(e, remove_files(en));

	if (volumes)
		e = err_also(e, remove_volumes(en));
	if (images)
		e = err_also(e, remove_images(en, !strcmp(images, "all")));
	return e;
}
