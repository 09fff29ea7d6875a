/* The resolved project as text, in the form `docker compose config` has. */
#include <ctype.h>
#include <openssl/sha.h>

#include "core/base/json.h"
#include "core/compose/file.h"
#include "core/compose/model.h"
#include "core/compose/schema.h"

/* --- which members, in which order ------------------------------------------------------------ */

/* Does a value say nothing, so that it is left out? */
static bool is_nothing(const struct key *k, const struct node *n)
{
	if (!k)
		return false;
	if (k->flags & KEY_KEEP)
		return n->kind == NODE_NULL && k->type != KEY_OBJECT;
	switch (n->kind) {
	case NODE_NULL:
		return !(k->flags & KEY_NULL);
	case NODE_BOOL:
		return !strcmp(n->text, "false");
	case NODE_INT:
	case NODE_FLOAT:
		return !strcmp(n->text, "0");
	case NODE_STR:
		return !*n->text || (k->type == KEY_BYTES && !strcmp(n->text, "0"));
	default:
		return !n->n;
	}
}

struct shown {
	const char *key;
	const struct key *type;
	const struct node *value;
};

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct shown *)a)->key, ((const struct shown *)b)->key);
}

/* Members of MAP to print: the table's order for what the table knows, else by name; x-* last. */
static struct shown *shown_of(const struct key *k, const struct node *map, size_t *ret_n)
{
	struct shown *out = xcalloc(map->n + 1, sizeof(*out));
	size_t n = 0, first;
	bool table = k && k->type == KEY_OBJECT;
	bool values = k && (k->type == KEY_MAP);

	if (table)
		for (const struct key *sub = k->sub; sub->name; sub++) {
			const struct node *v = node_get(map, sub->name);

			if (v && !is_nothing(sub, v))
				out[n++] = (struct shown){ sub->name, sub, v };
		}
	first = n;
	for (size_t i = 0; i < map->n; i++)
		if (!table || str_starts(map->m[i].key, "x-"))
			out[n++] = (struct shown){ map->m[i].key, values ? k->sub : NULL,
						   map->m[i].value };
	qsort(out + first, n - first, sizeof(*out), by_name);
	*ret_n = n;
	return out;
}

/* --- YAML ------------------------------------------------------------------------------------- */

/* Must the plain TEXT be quoted, because it would be read as something else than a string? */
static bool reads_as_other(const char *text)
{
	static const char *const old[] = { "y", "Y", "yes", "Yes", "YES", "on",	 "On",	"ON",
					   "n", "N", "no",  "No",  "NO",  "off", "Off", "OFF" };
	struct arena a = { 0 };
	const char *plain;
	bool other = yaml_resolve(&a, text, &plain) != NODE_STR || !strcmp(text, "<<");
	const char *s = text + (*text == '-' || *text == '+');

	arena_done(&a);
	for (size_t i = 0; i < ARRAY_LEN(old); i++)
		other = other || !strcmp(text, old[i]);
	/* sexagesimal numbers of YAML 1.1: 22:22 */
	if (isdigit((unsigned char)*s)) {
		size_t groups = 0;

		while (isdigit((unsigned char)*s) || *s == '_')
			s++;
		while (*s == ':' && isdigit((unsigned char)s[1])) {
			s += isdigit((unsigned char)s[2]) && s[1] < '6' ? 3 : 2;
			groups++;
		}
		if (groups && *s == '.')
			for (s++; isdigit((unsigned char)*s) || *s == '_'; s++)
				;
		other = other || (groups && !*s);
	}
	/* a date: 2001-12-14 and longer */
	if (strlen(text) >= 8 && isdigit((unsigned char)text[0]) &&
	    isdigit((unsigned char)text[3]) && text[4] == '-' && isdigit((unsigned char)text[5])) {
		unsigned y, m, d;
		int used = 0;

		if (sscanf(text, "%4u-%2u-%2u%n", &y, &m, &d, &used) == 3 && used &&
		    (!text[used] || strchr("Tt \t", text[used])) && m >= 1 && m <= 12 && d >= 1 &&
		    d <= 31)
			other = true;
	}
	return other;
}

