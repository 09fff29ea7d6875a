#include "core/cow/link.h"
#include "core/cow/map.h"
#include "core/cow/proto.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "core/cow/mount.h"
#include "tests/lib/tap.h"

static void test_map(void)
{
	struct map m;

	map_init(&m, 1000);
	ok(!map_has(&m, 0) && !map_has(&m, 999), "a new map has nothing");
	ok(map_has(&m, 1000) && map_has(&m, 1ULL << 40), "beyond its end it has all");
	is_int(map_run(&m, 0, 5000), 1000, "nothing, up to the end");
	is_int(map_run(&m, 1000, 77), 77, "all from there on");
	map_set(&m, 100, 500);
	is_int(map_run(&m, 3, 5000), 97, "a run without");
	is_int(map_run(&m, 100, 5000), 500, "a run with");
	is_int(map_run(&m, 130, 7), 7, "no more than asked for");
	is_int(map_run(&m, 599, 2), 1, "its last one");
	ok(map_has_all(&m, 100, 500) && !map_has_all(&m, 100, 501) && !map_has_all(&m, 99, 2),
	   "all of a range");
	is_int(map_count(&m), 500, "how many");
	map_cut(&m, 300);
	is_int(map_run(&m, 100, 5000), 5000, "a lower end: all from here on");
	map_cut(&m, 900);
	is_int(m.blocks, 300, "it never moves up");
	map_done(&m);
}

static void test_map_load(void)
{
	char name[] = "/var/tmp/test_map.XXXXXX";
	int fd = mkstemp(name);
	struct map m;

	unlink(name);
	ok(ftruncate(fd, 100 * COW_BLOCK) == 0 && pwrite(fd, "x", 1, 10 * COW_BLOCK + 7) == 1 &&
		   pwrite(fd, name, 4, 20 * COW_BLOCK - 2) == 4,
	   "a file with holes");
	ok(fallocate(fd, FALLOC_FL_KEEP_SIZE, 50 * COW_BLOCK, COW_BLOCK) == 0, "and allocated space");
	is_err(map_load(&m, fd, 100), NULL, "its map");
	ok(map_has(&m, 10) && map_has(&m, 19) && map_has(&m, 20), "has what was written");
	is_int(map_count(&m), 3, "and nothing else: space that was never written is none");
	map_done(&m);
	close(fd);
}

static void test_link(void)
{
	static const char *const good[] = { "", "a", "a/b", "..a/b..", "a/.b" };
	static const char *const bad[] = { "/",	   "/a",     "a/",   "a//b", "..",
					   "../a", "a/../b", "a/..", ".",    "./a" };
	struct cow_link l = { LINK_BELOW, 7, 123456, 1ULL << 45, 99, (char *)(uintptr_t) "dir/file" },
			got;
	uint8_t buf[LINK_MAX];
	size_t len = link_pack(&l, buf);

	ok(link_unpack(buf, len, &got), "a link is read as it was written");
	ok(got.flags == LINK_BELOW && got.depth == 7 && got.limit == 123456 &&
		   got.number == 1ULL << 45 && got.self == 99,
	   "all of it");
	is_str(got.path, "dir/file", "its path too");
	link_done(&got);
	ok(!link_unpack(buf, LINK_HEAD - 1, &got), "a short one is none");
	buf[0]++;
	ok(!link_unpack(buf, len, &got), "another version is none");
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		ok(link_path_ok(good[i], strlen(good[i])), "'%s' is a path", good[i]);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		ok(!link_path_ok(bad[i], strlen(bad[i])), "'%s' is none", bad[i]);
}

static int parse(uint32_t opcode, const char *body, size_t len, struct proto_req *ret)
{
	static _Alignas(8) char buf[1024];
	struct fuse_in_header h = { .len = (uint32_t)(sizeof(h) + len), .opcode = opcode };

	memcpy(buf, &h, sizeof(h));
	memcpy(buf + sizeof(h), body, len);
	return proto_parse(buf, sizeof(h) + len, ret);
}

static void test_proto(void)
{
	char body[300] = { 0 };
	struct proto_req r;

	is_int(parse(FUSE_LOOKUP, "name", 5, &r), 0, "a look-up");
	is_str(r.name, "name", "its name");
	is_int(parse(FUSE_LOOKUP, "name", 4, &r), -EINVAL, "a name without end");
	is_int(parse(FUSE_LOOKUP, "", 1, &r), -EINVAL, "an empty one");
	is_int(parse(FUSE_LOOKUP, "a/b", 4, &r), -EINVAL, "a path");
	is_int(parse(FUSE_LOOKUP, "..", 3, &r), -EINVAL, "the directory above");
	memset(body, 'a', 299);
	is_int(parse(FUSE_LOOKUP, body, 300, &r), -EINVAL, "a long one");
	is_int(parse(FUSE_SYMLINK, "l\0../../x", 10, &r), 0, "a link leads where it wants");
	is_str(r.name2, "../../x", "its target");
	is_int(parse(FUSE_SYMLINK, "l", 2, &r), -EINVAL, "or it has none");
	is_int(parse(FUSE_READ, body, sizeof(struct fuse_read_in) - 1, &r), -EINVAL,
	       "arguments cut short");
	memset(body, 0, sizeof(body));
	is_int(parse(FUSE_WRITE, body, sizeof(struct fuse_write_in) + 5, &r), 0, "a write");
	is_int(r.data_len, 5, "its data");
	is_int(parse(FUSE_IOCTL, body, 100, &r), -ENOSYS, "what is not known");
	is_int(parse(70000, body, 100, &r), -ENOSYS, "what nobody knows");
}

int main(void)
{
	test_map();
	test_map_load();
	test_link();
	test_proto();
	return done_testing();
}
