# tests/e2e/run_diskfull.sh -- no space left: one clear line, nothing half visible, and it works again when there is space
. "$(dirname "$0")/../lib/e2e.sh"
small_disk data 24
S=$(home)/data/devbox
box() { run env XDG_DATA_HOME="$(home)/data" devbox "$@"; }
fill() {	# to the last block: files first, then directories, which take one each
	run sh -c 'mkdir data/pad; cat /dev/zero >data/fill; i=0; while mkdir data/pad/$i; do i=$((i + 1)); done'
}
free() { rm -rf "$(home)/data/fill" "$(home)/data/pad"; }
left_kb() { df -k --output=avail "$(home)/data" | tail -1; }
few_left() { [ "$(left_kb)" -lt 200 ]; }
full_line() { expect_stderr "devbox: *No space left on device*"; expect_stderr_lines 1; }

box pull -q busybox;	expect_status 0
# creating and running: nothing of it is listed afterwards
fill
box create --name full busybox true;	expect_status 125;	full_line
box ps -aq;	expect_stdout ''
for n in 1 2 3; do
	box run --rm --name full -v vol:/etc busybox true
	expect_status 125;	full_line
	box ps -aq;	expect_stdout ''
done
box run -d --name full -v /etc busybox sleep 1000
[ "$status" = 0 ] || full_line
box ps -q;	expect_status 0
free
box rm -f full
box prune -f --volumes;	expect_status 0
box run --rm --name full -v vol2:/etc busybox cat /etc/passwd;	expect_status 0
box volume rm -f vol vol2

# while it runs: the container is told by its own writes, its log ends, devbox goes on
box run -d --name talker busybox sh -c 'while :; do echo line of output that goes into the log for ever and ever; done';	expect_status 0
eventually 40 few_left
box ps --format '{{.Names}}';	expect_stdout 'talker'
box exec talker true;		expect_status 0
box logs --tail 1 talker;	expect_status 0
box stop -t 0 talker;		expect_status 0
box ps -a --format '{{.Status}}';	expect_stdout 'Exited (137) *'
box rm talker;	expect_status 0
# a container that fills the disk itself: the others' records stay whole
box run -d --name first busybox sleep 1000;	expect_status 0
box run --rm busybox sh -c 'cat /dev/zero >/big';	expect_status 1;	expect_stderr '*No space left on device*'
box run --name big busybox sh -c 'cat /dev/zero >/big';	expect_status 1
box stop -t 0 first;	expect_status 0
box ps -a --format '{{.Names}} {{.Status}}';	expect_stdout 'big Exited (1) *
first Exited (137) *'
box rm first big;	expect_status 0
box run --rm busybox echo works;	expect_stdout works
box ps -aq;	expect_stdout ''
expect_equal "$(find "$S/tmp" "$S/names" "$S/containers" -mindepth 1)" ''
expect_no_leftovers
