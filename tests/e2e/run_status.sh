# tests/e2e/run_status.sh -- the container's exit status is devbox's, and its streams stay apart
. "$(dirname "$0")/../lib/e2e.sh"

run devbox pull -q busybox; expect_status 0

run devbox run --rm busybox sh -c 'echo out; echo err >&2; exit 7'
expect_status 7
expect_stdout 'out'
expect_stderr 'err'

run devbox run --rm busybox true;				expect_status 0;	expect_stdout ''

# 127: no such program; 126: it cannot be executed; 125: devbox itself failed
run devbox run --rm busybox nosuch
expect_status 127
expect_stderr 'devbox: *exec: "nosuch": executable file not found in $PATH*'
run devbox run --rm busybox /nosuch/prog
expect_status 127
expect_stderr '*exec: "/nosuch/prog": no such file or directory*'
run devbox run --rm busybox /etc
expect_status 126
expect_stderr '*exec: "/etc": Permission denied*'
run devbox run --rm -w /etc/passwd busybox true
expect_status 126
expect_stderr '*entering the working directory /etc/passwd: Not a directory*'
run devbox run --rm -u nosuch busybox true
expect_status 126
expect_stderr '*unable to find user nosuch: no matching entries in passwd file*'
run devbox run --rm --nosuch busybox true;			expect_status 125
run devbox run --rm "busybox:nope" true
expect_status 125
expect_stderr '*busybox:nope*not found*'

# what failed to start is there to be looked at, unless --rm
run devbox run --name broken busybox nosuch;			expect_status 127
run devbox ps -a --format '{{.Names}} {{.Status}}';		expect_stdout 'broken Created'
run devbox rm broken;						expect_status 0
run devbox ps -aq;						expect_stdout ''

# the name `docker`: options end at the image
run docker run --rm busybox echo -n hi;				expect_stdout 'hi'
expect_no_leftovers
