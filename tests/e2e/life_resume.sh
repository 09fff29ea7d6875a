# tests/e2e/life_resume.sh -- resume: after a killed monitor or a reboot the right containers come back, no wrong one
. "$(dirname "$0")/../lib/e2e.sh"

run devbox pull -q busybox; expect_status 0
record() { echo "$(store)/containers/$1/state.json"; }
get() { python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$(record "$1")" "$2"; }
status() { run devbox inspect -f '{{.State.Status}} {{.State.ExitCode}}' "$1"; expect_status 0; }
lost() { ! e2e_as devbox ps -q --no-trunc | grep -q "$1"; }

run devbox run -d --name always --restart always busybox sleep 1000;	always=$stdout
run devbox run -d --name unless --stop-timeout 1 --restart unless-stopped busybox sleep 1000;	unless=$stdout
run devbox run -d --name plain busybox sleep 1000;			plain=$stdout
run devbox run -d --name stopped --restart always busybox sleep 1000
run devbox stop -t 0 stopped;			expect_status 0
run devbox create --name made --restart always busybox sleep 1000
run devbox resume;				expect_status 0;	expect_stdout ''

# monitors die: never a wrong "Up", no process stays, resume brings back what should run, once
for id in "$always" "$unless" "$plain"; do
	kill -KILL "$(get "$id" monitor_pid)"
	eventually 5 lost "$id"
done
status always;	expect_stdout 'exited 137'
run devbox resume;				expect_status 0;	expect_stdout 'always
unless'
run devbox resume;				expect_status 0;	expect_stdout ''
run devbox ps --format '{{.Names}}';		expect_stdout 'unless
always'
run devbox exec unless true;			expect_status 0

# a container that ends with its session (SIGTERM to the monitor) is not restarted then, but resumed
kill -TERM "$(get "$unless" monitor_pid)"
run devbox wait unless;				expect_stdout '137'
status unless;	expect_stdout 'exited 137'

# a reboot: the record says "running" with a process number that is somebody else's now
kill -KILL "$(get "$always" monitor_pid)"
gone() { ! kill -0 "$1"; }
eventually 5 gone "$(get "$always" monitor_pid)"
start other sleep 1000
# shellcheck disable=SC2154	# start makes it
python3 - "$(record "$always")" "$other_pid" <<'PY'
import json, sys
path, pid = sys.argv[1], int(sys.argv[2])
s = json.load(open(path))
s['status'], s['pid'], s['boot_id'] = 'running', pid, '00000000-0000-0000-0000-000000000000'
s['pid_start'] = int(open('/proc/%d/stat' % pid).read().rsplit(')')[1].split()[19])
with open(path, 'w') as f:
    json.dump(s, f)
PY
run devbox ps -q;				expect_stdout ''
kill -0 "$other_pid" || fail 'a process of another boot was killed'
run devbox resume;				expect_status 0;	expect_stdout 'always
unless'
status stopped;	expect_stdout 'exited 137'
status made;	expect_stdout 'created 0'

# two at once start each of them once
for id in "$always" "$unless"; do
	kill -KILL "$(get "$id" monitor_pid)"
	eventually 5 lost "$id"
done
start one devbox resume
start two devbox resume
finish one;	expect_status 0;	both=$stdout
finish two;	expect_status 0
expect_equal "$(sort <<<"$both$stdout")" 'always
unless'

# login: a block in ~/.profile, once, and taken back to the byte
printf 'export A=1' >"$(home)/.profile"
run devbox resume --install;			expect_status 0;	expect_stdout '*~/.profile*'
run devbox resume --install;			expect_status 0
expect_equal "$(grep -c 'devbox resume >>>' "$(home)/.profile")" 1
kill -KILL "$(get "$always" monitor_pid)"
eventually 5 lost "$always"
run sh -c '. ~/.profile; echo "$A"';		expect_status 0;	expect_stdout 1
back() { e2e_as devbox ps --format '{{.Names}}' | grep -q always; }
eventually 5 back
run devbox resume --uninstall;			expect_status 0
expect_file .profile 'export A=1'
run devbox resume --uninstall;			expect_stdout 'it was not installed'

# with a systemd user manager: a unit instead
start manager python3 -c 'import os, socket, time
os.makedirs("rt/systemd"); s = socket.socket(socket.AF_UNIX); s.bind("rt/systemd/private"); s.listen(); time.sleep(100)'
eventually 5 test -S "$(home)/rt/systemd/private"
run env "XDG_RUNTIME_DIR=$(home)/rt" devbox resume --install;	expect_status 0
# shellcheck disable=SC2088	# as printed
expect_stdout '~/.config/systemd/user/devbox-resume.service*'
expect_file .config/systemd/user/devbox-resume.service '*ExecStart="/*devbox" resume*'
expect_file .config/systemd/user/default.target.wants/devbox-resume.service
run devbox resume --uninstall;			expect_status 0
expect_no_file .config/systemd/user/devbox-resume.service
expect_no_file .config/systemd/user/default.target.wants/devbox-resume.service

run devbox rm -f always unless plain stopped made;	expect_status 0
kill "$other_pid" "$manager_pid"
finish other; finish manager
expect_no_leftovers
