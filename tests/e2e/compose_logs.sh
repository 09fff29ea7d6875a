# tests/e2e/compose_logs.sh -- logs with prefixes; up in the foreground: Ctrl-C, the end of a container, its exit code
. "$(dirname "$0")/../lib/e2e.sh"

run devbox pull -q busybox; expect_status 0
e2e_as tee compose.yaml >/dev/null <<'END'
name: l
services:
  one:
    image: busybox
    command: sh -c 'trap "echo bye; exit 3" TERM; echo first; echo err >&2; sleep 1000 & wait'
  second:
    image: busybox
    command: sh -c 'sleep 0.2; echo later; exit ${CODE:-0}'
END
run devbox compose up -d;	expect_status 0
logged() { [[ $(e2e_as devbox compose logs) == *later* ]]; }
eventually 5 logged
run devbox compose logs
expect_stdout 'one-1     | first
one-1     | err
second-1  | later'
run devbox compose logs --no-log-prefix --tail 1 second;	expect_stdout later
run devbox compose logs -t second;	expect_stdout 'second-1  | 20??-??-??T*Z later'
start tail devbox compose logs -f --no-color one
seen() { grep -q err "$tail_out"; }
eventually 5 seen
run devbox compose stop;	expect_status 0
finish tail;	expect_status 0; expect_stdout_has 'one-1  | bye'
pty devbox compose logs second <<'END'
END
expect_stdout_has $'\033[[]3?msecond-1  | \033[[]0mlater'

# in the foreground: only what is new, until Ctrl-C
start up devbox compose up
follows() { grep -q 'second-1 exited with code 0' "$up_out" && grep -q 'one-1     | first' "$up_out"; }
eventually 10 follows
[ "$(grep -c 'first' "$up_out")" = 1 ] || fail 'old lines are shown again'
kill -INT "$up_pid"
finish up;	expect_status 130
expect_stderr_has 'Gracefully Stopping... press Ctrl+C again to force'
expect_stderr_has 'Container l-one-1  Stopped'
run devbox compose ps -q;	expect_stdout ''

# the same on a terminal: the list of what is stopped stands below what was shown
pty devbox compose up --exit-code-from one <<'END'
expect Attaching to one-1, second-1
expect first
send \x03
eof
END
expect_status 130
expect_stdout_has $'Gracefully Stopping... press Ctrl+C again to force\n[[]+] Running'
expect_stdout_has 'Container l-one-1 *Stopped'

# what one writes is shown while others still wait for it
e2e_as tee early.yaml >/dev/null <<'END'
name: e
services:
  db:
    image: busybox
    init: true
    command: sh -c 'echo early; sleep 1000'
    healthcheck: {test: test -f /go, interval: 100ms, retries: 1000}
  web: {image: busybox, init: true, command: sh -c 'echo late; sleep 1000', depends_on: {db: {condition: service_healthy}}}
END
start up devbox compose -f early.yaml up
shows() { grep -q "$1" "$up_out"; }
eventually 20 shows 'db-1   | early'
run devbox compose -f early.yaml ps --services;	expect_stdout db
run devbox compose -f early.yaml exec -T db touch /go;	expect_status 0
eventually 20 shows 'web-1  | late'
kill -INT "$up_pid"
finish up;	expect_status 130; expect_stderr_has 'Attaching to db-1, web-1'
expect_equal "$(grep -c early <<<"$stdout")" 1
pty devbox compose -f early.yaml up --force-recreate <<'END'
expect early
send \x03
eof
END
expect_status 130
run devbox compose -f early.yaml down -t 0;	expect_status 0

# one that does not want to stop: Ctrl-C again
e2e_as tee stubborn.yaml >/dev/null <<'END'
name: s
services: {one: {image: busybox, init: true, command: "sh -c 'trap : TERM; echo begun; while :; do sleep 100; done'"}}
END
start up devbox compose -f stubborn.yaml up
stubborn_has() { grep -q "$1" "$up_out" "$up_err"; }
eventually 20 stubborn_has begun
kill -INT "$up_pid"
eventually 20 stubborn_has 's-one-1  Stopping'
kill -INT "$up_pid"
finish up;	expect_status 130
expect_stderr_has 'Container s-one-1  Killed'
run devbox compose -f stubborn.yaml down;	expect_status 0

# the end of one ends all
run env CODE=7 devbox compose up --abort-on-container-exit;	expect_status 7
expect_stderr_has 'Container l-one-1  Stopped'
run env CODE=7 devbox compose up --exit-code-from one;		expect_status 3
run env CODE=7 devbox compose up --abort-on-container-failure --no-log-prefix;	expect_status 7
expect_stdout_has 'later'
run devbox compose up -d --exit-code-from one;	expect_status 1
expect_stderr_has 'cannot be used with --detach'
run devbox compose wait second;	expect_status 1
run devbox compose down -v;	expect_status 0
expect_no_leftovers
