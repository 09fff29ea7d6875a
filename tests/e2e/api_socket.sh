# tests/e2e/api_socket.sh -- Docker's socket in containers that mount it, served by their monitors; devbox with
. "$(dirname "$0")/../lib/e2e.sh"

ping() { run devbox exec "$1" curl -s --unix-socket "${2:-/var/run/docker.sock}" http://x/_ping; }
# Processes that serve connections.
# shellcheck disable=SC2317	# eventually runs it
served() { [ "$(e2e_as pgrep -c -f '^devbox system service --connection')" = "$1" ]; }

run devbox pull -q dockercli;	expect_status 0
run devbox run -d --name cli --network none -v /var/run/docker.sock:/var/run/docker.sock -v /run/docker.sock:/tmp/other.sock:ro \
	--mount type=bind,source=/var/run/docker.sock,target=/srv/a/b.sock dockercli sh -c 'echo said; exec sleep 1000'
expect_status 0
eventually 5 served 0
run devbox exec cli docker ps --format '{{.Names}} {{.Image}}';	expect_stdout 'cli dockercli'
ping cli /tmp/other.sock;	expect_stdout OK
ping cli /srv/a/b.sock;		expect_stdout OK
eventually 5 served 0
run devbox inspect -f '{{range .Mounts}}{{.Source}}:{{.Destination}} {{end}}' cli
expect_stdout_has '/var/run/docker.sock:/var/run/docker.sock '
# it is root's alone in there
run devbox exec cli stat -c '%U %a' /var/run/docker.sock;	expect_stdout 'root 600'
run devbox exec -u nobody cli curl -s --unix-socket /var/run/docker.sock http://x/_ping;	expect_status 7
# an answer of pieces: HEAD has none of them, HTTP/1.0 no chunks; and a path of the host is no build's context
run devbox exec cli curl -s -I --max-time 20 --unix-socket /var/run/docker.sock http://x/events;	expect_status 0;	expect_stdout_has 'HTTP/1.1 200 OK'
run devbox exec cli curl -s -0 --raw --unix-socket /var/run/docker.sock 'http://x/containers/cli/logs?stdout=1&timestamps=1'
expect_status 0;	expect_match "$(tr -d '\0' <<<"$stdout")" $'\001?20??-*Z said'
run devbox exec cli curl -s -X POST --unix-socket /var/run/docker.sock 'http://x/build?remote=/etc'
expect_stdout '{"message":"remote=/etc is no URL"}*'
# a connection's process: the connection, no other descriptor, and the settings of whoever started the container
start events devbox exec cli docker events
eventually 5 served 2	# the connection's and the request's
pid=$(e2e_as pgrep -o -f '^devbox system service --connection')
run sh -c "cd /proc/$pid/fd && for f in *; do echo \$f \$(readlink \$f); done"
expect_stdout '0 /dev/null
1 /dev/null
2 /dev/null
3 socket:\[+([0-9])\]
4 anon_inode:\[pidfd\]'	# the last by which it waits for the request's process
[[ $(e2e_as sh -c "tr '\0' '\n' </proc/$pid/environ") == *HOME=* ]] || fail 'no HOME'
run devbox kill -s CONT cli;	expect_status 0
eventually 5 grep -q 'container kill' "$events_out"
kill "$events_pid"; finish events
eventually 5 served 0

# more at once than are served: the others wait their turn
cat >"$E2E_TMP/many.py" <<'PY'
import socket, sys
def ask(s):
    s.sendall(b'GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n')
def connect():
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(60)
    s.connect('/var/run/docker.sock')
    ask(s)
    return s
held = [connect() for _ in range(256)]
for s in held:
    assert s.recv(4096).startswith(b'HTTP/1.1 200'), 'held'
more = [connect() for _ in range(20)]
more[0].settimeout(0.05)
try:
    more[0].recv(1)
    sys.exit('the 257th was served')
except TimeoutError:
    pass
for s in held:
    s.close()
for s in more:
    s.settimeout(60)
    assert s.recv(4096).startswith(b'HTTP/1.1 200'), 'more'
print('all')
PY
run sh -c 'devbox exec -i cli python3 -c "$0"' "$(<"$E2E_TMP/many.py")";	expect_stdout all
eventually 10 served 0

# a restart by hand, one by its policy, and the end: who stops it from inside, too
run devbox restart -t 0 cli;	expect_status 0
ping cli;	expect_stdout OK
run devbox update --restart always cli;	expect_status 0
run sh -c 'kill -9 $(devbox inspect -f "{{.State.Pid}}" cli)';	expect_status 0
again() { [ "$(e2e_as devbox exec cli curl -s --unix-socket /var/run/docker.sock http://x/_ping)" = OK ]; }
eventually 10 again
run devbox inspect -f '{{.RestartCount}}' cli;	expect_stdout 1
run devbox update --restart no cli;	expect_status 0
pid() { e2e_as devbox inspect -f '{{.State.Pid}}' cli; }
before=$(pid)
run devbox exec cli docker restart -t 0 cli;	expect_status 137	# it ended with the container; what it asked for goes on
other() { [ "$(pid)" != "$before" ] && again; }
eventually 10 other
run devbox exec cli docker stop -t 0 cli;	expect_status 137
run devbox wait cli;	expect_stdout 137
run devbox cp cli:/etc/hostname -;	expect_status 0	# mounts what there is without a monitor
run devbox start cli;	expect_status 0
ping cli;	expect_stdout OK

# kill -9 of the monitor: nothing of it stays
start events devbox exec cli docker events
eventually 5 served 2
run sh -c 'kill -9 $(ps -o ppid= -p $(devbox inspect -f "{{.State.Pid}}" cli))';	expect_status 0
eventually 5 served 0
finish events
run devbox start cli;	expect_status 0
ping cli;	expect_stdout OK
run devbox rm -f cli;	expect_status 0

# compose, as such files have it; a container that does not ask has no socket
run sh -c 'mkdir -p sock && printf "services:\n  lb: {image: dockercli, command: sleep 1000, network_mode: none, volumes: [\"/var/run/docker.sock:/var/run/docker.sock:ro\"]}\n  web: {image: dockercli, command: sleep 1000, network_mode: none}\n" >sock/compose.yaml && cd sock && devbox compose up -d'
expect_status 0
run sh -c 'cd sock && devbox compose exec -T lb docker ps -q --filter label=com.docker.compose.service=web | wc -l';	expect_stdout 1
run sh -c 'ls ~/.local/share/devbox/containers/*/docker.sock | wc -l';	expect_stdout 1
run sh -c 'cd sock && devbox compose down -t 0';	expect_status 0

# --- devbox with: a socket for the life of a command of the host, and nothing is left of what was made through it
run devbox with -- sh -c 'echo "$DOCKER_HOST $TESTCONTAINERS_HOST_OVERRIDE"; curl -s --unix-socket "${DOCKER_HOST#unix://}" http://x/_ping; echo " ${DOCKER_CONTEXT-none}"; exit 7'
expect_status 7;	expect_stdout "unix://$(store)/tmp/with.*/docker.sock 127.0.0.1"$'\n''OK none'
run devbox with nope;	expect_status 127;	expect_stderr 'devbox: executing nope: No such file or directory'
start held devbox with sh -c 'trap "exit 3" TERM; echo there; while :; do sleep 0.05; done'
eventually 5 grep -q there "$held_out"
kill "$held_pid"; finish held;	expect_status 3
run ls "$(store)/tmp";	expect_stdout ''

# `made SCRIPT` in a container that has the docker CLI and the socket of the command's surroundings
cat >"$(home)/made" <<'SH'
#!/bin/sh
exec devbox run --rm --network none -v "${DOCKER_HOST#unix://}:/var/run/docker.sock" dockercli sh -ec "$1"
SH
chmod 755 "$(home)/made"
make='docker network create net; docker volume create vol; docker run -d --name one --network net -v vol:/a -v implied:/b -v /c -v mine:/d busybox sleep 1000
	docker run --name two -v /var/run/docker.sock:/var/run/docker.sock --network none dockercli docker create --name three busybox true
	docker commit one image:made'
run devbox pull -q busybox;	expect_status 0
run devbox volume create mine;	expect_status 0
all() { run sh -c 'devbox ps -a --format "{{.Names}}"; devbox network ls --filter type=custom --format "{{.Name}}"; devbox volume ls -q' ; }
run devbox with ./made "$make; docker ps -a --format '{{.Names}}'";	expect_status 0;	expect_stdout_has $'three\ntwo\none'
all;	expect_stdout mine
# the mark is the requests', not that of images made from what had it
run devbox create --name other image:made;	expect_status 0
run devbox with true;	expect_status 0
all;	expect_stdout $'other\nmine'
run devbox rm other;	expect_status 0
# ... nor that of a container that was there before and is only started by one
run devbox create --name agent --network none -v /var/run/docker.sock:/var/run/docker.sock dockercli sleep 1000;	expect_status 0
run devbox with ./made 'docker start agent';	expect_status 0
run devbox exec agent docker create --name late busybox true;	expect_status 0
run devbox with true;	expect_status 0
all;	expect_stdout $'late\nagent\nmine'
run devbox rm -f agent late;	expect_status 0
run devbox with --keep ./made "$make";	expect_status 0
all;	expect_stdout_has $'three\ntwo\none\nnet\n'
run devbox with true;	expect_status 0
all;	expect_stdout_has $'three\ntwo\none\nnet\n'
run sh -c 'devbox rm -f -v one two three && devbox network rm net && devbox volume rm vol implied';	expect_status 0
# kill -9: the next one cleans up
start killed devbox with sh -c './made "$0"; echo made; exec sleep 1000' "$make"
eventually 30 grep -q '^made' "$killed_out"
kill -9 "$killed_pid"; finish killed
run pkill -f '^sleep 1000$';	# the command, nobody's child now, and the containers'
all;	expect_stdout_has one
run devbox with true;	expect_status 0
all;	expect_stdout mine
expect_no_leftovers
