#include "cmd/envfile.h"

#include <stdlib.h>

struct err *env_add(const char *text, struct strv *out)
{
	const char *value;

	if (!*text || *text == '=')
		return err_new(0, "invalid environment variable: %s", text);
	if (strchr(text, '=')) {
		strv_add(out, text);
		return NULL;
	}
	value = getenv(text);
	if (value)
		strv_addf(out, "%s=%s", text, value);
	return NULL;
}

static struct err *parse_line(const char *line, struct strv *out)
{
	size_t name;

	line += strspn(line, " \t");
	name = strcspn(line, "=");
	if (!*line || *line == '#')
		return NULL;
	if (strcspn(line, " \t") < name)
		return err_new(0, "variable '%.*s' contains whitespaces", (int)name, line);
	if (!name)
		return err_new(0, "no variable name on line '%s'", line);
	return env_add(line, out);
}

struct err *env_file_parse(const char *text, size_t len, const char *name, struct strv *out)
{
	size_t line = 1;

	if (memchr(text, '\0', len))
		return err_new(0, "%s: contains a NUL byte, this is no env file", name);
	if (len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) { /* a byte order mark */
		text += 3;
		len -= 3;
	}
	for (const char *p = text, *end = text + len; p < end; line++) {
		const char *nl = memchr(p, '\n', (size_t)(end - p)) ?: end;
		size_t n = (size_t)(nl - p);
		_cleanup_free_ char *one = xstrndup(p, n && p[n - 1] == '\r' ? n - 1 : n);
		struct err *e = parse_line(one, out);

		if (e)
			return err_wrap(e, "%s:%zu", name, line);
		p = nl + 1;
	}
	return NULL;
}

struct err *label_add(const char *text, struct strv *out)
{
	if (!*text || *text == '=')
		return err_new(0, "invalid label '%s': empty name", text);
	if (strchr(text, '='))
		strv_add(out, text);
	else
		strv_addf(out, "%s=", text);
	return NULL;
}
