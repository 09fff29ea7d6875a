# tests/e2e/life_restart.sh -- --restart: Docker's policies, delays, counts and words, without a daemon
. "$(dirname "$0")/../lib/e2e.sh"

run devbox pull -q busybox; expect_status 0
inspect() { run devbox inspect -f "$1" "$2"; expect_status 0; }
field() { [ "$(e2e_as devbox inspect -f "$1" "$2")" = "$3" ]; }

# refused, in Docker's words
run devbox run --restart sometimes busybox true
expect_status 125; expect_stderr "invalid argument \"sometimes\" for \"--restart\" flag: invalid restart policy: unknown policy 'sometimes'*"
run devbox run --restart always:2 busybox true
expect_status 125; expect_stderr_has "maximum retry count can only be used with 'on-failure'"
run devbox run --rm --restart always busybox true
expect_status 125; expect_stderr '*conflicting options: cannot specify both --restart and --rm'

# on-failure:2 runs three times and keeps the last status; the log goes on
run devbox run -d --name fails --restart on-failure:2 busybox sh -c 'echo run; exit 7';	expect_status 0
eventually 10 field '{{.State.Status}} {{.RestartCount}}' fails 'exited 2'
inspect '{{.State.ExitCode}} {{.HostConfig.RestartPolicy.Name}} {{.HostConfig.RestartPolicy.MaximumRetryCount}}' fails
expect_stdout '7 on-failure 2'
run devbox logs fails;		expect_stdout 'run
run
run'
run devbox run -d --name fine --restart on-failure busybox true;	expect_status 0
run devbox wait fine;		expect_stdout '0'
inspect '{{.State.Status}} {{.RestartCount}}' fine;	expect_stdout 'exited 0'

# always: a new process, the same files, the same published port
run devbox run -d --name web --restart always -p 127.0.0.1:18081:80 busybox sh -c \
	'echo "up $(cat /n 2>/dev/null)" >>/n; mkdir -p /w; cp /n /w/n; exec httpd -f -p 80 -h /w'
expect_status 0
fetch() { e2e_as curl -s -m 3 http://127.0.0.1:18081/n; }
lines() { [ "$(fetch | grep -c up)" = "$1" ]; }
eventually 5 lines 1
inspect '{{.State.Pid}}' web;	first=$stdout
kill -KILL "$first"
eventually 10 field '{{.RestartCount}} {{.State.Running}}' web '1 true'
eventually 10 lines 2
inspect '{{.State.Pid}}' web;	[ "$stdout" != "$first" ] || fail 'the same process'
run devbox exec web true;	expect_status 0

# stop and kill by the user are respected; start counts anew
run devbox stop -t 0 web;	expect_status 0
inspect '{{.State.Status}} {{.RestartCount}}' web;	expect_stdout 'exited 1'
run devbox start web;		expect_status 0
inspect '{{.State.Status}} {{.RestartCount}}' web;	expect_stdout 'running 0'
run devbox kill web;		expect_status 0
run devbox wait web;		expect_stdout '137'
inspect '{{.State.Status}}' web;	expect_stdout 'exited'
run devbox rm web;		expect_status 0

# while it waits: its words, and every verb
run devbox run -d --name loop --restart unless-stopped busybox false;	expect_status 0
eventually 20 field '{{.State.Status}} {{.RestartCount}}' loop 'restarting 5'
inspect '{{.State.Running}} {{.State.Restarting}} {{.State.Pid}} {{.State.ExitCode}}' loop;	expect_stdout 'true true 0 1'
run devbox ps --filter name=loop --format '{{.Status}}';	expect_stdout 'Restarting (1) *ago'
run devbox exec loop true;	expect_status 1;	expect_stderr '*Container * is restarting, wait until the container is running'
run devbox attach loop;		expect_status 1;	expect_stderr '*You cannot attach to a restarting container, wait until it is running'
run devbox rm loop;		expect_status 1;	expect_stderr '*container is restarting*'
run devbox stop loop;		expect_status 0
inspect '{{.State.Status}} {{.State.ExitCode}}' loop;	expect_stdout 'exited 1'
run devbox start loop;		expect_status 0
eventually 20 field '{{.State.Status}} {{.RestartCount}}' loop 'restarting 4'
run devbox kill loop;		expect_status 0
run devbox wait loop;		expect_stdout '1'
run devbox start loop;		expect_status 0
eventually 20 field '{{.State.Status}} {{.RestartCount}}' loop 'restarting 4'
run devbox rm -f loop;		expect_status 0

# update changes the policy, also of a running one and of one that waits
run devbox run -d --name late --restart on-failure busybox sh -c 'while [ ! -e /end ]; do sleep 0.1; done; exit 3';	expect_status 0
run devbox update --restart no late;	expect_status 0;	expect_stdout 'late'
run devbox exec late touch /end;		expect_status 0
run devbox wait late;			expect_stdout '3'
inspect '{{.State.Status}} {{.HostConfig.RestartPolicy.Name}}' late;	expect_stdout 'exited no'
run devbox update --restart always late;	expect_status 0
run devbox start late;			expect_status 0
eventually 20 field '{{.State.Status}} {{.RestartCount}}' late 'restarting 3'
run devbox update --restart=no late;	expect_status 0
eventually 5 field '{{.State.Status}}' late exited
run devbox update late;			expect_status 1;	expect_stderr '*you must provide one or more flags*'
run devbox update --restart x late;	expect_status 125;	expect_stderr '*unknown policy*'
run devbox rm late;			expect_status 0

# in the foreground one sees the first run, as with Docker
run devbox run --name seen --restart always busybox sh -c 'echo once; exit 4'
expect_status 4; expect_stdout 'once'
# between two runs a published port refuses at once, and is still the container's
run devbox run -d --name ports --restart always -p 127.0.0.1:18090:80 busybox sh -c 'echo served | nc -l -p 80; exit 1'
served() { [ "$(timeout 2 bash -c 'exec 3<>/dev/tcp/127.0.0.1/18090 && cat <&3')" = served ]; }
eventually 10 served
between() { e2e_as devbox inspect -f '{{.State.Status}} {{.RestartCount}}' ports; }
refused() {	# looked at from both sides, or the next run has begun meanwhile; the waits get longer
	local before
	before=$(between)
	[[ $before == restarting* ]] || { served; return 1; }
	! timeout 2 bash -c ': 3<>/dev/tcp/127.0.0.1/18090' && [ "$(between)" = "$before" ]
}
eventually 20 refused
taken() {
	local before
	before=$(between)
	[[ $before == restarting* ]] || { served; return 1; }
	! e2e_as devbox run --rm -p 127.0.0.1:18090:80 busybox true && [ "$(between)" = "$before" ]
}
eventually 20 taken
eventually 20 served
run devbox rm -f ports
# restarted by hand, a --rm container stays itself; at its end it goes
run devbox run -d --rm --name brief busybox sh -c 'echo again >>/n; sleep 1000'
id=$stdout
run devbox restart -t 0 brief;	expect_status 0
run devbox ps -q --no-trunc --filter name=brief;	expect_stdout "$id"
run devbox exec brief wc -l /n;	expect_stdout '2 /n'
run devbox stop -t 0 brief
gone() { ! e2e_as devbox inspect brief >/dev/null 2>&1; }
eventually 5 gone
run devbox rm -f seen fails fine;	expect_status 0
run devbox ps -aq;		expect_stdout ''
expect_no_leftovers
