/* slirp/glib/glib.c -- see glib.h.  Built into libslirp.a by build.sh, not into devbox's own objects. */
#include "glib.h"

#include <sys/random.h>

void (*glib_log_hook)(const char *level, const char *text);

static void G_GNUC_PRINTF(2, 0) log_va(const char *level, const char *fmt, va_list ap)
{
	char text[512];

	if (!glib_log_hook)
		return;
	vsnprintf(text, sizeof(text), fmt, ap);
	glib_log_hook(level, text);
}

void glib_log(const char *level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_va(level, fmt, ap);
	va_end(ap);
}

void glib_fatal(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_va("error", fmt, ap);
	va_end(ap);
	abort();
}

/* Out of memory is fatal in GLib, and libslirp relies on it: no result is checked. */
static void *must(void *p, size_t size)
{
	if (!p && size)
		glib_fatal("out of memory (%zu bytes)", size);
	return p;
}

void *g_malloc(size_t size)
{
	return must(malloc(size), size);
}

void *g_malloc0(size_t size)
{
	return must(calloc(1, size), size);
}

void *g_realloc(void *p, size_t size)
{
	return must(realloc(p, size), size);
}

char *g_strdup(const char *s)
{
	return s ? must(strdup(s), 1) : NULL;
}

size_t g_strlcpy(char *to, const char *from, size_t size)
{
	size_t len = strlen(from);

	if (size) {
		size_t n = MIN(len, size - 1);

		memcpy(to, from, n);
		to[n] = '\0';
	}
	return len;
}

/* LEN bounds HAY, which need not be NUL-ended then: libslirp searches packet buffers with it. */
char *g_strstr_len(const char *hay, ptrdiff_t len, const char *needle)
{
	size_t n = len < 0 ? strlen(hay) : strnlen(hay, (size_t)len);

	return memmem(hay, n, needle, strlen(needle));
}

gboolean g_str_has_prefix(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

guint g_strv_length(char **v)
{
	guint n = 0;

	while (v[n])
		n++;
	return n;
}

void g_strfreev(char **v)
{
	if (!v)
		return;
	for (size_t i = 0; v[i]; i++)
		free(v[i]);
	free(v);
}

GString *g_string_new(const char *init)
{
	GString *s = g_new0(GString, 1);

	s->str = g_strdup(init ? init : "");
	s->len = strlen(s->str);
	s->allocated_len = s->len + 1;
	return s;
}

void g_string_append_printf(GString *s, const char *fmt, ...)
{
	va_list ap;
	char *text;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0)
		glib_fatal("out of memory");
	if (s->len + (size_t)n + 1 > s->allocated_len) {
		s->allocated_len = 2 * (s->len + (size_t)n + 1);
		s->str = g_realloc(s->str, s->allocated_len);
	}
	memcpy(s->str + s->len, text, (size_t)n + 1);
	s->len += (size_t)n;
	free(text);
}

char *g_string_free(GString *s, gboolean free_text)
{
	char *text = s->str;

	free(s);
	if (!free_text)
		return text;
	free(text);
	return NULL;
}

guint g_parse_debug_string(const char *s, const GDebugKey *keys, guint n)
{
	(void)s, (void)keys, (void)n;
	return 0; /* no debug output: see the header */
}

struct glib_rand {
	char unused;
};

GRand *g_rand_new(void)
{
	return g_new0(GRand, 1);
}

void g_rand_free(GRand *r)
{
	free(r);
}

int32_t g_rand_int_range(GRand *r, int32_t begin, int32_t end)
{
	uint32_t v = 0;

	(void)r;
	/* Cannot fail for 4 bytes once the kernel's pool is ready; a fixed number would still work. */
	if (getrandom(&v, sizeof(v), 0) != sizeof(v))
		v = 0;
	return (int32_t)(begin + (int64_t)(v % (uint32_t)(end - begin)));
}

static gboolean no_programs(GError **ret_error)
{
	*ret_error = g_new0(GError, 1);
	(*ret_error)->message = g_strdup("starting programs is not supported");
	return FALSE;
}

void g_error_free(GError *e)
{
	if (e)
		free(e->message);
	free(e);
}

gboolean g_shell_parse_argv(const char *line, gint *argc, char ***argv, GError **ret_error)
{
	(void)line, (void)argc, (void)argv;
	return no_programs(ret_error);
}

gboolean g_spawn_async_with_fds(const char *dir, char **argv, char **envp, GSpawnFlags flags,
				GSpawnChildSetupFunc setup, gpointer data, GPid *pid, gint in,
				gint out, gint err, GError **ret_error)
{
	(void)dir, (void)argv, (void)envp, (void)flags, (void)setup, (void)data, (void)pid;
	(void)in, (void)out, (void)err;
	return no_programs(ret_error);
}
