#include "registry/schema1.h"

#include <stdio.h>

#include "registry/auth.h"
#include "registry/blob.h"
#include "registry/image_ref.h"

static struct err *read_doc(const char *text, size_t len, json **ret)
{
	return json_parse(text, len, "the manifest", ret);
}

bool schema1_is(const char *text, size_t len)
{
	_cleanup_json_ json *j = NULL;
	struct err *e = read_doc(text, len, &j);

	err_free(e);
	return j && json_int(j, "schemaVersion", 0) == 1;
}

/* --- what was signed -------------------------------------------------------------------------- */

/* As JSON web signatures have it: two digits are others, and there is no padding. */
static char *base64url_decode(const char *text)
{
	_cleanup_str_ struct str s = { 0 };

	for (; *text; text++)
		str_addn(&s, *text == '-' ? "+" : *text == '_' ? "/" : text, 1);
	return s.s ? auth_base64_decode(s.s) : NULL;
}

void schema1_digest(const char *text, size_t len, char *buf)
{
	_cleanup_json_ json *j = NULL, *head = NULL;
	_cleanup_free_ char *protected = NULL, *tail = NULL;
	_cleanup_str_ struct str signed_text = { 0 };
	const char *coded;
	int64_t length;
	struct err *e = read_doc(text, len, &j);

	coded = json_str(json_at(json_get(j, "signatures"), 0), "protected");
	protected = coded ? base64url_decode(coded) : NULL;
	e = e ?: json_parse(protected ?: "", protected ? strlen(protected) : 0, "signature", &head);
	err_free(e); /* without a signature it is the digest of all */
	length = json_int(head, "formatLength", -1);
	coded = json_str(head, "formatTail");
	tail = coded ? base64url_decode(coded) : NULL;
	if (length >= 0 && (uint64_t)length <= len && tail) {
		str_addn(&signed_text, text, (size_t)length);
		str_add(&signed_text, tail);
		blob_digest(signed_text.s, signed_text.len, buf);
	} else {
		blob_digest(text, len, buf);
	}
}

/* --- layers ----------------------------------------------------------------------------------- */

/* What is said of layer I (0 is the newest). */
static struct err *read_past(json *doc, size_t i, json **ret)
{
	const char *text = json_str(json_at(json_get(doc, "history"), i), "v1Compatibility");

	if (!text)
		return err_new(0, "malformed manifest: nothing is said of layer %zu", i);
	return json_parse(text, strlen(text), "the manifest's history", ret);
}

static struct err *check_platform(json *doc, const struct platform *want)
{
	const char *arch = json_str(doc, "architecture") ?: "amd64";

	if (!want || str_eq(arch, want->arch))
		return NULL;
	return err_hint(err_new(0, "the image is for linux/%.20s only, not for %s/%s", arch,
				want->os, want->arch),
			"--platform takes another one; running it needs an emulator");
}

struct err *schema1_parse(const char *text, size_t len, const struct platform *want, struct manifest *ret)
{
	_cleanup_json_ json *j = NULL;
	struct err *e = read_doc(text, len, &j);
	json *blobs = json_get(j, "fsLayers");
	size_t n = json_len(blobs);

	if (e)
		return e;
	if (!json_is_array(blobs) || json_len(json_get(j, "history")) != n)
		return err_new(0, "malformed manifest: %zu layers, but the history of %zu", n,
			       json_len(json_get(j, "history")));
	if (n > LAYERS_MAX)
		return err_new(0, "refusing an image of %zu layers: the limit is %d", n, LAYERS_MAX);
	e = check_platform(j, want);
	if (e)
		return e;
	*ret = (struct manifest){ .kind = MANIFEST_IMAGE,
				  .media_type = xstrdup(MANIFEST_TYPE),
				  .layers = xcalloc(n + 1, sizeof(*ret->layers)) };
	for (size_t i = n; i-- > 0 && !e;) {
		const char *digest = json_str(json_at(blobs, i), "blobSum");
		_cleanup_json_ json *past = NULL;

		e = read_past(j, i, &past);
		if (!e && !digest_is_valid(digest))
			e = err_new(0, "malformed manifest: layer %zu has no sha256 digest", i);
		if (!e && !json_bool(past, "throwaway", false))
			ret->layers[ret->n_layers++] =
				(struct descriptor){ xstrdup(LAYER_TYPE), xstrdup(digest), SIZE_UNKNOWN };
	}
	if (e)
		manifest_done(ret);
	return e;
}

/* --- the configuration ------------------------------------------------------------------------ */

/* The command as the history of today's has it: one text. */
static void put_past(struct json_out *o, json *past)
{
	json *cmd = json_get(json_get(past, "container_config"), "Cmd");
	_cleanup_str_ struct str said = { 0 };

	for (size_t i = 0; i < json_len(cmd); i++)
		str_addf(&said, "%s%s", i ? " " : "", json_text(json_at(cmd, i)) ?: "");
	json_open(o, NULL, '{');
	json_put_str_if(o, "created", json_str(past, "created"));
	json_put_str(o, "created_by", said.s ?: "");
	json_put_str_if(o, "author", json_str(past, "author"));
	json_put_str_if(o, "comment", json_str(past, "comment"));
	json_put_bool_if(o, "empty_layer", json_bool(past, "throwaway", false));
	json_close(o, '}');
}

struct err *schema1_config(const char *text, size_t len, const struct strv *diff_ids,
			   char **ret_text, size_t *ret_len)
{
	_cleanup_json_ json *j = NULL, *newest = NULL;
	struct err *e = read_doc(text, len, &j);
	struct json_out o;
	size_t n = json_len(json_get(j, "history"));

	if (!e && n)
		e = read_past(j, 0, &newest);
	if (e)
		return e;
	json_out_init(&o, false);
	json_open(&o, NULL, '{');
	json_put_str(&o, "architecture", json_str(j, "architecture") ?: "amd64");
	json_put_str(&o, "os", json_str(newest, "os") ?: "linux");
	json_put_str_if(&o, "created", json_str(newest, "created"));
	json_put_str_if(&o, "author", json_str(newest, "author"));
	json_put_str_if(&o, "docker_version", json_str(newest, "docker_version"));
	if (json_is_object(json_get(newest, "config")))
		json_put(&o, "config", json_get(newest, "config"));
	json_open(&o, "rootfs", '{');
	json_put_str(&o, "type", "layers");
	json_put_strv(&o, "diff_ids", diff_ids);
	json_close(&o, '}');
	json_open(&o, "history", '[');
	for (size_t i = n; i-- > 0 && !e;) {
		_cleanup_json_ json *past = NULL;

		e = read_past(j, i, &past);
		if (!e)
			put_past(&o, past);
	}
	json_close(&o, ']');
	json_close(&o, '}');
	if (e) {
		json_out_done(&o);
		return e;
	}
	*ret_text = json_out_take(&o, ret_len);
	return NULL;
}
