# tests/e2e/api_exec.sh -- commands in containers and their files, through Docker's API: the docker CLI, python3-docker
. "$(dirname "$0")/../lib/e2e.sh"

x() { run devbox exec cli "$@"; }	# in the container that has the clients and the socket
py() { run sh -c 'devbox exec -i cli python3 -c "$0"' "$1"; }

run devbox pull -q dockercli;	expect_status 0
run devbox run -d --name cli --network none -v /var/run/docker.sock:/var/run/docker.sock dockercli sleep 1000;	expect_status 0
run devbox run -d --name bb --network none busybox sleep 1000;	expect_status 0

# streams, settings, statuses
x docker exec bb sh -c 'echo out; echo err >&2; exit 7'
expect_status 7;	expect_stdout out;	expect_stderr err
x docker exec -e A=b -w /tmp -u nobody bb sh -c 'echo $A $PWD $(id -u)';	expect_stdout 'b /tmp 65534'
x docker exec bb nope;	expect_status 127;	expect_stdout 'exec: "nope": executable file not found in $PATH*'
x docker exec nope true;	expect_status 1;	expect_stderr 'Error: No such container: nope'
x docker exec -u whoever bb true;	expect_status 126;	expect_stdout 'unable to find user whoever: *'
run sh -c 'head -c 3000000 /dev/zero | devbox exec -i cli docker exec -i bb wc -c';	expect_status 0;	expect_stdout 3000000
# a terminal, as large as the client's, now and later; the keys that leave it
pty -s 30x70 devbox exec -it cli docker exec -it bb sh <<'END_PTY'
expect #
send stty size\r
expect 30 70
expect #
size 40 90
send until [ "$(stty size)" = "40 90" ]; do :; done; echo resi''zed\r
expect resized
send exit 5\r
eof
END_PTY
expect_status 5
pty devbox exec -it --detach-keys ctrl-x cli docker exec -it bb sh -c 'echo begun; exec sleep 999' <<'END_PTY'
expect begun
send \^P\^Q
eof
END_PTY
expect_status 1
run pkill -f '^sleep 999$';	expect_status 0	# it had gone on
# a client that is killed takes no command with it
start gone devbox exec cli docker exec bb sh -c 'echo begun; until [ -e /go ]; do sleep 0.1; done; touch /went'
eventually 5 grep -q begun "$gone_out"
run pkill -9 -f '^docker exec bb';	expect_status 0
finish gone
run devbox exec bb touch /go;	expect_status 0
eventually 5 e2e_as devbox exec bb test -e /went
py '
import docker, time
client = docker.from_env()
b, a = client.containers.get("bb"), docker.APIClient()
# python3-docker loses what comes together with the head of the answer: the output waits until it has read that
i = a.exec_create("bb", ["sh", "-c", "until [ -e /go1 ]; do sleep 0.05; done; echo a; echo b >&2; exit 5"])["Id"]
parts = a.exec_start(i, stream=True, demux=True)
b.exec_run("touch /go1")
print(*sorted((1 + (out is None), (out or err).decode().strip()) for out, err in parts), a.exec_inspect(i)["ExitCode"])
def refused(f, *args):
    try:
        f(*args)
    except docker.errors.APIError as e:
        print(e.response.status_code, e.explanation)
i = a.exec_create("bb", ["sh", "-c", "until [ -e /go2 ]; do sleep 0.05; done; exit 3"])["Id"]
print(a.exec_inspect(i)["Running"], a.exec_inspect(i)["ExitCode"])
a.exec_start(i, detach=True)
print(a.exec_inspect(i)["Running"], a.exec_inspect(i)["ExitCode"])
refused(a.exec_start, i)
b.exec_run("touch /go2")
while a.exec_inspect(i)["Running"]:
    time.sleep(0.01)
r = a.exec_inspect(i)
print(r["Running"], r["ExitCode"], r["ProcessConfig"]["entrypoint"], r["ContainerID"] == b.id)
refused(a.exec_start, i)
refused(a.exec_inspect, "0" * 64)
refused(a.exec_inspect, "../../x")
refused(a.exec_create, "bb", [])
refused(a.exec_start, a.exec_create("bb", "nope")["Id"], True)
late = a.exec_create("bb", "true")["Id"]
b.pause()
refused(a.exec_start, late)
b.unpause()
# their number is bounded: the oldest go, what runs stays
runs = a.exec_create("bb", "sleep 999")["Id"]
a.exec_start(runs, detach=True)
for _ in range(270):
    a.exec_create("bb", "true")
