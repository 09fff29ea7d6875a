# tests/e2e/compose_up.sh -- up makes what is missing, changes what differs, leaves the rest; down takes it away
. "$(dirname "$0")/../lib/e2e.sh"

run devbox pull -q busybox; expect_status 0
write() { e2e_as tee "$1" >/dev/null; }
token=
c() { run env ${token:+TOKEN=$token} devbox compose -f shop/compose.yaml "$@"; }
ids() { e2e_as devbox compose -f shop/compose.yaml ps -q "$@"; }
e2e_as mkdir -p shop
write shop/compose.yaml <<'END'
services:
  web:
    image: busybox
    command: sh -c 'trap "exit 0" TERM; echo hello from $$HOSTNAME; sleep 1000 & wait'
    depends_on: [cache, db]
    ports: ["127.0.0.1:18090:80"]
    environment: {A: "${A:-1}"}
  cache:
    image: busybox
    init: true
    command: [sleep, "1000"]
    volumes: [/anon]
    secrets: [token]
    configs: [{source: conf, target: /etc/conf}]
  db:
    image: busybox
    init: true
    command: [sleep, "1000"]
    volumes: ["data:/data", "./bind:/bind"]
  tool: {image: busybox, profiles: [tools]}
volumes: {data: }
secrets: {token: {environment: TOKEN}}
configs: {conf: {content: "a=${A:-1}"}}
END

# a variable that a secret needs is missing: said with its place
c up -d;	expect_status 1; expect_stderr_has 'compose.yaml:*TOKEN required by secrets token is not set'
c down -v;	expect_status 0
token=t0ken

c up -d;	expect_status 0
expect_stderr_has 'Network shop_default  Created'
expect_stderr_has 'Volume shop_data  Created'
expect_stderr_has 'Container shop-web-1  Started'
c ps --format '{{.Name}} {{.Service}} {{.State}} {{.Ports}}'
expect_stdout 'shop-cache-1 cache running *
shop-db-1 db running *
shop-web-1 web running 127.0.0.1:18090->80/tcp'
run devbox inspect -f '{{index .Config.Labels "com.docker.compose.project"}} {{index .Config.Labels "com.docker.compose.service"}} {{index .Config.Labels "com.docker.compose.container-number"}} {{index .Config.Labels "com.docker.compose.oneoff"}}' shop-web-1
expect_stdout 'shop web 1 False'
run devbox exec shop-cache-1 sh -c 'cat /run/secrets/token /etc/conf; echo x >/run/secrets/token'
expect_status 1; expect_stdout 't0kena=1'; expect_stderr_has 'Read-only file system'
[ "$(stat -c %U "$(home)/shop/bind")" = dbx1 ] || fail 'the bind source is not the user'"'"'s'

# nothing to do; then one service differs, and keeps its anonymous volume
before=$(ids)
c up -d;	expect_status 0; expect_stderr_has 'Container shop-web-1  Running'
expect_equal "$(ids)" "$before"
run devbox exec shop-cache-1 sh -c 'echo kept >/anon/file'
run devbox exec shop-db-1 sh -c 'echo kept >/data/file'
e2e_as sed -i 's/sleep, "1000"/sleep, "1001"/' shop/compose.yaml
c up -d;	expect_status 0
expect_stderr_has 'Container shop-cache-1  Recreated'
expect_stderr_has 'Container shop-web-1  Running'
run devbox exec shop-cache-1 cat /anon/file;	expect_stdout kept
run devbox exec shop-db-1 cat /data/file;	expect_stdout kept
c up -d --force-recreate --no-deps web;	expect_status 0
expect_stderr_has 'Container shop-web-1  Recreated'
run env TOKEN=t0ken A=2 devbox compose -f shop/compose.yaml up -d --no-recreate; expect_status 0
run devbox exec shop-web-1 sh -c 'echo $A';	expect_stdout 1
c up -d -V --force-recreate cache;	expect_status 0
run devbox exec shop-cache-1 ls /anon;	expect_stdout ''

# more of one, fewer again; a container that is gone comes back
c up -d --scale cache=3;	expect_status 0
c ps -q cache;	expect_equal "$(wc -l <<<"$stdout")" 3
c scale cache=1;	expect_status 0
c ps --format '{{.Name}}' cache;	expect_stdout shop-cache-1
run devbox rm -f shop-db-1;	expect_status 0
c up -d;	expect_status 0; expect_stderr_has 'Container shop-db-1  Started'
c up -d --scale cahe=2;		expect_status 1; expect_stderr '*no such service: cahe*'

# an up that was ended in the middle of replacing a container: the next one finds its way
id=$(e2e_as devbox inspect -f '{{.Id}}' shop-cache-1)
run devbox rename shop-cache-1 "${id:0:12}_shop-cache-1";	expect_status 0
e2e_as ln -s "$id" "$(store)/names/shop-cache-1"	# it had claimed the name already
c up -d;	expect_status 0; expect_stderr_has 'Container shop-cache-1  Renamed'
c ps --format '{{.Name}}' cache;	expect_stdout shop-cache-1

