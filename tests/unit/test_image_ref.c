/* Image names as users type them, and as Docker prints them. */
#include "registry/image_ref.h"

#include "tests/lib/tap.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define A50 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const struct {
	const char *in, *full, *familiar;
} good[] = {
	{ "mysql", "docker.io/library/mysql:latest", "mysql:latest" },
	{ "mysql:8", "docker.io/library/mysql:8", "mysql:8" },
	{ "library/mysql", "docker.io/library/mysql:latest", "mysql:latest" },
	{ "docker.io/mysql:8.4", "docker.io/library/mysql:8.4", "mysql:8.4" },
	{ "index.docker.io/library/mysql", "docker.io/library/mysql:latest", "mysql:latest" },
	{ "bitnami/mysql", "docker.io/bitnami/mysql:latest", "bitnami/mysql:latest" },
	{ "library/a/b", "docker.io/library/a/b:latest", "library/a/b:latest" },
	{ "localhost/a", "localhost/a:latest", "localhost/a:latest" },
	{ "localhost:5000/a/b", "localhost:5000/a/b:latest", "localhost:5000/a/b:latest" },
	{ "127.0.0.1:5000/bench/debian:gzip", "127.0.0.1:5000/bench/debian:gzip",
	  "127.0.0.1:5000/bench/debian:gzip" },
	{ "[::1]:5000/a", "[::1]:5000/a:latest", "[::1]:5000/a:latest" },
	{ "MyHost/a", "MyHost/a:latest", "MyHost/a:latest" },
	{ "example.org/a/b/c.d__e--f:v1.0_x-y", "example.org/a/b/c.d__e--f:v1.0_x-y",
	  "example.org/a/b/c.d__e--f:v1.0_x-y" },
	{ "mysql@sha256:" HEX, "docker.io/library/mysql@sha256:" HEX, "mysql@sha256:" HEX },
	{ "mysql:8@sha256:" HEX, "docker.io/library/mysql@sha256:" HEX, "mysql@sha256:" HEX },
	{ "a:_", "docker.io/library/a:_", "a:_" },
};

static const struct {
	const char *in, *reason;
} refused[] = {
	{ "", "empty name at byte 0" },
	{ "MySQL", "upper-case letter at byte 0" },
	{ "mySQL", "upper-case letter at byte 2" },
	{ "a/B", "upper-case letter at byte 2" },
	{ "my sql", "unexpected character at byte 2" },
	{ "-a", "unexpected character at byte 0" },
	{ "a-", "unfinished repository name at byte 2" },
	{ "a..b", "unexpected character at byte 2" },
	{ "a___b", "unexpected character at byte 3" },
	{ "/a", "empty path component at byte 0" },
	{ "a//b", "empty path component at byte 2" },
	{ "a/", "empty path component at byte 2" },
	{ "a/b/", "empty path component at byte 4" },
	{ "../../etc/passwd", "bad host name at byte 0" },
	{ "a/../b", "unexpected character at byte 2" },
	{ "a:", "empty tag at byte 2" },
	{ ":8", "empty repository name at byte 0" },
	{ "a:.x", "character not allowed in a tag at byte 2" },
	{ "a:b:c", "character not allowed in a tag at byte 3" },
	{ "a:" A50 A50 A50, "tag too long at byte 130" },
	{ "a@sha256:abc", "sha256 needs 64 lower-case hex digits at byte 2" },
	{ "a@sha256:" HEX "0", "sha256 needs 64 lower-case hex digits at byte 2" },
	{ "a@md5:0123", "digest is not sha256 at byte 2" },
	{ "host:port/a", "bad port at byte 5" },
	{ "host:123456/a", "bad port at byte 4" },
	{ "ho_st.x/a", "character not allowed in a host name at byte 2" },
	{ ".a/b", "bad host name at byte 0" },
	{ "a-.b/c", "bad host name at byte 2" },
	{ "[::1/a", "unfinished IPv6 address at byte 4" },
	{ HEX, "64 hex digits are an id, not a name, at byte 0" },
	{ A50 A50 A50 A50 A50 "aaaaaa", "repository name longer than 255 bytes at byte 0" },
};

int main(void)
{
	struct image_ref ref;

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		_cleanup_free_ char *full = NULL, *familiar = NULL;

		if (!is_err(image_ref_parse(good[i].in, &ref), NULL, "%s parses", good[i].in))
			continue;
		full = image_ref_full(&ref);
		familiar = image_ref_familiar(&ref);
		is_str(full, good[i].full, "%s in full", good[i].in);
		is_str(familiar, good[i].familiar, "%s as Docker shows it", good[i].in);
		image_ref_done(&ref);
	}
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		_cleanup_free_ char *want =
			xasprintf("invalid reference format: %s", refused[i].reason);

		is_err(image_ref_parse(refused[i].in, &ref), want, "'%.30s' is refused", refused[i].in);
	}
	if (is_err(image_ref_parse("x/y:1@sha256:" HEX, &ref), NULL, "tag and digest together")) {
		_cleanup_free_ char *repo = image_ref_familiar_repo(&ref);

		is_str(ref.tag, "1", "the tag is kept");
		is_str(ref.digest, "sha256:" HEX, "the digest is kept");
		is_str(repo, "x/y", "the name without them");
		image_ref_done(&ref);
	}
	return done_testing();
}
