#include "core/base/pos.h"

#include "core/base/str.h"

static char *pos_text(const struct pos *at)
{
	struct str s = { 0 };

	if (at->file)
		str_add(&s, at->file);
	if (at->file && at->line)
		str_addf(&s, ":%u", at->line);
	if (at->file && at->line && at->col)
		str_addf(&s, ":%u", at->col);
	return str_take(&s);
}

struct err *pos_wrap(const struct pos *at, struct err *e)
{
	_cleanup_free_ char *where = pos_text(at);

	return *where ? err_wrap(e, "%s", where) : e;
}

struct err *pos_err(const struct pos *at, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	return pos_wrap(at, err_new(0, "%s", text));
}
