#include "cmd/ui/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "cmd/ui/human.h"
#include "core/base/fd.h"
#include "core/base/proc.h"

enum { REDRAW_MS = 100, RATE_MS = 500, BAR_MAX = 50, BAR_MIN = 10 };

void progress_init(struct progress *p, int fd)
{
	struct winsize ws = { 0 };

	*p = (struct progress){ .fd = fd, .tty = isatty(fd), .columns = 80, .rows = 24 };
	if (p->tty && ioctl(fd, TIOCGWINSZ, &ws) == 0 && ws.ws_col && ws.ws_row) {
		p->columns = ws.ws_col;
		p->rows = ws.ws_row;
	}
}

void progress_done(struct progress *p)
{
	free(p->layers);
	*p = (struct progress){ .fd = -1 };
}

static const char *phase_word(const struct progress_layer *l)
{
	static const char *const words[] = {
		[PULL_RESOLVING] = "Waiting",
		[PULL_WAITING] = "Waiting",
		[PULL_DOWNLOADING] = "Downloading",
		[PULL_EXTRACTING] = "Extracting",
		[PULL_DONE] = "Pull complete",
		[PULL_EXISTS] = "Already exists",
		[PULL_RETRY] = "Retrying",
		[PULL_LOADING] = "Loading",
		[PUSH_PREPARING] = "Preparing",
		[PUSH_UPLOADING] = "Pushing",
		[PUSH_DONE] = "Pushed",
		[PUSH_EXISTS] = "Layer already exists",
		[PUSH_MOUNTED] = "Mounted from",
	};

	_Static_assert(ARRAY_LEN(words) == PULL_PHASE_MAX, "a word for each phase");
	return words[l->phase];
}

/* "[=====>    ]" of WIDTH inner columns. */
static void add_bar(uint64_t done, uint64_t total, unsigned width, struct str *out)
{
	unsigned full = done >= total ? width : (unsigned)((double)done / (double)total * width);

	str_addc(out, '[');
	for (unsigned i = 0; i < width; i++)
		str_addc(out, i < full ? '=' : i == full ? '>' : ' ');
	str_addc(out, ']');
}

void progress_line(const struct progress_layer *l, unsigned columns, struct str *out)
{
	bool moves = l->phase == PULL_DOWNLOADING || l->phase == PUSH_UPLOADING ||
		     l->phase == PULL_LOADING;
	_cleanup_str_ struct str head = { 0 }, tail = { 0 };
	size_t used;

	str_addf(&head, "%s: %s%s%s", l->id, phase_word(l), *l->from ? " " : "", l->from);
	if ((moves || l->phase == PULL_EXTRACTING) && l->total) {
		str_addc(&tail, ' ');
		human_size(l->done > l->total ? l->total : l->done, false, &tail);
		str_addc(&tail, '/');
		human_size(l->total, false, &tail);
		if (moves && l->rate >= 1) {
			str_add(&tail, "  ");
			human_size((uint64_t)l->rate, false, &tail);
			str_add(&tail, "/s");
		}
	}
	used = head.len + (tail.len ? tail.len + 4 : 0); /* a blank, the brackets, the last column stays free */
	str_add(out, head.s);
	if (tail.len && used + BAR_MIN <= columns) {
		str_addc(out, ' ');
		add_bar(l->done, l->total,
			columns - used > BAR_MAX ? BAR_MAX : (unsigned)(columns - used), out);
	}
	str_add(out, tail.s ?: "");
}

static bool is_over(const struct progress_layer *l)
{
	return l->phase == PULL_DONE || l->phase == PULL_EXISTS || l->phase == PUSH_DONE ||
	       l->phase == PUSH_EXISTS || l->phase == PUSH_MOUNTED;
}

static void write_out(const struct progress *p, const struct str *s)
{
	if (s->len) /* a terminal that went away does not end the pull */
		err_free(fd_write_all(p->fd, "progress", s->s, s->len));
}

