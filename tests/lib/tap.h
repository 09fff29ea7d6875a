/* tests/lib/tap.h -- what unit tests are written with: TAP lines on stdout, the plan at the end.
 *
 *	int main(void)
 *	{
 *		is_str(str_after("a=b", "a="), "b", "the rest after a prefix");
 *		is_err(thing_parse("??"), "'?' at byte 0*", "a bad character is refused");
 *		return done_testing();
 *	}
 *
 * Every check prints one line, "ok N - TEXT" or "not ok N - TEXT" with what was got and wanted, and returns whether it
 * held.  The arguments are evaluated once.  The TEXT is a printf format. */
#ifndef TESTS_LIB_TAP_H
#define TESTS_LIB_TAP_H

#include <fnmatch.h>
#include <stdio.h>

#include "core/base/err.h"
#include "core/base/str.h"

static struct {
	unsigned run, failed;
} tap;

static inline bool PRINTF(4, 0)
	tap_line(bool held, const char *file, int line, const char *fmt, va_list ap)
{
	tap.run++;
	printf("%s %u - ", held ? "ok" : "not ok", tap.run);
	vprintf(fmt, ap);
	putchar('\n');
	if (!held) {
		tap.failed++;
		printf("# at %s:%d\n", file, line);
	}
	fflush(stdout); /* a crash in the next check must not hide this one */
	return held;
}

static inline bool PRINTF(4, 5) tap_ok(const char *file, int line, bool held, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	tap_line(held, file, line, fmt, ap);
	va_end(ap);
	return held;
}

static inline bool PRINTF(5, 6)
	tap_is_int(const char *file, int line, intmax_t got, intmax_t want, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (!tap_line(got == want, file, line, fmt, ap))
		printf("#    got %jd\n# wanted %jd\n", got, want);
	va_end(ap);
	return got == want;
}

static inline void tap_show(const char *label, const char *s)
{
	printf("# %s ", label);
	if (!s) {
		puts("NULL");
		return;
	}
	putchar('"');
	for (; *s; s++) {
		if (*s == '\n')
			fputs("\\n", stdout); /* one line, or TAP readers take the rest for output */
		else if (*s == '"' || *s == '\\')
			printf("\\%c", *s);
		else
			putchar(*s);
	}
	puts("\"");
}

static inline bool PRINTF(5, 6) tap_is_str(const char *file, int line, const char *got,
					   const char *want, const char *fmt, ...)
{
	bool held = got && want ? strcmp(got, want) == 0 : got == want;
	va_list ap;

	va_start(ap, fmt);
	if (!tap_line(held, file, line, fmt, ap)) {
		tap_show("   got", got);
		tap_show("wanted", want);
	}
	va_end(ap);
	return held;
}

static inline bool PRINTF(5, 6)
	tap_is_err(const char *file, int line, struct err *e, const char *want, const char *fmt, ...)
{
	char *got = e ? err_line(e) : NULL;
	bool held = !got || !want ? got == want : !strcmp(got, want) || !fnmatch(want, got, 0);
	va_list ap;

	va_start(ap, fmt);
	if (!tap_line(held, file, line, fmt, ap)) {
		tap_show("   got", got);
		tap_show("wanted", want);
	}
	va_end(ap);
	free(got);
	err_free(e);
	return held;
}

/* COND holds. */
#define ok(cond, ...) tap_ok(__FILE__, __LINE__, (cond), __VA_ARGS__)
/* Integers of any type up to 64 bits signed. */
#define is_int(got, want, ...)                                                                     \
	tap_is_int(__FILE__, __LINE__, (intmax_t)(got), (intmax_t)(want), __VA_ARGS__)
/* Strings; NULL equals only NULL. */
#define is_str(got, want, ...) tap_is_str(__FILE__, __LINE__, (got), (want), __VA_ARGS__)
/* Takes and frees the error E.  Its whole line (err_line: with system words and hint) equals WANT or matches it as a
 * glob; WANT NULL: there is no error. */
#define is_err(e, want, ...) tap_is_err(__FILE__, __LINE__, (e), (want), __VA_ARGS__)

/* Prints the plan; the value is main()'s exit status. */
static inline int done_testing(void)
{
	printf("1..%u\n", tap.run);
	if (tap.failed)
		printf("# %u of %u failed\n", tap.failed, tap.run);
	return tap.failed || !tap.run;
}

#endif
