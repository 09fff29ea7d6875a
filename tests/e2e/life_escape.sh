# tests/e2e/life_escape.sh -- more ways out that were found over the years: system calls, other containers' processes,
# the terminal, races at mounting, archives.  Each is tried and fails.
. "$(dirname "$0")/../lib/e2e.sh"
run devbox pull -q busybox;	expect_status 0
run devbox pull -q debian;	expect_status 0

# System calls that Docker's filter keeps away: keyrings of the user (CVE-2014-9529 ...), tracing, handles of files
# (shocker), other processes' memory and descriptors, what the kernel's own holes were reached through.
cat >"$(home)/calls.pl" <<'END'
my %calls = (add_key => [248, "user", "x", "y", 1, -3], keyctl => [250, 0, -3, 0, 0, 0], request_key => [249, "user", "x", 0, 0],
	ptrace_seize => [101, 0x4206, 1, 0, 0], bpf => [321, 0, 0, 0], perf_event_open => [298, 0, 0, 0, 0, 0],
	userfaultfd => [323, 0], open_by_handle_at => [304, 0, 0, 0], io_uring_setup => [425, 1, 0], kexec_load => [246, 0, 0, 0, 0],
	init_module => [175, 0, 0, ""], unshare => [272, 0x10000000], setns => [308, 0, 0], pidfd_getfd => [438, 0, 0, 0],
	fsopen => [430, "tmpfs", 0], move_mount => [429, 0, "", 0, "", 0], mount_setattr => [442, -100, "/", 0, 0, 0],
	quotactl => [179, 0, 0, 0, 0], acct => [163, 0], swapon => [167, "x", 0], settimeofday => [164, 0, 0], syslog => [103, 3, 0, 0],
	pivot_root => [155, "/", "/"], kcmp => [312, 1, 1, 0, 0, 0], personality => [135, 0x0040000], iopl => [172, 3]);
for my $name (sort keys %calls) {
	my ($n, @args) = @{$calls{$name}};
	print "$name works\n" if syscall($n, @args) >= 0;
}
END
run devbox run --rm -v "$(home)/calls.pl:/calls.pl:ro" debian perl /calls.pl
expect_status 0;	expect_stdout '';	expect_stderr ''

# Other containers of the same user, with every capability there is: not seen, not signalled, not traced.
run devbox run -d --name victim busybox sleep 1000;	expect_status 0
run devbox inspect -f '{{.State.Pid}}' victim
pid=$stdout
cat >"$(home)/trace.pl" <<'END'
my $pid = shift;
for my $p (1 .. 40, $pid) {	# 0x4206: PTRACE_SEIZE; 310: process_vm_readv; 434: pidfd_open
	next if $p == 1 || $p == $$;
	print "ptrace $p\n" if syscall(101, 0x4206, $p + 0, 0, 0) >= 0;
	print "pidfd $p\n" if syscall(434, $p + 0, 0) >= 0;
	print "kill $p\n" if kill 0, $p;
}
END
run devbox run --rm --privileged -v "$(home)/trace.pl:/trace.pl:ro" debian perl /trace.pl "$pid"
expect_status 0;	expect_stdout ''
run devbox run --rm --privileged busybox kill -9 "$pid";	[ "$status" != 0 ] || fail 'it can be signalled'
run devbox exec victim true;	expect_status 0
run devbox rm -f victim

# Nothing of ours is open in it: its first process, under --init, by exec, in a health test, after a restart.
# shellcheck disable=SC2016
fds='for f in /proc/$$/fd/*; do readlink $f; done 2>/dev/null | grep -v -e ^pipe: -e ^/dev/null$ -e ^/out$'
run devbox run -d --name fds --init --restart on-failure:1 --health-interval 100ms --health-retries 1 \
	--health-cmd "$fds >>/out; true" busybox sh -c "$fds >>/out; [ -e /again ] || { touch /again; exit 1; }; echo up >>/out; sleep 1000"
eventually 10 e2e_as devbox exec fds grep -q up /out
healthy() { [ "$(e2e_as devbox inspect -f '{{.State.Health.Status}}' fds)" = healthy ]; }
eventually 10 healthy
run devbox exec fds sh -c "$fds; cat /out";	expect_stdout up
run devbox rm -f fds

# TIOCSTI: what a container types into its terminal is not typed into the one that it was started from.
cat >"$(home)/type.sh" <<'END'
devbox run -it --rm debian perl -e 'for my $c (split //, "touch typed\n") { ioctl(STDIN, 0x5412, $c); open(T, "+<", "/dev/tty") && ioctl(T, 0x5412, $c) }'
devbox exec -it typer sh -c 'printf "\033[c\033]0;x\007" >/dev/null'
read -r -t 1 line
echo "line <$line>"
END
run devbox run -d --name typer busybox sleep 1000;	expect_status 0
pty bash "$(home)/type.sh" <<'END'
expect line <>
eof
END
run devbox rm -f typer
expect_no_file "$(home)/typed"

