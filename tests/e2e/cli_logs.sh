# tests/e2e/cli_logs.sh -- logs: streams, tail, times, following without missing the end
. "$(dirname "$0")/../lib/e2e.sh"

run devbox pull -q busybox;		expect_status 0
run devbox run --name l1 busybox sh -c 'for i in 1 2 3 4; do echo "out $i"; done; echo err >&2; printf "no newline"'
expect_status 0
run devbox logs l1
expect_stdout 'out 1
out 2
out 3
out 4
no newline'
expect_stderr 'err'
# two pipes: which of a burst comes first is nobody's promise, how many lines there are is
run sh -c 'devbox logs --tail 3 l1 2>&1 | grep -c .';	expect_stdout 3
run devbox logs -n 0 l1;			expect_stdout '';	expect_stderr ''
run devbox logs -n some l1;		expect_status 1;	expect_stderr "devbox: invalid value for \"tail\": 'some' is not a number*"
run devbox logs --since 1h l1;		expect_stdout_has 'out 1'
run devbox logs --since 2099-01-01 l1;	expect_stdout ''
run devbox logs --until 1h l1;		expect_stdout ''
run devbox logs --since nonsense l1;	expect_status 1;	expect_stderr 'devbox: invalid value for "since": *'
run devbox logs -t l1
[[ ${stdout%%$'\n'*} =~ ^20[0-9-]+T[0-9:.]+Z\ out\ 1$ ]] || fail "no time stamp: $stdout"

# -f: what comes later, and the container's end
run devbox run -d -i --name f1 busybox sh -c 'echo first; until [ -e /go ]; do usleep 20000; done; echo second; exit 4'
start follow devbox logs -f f1
eventually 5 grep -q first "$follow_out"
run devbox exec f1 touch /go;		expect_status 0
finish follow
expect_status 0
expect_stdout 'first
second'
# of a container that has ended, -f just prints
run devbox logs -f f1;			expect_stdout 'first
second'
run devbox create --name c1 busybox true; expect_status 0
run devbox logs c1;			expect_status 0;	expect_stdout ''
run devbox logs nosuch;			expect_status 1
run devbox rm l1 f1 c1;			expect_status 0
expect_no_leftovers
