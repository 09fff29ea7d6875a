#include "core/base/str.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

static void *checked(void *p)
{
	static const char text[] = "devbox: out of memory\n";

	if (!p) {
		if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
			_exit(125);
		abort();
	}
	return p;
}

void *xmalloc(size_t size)
{
	return checked(malloc(size ? size : 1));
}

void *xcalloc(size_t n, size_t size)
{
	return checked(calloc(n ? n : 1, size ? size : 1));
}

void *xrealloc(void *p, size_t size)
{
	return checked(realloc(p, size ? size : 1));
}

void *xgrow(void *array, size_t n, size_t *cap, size_t size)
{
	if (n < *cap)
		return array;
	*cap = *cap ? *cap * 2 : 8;
	return checked(reallocarray(array, *cap, size));
}

char *xstrdup(const char *s)
{
	return s ? checked(strdup(s)) : NULL;
}

char *xstrndup(const char *s, size_t n)
{
	return checked(strndup(s, n));
}

void *xmemdup(const void *p, size_t n)
{
	return memcpy(xmalloc(n), p, n);
}

char *xvasprintf(const char *fmt, va_list ap)
{
	char *s;

	if (vasprintf(&s, fmt, ap) < 0)
		checked(NULL);
	return s;
}

char *xasprintf(const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	s = xvasprintf(fmt, ap);
	va_end(ap);
	return s;
}

void str_addn(struct str *s, const void *data, size_t len)
{
	if (s->len + len + 1 > s->cap) {
		s->cap = (s->len + len + 1) * 2;
		s->s = xrealloc(s->s, s->cap);
	}
	if (len)
		memcpy(s->s + s->len, data, len);
	s->len += len;
	s->s[s->len] = '\0';
}

void str_add(struct str *s, const char *text)
{
	str_addn(s, text, strlen(text));
}

void str_addc(struct str *s, char c)
{
	str_addn(s, &c, 1);
}

void str_addf(struct str *s, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	str_add(s, text);
}

char *str_take(struct str *s)
{
	char *text = s->s ? s->s : xstrdup("");

	*s = (struct str){ 0 };
	return text;
}

void str_done(struct str *s)
{
	free(s->s);
	*s = (struct str){ 0 };
}

void strv_take(struct strv *l, char *s)
{
	l->v = xgrow(l->v, l->n + 1, &l->cap, sizeof(*l->v));
	l->v[l->n++] = s;
	l->v[l->n] = NULL;
}

void strv_add(struct strv *l, const char *s)
{
	strv_take(l, xstrdup(s));
}

void strv_addf(struct strv *l, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	strv_take(l, xvasprintf(fmt, ap));
	va_end(ap);
}

void strv_copy(struct strv *to, const struct strv *from)
{
	for (size_t i = 0; i < from->n; i++)
		strv_add(to, from->v[i]);
}

bool strv_has(const struct strv *l, const char *s)
{
	for (size_t i = 0; i < l->n; i++)
		if (!strcmp(l->v[i], s))
			return true;
	return false;
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void strv_sort(struct strv *l)
{
	if (l->n)
		qsort(l->v, l->n, sizeof(*l->v), by_bytes);
}

bool strv_has_sorted(const struct strv *l, const char *s)
{
	return l->n && bsearch(&s, l->v, l->n, sizeof(*l->v), by_bytes);
}

const char *strv_env(const struct strv *l, const char *key)
{
	size_t len = strlen(key);

	for (size_t i = 0; i < l->n; i++)
		if (!strncmp(l->v[i], key, len) && l->v[i][len] == '=')
			return l->v[i] + len + 1;
	return NULL;
}

void strv_env_set(struct strv *l, const char *key_value)
{
	size_t len = strcspn(key_value, "=") + 1;

	for (size_t i = 0; i < l->n; i++)
		if (!strncmp(l->v[i], key_value, len)) {
			free(l->v[i]);
			l->v[i] = xstrdup(key_value);
			return;
		}
	strv_add(l, key_value);
}

void strv_done(struct strv *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i]);
	free(l->v);
	*l = (struct strv){ 0 };
}

