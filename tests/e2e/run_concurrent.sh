# tests/e2e/run_concurrent.sh -- many at once, and verbs that meet on one container
. "$(dirname "$0")/../lib/e2e.sh"

run devbox pull -q busybox;	expect_status 0
all() { local i; for i in $(seq "$1"); do start "j$i" "${@:2}"; done; }
finish_all() { local i; for i in $(seq "$1"); do finish "j$i"; codes+=" $status"; errs+="$stderr"; done; }
times() { local i; for ((i = 0; i < $2; i++)); do printf '%s' " $1"; done; }

# twenty runs, twenty stops
codes='' errs=''
for i in $(seq 20); do start "j$i" devbox run -d --name "many$i" -p 127.0.0.1::80 busybox sh -c 'trap exit TERM; sleep 1000 & wait'; done
finish_all 20;	expect_equal "$codes" "$(times 0 20)"
run devbox ps -q;	expect_equal "$(wc -l <<<"$stdout")" 20
run devbox ps --format '{{.Ports}}';	expect_equal "$(sort -u <<<"$stdout" | wc -l)" 20
codes=''
for i in $(seq 20); do start "j$i" devbox stop "many$i"; done
finish_all 20;	expect_equal "$codes" "$(times 0 20)"
run devbox ps -aq --filter status=exited;	expect_equal "$(wc -l <<<"$stdout")" 20
codes=''
for i in $(seq 20); do start "j$i" devbox rm "many$i"; done
finish_all 20;	expect_equal "$codes" "$(times 0 20)"
run devbox ps -aq;	expect_stdout ''

# the same name ten times: one wins, the others are told
codes='' errs=''
all 10 devbox run -d --name same busybox sleep 1000
finish_all 10
expect_equal "$(tr ' ' '\n' <<<"$codes" | grep -c '^0$')" 1
expect_equal "$(tr ' ' '\n' <<<"$codes" | grep -c '^125$')" 9
run devbox rm -f same;	expect_status 0

# one container started ten times at once: once in truth, and everybody is content
run devbox create --name one busybox sleep 1000;	expect_status 0
for round in 1 2 3; do
	codes='' errs=''
	all 10 devbox start one
	finish_all 10;	expect_equal "$codes" "$(times 0 10)"
	run devbox exec one sh -c 'ls -d /proc/[0-9]* | wc -l';	expect_status 0
	run devbox kill one;	expect_status 0
	run devbox wait one
done

# removed while it starts: it is removed, or runs and rm says so; never both, never half
for i in $(seq 10); do
	run devbox create --name "meet$i" busybox sleep 1000;	expect_status 0
	start begin devbox start "meet$i"
	start end devbox rm "meet$i"
	finish end
	removed=$status
	[ "$removed" = 0 ] || expect_stderr 'devbox: cannot remove container "meet*": container is running*'
	finish begin
	[ "$status" = 0 ] || expect_stderr 'devbox: *No such container: meet*'
	run devbox ps -a --filter "name=meet$i\$" --format '{{.Names}}'
	expect_stdout "$([ "$removed" = 0 ] || echo "meet$i")"
	[ "$removed" = 0 ] || { run devbox rm -f "meet$i";	expect_status 0; }
done
# ... by force: gone, in whatever moment
for i in $(seq 10); do
	run devbox create --name "meet$i" busybox sleep 1000;	expect_status 0
	start begin devbox start "meet$i"
	start end devbox rm -f "meet$i"
	finish end;	expect_status 0
	finish begin
	run devbox ps -aq --filter "name=meet$i\$";	expect_stdout ''
done

# exec while it stops: the command runs to its end with the container, or does not begin
run devbox start one;	expect_status 0
for i in $(seq 8); do start "j$i" devbox exec one sleep 1000; done
eventually 10 e2e_as sh -c 'test "$(devbox exec one sh -c "pidof sleep" | wc -w)" = 9'
start end devbox stop -t 0 one
for i in 1 2 3 4; do start "k$i" devbox exec one sleep 1000; done
finish end;	expect_status 0
codes=''
finish_all 8;	expect_equal "$codes" "$(times 137 8)"
for i in 1 2 3 4; do
	finish "k$i"
	[ "$status" = 137 ] || { expect_status 1 || true; expect_stderr 'devbox: *'; expect_stderr_lines 1; }
done
run devbox rm one;	expect_status 0
expect_no_leftovers
