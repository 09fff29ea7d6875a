/* cmd/list.h -- lists for people and scripts: a table, one JSON object a line, or a Go template (--format).
 *
 *	e = list_open(&l, opt_format, "{{.ID}}\t{{.Names}}", columns);
 *	for each thing:  list_row(&l);  list_put(&l, "ID", id);  ...  e = list_end_row(&l);
 *	list_close(&l);
 *
 * Rows go to stdout at list_close() (tables) or at once (the others). */
#ifndef CMD_LIST_H
#define CMD_LIST_H

#include "cmd/ui/table.h"
#include "cmd/ui/template.h"

struct column {
	const char *key, *heading; /* NULL key ends the list */
};

struct list {
	bool table, as_json;
	char *format; /* what TEMPLATE was made of */
	struct template *template;
	struct table lines;
	struct json_out row;
};

/* FORMAT: what the user gave, or NULL.  TABLE: template of the default table.  Errors: bad templates. */
struct err *list_open(struct list *l, const char *format, const char *table,
		      const struct column *columns) MUST_CHECK;
void list_row(struct list *l);
/* Does the output have it?  Others need not be put. */
bool list_wants(const struct list *l, const char *key);
/* VALUE may hold any bytes. */
void list_put(struct list *l, const char *key, const char *value);
struct err *list_end_row(struct list *l) MUST_CHECK;
void list_close(struct list *l);
/* Ends L without printing. */
void list_done(struct list *l);
#define _cleanup_list_ _cleanup_(list_done)

/* Apply the template FORMAT ("json": the object itself) to the JSON TEXT and print the result with a newline. */
struct err *print_formatted(const char *format, const char *text, size_t len) MUST_CHECK;

#endif
