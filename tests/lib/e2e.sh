# shellcheck shell=bash
# tests/lib/e2e.sh -- the words of the end-to-end tests; sourced by each of them, run by tests/lib/run
#
#     run CMD...                     as the user $AS (dbx1), from their home; keeps $status, $stdout, $stderr
#     as USER run CMD...             the same as dbx0, dbx2 or root (works with every word below that runs)
#     start NAME CMD...              the same in the background; $NAME_pid.  finish NAME: waits, keeps as run does
#     pty CMD... <<'END' script END  on a terminal, see pty.py; $stdout is what it showed
#     expect_status N                each "expect" ends the test with words if it does not hold
#     expect_stdout GLOB             all of it, without the last newline; '' is none.  expect_stderr GLOB
#     expect_stdout_has GLOB         somewhere in it.  expect_stderr_has GLOB;  expect_stderr_lines N
#     expect_equal GOT WANT;  expect_match TEXT GLOB;  expect_file PATH [GLOB] (PATH from the home);  expect_no_file PATH
#     eventually SECONDS CMD...      until CMD succeeds
#     expect_no_leftovers            no process, port, mount of the user, nothing in the store's tmp (5 s to get there)
#     hub_fault GLOB ACTION...; hub_clear; hub_release; hub_log [GLOB]; hub_count GLOB; hub_wait GLOB ...  (tests/hub/hub)
#     tun open|closed;  outside CMD... (in the outside world's network);  small_disk DIR MB [TYPE] (a file system of that size)
#     home [USER];  store [USER]     folders;   fail WORDS...;   note WORDS... (into the log)
# Everything that was started is ended when the test ends, by pid; the runner ends what then is left, and complains.
set -u -o pipefail
lib=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
W=${DEVBOX_TEST_WORLD:?run me through tests/lib/run}
AS=dbx1
status=0 stdout='' stderr=''
PATIENCE=4	# the deadlines of `eventually` are for a quiet machine; a busy one gets so many times as long
E2E_TMP=$(mktemp -d "$W/run/e2e.XXXXXX")
declare -A E2E_STARTED=()
E2E_DISKS=()

e2e_end() {
	local code=$? name
	for name in "${!E2E_STARTED[@]}"; do
		kill -TERM "${E2E_STARTED[$name]}" 2>/dev/null
	done
	for name in "${E2E_DISKS[@]}"; do
		umount -l "$name" 2>/dev/null
	done
	[ $code = 0 ] || e2e_show
	rm -rf "$E2E_TMP"
	exit $code
}
trap e2e_end EXIT
trap 'exit 143' TERM INT

e2e_show() {
	echo "--- last command: ${E2E_LAST:-none}; status $status"
	[ -z "$stdout" ] || { echo '--- stdout'; tail -n 25 <<<"$stdout"; }
	[ -z "$stderr" ] || { echo '--- stderr'; tail -n 25 <<<"$stderr"; }
}

