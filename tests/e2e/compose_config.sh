# tests/e2e/compose_config.sh -- `compose config` prints what Docker's Compose prints; hostile files end in a plain error
# packages: python3-yaml
. "$(dirname "$0")/../lib/e2e.sh"

# the cases keep Docker's answers: see tests/compose/run
DEVBOX=$W/bin/devbox "$lib/../compose/run" || fail 'config differs from what Docker prints'

# bounded FILE: devbox refuses it in under a second (of a processor's time) and 100 MB
bounded() {
	run sh -c "ulimit -v 100000; ulimit -t 1; exec devbox compose -f $1 config -q"
	expect_status 1
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
expect_status 1;	expect_stderr 'devbox: no configuration file provided: not found (hint: *)'
run devbox compose -f nowhere.yaml config
expect_status 1;	expect_stderr '*nowhere.yaml: No such file or directory'
run devbox compose confg;	expect_status 1
expect_stderr_has "Did you mean 'devbox compose config'?"

# the other names
run sh -c 'echo "services: {a: {image: x}}" >compose.yaml; mkdir -p bin; ln -sf "$(command -v devbox)" bin/docker-compose'
run bin/docker-compose config --services;	expect_status 0; expect_stdout a
run docker compose config --images;		expect_status 0; expect_stdout x
run bin/docker-compose --help;	expect_status 0; expect_stdout_has 'Usage:  docker-compose [[]OPTIONS] COMMAND'

# for a cluster: every document has what the API server insists on, names are names, what refers to another finds it
write kube.yaml <<'END'
name: shop
services:
  web_app:
    build: .
    image: web
    ports: ["8080:80", "53:53/udp"]
    depends_on: [db]
    environment: {ON: "on", N: "007"}
    configs: [conf]
    volumes: [".:/src", "up:/up"]
    post_start: [{command: ls}]
  job: {image: web, volumes: ["up:/up"]}
  after: {image: web, depends_on: {job: {condition: service_completed_successfully}}}
  db:
    image: mysql
    volumes: ["data:/var/lib/mysql"]
    expose: ["3306"]
    secrets: [{source: pw, uid: "5"}]
    healthcheck: {test: mysqladmin ping, interval: 5s}
volumes: {data: {}, up: {}}
configs: {conf: {content: "a: 1"}}
secrets: {pw: {environment: PW}}
END
run env PW=secret devbox compose -f kube.yaml config --format kubernetes
expect_status 0
expect_stderr_has 'kubernetes: post_start (web_app): *'
expect_stderr_has 'kubernetes: uid and gid of secrets and configs (db): *'
expect_stderr_has 'kubernetes: build (web_app): *'
expect_stderr_has 'kubernetes: bind mounts (web_app): *'
check() { python3 -B "$lib/../compose/kubernetes.py" "$@" >"$E2E_TMP/objects" 2>&1 || fail "$(cat "$E2E_TMP/objects")"; }
echo "$stdout" >"$E2E_TMP/kube"
check "$E2E_TMP/kube"
expect_equal "$(awk '$1 == "kind:" { kind = $2 } /^  name: / { print kind, $2 }' "$E2E_TMP/kube" | sort | paste -sd,)" \
	"ConfigMap conf,Deployment after,Job job,PersistentVolumeClaim up,Secret pw,\
Service after,Service db,Service web-app,StatefulSet db,StatefulSet web-app"
run devbox compose -f "$lib/../compose/kubernetes.yaml" config --format kubernetes
expect_status 0
expect_stderr_has 'kubernetes: environment.E F (env): *'
expect_stderr_has 'kubernetes: mount at d:/d (taker, vols): *'
expect_stderr_has 'kubernetes: volumes_from (taker): *'
mkdir "$E2E_TMP/objects.d"
echo "$stdout" >"$E2E_TMP/objects.d/hard"
KUBERNETES=$E2E_TMP/objects.d DEVBOX=$W/bin/devbox "$lib/../compose/run" >/dev/null
find "$E2E_TMP/objects.d" -empty -delete
check "$E2E_TMP/objects.d/"*
run devbox compose -f kube.yaml config --no-interpolate --format kubernetes
expect_status 1;	expect_stderr_has '--format kubernetes needs the variables'
run devbox compose -f kube.yaml config --format toml
expect_status 1;	expect_stderr_has 'yaml, json or kubernetes'
# reading a file needs no storage
run mkdir plain
printf 'services: {a: {image: busybox}}\n' | write plain/compose.yaml
run env HOME=/proc/none devbox compose -f plain/compose.yaml config --services;	expect_status 0;	expect_stdout a
expect_no_leftovers
