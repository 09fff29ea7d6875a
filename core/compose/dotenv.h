/* core/compose/dotenv.h -- files of variables as Compose reads them: .env and env_file.  Pure, no I/O.
 *
 *	KEY=value            export KEY=value            KEY: value
 *	KEY='as it is'       KEY="with \n and $OTHER"    KEY=plain $OTHER  # remark
 *	KEY                  taken from where LOOKUP looks; else left out
 * Values in quotes may span lines.  Source: Compose documentation, "Env file syntax". */
#ifndef CORE_COMPOSE_DOTENV_H
#define CORE_COMPOSE_DOTENV_H

#include "core/compose/interp.h"

enum { DOTENV_BYTES_MAX = 1 << 20 };

/* Set every KEY=VALUE of TEXT in TO.  IN finds the variables of values; what it does not know is looked up in TO.
 * RAW: values as they stand, without quotes, remarks and variables (env_file's format: raw).
 * Errors: "FILE:line: reason". */
struct err *dotenv_parse(const char *file, const char *text, size_t len, bool raw,
			 const struct interp *in, struct strv *to) MUST_CHECK;

#endif
