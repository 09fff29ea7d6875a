# tests/e2e/life_commit.sh -- what a container changed, and images made of it
. "$(dirname "$0")/../lib/e2e.sh"

run devbox pull -q busybox; expect_status 0
run devbox run --name none busybox true
run devbox diff none;	expect_status 0;	expect_stdout ''
run devbox run --name cc -v data:/data -e KEEP=1 busybox sh -c 'mkdir -p /new/sub; echo one >/new/sub/f; ln /new/sub/f /new/hard; chown 33:44 /new/sub/f; rm /etc/group; echo x >>/etc/passwd; rm -r /var; mkdir /var; echo v >/data/v; ln -s f /new/link'
expect_status 0
run devbox diff cc
expect_status 0
expect_stdout_has 'A /new
A /new/hard
A /new/link
A /new/sub
A /new/sub/f'
expect_stdout_has 'D /etc/group'
expect_stdout_has 'C /etc/passwd'
[[ $stdout != *resolv.conf* && $stdout != */proc* ]] || fail 'it shows what starting makes'
run devbox diff nosuch;	expect_status 1;	expect_stderr 'devbox: No such container: nosuch'

# commit: the image holds the changes and the container's settings
run devbox commit -a me -m 'a message' -c 'CMD ["cat", "/new/sub/f"]' -c 'ENV A="b c" D=e' -c 'LABEL l=1' -c 'EXPOSE 80 53/udp' -c 'WORKDIR /new' -c 'USER 33' -c 'VOLUME /vol' cc made:1
expect_status 0;	expect_stdout 'sha256:*'
id=$stdout
run devbox run --rm made:1;	expect_status 0;	expect_stdout one
run devbox run --rm -u 0 made:1 sh -c 'echo $KEEP $A $D; pwd; id -u; stat -c %u:%g:%h sub/f; test -e /etc/group || echo gone; ls /var /data; readlink link'
expect_stdout '1 b c e
/new
0
33:44:2
gone
/data:

/var:
f'
run devbox image inspect -f '{{.Id}} {{.Author}} {{.Comment}} {{json .Config.Cmd}} {{.Config.User}} {{len .RootFS.Layers}}' made:1
expect_stdout "$id me a message ?\"cat\",\"/new/sub/f\"? 33 2"
run sh -c 'cd ~/.local/share/devbox && for f in blobs/sha256/*; do echo "${f##*/}  $f"; done | sha256sum -c --quiet';	expect_status 0
# without a name; and on a running one, which goes on
run devbox run -d --name run busybox sh -c 'echo r >/r; sleep 1000';	expect_status 0
eventually 5 e2e_as devbox exec run test -s /r
run devbox commit run;	expect_status 0
id=$stdout
run devbox run --rm "$id" cat /r;	expect_stdout r
run devbox exec run echo alive;	expect_stdout alive
run devbox diff run;	expect_stdout 'A /r'
# it also goes on when what holds it still is killed meanwhile
run devbox exec run dd if=/dev/zero of=/large bs=1M count=200;	expect_status 0
paused() { [ "$(e2e_as devbox inspect -f '{{.State.Paused}}' run)" = "$1" ]; }
exec 7< <(exec "$lib/world" _as dbx1 devbox events --since "$(date +%s.%N)" --filter container=run --filter event=pause)
events_pid=$!
start holder devbox commit run
read -r -t 60 line <&7;	kill -KILL "$holder_pid"
expect_match "$line" '*container pause*'
kill "$events_pid";	exec 7<&-
eventually 5 paused false
run devbox exec run rm /large;	expect_status 0
run devbox commit -c 'FROM x' run;	expect_status 1;	expect_stderr 'devbox: FROM: FROM is not a valid change command*'
run devbox commit run Bad;	expect_status 1;	expect_stderr '*invalid reference format*'

# export and import
run sh -c 'devbox export cc | tar tv --numeric-owner | grep -e new/sub/f -e data/'
expect_stdout '*33/44*new/*'
[[ $stdout != *data/v* ]] || fail 'the volume was exported'
run sh -c 'cd && devbox export -o e.tar run && gzip -k e.tar && devbox import -c "CMD cat /r" -m hello e.tar.gz imp:2 && devbox run --rm imp:2';	expect_stdout 'sha256:*
r'
run sh -c 'cd && devbox import - <e.tar';	expect_status 0
run devbox image inspect -f '{{.Comment}} {{len .RootFS.Layers}}' imp:2;	expect_stdout 'hello 1'
run devbox import http://example.org/x.tar;	expect_status 1;	expect_stderr '*not supported (hint: curl*'
run sh -c 'echo nothing like it | devbox import - bad';	expect_status 1
run sh -c 'devbox images -q bad | wc -l';	expect_stdout 0
run devbox rm -f cc run none
run devbox rmi made:1 imp:2;	expect_status 0
run devbox prune -af;	expect_status 0
run devbox run --rm busybox true;	expect_status 0
expect_no_leftovers
