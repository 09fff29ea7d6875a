# tests/e2e/fork_volumes.sh -- forks and snapshots of volumes: the same content at once, changes apart, nothing copied
# timeout: 120
. "$(dirname "$0")/../lib/e2e.sh"

in_box() { run devbox run --rm -v "$1:/d" busybox sh -c "$2"; }	# VOLUME COMMANDS
blocks() { du -s --block-size=1K "$(store)/volumes/$1/data" | cut -f1; }
mount_type() { in_box "$1" "awk '\$2 == \"/d\" { print \$3 }' /proc/mounts"; }

in_box app 'dd if=/dev/urandom of=/d/big bs=1M count=16 2>/dev/null; mkdir -p /d/sub/deep; echo one >/d/sub/deep/f
	ln /d/sub/deep/f /d/sub/g; ln -s deep/f /d/sub/l; chmod 640 /d/sub/g; chown 12:34 /d/sub/deep; md5sum </d/big'
expect_status 0
sum=$stdout

note 'a fork has the same, with all that belongs to a file'
run devbox volume fork app fork;	expect_status 0;	expect_stdout fork;	expect_stderr 'fork: cow, * ms'
look='md5sum </d/big; cat /d/sub/l; stat -c "%n %a %u:%g %h" /d/sub/deep /d/sub/deep/f /d/sub/g'
in_box fork "$look";		expect_status 0
expect_stdout "$sum
one
/d/sub/deep 755 12:34 2
/d/sub/deep/f 640 0:0 2
/d/sub/g 640 0:0 2"
in_box app "$look";		expect_stdout "$sum
one*"
note 'reading copied nothing; a byte costs a block'
before=$(blocks fork)
in_box fork 'cat /d/big >/dev/null';	expect_equal "$(blocks fork)" "$before"
in_box fork 'printf x | dd of=/d/big bs=1 seek=5000000 conv=notrunc 2>/dev/null'
[ $(($(blocks fork) - before)) -le 16 ] || fail "a byte took $(($(blocks fork) - before)) KiB"
in_box app 'md5sum </d/big';	expect_stdout "$sum"
in_box fork 'md5sum </d/big';	[ "$stdout" != "$sum" ] || fail 'the fork did not change'

note 'names are apart, too: removed, renamed, made'
in_box fork 'rm -r /d/sub/deep; mv /d/sub /d/other; mkdir /d/sub; echo two >/d/sub/f; cat /d/other/g; ls /d /d/sub'
expect_stdout $'one\n/d:\nbig\nother\nsub\n\n/d/sub:\nf'
in_box app 'ls /d /d/sub';	expect_stdout $'/d:\nbig\nsub\n\n/d/sub:\ndeep\ng\nl'

note 'forks of forks, snapshots, the way back'
run devbox volume fork fork fork2;	expect_status 0
run devbox snapshot create app@before;	expect_status 0;	expect_stdout 'app@before'
run devbox snapshot create app@before;	expect_status 1;	expect_stderr 'devbox: snapshot app@before exists already'
in_box app 'rm -r /d/big /d/sub; echo gone >/d/x'
run devbox snapshot ls --format '{{.Name}}';	expect_stdout 'app@before'
run devbox volume fork app@before old;	expect_status 0
in_box old 'md5sum </d/big; cat /d/sub/l';	expect_stdout "$sum
one"
run devbox snapshot restore app@before;	expect_status 0
in_box app 'md5sum </d/big; ls /d';	expect_stdout "$sum
big
sub"
run devbox snapshot diff-size app app@before;	expect_status 0;	expect_stdout $'app\t*\napp@before\t0B'
run devbox volume fork nothing other;	expect_status 1;	expect_stderr 'devbox: volume nothing does not exist*'
run devbox volume fork app fork;	expect_status 1;	expect_stderr 'devbox: volume fork exists already'

note 'two places in one container'
run devbox run --rm -v fork:/d -v fork:/e busybox sh -c 'echo here >/d/both; cat /e/both; rm /e/both; ls /d'
expect_stdout $'here\nbig\nother\nsub'

note 'a plain copy of a thin one, for several at once'
run devbox volume fork --copy fork flat;	expect_status 0;	expect_stderr 'flat: copy, * ms'
mount_type flat;			expect_stdout 'ext4'
in_box flat 'ls -R /d; cat /d/other/g; wc -c </d/big';	flat=$stdout
in_box fork 'ls -R /d; cat /d/other/g; wc -c </d/big';	expect_stdout "$flat"
run devbox volume rm flat;		expect_status 0

note 'what was removed comes back'
run devbox volume rm fork fork2;	expect_status 0
run devbox volume ls -q;		expect_stdout $'app\nold'
run devbox undo ls --format '{{.Name}} {{.Reason}}';	expect_stdout_has $'fork2 volume rm'
run devbox undo;			expect_status 0
run devbox volume ls -q;		expect_stdout $'app\nfork\nfork2\nold'
in_box fork2 'cat /d/other/g';		expect_stdout 'one'
run devbox undo nothing;		expect_status 1;	expect_stderr 'devbox: nothing is not in the trash*'

note 'nothing is left below the last one: it is a plain directory again'
mount_type fork;			expect_stdout 'fuse.devbox'
run devbox snapshot rm app@before;	expect_status 0
run devbox volume rm app fork2 old;	expect_status 0
run devbox undo empty;			expect_status 0
mount_type fork;			expect_stdout 'ext4'
in_box fork 'cat /d/other/g; cat /d/sub/f; wc -c </d/big';	expect_stdout $'one\ntwo\n16777216'
run sh -c 'ls ~/.local/share/devbox/sealed';	expect_stdout ''
run devbox volume rm fork;		expect_status 0
expect_no_leftovers
