# tests/e2e/compose_run.sh -- run, exec, build, cp, top, events; links, volumes_from, scale behind one name
. "$(dirname "$0")/../lib/e2e.sh"

run devbox pull -q busybox; expect_status 0
e2e_as mkdir -p app/www
e2e_as tee app/Dockerfile >/dev/null <<'END'
FROM busybox
ARG GREETING=hello
RUN echo $GREETING >/greeting
WORKDIR /srv
CMD ["sh", "-c", "hostname >/srv/host; exec httpd -f -p 80 -h /srv"]
END
e2e_as tee compose.yaml >/dev/null <<'END'
name: r
services:
  web:
    build: {context: ./app, args: {GREETING: hi}}
    init: true
    ports: ["127.0.0.1:18091:80"]
    links: ["db:store", cache]
    volumes_from: [code:ro]
    environment: {MODE: normal}
  code:
    image: busybox
    command: "true"
    volumes: ["./app/www:/code"]
  db: {image: busybox, init: true, command: sleep 1000, expose: ["3306"], environment: {DB_NAME: app}}
  cache: {image: busybox, init: true, command: sleep 1000}
  lb:
    image: busybox
    init: true
    command: sleep 1000
    depends_on: [web]
    profiles: [lb]
END

# one command: the service's settings, no ports, dependencies come up, the image is built
run devbox compose run --rm -T web sh -c 'cat /greeting; pwd; echo $MODE; hostname' </dev/null
expect_status 0
case $stdout in hi$'\n'/srv$'\n'normal$'\n'[0-9a-f][0-9a-f][0-9a-f]*) ;; *) fail "run printed $stdout" ;; esac
expect_stderr_has 'Container r-db-1  Started'
expect_stderr_has 'Service web  Built'
run devbox compose ps -a --format '{{.Name}} {{.State}}'
expect_stdout 'r-cache-1 running
r-code-1 exited
r-db-1 running'
run devbox compose run --no-deps -T -e MODE=other --entrypoint 'sh -c' web 'echo $MODE; exit 5'
expect_status 5;	expect_stdout other
run devbox compose ps -a --services;	expect_stdout_has web
run devbox compose ps -a -q;	expect_equal "$(wc -l <<<"$stdout")" 4
run devbox compose run --rm -T web false;	expect_status 1
run devbox compose run --rm -T web nosuchprogram;	expect_status 1; expect_stderr_has 'exec: "nosuchprogram": executable file not found in $PATH'
run devbox compose run nosuch true;	expect_status 1; expect_stderr '*no such service: nosuch'
pty devbox compose run --rm web sh <<'END'
expect #
send echo a-$((1+1))\n
expect a-2
send exit 3\n
END
expect_status 3

# links: names and the variables of old; volumes_from, read-only, also of a container that has ended
run devbox compose up -d;	expect_status 0
run devbox compose exec -T web sh -c 'echo $STORE_PORT_3306_TCP_PORT $STORE_ENV_DB_NAME; ping -c1 -w3 store >/dev/null && echo store; ping -c1 -w3 cache >/dev/null && echo cache; touch /code/x'
expect_status 1;	expect_stdout '3306 app
store
cache';	expect_stderr_has 'Read-only file system'
run devbox compose run --rm -T --service-ports web true
expect_status 1;	expect_stderr_has 'port 18091 on 127.0.0.1 is in use by container r-web-1 (hint: use another port of the host: -p 127.0.0.1:18092:80)'
run devbox compose up -d --scale web=2;	expect_status 1
expect_stderr_has '(hint: use another port of the host: "127.0.0.1:18092:80" in the ports of service web)'

# several containers answer to one name
e2e_as sed -i '/ports:/d' compose.yaml
run devbox compose --profile lb up -d --scale web=3;	expect_status 0
answers() { e2e_as devbox compose exec -T lb sh -c 'for i in 1 2 3 4 5 6 7 8 9 10 11 12; do wget -q -O - http://web/host; done' | sort -u; }
three() { [ "$(answers | wc -l)" = 3 ]; }
eventually 10 three

# the rest of the verbs
run devbox compose exec -T --index 2 -e X=1 -w / -u 1:1 web sh -c 'id -u; pwd; echo $X';	expect_stdout '1
/
1'
run devbox compose exec -T nosuch true;	expect_status 1; expect_stderr '*no such service: nosuch'
run devbox compose cp app/Dockerfile web:/tmp/copy;	expect_status 0
run devbox compose cp web:/greeting got;	expect_status 0; expect_file got hi
run devbox compose top db;	expect_stdout_has 'r-db-1'; expect_stdout_has 'sleep 1000'
run devbox compose images --format json;	expect_stdout_has '"Repository":"r-web"'
run devbox compose build --build-arg GREETING=ho web;	expect_status 0
run devbox compose up -d;	expect_status 0; expect_stderr_has 'Container r-web-1  Recreated'
run devbox compose exec -T web cat /greeting;	expect_stdout ho
start ev devbox compose events
run devbox compose restart cache;	expect_status 0
told() { grep -q 'container start' "$ev_out"; }
eventually 5 told
kill "$ev_pid"; finish ev
run devbox compose down -v --rmi local;	expect_status 0
run devbox images -q r-web;	expect_stdout ''
expect_no_leftovers
