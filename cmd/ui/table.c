#include "cmd/ui/table.h"

#include "cmd/ui/human.h"

enum { COLUMNS_MAX = 32, MIN_WIDTH = 10, GAP = 3 };

void table_line(struct table *t, const char *cells)
{
	strv_add(&t->lines, cells);
}

void table_done(struct table *t)
{
	strv_done(&t->lines);
}

/* The cell at *AT, which moves behind it; NULL at the end of the line.  *RET_LAST: no tab follows. */
static char *next_cell(const char **at, bool *ret_last)
{
	size_t len;
	char *cell;

	if (!*at)
		return NULL;
	len = strcspn(*at, "\t");
	cell = xstrndup(*at, len);
	*ret_last = !(*at)[len];
	*at = *ret_last ? NULL : *at + len + 1;
	return cell;
}

static void measure(const char *line, size_t widths[COLUMNS_MAX])
{
	bool last;

	for (size_t i = 0; line && i < COLUMNS_MAX; i++) {
		_cleanup_free_ char *cell = next_cell(&line, &last);
		size_t w = human_width(cell) + GAP;

		if (!last && w > widths[i])
			widths[i] = w;
	}
}

void table_text(const struct table *t, struct str *out)
{
	size_t widths[COLUMNS_MAX];

	for (size_t i = 0; i < COLUMNS_MAX; i++)
		widths[i] = MIN_WIDTH;
	for (size_t l = 0; l < t->lines.n; l++)
		measure(t->lines.v[l], widths);
	for (size_t l = 0; l < t->lines.n; l++) {
		const char *at = t->lines.v[l];
		bool last = false;

		for (size_t i = 0; at; i++) {
			_cleanup_free_ char *cell = next_cell(&at, &last);
			size_t w = i < COLUMNS_MAX ? widths[i] : MIN_WIDTH, own = human_width(cell);

			human_clean(cell, out);
			if (!last)
				str_addf(out, "%*s", (int)(w > own ? w - own : 1), "");
		}
		str_addc(out, '\n');
	}
}
