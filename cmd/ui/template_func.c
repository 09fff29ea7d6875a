#include "cmd/ui/template_priv.h"

#include <stdio.h>
#include <stdlib.h>

const struct template_func template_funcs[F_MAX] = {
	[F_AND] = { "and", 1, ARGS_MAX },
	[F_EQ] = { "eq", 2, ARGS_MAX },
	[F_GE] = { "ge", 2, 2 },
	[F_GT] = { "gt", 2, 2 },
	[F_INDEX] = { "index", 1, ARGS_MAX },
	[F_JOIN] = { "join", 2, 2 },
	[F_JSON] = { "json", 1, 1 },
	[F_LE] = { "le", 2, 2 },
	[F_LEN] = { "len", 1, 1 },
	[F_LOWER] = { "lower", 1, 1 },
	[F_LT] = { "lt", 2, 2 },
	[F_NE] = { "ne", 2, 2 },
	[F_NOT] = { "not", 1, 1 },
	[F_OR] = { "or", 1, ARGS_MAX },
	[F_PAD] = { "pad", 3, 3 },
	[F_PRINT] = { "print", 0, ARGS_MAX },
	[F_PRINTF] = { "printf", 1, ARGS_MAX },
	[F_PRINTLN] = { "println", 0, ARGS_MAX },
	[F_SLICE] = { "slice", 1, 3 },
	[F_SPLIT] = { "split", 2, 2 },
	[F_TITLE] = { "title", 1, 1 },
	[F_TRUNCATE] = { "truncate", 2, 2 },
	[F_UPPER] = { "upper", 1, 1 },
};

static struct err *wrong_type(const struct func_call *c, const struct val *v)
{
	return template_error(c->text, c->at, "%s cannot take %s", template_funcs[c->func].name,
			      val_kind_word(v));
}

static struct err *func_index(const struct func_call *c, const struct val *args, size_t n,
			      struct val *ret)
{
	struct val v = args[0];

	for (size_t i = 1; i < n; i++) {
		const struct val *k = &args[i];

		if (val_is_list(&v)) {
			if (k->kind != V_INT)
				return wrong_type(c, k);
			if (k->i < 0 || (uint64_t)k->i >= val_len(&v))
				return template_error(c->text, c->at, "index out of range: %lld",
						      (long long)k->i);
			v = val_at(&v, (size_t)k->i);
		} else if (v.kind == V_JSON) {
			json *member;

			if (k->kind != V_STR)
				return wrong_type(c, k);
			member = json_get(v.j, k->s);
			if (!member && v.missing == MISSING_IS_EMPTY)
				v = val_str("");
			else
				v = val_json(member, k->s);
		} else if (v.kind == V_NONE) {
			return template_error(c->text, c->at, "index of untyped nil");
		} else {
			return wrong_type(c, &v);
		}
	}
	*ret = v;
	return NULL;
}

static struct err *compare(const struct func_call *c, const struct val *a, const struct val *b, int *ret)
{
	if (a->kind == V_INT && b->kind == V_INT)
		*ret = (a->i > b->i) - (a->i < b->i);
	else if (val_is_number(a) && val_is_number(b))
		*ret = (val_double(a) > val_double(b)) - (val_double(a) < val_double(b));
	else if (a->kind == V_STR && b->kind == V_STR)
		*ret = strcmp(a->s, b->s);
	else if (a->kind == V_BOOL && b->kind == V_BOOL)
		*ret = a->b - b->b;
	else if (a->kind == V_NONE || b->kind == V_NONE)
		*ret = a->kind != b->kind;
	else
		return template_error(c->text, c->at, "incompatible types for comparison: %s and %s",
				      val_kind_word(a), val_kind_word(b));
	return NULL;
}

