/* How the words of a command line are read: Docker's option grammar, and devbox's own for `run IMAGE -p 3306`. */
#include "cmd/opt.h"
#include "tests/lib/tap.h"

static bool detach, interactive, tty, rm, sig_proxy;
static const char *name, *user, *hostname;
static unsigned tail;
static int timeout;
static struct strv publish, env, calls;
static struct strv words; /* of the line under test: values point into it */

static struct err *record(const char *value, void *to)
{
	if (value && !strcmp(value, "bad"))
		return err_new(0, "no such thing");
	strv_addf(to, "%s", value ?: "(flag)");
	return NULL;
}

static const struct opt opts[] = {
	{ 'd', "detach", NULL, "Run container in background", OPT_BOOL, &detach, NULL },
	{ 'e', "env", NULL, "Set environment variables", OPT_LIST, &env, NULL },
	{ 'h', "hostname", NULL, "Container host name", OPT_STR, &hostname, NULL },
	{ 'i', "interactive", NULL, "Keep STDIN open", OPT_BOOL, &interactive, NULL },
	{ 0, "name", NULL, "Assign a name", OPT_STR, &name, NULL },
	{ 'p', "publish", NULL, "Publish ports", OPT_LIST, &publish, NULL },
	{ 0, "rm", NULL, "Remove it when it exits", OPT_BOOL, &rm, NULL },
	{ 0, "sig-proxy", NULL, "Proxy signals\n(default true)", OPT_BOOL, &sig_proxy, NULL },
	{ 'n', "tail", NULL, "Lines", OPT_UINT, &tail, NULL },
	{ 0, "timeout", NULL, "Seconds", OPT_INT, &timeout, NULL },
	{ 0, "time", NULL, NULL, OPT_INT, &timeout, NULL },
	{ 't', "tty", NULL, "Allocate a terminal", OPT_BOOL, &tty, NULL },
	{ 'u', "user", "name|uid", "User", OPT_STR, &user, NULL },
	{ 'v', "volume", NULL, "Bind mount", OPT_CALL, &calls, record },
	{ 'q', "quick", NULL, "A flag with a function", OPT_CALL_FLAG, &calls, record },
	{ 0 },
};

static void reset(void)
{
	detach = interactive = tty = rm = false;
	sig_proxy = true;
	name = user = hostname = NULL;
	tail = 7;
	timeout = 10;
	strv_done(&publish);
	strv_done(&env);
	strv_done(&calls);
	strv_done(&words);
}

/* Parse LINE, split at blanks; the operands joined by '|'. */
static char *parse(enum opt_grammar g, const char *line, struct err **ret_err)
{
	static char operands[512];
	struct opt_result r = { 0 };
	_cleanup_free_ char *copy = xstrdup(line);
	_cleanup_free_ char **argv = NULL;
	size_t at = 0;

	reset();
	for (char *p = copy, *word; (word = strsep(&p, " "));)
		if (*word)
			strv_add(&words, word);
	argv = xcalloc(words.n + 1, sizeof(*argv));
	for (size_t i = 0; i < words.n; i++)
		argv[i] = words.v[i];
	*ret_err = opt_parse(opts, g, (int)words.n, argv, &r);
	operands[0] = '\0';
	for (int i = 0; !*ret_err && i < r.argc; i++)
		at += (size_t)snprintf(operands + at, sizeof(operands) - at, "%s%s", i ? "|" : "",
				       argv[i]);
	if (r.help)
		snprintf(operands, sizeof(operands), "HELP");
	return operands;
}

static void parses(enum opt_grammar g, const char *line, const char *operands)
{
	struct err *e;
	char *got = parse(g, line, &e);
	_cleanup_free_ char *text = e ? err_line(e) : NULL;

	ok(!e, "'%s' parses%s%s", line, e ? ": " : "", text ?: "");
	is_str(got, operands, "operands of '%s'", line);
	err_free(e);
}

static void fails(enum opt_grammar g, const char *line, const char *glob)
{
	struct err *e;

	parse(g, line, &e);
	is_err(e, glob, "'%s' is refused", line);
}

