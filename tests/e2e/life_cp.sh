# tests/e2e/life_cp.sh -- files go into containers and out of them, running or not
. "$(dirname "$0")/../lib/e2e.sh"

run devbox pull -q busybox; expect_status 0
run devbox run -d --name cc -v data:/data busybox sh -c 'mkdir -p /t/sub; echo one >/t/a; ln /t/a /t/hard; ln -s a /t/link; echo two >/t/sub/b; chmod 640 /t/a; chown 33:44 /t/a; echo v >/data/v; ln -s /etc/passwd /t/abs; touch /t/done; sleep 1000'
expect_status 0
eventually 5 e2e_as devbox exec cc test -f /t/done

both() {	# the rules, in the container's state of the moment
	rm -rf "$(home)/x"; run mkdir "$(home)/x"
	cpc() { run sh -c "cd && cd x && devbox cp $*"; }
	# a file: to a new name, into a directory, over a file
	cpc cc:/t/a new;		expect_status 0;	expect_stdout ''; expect_stderr ''
	expect_file x/new one
	expect_equal "$(stat -c %U:%a "$(home)/x/new")" dbx1:640
	cpc cc:/t/a .;		expect_file x/a one
	cpc cc:/t/sub/b a;	expect_file x/a two
	cpc cc:/t/a nosuch/a;	expect_status 1;	expect_stderr '*directory * does not exist'
	cpc cc:/t/a nosuch/;	expect_status 1;	expect_stderr '*the destination directory must exist*'
	cpc cc:/t/nosuch .;	expect_status 1;	expect_stderr 'devbox: Could not find the file /t/nosuch in container cc'
	# a directory: made, put into one that is there, or its content alone
	cpc cc:/t d;		expect_file x/d/sub/b two
	expect_equal "$(readlink "$(home)/x/d/link")" a
	expect_equal "$(stat -c %h "$(home)/x/d/a")" 2
	cpc cc:t d;		expect_file x/d/t/sub/b two
	cpc cc:/t/. e;		cpc cc:/t/. e;	expect_file x/e/sub/b two;	expect_no_file x/e/t
	cpc cc:/t a;		expect_status 1;	expect_stderr '*cannot copy directory'
	# links: as links, or what they mean; never out of the container
	cpc cc:/t/link l;	expect_equal "$(readlink "$(home)/x/l")" a
	cpc -L cc:/t/link L;	expect_file x/L one
	cpc -L cc:/t/abs P;	expect_equal "$(grep -c dbx1 "$(home)/x/P")" 0
	# volumes too
	cpc cc:/data/v v;	expect_file x/v v
	# in: root's, with modes; the rules are the same
	cpc d cc:/in;		expect_status 0
	cpc d cc:/in;		expect_status 0
	cpc ./d/. cc:/in;	expect_status 0
	cpc new cc:/nosuch/;	expect_status 1;	expect_stderr '*the destination directory must exist*'
	cpc new cc:/data/new;	expect_status 0
	cpc nosuch cc:/;		expect_status 1;	expect_stderr '*lstat nosuch: No such file or directory'
	cpc cc:/in/d/sub/b back;	expect_file x/back two
	run sh -c 'devbox cp cc:/in - | tar tvn --numeric-owner | sort -k 6'
	expect_stdout_has 'drwxr-xr-x 0/0 * in/'
	expect_stdout_has '-rw-r----- 0/0 * in/hard'
	expect_stdout_has 'in/d/sub/b'
	# tar streams; owners are those of the stream
	run sh -c 'cd && cd x && tar --owner=33 --group=44 -cz new | devbox cp - cc:/in && devbox cp cc:/in/new - | tar tv --numeric-owner'
	expect_stdout '-rw-r----- 33/44 * new'
	run sh -c 'echo no tar at all, but something else | devbox cp - cc:/in';	expect_status 1
	run sh -c 'devbox cp - cc:/t/a </dev/null';	expect_status 1;	expect_stderr '*destination "/t/a" must be a directory'
	# -a keeps owners, as they are outside
	cpc -a cc:/t/a kept;	expect_equal "$(stat -c %u "$(home)/x/kept")" "$1"
	cpc -a kept cc:/kept;	run sh -c 'devbox cp cc:/kept - | tar tv --numeric-owner';	expect_stdout '* 33/44 * kept'
	# what a stream says leads nowhere else
	run sh -c 'cd && mkdir -p y && ln -sfn /etc y/out && tar -C y -cf evil.tar out && mkdir -p z/out && echo evil >z/out/evil && tar -C z -rf evil.tar out/evil && devbox cp - cc:/in <evil.tar'
	[ ! -e /etc/evil ] || fail 'it came out'
}
outer=$(($(sed -n 's/^dbx1:\([0-9]*\):.*/\1/p' /etc/subuid | head -1) + 32))
both "$outer"
run devbox exec cc cat /in/d/sub/b;	expect_stdout two
run devbox cp "$(home)/x/new" cc:/etc/hosts;	expect_status 0
run devbox exec cc cat /etc/hosts;	expect_stdout one
# while somebody swaps a directory for a link to another, nothing comes from or goes to elsewhere
run devbox exec -d cc sh -c 'mkdir /r /s; while :; do rm -rf /r/p; ln -s ../../../../../../../../s /r/p; rm /r/p; mkdir -p /r/p; done'
for _ in 1 2 3 4 5; do run devbox cp "$(home)/x/new" cc:/r/p/escaped; done
expect_no_file /s/escaped
run devbox stop -t 0 cc
both "$outer"
# only the container's own state counts: it starts with what was copied
run devbox start cc;	expect_status 0
run devbox exec cc cat /in/d/sub/b;	expect_stdout two
# one that never ran, to be removed when it ends
run devbox create --name nn --rm busybox cat /f;	expect_status 0
run sh -c 'cd && devbox cp x/new nn:/f && devbox start -a nn';	expect_stdout one
run devbox create --name ro --read-only busybox true
run sh -c 'cd && devbox cp x/new ro:/f';	expect_status 1;	expect_stderr '*Read-only file system*'
run devbox cp a b;	expect_status 1;	expect_stderr 'devbox: must specify at least one container source'
run devbox cp cc:/a ro:/b;	expect_status 1;	expect_stderr 'devbox: copying between containers is not supported'
run devbox rm -f cc ro
expect_no_leftovers
