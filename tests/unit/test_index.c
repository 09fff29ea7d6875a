/* index.json: names that come, move and go; entries of other tools stay. */
#include "registry/index.h"

#include <fcntl.h>

#include "core/base/fd.h"
#include "tests/lib/tap.h"

#define D(c) "sha256:" c c c c c c c c
#define A D("aaaaaaaa")
#define B D("bbbbbbbb")

static struct index_entry entry(const char *digest)
{
	return (struct index_entry){
		.media_type = (char *)(uintptr_t) "application/vnd.oci.image.manifest.v1+json",
		.digest = (char *)(uintptr_t)digest,
		.id = (char *)(uintptr_t)digest,
		.size = 12,
		.repo_digest = (char *)(uintptr_t)B,
		.image_size = 1LL << 40,
		.boot = (char *)(uintptr_t) "boot",
	};
}

/* "name=a name=b -=a": names and first digits, '-' for none */
static const char *names(const struct index *ix)
{
	static struct str s;

	s.len = 0;
	str_add(&s, "");
	for (size_t i = 0; i < ix->n; i++)
		str_addf(&s, "%s%s=%c", i ? " " : "", ix->v[i].ref ?: "-", ix->v[i].digest[7]);
	return s.s;
}

static void test_names(void)
{
	struct index_entry a = entry(A), b = entry(B);
	struct index ix = { 0 };

	index_set(&ix, "x", &a);
	index_set(&ix, "y", &a);
	is_str(names(&ix), "x=a y=a", "two names of one image");
	index_set(&ix, "x", &a);
	is_str(names(&ix), "y=a x=a", "the same again");
	index_set(&ix, "x", &b);
	is_str(names(&ix), "y=a x=b", "a name moves on; the image has another one");
	index_set(&ix, "y", &b);
	is_str(names(&ix), "-=a x=b y=b", "its last name moves on: dangling");
	index_set(&ix, "z", &a);
	is_str(names(&ix), "x=b y=b z=a", "named again");
	index_drop(&ix, 2, true);
	is_str(names(&ix), "x=b y=b -=a", "untagged, but kept");
	index_drop(&ix, 0, true);
	is_str(names(&ix), "y=b -=a", "untagged; it has another name");
	index_drop(&ix, 1, false);
	is_str(names(&ix), "y=b", "removed");
	ok(index_find(&ix, "y") && !index_find(&ix, "x"), "found by name");
	index_done(&ix);
}

static void test_file(void)
{
	static const char foreign[] =
		"{\"schemaVersion\":2,\"manifests\":[{\"digest\":\"" A
		"\",\"size\":1,\"annotations\":{\"org.opencontainers.image.ref.name\":\"theirs\"}},"
		"{\"digest\":5},7]}";
	char top[] = "/tmp/test_index.XXXXXX";
	struct store st = { .path = top };
	struct index_entry a = entry(A);
	struct index ix = { 0 };
	_cleanup_free_ char *text = NULL;

	if (!mkdtemp(top))
		return;
	st.root = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	is_err(index_load(&st, &ix), NULL, "no file yet");
	is_int(ix.n, 0, "is empty");
	is_err(fd_write_atomic(st.root, "index.json", foreign, sizeof(foreign) - 1, 0644, false),
	       NULL, "another tool's");
	is_err(index_load(&st, &ix), NULL, "loads");
	is_int(ix.n, 0, "none of ours");
	index_set(&ix, "docker.io/library/x:latest", &a);
	is_err(index_save(&st, &ix), NULL, "saved with one of ours");
	index_done(&ix);
	is_err(index_load(&st, &ix), NULL, "and loaded");
	if (is_int(ix.n, 1, "ours")) {
		is_str(ix.v[0].ref, "docker.io/library/x:latest", "name");
		is_str(ix.v[0].repo_digest, B, "the registry's digest");
		is_str(ix.v[0].boot, "boot", "boot");
		is_int(ix.v[0].image_size, 1LL << 40, "size");
	}
	is_int(ix.n_foreign, 3, "theirs is kept");
	index_done(&ix);
	is_err(fd_write_atomic(st.root, "index.json", "", 0, 0644, false), NULL, "an empty file");
	is_err(index_load(&st, &ix), NULL, "is an empty index");
	is_err(fd_write_atomic(st.root, "index.json", "{", 1, 0644, false), NULL, "half a file");
	is_err(index_load(&st, &ix),
	       "index.json: malformed JSON: * (hint: move */index.json away and pull again)",
	       "is an error");
	close(st.root);
	is_err(fd_rm_tree(AT_FDCWD, top), NULL, "the scratch directory goes");
}

int main(void)
{
	test_names();
	test_file();
	return done_testing();
}
