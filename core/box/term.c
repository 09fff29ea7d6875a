#include "core/box/term.h"

#include <sys/ioctl.h>
#include <sys/signalfd.h>

#include "core/base/str.h"

void term_raw(struct term *t, int fd)
{
	struct termios raw;

	*t = (struct term){ .fd = fd };
	if (tcgetattr(fd, &t->saved) < 0)
		return; /* no terminal */
	raw = t->saved;
	cfmakeraw(&raw);
	t->raw = tcsetattr(fd, TCSADRAIN, &raw) == 0;
}

void term_restore(struct term *t)
{
	if (t->raw)
		tcsetattr(t->fd, TCSADRAIN, &t->saved);
	t->raw = false;
}

uint32_t term_size(int fd)
{
	struct winsize ws;

	if (ioctl(fd, TIOCGWINSZ, &ws) < 0)
		return 0;
	return (uint32_t)ws.ws_row << 16 | ws.ws_col;
}

void term_resize(int fd, uint32_t size)
{
	struct winsize ws = { .ws_row = (unsigned short)(size >> 16), .ws_col = (unsigned short)size };

	if (size)
		ioctl(fd, TIOCSWINSZ, &ws);
}

struct err *term_signals(const int *more, sigset_t *ret_old, int *ret_fd)
{
	static const int always[] = { SIGWINCH, SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	sigset_t mask;

	sigemptyset(&mask);
	for (size_t i = 0; i < ARRAY_LEN(always); i++)
		sigaddset(&mask, always[i]);
	for (; more && *more; more++)
		sigaddset(&mask, *more);
	sigprocmask(SIG_BLOCK, &mask, ret_old);
	signal(SIGPIPE, SIG_IGN);
	*ret_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	return *ret_fd < 0 ? err_new(errno, "watching signals") : NULL;
}

struct err *detach_keys_parse(const char *text, struct detach_keys *ret)
{
	_cleanup_free_ char *copy = xstrdup(text);
	char *key, *rest = copy;
	struct detach_keys k = { .n = 0 };

	while (*text && (key = strsep(&rest, ",")) != NULL) {
		const char *ctrl = str_after(key, "ctrl-");

		if (k.n == DETACH_KEYS_MAX)
			return err_new(0, "detach keys '%s': more than %d keys", text, DETACH_KEYS_MAX);
		if (ctrl && ctrl[0] && !ctrl[1] &&
		    (strchr("@[\\]^_", *ctrl) || (*ctrl >= 'a' && *ctrl <= 'z')))
			k.seq[k.n++] = (unsigned char)*ctrl & 0x1f;
		else if (key[0] && !key[1])
			k.seq[k.n++] = (unsigned char)*key;
		else
			return err_hint(err_new(0, "detach keys '%s': unknown key '%s'", text, key),
					"keys look like ctrl-p,ctrl-q");
	}
	*ret = k;
	return NULL;
}

size_t detach_keys_filter(struct detach_keys *k, const char *in, size_t len, char *out, bool *ret_detach)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		if (k->n && (unsigned char)in[i] == k->seq[k->at]) {
			if (++k->at == k->n) {
				*ret_detach = true;
				k->at = 0;
				return n;
			}
			continue;
		}
		/* not the sequence after all: what was held back goes first */
		for (size_t j = 0; j < k->at; j++)
			out[n++] = (char)k->seq[j];
		if (k->at) {
			k->at = 0;
			i--; /* the byte may begin a new one */
			continue;
		}
		out[n++] = in[i];
	}
	return n;
}
