# tests/e2e/compose_depends.sh -- depends_on waits for what it names: started, healthy, completed, a database's answer
. "$(dirname "$0")/../lib/e2e.sh"

run devbox pull -q busybox; expect_status 0
write() { e2e_as tee "$1" >/dev/null; }
started() { e2e_as devbox inspect -f '{{.State.StartedAt}}' "$1"; }

write compose.yaml <<'END'
name: d
services:
  app:
    image: busybox
    init: true
    command: sh -c 'nc -w 1 web 80 </dev/null && echo reached; sleep 1000'
    depends_on:
      web: {condition: service_healthy}
      setup: {condition: service_completed_successfully}
  web:
    image: busybox
    init: true
    command: sh -c 'mkdir /w; sleep 0.3; httpd -h /w -p 80; touch /ready; sleep 1000'
    healthcheck: {test: test -e /ready, interval: 100ms, start_period: 10s, start_interval: 100ms}
  setup:
    image: busybox
    command: sh -c 'sleep 0.2; exit ${CODE:-0}'
END
run devbox compose up -d;	expect_status 0
case $stderr in *'d-web-1  Healthy'*'d-app-1  Starting'*) ;; *) fail 'app was started before web was healthy' ;; esac
case $stderr in *'d-setup-1  Exited'*'d-app-1  Starting'*) ;; *) fail 'app was started before setup had ended' ;; esac
run devbox compose ps -a --format '{{.Name}} {{.State}} "{{.Health}}"'
expect_stdout 'd-app-1 running ""
d-setup-1 exited ""
d-web-1 running "healthy"'
# services reach each other by name
has_reached() { [[ $(e2e_as devbox compose logs --no-color app) == *'app-1  | reached'* ]]; }
eventually 5 has_reached
run devbox compose down;	expect_status 0

# what fails is said, and what depends on it does not start
run env CODE=3 devbox compose up -d
expect_status 1;	expect_stderr_has "service \"setup\" didn't complete successfully: exit 3"
run devbox compose ps -a --format '{{.Name}} {{.State}}' app;	expect_stdout 'd-app-1 created'
e2e_as sed -i 's/touch .ready/touch \/other/; s/start_period: 10s, start_interval: 100ms/retries: 2/' compose.yaml
run devbox compose up -d
expect_status 1;	expect_stderr_has 'dependency failed to start: container d-web-1 is unhealthy'
run devbox compose down;	expect_status 0

# a database without a healthcheck is healthy when it answers
write compose.yaml <<'END'
name: d
services:
  app:
    image: busybox
    command: nc -w 2 cache 6379
    depends_on: {cache: {condition: service_healthy}}
  cache: {image: redis}
END
run devbox compose up -d;	expect_status 0
case $stderr in *'d-cache-1  Healthy'*'d-app-1  Starting'*) ;; *) fail 'app was started before redis answered' ;; esac
run devbox compose up -d --wait cache;	expect_status 0
run devbox compose down -v;	expect_status 0
expect_no_leftovers
