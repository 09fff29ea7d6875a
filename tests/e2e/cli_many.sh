# tests/e2e/cli_many.sh -- several containers in one command: at once, each with its own word
. "$(dirname "$0")/../lib/e2e.sh"

run devbox pull -q busybox;	expect_status 0
for name in m1 m2 m3; do
	run devbox run -d --name $name busybox sh -c 'trap "" TERM; while :; do sleep 1; done'
	expect_status 0
done
# three that must be killed after two seconds take two seconds, not six
begin=${EPOCHREALTIME/./}
run devbox stop -t 2 m1 nosuch m2 m3
expect_status 1
expect_stdout 'm1
m2
m3'
expect_stderr 'devbox: No such container: nosuch'
[ $((${EPOCHREALTIME/./} - begin)) -lt 5500000 ] || fail 'one after the other'
run devbox ps -q;		expect_stdout ''
run devbox start m1 m2 m3;	expect_status 0
run devbox restart -t 0 m1 m2;	expect_status 0;	expect_stdout 'm1
m2'
# a signal of one's own choice; kill of what does not run
run devbox stop -s KILL m1;	expect_status 0
run devbox inspect -f '{{.State.ExitCode}}' m1;	expect_stdout '137'
run devbox kill m1 m2;		expect_status 1;	expect_stdout 'm2'
expect_stderr 'devbox: Cannot kill container*m1*not running'
run devbox kill -s NOSUCH m3;	expect_status 1;	expect_stderr "devbox: 'NOSUCH' is not a signal"
# rm: running ones are refused, the others go
run devbox rm m1 m2 m3;		expect_status 1;	expect_stdout 'm1
m2'
expect_stderr 'devbox: cannot remove container "m3": container is running*'
# what --rm would take away is restarted all the same
run devbox run -d --rm --name m4 busybox sleep 1000;	expect_status 0
run devbox restart -t 0 m4;	expect_status 0;	expect_stdout m4
run devbox ps --filter name=m4 --format '{{.Names}} {{.Status}}';	expect_stdout 'm4 Up *'
run devbox run --detach-keys nonsense busybox true;	expect_status 125
run devbox rm -f m3 m4;		expect_status 0
run devbox ps -aq;		expect_stdout ''
expect_no_leftovers
