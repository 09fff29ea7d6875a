#include "registry/image_ref.h"

#include "core/base/str.h"

static bool is_lower_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_alnum(char c)
{
	return is_lower_alnum(c) || (c >= 'A' && c <= 'Z');
}

static struct err *bad(const char *reason, size_t offset)
{
	return err_new(0, "invalid reference format: %s at byte %zu", reason, offset);
}

bool digest_is_valid(const char *s)
{
	const char *hex = s ? str_after(s, DIGEST_PREFIX) : NULL;

	return hex && strlen(hex) == DIGEST_HEX_LEN && str_is_hex(hex, DIGEST_HEX_LEN);
}

/* Does the first component, TEXT[0..LEN), name a registry? */
static bool looks_like_host(const char *text, size_t len)
{
	if (len == strlen("localhost") && !memcmp(text, "localhost", len))
		return true;
	for (size_t i = 0; i < len; i++)
		if (text[i] == '.' || text[i] == ':' || (text[i] >= 'A' && text[i] <= 'Z'))
			return true;
	return false;
}

/* "name.of.host", "name:5000", "127.0.0.1:5000", "[::1]:5000" */
static struct err *check_host(const char *text, size_t len)
{
	size_t i = 0, label = 0, port;

	if (len > REF_HOST_MAX)
		return bad("host name too long", 0);
	if (text[0] == '[') {
		for (i = 1; i < len && text[i] != ']'; i++)
			if (!is_alnum(text[i]) && text[i] != ':' && text[i] != '.')
				return bad("not an IPv6 address", i);
		if (i == len || i == 1)
			return bad("unfinished IPv6 address", i);
		i++;
	} else {
		for (; i < len && text[i] != ':'; i++) {
			if (text[i] == '.') {
				if (!label || text[i - 1] == '-')
					return bad("bad host name", i);
				label = 0;
			} else if (is_alnum(text[i]) || (text[i] == '-' && label)) {
				label++;
			} else {
				return bad("character not allowed in a host name", i);
			}
		}
		if (!label || text[i - 1] == '-')
			return bad("bad host name", i);
	}
	if (i == len)
		return NULL;
	port = i + 1;
	if (text[i] != ':' || port == len || len - port > 5)
		return bad("bad port", i);
	for (i = port; i < len; i++)
		if (text[i] < '0' || text[i] > '9')
			return bad("bad port", i);
	return NULL;
}

/* Components of lower-case letters and digits with single '.', one or two '_' or any number of '-' between them. */
static struct err *check_repo(const char *text, size_t from, size_t to)
{
	size_t i = from;

	if (from == to)
		return bad("empty repository name", from);
	while (i < to) {
		size_t start = i;

		while (i < to && is_lower_alnum(text[i]))
			i++;
		if (i < to && text[i] >= 'A' && text[i] <= 'Z')
			return bad("upper-case letter", i);
		if (i == start)
			return bad(i < to && text[i] == '/' ? "empty path component"
							    : "unexpected character",
				   i);
		if (i == to)
			return NULL;
		if (text[i] == '/' || text[i] == '.') {
			i++;
		} else if (text[i] == '_') {
			i += i + 1 < to && text[i + 1] == '_' ? 2 : 1;
		} else if (text[i] == '-') {
			while (i < to && text[i] == '-')
				i++;
		} else {
			return bad("unexpected character", i);
		}
	}
	return bad(text[to - 1] == '/' ? "empty path component" : "unfinished repository name", to);
}

static struct err *check_tag(const char *text, size_t from, size_t to)
{
	if (from == to)
		return bad("empty tag", from);
	if (to - from > REF_TAG_MAX)
		return bad("tag too long", from + REF_TAG_MAX);
	for (size_t i = from; i < to; i++)
		if (!is_alnum(text[i]) && text[i] != '_' &&
		    (i == from || (text[i] != '.' && text[i] != '-')))
			return bad("character not allowed in a tag", i);
	return NULL;
}

struct err *image_ref_parse(const char *text, struct image_ref *ret)
{
	size_t len = strlen(text), name_end, repo_at = 0, host_len;
	const char *at = strchr(text, '@'), *slash, *colon;
	struct image_ref ref = { 0 };
	const char *library = "", *official;
	struct err *e;

