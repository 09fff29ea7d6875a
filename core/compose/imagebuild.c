#include "core/compose/imagebuild.h"

#include "core/compose/request.h"

static void copy_words(const struct node *list, struct strv *to)
{
	for (size_t i = 0; i < node_len(list); i++)
		strv_add(to, list->m[i].value->text);
}

static void copy_dict(const struct node *dict, struct strv *to)
{
	for (size_t i = 0; i < node_len(dict); i++)
		strv_addf(to, "%s=%s", dict->m[i].key, dict->m[i].value->text ?: "");
}

static struct err *add_contexts(struct project *p, const struct node *contexts, struct strv *to)
{
	for (size_t i = 0; i < node_len(contexts); i++) {
		const char *name = str_after(contexts->m[i].value->text, "service:");
		const struct service *of = name ? project_service(p, name) : NULL;

		if (name && !of)
			return pos_err(&contexts->m[i].pos,
				       "additional_contexts: no such service: %s", name);
		if (of)
			strv_addf(to, "%s=docker-image://%s", contexts->m[i].key, service_image(p, of));
		else
			strv_addf(to, "%s=%s", contexts->m[i].key, contexts->m[i].value->text);
	}
	return NULL;
}

static struct err *add_secrets(const struct project *p, const struct node *list, struct strv *to)
{
	for (size_t i = 0; i < node_len(list); i++) {
		const struct node *use = list->m[i].value;
		const char *source = node_str(use, "source"), *id = node_str(use, "target") ?: source;
		const struct node *def = node_get(node_get(p->root, "secrets"), source);

		if (node_str(def, "environment"))
			strv_addf(to, "id=%s,env=%s", id, node_str(def, "environment"));
		else if (node_str(def, "file"))
			strv_addf(to, "id=%s,src=%s", id, node_str(def, "file"));
		else
			return pos_err(&use->pos, "secret %s has no file and no variable", source);
	}
	return NULL;
}

static struct err *fill(struct project *p, const struct service *s, const char *image,
			const struct build_extra *extra, struct build_request *req)
{
	const struct node *b = node_get(s->node, "build"), *hosts = node_get(b, "extra_hosts"),
			  *platforms = node_get(b, "platforms");
	const char *network = node_str(b, "network");
	struct err *e;

	req->context = node_str(b, "context");
	req->dockerfile = node_str(b, "dockerfile");
	req->dockerfile_in_context = req->dockerfile && *req->dockerfile != '/';
	req->dockerfile_text = node_str(b, "dockerfile_inline");
	req->target = node_str(b, "target");
	req->platform = node_str(s->node, "platform")
				?: node_len(platforms) == 1 ? platforms->m[0].value->text
							    : NULL;
	req->no_cache = extra->no_cache || node_true(b, "no_cache");
	req->pull = extra->pull || node_true(b, "pull");
	req->shm_bytes = node_int(b, "shm_size", 0);
	req->net = str_eq(network, "host")   ? BUILD_NET_HOST
		   : str_eq(network, "none") ? BUILD_NET_NONE
					     : BUILD_NET_DEFAULT;
	strv_add(&req->tags, image);
	copy_words(node_get(b, "tags"), &req->tags);
	copy_dict(node_get(b, "args"), &req->args);
	strv_copy(&req->args, &extra->args);
	copy_dict(node_get(b, "labels"), &req->labels);
	strv_addf(&req->labels, "%s=%s", LABEL_PROJECT, p->name);
	strv_addf(&req->labels, "%s=%s", LABEL_SERVICE, s->name);
	copy_words(node_get(b, "ssh"), &req->ssh);
	strv_copy(&req->ssh, &extra->ssh);
	for (size_t i = 0; i < node_len(hosts); i++) {
		const char *h = hosts->m[i].value->text;

		strv_addf(&req->add_hosts, "%.*s:%s", (int)strcspn(h, "="), h, h + strcspn(h, "=") + 1);
	}
	e = add_contexts(p, node_get(b, "additional_contexts"), &req->contexts);
	return e ?: add_secrets(p, node_get(b, "secrets"), &req->secrets);
}

struct err *service_build(struct project *p, const struct service *s, struct store *st,
			  const char *image, const struct build_extra *extra,
			  void (*progress)(void *arg, const struct build_event *ev), void *arg)
{
	struct build_request req = { .progress = progress, .arg = arg };
	struct strv *lists[] = { &req.tags, &req.args,	    &req.labels,   &req.secrets,
				 &req.ssh,  &req.add_hosts, &req.contexts, &req.outputs };
	_cleanup_free_ char *id = NULL;
	struct err *e = fill(p, s, image, extra, &req);

	e = e ?: build_run(st, &req, &id);
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		strv_done(lists[i]);
	return e;
}
