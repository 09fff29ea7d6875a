#include "registry/manifest.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>

#include "registry/image_ref.h"

#define MT_OCI_INDEX "application/vnd.oci.image.index.v1+json"
#define MT_OCI_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define MT_DOCKER_LIST "application/vnd.docker.distribution.manifest.list.v2+json"
#define MT_DOCKER_MANIFEST "application/vnd.docker.distribution.manifest.v2+json"

void descriptor_done(struct descriptor *d)
{
	free(d->media_type);
	free(d->digest);
	*d = (struct descriptor){ 0 };
}

/* --- platforms
 * ----------------------------------------------------------------------------------------------------- */

static const struct {
	const char *alias, *arch, *variant;
} arch_aliases[] = {
	{ "x86_64", "amd64", NULL },
	{ "x86-64", "amd64", NULL },
	{ "aarch64", "arm64", NULL },
	{ "armv8l", "arm", "v7" },
	{ "armv7l", "arm", "v7" },
	{ "armhf", "arm", "v7" },
	{ "armv6l", "arm", "v6" },
	{ "armel", "arm", "v6" },
	{ "i386", "386", NULL },
	{ "i486", "386", NULL },
	{ "i586", "386", NULL },
	{ "i686", "386", NULL },
	{ "loongarch64", "loong64", NULL },
};

static void normalize(struct platform *p)
{
	for (size_t i = 0; i < ARRAY_LEN(arch_aliases); i++)
		if (str_eq(p->arch, arch_aliases[i].alias)) {
			free(p->arch);
			p->arch = xstrdup(arch_aliases[i].arch);
			if (!p->variant)
				p->variant = xstrdup(arch_aliases[i].variant);
			break;
		}
	/* what everybody means without saying it */
	if (p->variant && ((str_eq(p->arch, "arm64") && str_eq(p->variant, "v8")) ||
			   (str_eq(p->arch, "amd64") && str_eq(p->variant, "v1")) || !*p->variant)) {
		free(p->variant);
		p->variant = NULL;
	}
	if (!p->variant && str_eq(p->arch, "arm"))
		p->variant = xstrdup("v7");
}

static bool is_word(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");

	return n > 0 && n <= 64 && !s[n];
}

struct err *platform_parse(const char *text, struct platform *ret)
{
	_cleanup_free_ char *copy = xstrdup(text);
	char *rest = copy, *part[3] = { strsep(&rest, "/"), strsep(&rest, "/"), strsep(&rest, "/") };

	for (int i = 0; i < 3; i++)
		if ((part[i] && !is_word(part[i])) || rest)
			return err_new(0, "platform \"%s\" is not of the form os/arch[/variant]", text);
	if (!part[1]) {
		part[1] = part[0];
		part[0] = (char *)(uintptr_t) "linux";
	}
	ret->os = xstrdup(part[0]);
	ret->arch = xstrdup(part[1]);
	ret->variant = xstrdup(part[2]);
	normalize(ret);
	return NULL;
}

void platform_own(struct platform *ret)
{
	struct utsname u;

	uname(&u); /* fails only for a bad address */
	*ret = (struct platform){ .os = xstrdup("linux"), .arch = xstrdup(u.machine) };
	normalize(ret);
}

char *platform_text(const struct platform *p)
{
	return xasprintf("%s/%s%s%s", p->os, p->arch, p->variant ? "/" : "", p->variant ?: "");
}

void platform_done(struct platform *p)
{
	free(p->os);
	free(p->arch);
	free(p->variant);
	*p = (struct platform){ 0 };
}

static struct platform platform_of(json *obj)
{
	struct platform p = {
		.os = xstrdup(json_str(obj, "os") ?: ""),
		.arch = xstrdup(json_str(obj, "architecture") ?: ""),
		.variant = xstrdup(json_str(obj, "variant")),
	};

	normalize(&p);
	return p;
}

/* "v7" -> 7; 0 for anything else */
static unsigned variant_number(const char *v)
{
	return v && v[0] == 'v' && v[1] >= '1' && v[1] <= '9' && !v[2] ? (unsigned)(v[1] - '0') : 0;
}

