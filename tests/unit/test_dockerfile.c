/* Dockerfiles as lists of instructions, each with the line it stands on. */
#include "core/build/dockerfile.h"

#include "tests/lib/tap.h"

static struct dockerfile parse(const char *text)
{
	struct dockerfile d = { 0 };
	struct err *e = dockerfile_parse(text, strlen(text), "Dockerfile", &d);

	if (e)
		printf("# %s\n", e->text);
	err_free(e);
	return d;
}

static struct err *refuse(const char *text)
{
	struct dockerfile d = { 0 };

	return dockerfile_parse(text, strlen(text), "Dockerfile", &d);
}

static void lines(void)
{
	struct dockerfile d = parse("\xef\xbb\xbf# syntax=docker/dockerfile:1\n"
				    "# escape=`\r\n"
				    "\n"
				    "from a:1 As Build\r\n"
				    "  RUN one `  \n"
				    "# a comment\n"
				    "\n"
				    "   two `\n"
				    "three\n"
				    "RUN c:\\x\\ \n"
				    "CMD last `");

	is_int(d.n, 4, "four instructions");
	is_int(d.escape, '`', "the escape directive counts");
	is_int(d.v[0].kind, INSTR_FROM, "keywords in any case");
	is_int(d.v[0].words.n, 3, "FROM a AS b has three words");
	is_int(d.v[1].pos.line, 5, "RUN's line");
	is_str(d.v[1].text, "one    two three",
	       "continuation lines are joined, comments in between are none");
	is_int(d.v[1].words.v[0].pos.line, 5, "the line of the first word");
	is_int(d.v[1].words.v[1].pos.line, 8, "the line of a word behind a comment");
	is_int(d.v[1].words.v[2].pos.line, 9, "the line of the last word");
	is_str(d.v[2].text, "c:\\x\\", "a backslash is none when the escape is `");
	is_str(d.v[3].text, "last", "a continuation at the end of the file");
	dockerfile_done(&d);
}

static void forms(void)
{
	struct dockerfile d = parse("FROM x\n"
				    "RUN [\"a\", \"b c\"]\n"
				    "RUN [ -f x ]\n"
				    "RUN [\"a\", 1]\n"
				    "COPY --from=b --chown=1:2 \"a b\" c /d/\n"
				    "HEALTHCHECK --interval=5s CMD [\"t\"]\n"
				    "HEALTHCHECK none\n"
				    "VOLUME [\"/a b\", \"/c\"]\n"
				    "ENV A=\"x y\" B='1 2'\n"
				    "CMD []\n"
				    "ONBUILD RUN <<E\nx\nE\n");
	struct instr in;
	struct err *e;

	is_int(d.n, 11, "eleven instructions");
	ok(d.v[1].json && d.v[1].words.n == 2, "a list in JSON form");
	is_str(d.v[1].words.v[1].text, "b c", "its strings are words");
	ok(!d.v[2].json && !d.v[3].json, "what only looks like one is a shell's");
	is_str(instr_flag(&d.v[4], "from"), "b", "a flag's value");
	ok(!instr_flag(&d.v[4], "link"), "a flag that is not there");
	is_int(d.v[4].words.n, 3, "words in quotes are one");
	is_str(d.v[4].words.v[0].text, "\"a b\"", "and keep their quotes");
	ok(d.v[5].json && d.v[5].words.n == 1, "HEALTHCHECK CMD in JSON form");
	is_int(d.v[7].words.n, 2, "VOLUME in JSON form");
	is_int(d.v[8].words.n, 2, "ENV with quotes");
	ok(d.v[9].json && d.v[9].words.n == 0, "CMD [] is empty");
	e = instr_parse(d.v[10].text, "ONBUILD of x", &in);
	ok(!e && in.kind == INSTR_RUN && in.n_heredocs == 1,
	   "ONBUILD keeps the heredoc of what is inside");
	is_str(in.heredocs[0].text, "x\n", "with its text");
	instr_done(&in);
	dockerfile_done(&d);
}

