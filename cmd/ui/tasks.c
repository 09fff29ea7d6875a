#include "cmd/ui/tasks.h"

#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cmd/ui/human.h"
#include "core/base/proc.h"

enum { REDRAW_MS = 50, NAME_WIDTH_MAX = 60 };

void tasks_init(struct tasks *t, int fd, const char *style)
{
	struct winsize w = { 0 };

	*t = (struct tasks){ .fd = fd, .columns = 80, .rows = 24 };
	t->tty = isatty(fd) && (!style || !strcmp(style, "auto") || !strcmp(style, "tty"));
	t->quiet = style && !strcmp(style, "quiet");
	if (t->tty && ioctl(fd, TIOCGWINSZ, &w) == 0 && w.ws_col && w.ws_row) {
		t->columns = w.ws_col;
		t->rows = w.ws_row;
	}
}

static void add_line(const struct tasks *t, const struct task *k, int width, struct str *out)
{
	static const char *const marks[] = { "\033[33m⠿\033[0m", "\033[32m✔\033[0m", "\033[31m✘\033[0m" };
	_cleanup_str_ struct str name = { 0 }, words = { 0 };
	int64_t until = k->state == TASK_WORKING ? time_mono_ms() : k->ended_ms;
	size_t room = t->columns > 12 ? t->columns - 12 : 1;

	human_ellipsis(k->name, room > NAME_WIDTH_MAX ? NAME_WIDTH_MAX : room, &name);
	str_addf(&words, "%s%s%s", k->words, k->text ? "  " : "", k->text ?: "");
	room = room > (size_t)width + 3 ? room - (size_t)width - 3 : 1;
	str_addf(out, " %s %-*s  ", marks[k->state], width, name.s);
	human_ellipsis(words.s, room, out);
	str_addf(out, "  \033[34m%lld.%llds\033[0m\033[K\n", (long long)(until - k->begun_ms) / 1000,
		 (long long)(until - k->begun_ms) / 100 % 10);
}

static void erase(struct tasks *t, struct str *out)
{
	if (t->drawn)
		str_addf(out, "\033[%uA", t->drawn);
	t->drawn = 0;
}

static void draw(struct tasks *t, bool now)
{
	_cleanup_str_ struct str s = { 0 };
	size_t done = 0, from = 0;
	int width = 0;

	if (!t->tty || !t->n || (!now && time_mono_ms() - t->drawn_ms < REDRAW_MS))
		return;
	for (size_t i = 0; i < t->n; i++) {
		int w = (int)human_width(t->v[i].name);

		done += t->v[i].state == TASK_DONE;
		width = w > width && w <= NAME_WIDTH_MAX ? w : width;
	}
	if (t->n + 2 > t->rows) /* what has scrolled away cannot be redrawn */
		from = t->n + 2 - t->rows;
	erase(t, &s);
	str_addf(&s, "[+] Running %zu/%zu\033[K\n", done, t->n);
	for (size_t i = from; i < t->n; i++)
		add_line(t, &t->v[i], width, &s);
	t->drawn = (unsigned)(t->n - from) + 1;
	t->drawn_ms = time_mono_ms();
	t->hidden = false;
	dprintf(t->fd, "%s", s.s);
}

static struct task *find(struct tasks *t, const char *name)
{
	for (size_t i = 0; i < t->n; i++)
		if (!strcmp(t->v[i].name, name))
			return &t->v[i];
	t->v = xgrow(t->v, t->n, &t->cap, sizeof(*t->v));
	t->v[t->n] = (struct task){ .name = xstrdup(name), .begun_ms = time_mono_ms() };
	return &t->v[t->n++];
}

void tasks_set(struct tasks *t, const char *name, const char *words, const char *text,
	       enum task_state state)
{
	struct task *k = find(t, name);
	bool news = !str_eq(k->words, words);

	free(k->text);
	k->text = xstrdup(text);
	if (news) {
		free(k->words);
		k->words = xstrdup(words);
	}
	k->state = state;
	k->ended_ms = time_mono_ms();
	if (t->tty)
		draw(t, news);
	else if (news && !t->quiet)
		dprintf(t->fd, " %s  %s\n", name, words);
}

void tasks_hide(struct tasks *t)
{
	if (!t->drawn)
		return;
	dprintf(t->fd, "\033[%uA\033[J", t->drawn);
	t->drawn = 0;
	t->hidden = true;
}

void tasks_show(struct tasks *t)
{
	if (t->hidden)
		draw(t, true);
}

void tasks_note(struct tasks *t, const char *text)
{
	_cleanup_str_ struct str s = { 0 };

	if (t->quiet)
		return;
	tasks_hide(t);
	human_clean(text, &s);
	dprintf(t->fd, "%s\n", s.s);
	draw(t, true);
}

void tasks_done(struct tasks *t)
{
	draw(t, true);
	for (size_t i = 0; i < t->n; i++) {
		free(t->v[i].name);
		free(t->v[i].words);
		free(t->v[i].text);
	}
	free(t->v);
	t->v = NULL;
	t->n = t->cap = 0;
	t->drawn = 0; /* what is printed from now on stands below it */
}
