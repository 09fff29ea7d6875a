/* --format: the part of Go's text/template that scripts use, over what inspect prints. */
#include "cmd/ui/template.h"
#include "tests/lib/tap.h"

static const char data[] =
	"{\"Id\":\"0123456789ab\",\"Name\":\"/db\",\"RestartCount\":0,\"Ratio\":1.50,\"Empty\":\"\",\"Nothing\":null,"
	"\"State\":{\"Status\":\"running\",\"Running\":true,\"Paused\":false,\"Pid\":812,\"ExitCode\":0},"
	"\"Config\":{\"Env\":[\"PATH=/bin\",\"A=b\"],\"Cmd\":null,"
	"\"Labels\":{\"org.x\":\"1\",\"b\":\"2\"},\"Volumes\":{}},"
	"\"Mounts\":[{\"Type\":\"volume\",\"Destination\":\"/data\"},{\"Type\":\"bind\",\"Destination\":\"/src\"}],"
	"\"NetworkSettings\":{\"Ports\":{\"3306/tcp\":[{\"HostIp\":\"127.0.0.1\",\"HostPort\":\"3306\"}],"
	"\"33060/tcp\":null},"
	"\"Networks\":{\"default\":{\"IPAddress\":\"10.0.2.100\"}}},"
	"\"Labels\":\"a=1,com.x/y=z z,e=\",\"Odd\":\"<\\\"\\u00e9>\"}";

