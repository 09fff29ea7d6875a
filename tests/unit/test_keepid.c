#include "core/box/keepid.h"

#include "tests/lib/tap.h"

#define UNKNOWN "it is not supported: keep-id[:uid=UID,gid=GID] and host are"

static void test_parse(void)
{
	static const struct {
		const char *in;
		uint32_t uid, gid;
		const char *err;
	} cases[] = {
		{ "keep-id", 1000, 100, NULL },
		{ "keep-id:", 1000, 100, NULL },
		{ "keep-id:uid=5", 5, 100, NULL },
		{ "keep-id:gid=6", 1000, 6, NULL },
		{ "keep-id:uid=5,gid=6", 5, 6, NULL },
		{ "keep-id:uid=0,gid=0", 0, 0, NULL },
		{ "keep-id:size=1", 0, 0, "size=1: keep-id takes uid=UID and gid=GID" },
		{ "keep-id:uid=x", 0, 0, "uid=x: 'x' is not a number from 0 to 2147483647" },
		{ "keep-id:uid=-1", 0, 0, "uid=-1: '-1' is not a number from 0 to 2147483647" },
		{ "keep-id:uid=4294967295", 0, 0,
		  "uid=4294967295: '4294967295' is not a number from 0 to 2147483647" },
		{ "keep-ids", 0, 0, UNKNOWN },
		{ "auto", 0, 0, UNKNOWN },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint32_t uid = 0, gid = 0;

		is_err(keepid_parse(cases[i].in, 1000, 100, &uid, &gid), cases[i].err, "%s",
		       cases[i].in);
		if (cases[i].err)
			continue;
		is_int(uid, cases[i].uid, "%s: uid", cases[i].in);
		is_int(gid, cases[i].gid, "%s: gid", cases[i].in);
	}
}

static uint32_t outside(const struct id_range *r, size_t n, uint32_t id)
{
	for (size_t i = 0; i < n; i++)
		if (id >= r[i].inside && id - r[i].inside < r[i].count)
			return r[i].outside + (id - r[i].inside);
	return UINT32_MAX;
}

/* Every id outside has one place inside, and no place inside is used twice. */
static void check(const struct userns_ids *from, uint32_t kept, uint32_t total)
{
	struct userns_ids to;
	uint64_t sum = 0;
	bool apart = true;

	userns_ids_keep(from, kept, kept, &to);
	ok(to.n_uid <= USERNS_RANGES_MAX && to.n_gid == to.n_uid, "%u: as many ranges as fit", kept);
	for (size_t i = 0; i < to.n_uid; i++) {
		sum += to.uid[i].count;
		for (size_t k = 0; k < i; k++)
			apart = apart &&
				(to.uid[i].inside >= to.uid[k].inside + to.uid[k].count ||
				 to.uid[k].inside >= to.uid[i].inside + to.uid[i].count) &&
				(to.uid[i].outside >= to.uid[k].outside + to.uid[k].count ||
				 to.uid[k].outside >= to.uid[i].outside + to.uid[i].count);
	}
	ok(apart, "%u: no id twice", kept);
	is_int((int64_t)sum, total, "%u: none is lost", kept);
	is_int(outside(to.uid, to.n_uid, kept), 1000, "%u: the caller", kept);
	if (kept)
		is_int(outside(to.uid, to.n_uid, 0), 100000, "%u: root", kept);
	is_int(outside(to.gid, to.n_gid, kept), 100, "%u: the caller's group", kept);
}

static void test_ids(void)
{
	struct userns_ids from = {
		.n_uid = 3,
		.n_gid = 3,
		.uid = { { 0, 1000, 1 }, { 1, 100000, 500 }, { 501, 300000, 65536 } },
		.gid = { { 0, 100, 1 }, { 1, 100000, 500 }, { 501, 300000, 65536 } },
	};
	static const uint32_t kept[] = { 0, 1, 499, 500, 501, 1000, 66036, 66037, 1000000 };
	struct userns_ids to;

	for (size_t i = 0; i < ARRAY_LEN(kept); i++)
		check(&from, kept[i], 66037);
	userns_ids_keep(&from, 1000, 100, &to);
	is_int(outside(to.uid, to.n_uid, 499), 100499, "below the split");
	is_int(outside(to.uid, to.n_uid, 500), 300000, "the second range");
	is_int(outside(to.uid, to.n_uid, 1001), 300500, "behind the caller");
}

int main(void)
{
	test_parse();
	test_ids();
	return done_testing();
}
