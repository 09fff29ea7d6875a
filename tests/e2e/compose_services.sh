# tests/e2e/compose_services.sh -- what else a Laradock of its time has: three databases side by side, a JVM, queues, caches, an init
# timeout: 240
. "$(dirname "$0")/../lib/e2e.sh"

dir=$(home)/app/laradock
file() { mkdir -p "$(dirname "$dir/$1")"; cat >"$dir/$1"; chown -R "$(stat -c %u:%g "$(home)")" "$(home)/app"; }
c() { run env -C "$dir" devbox compose "$@"; }

file docker-compose.yml <<'YAML'
version: '2'

services:

### PHP-FPM Container ###################################

    php-fpm:
        build:
            context: ./php-fpm
            dockerfile: Dockerfile-70
        volumes_from:
            - application
        volumes:
            - ./logs/php-fpm/:/var/log/php-fpm
        expose:
            - "9000"
        links:
            - mysql:db
            - memcached
        environment:
            - DOCKER_TLS_VERIFY
            - DOCKER_HOST
            - DOCKER_CERT_PATH

    mysql:
        image: mysql
        volumes_from: [data]
        ports: ["127.0.0.1:13306:3306"]
        environment:
            MYSQL_DATABASE: homestead
            MYSQL_ROOT_PASSWORD: 1234

    mariadb:
        image: mariadb
        ports: ["127.0.0.1:13307:3306"]
        environment: {MYSQL_DATABASE: homestead, MYSQL_USER: homestead, MYSQL_PASSWORD: secret, MYSQL_ROOT_PASSWORD: root}

    postgres:
        image: postgres
        volumes_from: [data]
        environment: {POSTGRES_DB: homestead, POSTGRES_USER: homestead, POSTGRES_PASSWORD: secret}

    neo4j:
        build: ./neo4j
        ports:
            - "7474:7474"
            - "1337:1337"
        environment:
            - NEO4J_AUTH=homestead:secret
        volumes_from: [data]

    memcached:
        image: memcached
        ports: ["11211:11211", "127.0.0.1:8080-8081:81-82"]

    beanstalkd:
        build: ./beanstalkd
        ports: ["11300:11300"]
        privileged: true

    beanstalkd-console:
        build: ./beanstalkd-console
        ports: ["80:2080", "2080:2080", "443:443"]
        links: [beanstalkd]

    shell:
        image: apt
        tty: true

    workspace:
        build: ./workspace
        volumes_from: [application]
        links: [mysql]
        tty: true

    application:
        build: ./application
        volumes:
            - ../:/var/www/laravel

    data:
        image: busybox
        command: "true"
        volumes:
            - mysql:/var/lib/mysql
            - postgres:/var/lib/postgresql
            - neo4j:/var/lib/neo4j/data

volumes: {mysql: , postgres: , neo4j: }
YAML
# the last line without its end, as editors leave them
printf 'FROM busybox\nMAINTAINER Ann <ann@example.org>\nCMD ["true"]' | file application/Dockerfile
file php-fpm/Dockerfile-70 <<'DF'
FROM php:8.2-fpm
ADD ./laravel.pool.conf /usr/local/etc/php-fpm.d/
RUN docker-php-ext-install pdo_mysql
RUN usermod -u 1000 www-data
WORKDIR /var/www/laravel
EXPOSE 9000
CMD ["php-fpm"]
DF
printf 'FROM php:8.2-fpm\nRUN false\n' | file php-fpm/Dockerfile
file php-fpm/laravel.pool.conf <<'CONF'
[www]
listen = 0.0.0.0:9000
env[DB_NAME] = $DB_1_ENV_MYSQL_DATABASE
env[DB_ADDR] = $DB_1_PORT_3306_TCP_ADDR
CONF
file beanstalkd/Dockerfile <<'DF'
FROM apt:latest
ENV DEBIAN_FRONTEND noninteractive
ENV PATH /usr/local/rvm/bin:$PATH
RUN apt-get install -y --no-install-recommends beanstalkd
VOLUME /var/lib/beanstalkd/data
EXPOSE 11300
CMD ["/usr/bin/beanstalkd"]
DF
file beanstalkd-console/Dockerfile <<'DF'
FROM php:8-fpm
ADD index.php /source/
WORKDIR /source
EXPOSE 2080
CMD bash -c 'BEANSTALK_SERVERS=$BEANSTALKD_PORT_11300_TCP_ADDR:11300 php -S 0.0.0.0:2080 -t .'
DF
file beanstalkd-console/index.php <<'PHP'
<?php
$queue = stream_socket_client('tcp://' . getenv('BEANSTALK_SERVERS'), $code, $words, 5) or die($words);
fwrite($queue, "put 1 0 60 5\r\nhello\r\npeek-ready\r\n");
echo fgets($queue), fgets($queue), fgets($queue);
PHP
file neo4j/Dockerfile <<'DF'
FROM apt
RUN mkdir -p /usr/share/man/man1 \
    && apt-get install -y --no-install-recommends default-jre-headless libh2-java
