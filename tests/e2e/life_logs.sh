# tests/e2e/life_logs.sh -- logs are bounded, rotate without a gap for readers, and never hold up the container
. "$(dirname "$0")/../lib/e2e.sh"

run devbox pull -q busybox;		expect_status 0
logdir() { echo "$(store)/containers/$(e2e_as devbox inspect -f '{{.Id}}' "$1")"; }

# 40 000 lines through three small files: the last ones are there, in order, and no more than was allowed
run devbox run --name r1 --log-opt max-size=100k --log-opt max-file=3 busybox seq -w 1 40000
expect_status 0
run sh -c 'devbox logs r1 | tail -n 1';	expect_stdout 40000
run sh -c 'devbox logs r1 | awk "NR > 1 && \$1 != last + 1 { exit 1 } { last = \$1 }"';	expect_status 0
run sh -c 'devbox logs -n 30000 r1 | wc -l';	expect_stdout 30000
run sh -c 'devbox logs -n 30000 r1 | head -n 1';	expect_stdout 10001
run sh -c 'devbox logs -t -n 2 r1 | cut -d" " -f2';	expect_stdout $'39999\n40000'
run sh -c "du -b -c $(logdir r1)/log* | tail -n 1 | cut -f1"
[ "$stdout" -le 307200 ] || fail "$stdout bytes of log"
run devbox logs --until 1h r1;		expect_stdout ''
run devbox inspect -f '{{.HostConfig.LogConfig.Type}} {{index .HostConfig.LogConfig.Config "max-size"}}' r1
expect_stdout 'json-file 100k'

# a follower that was there from the beginning misses nothing over many rotations
run devbox run -d -i --name f1 --log-opt max-size=20k --log-opt max-file=99 busybox \
	sh -c 'until [ -e /go ]; do usleep 20000; done; seq 1 100000'
start follow devbox logs -f f1
run devbox exec f1 touch /go;		expect_status 0
finish follow
expect_status 0
[ "$stdout" = "$(seq 1 100000)" ] || fail 'the follower missed lines'

# one that stands still does not hold up the container
run devbox run -d --name s1 busybox sh -c 'until [ -e /go ]; do usleep 20000; done; yes | head -c 30000000'
start stalled devbox logs -f s1
kill -STOP "$stalled_pid"
run devbox exec s1 touch /go;		expect_status 0
run devbox wait s1;			expect_stdout 0
kill -CONT "$stalled_pid"
finish stalled
expect_equal "$(wc -c <"$stalled_out")" 30000000
run devbox rm s1;			expect_status 0

# details; drivers that are not there
run devbox run --name d1 -l app=a/b -e MODE=x --log-opt labels=app,none --log-opt env=MODE busybox echo hello
run devbox logs --details d1;		expect_stdout 'MODE=x,app=a%2Fb hello'
run devbox run --rm --log-driver syslog busybox true;	expect_status 125
expect_stderr "devbox: logger: no log driver named 'syslog' is registered*"
run devbox run --rm --log-opt max-files=1 busybox true;	expect_status 125
expect_stderr "devbox: unknown log opt 'max-files' for json-file log driver*"
run devbox run --name n1 --log-driver none busybox echo shown;	expect_stdout shown
run devbox logs n1;			expect_status 1
expect_stderr 'devbox: configured logging driver does not support reading'
expect_no_file "$(logdir n1)/log"
run devbox rm r1 f1 d1 n1;		expect_status 0
