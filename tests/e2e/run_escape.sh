# tests/e2e/run_escape.sh -- ways out of containers that were found over the years: each is tried and fails
. "$(dirname "$0")/../lib/e2e.sh"

run devbox pull -q busybox;	expect_status 0
run devbox run -d --name target busybox sh -c 'mkdir /x; printf "#!/proc/self/exe\n" >/x/e; chmod 755 /x/e; ln -s /proc/self/exe /x/l; exec sleep 1000'
expect_status 0
inside() { run devbox run --rm busybox sh -c "$1"; }
no_host_file() { [[ $stdout$stderr != *dbx1* && $stdout$stderr != *lost+found* ]] || fail 'the host can be seen'; }

# CVE-2024-21626: a working directory, a program, a user's record behind a descriptor of the host
for n in 3 4 5 6 7 8 9 10 11 12 13 14 15; do
	run devbox run --rm -w /proc/self/fd/$n busybox ls -a . .. ../.. ../../.. ../../../..;	no_host_file
	[ "$status" != 0 ] || fail "descriptor $n leads somewhere"
	run devbox exec -w /proc/self/fd/$n target ls -a . .. ../.. ../../.. ../../../..;	no_host_file
	[ "$status" != 0 ] || fail "descriptor $n leads somewhere"
	run devbox exec target /proc/self/fd/$n/../../../../../../bin/ls;	expect_status 127
done
run bash -c 'exec 7</etc 9</etc/hostname; devbox exec target ls /proc/self/fd'
expect_stdout '0
1
2
3'
# fd 3 is that of ls itself; what --init leaves open is nothing at all
run devbox run -d --init --name withinit busybox sleep 1000;	expect_status 0
run devbox inspect -f '{{.State.Pid}}' withinit
expect_equal "$(ls "/proc/$stdout/fd")" ''
run devbox rm -f withinit

# CVE-2019-5736: the program that enters the container is not to be changed from there, even if the user owns it
run sh -c 'cp "$(command -v devbox)" own && ./own run -d --name own busybox sleep 1000';	expect_status 0
run ./own inspect -f '{{.State.Pid}}' own
monitor=$(awk '{ print $4 }' "/proc/$stdout/stat")
run chmod 4777 "/proc/$monitor/exe";	expect_status 1;	expect_stderr '*Read-only file system*'
run sh -c "exec 9<>/proc/$monitor/exe";	[ "$status" != 0 ] || fail 'it can be opened for writing'
for how in /x/e /x/l /proc/self/exe; do
	run ./own exec target $how;	[ "$(stat -c %a "$(home)/own")" = 755 ] || fail "it was changed through $how"
done
cmp -s "$(home)/own" "$W/bin/devbox" || fail 'it was changed'
run ./own rm -f own;	expect_status 0

# the terminal of whoever types exec is not the container's
pty devbox exec target sh -c 'echo injected >/dev/tty; echo status $?' <<'END'
expect status 1
eof
END
[[ $stdout != *injected* ]] || fail "the host's terminal can be written"
inside 'echo injected >/dev/tty';	expect_status 1

# what the kernel runs for root: core_pattern, uevent_helper, modprobe, cgroup's release_agent; what is left of /proc and /sys
for f in /proc/sys/kernel/core_pattern /proc/sys/kernel/modprobe /sys/kernel/uevent_helper /proc/sysrq-trigger \
		/proc/sys/vm/panic_on_oom /sys/fs/cgroup/cgroup.procs /sys/fs/cgroup/release_agent; do
	inside "echo x >$f"
	[ "$status" != 0 ] || fail "$f can be written"
done
inside 'mkdir /c && mount -t cgroup -o rdma cgroup /c';	[ "$status" != 0 ] || fail 'cgroup v1 can be mounted'
inside 'mount -o remount,rw /proc/sys';	[ "$status" != 0 ] || fail '/proc/sys can be made writable'
inside 'umount /proc/sys || umount -l /proc/kcore';	[ "$status" != 0 ] || fail 'a mask can be taken away'
inside 'head -c 1 /proc/kcore | wc -c';	expect_stdout '0'
inside 'find /sys -type f -perm -0200 2>/dev/null | while read -r f; do ( : >>"$f" ) 2>/dev/null && echo "$f"; done | head -3'
expect_stdout ''