VOLUME /var/lib/neo4j/data
EXPOSE 7474 1337
CMD ["java", "-cp", "/usr/share/java/h2.jar", "org.h2.tools.Server", "-web", "-webAllowOthers", "-webPort", "7474", \
     "-tcp", "-tcpAllowOthers", "-tcpPort", "1337", "-ifNotExists", "-baseDir", "/var/lib/neo4j/data"]
DF
file workspace/Dockerfile <<'DF'
FROM apt
RUN apt-get install -y --no-install-recommends runit python3-minimal
ADD my_init /sbin/my_init
RUN chmod 755 /sbin/my_init && mkdir -p /etc/service/worker \
    && printf '#!/bin/sh\nexec sleep 100000\n' >/etc/service/worker/run && chmod 755 /etc/service/worker/run
CMD ["/sbin/my_init"]
WORKDIR /var/www/laravel
DF
file workspace/my_init <<'PY'
#!/usr/bin/python3 -u
# in the manner of phusion/baseimage: starts runit, reaps what is left to it, ends all in order
import os, signal, sys
class Stop(Exception): pass
def stop(*_): raise Stop()
signal.signal(signal.SIGTERM, stop)
runit = os.spawnv(os.P_NOWAIT, '/usr/bin/runsvdir', ['runsvdir', '-P', '/etc/service'])
print('*** Runit started as PID %d' % runit)
try:
    while True:
        print('*** reaped %d' % os.waitpid(-1, 0)[0])
except Stop:
    print('*** Shutting down runit')
    os.kill(runit, signal.SIGHUP)
    os.waitpid(runit, 0)
    os.kill(-1, signal.SIGTERM)
    try:
        while True: os.waitpid(-1, 0)
    except ChildProcessError:
        print('*** Killed all processes')
PY

# a variable that stands for a path, and is not set, is told where it stands; the caller's value goes through
file cert.yml <<'YAML'
services:
    lb:
        image: busybox
        environment: [DOCKER_TLS_VERIFY, DOCKER_HOST, DOCKER_CERT_PATH]
        volumes:
            - $DOCKER_CERT_PATH:$DOCKER_CERT_PATH
YAML
c -f cert.yml up -d;	expect_status 1
expect_stderr "devbox: $dir/cert.yml:6:15: invalid volume ':': empty section between colons (hint: is a variable not set?)"
run env -C "$dir" DOCKER_HOST=tcp://192.0.2.1:2376 DOCKER_CERT_PATH=/srv devbox compose -f cert.yml run --rm -T lb sh -c 'env; grep -c " /srv " /proc/mounts'
expect_status 0;	expect_stdout_has 'DOCKER_HOST=tcp://192.0.2.1:2376'
expect_stdout_has $'\n1'
case $stdout in *TLS_VERIFY*) fail 'what is not set is passed on' ;; esac

# Debian's lists of packages, read once for all images
run sh -c "printf 'FROM debian\nRUN apt-get -q update\n' | devbox build -q -t apt -";	expect_status 0
c --compatibility up -d --wait;	expect_status 0
expect_stderr_has 'beanstalkd-console: port 80 needs root on this host: it is published on 8082'
expect_stderr_has 'beanstalkd-console: port 443 needs root on this host: it is published on 8443'
c ps -a --format '{{.Name}} {{.State}}'
expect_equal "$(LC_ALL=C sort <<<"$stdout")" 'laradock_application_1 exited
laradock_beanstalkd-console_1 running
laradock_beanstalkd_1 running
laradock_data_1 exited
laradock_mariadb_1 running
laradock_memcached_1 running
laradock_mysql_1 running
laradock_neo4j_1 running
laradock_php-fpm_1 running
laradock_postgres_1 running
laradock_shell_1 running
laradock_workspace_1 running'
[ "$(stat -c %U "$dir/logs/php-fpm")" = dbx1 ] || fail "the logs' directory is not the user's"