static const struct {
	const char *template, *out;
} good[] = {
	{ "", "" },
	{ "plain }} text", "plain }} text" },
	{ "{{.State.Status}}", "running" },
	{ "{{ .State.Status }}!", "running!" },
	{ "{{.State.Pid}} {{.State.Running}} {{.Ratio}}", "812 true 1.50" },
	{ "{{.Nothing}}|{{.Config.Cmd}}", "<no value>|<no value>" },
	{ "{{if .State.Health}}{{.State.Health.Status}}{{else}}no test{{end}} {{json .State.Health}}",
	  "no test null" },
	{ "{{.Config.Env}}", "[PATH=/bin A=b]" },
	{ "{{.NetworkSettings.Ports}}",
	  "map[3306/tcp:[map[HostIp:127.0.0.1 HostPort:3306]] 33060/tcp:<nil>]" },
	{ "{{json .State}}",
	  "{\"Status\":\"running\",\"Running\":true,\"Paused\":false,\"Pid\":812,\"ExitCode\":0}" },
	{ "{{json .Config.Env}}{{json .Nothing}}{{json .Ratio}}{{json .Name}}",
	  "[\"PATH=/bin\",\"A=b\"]null1.50\"/db\"" },
	{ "{{.Config.Labels | json}}", "{\"org.x\":\"1\",\"b\":\"2\"}" },
	{ "{{json (split \"a,b\" \",\")}}", "[\"a\",\"b\"]" },
	{ "{{json .Odd}}", "\"<\\\"\xc3\xa9>\"" },
	{ "{{json \"\\xff\"}}", "\"\xef\xbf\xbd\"" },
	{ "{{index .Config.Labels \"org.x\"}}", "1" },
	{ "[{{index .Config.Labels \"absent\"}}][{{.Config.Labels.absent}}]", "[][]" },
	{ "{{index .Config.Env 1}}", "A=b" },
	{ "{{(index (index .NetworkSettings.Ports \"3306/tcp\") 0).HostPort}}", "3306" },
	{ "{{(index .NetworkSettings.Ports \"3306/tcp\" 0).HostPort}}", "3306" },
	{ "{{index .NetworkSettings.Ports \"9/tcp\"}}", "<no value>" },
	{ "{{range .Mounts}}{{.Type}}:{{.Destination}} {{end}}", "volume:/data bind:/src " },
	{ "{{range $i, $m := .Mounts}}{{if $i}},{{end}}{{$m.Type}}{{end}}", "volume,bind" },
	{ "{{range $p, $conf := .NetworkSettings.Ports}}{{$p}} -> "
	  "{{if $conf}}{{(index $conf 0).HostPort}}{{else}}-{{end}}\n{{end}}",
	  "3306/tcp -> 3306\n33060/tcp -> -\n" },
	{ "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", "10.0.2.100" },
	{ "{{range $k, $v := .Config.Labels}}{{println $k $v}}{{end}}", "b 2\norg.x 1\n" },
	{ "{{range .Config.Volumes}}x{{else}}none{{end}}{{range .Config.Cmd}}x{{else}}nil{{end}}",
	  "nonenil" },
	{ "{{range $x := .Config.Env}}{{if eq $x \"A=b\"}}{{break}}{{end}}{{$x}}{{end}}", "PATH=/bin" },
	{ "{{range .Config.Env}}{{if eq . \"PATH=/bin\"}}{{continue}}{{end}}{{.}}{{end}}", "A=b" },
	{ "{{range .Mounts}}{{$.Name}}{{.Type}} {{end}}", "/dbvolume /dbbind " },
	{ "{{if .State.Running}}up{{else}}down{{end}}", "up" },
	{ "{{if .State.Paused}}a{{else if eq .State.ExitCode 1}}b{{else if .State.Running}}c{{else}}d{{end}}",
	  "c" },
	{ "{{if and .State.Running (eq .State.Status \"running\")}}yes{{end}}", "yes" },
	{ "{{if or .State.Paused (not .State.Running)}}yes{{else}}no{{end}}", "no" },
	{ "{{and .State.Paused .NoSuchField}}{{or .Name .NoSuchField}}", "false/db" },
	{ "{{eq 1 2 3 1}}{{ne .State.Pid 812}}{{lt 1 2}}{{ge \"b\" \"a\"}}{{gt 1.5 1}}{{le 2 1}}",
	  "truefalsetruetruetruefalse" },
	{ "{{eq .Nothing nil}}{{eq true .State.Running}}", "truetrue" },
	{ "{{with .State}}{{.Status}}{{end}}{{with .Empty}}x{{else}}y{{end}}", "runningy" },
	{ "{{with $s := .State}}{{$s.Pid}}{{end}}", "812" },
	{ "{{$x := .Name}}{{$x}}{{$x = \"n\"}}{{$x}}", "/dbn" },
	{ "{{$x := 1}}{{if true}}{{$x = 2}}{{$y := 3}}{{$y}}{{end}}{{$x}}", "32" },
	{ "{{len .Mounts}}{{len \"abc\"}}{{len .Config.Volumes}}", "230" },
	{ "{{.State.Status | upper}} {{lower \"ABC\"}} {{title \"hello big world\"}}",
	  "RUNNING abc Hello Big World" },
	{ "{{join .Config.Env \";\"}}", "PATH=/bin;A=b" },
	{ "{{index (split (index .Config.Env 0) \"=\") 1}}", "/bin" },
	{ "{{len (split \"\" \",\")}}{{len (split \"a\" \"\")}}{{split \"abc\" \"\"}}{{len (split \"\" \"\")}}",
	  "11[a b c]1" },
	{ "{{slice .Id 0 4}} {{slice \"abc\" 1}} {{len (slice .Mounts 1)}}", "0123 bc 1" },
	{ "{{truncate .Id 3}}{{truncate \"a\" 3}}", "012a" },
	{ "{{pad \"x\" 1 2}}|{{pad \"\" 3 3}}|", " x  ||" },
	{ "{{print 1 2 \"a\" 3}}|{{println \"a\" 1}}", "1 2a3|a 1\n" },
	{ "{{printf \"%s is %v (%d)\" .Name .State.Status .State.Pid}}", "/db is running (812)" },
	{ "{{printf \"%-6s|%4d|%04d|%.2f|%q|%x|%%\" \"ab\" 7 7 1.5 \"a\\\"b\" 255}}",
	  "ab    |   7|0007|1.50|\"a\\\"b\"|ff|%" },
	{ "{{printf \"%s\" }}{{printf \"%d\" \"x\"}}{{printf \"a\" 1}}{{printf \"%z\" 1}}{{printf \"%\" 1}}",
	  "%!s(MISSING)xa%!(EXTRA 1)%!z(1)%!?(1)" },
	{ "{{\"q\\t\\u00e9\\x41\\\\\" }}{{`raw\\n`}}{{'a'}}", "q\t\xc3\xa9"
							      "A\\raw\\n97" },
	{ "{{-3}}{{1e3}}{{.5}}{{+2}}", "-31e3.52" },
	{ "a  {{- .Name -}}  b", "a/dbb" },
	{ "a {{/* a comment */}} b {{- /* trimmed */ -}} c", "a  bc" },
	{ "{{.Label \"a\"}}|{{.Label \"com.x/y\"}}|{{.Label \"e\"}}|{{.Label \"b\"}}|{{.Labels}}",
	  "1|z z|||a=1,com.x/y=z z,e=" },
	{ "{{range .Mounts -}}\n  {{.Type}}\n{{- end}}", "volumebind" },
	{ "{{(.State).Status}}{{($).Name}}", "running/db" },
	{ "{{len .Config.Env | printf \"%03d\"}}", "002" },
};

