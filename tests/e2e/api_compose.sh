# tests/e2e/api_compose.sh -- docker-compose 1.29 brings up a project through Docker's API, changes it, takes it down
. "$(dirname "$0")/../lib/e2e.sh"

sock=$(store)/docker.sock
run devbox pull -q dockercli;	expect_status 0
start service devbox system service
eventually 5 test -S "$sock"
run devbox run -d --name cli --network none -v "$sock:/run/docker.sock" -e DOCKER_HOST=unix:///run/docker.sock \
	-e DOCKER_BUILDKIT=0 -w /work dockercli sleep 1000
expect_status 0
run devbox exec -i cli sh -c 'cat >Dockerfile' <<'END'
FROM busybox
ARG X
RUN mkdir /www && echo built $X >/www/index.html
VOLUME /seen
CMD ["httpd", "-f", "-h", "/www"]
END
run devbox exec -i cli sh -c 'cat >docker-compose.yml' <<'END'
version: "3.7"
services:
  web:
    build: {context: ., args: {X: "5"}}
    networks: [back]
    volumes: ["data:/data"]
    depends_on: [db]
  db:
    image: busybox
    command: sh -c "echo db ready; exec sleep 1000"
    stop_signal: SIGKILL
    networks:
      back: {aliases: [database], ipv4_address: 10.88.0.77}
      front: {}
networks:
  front: {}
  back: {ipam: {config: [{subnet: 10.88.0.0/24}]}, labels: {n: l}}
volumes:
  data: {labels: {k: v}}
END
compose() { run devbox exec cli docker-compose "$@"; }

compose up -d;	expect_status 0
expect_stdout_has 'Successfully tagged work_web:latest';	expect_stderr_has 'Creating work_web_1 ... *done'
run devbox inspect work_db_1 -f '{{.NetworkSettings.Networks.work_back.IPAddress}} {{len .NetworkSettings.Networks}}';	expect_stdout '10.88.0.77 2'
run devbox network inspect work_back -f '{{index .Labels "n"}}';	expect_stdout l
run devbox volume inspect work_data -f '{{index .Labels "k"}}';	expect_stdout v
run devbox exec work_db_1 wget -qO- http://web;	expect_stdout 'built 5'
run devbox exec work_web_1 ping -c1 database;	expect_status 0
compose logs --no-color db;	expect_stdout_has 'db_1   | db ready'
compose ps;	expect_stdout $'*work_db_1 *Up*work_web_1 *Up*'
compose top db;	expect_stdout_has 'sleep 1000'
compose run --rm -T web sh -c 'echo one-off; exit 4';	expect_status 4;	expect_stdout 'one-off*'
compose restart db;	expect_status 0
# nothing has changed; then it has
compose up -d --scale web=2;	expect_status 0;	expect_stderr_has 'work_db_1 is up-to-date';	expect_stderr_has 'Creating work_web_2 ... *done'
run devbox exec cli sed -i 's/X: "5"/X: "6"/' docker-compose.yml
compose up -d --build --scale web=1 web;	expect_status 0;	expect_stderr_has 'Recreating work_web_1'
run devbox exec work_db_1 wget -qO- http://web;	expect_stdout 'built 6'
compose down -v --rmi local -t 1;	expect_status 0
run devbox ps -a --format '{{.Names}}';	expect_stdout cli
run devbox network ls --filter type=custom --format '{{.Name}}';	expect_stdout ''
run devbox volume ls -q --filter name=work;	expect_stdout ''
run devbox images -q work_web;	expect_stdout ''
run devbox rm -f cli;	expect_status 0