# devices: not made, not opened, not brought by an image
inside 'for n in 1 2 4 5 9 10 11; do mknod /tmp/m$n c 1 $n && echo made; done; mknod /tmp/sda b 8 0 && echo made; mknod /tmp/fuse c 10 229 && echo made'
expect_stdout ''
run devbox run --rm odd/devices sh -c 'ls /nodes/null /nodes/sda /dev/sda';	expect_status 1;	expect_stdout ''

# namespaces: none to be made, none of the host's to be entered
inside 'unshare -m true || unshare -U true || unshare -n true';	[ "$status" != 0 ] || fail 'namespaces can be made'
inside 'nsenter -t 1 -m -n true';	[ "$status" != 0 ] || fail 'setns works'
inside 'cat /proc/1/root/etc/hostname; ls /proc | grep "^[0-9]" | wc -l';	[[ $stdout != *devbox-test* ]] || fail "the host's root"
# the abstract sockets of the host belong to its network namespace
inside 'grep -c @ /proc/net/unix';	expect_stdout '0'

# a set-id program of the container is nobody on the host
run sh -c 'mkdir -p share && devbox run --rm -v "$PWD/share:/s" busybox sh -c "cp /bin/busybox /s/suid; chown 33:33 /s/suid; chmod 6755 /s/suid"'
expect_status 0
owner=$(stat -c %u "$(home)/share/suid")
[ "$owner" -ge 700000000 ] || fail "a file of uid $owner was made"
run devbox run --rm -v "$(home)/share:/s" busybox rm /s/suid;	expect_status 0

# symbolic links of a volume, of an image, in a bind mount's target: resolved inside
run devbox run --rm -v links:/v busybox sh -c 'ln -s /../../../../../../../etc /v/etc; ln -s /proc/1/root /v/root';	expect_status 0
run devbox run --rm -v links:/v -v "$(home)/share:/v/etc/sub" busybox ls -d /etc/sub;	expect_status 0
[ ! -e /etc/sub ] || fail 'a target was made on the host'
run devbox volume rm links;	expect_status 0
touch "$W/disk/tmp/victim"
for i in mounts dev etc etcdir passwd workdir; do
	run timeout 20 devbox run --rm "odd/escape-$i" sh -c 'echo x >/proc/sys/kernel/core_pattern; cat /etc/resolv.conf /etc/hosts >/dev/null; head -c 1 /proc/kcore | wc -c'
	[[ $status != 124 ]] || fail "odd/escape-$i hangs"
	[[ $stdout == 0 || $status != 0 ]] || fail "odd/escape-$i: the mask is off"
	[ ! -e "$W/disk/tmp/devbox-escaped" ] && [ ! -e /tmp/devbox-escaped ] || fail "odd/escape-$i got out"
	note "odd/escape-$i: $status $stderr"
done
# links in place of the files that we bind: into nowhere, out, round and round
for l in /tmp/nowhere/deep/file ../../../../../../../../../tmp/devbox-escaped resolv.conf /proc/1/root/tmp/devbox-escaped; do
	run devbox run --rm -v etc:/etc busybox true;	expect_status 0
	run devbox run --rm -v etc:/e busybox sh -c "cd /e && rm -f resolv.conf hosts hostname && ln -s $l resolv.conf && ln -s $l hosts && ln -s $l hostname"
	expect_status 0
	run timeout 20 devbox run --rm -v etc:/etc busybox sh -c 'cat /etc/resolv.conf /etc/hosts /etc/hostname >/dev/null'
	note "$l: $status $stderr"
	[ "$status" = 0 ] || expect_stderr 'devbox: *container *mounting /etc/*: *'
	[ ! -e /tmp/devbox-escaped ] && [ ! -e /tmp/nowhere ] || fail "$l led out"
	run devbox volume rm etc;	expect_status 0
done

# processes: neither the monitor nor its relay nor who joins is there to be looked at
run devbox run -d --name ports -p 127.0.0.1:18080:80 busybox sleep 1000;	expect_status 0
run devbox exec ports sh -c 'for p in /proc/[0-9]*; do tr "\0" " " <$p/cmdline; echo; done';	[[ $stdout != *devbox* ]] || fail 'devbox can be seen'
start watch devbox exec ports sh -c 'for i in $(seq 400); do for p in /proc/[0-9]*; do readlink $p/exe; ls $p/fd/ >/dev/null && readlink $p/cwd; done; done 2>/dev/null | grep -v "^/bin/" | sort -u'
for i in 1 2 3 4 5 6 7 8 9 10; do
	run devbox exec ports true;	expect_status 0
done
finish watch;	expect_stdout '/'
run devbox rm -f ports target;	expect_status 0
expect_no_leftovers
