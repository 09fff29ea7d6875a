# tests/e2e/run_detached.sh -- -d, stop, kill, start, restart, wait, rm: a container's life without a daemon
. "$(dirname "$0")/../lib/e2e.sh"

run devbox pull -q busybox; expect_status 0
TRAP='trap "echo got TERM; exit 3" TERM; echo up; while :; do sleep 1000 & wait; done'

run devbox run -d --name boxa busybox sh -c "$TRAP"
expect_status 0
[[ $stdout =~ ^[0-9a-f]{64}$ ]] || fail "no id: $stdout"
id=$stdout
run devbox ps --format '{{.ID}} {{.Image}} {{.Names}} {{.Status}}'
expect_stdout "${id:0:12} busybox boxa Up *"
eventually 5 e2e_as sh -c 'devbox logs boxa | grep -q up'

# stop: the process may clean up, and its status is kept
run devbox stop boxa;		expect_status 0;	expect_stdout 'boxa'
run devbox ps -q;		expect_stdout ''
run devbox ps -a --format '{{.Status}}';	expect_stdout 'Exited (3) *'
run devbox logs boxa;		expect_stdout 'up
got TERM'
run devbox wait boxa;		expect_stdout '3'
run devbox stop boxa;		expect_status 0

# start it again: same id, same file system
run devbox start boxa;		expect_status 0;	expect_stdout 'boxa'
run devbox exec boxa sh -c 'echo kept >/file';	expect_status 0
run devbox restart -t 5 boxa;	expect_status 0
run devbox exec boxa cat /file;	expect_stdout 'kept'
run devbox ps -q --no-trunc;	expect_stdout "$id"

# a process that ignores TERM is killed when the time is over
run devbox run -d --name boxb busybox sh -c 'trap "" TERM; while :; do sleep 1; done';	expect_status 0
run devbox stop -t 1 boxb;		expect_status 0
run devbox inspect -f '{{.State.ExitCode}}' boxb;	expect_stdout '137'

# one that never listens to it need not be waited for as long as one that does; one that was only starting is heard
run devbox run -d --name boxc busybox sleep 1000;	expect_status 0
run devbox run -d --name boxd busybox sh -c 'usleep 300000; trap "exit 4" TERM; while :; do usleep 100000; done'
expect_status 0
begin=${EPOCHREALTIME/./}
run devbox stop boxc boxd;		expect_status 0
[ $((${EPOCHREALTIME/./} - begin)) -lt 8000000 ] || fail 'stop waited for programs that do not listen'
run devbox inspect -f '{{.State.ExitCode}}' boxc boxd;	expect_stdout $'137\n4'
run devbox rm boxc boxd;	expect_status 0

# by id, by prefix, several at once, one unknown
run devbox kill "${id:0:6}";	expect_status 0
run devbox wait "$id";		expect_stdout '137'
run devbox rm boxa nosuch boxb
expect_status 1
expect_stdout 'boxa
boxb'
expect_stderr '*No such container: nosuch'

# arity, as Docker words it
run devbox stop
expect_status 1
expect_stderr '"devbox stop" requires at least 1 argument.*Usage:*'

# running ones are not removed by accident; -f kills first
run devbox run -d --name boxc busybox sleep 1000;	expect_status 0
run devbox rm boxc;		expect_status 1;	expect_stderr '*container is running*'
run devbox run -d --name boxc busybox sleep 1000
expect_status 125
expect_stderr '*The container name "/boxc" is already in use by container*'
run devbox kill -s NOSUCH boxc;	expect_status 1;	expect_stderr "*'NOSUCH' is not a signal*"
run devbox rm -f boxc;		expect_status 0
run devbox kill boxc;		expect_status 1;	expect_stderr '*No such container: boxc'

# --rm removes when it ends, also when nobody is attached
run devbox run -d --rm --name boxd busybox sleep 1000;	expect_status 0
run devbox stop -t 0 boxd;		expect_status 0
run devbox ps -aq;		expect_stdout ''
expect_no_leftovers
