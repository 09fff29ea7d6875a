#include "registry/archive_docs.h"

#include "core/base/json.h"
#include "registry/image_ref.h"
#include "registry/manifest.h"

enum { PATH_TEXT_MAX = 4096 };

/* The full reference with a tag that TEXT is, or NULL. */
static char *full_ref(const char *text)
{
	struct image_ref ref;
	struct err *e = image_ref_parse(text, &ref);
	char *full = NULL;

	if (e) {
		err_free(e); /* it names nothing that could be typed */
		return NULL;
	}
	if (!ref.digest)
		full = image_ref_full(&ref);
	image_ref_done(&ref);
	return full;
}

char *archive_ref(const char *name, const char *tag)
{
	if (name)
		return full_ref(name);
	return tag && strpbrk(tag, "/:") ? full_ref(tag) : NULL;
}

static struct err *take_path(json *j, const char *what, char **ret)
{
	const char *text = json_text(j);

	if (!text || !*text)
		return err_new(0, "%s is no path", what);
	if (strlen(text) > PATH_TEXT_MAX)
		return err_new(0, "%s is too long", what);
	*ret = xstrdup(text);
	return NULL;
}

static struct err *parse_one(json *j, struct archive_image *ret)
{
	json *layers = json_get(j, "Layers"), *tags = json_get(j, "RepoTags");
	struct err *e;

	if (!json_is_object(j))
		return err_new(0, "not an object");
	e = take_path(json_get(j, "Config"), "Config", &ret->config);
	if (!e && !json_is_null(layers) && !json_is_array(layers))
		e = err_new(0, "Layers is not a list");
	if (!e && json_len(layers) > LAYERS_MAX)
		e = err_new(0, "more than %d layers", LAYERS_MAX);
	for (size_t i = 0; !e && i < json_len(layers); i++) {
		char *path;

		e = take_path(json_at(layers, i), "a layer", &path);
		if (!e)
			strv_take(&ret->layers, path);
	}
	if (!e && !json_is_null(tags) && !json_is_array(tags))
		e = err_new(0, "RepoTags is not a list");
	if (!e && json_len(tags) > ARCHIVE_NAMES_MAX)
		e = err_new(0, "more than %d names", ARCHIVE_NAMES_MAX);
	for (size_t i = 0; !e && i < json_len(tags); i++) {
		_cleanup_free_ char *full =
			json_text(json_at(tags, i)) ? full_ref(json_text(json_at(tags, i))) : NULL;

		if (!full)
			return err_new(0, "name %zu is not an image's name with a tag", i);
		if (!strv_has(&ret->refs, full))
			strv_add(&ret->refs, full);
	}
	return e;
}

struct err *archive_images_parse(const char *text, size_t len, struct archive_images *ret)
{
	struct archive_images a = { 0 };
	_cleanup_json_ json *j = NULL;
	struct err *e = json_parse(text, len, "manifest.json", &j);

	if (!e && !json_is_array(j))
		e = err_new(0, "manifest.json: not a list");
	if (!e && json_len(j) > ARCHIVE_IMAGES_MAX)
		e = err_new(0, "manifest.json: more than %d images", ARCHIVE_IMAGES_MAX);
	if (!e)
		a.v = xcalloc(json_len(j) + 1, sizeof(*a.v));
	for (size_t i = 0; !e && i < json_len(j); i++)
		e = err_wrap(parse_one(json_at(j, i), &a.v[a.n++]), "manifest.json: image %zu", i);
	if (e) {
		archive_images_done(&a);
		return e;
	}
	*ret = a;
	return NULL;
}

void archive_images_done(struct archive_images *a)
{
	for (size_t i = 0; i < a->n; i++) {
		free(a->v[i].config);
		strv_done(&a->v[i].layers);
		strv_done(&a->v[i].refs);
	}
	free(a->v);
	*a = (struct archive_images){ 0 };
}
