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

/* Length of the valid UTF-8 character at P; 0 if the byte there starts none (RFC 3629). */
static size_t char_at(const unsigned char *p)
{
	size_t n = *p < 0x80   ? 1
		   : *p < 0xc2 ? 0
		   : *p < 0xe0 ? 2
		   : *p < 0xf0 ? 3
		   : *p < 0xf5 ? 4
			       : 0;

	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] > 0x9f) ||
	    (*p == 0xf0 && p[1] < 0x90) || (*p == 0xf4 && p[1] > 0x8f))
		return 0; /* overlong, a surrogate, beyond Unicode */
	return n;
}

static size_t char_len(const unsigned char *p)
{
	return char_at(p) ?: 1;
}

void human_utf8(const char *text, struct str *out)
{
	for (const unsigned char *p = (const unsigned char *)text; *p; p += char_len(p)) {
		if (char_at(p))
			str_addn(out, p, char_at(p));
		else
			str_add(out, "\xef\xbf\xbd");
	}
}

size_t human_width(const char *text)
{
	size_t n = 0;

	for (const char *p = text; *p; p += char_len((const unsigned char *)p))
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
		p += char_len((const unsigned char *)p);
	str_addn(out, text, (size_t)(p - text));
	if (width)
		str_add(out, "…");
}

void human_quote(const char *text, struct str *out)
{
	static const char letters[] = "abtnvfr"; /* bytes 7 to 13 */

	str_addc(out, '"');
	for (const unsigned char *p = (const unsigned char *)text; *p;) {
		size_t n = char_len(p);

		if (*p == '"' || *p == '\\')
			str_addf(out, "\\%c", *p);
		else if (*p >= 7 && *p <= 13)
			str_addf(out, "\\%c", letters[*p - 7]);
		else if (*p < ' ' || *p == 0x7f || !char_at(p))
			str_addf(out, "\\x%02x", *p);
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