/* How well HAVE serves WANT: 0 not at all; higher is better. */
static unsigned platform_fit(const struct platform *want, const struct platform *have)
{
	unsigned w = variant_number(want->variant), h = variant_number(have->variant);

	if (!str_eq(want->os, have->os) || !str_eq(want->arch, have->arch))
		return 0;
	if (str_eq(want->variant, have->variant))
		return 100;
	if (!have->variant)
		return 10; /* the plain one */
	/* arm/v7 runs what was made for v6 and v5; amd64 takes v2 and above only when asked for it */
	return h && w > h ? 10 + h : 0;
}

/* --- documents
 * ----------------------------------------------------------------------------------------------------- */

static struct err *read_descriptor(json *j, const char *what, int64_t max, struct descriptor *ret)
{
	const char *digest = json_str(j, "digest");
	int64_t size = json_int(j, "size", -1);

	if (!json_is_object(j))
		return err_new(0, "malformed manifest: no %s", what);
	if (!digest_is_valid(digest))
		return err_new(0, "malformed manifest: %s has no sha256 digest", what);
	if (size < 0)
		return err_new(0, "malformed manifest: %s has no size", what);
	if (size > max)
		return err_new(0, "refusing %s of %lld bytes: the limit is %lld", what,
			       (long long)size, (long long)max);
	*ret = (struct descriptor){ xstrdup(json_str(j, "mediaType")), xstrdup(digest), size };
	return NULL;
}

/* Which compression it is the bytes will tell (registry/inflate.h): media types have been wrong before. */
static struct err *check_layer_type(const char *type, size_t number)
{
	if (!type || strstr(type, ".foreign.") || strstr(type, ".nondistributable."))
		return err_new(0, "layer %zu of type %s cannot be fetched from a registry", number,
			       type ?: "(none)");
	if (!str_starts(type, "application/vnd.oci.image.layer.") &&
	    !str_starts(type, "application/vnd.docker.image.rootfs."))
		return err_new(0, "layer %zu is not a file system layer but %s", number, type);
	if (!str_ends(type, ".tar") && !str_ends(type, "+gzip") && !str_ends(type, ".gzip") &&
	    !str_ends(type, "+zstd") && !str_ends(type, ".zstd"))
		return err_new(0, "layer %zu has the unknown type %s", number, type);
	return NULL;
}

static struct err *read_image(json *j, struct manifest *m)
{
	json *layers = json_get(j, "layers");
	const char *type;
	struct err *e;

	e = read_descriptor(json_get(j, "config"), "configuration", CONFIG_BLOB_MAX_BYTES, &m->config);
	if (e)
		return e;
	type = m->config.media_type ?: "";
	if (!str_eq(type, "application/vnd.oci.image.config.v1+json") &&
	    !str_eq(type, "application/vnd.docker.container.image.v1+json"))
		return err_new(0, "this is not a container image but an artifact of type %s",
			       json_str(j, "artifactType")
				       ?: *type ? type
						: "(none)");
	if (!json_is_array(layers))
		return err_new(0, "malformed manifest: no list of layers");
	if (json_len(layers) > LAYERS_MAX)
		return err_new(0, "refusing an image of %zu layers: the limit is %d",
			       json_len(layers), LAYERS_MAX);
	m->layers = xcalloc(json_len(layers) + 1, sizeof(*m->layers));
	for (size_t i = 0; i < json_len(layers); i++) {
		char what[32];

		snprintf(what, sizeof(what), "layer %zu", i);
		e = read_descriptor(json_at(layers, i), what, LAYER_MAX_BYTES, &m->layers[i]);
		if (e)
			return e;
		m->n_layers = i + 1;
		e = check_layer_type(m->layers[i].media_type, i);
		if (e)
			return e;
	}
	return NULL;
}

static struct err *no_platform(json *list, const struct platform *want)
{
	_cleanup_free_ char *wanted = platform_text(want);
	_cleanup_strv_ struct strv seen = { 0 };
	_cleanup_str_ struct str have = { 0 };
	struct err *e;

