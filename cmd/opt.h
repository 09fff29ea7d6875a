/* cmd/opt.h -- options of a verb: a table is parsed from and --help is printed from.  Pure, no I/O.
 *
 *	static unsigned opt_timeout_s = 10;
 *	static const struct opt opts[] = {
 *		{ 't', "time", "int", "Seconds to wait", OPT_UINT, &opt_timeout_s }, { 0 } };
 *
 * Accepted as in Docker: `-t 5`, `-t5`, `-t=5`, `--time 5`, `--time=5`, flags in a bundle whose
 * last one may take a value (`-dp 3306:3306`), `--flag=false`, `--` as the end of the options. */
#ifndef CMD_OPT_H
#define CMD_OPT_H

#include "core/base/str.h"

enum opt_kind {
	OPT_BOOL, /* bool */
	OPT_STR, /* const char *: points into argv */
	OPT_UINT, /* unsigned */
	OPT_INT, /* int, may be negative */
	OPT_LIST, /* struct strv: every occurrence is appended */
	OPT_CALL, /* set(value, to) for each occurrence, in order; its error becomes "invalid argument ..." */
	OPT_CALL_FLAG, /* the same without a value (NULL) */
	OPT_KIND_MAX
};

struct opt {
	char c; /* short name, or 0 */
	const char *name; /* long name; NULL ends the table, or goes on with the one that TO points to */
	const char *arg; /* what the value is, for --help; NULL: "string", "int", "list" by kind */
	const char *help; /* NULL: a second spelling that --help does not mention */
	enum opt_kind kind;
	void *to;
	struct err *(*set)(const char *value, void *to);
};

/* Where options end. */
enum opt_grammar {
	OPT_ANYWHERE, /* options and operands in any order */
	OPT_FIRST, /* at the first operand: `docker run -d IMAGE -x` gives -x to IMAGE's process */
	/* Options that directly follow the first operand are taken too; the first word that is not one of the table's
	 * options starts the command.  From there on, or after `--`, every word is the command's, untouched.  `--help`
	 * behind the operand is the command's. */
	OPT_AFTER_OPERAND,
	OPT_GRAMMAR_MAX
};

struct opt_result {
	int argc; /* operands, moved to the front of argv and NULL-ended */
	bool help; /* --help (or -h, where that is no option of the table) was given; parsing stopped there */
};

/* ARGV holds ARGC words without the verb's name and has room for a NULL.  Errors: Docker's words ("unknown flag: --x",
 * "flag needs an argument: --name", `invalid argument "x" for "-t, --time" flag: ...`), errno 0; the hint names the
 * nearest option. */
struct err *opt_parse(const struct opt *opts, enum opt_grammar g, int argc, char **argv,
		      struct opt_result *ret) MUST_CHECK;
/* The "Options:" section of --help, one line an option, by name; nothing for an empty table. */
void opt_help(const struct opt *opts, struct str *out);
/* The option called NAME, or NULL. */
const struct opt *opt_find(const struct opt *opts, const char *name, size_t len);

#endif
