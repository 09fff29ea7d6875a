# tests/e2e/life_events.sh -- what happened, told at once and afterwards
. "$(dirname "$0")/../lib/e2e.sh"

run devbox pull -q busybox; expect_status 0
start live devbox events --filter type=container --format '{{.Action}} {{index .Actor.Attributes "name"}}'
watching() { find "/proc/$live_pid/fd" -lname "*inotify*" | grep -q .; }
eventually 5 watching
run devbox run --name ev -v data:/d --label team=a busybox sh -c 'exit 3';	expect_status 3
run devbox rename ev new
run devbox rm new
run devbox run -d --name two busybox sleep 1000
run devbox pause two
run devbox unpause two
run devbox exec two false
run devbox update --memory 100m two
run devbox restart -t 0 two
run devbox stop -t 0 two
run devbox rm two
destroyed() { grep -q 'destroy two' "$live_out"; }
eventually 5 destroyed
kill "$live_pid"
finish live
expect_stdout 'create ev
start ev
die ev
rename new
destroy new
create two
start two
pause two
unpause two
exec_create: false two
exec_start: false two
exec_die two
update two
kill two
die two
stop two
start two
restart two
kill two
die two
stop two
destroy two'

# a command's events have an id of their own; a health test is a command, too
run devbox run -d --name hc --health-cmd 'exit 3' --health-interval 100ms busybox sleep 600;	expect_status 0
tested() { e2e_as devbox events --since 10m --until 0s --filter container=hc --filter event=exec_die | grep -q exitCode=3; }
eventually 20 tested
run devbox rm -f hc;	expect_status 0
run devbox events --since 10m --until 0s --filter container=hc --format '{{.Action}} {{index .Actor.Attributes "execID"}}'
first=$(grep -m 1 -A 2 exec_create <<<"$stdout")
id=${first##* }
[ ${#id} = 64 ] || fail "execID is '$id'"
expect_equal "$first" "exec_create: /bin/sh -c exit 3 $id
exec_start: /bin/sh -c exit 3 $id
exec_die $id"

# afterwards: from when, until when, and which
run devbox events --since 10m --until 0s --filter container=ev --filter event=die
expect_status 0
expect_stdout '????-??-??T??:??:??.?????????Z container die * (team=a, exitCode=3, image=busybox, name=ev)'
run devbox events --since 10m --until 0s --filter type=volume --format '{{.Type}} {{.Action}} {{.Actor.ID}}'
expect_stdout 'volume create data'
run devbox events --since 10m --until 0s --filter container=two --filter event=exec_create --format '{{.Action}}'
expect_stdout 'exec_create: false'
run devbox events --since 10m --until 0s --filter label=team=a --filter event=start --format json
expect_stdout '{"status":"start","id":"*","from":"busybox","Type":"container","Action":"start","Actor":{"ID":"*","Attributes":{*"name":"ev"*},"scope":"local","time":*,"timeNano":*}'
run devbox events --since 2020-01-01 --until 2020-01-02;	expect_status 0;	expect_stdout ''
run devbox events --filter nonsense=1;	expect_status 1;	expect_stderr "*invalid filter 'nonsense'*"
# images; health; memory
run devbox tag busybox mine:1
run devbox rmi mine:1
run devbox events --since 10m --until 0s --filter type=image --format '{{.Action}} {{.Actor.Attributes.name}}'
expect_stdout $'pull busybox\ntag mine:1\nuntag mine:1'
run devbox run -d --name sick --health-cmd false --health-interval 50ms --health-retries 1 busybox sleep 1000
told() { [[ $(e2e_as devbox events --since 10m --until 0s --filter event=health_status --format '{{.Action}}') == 'health_status: unhealthy' ]]; }
eventually 10 told
run devbox rm -f sick
run devbox run --name fat --memory 10m busybox tail -c 60000000 /dev/zero;	expect_status 137
run devbox events --since 10m --until 0s --filter container=fat --filter event=oom --filter event=die --format '{{.Action}}'
expect_stdout $'oom\ndie'
run devbox rm fat
# the log is bounded, and a reader follows into the next file
file=$(store)/events
run sh -c 'head -c 1100000 /dev/zero | tr "\0" "\n" >>~/.local/share/devbox/events'
run devbox volume create big;	expect_status 0
[ "$(stat -c %s "$file")" -lt 10000 ] || fail 'it grows'
run devbox events --since 10m --until 0s --filter event=create --format '{{.Actor.ID}}'
expect_stdout_has data
expect_stdout_has big
expect_no_leftovers