/* May TEXT stand without quotes? */
static bool may_be_plain(const char *text)
{
	size_t len = strlen(text);

	if (!len || text[0] == ' ' || text[len - 1] == ' ' || !strncmp(text, "---", 3) ||
	    !strncmp(text, "...", 3))
		return false;
	if (strchr("#,[]{}&*!|>'\"%@`", text[0]))
		return false;
	if (strchr("-?:", text[0]) && (text[1] == ' ' || !text[1] || text[1] == '\t'))
		return false;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c < 0x20 || c == 0x7f)
			return false;
		if (c == ':' && (text[i + 1] == ' ' || !text[i + 1]))
			return false;
		if (c == '#' && i && (text[i - 1] == ' ' || text[i - 1] == '\t'))
			return false;
	}
	return true;
}

/* A tab is welcome in a block of lines. */
static bool needs_escapes(const char *text)
{
	bool lines = strchr(text, '\n') != NULL;

	for (; *text; text++)
		if (((unsigned char)*text < 0x20 && *text != '\n' && (*text != '\t' || !lines)) ||
		    *text == 0x7f)
			return true;
	return false;
}

static void double_quoted(const char *text, struct str *out)
{
	str_addc(out, '"');
	for (; *text; text++) {
		static const char from[] = "\a\b\t\n\v\f\r\033\"\\", to[] = "abtnvfre\"\\";
		const char *known = strchr(from, *text);

		if (known)
			str_addf(out, "\\%c", to[known - from]);
		else if ((unsigned char)*text < 0x20 || *text == 0x7f)
			str_addf(out, "\\x%02X", (unsigned char)*text);
		else
			str_addc(out, *text);
	}
	str_addc(out, '"');
}

static void single_quoted(const char *text, struct str *out)
{
	str_addc(out, '\'');
	for (; *text; text++) {
		if (*text == '\'')
			str_addc(out, '\'');
		str_addc(out, *text);
	}
	str_addc(out, '\'');
}

/* A block of lines: "|-", "|", "|+" by what stands at its end. */
static void literal(const char *text, unsigned indent, struct str *out)
{
	size_t len = strlen(text);

	str_addc(out, '|');
	if (text[0] == ' ' || text[0] == '\n')
		str_addc(out, '2');
	if (text[len - 1] != '\n')
		str_addc(out, '-');
	else if (len == 1 || text[len - 2] == '\n')
		str_addc(out, '+');
	while (*text) {
		size_t n = strcspn(text, "\n");

		str_addf(out, "\n%*s%.*s", n ? (int)indent : 0, "", (int)n, text);
		text += n + (text[n] == '\n');
	}
}

static bool may_be_literal(const char *text)
{
	for (const char *s = text; *s; s++)
		if (*s == ' ' && s[1] == '\n')
			return false;
	return text[strlen(text) - 1] != ' ';
}

static void yaml_string(const char *text, unsigned indent, bool key, struct str *out)
{
	if (needs_escapes(text))
		double_quoted(text, out);
	else if (strchr(text, '\n') && !key && may_be_literal(text))
		literal(text, indent, out);
	else if (strchr(text, '\n') || reads_as_other(text))
		double_quoted(text, out);
	else if (may_be_plain(text))
		str_add(out, text);
	else
		single_quoted(text, out);
}

static void yaml_value(const struct key *k, const struct node *n, unsigned indent, bool in_list,
		       struct str *out);

static void yaml_map(const struct key *k, const struct node *n, unsigned indent, bool in_list,
		     struct str *out)
{
	size_t len;
	_cleanup_free_ struct shown *show = shown_of(k, n, &len);

