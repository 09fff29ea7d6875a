/* --filter: alternatives of one key, all of several keys. */
#include "cmd/filter.h"
#include "tests/lib/tap.h"

static bool is_same(const char *value, const void *of)
{
	return !strcmp(value, of);
}

int main(void)
{
	static const char *const known[] = { "name", "label", NULL };
	_cleanup_strv_ struct strv none = { 0 }, f = { 0 }, bad = { 0 }, half = { 0 },
				   labels = { 0 }, more = { 0 };

	strv_add(&f, "name=a");
	strv_add(&f, "name=b=c");
	strv_add(&f, "label=x");
	strv_add(&f, "label=y=1");
	is_err(filters_check(&none, known), NULL, "no filter");
	is_err(filters_check(&f, known), NULL, "known ones");
	strv_add(&bad, "nam=a");
	is_err(filters_check(&bad, known), "invalid filter 'nam' (hint: known: name, label)",
	       "an unknown one");
	strv_add(&half, "name");
	is_err(filters_check(&half, known), "invalid filter 'name': it must be key=value", "no value");

	ok(filters_pass(&none, "name", is_same, "z"), "no filter of this key");
	ok(filters_pass(&f, "id", is_same, "z"), "filters of other keys");
	ok(filters_pass(&f, "name", is_same, "a"), "the first alternative");
	ok(filters_pass(&f, "name", is_same, "b=c"), "the second one, with = in it");
	ok(!filters_pass(&f, "name", is_same, "z"), "none of them");

	strv_add(&labels, "x=anything");
	ok(!filters_labels(&f, &labels), "one label of two");
	strv_add(&labels, "y=2");
	ok(!filters_labels(&f, &labels), "another value");
	strv_copy(&more, &labels);
	strv_add(&more, "y=1");
	ok(filters_labels(&f, &more), "both");
	ok(filters_labels(&none, &none), "none asked for");
	return done_testing();
}