static struct err *func_compare(const struct func_call *c, const struct val *args, size_t n,
				struct val *ret)
{
	enum func f = c->func;
	int d = 0;
	struct err *e = compare(c, &args[0], &args[1], &d);
	bool yes = f == F_LT   ? d < 0
		   : f == F_LE ? d <= 0
		   : f == F_GT ? d > 0
		   : f == F_GE ? d >= 0
		   : f == F_NE ? d != 0
			       : d == 0;

	for (size_t i = 2; !e && !yes && i < n; i++) { /* eq takes more than two */
		e = compare(c, &args[0], &args[i], &d);
		yes = d == 0;
	}
	*ret = val_bool(yes);
	return e;
}

/* One verb of printf at FMT (behind the %) for ARG; returns where it ends. */
static const char *print_verb(const struct func_call *c, const char *fmt, const struct val *arg,
			      struct str *out)
{
	_cleanup_str_ struct str text = { 0 };
	bool left = false, zero = false, plus = false;
	long width = 0, prec = -1;
	char *end;
	size_t pad;

	for (; *fmt && strchr("-+# 0", *fmt); fmt++) {
		left |= *fmt == '-';
		zero |= *fmt == '0';
		plus |= *fmt == '+';
	}
	if (isdigit((unsigned char)*fmt)) {
		width = strtol(fmt, &end, 10);
		fmt = end;
	}
	if (*fmt == '.') {
		fmt++;
		prec = 0;
		if (isdigit((unsigned char)*fmt)) {
			prec = strtol(fmt, &end, 10);
			fmt = end;
		}
	}
	width = width > PAD_MAX ? PAD_MAX : width;
	prec = prec > 100 ? 100 : prec;
	if (!arg) {
		str_addf(&text, "%%!%c(MISSING)", *fmt ? *fmt : '?');
	} else if (*fmt == 'q') {
		struct json_out o;
		_cleanup_free_ char *quoted = NULL;
		_cleanup_str_ struct str plain = { 0 };

		val_print(c->arena, arg, true, &plain);
		json_out_init(&o, false);
		json_put_str(&o, NULL, plain.s ?: "");
		quoted = json_out_take(&o, NULL);
		str_add(&text, quoted);
	} else if (*fmt && strchr("feEgG", *fmt) && val_is_number(arg)) {
		double v = val_double(arg);
		int digits = prec < 0 ? 6 : (int)prec;

		str_add(&text, plus && v >= 0 ? "+" : "");
		if (*fmt == 'f')
			str_addf(&text, "%.*f", digits, v);
		else if ((*fmt | 32) == 'e')
			str_addf(&text, "%.*e", digits, v);
		else
			str_addf(&text, "%.*g", prec < 0 ? 15 : digits, v);
	} else if (*fmt && strchr("xXoc", *fmt) && arg->kind == V_INT) {
		unsigned long long v = (unsigned long long)arg->i;

		if (*fmt == 'c')
			template_add_utf8(&text, v && v < 0x110000 ? (unsigned)v : 0xfffd);
		else if (*fmt == 'o')
			str_addf(&text, "%llo", v);
		else if (*fmt == 'x')
			str_addf(&text, "%llx", v);
		else
			str_addf(&text, "%llX", v);
	} else if (*fmt && strchr("svdt", *fmt)) {
		str_add(&text, plus && arg->kind == V_INT && arg->i >= 0 ? "+" : "");
		val_print(c->arena, arg, true, &text);
		if (prec >= 0 && arg->kind == V_STR && text.len > (size_t)prec)
			text.s[text.len = (size_t)prec] = '\0';
	} else {
		str_addf(&text, "%%!%c(", *fmt ? *fmt : '?');
		val_print(c->arena, arg, true, &text);
		str_addc(&text, ')');
	}
	pad = text.len < (size_t)width ? (size_t)width - text.len : 0;
	for (size_t i = 0; !left && i < pad; i++)
		str_addc(out, zero && arg && val_is_number(arg) ? '0' : ' ');
	str_add(out, text.s ?: "");
	for (size_t i = 0; left && i < pad; i++)
		str_addc(out, ' ');
	return *fmt ? fmt + 1 : fmt;
}

