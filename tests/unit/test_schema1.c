/* Manifests of schema 1: what becomes of them, under which digest they are known, and what is refused. */
#include "registry/schema1.h"

#include "registry/blob.h"
#include "registry/image_ref.h"
#include "tests/lib/tap.h"

#define A "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define PAST(text) "{\"v1Compatibility\":\"" text "\"}"
#define DOC(arch, blobs, history)                                                                  \
	"{\"schemaVersion\":1,\"architecture\":\"" arch "\",\"fsLayers\":[" blobs                  \
	"],\"history\":[" history "]\n}"
#define BLOB(digest) "{\"blobSum\":\"" digest "\"}"

/* clang-format off */
static const char good[] =
	DOC("amd64", BLOB(A) "," BLOB(A) "," BLOB(B),
	    PAST("{\\\"throwaway\\\":true,\\\"config\\\":{\\\"Cmd\\\":[\\\"x\\\"]},\\\"created\\\":\\\"2015\\\","
		 "\\\"container_config\\\":{\\\"Cmd\\\":[\\\"a\\\",\\\"b c\\\"]}}") ","
	    PAST("{\\\"author\\\":\\\"Ann\\\"}") "," PAST("{}"));
/* clang-format on */

static struct err *parse(const char *text, struct manifest *m)
{
	struct platform want = { 0 };
	struct err *e = platform_parse("linux/amd64", &want);

	e = e ?: schema1_parse(text, strlen(text), &want, m);
	platform_done(&want);
	return e;
}

static void test_good(void)
{
	_cleanup_free_ char *config = NULL;
	_cleanup_strv_ struct strv ids = { 0 };
	struct manifest m = { 0 };
	size_t len = 0;

	ok(schema1_is(good, strlen(good)) && !schema1_is("{\"schemaVersion\":2}", 19) &&
		   !schema1_is("x", 1),
	   "what is one");
	is_err(parse(good, &m), NULL, "taken");
	ok(m.n_layers == 2 && str_eq(m.layers[0].digest, B) && str_eq(m.layers[1].digest, A) &&
		   m.layers[0].size == SIZE_UNKNOWN,
	   "bottom first, without what holds nothing");
	strv_add(&ids, B);
	strv_add(&ids, A);
	is_err(schema1_config(good, strlen(good), &ids, &config, &len), NULL, "its configuration");
	is_str(config,
	       "{\"architecture\":\"amd64\",\"os\":\"linux\",\"created\":\"2015\",\"config\":{\"Cmd\":[\"x\"]},"
	       "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"" B "\",\"" A "\"]},"
	       "\"history\":[{\"created_by\":\"\"},{\"created_by\":\"\",\"author\":\"Ann\"},"
	       "{\"created\":\"2015\",\"created_by\":\"a b c\",\"empty_layer\":true}]}",
	       "the newest one's settings, all of the history");
	manifest_done(&m);
}

static void test_digest(void)
{
	/* {"formatLength":3,"formatTail":"Cn0"}: "\n}" stands behind the first three bytes */
	static const char text[] =
		"{  ,\"signatures\":[{\"protected\":"
		"\"eyJmb3JtYXRMZW5ndGgiOjMsImZvcm1hdFRhaWwiOiJDbjAifQ\"}],\"schemaVersion\":1}";
	static const char sound[] = "{ \"a\":1,\"signatures\":[{\"protected\":"
				    "\"eyJmb3JtYXRMZW5ndGgiOjMsImZvcm1hdFRhaWwiOiJDbjAifQ\"}]}";
	char got[DIGEST_LEN + 1], want[DIGEST_LEN + 1];

	schema1_digest(sound, strlen(sound), got);
	blob_digest("{ \"\n}", 5, want);
	is_str(got, want, "of what was signed");
	schema1_digest(text, strlen(text), got);
	blob_digest(text, strlen(text), want);
	is_str(got, want, "no JSON: of all of it");
	schema1_digest(good, strlen(good), got);
	blob_digest(good, strlen(good), want);
	is_str(got, want, "without a signature: of all of it");
}

static void test_refused(void)
{
	static const struct {
		const char *text, *err;
	} cases[] = {
		{ "{", "the manifest: malformed JSON*" },
		{ "{}", "malformed manifest: 0 layers, but the history of 0" },
		{ DOC("amd64", BLOB(A), ""), "malformed manifest: 1 layers, but the history of 0" },
		{ DOC("arm64", BLOB(A), PAST("{}")),
		  "the image is for linux/arm64 only, not for linux/amd64*" },
		{ DOC("amd64", BLOB("sha256:x"), PAST("{}")),
		  "malformed manifest: layer 0 has no sha256 digest" },
		{ DOC("amd64", "7", PAST("{}")), "malformed manifest: layer 0 has no sha256 digest" },
		{ DOC("amd64", BLOB(A), "{}"), "malformed manifest: nothing is said of layer 0" },
		{ DOC("amd64", BLOB(A), PAST("{")), "the manifest's history: malformed JSON*" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct manifest m = { 0 };

		is_err(parse(cases[i].text, &m), cases[i].err, "case %zu", i);
	}
}

int main(void)
{
	test_good();
	test_digest();
	test_refused();
	return done_testing();
}
