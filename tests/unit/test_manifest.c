/* Which manifest of an index is ours, what an image consists of, and what is refused in words. */
#include "registry/manifest.h"

#include "tests/lib/tap.h"

#define D(c) "sha256:" c c c c c c c c
#define A "aaaaaaaa"
#define B "bbbbbbbb"
#define C "cccccccc"
#define IDX "application/vnd.oci.image.index.v1+json"
#define MAN "application/vnd.oci.image.manifest.v1+json"

static struct err *parse(const char *text, const char *type, const char *platform,
			 struct manifest *m, struct descriptor *entry)
{
	struct platform want = { 0 };
	struct err *e = platform_parse(platform, &want);

	e = e ?: manifest_parse(text, strlen(text), type, &want, m, entry);
	platform_done(&want);
	return e;
}

#define ENTRY(digest, os, arch, more)                                                              \
	"{\"mediaType\":\"" MAN "\",\"digest\":\"" digest                                          \
	"\",\"size\":500,\"platform\":{\"os\":\"" os "\",\"architecture\":\"" arch "\"" more "}}"

static void test_index(void)
{
	/* clang-format off */
	static const char index[] =
		"{\"schemaVersion\":2,\"mediaType\":\"" IDX "\",\"manifests\":["
		"{\"mediaType\":\"" MAN "\",\"digest\":\"" D(C) "\",\"size\":5,"
		"\"annotations\":{\"vnd.docker.reference.type\":\"attestation-manifest\"},"
		"\"platform\":{\"os\":\"linux\",\"architecture\":\"amd64\"}},"
		ENTRY(D(A), "linux", "amd64", "") ","
		ENTRY(D(B), "linux", "arm", ",\"variant\":\"v6\"") ","
		ENTRY(D(C), "unknown", "unknown", "") ","
		ENTRY(D(C), "linux", "arm", ",\"variant\":\"v5\"") ","
		ENTRY(D(C), "windows", "amd64", "") ","
		ENTRY(D(C), "linux", "amd64", ",\"variant\":\"v3\"") "]}";
	/* clang-format on */
	static const struct {
		const char *platform, *digest, *err;
	} cases[] = {
		{ "linux/amd64", D(A), NULL },
		{ "amd64", D(A), NULL },
		{ "linux/x86_64", D(A), NULL },
		{ "linux/amd64/v1", D(A), NULL },
		{ "linux/amd64/v4", D(C), NULL },
		{ "linux/arm/v7", D(B), NULL },
		{ "linux/arm/v5", D(C), NULL },
		{ "linux/arm64", NULL,
		  "no matching manifest for linux/arm64: the image exists for linux/amd64, linux/arm/v6, "
		  "linux/arm/v5, windows/amd64, linux/amd64/v3 (hint: *" },
		{ "linux/a b", NULL, "platform \"linux/a b\" is not of the form os/arch[/variant]" },
		{ "a/b/c/d", NULL, "platform \"a/b/c/d\" is not of the form *" },
		{ "", NULL, "platform \"\" is not of the form *" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct manifest m = { 0 };
		struct descriptor d = { 0 };

		is_err(parse(index, NULL, cases[i].platform, &m, &d), cases[i].err, "%s",
		       cases[i].platform);
		is_str(d.digest, cases[i].digest, "its entry");
		descriptor_done(&d);
		manifest_done(&m);
	}
}

#define CONFIG                                                                                     \
	"\"config\":{\"mediaType\":\"application/vnd.oci.image.config.v1+json\",\"digest\":\"" D(  \
		A) "\",\"size\":100}"
#define LAYER(type, digest, size)                                                                  \
	"{\"mediaType\":\"" type "\",\"digest\":\"" digest "\",\"size\":" size "}"
#define OCI "application/vnd.oci.image.layer.v1.tar"
#define DOCKER "application/vnd.docker.image.rootfs.diff.tar"

static void test_image(void)
{
	static const char image[] =
		"{\"schemaVersion\":2," CONFIG
		",\"layers\":[" LAYER(OCI "+gzip", D(A), "10") "," LAYER(
			OCI "+zstd", D(B),
			"20") "," LAYER(OCI, D(C), "30") "," LAYER(DOCKER ".gzip", D(A), "10") "]}";
	struct manifest m;

	if (!is_err(parse(image, MAN "; charset=utf-8", "amd64", &m, NULL), NULL,
		    "an image of four layers"))
		return;
	is_int(m.kind, MANIFEST_IMAGE, "is an image");
	is_str(m.media_type, MAN, "of the server's type");
	is_int(m.n_layers, 4, "four");
	is_str(m.layers[1].digest, D(B), "digest");
	is_int(m.layers[1].size, 20, "size");
	is_str(m.config.digest, D(A), "configuration");
	manifest_done(&m);
}

static void test_refused(void)
{
	static const struct {
		const char *text, *err;
	} cases[] = {
		{ "", "the manifest: malformed JSON: *" },
		{ "{\"schemaVersion\":2,", "the manifest: malformed JSON: *" },
		{ "[]", "malformed manifest: not an object" },
		{ "{\"schemaVersion\":1,\"fsLayers\":[]}",
		  "a manifest of schema 1 in the place of a later one" },
		{ "{\"schemaVersion\":\"2\"}", "malformed manifest: no schemaVersion 2" },
		{ "{\"schemaVersion\":2}", "malformed manifest: no configuration" },
		{ "{\"schemaVersion\":2,\"manifests\":[],\"layers\":[]}",
		  "malformed manifest: both an index and an image" },
		{ "{\"schemaVersion\":2,\"manifests\":{}}", "malformed index: no list of manifests" },
		{ "{\"schemaVersion\":2,\"manifests\":[]}",
		  "no matching manifest for linux/amd64: the image exists for no platform" },
		{ "{\"schemaVersion\":2,\"manifests\":[{\"platform\":{\"os\":\"linux\",\"architecture\":"
		  "\"amd64\"},\"size\":3,\"digest\":\"sha256:../../x\"}]}",
		  "malformed manifest: the entry for this platform has no sha256 digest" },
		{ "{\"schemaVersion\":2,\"mediaType\":\"text/html\"}",
		  "unknown kind of manifest: text/html" },
		{ "{\"schemaVersion\":2," CONFIG "}", "malformed manifest: no list of layers" },
		{ "{\"schemaVersion\":2," CONFIG ",\"layers\":[7]}", "malformed manifest: no layer 0" },
		{ "{\"schemaVersion\":2," CONFIG ",\"layers\":[" LAYER(OCI, D(A), "-1") "]}",
		  "malformed manifest: layer 0 has no size" },
		{ "{\"schemaVersion\":2," CONFIG
		  ",\"layers\":[" LAYER(OCI, D(A), "9000000000000000000") "]}",
		  "refusing layer 0 of 9000000000000000000 bytes: *" },
		{ "{\"schemaVersion\":2," CONFIG ",\"layers\":[" LAYER(OCI "+xz", D(A), "1") "]}",
		  "layer 0 has the unknown type *" },
		{ "{\"schemaVersion\":2," CONFIG ",\"layers\":[" LAYER(
			  "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", D(A), "1") "]}",
		  "layer 0 of type * cannot be fetched from a registry" },
		{ "{\"schemaVersion\":2,\"artifactType\":\"application/x.chart\",\"config\":{\"mediaType\":"
		  "\"application/vnd.oci.empty.v1+json\",\"size\":2,\"digest\":\"" D(A) "\"},\"layers\":[]}",
		  "this is not a container image but an artifact of type *" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct manifest m;
		struct descriptor d;

		is_err(parse(cases[i].text, NULL, "amd64", &m, &d), cases[i].err, "%.60s",
		       cases[i].text);
	}
}

static void test_config(void)
{
#define ROOTFS "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"" D(A) "\",\"" D(B) "\"]}"
	static const char text[] = "{\"os\":\"linux\",\"architecture\":\"arm64\"," ROOTFS "}";
	static const char none[] = "{" ROOTFS "}",
			  bad[] = "{\"rootfs\":{\"diff_ids\":[\"" D(A) "\",3]}}";
	_cleanup_strv_ struct strv ids = { 0 };
	struct platform amd64, arm64;
	struct err *e;

	e = platform_parse("amd64", &amd64);
	e = e ?: platform_parse("linux/arm64/v8", &arm64);
	is_err(e, NULL, "platforms");
	is_err(config_parse(text, sizeof(text) - 1, 2, &arm64, &ids), NULL, "a configuration");
	is_int(ids.n, 2, "two diff ids");
	is_str(ids.n == 2 ? ids.v[1] : NULL, D(B), "in order");
	is_err(config_parse(text, sizeof(text) - 1, 3, &arm64, &ids),
	       "malformed image configuration: 2 diff ids for 3 layers", "their number must fit");
	is_err(config_parse(text, sizeof(text) - 1, 2, &amd64, &ids),
	       "the image is for linux/arm64 only, not for linux/amd64 (hint: *", "another platform");
	is_err(config_parse(none, sizeof(none) - 1, 2, NULL, &ids), NULL, "any platform");
	is_err(config_parse(none, sizeof(none) - 1, 2, &amd64, &ids),
	       "malformed image configuration: no platform", "no platform");
	is_err(config_parse(bad, sizeof(bad) - 1, 2, &amd64, &ids),
	       "malformed image configuration: diff id 1 is no sha256 digest",
	       "a diff id of another type");
	is_err(config_parse("7", 1, 0, NULL, &ids), "malformed image configuration: not an object",
	       "a number");
	platform_done(&amd64);
	platform_done(&arm64);
}

static void test_error_text(void)
{
	static const char doc[] =
		"{\"errors\":[{\"code\":\"DENIED\",\"message\":\"no\\u001b[1m way\"}]}";
	_cleanup_free_ char *text = registry_error_text(doc, sizeof(doc) - 1);

	is_str(text, "no [1m way", "a message, without control characters");
	ok(!registry_error_text("<html>", 6), "no message in a web page");
	ok(!registry_error_text("{\"errors\":7}", 12), "nor in a malformed document");
}

int main(void)
{
	test_index();
	test_image();
	test_refused();
	test_config();
	test_error_text();
	return done_testing();
}
