#include "cmd/list.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

/* In lists Docker reads \t and \n of the format itself, for shells that do not. */
static char *unescape(const char *format)
{
	struct str s = { 0 };

	for (; *format; format++) {
		if (format[0] == '\\' && (format[1] == 't' || format[1] == 'n'))
			str_addc(&s, *++format == 't' ? '\t' : '\n');
		else
			str_addc(&s, *format);
	}
	return str_take(&s);
}

/* Run the template over the finished row. */
static struct err *add_line(struct list *l)
{
	_cleanup_str_ struct str line = { 0 };
	_cleanup_json_ json *tree = NULL;
	_cleanup_free_ char *text = NULL;
	size_t len;
	struct err *e;

	json_close(&l->row, '}');
	text = json_out_take(&l->row, &len);
	if (l->as_json) {
		puts(text);
		return NULL;
	}
	e = json_parse(text, len, "row", &tree);
	e = e ?: template_run(l->template, tree, &line);
	if (e)
		return e;
	if (l->table)
		table_line(&l->lines, line.s ?: "");
	else
		puts(line.s ?: "");
	return NULL;
}

struct err *list_open(struct list *l, const char *format, const char *table, const struct column *columns)
{
	const char *after = format ? str_after(format, "table") : "";
	_cleanup_free_ char *text = NULL;
	struct err *e;

	*l = (struct list){ 0 };
	if (format && !strcmp(format, "json")) {
		l->as_json = true;
		return NULL;
	}
	l->table = after && (!*after || *after == ' ');
	if (!l->table)
		text = unescape(format);
	else if (*after)
		text = unescape(after + strspn(after, " "));
	l->format = text && *text ? TAKE_PTR(text) : xstrdup(table);
	e = template_parse(l->format, &l->template);
	if (e || !l->table)
		return e;
	list_row(l);
	for (; columns->key; columns++)
		json_put_str(&l->row, columns->key, columns->heading);
	return add_line(l);
}

void list_row(struct list *l)
{
	json_out_init(&l->row, false);
	json_open(&l->row, NULL, '{');
}

/* By the names behind the template's dots; a dot alone, or a variable, may mean everything, and .Label is .Labels'. */
bool list_wants(const struct list *l, const char *key)
{
	if (l->as_json || strchr(l->format, '$'))
		return true;
	for (const char *dot = strchr(l->format, '.'); dot; dot = strchr(dot + 1, '.')) {
		size_t n = 0;

		while (isalnum((unsigned char)dot[1 + n]) || dot[1 + n] == '_')
			n++;
		if (!strncmp(key, dot + 1, n)) /* also if n is 0 */
			return true;
	}
	return false;
}

void list_put(struct list *l, const char *key, const char *value)
{
	if (list_wants(l, key))
		json_put_str(&l->row, key, value);
}

struct err *list_end_row(struct list *l)
{
	return add_line(l);
}

void list_close(struct list *l)
{
	_cleanup_str_ struct str out = { 0 };

	if (l->table) {
		table_text(&l->lines, &out);
		fputs(out.s ?: "", stdout);
	}
	list_done(l);
}

void list_done(struct list *l)
{
	free(l->format);
	template_free(l->template);
	table_done(&l->lines);
	json_out_done(&l->row);
	*l = (struct list){ 0 };
}

struct err *print_formatted(const char *format, const char *text, size_t len)
{
	_cleanup_template_ struct template *t = NULL;
	_cleanup_str_ struct str out = { 0 };
	_cleanup_json_ json *tree = NULL;
	struct err *e;

	e = template_parse(strcmp(format, "json") ? format : "{{json .}}", &t);
	e = e ?: json_parse(text, len, "description", &tree);
	e = e ?: template_run(t, tree, &out);
	if (!e)
		puts(out.s ?: "");
	return e;
}
