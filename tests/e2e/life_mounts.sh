# tests/e2e/life_mounts.sh -- --mount, --volumes-from, :U, paths inside volumes
. "$(dirname "$0")/../lib/e2e.sh"

run devbox pull -q busybox; expect_status 0
refused() { local want=$1; shift; run devbox run --rm "$@" busybox true; expect_status 125; expect_stderr_has "$want"; }

# each type
run sh -c 'mkdir -p "$HOME/a,b" && echo host >"$HOME/a,b/f"'
run sh -c 'devbox run --rm --mount "type=bind,\"source=$HOME/a,b\",target=/h,readonly" busybox sh -c "cat /h/f; touch /h/x"'
expect_status 1;	expect_stdout 'host';	expect_stderr '*Read-only file system*'
run devbox run --rm --mount src=data,dst=/d busybox sh -c 'mkdir -p /d/sub/deep; echo s >/d/sub/f; chown -R 7:8 /d/sub';	expect_status 0
run devbox run --rm --mount type=volume,source=data,destination=/s,volume-subpath=sub/ busybox sh -c 'cat /s/f; stat -c %u:%g /s';	expect_stdout 's
7:8'
run devbox run --rm --mount type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=0700 busybox sh -c 'stat -c %a /t; df -k /t | awk "END{print \$2}"'
expect_stdout '700
1024'
run devbox run --rm --mount src=etc,dst=/etc,volume-nocopy busybox test -e /etc/passwd;	expect_status 1
# a path inside a volume cannot lead out of it
run devbox run --rm -v data:/d busybox ln -s /../../../../../../etc /d/out;	expect_status 0
refused 'path out of the volume' --mount src=data,dst=/s,volume-subpath=out
refused 'path nosuch of the volume' --mount src=data,dst=/s,volume-subpath=nosuch

# refused with Docker's words
refused 'bind source path does not exist: /no/such' --mount type=bind,src=/no/such,dst=/x
refused "unexpected key 'foo' in 'foo=1'" --mount foo=1
refused 'cannot mix '\''tmpfs-*'\'' options with mount type '\''volume'\' --mount src=va,dst=/x,tmpfs-size=1
refused 'bind-propagation=rshared is not supported' --mount type=bind,src=/tmp,dst=/x,bind-propagation=rshared
refused 'Duplicate mount point: /x' --mount src=va,dst=/x -v vb:/x

# :U gives it to the container's user
run devbox run --rm -u 12:34 -v data:/d:U busybox sh -c 'stat -c %u:%g /d /d/sub/f; touch /d/mine';	expect_status 0
expect_stdout '12:34
12:34'
run sh -c 'mkdir -p own && cp /etc/hostname own/ && devbox run --rm -v ./own:/o:U -u 5 busybox touch /o/y && devbox run --rm -v ./own:/o:U busybox true; stat -c %U own/y'
expect_stdout 'dbx1'

# --volumes-from, also of a container that was never started or has ended
run devbox create --name from -v data:/d -v /anon --tmpfs /t busybox true;	expect_status 0
run devbox run --name one --volumes-from from busybox sh -c 'echo x >/anon/x; cat /d/sub/f; test -e /t || echo "no /t"';	expect_stdout 's
no /t'
run devbox run --rm --volumes-from from:ro busybox sh -c 'cat /anon/x; touch /d/x';	expect_status 1;	expect_stdout 'x';	expect_stderr '*Read-only*'
run devbox run --rm --volumes-from one -v other:/d busybox ls /d;	expect_stdout ''
run devbox inspect -f '{{json .HostConfig.VolumesFrom}} {{len .Mounts}}' one;	expect_stdout '\["from"\] 2'
# an anonymous volume lives as long as anybody has it
run devbox rm -v from;	expect_status 0
run devbox run --rm --volumes-from one busybox cat /anon/x;	expect_stdout 'x'
run devbox rm -v one;	expect_status 0
run sh -c 'ls "$HOME/.local/share/devbox/volumes" | wc -l';	expect_stdout '3'
refused 'No such container: nosuch' --volumes-from nosuch
refused 'invalid mode: rx' --volumes-from a:rx
run devbox run --name insp --mount type=bind,src=/tmp,dst=/x,ro busybox true
run devbox inspect -f '{{json .HostConfig.Mounts}} {{json .HostConfig.Binds}}' insp
expect_stdout '\[{"Type":"bind","Source":"/tmp","Target":"/x","ReadOnly":true}\] \[\]'
expect_no_leftovers
