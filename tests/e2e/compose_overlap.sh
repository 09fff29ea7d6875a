# tests/e2e/compose_overlap.sh -- up: each service goes its own way; only what waits for another by depends_on waits
. "$(dirname "$0")/../lib/e2e.sh"

run devbox pull -q busybox; expect_status 0
write() { e2e_as tee "$1" >/dev/null; }
state_is() { [ "$(e2e_as devbox inspect -f '{{.State.Status}}' "$1" 2>/dev/null)" = "$2" ]; }
redis='registry-1.docker.io/v2/library/redis/blobs/*'

# one image does not come: what does not need it runs, what depends on it is made but waits
write compose.yaml <<'END'
name: o
services:
  quick: {image: busybox, init: true, command: sleep 1000}
  after: {image: busybox, init: true, command: sleep 1000, depends_on: [quick]}
  slow: {image: redis}
  built: {build: {dockerfile_inline: "FROM redis\nENV V=1\n"}, entrypoint: [sleep, "1000"], init: true}
  behind: {image: busybox, init: true, command: sleep 1000, depends_on: [slow]}
END
hub_fault "$redis" hold count=-1
start up devbox compose up -d
eventually 30 state_is o-after-1 running
eventually 30 state_is o-behind-1 created
hub_wait "$redis" timeout=30
kill -0 "$up_pid" || fail 'up did not wait for the image'
run devbox compose ps -a --format '{{.Name}} {{.State}}'
expect_stdout 'o-after-1 running
o-behind-1 created
o-quick-1 running'
hub_clear
finish up;	expect_status 0
case $stderr in *'o-after-1  Started'*'redis  Pulled'*'o-slow-1  Started'*'o-behind-1  Starting'*) ;; *) fail 'not in this order' ;; esac
state_is o-built-1 running || fail 'what is built does not run'

# a build that gives the same image leaves the container, another one replaces it, and what shares its network
before=$(e2e_as devbox compose ps -q)
run devbox compose up -d --build;	expect_status 0; expect_stderr_has 'Container o-built-1  Running'
expect_equal "$(e2e_as devbox compose ps -q)" "$before"
e2e_as sed -i 's/V=1/V=2/; /behind/s/depends_on.*/network_mode: "service:built"}/' compose.yaml
run devbox compose up -d --build;	expect_status 0
case $stderr in *'built  Built'*'o-built-1  Recreated'*'o-behind-1  Recreated'*) ;; *) fail 'not made again in order' ;; esac
run devbox compose exec -T built sh -c 'echo $V';	expect_stdout 2
run devbox compose down -t 0;	expect_status 0

# one that fails takes with it what depends on it, nothing else
write compose.yaml <<'END'
name: o
services:
  quick: {image: busybox, init: true, command: sleep 1000}
  gone: {image: "nobody/nothing"}
  behind: {image: busybox, init: true, command: sleep 1000, depends_on: [gone]}
END
run devbox compose up -d;	expect_status 1
expect_stderr_has 'Image nobody/nothing  Error'
expect_stderr_has 'devbox: service gone: *nobody/nothing*'
state_is o-quick-1 running || fail 'what has nothing to do with the failure does not run'
state_is o-behind-1 created || fail 'what depends on the failure was started'
run devbox compose down -t 0;	expect_status 0

# where no image comes nothing is made; a network that must be there already is asked for before anything is pulled
write alone.yaml <<'END'
name: alone
services: {gone: {image: "nobody/nothing", volumes: [data:/data], networks: [n]}}
volumes: {data: }
networks: {n: }
END
run devbox compose -f alone.yaml up -d;	expect_status 1
run devbox network ls -q -f name=alone;	expect_stdout ''
run devbox volume ls -q -f name=alone;	expect_stdout ''
e2e_as sed -i 's/{n: }/{n: {external: true}}/' alone.yaml
run devbox compose -f alone.yaml up -d;	expect_status 1
expect_stderr '*alone.yaml:4:*network n declared as external, but could not be found*network create n*'

# Ctrl-C while an image is on its way: what runs already is stopped in order
write compose.yaml <<'END'
name: o
services:
  quick: {image: busybox, init: true, command: sleep 1000}
  slow: {image: mysql}
END
hub_fault 'registry-1.docker.io/v2/library/mysql/*' hold count=-1
start up devbox compose up
eventually 30 state_is o-quick-1 running
kill -INT "$up_pid"
finish up;	expect_status 130
expect_stderr_has 'Gracefully Stopping'
expect_stderr_has 'Container o-quick-1  Stopped'
hub_clear
run devbox compose down -v;	expect_status 0
expect_no_leftovers
