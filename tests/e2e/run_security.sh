# tests/e2e/run_security.sh -- what a container must not be able to do or see
. "$(dirname "$0")/../lib/e2e.sh"

run devbox pull -q busybox; expect_status 0
inside() { run devbox run --rm busybox sh -c "$1"; }

# Docker's fourteen capabilities, its filter, no more
inside 'grep -E "^(CapEff|CapBnd|Seccomp):" /proc/self/status | tr -d "\t"'
expect_stdout 'CapEff:00000000a80425fb
CapBnd:00000000a80425fb
Seccomp:2'
inside 'mount -t tmpfs x /tmp';		expect_status 1;	expect_stderr '*denied*'
inside 'unshare -r true';		expect_status 1;	expect_stderr '*not permitted*'
inside 'echo 1 >/proc/sys/kernel/panic';	expect_status 1;	expect_stderr '*Read-only file system*'
inside 'wc -c </proc/keys';	expect_stdout '0'
inside 'ls /sys/firmware | wc -l';	expect_stdout '0'
inside 'mknod /tmp/sda b 8 0 2>/dev/null; head -c 1 /tmp/sda';	expect_status 1
inside 'hostname evil';			expect_status 1

# nothing of the host: processes, files, descriptors, environment
run sh -c 'SECRET=host devbox run --rm busybox env';	[[ $stdout != *SECRET* ]] || fail 'the environment leaks'
inside 'ls /proc | grep -c "^[0-9]"';	expect_stdout '3'
run bash -c 'exec 7</etc/passwd 9</etc; devbox run --rm busybox ls /proc/self/fd';	expect_stdout '0
1
2
3'

# devbox's own binary cannot be reached or overwritten through /proc, neither by --init nor around exec
run devbox run --rm --init busybox sh -c 'head -c 4 /proc/1/exe';	expect_status 1;	expect_stderr '*denied*'
run devbox run --rm --init busybox sh -c 'ls /proc/1/fd | wc -l';	expect_stdout '0'

run sh -c 'SECRET=host devbox run --rm --init busybox sh -c "cat /proc/1/environ"';	expect_status 1;	expect_stderr '*denied*'
# while exec gets in
run devbox run -d --name inited --init busybox sleep 1000;	expect_status 0
run devbox exec inited cat /proc/1/comm;	expect_stdout 'devbox-init'
run devbox rm -f inited;		expect_status 0

# symbolic links of an image lead nowhere outside
run devbox run --name link busybox sh -c 'rm -r /tmp && ln -s /../../../../../../../../tmp /tmp; ln -s / /evil';	expect_status 0
run devbox rm link;	expect_status 0

# su works: no_new_privs is not set, as under Docker
run devbox run --rm busybox grep NoNewPrivs /proc/self/status;	expect_stdout 'NoNewPrivs:*0'

# files are private
run sh -c 'stat -c %a "$HOME/.local/share/devbox"';	expect_stdout '700'
expect_no_leftovers
