# tests/e2e/fork_reflink.sh -- the storage folder on xfs and on btrfs: volumes, snapshots and branches share blocks there
# packages: xfsprogs btrfs-progs git redis-tools
. "$(dirname "$0")/../lib/e2e.sh"

in_box() { run devbox run --rm -v "$1:/d" busybox sh -c "$2"; expect_status 0; }	# VOLUME COMMANDS
# What the whole file system has in use, in KiB: what files share counts once.
used() { sync -f "$(store)"; df --output=used -k "$(store)" | tail -n 1; }
git_() { run git -C shop -c user.email=a@example.org -c user.name=a "$@"; expect_status 0; }
db() { run env -C "$(home)/shop" devbox db "$@"; expect_status 0; }
stable() { sed -n 's/^  checked-out branch \(127[0-9.]*\):.*/\1/p' <<<"$stderr"; }

try() {
	note "$1"
	small_disk .local/share/devbox 700 "$1"
	run devbox doctor;	expect_stdout_has 'the file system shares blocks between files (reflink)'

	in_box data 'dd if=/dev/urandom of=/d/big bs=1M count=64 2>/dev/null; echo first >/d/f'
	before=$(used)
	run devbox volume fork data fork;	expect_status 0;	expect_stderr 'fork: reflink, * ms'
	run devbox snapshot create data@before;	expect_status 0;	expect_stderr 'data@before: reflink, * ms'
	[ $(($(used) - before)) -lt 4096 ] || fail "two copies of 64 MiB took $(($(used) - before)) KiB"
	in_box fork 'cat /d/f; echo second >/d/f; dd if=/dev/zero of=/d/big bs=4k count=1 conv=notrunc 2>/dev/null'
	expect_stdout first
	in_box data 'cat /d/f; echo third >/d/f';	expect_stdout first
	run devbox snapshot restore data@before;	expect_status 0
	in_box data 'cat /d/f; cmp -n 4096 /d/big /dev/zero >/dev/null || wc -c </d/big'
	expect_stdout $'first\n67108864'
	in_box fork 'cat /d/f';	expect_stdout second

	# a database that was set up once starts from a copy that shares its blocks
	run devbox run -d --name one -e POSTGRES_PASSWORD=pw postgres;	expect_status 0
	run devbox wait --ready one;	expect_status 0
	run devbox run -d --name two -e POSTGRES_PASSWORD=pw postgres;	expect_status 0
	expect_stderr_has 'starts from the init cache'
	run devbox wait --ready two;	expect_status 0
	run devbox rm -fv one two;	expect_status 0

	# a branch's data
	run git init -q -b main shop
	git_ commit -q --allow-empty -m one
	db up redis
	address=$(stable)
	run redis-cli -h "$address" set who main;	expect_stdout OK
	git_ switch -q -c feature
	run redis-cli -h "$address" get who;		expect_stdout main
	run redis-cli -h "$address" set who feature;	expect_stdout OK
	git_ switch -q main
	run redis-cli -h "$address" get who;		expect_stdout main
	db rm --all
	run rm -r shop
	expect_no_leftovers
	small_disk_gone .local/share/devbox
}
try xfs
try btrfs