static const struct {
	const char *template, *err;
} bad[] = {
	{ "{{", "template: 1:1: this {{ is not closed" },
	{ "ab\n{{.Name", "template: 2:1: this {{ is not closed" },
	{ "{{}}", "template: 1:3: something is missing in command" },
	{ "{{.Name}", "template: 1:8: unexpected \"}\" in operand" },
	{ "{{.Name]}}", "template: 1:8: unexpected \"]\" in operand" },
	{ "{{if .Name}}x", "template: 1:1: this block has no {{end}}" },
	{ "x{{end}}", "template: 1:2: unexpected {{end}}" },
	{ "{{else}}", "template: 1:1: unexpected {{else}}" },
	{ "{{if 1}}{{else}}{{else}}{{end}}", "template: 1:17: expected {{end}}" },
	{ "{{foo .Name}}", "template: 1:3: function \"foo\" not defined" },
	{ "{{template \"x\"}}", "template: 1:3: function \"template\" not defined" },
	{ "{{\"abc}}", "template: 1:3: this string is not closed" },
	{ "{{\"\\z\"}}", "template: 1:4: unknown escape in string" },
	{ "{{'ab'}}", "template: 1:3: a character constant holds one character" },
	{ "{{12x}}", "template: 1:3: '12x' is not a number" },
	{ "{{/* x}}", "template: 1:1: this comment is not closed" },
	{ "{{(.Name}}", "template: 1:9: something is missing in parentheses" },
	{ "{{break}}", "template: 1:1: {{break}} and {{continue}} belong inside {{range}}" },
	{ "{{.Name | }}", "template: 1:11: something is missing in command" },
	{ "{{.State.Health.Status}}", "template: 1:*: can't evaluate field Status in nothing" },
	{ "{{.Nope}}", "template: 1:3: map has no entry for key \"Nope\"" },
	{ "a\nb {{.State.Nope}}", "template: 2:5: map has no entry for key \"Nope\"" },
	{ "{{.Name.First}}", "template: 1:3: can't evaluate field First in a string" },
	{ "{{.Nothing.First}}", "template: 1:3: can't evaluate field First in nothing" },
	{ "{{.Config.Env.First}}", "template: 1:3: can't evaluate field First in a list" },
	{ "{{index .Config.Env 2}}", "template: 1:3: index out of range: 2" },
	{ "{{index .Config.Env -1}}", "template: 1:3: index out of range: -1" },
	{ "{{index .Config.Env \"a\"}}", "template: 1:3: index cannot take a string" },
	{ "{{index .Nothing 0}}", "template: 1:3: index of untyped nil" },
	{ "{{range .Name}}{{end}}", "template: 1:9: range can't iterate over a string" },
	{ "{{join .Name \",\"}}", "template: 1:3: join cannot take a string" },
	{ "{{upper 1}}", "template: 1:3: upper cannot take a number" },
	{ "{{len}}", "template: 1:3: wrong number of arguments for len: want 1 got 0" },
	{ "{{eq 1}}", "template: 1:3: wrong number of arguments for eq: want at least 2 got 1" },
	{ "{{and}}", "template: 1:3: wrong number of arguments for and: want at least 1 got 0" },
	{ "{{eq 1 \"a\"}}", "template: 1:3: incompatible types for comparison: a number and a string" },
	{ "{{.Name 1}}", "template: 1:3: can't give argument to non-function" },
	{ "{{1 | .Name}}", "template: 1:7: can't give argument to non-function" },
	{ "{{$x}}", "template: 1:3: undefined variable \"$x\"" },
	{ "{{$x = 1}}", "template: 1:3: undefined variable \"$x\"" },
	{ "{{slice \"abc\" 2 1}}", "template: 1:3: invalid slice index: 2 > 1" },
	{ "{{json len}}", "template: 1:8: len needs parentheses here" },
};

