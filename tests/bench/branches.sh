# shellcheck shell=bash
# tests/bench/branches.sh [fork] [load] -- a database for a branch, side by side with what one would do without devbox db
#
#	DEVBOX_TEST_WORLD=/var/tmp/bench-world tests/lib/world up
#	DEVBOX_TEST_WORLD=/var/tmp/bench-world tests/lib/world exec dbx1 env MB=2400 bash -s <tests/bench/branches.sh
#
# fork   MB (300) of tables in a MySQL; then, RUNS (3) times in turn, from nothing to the first answered query on a second
#        server with the same data, and what it takes on the disk:
#          fork        devbox volume fork
#          fork-live   the same while the first server runs and has unwritten pages: the second one recovers
#          copy        `run -v a:/a -v b:/b busybox cp -a`, the usual recipe with docker
#          dump        mysqldump | mysql into a new server
#          plain       nothing is made: the first server's own start, for comparison
#        WAYS names some of them
# load   sysbench (SECONDS=20 each, in turn, RUNS times) at the same server on a plain directory and on a fork
# Needs devbox, sysbench and a MySQL client on the PATH, and a registry that has mysql and busybox.
set -euo pipefail
MB=${MB:-300} RUNS=${RUNS:-3} SECONDS_EACH=${SECONDS_EACH:-20} THREADS=${THREADS:-4}
PORT=${PORT:-23306}
TABLES=4
ROWS=$((MB * 4500 / TABLES))	# about 220 bytes a row, its index included
args=(--skip-log-bin --innodb-buffer-pool-size=128M)

say() { echo "bench: $*" >&2; }
db() { devbox run -d --name "$1" -p "127.0.0.1:$PORT:3306" -v "$2:/var/lib/mysql" -e MYSQL_ROOT_PASSWORD=pw \
	-e MYSQL_DATABASE=app mysql "${args[@]}" >/dev/null; }	# NAME VOLUME
client() { mysql -h127.0.0.1 -P"$PORT" -uroot -ppw -N "$@" app 2>/dev/null; }
answered() { until client -e "SELECT COUNT(*) FROM sbtest1 WHERE id < 10" >/dev/null; do :; done; }
sb() { sysbench "$1" --mysql-host=127.0.0.1 --mysql-port="$PORT" --mysql-user=root --mysql-password=pw --mysql-db=app \
	--tables=$TABLES --table-size="$ROWS" --threads="$THREADS" "${@:2}"; }
gone() { devbox rm -f "$@" >/dev/null 2>&1 || true; }
drop() { devbox volume rm "$@" >/dev/null 2>&1 || true; devbox undo empty -f >/dev/null 2>&1 || true; }
stop() { devbox stop -t 120 "$1" >/dev/null && gone "$1"; }
disk() { df --output=used -k "$HOME" | tail -n 1; }
median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
cleanup() { gone b1 b2; drop bench bench2 plain; }
trap cleanup EXIT

fill() {
	say "filling $TABLES tables of $ROWS rows"
	cleanup
	db b1 bench
	devbox wait --ready b1 >/dev/null
	sb oltp_read_write --threads=1 prepare >/dev/null
	stop b1
}

make_fork() { devbox volume fork -q bench bench2 >/dev/null; }
make_copy() { devbox run --rm -v bench:/a -v bench2:/b busybox cp -a /a/. /b; }
make_dump() {
	PORT=$((PORT + 1)) db b2 bench2
	devbox wait --ready b2 >/dev/null
	devbox exec b1 mysqldump -uroot -ppw --single-transaction app 2>/dev/null |
		devbox exec -i b2 mysql -uroot -ppw app 2>/dev/null
}

one_fork() {	# WAY
	local before start made
	drop bench2
	case $1 in
	fork-live | dump) db b1 bench; devbox wait --ready b1 >/dev/null; client -e 'UPDATE sbtest1 SET k = k + 1 LIMIT 20000' ;;
	esac
	sync
	before=$(disk) start=${EPOCHREALTIME/./}
	case $1 in
	fork | fork-live) make_fork ;;
	copy) make_copy ;;
	dump) make_dump ;;
	esac
	made=${EPOCHREALTIME/./}
	case $1 in
	plain) db b2 bench; answered ;;
	dump) PORT=$((PORT + 1)) answered ;;
	*) PORT=$((PORT + 1)) db b2 bench2; PORT=$((PORT + 1)) answered ;;
	esac
	echo "$(((made - start) / 1000)) $(((${EPOCHREALTIME/./} - start) / 1000)) $((($(disk) - before) / 1024))" >>"$out/$1"
	gone b1
	[ "$1" != plain ] || stop b2
	gone b2
}

bench_fork() {
	local way i ways

	read -ra ways <<<"${WAYS:-plain fork fork-live copy dump}"
	fill
	for ((i = 0; i < RUNS; i++)); do
		for way in "${ways[@]}"; do one_fork "$way"; done
	done
	printf '%-10s %12s %16s %10s\n' way 'made, ms' 'answered, ms' 'disk, MB'
	for way in "${ways[@]}"; do
		printf '%-10s %12s %16s %10s\n' "$way" "$(cut -d' ' -f1 "$out/$way" | median)" \
			"$(cut -d' ' -f2 "$out/$way" | median)" "$(cut -d' ' -f3 "$out/$way" | median)"
	done
}

bench_load() {
	local kind way i
	fill
	say 'a plain directory with the same content, and a fork'
	drop plain bench2
	devbox volume fork -q --copy bench plain >/dev/null
	make_fork
	for kind in oltp_read_only oltp_read_write; do
		for ((i = 0; i < RUNS; i++)); do
			for way in plain bench2; do
				db b1 "$way"
				devbox wait --ready b1 >/dev/null
				sb "$kind" --time=5 run >/dev/null
				sb "$kind" --time="$SECONDS_EACH" run | sed -n 's/.*transactions:.*(\([0-9.]*\) per.*/\1/p' \
					>>"$out/$kind.$way"
				stop b1
			done
		done
		awk -v kind=$kind -v plain="$(median <"$out/$kind.plain")" -v fork="$(median <"$out/$kind.bench2")" 'BEGIN {
			printf "%-16s plain %8.1f /s   fork %8.1f /s   ratio %.2f\n", kind, plain, fork, fork / plain }'
	done
}

out=$(mktemp -d)
[[ $# -gt 0 ]] || set -- fork load
for row in "$@"; do
	case $row in
	fork) bench_fork ;;
	load) bench_load ;;
	*) say "no row '$row' (there are: fork load)"; exit 1 ;;
	esac
done
rm -r "$out"
