# tests/e2e/run_volumes.sh -- data: named, anonymous, from the host, in memory
. "$(dirname "$0")/../lib/e2e.sh"

run devbox pull -q busybox; expect_status 0

# a named volume comes back
run devbox run --rm -v data:/d busybox sh -c 'echo one >/d/f; chown 33:44 /d/f';	expect_status 0
run devbox run --rm -v data:/d busybox sh -c 'cat /d/f; stat -c %u:%g /d/f';	expect_stdout 'one
33:44'
# read-only means it
run devbox run --rm -v data:/d:ro busybox touch /d/x;	expect_status 1;	expect_stderr '*Read-only file system*'

# first use takes over what the image has there, with owners and modes; later uses do not
run devbox run --rm -v etc:/etc busybox sh -c 'test -f /etc/passwd && echo there && rm /etc/passwd';	expect_stdout 'there'
run devbox run --rm -v etc:/etc busybox test -f /etc/passwd;	expect_status 1
run devbox run --rm -v tmp:/tmp busybox stat -c %a /tmp;	expect_stdout '1777'
# a container that comes back leaves an empty one as others made it meanwhile
run devbox run --name back -v left:/tmp busybox true;	expect_status 0
run devbox run --rm -v left:/o busybox chown 7:7 /o;	expect_status 0
run devbox start -a back;	expect_status 0
run devbox run --rm -v left:/o busybox stat -c %u:%a /o;	expect_stdout '7:1777'
run devbox rm back;	expect_status 0
run devbox volume rm left;	expect_status 0

# one volume at two places is one volume
run devbox run --rm -v data:/a -v data:/b busybox sh -c 'echo two >/a/g; cat /b/g';	expect_stdout 'two'

# anonymous volumes go with --rm and with rm -v
run devbox run --rm -v /anon busybox sh -c 'echo x >/anon/x; df /anon | tail -1 | grep -c /anon';	expect_stdout '1'
run sh -c 'ls "$HOME/.local/share/devbox/volumes" | grep -cv -e "^data$" -e "^etc$" -e "^tmp$"';	expect_stdout '0'
run devbox run --name vol -v /anon busybox true;	expect_status 0
run devbox rm -v vol;		expect_status 0
run sh -c 'ls "$HOME/.local/share/devbox/volumes" | wc -l';	expect_stdout '3'

# a directory of the host: the container's root is the user; a missing one is made
run sh -c 'cd && mkdir -p src && echo host >src/f && devbox run --rm -v ./src:/src -v "$HOME/made:/made" busybox sh -c "cat /src/f; echo c >/src/g; echo m >/made/m" && stat -c %U src/g made/m'
expect_stdout "host
dbx1
dbx1"
# a file, read-only
run sh -c 'devbox run --rm -v "$HOME/src/f:/etc/motd:ro" busybox cat /etc/motd';	expect_stdout 'host'
# where the user may not write: an error that says what to do
run devbox run --rm -v /var/lib/nosuch:/x busybox true
expect_status 125
expect_stderr '*/var/lib/nosuch*Permission denied*named volume*'
run devbox run --rm -v 'bad name:/x' busybox true;	expect_status 125;	expect_stderr '*invalid characters for a local volume name*'
run devbox run --rm -v data:relative busybox true;	expect_status 125;	expect_stderr '*relative*'

# memory
run devbox run --rm --tmpfs /m:size=1m busybox sh -c 'df /m | tail -1 | cut -d" " -f1; dd if=/dev/zero of=/m/x bs=1M count=2'
expect_status 1
expect_stdout 'tmpfs'
expect_stderr '*No space left on device*'
# a read-only root with room to write
run devbox run --rm --read-only --tmpfs /run busybox sh -c 'touch /run/ok && touch /no';	expect_status 1;	expect_stderr '*/no: Read-only file system*'
expect_no_leftovers