# databases beside each other
c exec -T mysql mysql -uroot -p1234 homestead -Ne 'SELECT 1';	expect_stdout 1
c exec -T mariadb mariadb -uhomestead -psecret homestead -Ne 'SELECT VERSION()';	expect_stdout '*MariaDB*'
c exec -T postgres psql -U homestead homestead -Atc 'SELECT 1';	expect_stdout 1

# a queue, found by the variables of its link; privileged is all there is inside, and nothing outside
answers() { [[ $(e2e_as curl -s -m 5 "http://127.0.0.1:$1/") == *$2* ]]; }
eventually 20 answers 2080 'INSERTED *FOUND * 5*hello'
c exec -T beanstalkd grep CapEff /proc/self/status;	expect_stdout $'CapEff:\t000001ffffffffff'

c exec -T workspace sh -c 'mkdir -p vendor && touch vendor/autoload.php';	expect_status 0
expect_equal "$(stat -c %U "$(home)/app/vendor/autoload.php")" dbx1

# links in a pool of php-fpm, memcached, the project above the compose file, which www-data (1000) can read
e2e_as tee "$(home)/app/cache.php" >/dev/null <<'PHP'
<?php
$cache = stream_socket_client('tcp://memcached:11211'); fwrite($cache, "set foo 0 10 3\r\nbar\r\nget foo\r\n");
echo implode(' ', [trim(fgets($cache)), trim(fgets($cache)), trim(fgets($cache)), getenv('DB_1_ENV_MYSQL_DATABASE'), extension_loaded('pdo_mysql'), posix_getpwnam('www-data')['uid']]);
PHP
c exec -T php-fpm php /var/www/laravel/cache.php;	expect_stdout 'STORED VALUE foo 0 3 bar homestead 1 1000'
e2e_as tee "$(home)/app/pool.php" >/dev/null <<<'<?php echo getenv("DB_NAME"), " at ", getenv("DB_ADDR"), " as ", posix_geteuid();'
fcgi='import socket, struct, sys
def rec(kind, data): return struct.pack(">BBHHBB", 1, kind, 1, len(data), 0, 0) + data
s = socket.create_connection((sys.argv[1], 9000), 10)
pairs = {"SCRIPT_FILENAME": "/var/www/laravel/pool.php", "REQUEST_METHOD": "GET"}
s.sendall(rec(1, struct.pack(">HB5x", 1, 0)) + rec(4, b"".join(bytes([len(k), len(v)]) + k.encode() + v.encode() for k, v in pairs.items())) + rec(4, b"") + rec(5, b""))
print(b"".join(iter(lambda: s.recv(65536), b"")).decode(errors="replace"))'
c exec -T workspace python3 -c "$fcgi" "$(e2e_as devbox ip laradock_php-fpm_1)"
expect_stdout_has 'homestead at 172.18.0.* as 1000'

# a JVM
eventually 20 answers 7474 'H2 Console'
c exec -T neo4j java -cp /usr/share/java/h2.jar org.h2.tools.Shell -url jdbc:h2:tcp://127.0.0.1:1337/./t -user sa -password '' -sql "SELECT 6 * 7"
expect_status 0;	expect_stdout_has 42

# an init of its own: what loses its parent is reaped, a shell in the place of a shell, all ended in order
c exec -T workspace sh -c '(sleep 0.01 &)'
reaped() { [[ $(e2e_as devbox logs laradock_workspace_1) == *'*** reaped'* ]]; }
eventually 10 reaped
pty env -C "$dir" devbox compose exec workspace bash <<'END'
expect :/var/www/laravel#
send exec bash\n
expect :/var/www/laravel#
send echo pid-$(cat /etc/service/worker/supervise/pid >/dev/null && echo there)\n
expect pid-there
send exit\n
eof
END
expect_status 0
c stop workspace neo4j;	expect_status 0
run devbox logs laradock_workspace_1;	expect_stdout_has '*** Killed all processes'
run devbox inspect -f '{{.State.ExitCode}}' laradock_workspace_1 laradock_neo4j_1;	expect_stdout $'0\n143'

# the times of a second one are those of nothing to do
begin=${EPOCHREALTIME/./}
c --compatibility up -d php-fpm mysql mariadb postgres memcached beanstalkd beanstalkd-console;	expect_status 0
took=$(((${EPOCHREALTIME/./} - begin) / 1000))
[ $took -lt $((250 * PATIENCE)) ] || fail "it took $took ms"
c down -t 1 -v --rmi local;	expect_status 0	# beanstalkd 1.12 heeds no SIGTERM as pid 1
expect_no_leftovers
