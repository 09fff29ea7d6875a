# tests/e2e/build_real.sh -- images people really build, from Debian packages, and what they do when they run
# timeout: 300
. "$(dirname "$0")/../lib/e2e.sh"

dir=$(home)/ctx
file() { mkdir -p "$(dirname "$dir/$1")"; cat >"$dir/$1"; chown -R "$(stat -c %u:%g "$(home)")" "$dir"; }
port() { run devbox port "$1" "$2"; expect_status 0; port=${stdout##*:}; port=${port%%$'\n'*}; }
http() { run curl -sf -m 5 "http://127.0.0.1:$port/$1"; }
http_has() { http "$1"; [[ $stdout == *$2* ]]; }

# --- nginx, php-fpm and supervisor in one container; a Django project; a C program from a stage of its own; a server
# for Node, bundled in one stage and run in another
file Dockerfile <<'DF'
FROM debian AS apt
ENV DEBIAN_FRONTEND=noninteractive
RUN apt-get update

FROM apt AS web
RUN DEBIAN_FRONTEND=noninteractive
RUN apt-get install -y --no-install-recommends nginx-light php-fpm supervisor \
	&& rm -rf /var/lib/apt/lists/* \
	&& ln -s "$(echo /usr/sbin/php-fpm*)" /usr/local/sbin/php-fpm \
	&& sed -i 's|^listen = .*|listen = 127.0.0.1:9000|' /etc/php/*/fpm/pool.d/www.conf
COPY default /etc/nginx/sites-available/default
COPY supervisord.conf /etc/
RUN sed -i 's/^user .*/user root;/' /etc/nginx/nginx.conf && usermod -u 1000 www-data
COPY --chown=www-data:www-data index.php /var/www/html/
EXPOSE 80
CMD ["/usr/bin/supervisord", "-n", "-c", "/etc/supervisord.conf"]

FROM apt AS django
RUN apt-get install -y --no-install-recommends python3-django
RUN useradd -m app
USER app
WORKDIR /home/app
RUN django-admin startproject demo && echo "ALLOWED_HOSTS = ['*']" >> demo/demo/settings.py
WORKDIR demo
EXPOSE 8000
CMD ["python3", "manage.py", "runserver", "--noreload", "0.0.0.0:8000"]

FROM apt AS compile
RUN apt-get install -y --no-install-recommends gcc libc6-dev
COPY hello.c .
RUN gcc -O2 -static -o /hello hello.c && strip /hello
FROM scratch AS hello
COPY --from=compile /hello /hello
ENTRYPOINT ["/hello"]
CMD ["world"]

FROM apt AS node
RUN apt-get install -y --no-install-recommends nodejs
FROM node AS bundle
WORKDIR /src
COPY app .
RUN --mount=type=cache,target=/root/.cache node build.js greet.js main.js
FROM node AS server
COPY --from=bundle --chown=nobody /src/dist/server.js /srv/
USER nobody
EXPOSE 3000
CMD ["node", "/srv/server.js"]
DF
file app/build.js <<'JS'
const fs = require('fs');
fs.mkdirSync('dist');
fs.writeFileSync('dist/server.js', process.argv.slice(2).map(f => fs.readFileSync(f)).join(''));
JS
file app/greet.js <<<'const greet = () => `node says ${6 * 7} as ${require("os").userInfo().username}`;'
file app/main.js <<'JS'
process.on('SIGTERM', () => process.exit(0));
require('http').createServer((request, response) => response.end(greet())).listen(3000);
JS
file default <<'CONF'
server {
	listen 80 default_server;
	listen [::]:80 default_server ipv6only=on;
	root /var/www/html;
	index index.php;
	location ~ \.php$ { include snippets/fastcgi-php.conf; fastcgi_pass 127.0.0.1:9000; }
}
CONF
file supervisord.conf <<'CONF'
[unix_http_server]
file=/var/run/supervisor.sock
chmod=0770
chown=root:www-data
[inet_http_server]
port=1936
[supervisord]
user=root
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix:///var/run/supervisor.sock
[program:nginx]
command=nginx -g "daemon off;"
[program:php]
command=php-fpm -F
CONF
file index.php <<<'<?php echo "php says ", 6 * 7, " as ", posix_getpwuid(posix_geteuid())["name"];'
file hello.c <<<$'#include <stdio.h>\nint main(int c, char **v) { (void)c; return !printf("hello %s\\n", v[1]); }'
for target in web django hello server; do
	start "$target" devbox build -t "$target" --target "$target" ctx
done
for target in web django hello server; do finish "$target"; expect_status 0; done
run devbox run --rm hello;			expect_status 0; expect_stdout 'hello world'
run devbox run --rm hello you;			expect_stdout 'hello you'
run devbox image inspect -f '{{len .RootFS.Layers}}' hello;	expect_stdout 1
run devbox run -d --name web -p 80 web;		expect_status 0
run devbox run -d --name django -p 8000 django;	expect_status 0
run devbox run -d --name server -p 3000 server;	expect_status 0
port web 80;		eventually 30 http_has '' 'php says 42 as www-data'
run devbox exec web sh -c 'stat -c "%a %U:%G" /var/run/supervisor.sock; id -u www-data; ps -o user= -C nginx | sort -u; supervisorctl -c /etc/supervisord.conf status; supervisorctl -s http://127.0.0.1:1936 pid'
expect_stdout '770 root:www-data
1000
root
nginx *ING*
php *ING*
1'
run devbox exec web python3 -c 'from urllib.request import *; print(urlopen("http://[::1]/").read().decode())'
expect_stdout 'php says 42 as www-data'
port django 8000;	eventually 30 http_has '' 'install worked successfully'
port server 3000;	eventually 30 http_has '' 'node says 42 as nobody'
run devbox run --rm server ls /src;		expect_status 2
run devbox rm -f web django server;		expect_status 0

# --- a load balancer, as found in the field: a last line that ends in a backslash
file lb/Dockerfile <<'DF'
FROM haproxy
USER root
RUN mkdir -p /usr/local/etc/haproxy && printf 'defaults\n mode http\n timeout client 5s\n timeout server 5s\n timeout connect 5s\n' >> /usr/local/etc/haproxy/haproxy.cfg && \
    printf 'frontend f\n bind *:8080\n http-request return status 200 content-type text/plain string balanced\n' >> /usr/local/etc/haproxy/haproxy.cfg \
DF
run devbox build -q -t lb ctx/lb;		expect_status 0
run devbox run -d --name lb -p 8080 lb;		expect_status 0
port lb 8080;		eventually 20 http_has '' balanced

# --- old files have RUNs that mean nothing, and releases whose packages are elsewhere now: that is said
file old/Dockerfile <<'DF'
FROM debian
MAINTAINER Ann <ann@example.org>
RUN DEBIAN_FRONTEND=noninteractive
RUN test -z "$DEBIAN_FRONTEND"
RUN rm -f /etc/apt/sources.list.d/* && echo deb http://deb.debian.org/debian jessie main >/etc/apt/sources.list
RUN apt-get update && apt-get install -y vim
DF
run devbox build ctx/old;			expect_status 1
expect_stderr_has "Dockerfile:6: process *exit code: 100 (hint: the image's package source http://deb.debian.org/debian jessie is not there: *"

# --- databases with settings of their own
file redis/redis.conf <<<$'maxmemory 7mb\nbind 0.0.0.0\nprotected-mode no'
file redis/Dockerfile <<'DF'
FROM redis
COPY redis.conf /usr/local/etc/redis/redis.conf
CMD ["redis-server", "/usr/local/etc/redis/redis.conf"]
DF
file db/master/my.cnf <<<$'[mysqld]\nserver_id = 77\nlog_bin = binlog'
chmod 666 "$dir/db/master/my.cnf"	# the server ignores a file everybody may write: it says so
file db/Dockerfile <<'DF'
FROM mysql
ADD --chmod=644 ./master/my.cnf /etc/mysql/conf.d/own.cnf
DF
run devbox build -q -t my-redis ctx/redis;	expect_status 0
run devbox build -q -t my-db ctx/db;		expect_status 0
run devbox run -d --wait --name redis my-redis;	expect_status 0
run devbox run -d --wait --name db -e MYSQL_ROOT_PASSWORD=pw my-db;	expect_status 0
run devbox exec redis redis-cli config get maxmemory;	expect_stdout_has 7340032
run devbox exec db mysql -uroot -ppw -NBe 'select @@server_id';	expect_stdout 77
run devbox build -t my-db ctx/db;		expect_stderr_has $'#2 CACHED'
run devbox rm -fv lb redis db;			expect_status 0
expect_no_leftovers