static const char *joined(const struct strv *l)
{
	static char buf[256];
	size_t at = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < l->n; i++)
		at += (size_t)snprintf(buf + at, sizeof(buf) - at, "%s%s", i ? "|" : "", l->v[i]);
	return buf;
}

static void test_values(void)
{
	parses(OPT_ANYWHERE, "-dp 3306:3306 -e A=b -e C mysql", "mysql");
	ok(detach, "-d of the bundle");
	is_str(joined(&publish), "3306:3306", "-p of the bundle takes the next word");
	is_str(joined(&env), "A=b|C", "-e twice");
	parses(OPT_ANYWHERE, "-itp80:80 x", "x");
	ok(interactive && tty, "-it");
	is_str(joined(&publish), "80:80", "the rest of the bundle is the value");
	parses(OPT_ANYWHERE, "-e=K=V --env=L=W --env M=X", "");
	is_str(joined(&env), "K=V|L=W|M=X", "= in short and long options");
	parses(OPT_ANYWHERE, "-d=false --rm=true --sig-proxy=0 x", "x");
	ok(!detach && rm && !sig_proxy, "flags with a value");
	parses(OPT_ANYWHERE, "--rm false", "false");
	ok(rm, "a flag never takes the next word");
	parses(OPT_ANYWHERE, "--name= --user -x", "");
	is_str(name, "", "an empty value");
	is_str(user, "-x", "a value may start with a dash");
	parses(OPT_ANYWHERE, "-n 0 --time -1", "");
	is_int(tail, 0, "unsigned");
	is_int(timeout, -1, "a negative number, by the second spelling");
	parses(OPT_ANYWHERE, "-v a -q -v b", "");
	is_str(joined(&calls), "a|(flag)|b", "functions are called in order");
	parses(OPT_ANYWHERE, "a -d b -- -d --help c", "a|b|-d|--help|c");
	parses(OPT_ANYWHERE, "- -d", "-");
	ok(detach, "a lone dash is an operand");
	parses(OPT_ANYWHERE, "x --help --nonsense", "HELP");
	parses(OPT_ANYWHERE, "", "");
}

static void test_errors(void)
{
	fails(OPT_ANYWHERE, "--foo", "unknown flag: --foo");
	fails(OPT_ANYWHERE, "--foo=bar x", "unknown flag: --foo");
	fails(OPT_ANYWHERE, "--nmae=x", "unknown flag: --nmae (hint: did you mean --name?)");
	fails(OPT_ANYWHERE, "-dz", "unknown shorthand flag: 'z' in -dz");
	fails(OPT_ANYWHERE, "--name", "flag needs an argument: --name");
	fails(OPT_ANYWHERE, "-de", "flag needs an argument: 'e' in -de");
	fails(OPT_ANYWHERE, "-n many",
	      "invalid argument \"many\" for \"-n, --tail\" flag: 'many' is not a number*");
	fails(OPT_ANYWHERE, "-n -1", "invalid argument \"-1\" for \"-n, --tail\" flag: *");
	fails(OPT_ANYWHERE, "--timeout 1.5",
	      "invalid argument \"1.5\" for \"--timeout\" flag: '1.5' is not a whole number");
	fails(OPT_ANYWHERE, "--rm=maybe",
	      "invalid argument \"maybe\" for \"--rm\" flag: 'maybe' is neither true nor false");
	fails(OPT_ANYWHERE, "-v bad",
	      "invalid argument \"bad\" for \"-v, --volume\" flag: no such thing");
}

static void test_docker_grammar(void)
{
	parses(OPT_FIRST, "-it --rm mysql mysql -h192.168.1.11 -P3306 -uroot -p",
	       "mysql|mysql|-h192.168.1.11|-P3306|-uroot|-p");
	ok(interactive && tty && rm && !hostname && !user && !publish.n,
	   "only what stands before IMAGE is ours");
	parses(OPT_FIRST, "mysql -p 3306 -- x", "mysql|-p|3306|--|x");
	ok(!publish.n, "options behind IMAGE go to the container");
	parses(OPT_FIRST, "-d -- mysql -d", "mysql|-d");
}

