/* A layer of any bytes, compressed or not: unpacked or refused, and never a file outside its directory. */
#include "registry/layer.h"

#include <assert.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "core/base/fd.h"
#include "registry/inflate.h"

enum { OUTPUT_MAX = 1 << 20 }; /* of decompressed data: a bomb only costs the fuzzer time */

struct expanded {
	char buf[1000];
	struct str out;
	bool given;
};

static struct err *room(void *arg, void **ret, size_t *ret_size)
{
	struct expanded *x = arg;

	*ret = x->buf;
	*ret_size = sizeof(x->buf);
	return x->out.len > OUTPUT_MAX ? err_new(0, "too much") : NULL;
}

static struct err *done(void *arg, size_t len)
{
	struct expanded *x = arg;

	str_addn(&x->out, x->buf, len);
	return NULL;
}

static struct err *give(void *arg, const void **ret, size_t *ret_len)
{
	struct expanded *x = arg;

	*ret = x->out.s;
	*ret_len = x->given ? 0 : x->out.len;
	x->given = true;
	return NULL;
}

static int outer = -1;

/* outer/in is unpacked into; outer itself must hold nothing else afterwards. */
static void check_outside(void)
{
	int dup = openat(outer, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fdopendir(dup);
	struct dirent *de;

	while ((de = readdir(d)) != NULL)
		assert(!strcmp(de->d_name, ".") || !strcmp(de->d_name, "..") ||
		       !strcmp(de->d_name, "in"));
	closedir(d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct userns_ids ids = { .single = true };
	struct expanded x = { 0 };
	struct inflate_sink sink = { room, done, &x };
	struct inflate *z = inflate_new(&sink);
	struct layer_source src = { give, &x };
	struct layer_links links = { 0 };
	struct layer_stats st;
	struct err *e;
	int in = -1;

	if (outer < 0) {
		static char top[] = "/tmp/fuzz_layer.XXXXXX";

		umask(0);
		assert(mkdtemp(top));
		outer = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	for (size_t at = 0; at < size; at += 100) {
		e = inflate_feed(z, data + at, size - at < 100 ? size - at : 100);
		err_free(e);
		if (e)
			break;
	}
	err_free(inflate_end(z));
	inflate_free(z);
	assert(mkdirat(outer, "in", 0700) == 0);
	e = fd_open(outer, "in", O_RDONLY | O_DIRECTORY, 0, &in);
	e = e ?: layer_unpack(in, &ids, &src, &st, &links);
	e = e ?: layer_copy_links(in, &in, 1, &links);
	layer_links_done(&links);
	err_free(e);
	close(in);
	check_outside();
	e = fd_rm_tree(outer, "in");
	assert(!e);
	str_done(&x.out);
	return 0;
}
