/* gzip as any gunzip reads it, whatever pieces it came in. */
#include "registry/squeeze.h"

#include "core/base/str.h"
#include "registry/inflate.h"
#include "tests/lib/tap.h"

static struct err *keep(void *arg, const void *data, size_t len)
{
	str_addn(arg, data, len);
	return NULL;
}

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

static void round_trip(const char *data, size_t len, size_t piece, struct str *packed)
{
	struct squeeze *z = squeeze_new(keep, packed);
	struct out o = { 0 };
	struct inflate_sink sink = { room, done, &o };
	struct inflate *back = inflate_new(&sink);
	struct err *e = NULL;

	for (size_t at = 0; !e && at < len; at += piece)
		e = squeeze_feed(z, data + at, len - at < piece ? len - at : piece);
	e = e ?: squeeze_end(z);
	e = e ?: inflate_feed(back, packed->s, packed->len);
	e = e ?: inflate_end(back);
	ok(!e && o.text.len == len && (!len || !memcmp(o.text.s, data, len)),
	   "%zu bytes in pieces of %zu", len, piece);
	err_free(e);
	str_done(&o.text);
	squeeze_free(z);
	inflate_free(back);
}

static struct err *full(UNUSED void *arg, UNUSED const void *data, UNUSED size_t len)
{
	return err_new(28, "no");
}

int main(void)
{
	enum { LEN = 3000000 };
	char *data = xmalloc(LEN);
	struct str a = { 0 }, b = { 0 }, none = { 0 };
	struct squeeze *z;
	struct err *e = NULL;
	unsigned seed = 1;

	for (size_t i = 0; i < LEN; i++) {
		seed = seed * 1664525 + 1013904223;
		data[i] = (char)(i < LEN / 2 ? seed >> 24 : (seed >> 24) % 7);
	}
	round_trip(data, LEN, LEN, &a);
	round_trip(data, LEN, LEN, &b);
	ok(a.len == b.len && !memcmp(a.s, b.s, a.len), "the same twice");
	ok(a.len < LEN * 3 / 4, "it is smaller: %zu", a.len);
	ok(!memcmp(a.s + 4, "\0\0\0\0", 4), "without a time");
	str_done(&a);
	round_trip(data, LEN, 65537, &a);
	round_trip(data, 0, 1, &none);
	z = squeeze_new(full, NULL);
	for (int i = 0; !e && i < 10; i++)
		e = squeeze_feed(z, data, LEN);
	is_err(e, "no*", "what the writer says ends it");
	squeeze_free(z);
	str_done(&a);
	str_done(&b);
	str_done(&none);
	free(data);
	return done_testing();
}
