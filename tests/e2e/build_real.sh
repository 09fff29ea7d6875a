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
RUN apt-get install -y --no-install-recommends nginx-light php-fpm supervisor \
	&& rm -rf /var/lib/apt/lists/* \
	&& ln -s "$(echo /usr/sbin/php-fpm*)" /usr/local/sbin/php-fpm \
	&& sed -i 's|^listen = .*|listen = 127.0.0.1:9000|' /etc/php/*/fpm/pool.d/www.conf
COPY default /etc/nginx/sites-available/default
COPY supervisord.conf /etc/supervisor/conf.d/web.conf
COPY --chown=www-data:www-data index.php /var/www/html/
EXPOSE 80
CMD ["supervisord", "-n", "-c", "/etc/supervisor/supervisord.conf"]

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
	root /var/www/html;
	index index.php;
	location ~ \.php$ { include snippets/fastcgi-php.conf; fastcgi_pass 127.0.0.1:9000; }
}
CONF
file supervisord.conf <<'CONF'
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
