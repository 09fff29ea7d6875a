# tests/e2e/life_tend.sh -- pause, rename, top, stats
. "$(dirname "$0")/../lib/e2e.sh"

run devbox pull -q busybox; expect_status 0
run devbox run -d --name one busybox sh -c 'trap "exit 3" TERM; sleep 1000 & (sleep 1001 & wait) & i=0; while :; do i=$((i+1)); echo $i >/n; done';	expect_status 0
eventually 5 e2e_as devbox exec one test -s /n

# pause: everything stands still, whoever it belongs to; exec does not work; it shows
run devbox exec -d -u 33 one sleep 1002
run devbox pause one;	expect_status 0;	expect_stdout one
run devbox ps --format '{{.State}} {{.Status}}';	expect_stdout 'paused Up * (Paused)'
run devbox ps -q --filter status=paused;	expect_match "$stdout" '????????????'
run devbox inspect -f '{{.State.Status}} {{.State.Paused}} {{.State.Running}}' one;	expect_stdout 'paused true true'
count() { run devbox cp one:/n -; echo "$stdout" | md5sum; }
before=$(count)
expect_equal "$(count)" "$before"
run devbox exec one true;	expect_status 1;	expect_stderr '*is paused, unpause the container before exec'
run devbox exec nosuch true;	expect_status 1
run devbox start nosuch;	expect_status 1
run devbox pause one;	expect_status 1;	expect_stderr '*is already paused'
run devbox unpause one;	expect_status 0
run devbox unpause one;	expect_status 1;	expect_stderr '*is not paused'
changed() { [ "$(count)" != "$before" ]; }
eventually 5 changed
# exec makes no working directory, run does
run devbox exec -w /nope one true;	expect_status 126;	expect_stderr '*entering the working directory /nope: No such file*'
run devbox diff one;	[[ $stdout != *nope* ]] || fail 'it was made'

# top: everything in it, seen from here
run devbox top one
expect_status 0
expect_match "${stdout%%$'\n'*}" 'UID*PID*PPID*C*STIME*TTY*TIME*CMD'
expect_stdout_has 'sleep 1000'
expect_stdout_has 'sleep 1001'
expect_stdout_has 'sleep 1002'
[[ $stdout != *monitor* ]] || fail 'the monitor is none of its processes'
run devbox top one -o pid,args
expect_match "${stdout%%$'\n'*}" 'PID*COMMAND'
expect_stdout_has 'sleep 1001'
[[ $stdout != *devbox* ]] || fail 'ps shows others'
run devbox top one -o comm;	expect_status 1;	expect_stderr "*Couldn't find PID field in ps output*"
run devbox top one --nonsense;	expect_status 1;	expect_stderr '*ps: it ended with 1'
run devbox top nosuch;	expect_status 1;	expect_stderr 'devbox: No such container: nosuch'

# stats: the loop takes a processor's time
run devbox stats --no-stream;	expect_status 0
expect_stdout 'CONTAINER ID   NAME *CPU %*MEM USAGE / LIMIT*MEM %*NET I/O*BLOCK I/O*PIDS*
????????????   one*%*B / *iB*'
run devbox stats --no-stream --format '{{.Name}} {{.PIDs}} {{.CPUPerc}}' one
expect_stdout 'one ? *%'
cpu=${stdout##* }
[ "${cpu%%.*}" -ge 10 ] || fail "$cpu of a processor is too little"
run devbox stats --no-stream --format json one;	expect_stdout '{*"Name":"one"*}'

# what a published port took is traffic
run devbox run -d --name serve -p 127.0.0.1:7900:80 busybox sh -c 'while :; do nc -l -p 80 >/dev/null; done';	expect_status 0
head -c 3000000 /dev/zero >/dev/tcp/127.0.0.1/7900
took() { e2e_as devbox stats --no-stream --format '{{.NetIO}}' serve | grep '^3MB / '; }
eventually 5 took
run devbox rm -f serve

# rename, running: nothing but the name changes; the old one is free
run devbox rename one two;	expect_status 0
run devbox ps --format '{{.Names}}';	expect_stdout two
run devbox create --name one busybox true;	expect_status 0
run devbox rename two one;	expect_status 1;	expect_stderr '*The container name "/one" is already in use*'
run devbox rename two two;	expect_status 1
run devbox rename two -- 'b d';	expect_status 1;	expect_stderr '*Invalid container name (b d)*'
# a paused one ends when it is told to, in good order
run devbox pause two
run devbox stop two;	expect_status 0
run devbox inspect -f '{{.State.ExitCode}} {{.State.Paused}}' two;	expect_stdout '3 false'
run devbox stats --no-stream --format '{{.Name}} {{.CPUPerc}}' two;	expect_stdout 'two --'
# started again, it does not come paused; removed by force while it is
run devbox start two
run devbox inspect -f '{{.State.Status}}' two;	expect_stdout running
run devbox pause two
run devbox rm -f two one;	expect_status 0
# one that goes by itself gives its new name free
run devbox run -d --rm --name old busybox sleep 1000
run devbox rename old new
run devbox kill new
eventually 5 e2e_as devbox create --name new busybox true
run devbox rm new
expect_no_leftovers