fail() {
	local i
	echo "FAILED: $*"
	for ((i = 1; i < ${#BASH_SOURCE[@]}; i++)); do
		[ "${BASH_SOURCE[$i]}" = "${BASH_SOURCE[0]}" ] || { echo "    at ${BASH_SOURCE[$i]##*/}:${BASH_LINENO[$((i - 1))]}"; break; }
	done
	exit 1
}
note() { echo "# $*"; }

as() {
	local AS=$1
	shift
	"$@"
}

home() { echo "$W/disk/home/${1:-$AS}"; }
# shellcheck disable=SC2120	# tests do
store() { echo "$(home "${1:-$AS}")/.local/share/devbox"; }

# A command as $AS with a clean environment; its output goes where the caller's goes.
e2e_as() { "$lib/world" _as "$AS" "$@"; }

run() {
	E2E_LAST="$AS: $*"
	echo "+ $E2E_LAST"
	status=0
	e2e_as "$@" >"$E2E_TMP/out" 2>"$E2E_TMP/err" || status=$?
	e2e_keep "$E2E_TMP"
}
e2e_keep() {
	stdout=$(tr -d '\0' <"$1/out")
	stderr=$(tr -d '\0' <"$1/err")
}

start() {
	local name=$1
	shift
	echo "+ start $name: $AS: $*"
	mkdir -p "$E2E_TMP/$name"
	# world exec's itself into the command: $! is the command's own pid
	"$lib/world" _as "$AS" "$@" >"$E2E_TMP/$name/out" 2>"$E2E_TMP/$name/err" </dev/null &
	E2E_STARTED[$name]=$!
	printf -v "${name}_pid" %s $!
	printf -v "${name}_out" %s "$E2E_TMP/$name/out"
	printf -v "${name}_err" %s "$E2E_TMP/$name/err"
}
finish() {
	E2E_LAST="$1 (in the background)"
	status=0
	wait "${E2E_STARTED[$1]}" || status=$?
	unset "E2E_STARTED[$1]"
	e2e_keep "$E2E_TMP/$1"
}

pty() { run /usr/bin/python3 -I "$W/bin/pty.py" "$@"; stdout=${stdout//$'\r'/}; }

expect_status() { [ "$status" = "$1" ] || fail "status $status instead of $1"; }
# shellcheck disable=SC2053  # globs on purpose
expect_match() { [[ $1 == $2 ]] || fail "got \"$1\" instead of \"$2\""; }
expect_equal() { [ "$1" = "$2" ] || fail "got \"$1\" instead of \"$2\""; }
# shellcheck disable=SC2053
expect_stdout() { [[ $stdout == $1 ]] || fail "stdout is not \"$1\""; }
# shellcheck disable=SC2053
expect_stderr() { [[ $stderr == $1 ]] || fail "stderr is not \"$1\""; }
# shellcheck disable=SC2053
expect_stdout_has() { [[ $stdout == *$1* ]] || fail "stdout has no \"$1\""; }
# shellcheck disable=SC2053
expect_stderr_has() { [[ $stderr == *$1* ]] || fail "stderr has no \"$1\""; }
expect_stderr_lines() {
	local n
	n=$(grep -c . <<<"$stderr") || true
	[ "$n" = "$1" ] || fail "stderr has $n lines instead of $1"
}

e2e_path() { case $1 in /*) echo "$1" ;; *) echo "$(home)/$1" ;; esac; }
expect_file() {
	local path
	path=$(e2e_path "$1")
	[ -e "$path" ] || fail "there is no $path"
	# shellcheck disable=SC2053
	[ $# = 1 ] || [[ $(<"$path") == $2 ]] || fail "$path holds \"$(head -c 300 "$path")\" instead of \"$2\""
}
expect_no_file() {
	local path
	path=$(e2e_path "$1")
	[ ! -e "$path" ] && [ ! -L "$path" ] || fail "there is $path"
}

eventually() {
	local seconds=$1 end
	shift
	end=$((${EPOCHREALTIME/./} + seconds * PATIENCE * 1000000))
	until "$@" >"$E2E_TMP/eventually" 2>&1; do
		if [ "${EPOCHREALTIME/./}" -ge $end ]; then
			cat "$E2E_TMP/eventually"
			fail "did not happen within $((seconds * PATIENCE)) s: $*"
		fi
		sleep 0.05
	done
}

e2e_clean() {
	local left tmp disk
	left=$("$lib/world" _leftovers)
	for disk in "${E2E_DISKS[@]}"; do
		left=$(grep -vxF "mount $disk" <<<"$left")
	done
	tmp=$(store)/tmp
	if [ -d "$tmp" ] && [ -n "$(ls -A "$tmp")" ]; then
		left+=$'\n'"file $tmp/$(ls -A "$tmp" | head -1)"
	fi
	echo "$left"
	[ -z "$left" ]
}
expect_no_leftovers() { eventually 5 e2e_clean; }

hub_fault() { echo "+ hub fault $*"; "$lib/../hub/hub" fault "$@" || fail 'hub fault'; }
hub_clear() { "$lib/../hub/hub" clear || fail 'hub clear'; }
hub_release() { "$lib/../hub/hub" release || fail 'hub release'; }
hub_set() { "$lib/../hub/hub" set "$@" || fail 'hub set'; }
hub_log() { "$lib/../hub/hub" log "$@" || fail 'hub log'; }
hub_count() { hub_log "$@" | grep -c . || true; }
hub_wait() { "$lib/../hub/hub" wait "$@" || fail "hub wait $*"; }

tun() { case $1 in open) chmod 666 /dev/net/tun ;; closed) chmod 600 /dev/net/tun ;; esac; }
outside() { "$lib/world" _outside "$@"; }

small_disk() {	# DIR MB [TYPE]: DIR (from the home) becomes a file system (ext4) of MB megabytes that belongs to $AS
	local dir img how=(-F -m 0)
	dir=$(e2e_path "$1")
	img=$W/disk/tmp/small.${dir//\//_}
	mkdir -p "$dir"
	truncate -s "$2M" "$img"
	[ "${3:-ext4}" = ext4 ] || how=(-f)
	"mkfs.${3:-ext4}" -q "${how[@]}" "$img" && mount -o loop "$img" "$dir" || fail 'no small file system can be made'
	rm -rf "$img" "$dir/lost+found"
	chown "$(stat -c %u:%g "$(home)")" "$dir"
	E2E_DISKS+=("$dir")
}
small_disk_gone() { umount -l "$(e2e_path "$1")"; }
