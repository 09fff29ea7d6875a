#include "core/base/err.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/base/str.h"

struct err *err_new(int errnum, const char *fmt, ...)
{
	struct err *e = xcalloc(1, sizeof(*e));
	va_list ap;

	va_start(ap, fmt);
	e->text = xvasprintf(fmt, ap);
	va_end(ap);
	e->errnum = errnum;
	return e;
}

struct err *err_wrap(struct err *e, const char *fmt, ...)
{
	_cleanup_free_ char *prefix = NULL;
	char *text;
	va_list ap;

	if (!e)
		return NULL;
	va_start(ap, fmt);
	prefix = xvasprintf(fmt, ap);
	va_end(ap);
	text = xasprintf("%s: %s", prefix, e->text);
	free(e->text);
	e->text = text;
	return e;
}

struct err *err_hint(struct err *e, const char *fmt, ...)
{
	va_list ap;

	if (!e || e->hint)
		return e;
	va_start(ap, fmt);
	e->hint = xvasprintf(fmt, ap);
	va_end(ap);
	return e;
}

struct err *err_status(struct err *e, int status)
{
	if (e && !e->status)
		e->status = status;
	return e;
}

struct err *err_also(struct err *all, struct err *e)
{
	struct err **end = &all;

	while (*end)
		end = &(*end)->next;
	*end = e;
	return all;
}

struct err *err_printable(struct err *e)
{
	for (char *s = e ? e->text : NULL; s && *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			*s = '?';
	return e;
}

bool err_is(const struct err *e, int errnum)
{
	return e && e->errnum == errnum;
}

char *err_line(const struct err *e)
{
	struct str s = { 0 };

	str_add(&s, e->text);
	if (e->errnum)
		str_addf(&s, ": %s", strerror(e->errnum));
	if (e->hint)
		str_addf(&s, " (hint: %s)", e->hint);
	return str_take(&s);
}

void err_free(struct err *e)
{
	while (e) {
		struct err *next = e->next;

		free(e->text);
		free(e->hint);
		free(e);
		e = next;
	}
}

/* Wire form: errnum and status as two ints, then text and hint, each ended by a NUL. */
size_t err_pack(const struct err *e, char buf[ERR_WIRE_MAX])
{
	int head[2] = { e->errnum, e->status };
	size_t hint = e->hint ? strnlen(e->hint, 1000) : 0;
	size_t text = strnlen(e->text, ERR_WIRE_MAX - sizeof(head) - hint - 2);
	char *at = buf;

	at = mempcpy(at, head, sizeof(head));
	at = mempcpy(at, e->text, text);
	*at++ = '\0';
	at = mempcpy(at, e->hint ?: "", hint);
	*at++ = '\0';
	return (size_t)(at - buf);
}

void err_send(int fd, const struct err *e)
{
	char buf[ERR_WIRE_MAX];
	size_t len = err_pack(e, buf);
	ssize_t n;

	do
		n = write(fd, buf, len);
	while (n < 0 && errno == EINTR);
}

struct err *err_recv(const char *buf, size_t len)
{
	int head[2];
	const char *text, *hint;
	struct err *e;

	if (len < sizeof(head) + 2 || buf[len - 1] != '\0')
		return err_new(EPROTO, "a child process reported an error that cannot be read");
	memcpy(head, buf, sizeof(head));
	text = buf + sizeof(head);
	hint = text + strlen(text) + 1;
	e = err_new(head[0], "%s", text);
	e->status = head[1];
	if (hint < buf + len && *hint)
		e = err_hint(e, "%s", hint);
	return e;
}
