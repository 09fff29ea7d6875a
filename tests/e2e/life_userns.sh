# tests/e2e/life_userns.sh -- --userns keep-id: the caller's ids are the same inside, the image's files have their owners
. "$(dirname "$0")/../lib/e2e.sh"

uid=59001	# dbx1's
run devbox pull -q busybox; expect_status 0
keep() { run devbox run --rm --userns keep-id "$@"; }
stat_='stat -c "%u:%g %n"'

# the caller's ids and name, root's files, the project's files
run sh -c 'mkdir proj && echo hi >proj/f'
keep -v "$(home)/proj:/proj" busybox sh -c "id -u; id -g; whoami; $stat_ / /bin/sh /etc/passwd /proj /proj/f; touch /proj/new"
expect_status 0
expect_stdout "$uid
$uid
dbx1
0:0 /
0:0 /bin/sh
0:0 /etc/passwd
$uid:$uid /proj
$uid:$uid /proj/f"
expect_stderr_has 'files were copied for --userns keep-id, once: 2 MB'
expect_equal "$(stat -c %u:%g "$(home)/proj/new")" "$uid:$uid"
keep busybox touch /x;			expect_status 1;	expect_stderr_has 'Permission denied'
[[ $stderr != *copied* ]] || fail 'the copy was made twice'
keep -u 0 -v "$(home)/proj:/proj" busybox sh -c "touch /x /proj/root && $stat_ /x /proj/root"
expect_stdout '0:0 /x
0:0 /proj/root'
[ "$(stat -c %u "$(home)/proj/root")" -gt 65536 ] || fail "root inside is the caller outside"
run devbox run --rm --userns keep-id:uid=200,gid=210 -v "$(home)/proj:/proj" busybox sh -c "id -u; id -g; $stat_ /proj/f /bin/sh"
expect_stdout '200
210
200:210 /proj/f
0:0 /bin/sh'
# a copy that was cut short (it has no mark) is made again
rm "$(store)"/layers/*.keep-200-210.ok
run devbox run --rm --userns keep-id:uid=200,gid=210 busybox id -u
expect_stdout 200;	expect_stderr_has 'copied for --userns keep-id, once: 2 MB'
keep -it --read-only busybox id -u;	expect_stderr_has 'not a TTY'
keep -t --read-only busybox sh -c 'tty && id -un';	expect_stdout '/dev/pts/0*
dbx1*'

# the life of one: ports, readiness of exec, cp, commit, restart; with --init the first process is ours
run devbox run -d --name kept --userns keep-id --init -p 8080 busybox httpd -f -p 8080 -h /etc;	expect_status 0
run devbox port kept 8080/tcp;		port=${stdout%%$'\n'*}
eventually 20 e2e_as bash -c "exec 3<>/dev/tcp/${port/:/\/} && printf 'GET /group HTTP/1.0\r\n\r\n' >&3 && grep -q dbx1 <&3"
run devbox inspect -f '{{.HostConfig.UsernsMode}} {{.Config.User}}' kept;	expect_stdout "keep-id $uid:$uid"
run devbox exec kept sh -c 'id -u; touch /tmp/mine';	expect_stdout "$uid"
run devbox exec -u 0 kept sh -c 'echo x >/root/a && chown 5:6 /root/a';	expect_status 0
run devbox cp proj/f kept:/home/;	expect_status 0
run devbox cp -a proj/f kept:/tmp/;	expect_status 0
run devbox exec -u 0 kept sh -c "$stat_ /home/f /tmp/f /tmp/mine /root/a"
expect_stdout "0:0 /home/f
$uid:$uid /tmp/f
$uid:$uid /tmp/mine
5:6 /root/a"
run devbox cp kept:/root/a out;		expect_status 0
expect_equal "$(stat -c %u "$(home)/out")" "$uid"
run devbox diff kept;			expect_stdout_has 'A /root/a'
run devbox stop kept;			expect_status 0
run sh -c 'devbox export kept | tar -t -v --numeric-owner -f -'
expect_stdout_has '5/6 * root/a'
expect_stdout_has "$uid/$uid * tmp/mine"
expect_stdout_has '0/0 * bin/sh'
run sh -c 'devbox cp -a kept:/tmp/mine - | tar -t -v --numeric-owner -f -';	expect_stdout_has "$uid/$uid"
run devbox commit kept mine;		expect_status 0
run devbox run --rm -u 0 mine sh -c "$stat_ /root/a /tmp/mine /home/f /bin/sh"
expect_stdout "5:6 /root/a
$uid:$uid /tmp/mine
0:0 /home/f
0:0 /bin/sh"
keep mine sh -c "$stat_ /tmp/mine; whoami; grep -c dbx1 /etc/passwd";	expect_stdout "$uid:$uid /tmp/mine
dbx1
1"
run devbox start kept;			expect_status 0
run devbox exec -u 0 kept sh -c "$stat_ / /root/a; grep -c dbx1 /etc/passwd";	expect_stdout '0:0 /
5:6 /root/a
1'

# its network's user namespace is shared, too
run devbox run --rm --network container:kept busybox sh -c "id -u; $stat_ /bin/sh";	expect_stdout "$uid
0:0 /bin/sh"
run devbox run --rm --network container:kept --userns keep-id:uid=5 busybox true
expect_status 125;	expect_stderr_has 'conflicting options: --userns keep-id:uid=5'
run devbox rm -f kept;			expect_status 0

# volumes: filled with the image's owners, the rest is the caller's
keep -v filled:/etc -v empty:/v busybox sh -c "$stat_ /etc/group /v; touch /v/a";	expect_stdout "0:0 /etc/group
$uid:$uid /v"
keep -v empty:/v busybox sh -c "$stat_ /v/a";	expect_stdout "$uid:$uid /v/a"
keep -u 0 -v other:/v:U busybox sh -c "$stat_ /v";	expect_stdout '0:0 /v'
run devbox volume rm filled empty other;	expect_status 0

# compose says it with userns_mode
run sh -c 'mkdir c && printf "services:\n  a:\n    image: busybox\n    userns_mode: keep-id\n    command: id -u\n" >c/compose.yaml'
run devbox compose -f c/compose.yaml up;	expect_status 0;	expect_stdout_has "$uid"
run devbox compose -f c/compose.yaml down;	expect_status 0
run sh -c 'sed -i s/keep-id/auto/ c/compose.yaml'
run devbox compose -f c/compose.yaml up;	expect_status 1;	expect_stderr_has 'compose.yaml:4:*services.a.userns_mode: auto: it is not supported'

# the copies count, and go with their layers
expect_equal "$(find "$(store)/layers" -maxdepth 1 -name '*.keep-*' -type d | wc -l)" 3
run devbox system df --format '{{.Type}} {{.Size}}';	expect_stdout_has 'Images 5.9'
run devbox rmi mine busybox;		expect_status 0
expect_equal "$(find "$(store)/layers" -mindepth 1 -maxdepth 1 | wc -l)" 0

# who cannot have it is told why
run devbox run --rm --userns keep-id:size=3 busybox true;	expect_status 125;	expect_stderr_has 'keep-id takes uid=UID and gid=GID'
run devbox run --rm --userns auto busybox true;	expect_status 125;	expect_stderr_has 'gid=GID] and host are'
run devbox run --rm --userns host busybox id -u;	expect_stdout 0;	expect_stderr_has 'has a user namespace all the same'
as dbx0 run devbox run --rm --userns keep-id busybox true
expect_status 125;	expect_stderr_has 'has to be a subordinate id, and dbx0 has no subordinate ids'
as root run devbox run --rm --userns keep-id busybox true
expect_status 125;	expect_stderr_has "root's own id is never part of a container"
expect_no_leftovers