static void test_good(json *tree)
{
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		_cleanup_template_ struct template *t = NULL;
		_cleanup_str_ struct str out = { 0 };
		struct err *e = template_parse(good[i].template, &t);

		e = e ?: template_run(t, tree, &out);
		is_err(e, NULL, "template %zu: no error", i);
		is_str(out.s ?: "", good[i].out, "template %zu", i);
	}
}

static void test_bad(json *tree)
{
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		_cleanup_template_ struct template *t = NULL;
		_cleanup_str_ struct str out = { 0 };
		struct err *e = template_parse(bad[i].template, &t);

		e = e ?: template_run(t, tree, &out);
		is_err(e, bad[i].err, "bad template %zu", i);
	}
}

static void test_limits(json *tree)
{
	_cleanup_str_ struct str deep = { 0 }, blocks = { 0 }, loops = { 0 }, out = { 0 };
	_cleanup_template_ struct template *t = NULL, *u = NULL, *v = NULL;

	str_add(&deep, "{{");
	for (int i = 0; i < 10000; i++)
		str_addc(&deep, '(');
	is_err(template_parse(deep.s, &t), "template: *nested more than 64 levels",
	       "parentheses have a limit");
	for (int i = 0; i < 10000; i++)
		str_add(&blocks, "{{if 1}}");
	is_err(template_parse(blocks.s, &u), "template: *nested more than 64 levels",
	       "blocks have a limit");
	for (int i = 0; i < 40; i++)
		str_add(&loops, "{{range $.Mounts}}");
	for (int i = 0; i < 40; i++)
		str_add(&loops, "{{end}}");
	is_err(template_parse(loops.s, &v), NULL, "2^40 turns parse");
	is_err(template_run(v, tree, &out), "template: *this takes too long", "but do not run for ever");
}

static void test_heading(void)
{
	static const char headings[] = "{\"Labels\":\"LABELS\",\"ID\":\"CONTAINER ID\"}";
	_cleanup_json_ json *tree = NULL;
	_cleanup_template_ struct template *t = NULL;
	_cleanup_str_ struct str out = { 0 };

	is_err(json_parse(headings, strlen(headings), "headings", &tree), NULL, "headings");
	is_err(template_parse("{{.ID}} {{.Label \"k\"}}", &t), NULL, "parses");
	is_err(template_run(t, tree, &out), NULL, "runs");
	is_str(out.s, "CONTAINER ID k", "a label's column is called by its key");
}

int main(void)
{
	_cleanup_json_ json *tree = NULL;

	is_err(json_parse(data, strlen(data), "data", &tree), NULL, "the test's data");
	test_good(tree);
	test_bad(tree);
	test_limits(tree);
	test_heading();
	return done_testing();
}
