/* cmd/ui/progress.h -- what a pull or a push shows: on a terminal one line a layer with bar, rate and total, redrawn at
 * most ten times a second; elsewhere plain lines as layers begin and end.
 * It runs in the process that does it: pass progress_event as pull_opts.progress and the struct as its argument. */
#ifndef CMD_UI_PROGRESS_H
#define CMD_UI_PROGRESS_H

#include "registry/pull.h"

struct progress_layer {
	char id[13]; /* the first 12 digits of the blob's digest */
	char from[64]; /* PUSH_MOUNTED: the repository that has it */
	enum pull_phase phase;
	bool seen, announced; /* announced: its beginning was printed (plain lines) */
	uint64_t done, total;
	uint64_t rate_from; /* bytes at the start of the current measurement */
	int64_t rate_since_ms;
	double rate; /* bytes a second, smoothed */
};

struct progress {
	int fd;
	bool tty;
	unsigned columns, rows;
	struct progress_layer *layers;
	size_t n;
	unsigned drawn; /* lines of ours above the cursor */
	int64_t drawn_ms;
};

/* Decide by what FD is. */
void progress_init(struct progress *p, int fd);
void progress_event(void *progress, const struct pull_event *ev);
void progress_done(struct progress *p);
/* One layer's line for COLUMNS columns, without newline. */
void progress_line(const struct progress_layer *l, unsigned columns, struct str *out);

#endif
