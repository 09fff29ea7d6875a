#include "core/base/json.h"

#include "tests/lib/tap.h"

static const struct {
	const char *text, *err;
} bad[] = {
	{ "", "x: malformed JSON: *" },
	{ "{", "x: malformed JSON: *" },
	{ "{\"a\":1}}", "x: malformed JSON: *" },
	{ "{\"a\":1,}", "x: malformed JSON: *" },
	{ "[1 2]", "x: malformed JSON: *" },
	{ "{\"a\": \"\xe4\"}", "x: malformed JSON: *" },
	{ "/* \" */ {}", "x: malformed JSON: a comment" },
	{ "{} // end", "x: malformed JSON: a comment" },
	{ "{\"a\":\"\n\"}", "x: malformed JSON: *" },
};

static void test_bad(void)
{
	_cleanup_str_ struct str deep = { 0 };
	json *j = NULL;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		is_err(json_parse(bad[i].text, strlen(bad[i].text), "x", &j), bad[i].err, "'%s'",
		       bad[i].text);
	is_err(json_parse("[1\0]", 4, "x", &j), "x: malformed JSON: a NUL byte", "NUL");
	str_add(&deep, "/*\"*/");
	for (int i = 0; i < 100000; i++)
		str_addc(&deep, '[');
	is_err(json_parse(deep.s, deep.len, "x", &j), "x: malformed JSON: a comment",
	       "nesting behind a comment");
	is_err(json_parse(deep.s + 5, deep.len - 5, "x", &j),
	       "x: malformed JSON: nested more than 64 levels", "nesting");
	str_done(&deep);
	for (int i = 0; i < 64; i++)
		str_addc(&deep, '[');
	for (int i = 0; i < 64; i++)
		str_addc(&deep, ']');
	is_err(json_parse(deep.s, deep.len, "x", &j), NULL, "64 levels are allowed");
	json_free(j);
	str_done(&deep);
	for (int i = 0; i < 1000; i++)
		str_add(&deep, i ? ",[]" : "[[]");
	str_add(&deep, ",\"[[\\\"[[\"]");
	is_err(json_parse(deep.s, deep.len, "x", &j), NULL,
	       "brackets side by side or in strings are not nesting");
	json_free(j);
}

static void test_getters(void)
{
	static const char text[] =
		"{\"s\": \"a/b\\u00e4\", \"n\": -12, \"big\": 99999999999999999999, \"f\": 1.5,"
		" \"t\": true, \"z\": null, \"l\": [\"x\", 1, \"y\"], \"o\": {\"k\": \"v\"}}";
	_cleanup_json_ json *j = NULL;
	_cleanup_strv_ struct strv l = { 0 };
	const char *digits = NULL;
	json *v = NULL;
	bool b = false;

	is_err(json_parse(text, strlen(text), "x", &j), NULL, "an object of everything");
	is_str(json_str(j, "s"), "a/b\xc3\xa4", "string");
	is_str(json_str(j, "n"), NULL, "a number is no string");
	is_str(json_str(j, "none"), NULL, "absent");
	is_str(json_str(NULL, "s"), NULL, "of nothing");
	is_int(json_int(j, "n", 5), -12, "number");
	is_int(json_int(j, "big", 5), 5, "too big a number");
	is_int(json_int(j, "f", 5), 5, "a fraction is no integer");
	is_int(json_int(j, "s", 5), 5, "a string is no integer");
	ok(json_is_number(json_get(j, "big"), &digits), "big is a number");
	is_str(digits, "99999999999999999999", "as written");
	ok(json_bool(j, "t", false) && json_bool(j, "s", true), "truth, and a default");
	ok(json_is_bool(json_get(j, "t"), &b) && b && !json_is_bool(json_get(j, "z"), &b), "is_bool");
	ok(json_is_null(json_get(j, "z")) && json_is_null(json_get(j, "none")), "null or absent");
	json_strv(j, "l", &l);
	json_strv(j, "s", &l);
	is_int(l.n, 2, "strings of an array, others left out");
	is_int(json_len(json_get(j, "l")), 3, "length of an array");
	is_int(json_len(j), 8, "of an object");
	is_int(json_len(json_get(j, "s")), 0, "of anything else");
	ok(!json_at(json_get(j, "l"), 3) && !json_at(j, 0), "nothing behind the end");
	is_str(json_key_at(json_get(j, "o"), 0, &v), "k", "first key");
	is_str(json_text(v), "v", "first value");
	is_str(json_key_at(json_get(j, "o"), 1, &v), NULL, "no second");
}

static void test_writing(void)
{
	static const char want[] =
		"{\"s\":\"q\\\"\\\\\\n\\u0001/\",\"bad\":\"a\xef\xbf\xbd\xef\xbf\xbd z\","
		"\"none\":null,\"n\":-9223372036854775808,\"b\":false,\"l\":[\"x\",[]],\"o\":{}}";
	_cleanup_strv_ struct strv x = { 0 }, none = { 0 };
	_cleanup_free_ char *text = NULL, *again = NULL;
	struct json_out o;
	json *j = NULL;
	size_t len;

	strv_add(&x, "x");
	json_out_init(&o, false);
	json_open(&o, NULL, '{');
	json_put_str(&o, "s", "q\"\\\n\x01/");
	json_put_str(&o, "bad", "a\xe2\x82 z"); /* cut: each byte is replaced */
	json_put_str(&o, "none", NULL);
	json_put_int(&o, "n", INT64_MIN);
	json_put_bool(&o, "b", false);
	json_open(&o, "l", '[');
	json_put_str(&o, NULL, x.v[0]);
	json_put_strv(&o, NULL, &none);
	json_close(&o, ']');
	json_open(&o, "o", '{');
	json_close(&o, '}');
	json_close(&o, '}');
	text = json_out_take(&o, &len);
	is_str(text, want, "written");
	is_int(len, strlen(want), "its length");

	is_err(json_parse(text, len, "x", &j), NULL, "read back");
	json_out_init(&o, false);
	json_put(&o, NULL, j);
	again = json_out_take(&o, &len);
	is_str(again, want, "and written again");
	json_free(j);
}

static void test_pretty_empty(void)
{
	_cleanup_free_ char *text = NULL;
	struct json_out o;

	json_out_init(&o, true);
	json_open(&o, NULL, '{');
	json_open(&o, "a", '[');
	json_close(&o, ']');
	json_open(&o, "b", '[');
	json_open(&o, NULL, '{');
	json_close(&o, '}');
	json_close(&o, ']');
	json_put_str(&o, "c", "[\n  ] \\\" {\n}");
	json_close(&o, '}');
	text = json_out_take(&o, NULL);
	is_str(text,
	       "{\n    \"a\": [],\n    \"b\": [\n        {}\n    ],\n"
	       "    \"c\": \"[\\n  ] \\\\\\\" {\\n}\"\n}\n",
	       "what is empty has its brackets side by side; texts stay");
}

int main(void)
{
	test_pretty_empty();
	test_bad();
	test_getters();
	test_writing();
	return done_testing();
}
