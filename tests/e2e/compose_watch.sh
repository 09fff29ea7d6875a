# tests/e2e/compose_watch.sh -- watch brings changed files into the containers, builds again, restarts
. "$(dirname "$0")/../lib/e2e.sh"

run devbox pull -q busybox; expect_status 0
e2e_as sh -c 'mkdir -p app/src/deep app/conf app/first/in; echo 1 >app/first/in/f; echo 2 >app/first/no; echo one >app/src/deep/file; echo a >app/conf/c; printf "FROM busybox\nCOPY src /srv\nCMD [\"sleep\",\"1000\"]\n" >app/Dockerfile'
e2e_as tee compose.yaml >/dev/null <<'END'
name: w
services:
  web:
    build: ./app
    init: true
    develop:
      watch:
        - {path: ./app/src, action: sync, target: /srv, ignore: [cache/]}
        - {path: ./app/conf, action: sync+restart, target: /conf}
        - {path: ./app/Dockerfile, action: rebuild}
        - {path: ./app/first, action: sync, target: /first, ignore: [no], initial_sync: true}
END
start w devbox compose watch
begun() { grep -q 'watching; Ctrl-C ends it' "$w_err"; }
eventually 20 begun
inside() { [ "$(e2e_as devbox compose exec -T web sh -c "$1" 2>/dev/null)" = "$2" ]; }
inside 'cat /srv/deep/file' one || fail 'the image was not built'
eventually 5 inside 'cd /first; find . -type f; cat in/f' './in/f
1'	# what was there before, without what is ignored
e2e_as sh -c 'echo two >app/src/deep/file; mkdir -p app/src/cache app/src/new; echo x >app/src/cache/no'
eventually 5 inside 'cat /srv/deep/file' two
e2e_as sh -c 'echo three >app/src/new/file; rm app/src/deep/file'
eventually 5 inside 'cat /srv/new/file; ls /srv/deep' three
inside 'ls /srv/cache 2>/dev/null' '' || fail 'what is ignored was brought over'
started() { e2e_as devbox inspect -f '{{.State.StartedAt}}' w-web-1; }
before=$(started)
e2e_as sh -c 'echo b >app/conf/c'
restarted() { [ "$(started)" != "$before" ]; }
eventually 10 restarted
eventually 5 inside 'cat /conf/c' b
id=$(e2e_as devbox compose ps -q web)
e2e_as sh -c 'printf "FROM busybox\nCOPY src /srv\nENV NEW=yes\nCMD [\"sleep\",\"1001\"]\n" >app/Dockerfile'
rebuilt() { [ "$(e2e_as devbox compose ps -q web)" != "$id" ]; }
eventually 20 rebuilt
eventually 5 inside 'echo $NEW' yes
none_dangles() { [ -z "$(e2e_as devbox images -q --filter dangling=true)" ]; }
eventually 5 none_dangles	# the image before is gone
kill "$w_pid"; finish w
e2e_as sed -i '/develop:/,$d' compose.yaml
run devbox compose watch;	expect_status 1; expect_stderr '*none of the selected services is configured for watch*'
run devbox compose down -v --rmi local;	expect_status 0
expect_no_leftovers