static void func_printf(const struct func_call *c, const struct val *args, size_t n, struct str *out)
{
	size_t next = 1;

	for (const char *p = args[0].s; *p;) {
		if (*p != '%') {
			str_addc(out, *p++);
		} else if (p[1] == '%') {
			str_addc(out, '%');
			p += 2;
		} else {
			p = print_verb(c, p + 1, next < n ? &args[next] : NULL, out);
			next++;
		}
	}
	for (; next < n; next++) {
		str_add(out, "%!(EXTRA ");
		val_print(c->arena, &args[next], true, out);
		str_addc(out, ')');
	}
}

/* print sets blanks between operands when neither is a string, println always. */
static void func_print(const struct func_call *c, enum func f, const struct val *args, size_t n,
		       struct str *out)
{
	for (size_t i = 0; i < n; i++) {
		if (i && (f == F_PRINTLN || (args[i].kind != V_STR && args[i - 1].kind != V_STR)))
			str_addc(out, ' ');
		val_print(c->arena, &args[i], true, out);
	}
	if (f == F_PRINTLN)
		str_addc(out, '\n');
}

static void change_case(enum func f, const char *s, struct str *out)
{
	bool start = true;

	for (; *s; s++) {
		int c = (unsigned char)*s;

		if (f == F_UPPER || (f == F_TITLE && start))
			c = toupper(c);
		else if (f == F_LOWER)
			c = tolower(c);
		str_addc(out, (char)c);
		start = !template_is_name(*s);
	}
}

static struct err *func_split(const struct func_call *c, const struct val *args, struct val *ret)
{
	const char *s = args[0].s, *sep = args[1].s;
	size_t n = 1, len = strlen(sep), i = 0;
	struct val *list;

	for (const char *p = s; *p && (p = len ? strstr(p, sep) : p); p += len ?: 1)
		n++;
	if (!len && n > 1)
		n--;
	list = arena_alloc(c->arena, n * sizeof(*list));
	for (;;) {
		const char *hit = len ? strstr(s, sep) : *s ? s + 1 : NULL;

		if (!len && hit && !*hit)
			hit = NULL;
		list[i++] = val_str(arena_strn(c->arena, s, hit ? (size_t)(hit - s) : strlen(s)));
		if (!hit)
			break;
		s = hit + len;
	}
	*ret = (struct val){ .kind = V_LIST, .list = list, .n = i };
	return NULL;
}

static struct err *func_slice(const struct func_call *c, const struct val *args, size_t n,
			      struct val *ret)
{
	size_t len = val_len(&args[0]), from = 0, to = len;
	struct val *list;

	if (args[0].kind != V_STR && !val_is_list(&args[0]))
		return wrong_type(c, &args[0]);
	for (size_t i = 1; i < n; i++) {
		if (args[i].kind != V_INT)
			return wrong_type(c, &args[i]);
		if (args[i].i < 0 || (uint64_t)args[i].i > len)
			return template_error(c->text, c->at, "index out of range: %lld",
					      (long long)args[i].i);
		*(i == 1 ? &from : &to) = (size_t)args[i].i;
	}
	if (from > to)
		return template_error(c->text, c->at, "invalid slice index: %zu > %zu", from, to);
	if (args[0].kind == V_STR) {
		*ret = val_str(arena_strn(c->arena, args[0].s + from, to - from));
		return NULL;
	}
	list = arena_alloc(c->arena, (to - from + 1) * sizeof(*list));
	for (size_t i = from; i < to; i++)
		list[i - from] = val_at(&args[0], i);
	*ret = (struct val){ .kind = V_LIST, .list = list, .n = to - from };
	return NULL;
}

