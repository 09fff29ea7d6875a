/* cmd/ui/table.h -- columns of text as Docker prints them: left-aligned, three blanks between, a column is at least ten
 * wide; the last cell of a line is not padded. */
#ifndef CMD_UI_TABLE_H
#define CMD_UI_TABLE_H

#include "core/base/str.h"

/* Zero is a valid empty table. */
struct table {
	struct strv lines; /* cells of a line are separated by tabs */
};
/* One line; cells are separated by tabs. */
void table_line(struct table *t, const char *cells);
/* The aligned text. */
void table_text(const struct table *t, struct str *out);
void table_done(struct table *t);
#define _cleanup_table_ _cleanup_(table_done)

#endif
