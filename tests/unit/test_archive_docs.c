/* manifest.json of an archive, and what its annotations name. */
#include "registry/archive_docs.h"
#include "tests/lib/tap.h"

static void test_good(void)
{
	static const char text[] =
		"[{\"Config\":\"blobs/sha256/aa\",\"RepoTags\":[\"busybox:1\",\"example.org/a:2\","
		"\"docker.io/library/busybox:1\"],"
		"\"Layers\":[\"x/layer.tar\",\"y/layer.tar\"]},"
		"{\"Config\":\"b.json\",\"RepoTags\":null,\"Layers\":null,\"More\":1}]";
	struct archive_images a = { 0 };
	struct err *e = archive_images_parse(text, sizeof(text) - 1, &a);

	ok(!e && a.n == 2, "two images");
	is_str(a.v[0].config, "blobs/sha256/aa", "a configuration");
	ok(a.v[0].layers.n == 2 && a.v[0].refs.n == 2, "layers; a name twice counts once");
	is_str(a.v[0].refs.v[0], "docker.io/library/busybox:1", "a name in full");
	ok(!a.v[1].layers.n && !a.v[1].refs.n, "an image without layers and names");
	archive_images_done(&a);
}

static void test_bad(void)
{
	static const struct {
		const char *text, *err;
	} cases[] = {
		{ "{}", "manifest.json: not a list" },
		{ "[1]", "manifest.json: image 0: not an object" },
		{ "[{}]", "manifest.json: image 0: Config is no path" },
		{ "[{\"Config\":\"a\",\"Layers\":{}}]", "manifest.json: image 0: Layers is not a list" },
		{ "[{\"Config\":\"a\",\"Layers\":[\"\"]}]", "manifest.json: image 0: a layer is no path" },
		{ "[{\"Config\":\"a\",\"RepoTags\":\"x\"}]",
		  "manifest.json: image 0: RepoTags is not a list" },
		{ "[{\"Config\":\"a\",\"RepoTags\":[\"a@sha256:00\"]}]",
		  "manifest.json: image 0: name 0 is not an image's name with a tag" },
		{ "[{\"Config\":\"a\",\"RepoTags\":[7]}]",
		  "manifest.json: image 0: name 0 is not an image's name with a tag" },
	};
	struct archive_images a = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		is_err(archive_images_parse(cases[i].text, strlen(cases[i].text), &a), cases[i].err,
		       "%s", cases[i].text);
}

static void test_refs(void)
{
	_cleanup_free_ char *name = archive_ref("docker.io/library/a:1", "zzz"),
			    *tag = archive_ref(NULL, "a/b:2");

	is_str(name, "docker.io/library/a:1", "the image's name wins");
	is_str(tag, "docker.io/a/b:2", "a whole name as ref.name, as podman writes it");
	ok(!archive_ref(NULL, "latest"), "a lone tag names nothing");
	ok(!archive_ref(NULL, NULL) && !archive_ref("UPPER", NULL), "nothing, and what is no name");
}

int main(void)
{
	test_good();
	test_bad();
	test_refs();
	return done_testing();
}
