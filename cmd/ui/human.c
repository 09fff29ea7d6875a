#include "cmd/ui/human.h"

#include <stdio.h>
#include <time.h>

void human_size(uint64_t bytes, bool precise, struct str *out)
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB", "EB" };
	int digits = precise ? 4 : 3;
	double v = (double)bytes, limit = precise ? 999.95 : 999.5; /* what would be shown as 1000 */
	size_t unit = 0;

	while (v >= (unit ? limit : 1000) && unit + 1 < ARRAY_LEN(units)) {
		v /= 1000;
		unit++;
	}
	str_addf(out, "%.*g%s", digits, v, units[unit]);
}

void human_duration(int64_t ns, struct str *out)
{
	long long s = ns / 1000000000, m = s / 60, h = (s + 1800) / 3600;

	if (s < 1)
		str_add(out, "Less than a second");
	else if (s == 1)
		str_add(out, "1 second");
	else if (s < 60)
		str_addf(out, "%lld seconds", s);
	else if (m == 1)
		str_add(out, "About a minute");
	else if (m < 60)
		str_addf(out, "%lld minutes", m);
	else if (h == 1)
		str_add(out, "About an hour");
	else if (h < 48)
		str_addf(out, "%lld hours", h);
	else if (h < 24 * 7 * 2)
		str_addf(out, "%lld days", h / 24);
	else if (h < 24 * 30 * 2)
		str_addf(out, "%lld weeks", h / 24 / 7);
	else if (h < 24 * 365 * 2)
		str_addf(out, "%lld months", h / 24 / 30);
	else
		str_addf(out, "%lld years", s / 3600 / 24 / 365);
}

void human_ago(int64_t then_ns, int64_t now_ns, struct str *out)
{
	if (!then_ns) {
		str_add(out, "N/A");
		return;
	}
	human_duration(now_ns - then_ns, out);
	str_add(out, " ago");
}

/* Of the character at P, 0: the byte there starts none.  What is broken ends at the latest before the final NUL. */
static size_t char_at(const char *p)
{
	return str_utf8_len(p, 4);
}

static size_t char_len(const char *p)
{
	return char_at(p) ?: 1;
}

size_t human_width(const char *text)
{
	size_t n = 0;

	for (const char *p = text; *p; p += char_len(p))
		n++;
	return n;
}

void human_ellipsis(const char *text, size_t width, struct str *out)
{
	const char *p = text;

	if (human_width(text) <= width) {
		str_add(out, text);
		return;
	}
	for (size_t i = 0; i + 1 < width; i++)
		p += char_len(p);
	str_addn(out, text, (size_t)(p - text));
	if (width)
		str_add(out, "…");
}

void human_quote(const char *text, struct str *out)
{
	static const char letters[] = "abtnvfr"; /* bytes 7 to 13 */

	str_addc(out, '"');
	for (const char *p = text; *p;) {
		unsigned char c = (unsigned char)*p;
		size_t n = char_len(p);

		if (c == '"' || c == '\\')
			str_addf(out, "\\%c", c);
		else if (c >= 7 && c <= 13)
			str_addf(out, "\\%c", letters[c - 7]);
		else if (c < ' ' || c == 0x7f || !char_at(p))
			str_addf(out, "\\x%02x", c);
		else
			str_addn(out, p, n);
		p += n;
	}
	str_addc(out, '"');
}

void human_clean(const char *text, struct str *out)
{
	for (const char *p = text; *p; p++) {
		unsigned char c = (unsigned char)*p;

		str_addc(out, c < ' ' || c == 0x7f ? '?' : *p);
	}
}

void human_time(int64_t ns, struct str *out)
{
	char buf[64];
	time_t t = (time_t)(ns / 1000000000);
	struct tm tm;

	if (!localtime_r(&t, &tm) || !strftime(buf, sizeof(buf), "%Y-%m-%d %H:%M:%S %z %Z", &tm))
		return;
	str_add(out, buf);
}

void human_short_id(const char *id, struct str *out)
{
	const char *hex = str_after(id, "sha256:") ?: id;

	str_addn(out, hex, strnlen(hex, 12));
}
