/* ADD of a URL.  The transfer runs in a child: TLS and HTTP are not let near the caller's memory. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/fd.h"
#include "core/build/plan.h"
#include "registry/blob.h"
#include "registry/http.h"

struct fetch {
	const char *url;
	int out;
	struct sha256 *hash;
	uint64_t at;
	char digest[DIGEST_LEN + 1];
};

static struct err *sink(void *arg, uint64_t start, const void *data, size_t len)
{
	struct fetch *f = arg;

	if (start != 0 && start != f->at)
		return err_new(0, "the server sent another part than was asked for");
	sha256_add(f->hash, data, len);
	f->at += len;
	return fd_write_all(f->out, "the download", data, len);
}

static struct err *get(struct fetch *f)
{
	const char *host = strstr(f->url, "://") + 3;
	_cleanup_free_ char *name = xstrndup(host, strcspn(host, "/?#"));
	struct registry_config cfg = { 0 };
	struct http_req req = { .method = "GET", .url = f->url, .sink = sink, .arg = f };
	struct http_resp resp;
	struct http *h;
	struct err *e;

	http_global_init();
	e = registry_config_load(name, &cfg);
	if (e)
		return e;
	h = http_new(&cfg);
	e = http_do(h, &req, &resp);
	if (!e && (resp.status < 200 || resp.status > 299))
		e = err_new(0, "the server answers with status %d", resp.status);
	http_resp_done(&resp);
	http_free(h);
	registry_config_done(&cfg);
	return e;
}

static struct err *inside(void *arg, struct str *result)
{
	struct fetch *f = arg;
	struct err *e;

	f->hash = sha256_new();
	e = get(f);
	sha256_text(f->hash, f->digest);
	str_add(result, f->digest);
	return e;
}

static void raw_digest(const char *hex, unsigned char to[32])
{
	for (size_t i = 0; i < 32; i++) {
		unsigned v = 0;

		for (int k = 0; k < 2; k++, hex++)
			v = v * 16 + (unsigned)(*hex <= '9' ? *hex - '0' : *hex - 'a' + 10);
		to[i] = (unsigned char)v;
	}
}

struct err *url_fetch(struct store *st, const char *url, char **ret_stage, int *ret_stage_fd,
		      struct str *ret_digest)
{
	_cleanup_close_ int out = -1;
	struct fetch f = { .url = url };
	struct err *e;

	e = store_stage(st, "fetch", ret_stage, ret_stage_fd);
	e = e ?: fd_open(*ret_stage_fd, "file", O_WRONLY | O_CREAT | O_EXCL, 0644, &out);
	f.out = out;
	return err_wrap(e ?: userns_call(&st->ids, inside, &f, ret_digest), "%s", url);
}

struct err *item_fetch(struct build_plan *p, struct item *it)
{
	_cleanup_str_ struct str digest = { 0 };
	struct err *e;

	if (it->file)
		return NULL;
	e = url_fetch(p->st, it->url, &it->stage, &it->stage_fd, &digest);
	if (!e && it->checksum && !str_eq(it->checksum, digest.s))
		e = err_new(0, "%s: digest mismatch: got %s, expected %s", it->url, digest.s,
			    it->checksum);
	if (e)
		return e;
	raw_digest(blob_name(digest.s), it->digest);
	it->mtime = (struct timespec){ .tv_sec = p->epoch_s >= 0 ? p->epoch_s : 0 };
	it->file = xasprintf("%s/file", it->stage);
	return NULL;
}
