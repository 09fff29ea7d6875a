/* cmd/ui/tasks.h -- things that are done at the same time: on a terminal a list that is redrawn, with a mark, the last
 * word and the time of each, as Compose v2 shows it; elsewhere a line for each change. */
#ifndef CMD_UI_TASKS_H
#define CMD_UI_TASKS_H

#include <stdint.h>

#include "core/base/str.h"

enum task_state { TASK_WORKING, TASK_DONE, TASK_FAILED };

struct task {
	char *name, *words, *text;
	enum task_state state;
	int64_t begun_ms, ended_ms;
};

struct tasks {
	int fd;
	bool tty, quiet;
	struct task *v;
	size_t n, cap;
	unsigned columns, rows;
	unsigned drawn; /* lines of ours above the cursor */
	bool hidden; /* tasks_hide() */
	int64_t drawn_ms;
};

/* STYLE: NULL or "auto": by what FD is; "tty", "plain", "quiet". */
void tasks_init(struct tasks *t, int fd, const char *style);
/* TEXT: further words for the list on a terminal, may be NULL. */
void tasks_set(struct tasks *t, const char *name, const char *words, const char *text,
	       enum task_state state);
/* A sentence above the list. */
void tasks_note(struct tasks *t, const char *text);
/* The list goes away, for others to write where it stood, until tasks_show() or the next change. */
void tasks_hide(struct tasks *t);
void tasks_show(struct tasks *t);
/* Draw what is there for the last time, and free it; what is set later begins a new list. */
void tasks_done(struct tasks *t);

#endif