	for (size_t i = 0; i < json_len(list) && seen.n < 40; i++) {
		struct platform p = platform_of(json_get(json_at(list, i), "platform"));
		_cleanup_free_ char *text = platform_text(&p);

		if (is_word(p.os) && is_word(p.arch) && (!p.variant || is_word(p.variant)) &&
		    !str_eq(p.os, "unknown") && !strv_has(&seen, text)) {
			strv_add(&seen, text);
			str_addf(&have, "%s%s", have.len ? ", " : "", text);
		}
		platform_done(&p);
	}
	e = err_new(0, "no matching manifest for %s: the image exists for %s", wanted,
		    have.len ? have.s : "no platform");
	return have.len ? err_hint(e, "--platform takes another one; running it needs an emulator") : e;
}

/* Skips build attestations (platform unknown/unknown, or annotated as such). */
static struct err *read_index(json *j, const struct platform *want, struct descriptor *ret_entry)
{
	json *list = json_get(j, "manifests"), *best = NULL;
	unsigned best_fit = 0;

	if (!json_is_array(list))
		return err_new(0, "malformed index: no list of manifests");
	if (json_len(list) > PLATFORMS_MAX)
		return err_new(0, "refusing an index of %zu entries: the limit is %d",
			       json_len(list), PLATFORMS_MAX);
	for (size_t i = 0; i < json_len(list); i++) {
		json *entry = json_at(list, i);
		struct platform p = platform_of(json_get(entry, "platform"));
		unsigned fit = platform_fit(want, &p);

		platform_done(&p);
		/* without a platform: only if it stands alone */
		if (json_is_null(json_get(entry, "platform")) && json_len(list) == 1)
			fit = 1;
		if (json_str(json_get(entry, "annotations"), "vnd.docker.reference.type"))
			fit = 0;
		if (fit > best_fit) {
			best_fit = fit;
			best = entry;
		}
	}
	if (!best)
		return no_platform(list, want);
	return read_descriptor(best, "the entry for this platform", MANIFEST_MAX_BYTES, ret_entry);
}

/* What the document is: its own word, else the server's, else its shape. */
static struct err *kind_of(json *j, const char *content_type, enum manifest_kind *ret,
			   const char **ret_type)
{
	const char *type = json_str(j, "mediaType");
	size_t len;

	if (!json_is_object(j))
		return err_new(0, "malformed manifest: not an object");
	if (json_int(j, "schemaVersion", 0) == 1)
		return err_new(0, "a manifest of schema 1 in the place of a later one");
	if (json_int(j, "schemaVersion", 0) != 2)
		return err_new(0, "malformed manifest: no schemaVersion 2");
	if (!json_is_null(json_get(j, "manifests")) && !json_is_null(json_get(j, "layers")))
		return err_new(0, "malformed manifest: both an index and an image");
	if (!type && content_type) {
		len = strcspn(content_type, "; \t");
		for (size_t i = 0; i < 4 && !type; i++) {
			static const char *const known[] = { MT_OCI_INDEX, MT_OCI_MANIFEST,
							     MT_DOCKER_LIST, MT_DOCKER_MANIFEST };

			if (strlen(known[i]) == len && !strncmp(known[i], content_type, len))
				type = known[i];
		}
	}
	if (!type)
		type = json_is_null(json_get(j, "manifests")) ? MT_OCI_MANIFEST : MT_OCI_INDEX;
	*ret_type = type;
	if (str_eq(type, MT_OCI_INDEX) || str_eq(type, MT_DOCKER_LIST))
		*ret = MANIFEST_INDEX;
	else if (str_eq(type, MT_OCI_MANIFEST) || str_eq(type, MT_DOCKER_MANIFEST))
		*ret = MANIFEST_IMAGE;
	else
		return err_new(0, "unknown kind of manifest: %.100s", type);
	return NULL;
}

struct err *manifest_parse(const char *text, size_t len, const char *content_type,
			   const struct platform *want, struct manifest *ret,
			   struct descriptor *ret_entry)
{
	_cleanup_json_ json *j = NULL;
	struct manifest m = { 0 };
	const char *type = NULL;
	struct err *e;

