# tests/e2e/compose_crash.sh -- an up that is killed at any moment is finished by the next one; what a terminal shows
. "$(dirname "$0")/../lib/e2e.sh"

run devbox pull -q busybox; expect_status 0
e2e_as tee compose.yaml >/dev/null <<'END'
name: k
services:
  a: {image: busybox, init: true, command: sleep 1000, environment: {N: "${N:-0}"}, volumes: [/anon]}
  b: {image: busybox, init: true, command: sleep 1000, environment: {N: "${N:-0}"}, depends_on: [a]}
  c: {image: busybox, init: true, command: sleep 1000, environment: {N: "${N:-0}"}, depends_on: [b], scale: 2}
  d:
    build: {dockerfile_inline: "FROM busybox\nENV N=${N:-0}\n"}
    init: true
    entrypoint: [sleep, "1000"]
  e: {image: busybox, init: true, command: sleep 1000, environment: {N: "${N:-0}"}, depends_on: [d]}
END
up_killed_after() {	# SECONDS N
	start up env N="$2" devbox compose up -d --build
	sleep "$1"	# no event to wait for: any moment will do
	kill -KILL "$up_pid" 2>/dev/null
	finish up
}
n=0
for after in 0.01 0.03 0.05 0.08 0.12 0.17 0.25; do
	n=$((n + 1))
	up_killed_after $after $n
	run env N=$n devbox compose up -d --build;	expect_status 0
	run devbox compose ps --format '{{.Name}} {{.State}}'
	expect_stdout 'k-a-1 running
k-b-1 running
k-c-1 running
k-c-2 running
k-d-1 running
k-e-1 running'
	run devbox compose exec -T d sh -c 'echo $N';	expect_stdout $n
	run devbox compose exec -T a sh -c 'echo $N; echo x >>/anon/n; wc -l </anon/n';	expect_stdout "$n
$n"
done
run devbox compose down -v -t 0;	expect_status 0
run devbox ps -aq;		expect_stdout ''
run devbox volume ls -q;	expect_stdout ''

# the list on a terminal, and lines elsewhere
pty devbox compose up -d <<'END'
END
expect_status 0
expect_stdout_has '[[]+] Running [78]/[78]'
expect_stdout_has 'Container k-c-2'
run devbox compose --progress quiet up -d --force-recreate;	expect_status 0; expect_stderr ''
run devbox compose down -v -t 0;	expect_status 0
# without the files, by the name alone
run devbox compose up -d a;	expect_status 0
run sh -c 'cd / && devbox compose -p k ps -q && devbox compose -p k down -v';	expect_status 0
expect_stderr_has 'Network k_default  Removed'
expect_no_leftovers
