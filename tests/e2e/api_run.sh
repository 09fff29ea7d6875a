# tests/e2e/api_run.sh -- containers' life through Docker's API, by the docker CLI, python3-docker and docker-compose
. "$(dirname "$0")/../lib/e2e.sh"

sock=$(store)/docker.sock
run devbox pull -q dockercli;	expect_status 0
run devbox pull -q busybox;	expect_status 0
start service devbox system service
eventually 5 test -S "$sock"
run devbox run -d --name cli --network none -v "$sock:/run/docker.sock" -e DOCKER_HOST=unix:///run/docker.sock dockercli sleep 1000
expect_status 0
in_cli() { run devbox exec cli "$@"; }
in_sh() { in_cli sh -c "$1"; }
api() { in_cli curl -s --unix-socket /run/docker.sock "$@"; }

# --- in the foreground: attached and awaited before it is started ----------------------------------------------------------
in_cli docker run --rm busybox sh -c 'echo out; echo err >&2; exit 7';	expect_status 7;	expect_stdout out;	expect_stderr err
in_sh 'echo in | docker run --rm -i busybox cat';	expect_status 0;	expect_stdout in
in_cli docker run --rm busybox nosuch;	expect_status 127;	expect_stderr_has '"nosuch": executable file not found in $PATH'
in_cli docker run --rm busybox /etc/passwd;	expect_status 126;	expect_stderr_has 'permission denied'
in_sh 'docker run --rm busybox seq 100000 | md5sum; seq 100000 | md5sum';	expect_equal "${stdout%$'\n'*}" "${stdout#*$'\n'}"
in_sh 'head -c 300000 /dev/zero | docker run --rm -i busybox wc -c';	expect_stdout 300000
run devbox ps -aq;	expect_stdout '????????????'
pty -s 30x70 devbox exec -it cli docker run -it --rm --name tt busybox sh <<'END'
expect / #
send stty size\r
expect 30 70
size 41 91
send while [ "$(stty size)" != "41 91" ]; do :; done; echo size$((40+2))\r
expect size42
send exit 5\r
END
expect_status 5

# --- detaching, attaching again, starting again ------------------------------------------------------------------------------
pty devbox exec -it cli docker run -it --name tt busybox sh <<'END'
expect / #
send \x10\x11
eof
END
expect_status 0
pty devbox exec -it cli docker attach tt <<'END'
send echo again$((40+2))\r
expect again42
send exit 6\r
END
expect_status 6
in_cli docker rm tt;	expect_status 0
in_cli docker create -i --name cat busybox cat;	expect_status 0
in_sh 'echo one | docker start -ai cat';	expect_stdout one
in_sh 'echo two | docker start -ai cat';	expect_stdout two
in_cli docker logs cat;	expect_stdout $'one\ntwo'
in_cli docker attach cat;	expect_status 1;	expect_stderr 'You cannot attach to a stopped container, start it first'

# --- what was asked for ----------------------------------------------------------------------------------------------------
in_cli docker run -d --name web -p 127.0.0.1:8081:80 -v /data -v vol:/vol:ro --tmpfs /t:size=1m -e A=b -l x=y --restart on-failure:2 \
	-m 64m --memory-swap 128m --ulimit nofile=99 --entrypoint sh --health-cmd true --stop-signal KILL --add-host a:10.1.1.1 -w /tmp busybox \
	-c 'ulimit -n; pwd; echo $A; grep 10.1.1.1 /etc/hosts; touch /data/x; touch /vol/x; echo page >index.html; httpd -f -p 80'