static void heredocs(void)
{
	struct dockerfile d = parse("FROM x\n"
				    "RUN cat <<A 3<<-\"B\" && x\n"
				    "a \\\n"
				    "# no comment\n"
				    "A\n"
				    "\t\tb\n"
				    "\tB\n"
				    "RUN y\n");
	_cleanup_free_ char *text = NULL;

	is_int(d.n, 3, "bodies are no instructions");
	is_int(d.v[1].n_heredocs, 2, "two of them");
	is_str(d.v[1].heredocs[0].text, "a \\\n# no comment\n", "a body is taken as it is");
	ok(d.v[1].heredocs[0].expand && !d.v[1].heredocs[1].expand,
	   "quotes around the name: nothing is expanded");
	text = heredoc_text(&d.v[1].heredocs[1]);
	is_str(text, "b\n", "<<- takes the tabs away");
	is_int(d.v[2].pos.line, 8, "lines are counted on");
	ok(heredoc_is("<<EOF") && heredoc_is("2<<-'X'") && !heredoc_is("<<") &&
		   !heredoc_is("a<<EOF") && !heredoc_is("<<<x"),
	   "what is a mark");
	dockerfile_done(&d);
}

static const struct {
	const char *in, *err;
} refused[] = {
	{ "", "Dockerfile: the file has no instructions" },
	{ "FROM x\nFRMO y", "Dockerfile:2: unknown instruction: FRMO (did you mean FROM?)" },
	{ "FROM x\nHELLO", "Dockerfile:2: unknown instruction: HELLO*" },
	{ "FROM", "Dockerfile:1: FROM takes an image*" },
	{ "FROM x\nRUN", "Dockerfile:2: RUN requires at least one argument" },
	{ "FROM x\nENV", "Dockerfile:2: ENV requires at least one argument" },
	{ "FROM x\nADD a", "Dockerfile:2: ADD needs source and destination, got 1 word" },
	{ "FROM x\nCOPY --form=y a b", "Dockerfile:2: COPY: unknown flag --form (did you mean --from?)" },
	{ "FROM x\nRUN a \\\n --b\nCOPY \\\n--x a b", "Dockerfile:5: COPY: unknown flag --x*" },
	{ "FROM x\nCOPY <<A <<B /\na\nA\nb\n",
	  "Dockerfile:2: the heredoc <<B is not ended by a line \"B\"" },
	{ "FROM x\nSHELL bash", "Dockerfile:2: SHELL takes a list in JSON form*" },
	{ "FROM x\nHEALTHCHECK RUN x", "Dockerfile:2: HEALTHCHECK takes CMD or NONE, not \"RUN\"" },
	{ "FROM x\nHEALTHCHECK NONE x", "Dockerfile:2: HEALTHCHECK NONE takes no arguments" },
	{ "FROM x\nONBUILD ONBUILD RUN x", "Dockerfile:2: ONBUILD isn't allowed as an ONBUILD trigger" },
	{ "FROM x\nSTOPSIGNAL a b", "Dockerfile:2: STOPSIGNAL takes one signal*" },
	{ "# escape=x\nFROM x", "Dockerfile:1: invalid escape token 'x'*" },
	{ "# escape=`\n# escape=`\nFROM x", "Dockerfile:2: only one escape directive can be used" },
};

int main(void)
{
	lines();
	forms();
	heredocs();
	for (size_t i = 0; i < ARRAY_LEN(refused); i++)
		is_err(refuse(refused[i].in), refused[i].err, "refused: %zu", i);
	{
		static const char nul[] = "FROM x\nRUN a\0b\n";
		struct dockerfile d = { 0 };

		is_err(dockerfile_parse(nul, sizeof(nul) - 1, "D", &d), "D:2: there is a NUL byte*",
		       "a NUL byte");
	}
	return done_testing();
}
