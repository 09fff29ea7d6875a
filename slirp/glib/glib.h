/* slirp/glib/glib.h -- the part of GLib that libslirp uses, in our own words.
 *
 * libslirp (4.7 and 4.8) wants GLib for memory, messages, a growing string and a few helpers.  The real library in a
 * static binary costs 0.8 MB on disk and 3 MB of resident memory in each container's monitor, so build.sh compiles
 * libslirp against this header and slirp/glib/glib.c instead.  Nothing else may include it.
 *
 * What differs from GLib: messages go to glib_log_hook or nowhere; SLIRP_DEBUG is ignored; starting guest programs
 * (slirp_add_exec with a command line) fails with an error, devbox has no use for it. */
#ifndef SLIRP_GLIB_GLIB_H
#define SLIRP_GLIB_GLIB_H

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

typedef int gboolean;
typedef char gchar;
typedef int gint;
typedef unsigned int guint;
typedef size_t gsize;
typedef void *gpointer;
typedef char **GStrv;

#ifndef TRUE
#define TRUE 1
#define FALSE 0
#endif
#ifndef MIN
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#endif
#ifndef MAX
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#endif

/* The compiler and the machine. */
#define GLIB_CHECK_VERSION(major, minor, micro) 1
#define GLIB_SIZEOF_VOID_P __SIZEOF_POINTER__
#define G_OS_UNIX 1
#define G_BYTE_ORDER __BYTE_ORDER__
#define G_BIG_ENDIAN __ORDER_BIG_ENDIAN__
#define G_LITTLE_ENDIAN __ORDER_LITTLE_ENDIAN__
#define G_N_ELEMENTS(a) (sizeof(a) / sizeof((a)[0]))
#define G_SIZEOF_MEMBER(type, member) sizeof(((type *)0)->member)
#define G_STATIC_ASSERT(cond) _Static_assert(cond, #cond)
#define G_UNLIKELY(cond) __builtin_expect(!!(cond), 0)
#define G_LIKELY(cond) __builtin_expect(!!(cond), 1)
#define G_GNUC_PRINTF(fmt_arg, first) __attribute__((format(printf, fmt_arg, first)))

#if G_BYTE_ORDER == G_LITTLE_ENDIAN
#define GUINT16_FROM_BE(v) __builtin_bswap16(v)
#define GUINT32_FROM_BE(v) __builtin_bswap32(v)
#else
#define GUINT16_FROM_BE(v) (v)
#define GUINT32_FROM_BE(v) (v)
#endif
#define GUINT16_TO_BE(v) GUINT16_FROM_BE(v)
#define GUINT32_TO_BE(v) GUINT32_FROM_BE(v)
#define GINT16_FROM_BE(v) ((int16_t)GUINT16_FROM_BE((uint16_t)(v)))
#define GINT32_FROM_BE(v) ((int32_t)GUINT32_FROM_BE((uint32_t)(v)))
#define GINT16_TO_BE(v) GINT16_FROM_BE(v)
#define GINT32_TO_BE(v) GINT32_FROM_BE(v)

/* Messages.  LEVEL is "debug", "warning", "critical" or "error"; "error" and failed assertions abort afterwards. */
extern void (*glib_log_hook)(const char *level, const char *text);
void glib_log(const char *level, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
void glib_fatal(const char *fmt, ...) G_GNUC_PRINTF(1, 2) __attribute__((noreturn));

#define g_debug(...) glib_log("debug", __VA_ARGS__)
#define g_warning(...) glib_log("warning", __VA_ARGS__)
#define g_critical(...) glib_log("critical", __VA_ARGS__)
#define g_error(...) glib_fatal(__VA_ARGS__)
#define GLIB_AT __FILE__, __LINE__, __func__
#define g_assert(cond) ((cond) ? (void)0 : glib_fatal("%s:%d %s: %s", GLIB_AT, #cond))
#define g_assert_not_reached() glib_fatal("%s:%d %s: not reached", GLIB_AT)
#define g_warn_if_reached() glib_log("warning", "%s:%d %s: reached", GLIB_AT)
#define g_warn_if_fail(cond)                                                                       \
	((cond) ? (void)0 : glib_log("warning", "%s:%d %s: %s", GLIB_AT, #cond))
#define g_return_if_fail(cond)                                                                     \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			glib_log("critical", "%s:%d %s: %s", GLIB_AT, #cond);                      \
			return;                                                                    \
		}                                                                                  \
	} while (0)
#define g_return_val_if_fail(cond, val)                                                            \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			glib_log("critical", "%s:%d %s: %s", GLIB_AT, #cond);                      \
			return val;                                                                \
		}                                                                                  \
	} while (0)

/* Memory: never NULL for a size above 0; running out aborts. */
void *g_malloc(size_t size) __attribute__((malloc));
void *g_malloc0(size_t size) __attribute__((malloc));
void *g_realloc(void *p, size_t size);
char *g_strdup(const char *s);
#define g_free free
#define g_new(type, n) ((type *)g_malloc(sizeof(type) * (n)))
#define g_new0(type, n) ((type *)g_malloc0(sizeof(type) * (n)))

/* Strings. */
#define g_getenv getenv
#define g_strerror strerror
#define g_snprintf snprintf
#define g_vsnprintf vsnprintf
#define g_ascii_strcasecmp strcasecmp
size_t g_strlcpy(char *to, const char *from, size_t size);
char *g_strstr_len(const char *hay, ptrdiff_t len, const char *needle);
gboolean g_str_has_prefix(const char *s, const char *prefix);
guint g_strv_length(char **v);
void g_strfreev(char **v);

typedef struct {
	char *str;
	size_t len, allocated_len;
} GString;
GString *g_string_new(const char *init);
void g_string_append_printf(GString *s, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
char *g_string_free(GString *s, gboolean free_text); /* returns the text unless FREE_TEXT */

typedef struct {
	const char *key;
	guint value;
} GDebugKey;
guint g_parse_debug_string(const char *s, const GDebugKey *keys, guint n);

/* Random numbers, from the kernel: they choose source ports. */
typedef struct glib_rand GRand;
GRand *g_rand_new(void);
void g_rand_free(GRand *r);
int32_t g_rand_int_range(GRand *r, int32_t begin, int32_t end); /* begin <= result < end */

/* Starting programs: always an error. */
typedef struct {
	char *message;
} GError;
typedef int GPid;
typedef enum { G_SPAWN_SEARCH_PATH = 1 << 2 } GSpawnFlags;
typedef void (*GSpawnChildSetupFunc)(gpointer data);
void g_error_free(GError *e);
gboolean g_shell_parse_argv(const char *line, gint *argc, char ***argv, GError **ret_error);
gboolean g_spawn_async_with_fds(const char *dir, char **argv, char **envp, GSpawnFlags flags,
				GSpawnChildSetupFunc setup, gpointer data, GPid *pid, gint in,
				gint out, gint err, GError **ret_error);

#endif