expect_status 0;	expect_stdout '????????????????????????????????????????????????????????????????'
eventually 5 e2e_as sh -c 'devbox logs web 2>&1 | grep -q Read-only'
in_sh 'docker logs web 2>&1'
expect_stdout $'99\n/tmp\nb\n10.1.1.1\ta\ntouch: /vol/x: Read-only file system'
eventually 5 e2e_as curl -s -o /dev/null http://127.0.0.1:8081/index.html
in_cli docker inspect web -f '{{.HostConfig.PortBindings}} {{.HostConfig.RestartPolicy}} {{.HostConfig.Memory}} {{.Config.Volumes}} {{.Config.Labels}} {{.Config.Entrypoint}}'
expect_stdout 'map?80/tcp:?{127.0.0.1 8081}?? {on-failure 2} 67108864 map?/data:{}? map?x:y? ?sh?'
in_cli docker ps --filter name=web --format '{{.Names}} {{.Image}} {{.Ports}}';	expect_stdout 'web busybox 127.0.0.1:8081->80/tcp'
in_cli docker top web -o pid,args;	expect_stdout $'PID *COMMAND\n*httpd -f -p 80'
in_cli docker top web;	expect_stdout $'UID *PID *CMD\n*httpd -f -p 80'
in_cli docker stats --no-stream --format '{{.Name}} {{.PIDs}} {{.MemUsage}}' web;	expect_match "$stdout" 'web 1 *iB / 64MiB'
in_cli docker pause web;	expect_stdout web
in_cli docker attach web;	expect_status 1;	expect_stderr 'You cannot attach to a paused container, unpause it first'
in_cli docker ps --filter status=paused --format '{{.Names}}';	expect_stdout web
in_cli docker unpause web;	expect_stdout web
in_cli docker unpause web;	expect_status 1;	expect_stderr_has 'is not paused'
in_cli docker update --memory 32m --memory-swap 64m --restart no web;	expect_stdout web
in_cli docker rename web site;	expect_status 0
in_cli docker inspect site -f '{{.HostConfig.Memory}} {{.HostConfig.RestartPolicy.Name}}';	expect_stdout '33554432 no'
in_cli docker rename site cli;	expect_status 1;	expect_stderr_has 'Conflict. The container name "/cli" is already in use'
in_cli docker restart -t 0 site;	expect_stdout site
in_cli docker rm site;	expect_status 1;	expect_stderr_has 'container is running'
in_cli docker kill -s NOPE site;	expect_status 1;	expect_stderr_has 'is not a signal'
in_cli docker stop site;	expect_stdout site
in_cli docker kill site;	expect_status 1;	expect_stderr_has 'is not running'
in_cli docker wait site;	expect_stdout '1*'
in_cli docker start site;	expect_stdout site
for condition in next-exit removed; do
	start "w${condition%-*}" devbox exec cli curl -s --unix-socket /run/docker.sock -X POST "http://d/containers/site/wait?condition=$condition"
done
eventually 5 sh -c "[ \$(ls '$(store)'/containers/*/waiting | grep -c end) = 2 ]"
in_cli docker rm -fv site;	expect_stdout site
finish wnext;	expect_stdout '{"StatusCode":137}*'
finish wremoved;	expect_stdout '{"StatusCode":137}*'
in_cli docker volume rm vol;	expect_stdout vol

# what the CLI makes of options, and what create makes of that, is what the options are here
same() {
	run devbox create --name own "$@" busybox cmd arg;	expect_status 0
	in_cli docker create --name api "$@" busybox cmd arg;	expect_status 0
	run devbox inspect own api;	expect_status 0
	printf %s "$stdout" >"$E2E_TMP/both"
	e2e_as devbox exec -i cli jq -r '[.[] | del(.Id, .Created, .Name, .LogPath, .ResolvConfPath, .HostnamePath, .HostsPath, .Config.Hostname,
		.NetworkSettings) | .Mounts |= (map(if .Type == "volume" then del(.Source, .Name) else . end) | sort_by(.Destination))
		| .HostConfig.Binds |= sort | .HostConfig.Ulimits |= sort | .Config.Env |= sort] | if .[0] == .[1] then "same" else .[] | tojson end' <"$E2E_TMP/both" >"$E2E_TMP/how"
	expect_equal "$(cat "$E2E_TMP/how")" same
	run devbox rm -v own api;	expect_status 0
}
same -p 8080:80 -p 127.0.0.1:9000:9000/udp -p 90 --expose 100-102/udp -P -v /data -v vol:/v1:ro -v /tmp:/t1 --tmpfs /run:size=1m,mode=755 \
	--mount type=bind,src=/tmp,dst=/m1,readonly --mount type=volume,src=vol,dst=/m2,volume-nocopy --mount type=tmpfs,dst=/m3,tmpfs-size=1m,tmpfs-mode=700 \
	-e A=b -e C= -l a=b -l c --entrypoint '' -w /w -u 1:2 --domainname dom -it --restart on-failure:5 --init --read-only --shm-size 1m \
	--oom-score-adj 100 --stop-signal INT --stop-timeout 3 --health-cmd 'true x' --health-interval 2s --health-retries 4 --health-timeout 3s
same -m 64m --memory-swap 128m --memory-reservation 32m --cpus 1.5 --cpu-shares 512 --cpuset-cpus 0 --pids-limit 50 --blkio-weight 300 --rm \
	--ulimit core=-1 --ulimit nofile=10:20 --cap-add NET_ADMIN --cap-drop all --security-opt no-new-privileges --security-opt seccomp=unconfined \
	--security-opt systempaths=unconfined --privileged --add-host a:1.2.3.4 --add-host b:host-gateway --dns 9.9.9.9 --dns-search x.y \
	--dns-opt ndots:2 --mac-address 02:42:ac:11:00:09 --group-add 5 --group-add tty --sysctl net.ipv4.ip_forward=1 --log-opt max-size=1m \
	--log-opt max-file=2 --device /dev/null:/dev/xnull --userns host --no-healthcheck --volumes-from cli:ro -i -a stdin
same --network container:cli --entrypoint /bin/sh --log-driver none
run devbox volume rm vol;	expect_status 0

