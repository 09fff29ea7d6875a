# shellcheck shell=bash
# tests/bench/bench.sh [ROW...] -- medians of what people wait for; run by ./build.sh bench in the test world
#
# Needs `devbox` on the PATH and a registry that has busybox.  Each row is timed RUNS times from outside the command, so
# one fork and exec of the program is part of every figure; the row "true" shows that share.
set -euo pipefail
RUNS=${RUNS:-30}
ALL_ROWS=(true run run-port exec ps inspect stop pull)

# bench ROW BEFORE COMMAND... -- BEFORE is a function that prepares one run, untimed.
bench() {
	local row=$1 before=$2 start i
	local -a us=()

	shift 2
	for ((i = 0; i < RUNS; i++)); do
		"$before"
		start=${EPOCHREALTIME/./}
		"$@" >/dev/null
		us+=($((${EPOCHREALTIME/./} - start)))
	done
	printf '%s\n' "${us[@]}" | sort -n | awk -v row="$row" '
		{ v[NR] = $1 / 1000 }
		END { printf "%-10s median %8.2f ms   best %8.2f   worst %8.2f\n", row, v[int((NR + 1) / 2)], v[1], v[NR] }'
}

nothing() { :; }
no_image() { devbox rmi -f busybox >/dev/null 2>&1 || true; }
fresh_target() {
	devbox rm -f bench-stop >/dev/null 2>&1 || true
	devbox run -d --name bench-stop busybox sh -c 'trap "exit 0" TERM; while :; do sleep 3600 & wait; done' >/dev/null
}
no_detached() { devbox rm -f bench-port >/dev/null 2>&1 || true; }

cleanup() {
	devbox rm -f bench-stop bench-port bench-box >/dev/null 2>&1 || true
}
trap cleanup EXIT

devbox pull -q busybox >/dev/null
devbox run -d --name bench-box busybox sleep 100000 >/dev/null
[[ $# -gt 0 ]] || set -- "${ALL_ROWS[@]}"
for row in "$@"; do
	case $row in
	true) bench true nothing /bin/true ;;
	run) bench run nothing devbox run --rm busybox true ;;
	run-port) bench run-port no_detached devbox run -d --name bench-port -p 8080:80 busybox sleep 100000 ;;
	exec) bench exec nothing devbox exec bench-box true ;;
	ps) bench ps nothing devbox ps ;;
	inspect) bench inspect nothing devbox inspect bench-box ;;
	stop) bench stop fresh_target devbox stop bench-stop ;;
	pull)
		devbox rm -f bench-box >/dev/null	# it holds the image
		bench pull no_image devbox pull -q busybox
		devbox run -d --name bench-box busybox sleep 100000 >/dev/null
		;;
	*) echo "bench: no row '$row' (there are: ${ALL_ROWS[*]})" >&2; exit 1 ;;
	esac
done