# what the file does not know any more
e2e_as sed -i '/^  tool/s/.*/  tool: {image: busybox, command: [sleep, "9"], init: true}/' shop/compose.yaml
c up -d tool;	expect_status 0
e2e_as sed -i '/^  tool/d' shop/compose.yaml
c up -d;	expect_status 0; expect_stderr_has 'not in the files: shop-tool-1 (--remove-orphans removes them)'
c up -d --remove-orphans;	expect_status 0; expect_stderr_has 'Container shop-tool-1  Removed'

# stop, start, restart, kill, rm, in the order of dependencies
c stop;		expect_status 0
case $stderr in *'shop-web-1  Stopped'*'shop-db-1  Stopping'*) ;; *) fail 'not in order' ;; esac
c ps -a --format '{{.Name}} {{.Status}}' web;	expect_stdout 'shop-web-1 Exited (0) *'
c start;	expect_status 0
case $stderr in *'shop-db-1  Started'*'shop-web-1  Starting'*) ;; *) fail 'not in order' ;; esac
c restart web;	expect_status 0
c pause web;	expect_status 0
c ps --status paused --services;	expect_stdout web
c unpause web;	expect_status 0
c kill web;	expect_status 0
c rm -f web;	expect_status 0; expect_stderr_has 'Container shop-web-1  Removed'
c rm -fs cache;	expect_status 0; expect_stderr_has 'Container shop-cache-1  Removed'
c port db 80;	expect_status 1; expect_stderr_has 'no port 80/tcp for container shop-db-1'
run devbox compose ls;	expect_stdout_has 'shop *running(1)*shop/compose.yaml'

# down keeps volumes; -v puts them into the trash, from where they come back
c down;		expect_status 0
expect_stderr_has 'Network shop_default  Removed'
run devbox volume ls -q;	expect_stdout_has shop_data
c up -d db;	expect_status 0
run devbox exec shop-db-1 cat /data/file;	expect_stdout kept
run devbox compose -p shop down -v;	expect_status 0
run devbox volume ls -q;	case $stdout in *shop_data*) fail 'shop_data is still there' ;; esac
run devbox ps -aq;		expect_stdout ''
c down;		expect_status 0
# the secret's text is gone with the last container that had it
expect_equal "$(find "$(store)/projects" -type f | wc -l)" 0

# secrets and configs with owner and mode; on the disk nobody else may read them
e2e_as sh -c 'echo from a file >filed; chmod 600 filed'
write secrets.yaml <<'END'
name: sec
services:
  a:
    image: busybox
    init: true
    user: "1000"
    command: [sleep, "1000"]
    secrets:
      - {source: env, target: renamed, uid: "1000", gid: "1001", mode: 0400}
      - {source: filed, uid: "1000", mode: 0440}
      - env
    configs: [{source: text, target: /etc/text, mode: 0555}]
secrets: {env: {environment: TOKEN}, filed: {file: ./filed}, out: {external: true}}
configs: {text: {content: "a=${A:-1}"}}
END
run env TOKEN=t0ken devbox compose -f secrets.yaml up -d;	expect_status 0
run devbox compose -f secrets.yaml exec -T a sh -c 'cd /run/secrets; stat -c "%n %a %u:%g" * /etc/text; cat renamed filed env /etc/text; echo x >renamed'
expect_stdout 'env 444 0:0
filed 440 1000:0
renamed 400 1000:1001
/etc/text 555 0:0
t0kenfrom a file
t0kena=1'
expect_status 1; expect_stderr_has 'Read-only file system'
expect_equal "$(find "$(store)/projects" -type f -printf '%m ')" '400 400 '
expect_equal "$(find "$(store)/projects" -type d -printf '%m ')" '700 700 '
# the down of another project leaves them, and they are there after a restart; another content makes another container
write other.yaml <<'END'
name: other
services: {b: {image: busybox, configs: [text]}}
configs: {text: {content: "b"}}
END
run devbox compose -f other.yaml create;	expect_status 0
before=$(find "$(store)/projects/sec" -type f | sort)
e2e_as rm -rf "$(store)/projects/other"
run devbox compose -f other.yaml down;	expect_status 0
expect_equal "$(find "$(store)/projects/sec" -type f | sort)" "$before"
run devbox restart -t 0 sec-a-1;	expect_status 0
run devbox compose -f secrets.yaml exec -T a cat /run/secrets/renamed;	expect_stdout t0ken
run env TOKEN=t0ken devbox compose -f secrets.yaml up -d;	expect_stderr_has 'sec-a-1  Running'
run env TOKEN=t0ken A=2 devbox compose -f secrets.yaml up -d;	expect_stderr_has 'sec-a-1  Recreated'
run devbox compose -f secrets.yaml exec -T a cat /etc/text;	expect_stdout a=2
e2e_as sed -i 's/- env$/- out/' secrets.yaml
run env TOKEN=t0ken devbox compose -f secrets.yaml up -d;	expect_status 1
expect_stderr_has 'secrets.yaml:*secrets out is kept by a swarm, which is not here: give it a file'
run env TOKEN=t0ken devbox compose -f secrets.yaml down -t 0;	expect_status 0
expect_equal "$(find "$(store)/projects" -type f | wc -l)" 0
expect_no_leftovers