	if (!len)
		return bad("empty name", 0);
	if (at && !digest_is_valid(at + 1))
		return bad(str_starts(at + 1, DIGEST_PREFIX) ? "sha256 needs 64 lower-case hex digits"
							     : "digest is not sha256",
			   (size_t)(at + 1 - text));
	name_end = at ? (size_t)(at - text) : len;
	slash = memchr(text, '/', name_end);
	host_len = slash ? (size_t)(slash - text) : 0;
	if (slash && looks_like_host(text, host_len)) {
		e = check_host(text, host_len);
		if (e)
			return e;
		repo_at = host_len + 1;
	} else {
		host_len = 0;
	}
	/* a colon behind the last slash begins the tag */
	slash = memrchr(text + repo_at, '/', name_end - repo_at);
	colon = memchr(slash ?: text + repo_at, ':',
		       name_end - (slash ? (size_t)(slash - text) : repo_at));
	if (colon) {
		size_t tag_at = (size_t)(colon + 1 - text);

		e = check_tag(text, tag_at, name_end);
		if (e)
			return e;
		ref.tag = xstrndup(text + tag_at, name_end - tag_at);
		name_end = tag_at - 1;
	}
	e = check_repo(text, repo_at, name_end);
	ref.host = host_len ? xstrndup(text, host_len) : xstrdup(HUB_HOST);
	if (str_eq(ref.host, "index." HUB_HOST) || str_eq(ref.host, "registry-1." HUB_HOST)) {
		free(ref.host);
		ref.host = xstrdup(HUB_HOST);
	}
	if (str_eq(ref.host, HUB_HOST) && !memchr(text + repo_at, '/', name_end - repo_at))
		library = "library/";
	ref.repo = xasprintf("%s%.*s", library, (int)(name_end - repo_at), text + repo_at);
	official = str_eq(ref.host, HUB_HOST) ? str_after(ref.repo, "library/") : NULL;
	if (!e && official && strlen(official) == DIGEST_HEX_LEN && str_is_hex(official, DIGEST_HEX_LEN))
		e = bad("64 hex digits are an id, not a name,", repo_at);
	if (!e && strlen(ref.repo) > REF_REPO_MAX)
		e = bad("repository name longer than 255 bytes", repo_at);
	if (at)
		ref.digest = xstrdup(at + 1);
	else if (!ref.tag)
		ref.tag = xstrdup("latest");
	if (e) {
		image_ref_done(&ref);
		return e;
	}
	*ret = ref;
	return NULL;
}

void image_ref_done(struct image_ref *ref)
{
	free(ref->host);
	free(ref->repo);
	free(ref->tag);
	free(ref->digest);
	*ref = (struct image_ref){ 0 };
}

static char *with_tag(const struct image_ref *ref, char *repo)
{
	_cleanup_free_ char *name = repo;

	if (ref->digest)
		return xasprintf("%s@%s", name, ref->digest);
	return xasprintf("%s:%s", name, ref->tag);
}

char *image_ref_full(const struct image_ref *ref)
{
	return with_tag(ref, xasprintf("%s/%s", ref->host, ref->repo));
}

char *image_ref_familiar(const struct image_ref *ref)
{
	return with_tag(ref, image_ref_familiar_repo(ref));
}

char *image_ref_shown(const char *full)
{
	struct image_ref ref;
	struct err *e = image_ref_parse(full, &ref);
	char *text;

	if (e) {
		err_free(e);
		return xstrdup(full);
	}
	text = image_ref_familiar(&ref);
	image_ref_done(&ref);
	return text;
}

char *image_ref_familiar_repo(const struct image_ref *ref)
{
	const char *official = str_after(ref->repo, "library/");
	const char *slash = strchr(ref->repo, '/');

	/* a repository of the Hub that begins like a host keeps it, or it would be read as one */
	if (!str_eq(ref->host, HUB_HOST) ||
	    (slash && looks_like_host(ref->repo, (size_t)(slash - ref->repo))))
		return xasprintf("%s/%s", ref->host, ref->repo);
	return xstrdup(official && !strchr(official, '/') ? official : ref->repo);
}