print(a.exec_inspect(runs)["Running"])
refused(a.exec_inspect, late)
'
expect_status 0
expect_stdout "(1, 'a') (2, 'b') 5
False None
True None
409 Exec command * is already running
False 3 sh True
409 Exec command * has already run
404 No such exec instance: 000*000
404 *
400 No exec command specified
400 exec: \"nope\": executable file not found in \$PATH
409 container * is paused, unpause the container before exec
True
404 No such exec instance: *"
run sh -c 'ls ~/.local/share/devbox/containers/*/execs | grep -c "^[0-9a-f]*$"';	expect_stdout 256

# files, of a container that runs and of one that does not
run devbox exec bb sh -c 'mkdir -p /d/e; echo x >/d/f; ln -s /d/f /d/l; ln -s e /d/le';	expect_status 0
copies() {
	x sh -c 'rm -rf /tmp/d && docker cp bb:/d /tmp/d && cd /tmp/d && find . | sort | xargs && cat f && readlink l le'
	expect_status 0;	expect_stdout $'. ./e ./e/* ./f ./l ./le\nx\n/d/f\ne'
	x sh -c 'docker cp bb:/d/. - | tar t | xargs; docker cp bb:/d/l - | tar t; docker cp -L bb:/d/l - | tar xO'
	expect_stdout $'./ e/ *f l le\nl\nx'
	x sh -c 'echo new >/tmp/new && docker cp /tmp/new bb:/d/e/ && docker cp /tmp/new bb:/d/e/other && docker cp /tmp/new bb:/d/le/by_link && docker cp /tmp/d bb:/copied'
	expect_status 0
	x sh -c 'docker export bb | tar t | grep -e ^d/e/ -e ^copied/f | sort | xargs';	expect_stdout 'copied/f d/e/ d/e/by_link d/e/new d/e/one d/e/other'
}
run devbox exec bb touch /d/e/one;	expect_status 0
copies
run devbox exec bb sh -c 'rm -r /copied /d/e/* /etc/group; touch /d/e/one';	expect_status 0
run devbox stop -t 0 bb;	expect_status 0
copies
x docker diff bb;	expect_stdout_has $'A /d/e/by_link\n';	expect_stdout_has $'C /etc\nD /etc/group'
x docker cp bb:/nope /tmp/;	expect_status 1;	expect_stderr 'Error: No such container:path: bb:/nope'
x docker cp /tmp/new bb:/d/f/x;	expect_stderr 'Error response from daemon: extraction point is not a directory'
x docker cp /tmp/new bb:/none/x;	expect_stderr 'Error: No such container:path: bb:/none'
x docker exec bb true;	expect_status 1;	expect_stderr 'Error response from daemon: container * is not running'
py '
import docker
a = docker.APIClient()
stream, stat = a.get_archive("bb", "/d/l")
print(stat["name"], hex(stat["mode"]), stat["linkTarget"], sum(map(len, stream)) > 0)
try:
    a.put_archive("bb", "/d", b"rubbish" * 100000)
except docker.errors.APIError as e:
    print(e.explanation)
print(a.put_archive("bb", "/d", b"".join(a.get_archive("bb", "/etc/passwd")[0])))
'
expect_status 0
expect_stdout 'l 0x80001ff /d/f True
reading the tar stream: *
True'

# what a command was given in its environment is forgotten with its end, also if its keeper was killed
run devbox start bb;	expect_status 0
x docker exec -e SECRET=one bb true;	expect_status 0
start keeper devbox exec cli docker exec -e SECRET=two bb sh -c 'echo begun; exec sleep 998'
eventually 5 grep -q begun "$keeper_out"
secrets() { e2e_as sh -c 'cat ~/.local/share/devbox/containers/*/execs/* | grep -o "SECRET=[a-z]*" | xargs'; }
expect_equal "$(secrets)" 'SECRET=two'
id=$(e2e_as sh -c 'basename $(grep -l SECRET=two ~/.local/share/devbox/containers/*/execs/*)')
run pkill -9 -f '^devbox: command in bb$';	expect_status 0
finish keeper
run devbox exec cli curl -s --unix-socket /var/run/docker.sock "http://x/exec/$id/json";	expect_stdout_has '"Running":false,"ExitCode":137'
expect_equal "$(secrets)" ''
# a detached command in a container that is kept does not keep the output of the service open
run sh -c 'out=$(timeout 30 devbox with --keep sh -ec '\''
	api() { curl -s --unix-socket "${DOCKER_HOST#unix://}" -H "Content-Type: application/json" -d "$2" "http://x$1"; }
	id=$(api /containers/bb/exec "{\"Cmd\":[\"sleep\",\"997\"]}" | tr -d \"\{\} | cut -d: -f2)
	api /exec/$id/start "{\"Detach\":true}"'\''); echo "end $?$out"'
expect_stdout 'end 0'
run devbox top bb;	expect_stdout_has 'sleep 997'
run devbox rm -f bb cli;	expect_status 0
expect_no_leftovers
