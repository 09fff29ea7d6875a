# tests/e2e/api_newest.sh -- the newest docker CLI and docker compose of Debian against Docker's API
. "$(dirname "$0")/../lib/e2e.sh"

sock=$(store)/docker.sock
run devbox pull -q dockercli:new;	expect_status 0
run devbox pull -q busybox;	expect_status 0
start service devbox system service
eventually 5 test -S "$sock"
run devbox run -d --name cli --network none -v "$sock:/run/docker.sock" -e DOCKER_HOST=unix:///run/docker.sock -e DOCKER_BUILDKIT=0 -w /work \
	dockercli:new sleep 1000
expect_status 0
in_cli() { run devbox exec cli "$@"; }

in_cli docker run --rm busybox sh -c 'echo out; echo err >&2; exit 7';	expect_status 7;	expect_stdout out;	expect_stderr err
in_cli docker run --rm busybox nosuch;	expect_status 127
in_cli docker run --rm busybox /etc/passwd;	expect_status 126
in_cli sh -c 'echo in | docker run --rm -i busybox cat';	expect_stdout in
pty -s 30x70 devbox exec -it cli docker run -it --rm busybox stty size </dev/null;	expect_stdout_has '30 70'	# from the first moment
pty devbox exec -it cli docker run -it --rm busybox sh <<'END'
expect / #
send echo tty$((40+2))\r
expect tty42
send exit 5\r
END
expect_status 5
in_cli docker run -d --name web -p 8080:80 --network bridge --stop-signal KILL busybox httpd -f -p 80;	expect_status 0
in_cli docker ps --filter name=web --format '{{.Names}} {{.State}} {{.Ports}}';	expect_stdout 'web running 127.0.0.1:8080->80/tcp, ?::1?:8080->80/tcp'
in_cli docker rm -f web;	expect_stdout web

run devbox exec cli sh -c 'printf "FROM busybox\nRUN echo built >/what\n" >Dockerfile';	expect_status 0
run devbox exec -i cli sh -c 'cat >compose.yaml' <<'END'
services:
  db:
    image: busybox
    command: httpd -f -p 80
    stop_signal: SIGKILL
    volumes: [data:/data, /anon]
    healthcheck: {test: 'wget -qO- localhost || [ $$? = 1 ]', interval: 1s, start_interval: 100ms, start_period: 20s}
  web:
    build: .
    command: sh -c 'echo web has $$A; cat /what; wget -q db; exit 3'
    depends_on: {db: {condition: service_healthy}}
    environment: {A: b}
    networks: {default: {aliases: [www]}, back: {}}
networks: {back: {}}
volumes: {data: {}}
END
compose() { run devbox exec cli docker compose "$@"; }
compose up --abort-on-container-exit --exit-code-from web --no-log-prefix;	expect_status 3;	expect_stdout $'*web has b\nbuilt\n*'
compose up -d db;	expect_status 0;	expect_stderr_has 'Container work-db-1  Started'
compose up -d db;	expect_status 0;	expect_stderr_has 'Container work-db-1  Running'
compose ps --format '{{.Name}} {{.State}}';	expect_stdout 'work-db-1 running'
compose run --rm -T --no-deps web echo one-off;	expect_status 0;	expect_stdout one-off
compose top db;	expect_stdout_has 'httpd -f -p 80'
compose down -v --rmi local;	expect_status 0
run devbox ps -a --format '{{.Names}}';	expect_stdout cli
run devbox network ls -q --filter type=custom;	expect_stdout ''
run devbox volume ls -q;	expect_stdout ''

run devbox rm -f cli;	expect_status 0
kill "$service_pid"
finish service
expect_no_leftovers
