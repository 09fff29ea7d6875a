# tests/e2e/compose_config.sh -- `compose config` prints what Docker's Compose prints; hostile files end in a plain error
. "$(dirname "$0")/../lib/e2e.sh"

# the cases keep Docker's answers: see tests/compose/run
DEVBOX=$W/bin/devbox "$lib/../compose/run" || fail 'config differs from what Docker prints'

# bounded FILE: devbox refuses it in under a second and 100 MB
bounded() {
	local end=$((${EPOCHREALTIME/./} + 1000000))
	run sh -c "ulimit -v 100000; exec devbox compose -f $1 config -q"
	expect_status 1
	[ "${EPOCHREALTIME/./}" -lt $end ] || fail "$1 took longer than a second"
}
write() { e2e_as tee "$1" >/dev/null; }

{
	echo 'x-a: &a [lol, lol, lol, lol, lol, lol, lol, lol, lol]'
	before=a
	for name in b c d e f g h i; do
		echo "x-$name: &$name [*$before, *$before, *$before, *$before, *$before, *$before, *$before, *$before]"
		before=$name
	done
	echo 'services: {a: {image: x}}'
} | write bomb.yaml
bounded bomb.yaml;	expect_stderr '*bomb.yaml:[0-9]*:*more than 200000 values*aliases*'
{ echo 'services: {a: {image: x}}'; head -c 10000000 /dev/zero | tr '\0' '#'; } | write big.yaml
bounded big.yaml;	expect_stderr '*big.yaml:1:1: it is larger than 4 MB'
{ echo -n 'x: '; printf '[%.0s' {1..20000}; } | write deep.yaml
bounded deep.yaml;	expect_stderr '*deep.yaml:1:*nested more than 64 deep'
{ echo 'services:'; printf '  s%s: {image: x}\n' {1..30000}; } | write wide.yaml
bounded wide.yaml;	expect_stderr '*wide.yaml:2:3: more than 2000 keys in one mapping'
echo 'x-a: &a [*a]' | write loop.yaml
bounded loop.yaml;	expect_stderr "*loop.yaml:1:10: anchor 'a' contains itself"
{ echo -n 'services: {a: {image: "'; printf '${A:-%.0s' {1..5000}; printf '}%.0s' {1..5000}; echo '"}}'; } | write vars.yaml
bounded vars.yaml;	expect_stderr '*vars.yaml:1:23: variables are nested more than 32 deep'
{ echo 'services:'; for i in {1..999}; do echo "  s$i: {extends: s$((i + 1))}"; done; } | write chain.yaml
bounded chain.yaml;	expect_stderr '*chain.yaml:*extends is nested more than 64 deep'
printf 'services: {a: {image: "x\0"}}' | write zero.yaml
bounded zero.yaml;	expect_stderr '*zero.yaml*control characters are not allowed*'
bounded /dev/zero;	expect_stderr '*/dev/zero:1:1: it is larger than 4 MB'

# where nothing is
run sh -c 'mkdir -p empty && cd empty && devbox compose config'
expect_status 14;	expect_stderr 'devbox: no configuration file provided: not found (hint: *)'
run devbox compose -f nowhere.yaml config
expect_status 14;	expect_stderr '*nowhere.yaml: No such file or directory'
run devbox compose confg;	expect_status 1
expect_stderr_has "Did you mean 'devbox compose config'?"

# the other names
run sh -c 'echo "services: {a: {image: x}}" >compose.yaml; mkdir -p bin; ln -sf "$(command -v devbox)" bin/docker-compose'
run bin/docker-compose config --services;	expect_status 0; expect_stdout a
run docker compose config --images;		expect_status 0; expect_stdout x
run bin/docker-compose --help;	expect_status 0; expect_stdout_has 'Usage:  docker-compose [[]OPTIONS] COMMAND'
expect_no_leftovers
