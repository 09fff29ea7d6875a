# tests/e2e/api_compose.sh -- docker-compose 1.29 against Docker's API: a project comes up, is looked at, changed, and goes
. "$(dirname "$0")/../lib/e2e.sh"

sock=$(store)/docker.sock
run devbox pull -q dockercli;	expect_status 0
run devbox pull -q busybox;	expect_status 0
run mkdir -p proj/src
cat >"$(home)/proj/docker-compose.yml" <<'END'
version: '3.7'
services:
  db:
    image: busybox
    command: sh -c 'echo db starts; exec httpd -f -p 80'
    volumes: [data:/data]
    stop_signal: SIGKILL
    healthcheck: {test: 'true', interval: 1s}
  web:
    image: busybox
    command: sh -c 'echo web starts with $$A; until wget -qO /dev/null db; do [ $$? = 1 ] && break; done; echo found; exec httpd -f -p 80'
    depends_on: [db]
    environment: {A: b}
    ports: ["8090:80"]
    volumes: ["./src:/src", /anon]
    networks: {default: {aliases: [www]}, back: {}}
    stop_signal: SIGKILL
    restart: unless-stopped
networks: {back: {}}
volumes: {data: {}}
END
start service devbox system service
eventually 5 test -S "$sock"
run devbox run -d --name cli --network none -v "$sock:/run/docker.sock" -e DOCKER_HOST=unix:///run/docker.sock \
	-v "$(home)/proj:$(home)/proj" -w "$(home)/proj" dockercli sleep 1000
expect_status 0
compose() { run devbox exec cli docker-compose --no-ansi "$@"; }

compose up -d;	expect_status 0;	expect_stderr '*Creating network "proj_default"*Creating volume "proj_data"*Creating proj_db_1 *done*Creating proj_web_1 *done*'
eventually 5 e2e_as sh -c 'devbox logs proj_web_1 | grep found'
compose ps;	expect_stdout $'*proj_db_1 *Up*proj_web_1 *Up *127.0.0.1:8090->80/tcp*'
compose logs web;	expect_stdout $'*web starts with b*found*'
run devbox exec proj_db_1 ping -c1 -W1 www;	expect_status 0
run devbox inspect proj_web_1 -f '{{range .Mounts}}{{.Type}}:{{.Destination}} {{end}}{{.HostConfig.RestartPolicy.Name}} {{len .NetworkSettings.Networks}}'
expect_stdout '*bind:/src*unless-stopped 2'
compose up -d;	expect_stderr $'*proj_db_1 is up-to-date*proj_web_1 is up-to-date*'
compose up -d --scale db=2;	expect_stderr '*Creating proj_db_2 ... done*'
compose run --rm -T web sh -c 'echo one-off; exit 4';	expect_status 4;	expect_stdout 'one-off*'
compose restart db;	expect_status 0
compose top db;	expect_stdout '*httpd -f -p 80*'
compose down -v;	expect_status 0
run devbox ps -aq --filter label=com.docker.compose.project=proj;	expect_stdout ''
run devbox network ls -q --filter type=custom;	expect_stdout ''
run devbox volume ls -q;	expect_stdout ''

run devbox rm -f cli;	expect_status 0
kill "$service_pid"
finish service
expect_no_leftovers
