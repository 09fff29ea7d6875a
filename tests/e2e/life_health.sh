# tests/e2e/life_health.sh -- HEALTHCHECK and --health-*: run inside by the monitor, Docker's states, words and records
. "$(dirname "$0")/../lib/e2e.sh"

run devbox pull -q busybox; expect_status 0
inspect() { run devbox inspect -f "$1" "$2"; expect_status 0; }
field() { [ "$(e2e_as devbox inspect -f "$1" "$2")" = "$3" ]; }

# refused
run devbox run --health-interval 1us busybox true
expect_status 125; expect_stderr '*Interval in Healthcheck cannot be less than 1ms'
run devbox run --health-interval=-1s busybox true;	expect_status 125; expect_stderr_has 'cannot be negative'
run devbox run --no-healthcheck --health-cmd true busybox true
expect_status 125; expect_stderr '*--no-healthcheck conflicts with --health-\* options'

# starting, healthy, unhealthy, healthy again
run devbox run -d --name hc --health-cmd 'cat /ok && echo "$WORD from $(id -u)"' --health-interval 200ms --health-retries 2 \
	-e WORD=hello busybox sleep 1000
expect_status 0
run devbox ps --format '{{.Status}}';		expect_stdout 'Up * (health: starting)'
run devbox ps -q --filter health=starting;	expect_match "$stdout" '????????????'
run devbox exec hc touch /ok;			expect_status 0
eventually 5 field '{{.State.Health.Status}} {{.State.Health.FailingStreak}}' hc 'healthy 0'
run devbox ps --format '{{.Status}}';		expect_stdout 'Up * (healthy)'
run devbox ps -q --filter health=healthy;	expect_match "$stdout" '????????????'
inspect '{{range .State.Health.Log}}{{.ExitCode}} {{.Output}}{{end}}' hc;	expect_stdout_has '0 hello from 0'
run devbox exec hc rm /ok;			expect_status 0
eventually 5 field '{{.State.Health.Status}}' hc unhealthy
run devbox ps --format '{{.Status}}';		expect_stdout 'Up * (unhealthy)'
inspect '{{range .State.Health.Log}}{{.Output}}{{end}}' hc;	expect_stdout_has "cat: can't open '/ok'"
many() { [ "$(e2e_as devbox inspect -f '{{len .State.Health.Log}}' hc)" = 5 ]; }
eventually 5 many
run devbox exec hc touch /ok;			expect_status 0
eventually 5 field '{{.State.Health.Status}}' hc healthy
inspect '{{json .Config.Healthcheck}}' hc
expect_stdout '{"Test":\["CMD-SHELL","cat /ok && *"\],"Interval":200000000,"Retries":2}'
run devbox stop -t 0 hc;				expect_status 0
inspect '{{.State.Health.Status}}' hc;		expect_stdout 'unhealthy'
run devbox ps -a --format '{{.Status}}';	expect_stdout 'Exited (137) *ago'
run devbox start hc;				expect_status 0
eventually 5 field '{{.State.Health.Status}}' hc healthy

# a test that hangs is killed; one that cannot be run is a failure; a start period forgives
run devbox run -d --name slow --health-cmd 'echo begun; exec sleep 1234' --health-interval 100ms --health-timeout 300ms \
	--health-retries 1 busybox sleep 1000
eventually 5 field '{{.State.Health.Status}}' slow unhealthy
inspect '{{(index .State.Health.Log 0).ExitCode}} {{(index .State.Health.Log 0).Output}}' slow
expect_stdout '-1 Health check exceeded timeout (0.3s): begun'
run devbox run -d --name late --health-cmd 'test -e /ok' --health-start-period 1h --health-start-interval 100ms \
	--health-retries 1 busybox sleep 1000
failed() { [ "$(e2e_as devbox inspect -f '{{len .State.Health.Log}}' late)" -ge 3 ]; }
eventually 5 failed
inspect '{{.State.Health.Status}} {{.State.Health.FailingStreak}}' late;	expect_stdout 'starting 0'
run devbox exec late touch /ok;			expect_status 0
eventually 5 field '{{.State.Health.Status}}' late healthy

# what the image says, and what takes it away
run devbox run -d --name img odd/config sleep 1000;	expect_status 0
inspect '{{json .Config.Healthcheck}}' img;	expect_stdout '{"Test":\["CMD-SHELL","true"\],"Interval":1000000000}'
run devbox run -d --name none --no-healthcheck busybox sleep 1000;	expect_status 0
inspect '{{json .Config.Healthcheck}} {{.State.Status}}' none;	expect_stdout '{"Test":\["NONE"\]} running'
run devbox ps --filter health=none --format '{{.Names}} {{.Status}}';	expect_stdout 'none Up *second*'

eventually 5 field '{{.State.Health.Status}}' img healthy

# a test in the midst of its run does not hold up anything
run devbox run -d --name busy --health-cmd 'sleep 1000' --health-interval 50ms busybox sleep 1000
running() { e2e_as devbox exec busy sh -c 'ps | grep -q "[s]leep 1000$" && [ "$(ps | grep -c "[s]leep 1000$")" -ge 2 ]'; }
eventually 5 running
run devbox rm -f slow late none hc img;		expect_status 0
no_process() { [ -z "$("$lib/world" _leftovers)" ]; }
id=$(e2e_as devbox ps -q --no-trunc)
kill -KILL "$(python3 -c 'import json,sys; print(json.load(sys.stdin)["monitor_pid"])' <"$(store)/containers/$id/state.json")"
eventually 5 no_process
run devbox ps -a --format '{{.Names}} {{.Status}}';	expect_stdout 'busy Exited (137) *'
inspect '{{.State.Health.Status}}' busy;	expect_stdout 'unhealthy'

# while it is paused no test runs
run devbox start busy;				expect_status 0
run devbox rm -f busy;				expect_status 0
run devbox run -d --name still --health-cmd 'echo x' --health-interval 50ms busybox sleep 1000;	expect_status 0
eventually 5 field '{{.State.Health.Status}}' still healthy
run devbox pause still;				expect_status 0
run devbox ps --format '{{.Status}}';		expect_stdout 'Up *second* (Paused)'
last() { e2e_as devbox inspect -f '{{range .State.Health.Log}}{{.Start}}{{println}}{{end}}' still | grep . | tail -n 1; }
run devbox unpause still;			expect_status 0
before=$(last)
goes_on() { [ "$(last)" != "$before" ]; }
eventually 5 goes_on
inspect '{{.State.Health.Status}}' still;	expect_stdout 'healthy'
run devbox rm -f still;				expect_status 0
expect_no_leftovers
