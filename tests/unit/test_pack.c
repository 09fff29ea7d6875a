/* gzip as any gunzip reads it, whatever pieces it came in; both digests. */
#include "registry/pack.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/base/fd.h"
#include "core/base/str.h"
#include "registry/blob.h"
#include "registry/inflate.h"
#include "tests/lib/tap.h"

enum { MAX = 8 << 20 };

struct out {
	struct str text;
	char buf[777];
};

static struct err *room(void *arg, void **ret_buf, size_t *ret_size)
{
	struct out *o = arg;

	*ret_buf = o->buf;
	*ret_size = sizeof(o->buf);
	return NULL;
}

static struct err *done(void *arg, size_t len)
{
	struct out *o = arg;

	str_addn(&o->text, o->buf, len);
	return NULL;
}

/* DATA packed in PIECEs; the caller frees the result. */
static char *pack(const char *data, size_t len, size_t piece, size_t *ret_len)
{
	char diff_id[DIGEST_LEN + 1], blob[DIGEST_LEN + 1], want[DIGEST_LEN + 1];
	int fd = memfd_create("blob", MFD_CLOEXEC);
	struct pack *p = pack_new(fd);
	struct err *e = NULL;
	char *packed = NULL;
	uint64_t size = 0;

	for (size_t at = 0; !e && at < len; at += piece)
		e = pack_add(p, data + at, len - at < piece ? len - at : piece);
	e = e ?: pack_end(p, diff_id, blob, &size);
	ok(!e && lseek(fd, 0, SEEK_SET) == 0, "packed");
	err_free(e);
	e = fd_read_all(fd, "blob", MAX, &packed, ret_len);
	ok(!e && *ret_len == size, "its size");
	err_free(e);
	blob_digest(data, len, want);
	is_str(diff_id, want, "the digest of what went in");
	blob_digest(packed, *ret_len, want);
	is_str(blob, want, "the digest of what came out");
	pack_free(p);
	close(fd);
	return packed;
}

static void round_trip(const char *data, size_t len, size_t piece)
{
	struct out o = { 0 };
	struct inflate_sink sink = { room, done, &o };
	struct inflate *back = inflate_new(&sink);
	size_t packed_len;
	_cleanup_free_ char *packed = pack(data, len, piece, &packed_len);
	struct err *e = inflate_feed(back, packed, packed_len);

	e = e ?: inflate_end(back);
	ok(!e && o.text.len == len && (!len || !memcmp(o.text.s, data, len)),
	   "%zu bytes in pieces of %zu", len, piece);
	err_free(e);
	str_done(&o.text);
	inflate_free(back);
}

int main(void)
{
	enum { LEN = 3000000 };
	char *data = xmalloc(LEN);
	_cleanup_free_ char *a = NULL, *b = NULL;
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	size_t a_len, b_len;
	struct err *e = NULL;
	unsigned seed = 1;
	struct pack *p;

	for (size_t i = 0; i < LEN; i++) {
		seed = seed * 1664525 + 1013904223;
		data[i] = (char)(i < LEN / 2 ? seed >> 24 : (seed >> 24) % 7);
	}
	a = pack(data, LEN, LEN, &a_len);
	b = pack(data, LEN, LEN, &b_len);
	ok(a_len == b_len && !memcmp(a, b, a_len), "the same twice");
	ok(a_len < LEN * 3 / 4, "it is smaller: %zu", a_len);
	ok(!memcmp(a + 4, "\0\0\0\0", 4), "without a time");
	round_trip(data, LEN, LEN);
	round_trip(data, LEN, 65537);
	round_trip(data, 0, 1);
	p = pack_new(full);
	for (int i = 0; !e && i < 10; i++)
		e = pack_add(p, data, LEN);
	is_err(e, "*No space left on device*", "a full disk ends it");
	pack_free(p);
	close(full);
	free(data);
	return done_testing();
}
