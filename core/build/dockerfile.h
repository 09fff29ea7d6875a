/* core/build/dockerfile.h -- a Dockerfile as a list of instructions.  Pure, no I/O; input may be hostile.
 * Sources: Dockerfile reference; BuildKit's parser for what it leaves open.
 *
 * Nothing is expanded here: words keep their quotes, escapes and variables, see expand.h. */
#ifndef CORE_BUILD_DOCKERFILE_H
#define CORE_BUILD_DOCKERFILE_H

#include "core/base/pos.h"
#include "core/base/str.h"

enum {
	DOCKERFILE_MAX = 16 << 20, /* bytes */
	INSTRS_MAX = 20000,
	WORDS_MAX = 50000, /* of one instruction */
	HEREDOCS_MAX = 100, /* of one instruction */
};

enum instr_kind {
	INSTR_ADD,
	INSTR_ARG,
	INSTR_CMD,
	INSTR_COPY,
	INSTR_ENTRYPOINT,
	INSTR_ENV,
	INSTR_EXPOSE,
	INSTR_FROM,
	INSTR_HEALTHCHECK,
	INSTR_LABEL,
	INSTR_MAINTAINER,
	INSTR_ONBUILD,
	INSTR_RUN,
	INSTR_SHELL,
	INSTR_STOPSIGNAL,
	INSTR_USER,
	INSTR_VOLUME,
	INSTR_WORKDIR,
	INSTR_MAX
};
extern const char *const instr_names[]; /* "ADD", ... */

struct word {
	char *text; /* as written */
	struct pos pos;
};
struct words {
	struct word *v;
	size_t n, cap;
};

struct heredoc {
	char *name; /* "EOF", without quotes */
	char *text;
	bool expand; /* the name was not quoted */
	bool chomp; /* <<-: tabs at the beginning of lines go, heredoc_text() does it */
};
/* What the reader of the file gets.  The caller frees it. */
char *heredoc_text(const struct heredoc *h);
/* Is TEXT a heredoc's mark ("<<EOF", "3<<-'EOF'")? */
bool heredoc_is(const char *text);

struct instr {
	enum instr_kind kind;
	struct pos pos;
	struct words flags; /* "--from=x" */
	char *text; /* what follows the flags, lines joined */
	struct words words; /* the same in words; of HEALTHCHECK what follows CMD */
	bool json; /* TEXT is ["a", "b"], of strings alone, and WORDS are these */
	struct heredoc *heredocs; /* of RUN, ADD, COPY and ONBUILD */
	size_t n_heredocs;
};
void instr_done(struct instr *in);
/* The flag's value ("" for a bare one), or NULL. */
const char *instr_flag(const struct instr *in, const char *name);

struct dockerfile {
	char *name;
	char escape; /* '\\' or '`' */
	struct instr *v;
	size_t n, cap;
};
/* NAME is for messages.  Errors: "<name>:<line>: ..." with what is wrong; unknown instructions name the nearest. */
struct err *dockerfile_parse(const char *text, size_t len, const char *name, struct dockerfile *ret)
	MUST_CHECK;
void dockerfile_done(struct dockerfile *d);
/* One instruction from an image's ONBUILD list; NAME ("ONBUILD of mysql") is for messages and must outlive it. */
struct err *instr_parse(const char *text, const char *name, struct instr *ret) MUST_CHECK;

#endif