/* Back to the first of our lines, wiping what is below. */
static void rewind_lines(struct progress *p, struct str *s)
{
	if (p->drawn)
		str_addf(s, "\r\033[%uA\033[J", p->drawn);
	p->drawn = 0;
}

/* With more layers than lines, those that are done go first, then the last ones. */
static void draw(struct progress *p, struct str *s)
{
	size_t room = p->rows > 2 ? p->rows - 2 : 1, skip = 0, hidden = 0;

	rewind_lines(p, s);
	if (p->n > room)
		skip = p->n - room;
	for (size_t i = 0; i < p->n; i++) {
		const struct progress_layer *l = &p->layers[i];

		if (!l->seen)
			continue;
		if (skip && (is_over(l) || p->n - i <= skip)) {
			skip--;
			hidden++;
			continue;
		}
		progress_line(l, p->columns, s);
		str_addc(s, '\n');
		p->drawn++;
	}
	if (hidden) {
		str_addf(s, "(%zu more layers)\n", hidden);
		p->drawn++;
	}
}

static struct progress_layer *layer_of(struct progress *p, const struct pull_event *ev)
{
	size_t n = ev->n_layers > 0 ? (size_t)ev->n_layers : 0, i = (size_t)ev->layer;

	if (ev->layer < 0 || i >= n)
		return NULL;
	if (n > p->n) {
		p->layers = xrealloc(p->layers, n * sizeof(*p->layers));
		memset(p->layers + p->n, 0, (n - p->n) * sizeof(*p->layers));
		p->n = n;
	}
	return &p->layers[i];
}

static void measure(struct progress_layer *l, int64_t now)
{
	int64_t ms = now - l->rate_since_ms;
	double rate;

	if (!l->rate_since_ms || l->done < l->rate_from) {
		l->rate_since_ms = now;
		l->rate_from = l->done;
	} else if (ms >= RATE_MS) {
		rate = (double)(l->done - l->rate_from) * 1000 / (double)ms;
		l->rate = l->rate > 0 ? l->rate * 0.6 + rate * 0.4 : rate;
		l->rate_since_ms = now;
		l->rate_from = l->done;
	}
}

static void plain_line(struct progress_layer *l, struct str *s)
{
	bool push = l->phase >= PUSH_PREPARING;

	if (is_over(l))
		str_addf(s, "%s: %s%s%s\n", l->id, phase_word(l), *l->from ? " " : "", l->from);
	else if (!l->announced)
		str_addf(s, "%s: %s\n", l->id, push ? "Preparing" : "Pulling fs layer");
	l->announced = true;
}

void progress_event(void *progress, const struct pull_event *ev)
{
	struct progress *p = progress;
	struct progress_layer *l = layer_of(p, ev);
	_cleanup_str_ struct str s = { 0 };
	int64_t now = time_mono_ms();
	bool changed, all_over = true;

	if (ev->phase == PULL_RETRY && ev->text) {
		if (p->tty)
			rewind_lines(p, &s);
		human_clean(ev->text, &s);
		str_addc(&s, '\n');
		if (p->tty)
			draw(p, &s);
		write_out(p, &s);
		return;
	}
	if (!l)
		return;
	changed = !l->seen || l->phase != ev->phase;
	if (ev->digest)
		snprintf(l->id, sizeof(l->id), "%.12s", str_after(ev->digest, "sha256:") ?: ev->digest);
	l->seen = true;
	l->phase = ev->phase;
	l->done = ev->done_bytes;
	l->total = ev->total_bytes;
	snprintf(l->from, sizeof(l->from), "%s", ev->phase == PUSH_MOUNTED && ev->text ? ev->text : "");
	measure(l, now);
	if (!p->tty) {
		if (changed && ev->phase != PULL_WAITING)
			plain_line(l, &s);
		write_out(p, &s);
		return;
	}
	for (size_t i = 0; i < p->n; i++)
		all_over = all_over && is_over(&p->layers[i]);
	if (!all_over && p->drawn_ms && now - p->drawn_ms < REDRAW_MS)
		return;
	p->drawn_ms = now;
	draw(p, &s);
	write_out(p, &s);
}