# --- logs --------------------------------------------------------------------------------------------------------------------
in_cli docker run --name log busybox sh -c 'for i in 1 2 3; do echo $i; done; echo e >&2';	expect_status 0
in_sh 'docker logs --tail 2 log 2>/dev/null | tail -1';	expect_stdout 3
in_cli docker logs -t --since 10m log;	expect_stdout_has 'Z 3';	expect_stderr '*Z e'
in_sh "curl -s --unix-socket /run/docker.sock -X POST 'http://d/containers/log/attach?logs=1&stdout=1' | od -An -c";	expect_stdout '* 001  ?0  ?0  ?0  ?0  ?0  ?0 006   1  ?n   2  ?n   3  ?n'
in_cli docker logs --until 2001-01-01 log;	expect_stdout ''
api 'http://d/containers/log/logs' -w ' %{http_code}';	expect_stdout '*choose at least one stream*400'
api 'http://d/containers/log/logs?stdout=1&tail=x' -w ' %{http_code}';	expect_stdout '*invalid value for*tail*400'
in_cli docker container prune -f --filter label=none;	expect_stdout 'Total reclaimed space: 0B'
in_cli docker container prune -f;	expect_stdout 'Deleted Containers:*Total reclaimed space*'
in_cli docker run -d --log-driver none --name quiet busybox true;	expect_status 0
in_cli docker logs quiet;	expect_status 1;	expect_stderr_has 'does not support reading'
in_cli docker rm quiet;	expect_status 0

# --- refused: in the verb's words, with Docker's statuses ---------------------------------------------------------------------
in_cli docker run --name cli busybox true;	expect_status 125;	expect_stderr_has 'Conflict. The container name "/cli" is already in use'
in_cli docker run --pid host busybox true;	expect_status 125;	expect_stderr_has 'PidMode: host is not supported'
in_cli docker run --network nonet busybox true;	expect_status 125;	expect_stderr_has 'network nonet not found'
in_cli docker run --mount type=bind,src=/nothere,dst=/x busybox true;	expect_status 125;	expect_stderr_has 'bind source path does not exist: /nothere'
api -X POST -d '{"Image":"nope"}' -w ' %{http_code}' http://d/containers/create;	expect_stdout '*No such image: nope*404'
api -X POST -d '{"Image":"busybox","Cmd":3}' -w ' %{http_code}' http://d/containers/create;	expect_stdout '*Cmd: it must be a list*400'
api -X POST -d '{"Image":"busybox"}' -w ' %{http_code}' 'http://d/containers/create?platform=linux/arm64';	expect_stdout '*does not match the specified platform*404'
api -X POST -w ' %{http_code}' http://d/containers/nope/start;	expect_stdout '*No such container: nope*404'
api -X POST -w ' %{http_code}' http://d/containers/cli/start;	expect_stdout ' 304'
api -X POST -w ' %{http_code}' 'http://d/containers/cli/resize?h=x&w=1';	expect_stdout '*invalid size*400'
api -X POST -w ' %{http_code}' 'http://d/containers/cli/wait?condition=x';	expect_stdout '*invalid condition*400'
api -w ' %{http_code}' 'http://d/containers/cli/stats?one-shot=1';	expect_stdout '*400'

# --- the same from Python ------------------------------------------------------------------------------------------------------
run devbox exec -i cli python3 - <<'PY'
import docker, socket
c = docker.from_env()
print(c.containers.run('busybox', 'echo hello', remove=True).decode().strip())
try:
    c.containers.run('busybox', ['sh', '-c', 'echo bad >&2; exit 3'], remove=True)
except docker.errors.ContainerError as e:
    print(e.exit_status, e.stderr)
b = c.containers.run('busybox', 'sleep 1000', detach=True, name='py', ports={'80/tcp': None}, labels=['a'], init=True,
                     mounts=[docker.types.Mount('/m', 'pyvol'), docker.types.Mount('/t', None, 'tmpfs', tmpfs_size='1m')])
b.reload()
print(b.status, bool(b.ports['80/tcp'][0]['HostPort']), sorted(m['Destination'] for m in b.attrs['Mounts']))
b.kill('SIGKILL')
print(b.wait())
# input that ends with its client
cat = c.containers.create('busybox', ['sh', '-c', 'cat; echo end'], stdin_open=True)
s = cat.attach_socket(params={'stdin': 1, 'stdout': 1, 'stream': 1})
cat.start()
s._sock.sendall(b'line\n')
print(s.read(13))
s._sock.shutdown(socket.SHUT_RDWR)
print(cat.wait()['StatusCode'], cat.logs())
cat.remove()
b.remove(v=True)
c.volumes.get('pyvol').remove()
try:
    c.containers.get('py')
except docker.errors.NotFound as e:
    print(e.status_code)
PY
expect_status 0
expect_stdout $'hello\n3 b\'bad*\'\nrunning True ?\'/m\', \'/t\'?\n{\'StatusCode\': 137}\nb*line*\n0 b*line*end*\n404'

run devbox rm -f cli;	expect_status 0
kill "$service_pid"
finish service
expect_no_leftovers