bool str_eq(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

bool str_starts(const char *s, const char *prefix)
{
	return !strncmp(s, prefix, strlen(prefix));
}

bool str_ends(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n >= m && !strcmp(s + n - m, suffix);
}

const char *str_after(const char *s, const char *prefix)
{
	return str_starts(s, prefix) ? s + strlen(prefix) : NULL;
}

char *str_clean_path(const char *path)
{
	bool absolute = *path == '/';
	char *out = xmalloc(strlen(path) + 2);
	size_t len = 0, keep = 0; /* keep: the end of leading ".." parts, which cannot be taken back */

	while (*path) {
		size_t n = strcspn(path, "/"), cut;

		if (n == 2 && path[0] == '.' && path[1] == '.') {
			if (len > keep) {
				for (cut = len; cut > keep && out[cut - 1] != '/'; cut--)
					;
				len = cut > keep ? cut - 1 : keep;
			} else if (!absolute) {
				if (len)
					out[len++] = '/';
				out[len++] = '.';
				out[len++] = '.';
				keep = len;
			}
		} else if (n && !(n == 1 && *path == '.')) {
			if (len || absolute)
				out[len++] = '/';
			memcpy(out + len, path, n);
			len += n;
		}
		path += n;
		path += strspn(path, "/");
	}
	if (!len)
		out[len++] = absolute ? '/' : '.';
	out[len] = '\0';
	return out;
}

size_t str_utf8_len(const char *s, size_t len)
{
	const unsigned char *p = (const unsigned char *)s;
	unsigned n, c;

	if (!len || *p < 0x80)
		return len ? 1 : 0;
	if (*p < 0xc2 || *p > 0xf4)
		return 0;
	n = *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : 4;
	if (len < n)
		return 0;
	c = *p & (0x7f >> n);
	for (unsigned i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	if ((n == 3 && c < 0x800) || (n == 4 && c < 0x10000) || c > 0x10ffff ||
	    (c >= 0xd800 && c <= 0xdfff))
		return 0;
	return n;
}

bool str_is_utf8(const char *s, size_t len)
{
	while (len) {
		size_t n = str_utf8_len(s, len);

		if (!n)
			return false;
		s += n;
		len -= n;
	}
	return true;
}

struct err *str_to_u64(const char *s, uint64_t min, uint64_t max, uint64_t *ret)
{
	uint64_t v = 0;
	const char *p = s;

	for (; *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(v, 10u, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(*p - '0'), &v))
			break;
	if (p == s || *p || v < min || v > max)
		return err_new(0, "'%s' is not a number from %llu to %llu", s,
			       (unsigned long long)min, (unsigned long long)max);
	*ret = v;
	return NULL;
}

/* Digits from *P on; false if there are none or too many. */
static bool take_digits(const char **p, uint64_t *ret)
{
	const char *start = *p;

	for (*ret = 0; **p >= '0' && **p <= '9'; (*p)++)
		if (__builtin_mul_overflow(*ret, 10u, ret) ||
		    __builtin_add_overflow(*ret, (uint64_t)(**p - '0'), ret))
			return false;
	return *p > start;
}

struct err *str_to_size(const char *s, uint64_t *ret_bytes)
{
	static const char units[] = "bkmgtp";
	const char *p = s, *unit = NULL;
	uint64_t whole, unit_bytes = 1;
	double part = 0, scale = 1;

	if (!take_digits(&p, &whole))
		goto bad;
	if (*p == '.') {
		const char *digits = ++p;

		for (; *p >= '0' && *p <= '9'; p++)
			part += (*p - '0') / (scale *= 10);
		if (p == digits)
			goto bad;
	}
	if (*p) {
		unit = strchr(units, tolower((unsigned char)*p++));
		if (!unit)
			goto bad;
		unit_bytes = UINT64_C(1) << (10 * (unit - units));
		if (unit != units && tolower((unsigned char)*p) == 'i')
			p++;
		if (unit != units && tolower((unsigned char)*p) == 'b')
			p++;
	}
	if (*p || __builtin_mul_overflow(whole, unit_bytes, &whole) || whole > INT64_MAX / 2)
		goto bad;
	*ret_bytes = whole + (uint64_t)(part * (double)unit_bytes);
	return NULL;
bad:
	return err_hint(err_new(0, "'%s' is not a size", s), "sizes look like 512m or 1.5g");
}

void str_hex(const void *data, size_t len, char *out)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *p = data;

	for (size_t i = 0; i < len; i++) {
		out[2 * i] = digits[p[i] >> 4];
		out[2 * i + 1] = digits[p[i] & 15];
	}
	out[2 * len] = '\0';
}

bool str_is_hex(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!(s[i] >= '0' && s[i] <= '9') && !(s[i] >= 'a' && s[i] <= 'f'))
			return false;
	return true;
}

void random_bytes(void *buf, size_t len)
{
	char *p = buf;

	while (len) {
		ssize_t n = getrandom(p, len, 0);

		if (n < 0 && errno != EINTR)
			abort(); /* getrandom(2) on a Linux of this century does not fail otherwise */
		if (n > 0) {
			p += n;
			len -= (size_t)n;
		}
	}
}

static size_t distance(const char *a, const char *b)
{
	enum { MAX = 40 };
	size_t n = strlen(a), m = strlen(b), row[MAX + 1];

	if (n > MAX || m > MAX)
		return MAX;
	for (size_t j = 0; j <= m; j++)
		row[j] = j;
	for (size_t i = 1; i <= n; i++) {
		size_t diag = row[0];

		row[0] = i;
		for (size_t j = 1; j <= m; j++) {
			size_t cost = diag + (a[i - 1] != b[j - 1]);

			diag = row[j];
			if (row[j] + 1 < cost)
				cost = row[j] + 1;
			if (row[j - 1] + 1 < cost)
				cost = row[j - 1] + 1;
			row[j] = cost;
		}
	}
	return row[m];
}

const char *str_nearest(const char *s, const char *const *list)
{
	const char *best = NULL;
	size_t best_d = 3;

	for (; *list; list++) {
		size_t d = distance(s, *list);

		if (d < best_d && d < strlen(s)) {
			best_d = d;
			best = *list;
		}
	}
	return best;
}
