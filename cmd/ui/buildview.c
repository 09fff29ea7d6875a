#include "cmd/ui/buildview.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "cmd/ui/human.h"
#include "core/base/proc.h"
#include "registry/image_ref.h"

enum { LOG_LINES = 20, LINE_MAX_BYTES = 4096, REDRAW_MS = 100, LIVE_MAX = 12 };

void buildview_init(struct buildview *v, int fd, bool plain)
{
	struct winsize ws = { 0 };

	*v = (struct buildview){ .fd = fd, .tty = !plain && isatty(fd), .columns = 80, .rows = 24 };
	if (v->tty && ioctl(fd, TIOCGWINSZ, &ws) == 0 && ws.ws_col > 20) {
		v->columns = ws.ws_col;
		v->rows = ws.ws_row;
	}
	v->start_ms = time_mono_ms();
}

static struct buildview_step *find(struct buildview *v, const struct build_event *ev)
{
	struct buildview_step *s;

	for (size_t i = 0; i < v->n; i++)
		if (v->steps[i].number == ev->step)
			return &v->steps[i];
	v->steps = xgrow(v->steps, v->n, &v->cap, sizeof(*v->steps));
	s = &v->steps[v->n++];
	*s = (struct buildview_step){ .number = ev->step,
				      .name = xstrdup(ev->name ?: ""),
				      .start_ms = time_mono_ms() };
	return s;
}

/* -- live lines -------------------------------------------------------------------------------------------------- */

static void put(struct buildview *v, const struct str *s)
{
	size_t done = 0;

	while (done < s->len) {
		ssize_t n = write(v->fd, s->s + done, s->len - done);

		if (n < 0 && errno != EINTR)
			return; /* nobody reads it any more: the build goes on */
		done += n > 0 ? (size_t)n : 0;
	}
}

static void erase(struct buildview *v, struct str *out)
{
	if (v->drawn)
		str_addf(out, "\033[%uA\033[J", v->drawn);
	v->drawn = 0;
}

/* " => NAME            0.3s", cut to the terminal's width. */
static void row(const struct buildview *v, const char *mark, const char *name, const char *right,
		struct str *out)
{
	size_t room = v->columns - 1 - strlen(mark) - strlen(right) - 1, width;
	_cleanup_str_ struct str text = { 0 }, cut = { 0 };

	human_clean(name, &text);
	human_ellipsis(text.s ?: "", room, &cut);
	width = human_width(cut.s ?: "");
	str_addf(out, "%s%s%*s%s\n", mark, cut.s ?: "", (int)(room - width + 1), "", right);
}

static void draw(struct buildview *v, struct str *out)
{
	unsigned lines = 0, most = v->rows > 4 ? v->rows - 2 : 2;
	int64_t now = time_mono_ms();

	if (most > LIVE_MAX)
		most = LIVE_MAX;
	for (size_t i = 0; i < v->n && lines + 2 <= most; i++) {
		struct buildview_step *s = &v->steps[i];
		char right[32];

		if (!s->running)
			continue;
		snprintf(right, sizeof(right), "%.1fs", (double)(now - s->start_ms) / 1000);
		row(v, " => ", s->name, right, out);
		lines++;
		if (s->log.n || s->line.len) {
			row(v, " => => ", s->line.len ? s->line.s : s->log.v[s->log.n - 1], "", out);
			lines++;
		}
	}
	v->drawn = lines;
	v->drawn_ms = now;
}

static void redraw(struct buildview *v, const char *above)
{
	_cleanup_str_ struct str out = { 0 };

	erase(v, &out);
	if (above)
		str_add(&out, above);
	draw(v, &out);
	put(v, &out);
}

void buildview_pause(struct buildview *v)
{
	_cleanup_str_ struct str out = { 0 };

	erase(v, &out);
	put(v, &out);
}

/* -- output of steps --------------------------------------------------------------------------------------------- */

static void plain_line(struct buildview *v, const struct buildview_step *s, const char *text)
{
	_cleanup_str_ struct str clean = { 0 };

	human_clean(text, &clean);
	dprintf(v->fd, "#%u %.3f %s\n", s->number, (double)(time_mono_ms() - s->start_ms) / 1000,
		clean.s ?: "");
}

static void keep_line(struct buildview *v, struct buildview_step *s)
{
	char *text = str_take(&s->line), *cr = strrchr(text, '\r');

	if (cr && cr[1]) /* a progress bar: what it said last */
		memmove(text, cr + 1, strlen(cr));
	else if (cr)
		*cr = '\0';
	if (!v->tty)
		plain_line(v, s, text);
	if (s->log.n == LOG_LINES) {
		free(s->log.v[0]);
		memmove(s->log.v, s->log.v + 1, s->log.n * sizeof(*s->log.v));
		s->log.n--;
	}
	strv_take(&s->log, text);
}

