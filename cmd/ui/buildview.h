/* cmd/ui/buildview.h -- what a build shows: on a terminal one line a step, those that run redrawn in place with the
 * last line of their output; elsewhere plain lines as BuildKit's --progress=plain writes them. */
#ifndef CMD_UI_BUILDVIEW_H
#define CMD_UI_BUILDVIEW_H

#include "core/build/build.h"

struct buildview_step {
	unsigned number;
	char *name;
	int64_t start_ms;
	struct str line; /* output since its last newline */
	struct strv log; /* the last lines, for when it fails */
	bool running, announced;
};

struct buildview {
	int fd;
	bool tty;
	unsigned columns, rows;
	int64_t start_ms, drawn_ms;
	struct buildview_step *steps;
	size_t n, cap;
	unsigned drawn; /* lines of ours above the cursor */
	size_t finished;
};

/* PLAIN: plain lines even on a terminal. */
void buildview_init(struct buildview *v, int fd, bool plain);
/* For build_request.progress; ARG is the struct. */
void buildview_event(void *view, const struct build_event *ev);
/* Take the live lines away, so that others can write below what is there. */
void buildview_pause(struct buildview *v);
/* The image that came of it, and its names as typed. */
void buildview_image(struct buildview *v, const char *id, const struct strv *tags);
/* OK: the build succeeded. */
void buildview_done(struct buildview *v, bool ok);

#endif
