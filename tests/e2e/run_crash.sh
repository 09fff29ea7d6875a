# tests/e2e/run_crash.sh -- kill -9 of any devbox process: the next one finds the truth and leaves nothing behind
# packages: curl strace
. "$(dirname "$0")/../lib/e2e.sh"

run devbox pull -q busybox; expect_status 0
monitor() { run devbox inspect -f '{{.State.Pid}}' "$1"; init=$stdout; mon=$(awk '{print $4}' "/proc/$init/stat"); }

# the monitor
run devbox run -d --name boxa -p 127.0.0.1:18080:80 busybox sleep 1000;	expect_status 0
monitor boxa
kill -9 "$mon"
eventually 5 sh -c "! kill -0 $init 2>/dev/null"
run devbox ps -a --format '{{.Names}} {{.Status}}';	expect_stdout 'boxa Exited (137) *'
# its port is free again, and the container starts
run devbox start boxa;		expect_status 0
run devbox rm -f boxa;		expect_status 0

# the monitor of a container whose process changed its identity: the kernel no longer ends it for us, devbox does
run devbox run -d --name boxb busybox sh -c 'exec su -s /bin/sh nobody -c "exec sleep 1000"';	expect_status 0
monitor boxb
kill -9 "$mon"
eventually 5 sh -c "! kill -0 $mon 2>/dev/null"
run devbox ps -a --format '{{.Names}} {{.Status}}';	expect_stdout 'boxb Exited (137) *'
eventually 5 sh -c "! kill -0 $init 2>/dev/null"
run devbox rm boxb;		expect_status 0

# --rm is kept even so
run devbox run -d --rm --name boxc busybox sleep 1000;	expect_status 0
monitor boxc
kill -9 "$mon"
eventually 5 e2e_as sh -c 'test -z "$(devbox ps -aq)"'

# the client, between making and starting it: with --rm nothing is left, and the name is free; else it can be started
killed_run() { run strace -qq -o /dev/null -e trace=socketpair -e inject=socketpair:signal=KILL:when=1 devbox run -d "$@" busybox sleep 1000; [ "$status" != 0 ] || fail 'it was not killed'; }
killed_run --rm --name boxc -v /anon
run devbox run --rm --name boxc busybox true;	expect_status 0;	expect_stderr ''
killed_run --rm --name boxc -v /anon
run devbox ps -aq;	expect_stdout ''
run devbox volume ls -q;	expect_stdout ''
run devbox create --rm --name boxc busybox true;	expect_status 0
run devbox ps -a --format '{{.Status}}';	expect_stdout Created
run devbox rm boxc
killed_run --name boxc
run devbox start boxc;	expect_status 0
run devbox rm -f boxc

# the relay: another one takes over
run devbox run -d --name boxd -p 127.0.0.1:18080:80 busybox sh -c 'mkdir /w; echo served >/w/index.html; httpd -f -h /w';	expect_status 0
eventually 10 e2e_as sh -c 'test "$(curl -m 2 -fsS http://127.0.0.1:18080/)" = served'
monitor boxd
relay=$(pgrep -P "$mon" -x devbox-relay)
kill -9 "$relay"
eventually 10 e2e_as sh -c 'test "$(curl -m 2 -fsS http://127.0.0.1:18080/)" = served'
run devbox rm -f boxd;		expect_status 0

# a record that was cut off: the others are still listed, prune removes it
run devbox run -d --name boxe busybox sleep 1000;	expect_status 0
run sh -c 'mkdir -p "$HOME/.local/share/devbox/containers/$(printf %064d 0)" && echo "{" >"$HOME/.local/share/devbox/containers/$(printf %064d 0)/config.json"'
run devbox ps -a --format '{{.Names}}';	expect_stdout 'boxe'
run devbox rm -f boxe;		expect_status 0
run sh -c 'rm -r "$HOME/.local/share/devbox/containers/$(printf %064d 0)"'
expect_no_leftovers