static void test_devbox_grammar(void)
{
	parses(OPT_AFTER_OPERAND, "mysql -p 3306 -e MYSQL_DATABASE=app", "mysql");
	is_str(joined(&publish), "3306", "-p behind IMAGE");
	is_str(joined(&env), "MYSQL_DATABASE=app", "-e behind IMAGE");
	parses(OPT_AFTER_OPERAND, "mysql --character-set-server=utf8mb4",
	       "mysql|--character-set-server=utf8mb4");
	parses(OPT_AFTER_OPERAND, "mysql -p 3306 --skip-log-bin -e X=Y", "mysql|--skip-log-bin|-e|X=Y");
	ok(!env.n, "nothing is taken behind the command's first word");
	parses(OPT_AFTER_OPERAND, "-it --rm mysql mysql -h192.168.1.11 -P3306 -uroot -p",
	       "mysql|mysql|-h192.168.1.11|-P3306|-uroot|-p");
	ok(!hostname && !user && !publish.n, "a command's options are its own");
	parses(OPT_AFTER_OPERAND, "mysql -dp 3306:3306 --name db", "mysql");
	ok(detach && !strcmp(name, "db"), "bundles and long options behind IMAGE");
	parses(OPT_AFTER_OPERAND, "-dp 3306:3306 -e A=b mysql", "mysql");
	is_str(joined(&publish), "3306:3306", "Docker's order works too");
	parses(OPT_AFTER_OPERAND, "mysql -p 3306 -- -p x", "mysql|-p|x");
	is_str(joined(&publish), "3306", "-- ends our options and is dropped");
	parses(OPT_AFTER_OPERAND, "busybox sh -c true -- -d", "busybox|sh|-c|true|--|-d");
	parses(OPT_AFTER_OPERAND, "postgres -c max_connections=9", "postgres|-c|max_connections=9");
	parses(OPT_AFTER_OPERAND, "mysql --help", "mysql|--help");
	parses(OPT_AFTER_OPERAND, "--help mysql", "HELP");
	parses(OPT_AFTER_OPERAND, "mysql --verbose --help", "mysql|--verbose|--help");
	parses(OPT_AFTER_OPERAND, "mysql -ix", "mysql|-ix");
	parses(OPT_AFTER_OPERAND, "-- mysql -d", "mysql|-d");
	fails(OPT_AFTER_OPERAND, "--skip-log-bin mysql", "unknown flag: --skip-log-bin");
	fails(OPT_AFTER_OPERAND, "mysql -p", "flag needs an argument: 'p' in -p");
}

static void test_help(void)
{
	static const struct opt few[] = {
		{ 'a', "all", NULL, "Show all", OPT_BOOL, NULL, NULL },
		{ 0, "filter", NULL, "Filter output\nby conditions", OPT_LIST, NULL, NULL },
		{ 0, "hidden", NULL, NULL, OPT_STR, NULL, NULL },
		{ 0 },
	};
	static const struct opt more[] = {
		{ 0, "dry", NULL, "Do nothing", OPT_BOOL, NULL, NULL },
		{ .to = (void *)few },
	};
	_cleanup_str_ struct str longer = { 0 };
	_cleanup_str_ struct str s = { 0 };

	opt_help(few, &s);
	is_str(s.s,
	       "Options:\n"
	       "  -a, --all           Show all\n"
	       "      --filter list   Filter output\n"
	       "                      by conditions\n",
	       "help text");
	opt_help(more, &longer);
	is_str(longer.s,
	       "Options:\n"
	       "  -a, --all           Show all\n"
	       "      --dry           Do nothing\n"
	       "      --filter list   Filter output\n"
	       "                      by conditions\n",
	       "a table that goes on in another");
	ok(opt_find(more, "hidden", 6) == &few[2], "found there");
	ok(!opt_find(more, "none", 4), "not found");
}

int main(void)
{
	test_values();
	test_errors();
	test_docker_grammar();
	test_devbox_grammar();
	test_help();
	reset();
	return done_testing();
}