	if (len > MANIFEST_MAX_BYTES)
		return err_new(0, "refusing a manifest of %zu bytes: the limit is %d", len,
			       MANIFEST_MAX_BYTES);
	e = json_parse(text, len, "the manifest", &j);
	e = e ?: kind_of(j, content_type, &m.kind, &type);
	if (e)
		return e;
	m.media_type = xstrdup(type);
	e = m.kind == MANIFEST_INDEX ? read_index(j, want, ret_entry) : read_image(j, &m);
	if (e) {
		manifest_done(&m);
		return e;
	}
	*ret = m;
	return NULL;
}

void manifest_done(struct manifest *m)
{
	free(m->media_type);
	descriptor_done(&m->config);
	for (size_t i = 0; i < m->n_layers; i++)
		descriptor_done(&m->layers[i]);
	free(m->layers);
	*m = (struct manifest){ 0 };
}

static void put_descriptor(struct json_out *o, const char *key, const struct descriptor *d)
{
	json_open(o, key, '{');
	json_put_str(o, "mediaType", d->media_type ?: LAYER_TYPE);
	json_put_str(o, "digest", d->digest);
	json_put_int(o, "size", d->size);
	json_close(o, '}');
}

char *manifest_text(const struct manifest *m, size_t *ret_len)
{
	struct json_out o;

	json_out_init(&o, false);
	json_open(&o, NULL, '{');
	json_put_int(&o, "schemaVersion", 2);
	json_put_str(&o, "mediaType", m->media_type);
	put_descriptor(&o, "config", &m->config);
	json_open(&o, "layers", '[');
	for (size_t i = 0; i < m->n_layers; i++)
		put_descriptor(&o, NULL, &m->layers[i]);
	json_close(&o, ']');
	json_close(&o, '}');
	return json_out_take(&o, ret_len);
}

struct err *config_parse(const char *text, size_t len, size_t n_layers, const struct platform *want,
			 struct strv *diff_ids)
{
	_cleanup_json_ json *j = NULL;
	json *ids;
	struct platform have;
	unsigned fit;
	struct err *e;

	e = json_parse(text, len, "the image's configuration", &j);
	if (e)
		return e;
	if (!json_is_object(j))
		return err_new(0, "malformed image configuration: not an object");
	ids = json_get(json_get(j, "rootfs"), "diff_ids");
	if (!json_is_array(ids) || json_len(ids) != n_layers)
		return err_new(0, "malformed image configuration: %zu diff ids for %zu layers",
			       json_len(ids), n_layers);
	for (size_t i = 0; i < n_layers; i++)
		if (!digest_is_valid(json_text(json_at(ids, i))))
			return err_new(0, "malformed image configuration: diff id %zu is no sha256 digest",
				       i);
	have = platform_of(j);
	fit = want ? platform_fit(want, &have) : 1;
	if (!fit) {
		_cleanup_free_ char *wanted = platform_text(want);

		if (!is_word(have.os) || !is_word(have.arch))
			e = err_new(0, "malformed image configuration: no platform");
		else
			e = err_hint(err_new(0, "the image is for %s/%s only, not for %s", have.os,
					     have.arch, wanted),
				     "--platform takes another one; running it needs an emulator");
	}
	platform_done(&have);
	if (e)
		return e;
	for (size_t i = 0; i < n_layers; i++)
		strv_add(diff_ids, json_text(json_at(ids, i)));
	return NULL;
}

char *registry_error_text(const char *text, size_t len)
{
	_cleanup_json_ json *j = NULL;
	const char *message;
	struct err *e = json_parse(text, len, "error", &j);
	char *out;

	if (e) {
		err_free(e); /* a web page of some proxy */
		return NULL;
	}
	message = json_str(json_at(json_get(j, "errors"), 0), "message") ?:
		  json_str(j, "details") ?: json_str(j, "message");
	if (!message || !*message)
		return NULL;
	out = xstrndup(message, 300);
	for (char *p = out; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = ' '; /* it goes to a terminal */
	return out;
}
