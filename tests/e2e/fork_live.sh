# tests/e2e/fork_live.sh -- a volume in use: forked under its user's hands, killed, shared
# timeout: 120
. "$(dirname "$0")/../lib/e2e.sh"

in_box() { run devbox run --rm -v "$1:/d" busybox sh -c "$2"; }	# VOLUME COMMANDS

in_box app 'dd if=/dev/urandom of=/d/big bs=1M count=8 2>/dev/null; echo 0 >/d/n; echo 0 >/d/m'
run devbox volume fork app live;	expect_status 0

note 'two files written one after the other: a fork never has the second without the first'
run devbox run -d --name writer -v live:/d busybox sh -c \
	'i=0; while :; do i=$((i+1)); echo $i >/d/n.tmp; mv /d/n.tmp /d/n; echo $i >/d/m.tmp; mv /d/m.tmp /d/m; done'
expect_status 0
for i in 1 2 3 4 5; do
	run devbox volume fork live "at$i";	expect_status 0;	expect_stderr "at$i: cow, * ms"
done
for i in 1 2 3 4 5; do
	in_box "at$i" 'n=$(cat /d/n) m=$(cat /d/m); [ $n = $m ] || [ $n = $((m + 1)) ] || echo "$n $m"; ls /d | wc -l'
	expect_stdout '[345]'
done
run devbox exec writer sh -c 'test "$(cat /d/n)" -gt 0';	expect_status 0

note 'several containers have it at once, a container at several places: one file system'
run devbox exec writer mkdir /d/sub;	expect_status 0
run devbox run -d --name reader -v live:/d -v live:/again --mount type=volume,src=live,dst=/s,volume-subpath=sub busybox \
	sleep 1000
expect_status 0
run devbox exec reader sh -c 'echo read >/s/r; test "$(cat /d/n)" -gt 0';	expect_status 0
run devbox exec writer cat /d/sub/r;	expect_stdout read
run devbox exec writer sh -c 'echo more >>/d/sub/r';	expect_status 0
run devbox exec reader cat /again/sub/r /s/r;	expect_stdout $'read\nmore\nread\nmore'
run devbox run --rm --volumes-from writer --network container:reader busybox cat /d/sub/r;	expect_stdout $'read\nmore'
run devbox create --name idle -v live:/d busybox true;	expect_status 0
run devbox cp idle:/d/sub/r r;		expect_status 0;	expect_file r $'read\nmore'
run devbox volume fork live shared;	expect_status 0;	expect_stderr 'shared: cow, * ms'
in_box shared 'cat /d/sub/r';		expect_stdout $'read\nmore'
run devbox run -d --name apart busybox sleep 1000;	expect_status 0
run devbox run --rm --network container:apart -v live:/d busybox true;	expect_status 125
expect_stderr_has 'volume live is in use by containers that this one cannot be joined with (hint: '
run devbox rm -f reader idle apart;	expect_status 0
run devbox exec writer rm -r /d/sub;	expect_status 0

note 'who copies a plain volume is killed while its user stands still: that goes on'
run devbox run -d --name scribe -v plain:/d busybox sh -c 'while :; do date +%N >/d/n; done';	expect_status 0
goes_on() { [ "$(e2e_as devbox inspect -f '{{.State.Paused}}' scribe)" = false ]; }
for i in 1 2 3; do
	since=$(date +%s.%N)
	exec 7< <(exec "$lib/world" _as dbx1 devbox events --since "$since" --filter container=scribe --filter event=pause)
	events_pid=$!
	start forker devbox volume fork plain "killed$i"
	read -r -t 60 line <&7;	kill -KILL "$forker_pid" 2>/dev/null || :
	[[ $line == *'container pause'* ]] || fail "no pause: $line; $(cat "$forker_err")"
	kill "$events_pid";	exec 7<&-
	eventually 5 goes_on
	run devbox exec scribe sh -c 'n=$(cat /d/n); for i in $(seq 100); do [ "$(cat /d/n)" != "$n" ] && exit 0; sleep 0.1; done; exit 1'
	expect_status 0
done
run devbox rm -f scribe;	expect_status 0

note 'the process that serves it is killed: an error, never a hang; what was written is there'
run devbox exec writer sh -c 'echo kept >/d/kept; sync /d/kept';	expect_status 0
pid=$(pgrep -u "$AS" -f 'devbox: volume live')
kill -KILL "$pid"
run devbox exec writer cat /d/kept;		expect_status 1;	expect_stderr_has 'not connected'
run devbox restart -t 0 writer;		expect_status 0
run devbox exec writer cat /d/kept;		expect_stdout 'kept'
run devbox rm -f writer;			expect_status 0

note 'trees lie on each other up to a limit while they are in use; then a pause is asked for'
run devbox run -d --name deep -v at1:/d busybox sleep 1000;	expect_status 0
for ((i = 0; i < 70 && status == 0; i++)); do
	run devbox snapshot create -q "at1@s$i"
done
expect_status 1
expect_stderr 'devbox: volume at1 has 63 layers, and more do not fit while it is in use: *hint: stop its container: *'
run devbox stop -t 0 deep;		expect_status 0
run devbox start deep;			expect_status 0
run devbox exec deep sh -c 'test -s /d/m';	expect_status 0
run devbox rm -f deep;			expect_status 0
run devbox volume fork -q at1 more;	expect_status 0

note 'a plain volume in use is copied; its user stands still for the end of that only'
run devbox run -d --name plainly -v plain:/d busybox sh -c \
	'dd if=/dev/zero of=/d/big bs=1M count=8 2>/dev/null; i=0; while :; do i=$((i+1)); echo $i >/d/n; echo $i >/d/m; done'
run devbox exec plainly sh -c 'until [ -s /d/m ]; do :; done';	expect_status 0
run devbox volume fork plain copy;	expect_status 0
expect_stderr 'copy: copy, * ms; its containers stood still for * ms'
run devbox ps --format '{{.Status}}';	expect_stdout 'Up *'
run devbox rm -f plainly;			expect_status 0
in_box copy 'n=$(cat /d/n) m=$(cat /d/m); [ -z "$n" ] || [ -z "$m" ] || [ $n = $m ] || [ $n = $((m + 1)) ] || echo "$n $m"'
expect_stdout ''
run devbox snapshot restore plain@none;	expect_status 1
expect_no_leftovers