/* Functions whose result is a string. */
static struct err *func_text(const struct func_call *c, const struct val *args, size_t n, struct val *ret)
{
	enum func f = c->func;
	_cleanup_str_ struct str s = { 0 };

	switch (f) {
	case F_PRINTF:
		if (args[0].kind != V_STR)
			return wrong_type(c, &args[0]);
		func_printf(c, args, n, &s);
		break;
	case F_JSON: {
		struct json_out o;
		_cleanup_free_ char *text = NULL;

		json_out_init(&o, false);
		val_json_put(&o, &args[0]);
		text = json_out_take(&o, NULL);
		str_add(&s, text);
		break;
	}
	case F_LOWER:
	case F_UPPER:
	case F_TITLE:
		if (args[0].kind != V_STR)
			return wrong_type(c, &args[0]);
		change_case(f, args[0].s, &s);
		break;
	case F_JOIN:
		if (!val_is_list(&args[0]) || args[1].kind != V_STR)
			return wrong_type(c, val_is_list(&args[0]) ? &args[1] : &args[0]);
		for (size_t i = 0; i < val_len(&args[0]); i++) {
			struct val item = val_at(&args[0], i);

			str_add(&s, i ? args[1].s : "");
			val_print(c->arena, &item, true, &s);
		}
		break;
	case F_PAD:
		if (args[0].kind != V_STR || args[1].kind != V_INT || args[2].kind != V_INT)
			return wrong_type(c, args[0].kind != V_STR   ? &args[0]
					     : args[1].kind != V_INT ? &args[1]
								     : &args[2]);
		if (*args[0].s) {
			str_addf(&s, "%*s",
				 (int)(args[1].i < 0	     ? 0
				       : args[1].i > PAD_MAX ? PAD_MAX
							     : args[1].i),
				 "");
			str_add(&s, args[0].s);
			str_addf(&s, "%*s",
				 (int)(args[2].i < 0	     ? 0
				       : args[2].i > PAD_MAX ? PAD_MAX
							     : args[2].i),
				 "");
		}
		break;
	case F_TRUNCATE:
		if (args[0].kind != V_STR || args[1].kind != V_INT)
			return wrong_type(c, args[0].kind != V_STR ? &args[0] : &args[1]);
		str_addn(&s, args[0].s, strnlen(args[0].s, args[1].i < 0 ? 0 : (size_t)args[1].i));
		break;
	default: /* print, println */
		func_print(c, f, args, n, &s);
		break;
	}
	*ret = val_str(arena_strn(c->arena, s.s ?: "", s.len));
	return NULL;
}

struct err *template_call(const struct func_call *c, const struct val *args, size_t n, struct val *ret)
{
	enum func f = c->func;

	if (n < template_funcs[f].min || n > template_funcs[f].max)
		return template_error(c->text, c->at,
				      "wrong number of arguments for %s: want %s%u got %zu",
				      template_funcs[f].name,
				      template_funcs[f].max > template_funcs[f].min ? "at least " : "",
				      template_funcs[f].min, n);
	switch (f) {
	case F_NOT:
		*ret = val_bool(!val_is_true(&args[0]));
		return NULL;
	case F_LEN:
		if (args[0].kind != V_STR && args[0].kind != V_JSON && args[0].kind != V_LIST)
			return wrong_type(c, &args[0]);
		*ret = val_int((int64_t)val_len(&args[0]));
		return NULL;
	case F_INDEX:
		return func_index(c, args, n, ret);
	case F_SLICE:
		return func_slice(c, args, n, ret);
	case F_SPLIT:
		if (args[0].kind != V_STR || args[1].kind != V_STR)
			return wrong_type(c, args[0].kind != V_STR ? &args[0] : &args[1]);
		return func_split(c, args, ret);
	case F_EQ:
	case F_NE:
	case F_LT:
	case F_LE:
	case F_GT:
	case F_GE:
		return func_compare(c, args, n, ret);
	default:
		return func_text(c, args, n, ret);
	}
}