	if (!len)
		str_add(out, in_list ? "{}" : " {}");
	for (size_t i = 0; i < len; i++) {
		if (i || !in_list)
			str_addf(out, "\n%*s", (int)indent, "");
		yaml_string(show[i].key, indent, true, out);
		str_addc(out, ':');
		yaml_value(show[i].type, show[i].value, indent + 2, false, out);
	}
}

/* Behind "key:" or "- ". */
static void yaml_value(const struct key *k, const struct node *n, unsigned indent, bool in_list,
		       struct str *out)
{
	const char *gap = in_list ? "" : " ";

	switch (n->kind) {
	case NODE_NULL:
		str_addf(out, "%snull", gap);
		return;
	case NODE_STR:
		str_add(out, gap);
		yaml_string(n->text, indent, false, out);
		return;
	case NODE_MAP:
		yaml_map(k, n, indent, in_list, out);
		return;
	case NODE_LIST:
		if (!n->n)
			str_addf(out, "%s[]", gap);
		for (size_t i = 0; i < n->n; i++) {
			const struct key *sub = k && k->type == KEY_LIST ? k->sub : NULL;

			if (i || !in_list)
				str_addf(out, "\n%*s", (int)indent, "");
			str_add(out, "- ");
			yaml_value(sub, n->m[i].value, indent + 2, true, out);
		}
		return;
	default:
		str_addf(out, "%s%s", gap, n->text);
	}
}

void node_yaml(const struct node *map, struct str *out)
{
	yaml_map(NULL, map, 0, true, out);
	str_addc(out, '\n');
}

/* --- JSON ------------------------------------------------------------------------------------- */

static void json_value(const struct key *k, const char *name, const struct node *n, struct json_out *o)
{
	switch (n->kind) {
	case NODE_NULL:
		json_put_null(o, name);
		return;
	case NODE_BOOL:
		json_put_bool(o, name, !strcmp(n->text, "true"));
		return;
	case NODE_INT:
		json_put_int(o, name, strtoll(n->text, NULL, 10));
		return;
	case NODE_FLOAT: {
		json *number = NULL;

		/* as it is written: it went through float_text() */
		err_free(json_parse(n->text, strlen(n->text), "number", &number));
		if (number)
			json_put(o, name, number);
		else
			json_put_str(o, name, n->text);
		json_free(number);
		return;
	}
	case NODE_STR:
		json_put_str(o, name, n->text);
		return;
	case NODE_LIST:
		json_open(o, name, '[');
		for (size_t i = 0; i < n->n; i++)
			json_value(k && k->type == KEY_LIST ? k->sub : NULL, NULL, n->m[i].value, o);
		json_close(o, ']');
		return;
	default: {
		size_t len;
		_cleanup_free_ struct shown *show = shown_of(k, n, &len);

		json_open(o, name, '{');
		for (size_t i = 0; i < len; i++)
			json_value(show[i].type, show[i].key, show[i].value, o);
		json_close(o, '}');
	}
	}
}

/* --- the project ------------------------------------------------------------------------------ */

/* "$" becomes "$$": what is printed can be read again. */
static char *escape_dollars(const char *text)
{
	struct str s = { 0 };

	str_add(&s, "");
	for (; *text; text++) {
		if (*text == '$')
			str_addc(&s, '$');
		str_addc(&s, *text);
	}
	return str_take(&s);
}

/* Is the network, volume, secret or config KEY of section IN named by a service that is enabled? */
static bool is_used(const struct project *p, const char *in, const char *key)
{
	for (size_t i = 0; i < p->n_services; i++) {
		const struct node *s = p->services[i].node, *list = node_get(s, in),
				  *build = node_get(node_get(s, "build"), in);

		if (!p->services[i].enabled)
			continue;
		if (node_is(list, NODE_MAP) && node_member(list, key))
			return true;
		for (size_t k = 0; node_is(list, NODE_LIST) && k < list->n; k++)
			if (str_eq(node_str(list->m[k].value, "source"), key) &&
			    (strcmp(in, "volumes") ||
			     str_eq(node_str(list->m[k].value, "type"), "volume")))
				return true;
		for (size_t k = 0; k < node_len(build); k++)
			if (str_eq(node_str(build->m[k].value, "source"), key))
				return true;
	}
	return false;
}