static void on_log(struct buildview *v, struct buildview_step *s, const struct build_event *ev)
{
	for (size_t i = 0; i < ev->len; i++) {
		if (ev->data[i] == '\n' || s->line.len >= LINE_MAX_BYTES)
			keep_line(v, s);
		if (ev->data[i] != '\n' && ev->data[i] != '\0')
			str_addc(&s->line, ev->data[i]);
	}
}

static void on_end(struct buildview *v, struct buildview_step *s, const struct build_event *ev)
{
	_cleanup_str_ struct str out = { 0 };
	char right[32];

	s->running = false;
	if (s->line.len)
		keep_line(v, s);
	snprintf(right, sizeof(right), "%.1fs", (double)ev->took_ns / 1e9);
	if (!v->tty) {
		if (ev->kind == BUILD_FAILED)
			dprintf(v->fd, "#%u ERROR after %s\n\n", s->number, right);
		else if (ev->kind == BUILD_CACHED)
			dprintf(v->fd, "#%u %s\n#%u CACHED\n\n", s->number, s->name, s->number);
		else
			dprintf(v->fd, "#%u DONE %s\n\n", s->number, right);
		return;
	}
	row(v,
	    ev->kind == BUILD_FAILED   ? " => ERROR "
	    : ev->kind == BUILD_CACHED ? " => CACHED "
				       : " => ",
	    s->name, ev->kind == BUILD_CACHED ? "" : right, &out);
	if (ev->kind == BUILD_FAILED) {
		str_add(&out, "------\n");
		for (size_t i = 0; i < s->log.n; i++) {
			human_clean(s->log.v[i], &out);
			str_addc(&out, '\n');
		}
		str_add(&out, "------\n");
	}
	redraw(v, out.s);
}

void buildview_event(void *view, const struct build_event *ev)
{
	struct buildview *v = view;
	struct buildview_step *s;

	if (ev->kind == BUILD_TICK) {
		if (v->tty && v->drawn && time_mono_ms() - v->drawn_ms >= REDRAW_MS)
			redraw(v, NULL);
		return;
	}
	if (!ev->step) {
		_cleanup_free_ char *text = xasprintf("%.*s\n", (int)ev->len, ev->data ?: "");

		if (v->tty)
			redraw(v, text);
		else
			dprintf(v->fd, "%s", text);
		return;
	}
	s = find(v, ev);
	switch (ev->kind) {
	case BUILD_START:
		s->running = true;
		s->start_ms = time_mono_ms();
		if (v->tty)
			redraw(v, NULL);
		else
			dprintf(v->fd, "#%u %s\n", s->number, s->name);
		break;
	case BUILD_LOG:
		on_log(v, s, ev);
		if (v->tty && time_mono_ms() - v->drawn_ms >= REDRAW_MS)
			redraw(v, NULL);
		break;
	case BUILD_NOTE:
		if (v->tty)
			str_addf(&s->line, "%.*s", (int)ev->len, ev->data);
		else
			dprintf(v->fd, "#%u %.*s\n", s->number, (int)ev->len, ev->data);
		break;
	default:
		v->finished++;
		on_end(v, s, ev);
	}
}

void buildview_image(struct buildview *v, const char *id, const struct strv *tags)
{
	unsigned number = 0;

	buildview_pause(v);
	for (size_t i = 0; i < v->n; i++)
		if (v->steps[i].number > number)
			number = v->steps[i].number;
	number++;
	if (v->tty)
		dprintf(v->fd, " => exporting to image\n => => writing image %s\n", id);
	else
		dprintf(v->fd, "#%u exporting to image\n#%u writing image %s done\n", number,
			number, id);
	for (size_t i = 0; i < tags->n; i++) {
		struct image_ref ref;
		struct err *e = image_ref_parse(tags->v[i], &ref);
		_cleanup_free_ char *full = e ? xstrdup(tags->v[i]) : image_ref_full(&ref);

		if (!e)
			image_ref_done(&ref);
		err_free(e); /* the build would not have succeeded */
		if (v->tty)
			dprintf(v->fd, " => => naming to %s\n", full);
		else
			dprintf(v->fd, "#%u naming to %s done\n", number, full);
	}
	if (!v->tty)
		dprintf(v->fd, "#%u DONE 0.0s\n", number);
}

void buildview_done(struct buildview *v, bool ok)
{
	buildview_pause(v);
	if (v->tty && ok)
		dprintf(v->fd, "[+] Building %.1fs (%zu/%zu) FINISHED\n",
			(double)(time_mono_ms() - v->start_ms) / 1000, v->finished, v->n);
	for (size_t i = 0; i < v->n; i++) {
		free(v->steps[i].name);
		str_done(&v->steps[i].line);
		strv_done(&v->steps[i].log);
	}
	free(v->steps);
	*v = (struct buildview){ .fd = -1 };
}