# A shared volume in which somebody swaps a directory for a link while others mount below it (CVE-2019-19921,
# CVE-2021-30465): the mount lands inside the container or fails.
mkdir -p "$W/disk/tmp/outside" && chmod 777 "$W/disk/tmp/outside"
run devbox run -d --name flip -v shared:/s busybox sh -c 'cd /s; mkdir -p a; while :; do mv a b; ln -s /../../../../../../../../tmp/outside a; rm a; mv b a; ln -s /proc/1/root/tmp a2; mv -T a2 a3; rm -f a3; done'
for _ in 1 2 3 4 5 6 7 8 9 10; do
	run timeout 20 devbox run --rm -v shared:/s -v inner:/s/a/sub busybox sh -c 'echo x >/s/a/sub/f'
	run timeout 20 devbox run --rm -v shared:/s --tmpfs /s/a busybox true
	[ -z "$(ls -A "$W/disk/tmp/outside")" ] || fail 'the mount landed outside'
done
run devbox rm -f flip
run devbox volume rm shared inner;	expect_status 0

# /dev and /proc brought by volumes: masks and the console are not led elsewhere (CVE-2025-31133, CVE-2025-52565).
run devbox run --rm -v dev:/d busybox sh -c 'cd /d; for f in console null tty ptmx pts shm mqueue; do ln -s /proc/sys/kernel/core_pattern $f; done'
expect_status 0
for t in '' -t; do
	run timeout 20 devbox run --rm $t -v dev:/dev busybox sh -c 'echo x >/dev/console; echo x >/dev/null; echo x >/proc/sys/kernel/core_pattern'
	[[ $status != 0 && $status != 124 ]] || fail "with /dev of a volume ($t): $status"
done
[[ $(</proc/sys/kernel/core_pattern) != x ]] || fail 'core_pattern was written'
run devbox volume rm dev;	expect_status 0
run timeout 20 devbox run --rm -v proc:/proc busybox sh -c 'ls /proc/1/root/ | head -1; cat /proc/kcore'
[[ $stdout != *lost+found* && $status != 124 ]] || fail 'a volume at /proc shows the host'
run devbox volume rm proc

# Archives: names that climb, absolute ones, files behind links, hard links to the outside; into cp and import.
python3 - "$(home)/evil.tar" <<'END'
import io, sys, tarfile
t = tarfile.open(sys.argv[1], "w")
def put(name, kind=tarfile.REGTYPE, link="", text=b"evil"):
	i = tarfile.TarInfo(name)
	i.type, i.linkname, i.size, i.mode = kind, link, len(text) if kind == tarfile.REGTYPE else 0, 0o6777
	t.addfile(i, io.BytesIO(text) if kind == tarfile.REGTYPE else None)
put("up", tarfile.SYMTYPE, "../../../../../../../../../../tmp")
put("up/escaped")
put("abs", tarfile.SYMTYPE, "/tmp")
put("abs/escaped")
put("hard", tarfile.LNKTYPE, "../../../../../../../../etc/passwd")
t.close()
END
python3 - "$(home)/climb.tar" <<'END'
import io, sys, tarfile
t = tarfile.open(sys.argv[1], "w")
for name in "../../../../../../../../tmp/escaped", "/../../tmp/escaped", "a/../../../../../../../tmp/escaped":
	i = tarfile.TarInfo(name)
	i.size = 4
	t.addfile(i, io.BytesIO(b"evil"))
t.close()
END
run devbox create --name box busybox sleep 1000
for state in created running; do
	[ $state = created ] || run devbox start box
	for tar in evil climb; do
		run timeout 20 sh -c "devbox cp - box:/tmp <~/$tar.tar"
		[ "$status" != 124 ] || fail "cp of $tar.tar hangs"
		run timeout 20 sh -c "devbox import ~/$tar.tar $tar"
		[ "$status" != 124 ] || fail "import of $tar.tar hangs"
		[ ! -e /tmp/escaped ] && [ ! -e "$W/disk/tmp/escaped" ] || fail "$tar.tar escaped ($state)"
	done
done
# out of a container: a link that leads out is copied as a link, what it says is never followed here
run devbox exec box sh -c 'mkdir /o && ln -s /etc/passwd /o/p && mkfifo /o/fifo && ln -s / /o/root'
run timeout 20 devbox cp box:/o "$(home)/o";	expect_status 0
[ -L "$(home)/o/p" ] && [ -L "$(home)/o/root" ] || fail 'a link was followed'
run timeout 20 devbox cp -L box:/o/p "$(home)/p"
run sh -c 'cat ~/p';	expect_stdout 'root:x:0:0:*';	[[ $stdout != *dbx1* ]] || fail "the host's passwd"
run devbox rm -f box;	expect_status 0
expect_no_leftovers