struct node *project_used(const struct project *p, struct arena *a)
{
	static const char *const sections[] = { "networks", "volumes", "secrets", "configs" };
	struct node *root = node_clone(a, p->root), *services = node_get(root, "services");

	for (size_t i = 0; i < p->n_services; i++)
		if (!p->services[i].enabled)
			node_del(services, p->services[i].name);
	for (size_t k = 0; k < ARRAY_LEN(sections); k++) {
		struct node *all = node_get(root, sections[k]);

		for (size_t i = 0; i < node_len(all); i++)
			if (!p->all_resources && !is_used(p, sections[k], all->m[i].key))
				node_del_at(all, i--);
	}
	return root;
}

char *project_text(const struct project *p, enum config_format f)
{
	struct arena a = { 0 };
	const struct node *root = project_used(p, &a);
	_cleanup_free_ char *text = NULL;

	if (f == CONFIG_JSON) {
		struct json_out o;

		json_out_init(&o, true);
		json_value(&schema_root, NULL, root, &o);
		text = json_out_take(&o, NULL);
	} else {
		struct str s = { 0 };

		yaml_map(&schema_root, root, 0, true, &s);
		str_addc(&s, '\n');
		text = str_take(&s);
	}
	arena_done(&a);
	return p->raw ? TAKE_PTR(text) : escape_dollars(text);
}

/* What the secrets and configs hold that S uses, as far as the project itself knows it. */
static void add_contents(const struct project *p, const struct service *s, struct arena *a,
			 struct node *to)
{
	static const char *const sections[] = { "secrets", "configs" };
	struct node *all = node_new(a, NODE_MAP, NULL, &s->pos);

	for (size_t k = 0; k < ARRAY_LEN(sections); k++) {
		const struct node *use = node_get(s->node, sections[k]);

		for (size_t i = 0; i < node_len(use); i++) {
			const char *key = node_str(use->m[i].value, "source");
			const struct node *def = node_get(node_get(p->root, sections[k]), key ?: "");
			const char *variable = node_str(def, "environment"),
				   *content = variable ? strv_env(&p->env, variable)
						       : node_str(def, "content");

			if (content)
				node_set_str(a, all, arena_printf(a, "%s %s", sections[k], key),
					     content);
		}
	}
	if (all->n)
		node_set(a, to, "x-contents", &s->pos, all);
}

void service_hash(const struct project *p, const struct service *s, char ret[65])
{
	/* what can change without the container being another one */
	static const char *const apart[] = { "build",	 "pull_policy", "scale",  "depends_on",
					     "profiles", "deploy",	"develop" };
	struct arena a = { 0 };
	struct node *n = node_clone(&a, s->node), *deploy = node_get(n, "deploy");
	unsigned char sum[SHA256_DIGEST_LENGTH];
	_cleanup_free_ char *text = NULL;
	struct json_out o;
	size_t len;

	if (deploy) {
		struct node *resources = node_get(deploy, "resources"),
			    *restart = node_get(deploy, "restart_policy");

		if (resources)
			node_set(&a, n, "x-resources", NULL, resources);
		if (restart)
			node_set(&a, n, "x-restart", NULL, restart);
	}
	add_contents(p, s, &a, n);
	for (size_t i = 0; i < ARRAY_LEN(apart); i++)
		node_del(n, apart[i]);
	json_out_init(&o, false);
	json_value(&schema_service, NULL, n, &o);
	text = json_out_take(&o, &len);
	SHA256((const unsigned char *)text, len, sum);
	str_hex(sum, sizeof(sum), ret);
	arena_done(&a);
}
