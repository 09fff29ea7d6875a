# tests/e2e/run_oneid.sh -- without subordinate ids, and so without newuidmap: databases, branches, images with a user
# packages: mariadb-client-core postgresql-client redis-tools git
# timeout: 180
. "$(dirname "$0")/../lib/e2e.sh"
AS=dbx0

# the main job, as typed: MySQL begins as its own user, and its files are the caller's on the host
run devbox run -qd --wait mysql --name my -p 3306 -e MYSQL_DATABASE=app -e MYSQL_ROOT_PASSWORD=pw
expect_status 0
expect_equal "$stderr" '' 'no warning'
run mariadb --protocol=tcp -h 127.0.0.1 -P 3306 -uroot -ppw -e 'CREATE TABLE app.t (a INT); INSERT INTO app.t VALUES (7)'
expect_status 0
run devbox exec my id -u;			expect_stdout '0'
run devbox exec my sh -c 'stat -c %U /var/lib/mysql/app';	expect_stdout 'root'
run devbox exec -u mysql my sh -c 'id -un; stat -c %U /var/lib/mysql/app; grep CapEff: /proc/self/status'
expect_stdout $'mysql\nmysql\nCapEff:\t0000000000000000'
run devbox exec -u 5 my true
expect_status 126
expect_stderr 'devbox: user 5: with one user id this container has only root and 999 (hint: *devbox doctor*'
run sh -c 'devbox inspect -f "{{(index .Mounts 0).Source}}" my | xargs stat -c %U';	expect_stdout 'dbx0'
run devbox restart my;				expect_status 0
run devbox exec my sh -c 'for i in $(seq 100); do mysqladmin -uroot -ppw ping 2>/dev/null && break; sleep 0.1; done
	mysql -uroot -ppw -Ne "SELECT a FROM app.t" 2>/dev/null'
expect_stdout_has '7'
# what enters a running container finds root's namespace, not the server's
run devbox network create nn;			expect_status 0
run devbox network connect nn my;		expect_status 0
run devbox run -q --rm --network nn busybox nslookup my;	expect_status 0
run sh -c 'devbox cp my:/var/lib/mysql/auto.cnf - | tar t';	expect_stdout 'auto.cnf'
run devbox run --rm --network container:my mysql mysql -h127.0.0.1 -uroot -ppw -Ne 'SELECT a FROM app.t'
expect_stdout '7'
run devbox rm -f -v my;				expect_status 0
run devbox network rm nn;			expect_status 0

run devbox run -qd --wait --name pg -p 5432 -e POSTGRES_PASSWORD=pw postgres
expect_status 0
run psql postgres://postgres:pw@127.0.0.1:5432/postgres -Atc 'SELECT 1';	expect_stdout '1'
run devbox rm -f -v pg;				expect_status 0
run devbox run -qd --wait --name kv -p 6379 redis;	expect_status 0
run redis-cli -h 127.0.0.1 -p 6379 PING;	expect_stdout 'PONG'
run devbox rm -f -v kv;				expect_status 0

# a database for each branch
run sh -c 'mkdir p && cd p && git init -q . && git config user.email a@b.c && git config user.name n &&
	git commit -q --allow-empty -m x && devbox db up redis &&
	redis-cli -u "$(devbox db url)" SET k one && redis-cli -u "$(devbox db url)" SAVE &&
	git switch -q -c feature && devbox db up && redis-cli -u "$(devbox db url)" GET k'
expect_status 0
expect_stdout '*one'
run sh -c 'cd p && devbox db rm --all';	expect_status 0

# an image's own user; owners that are given away in a build are the user's all the same
run sh -c 'mkdir b && cd b && cat >Dockerfile <<D
FROM busybox
RUN echo app:x:1000:1000::/:/bin/sh >>/etc/passwd && mkdir /data && chown -R 1000:1000 /data && touch /root-s
USER app
RUN touch /data/x
CMD id -u && stat -c "%U" /data/x /root-s && ! chown 5 /data/x
D
devbox build -q -t own .'
expect_status 0
run devbox run --rm own
expect_status 0
expect_stdout $'1000\napp\napp'
run devbox run --rm --init -u 33 busybox id -u;	expect_stdout '33'
# who is root and becomes another: at once, or, with several threads, as the next program; for good
run devbox run --rm mysql setpriv --reuid=mysql --regid=mysql --clear-groups sh -c 'id; touch /tmp/f; stat -c %U /tmp/f'
expect_stdout $'uid=999(mysql) gid=999(mysql) groups=999(mysql)\nmysql'
run devbox run --rm mysql perl -MPOSIX -e 'POSIX::setgid(33); POSIX::setuid(33); print "$< $> $(\n"; POSIX::setuid(0) and print "root again"; exec "id"'
expect_stdout $'33 33 33 33\nuid=33(www-data) gid=33(www-data) groups=33(www-data)'
# many at a time, and one after the other, each with a status of its own
run timeout 60 devbox run --rm mysql sh -c 'for i in $(seq 60); do gosu mysql sh -c "id -u; exit 3" >/tmp/o.$i || echo $? >/tmp/s.$i & done
	wait; cat /tmp/o.* /tmp/s.* | sort | uniq -c | tr -s " "'
expect_stdout $' 60 3\n 60 999'
run devbox run --rm mysql sh -c 'gosu mysql gosu root true || gosu mysql no-such-program || gosu mysql sh -c "kill -TERM \$\$"'
expect_status 143
# not more than the filter allows those who have all ids
run devbox run --rm mysql unshare -U true
expect_status 1;	expect_stderr 'unshare: unshare failed: Operation not permitted'
run devbox run --rm mysql gosu mysql unshare -U true
expect_status 1;	expect_stderr 'unshare: unshare failed: Operation not permitted'
# Docker's socket is root's in the container, though everybody in there has its owner's id: who has dropped his rights,
# or begins without, does not get an answer; nor from a service whose socket was mounted
ping='use IO::Socket::UNIX; my $s = IO::Socket::UNIX->new("/run/docker.sock") or die; $SIG{PIPE} = "IGNORE";
	print $s "GET /_ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"; $s->flush; my $l = <$s>; print $l // "none\n"'
run devbox run --rm --network none -v /var/run/docker.sock:/run/docker.sock mysql sh -c 'perl -e "$0"; gosu mysql perl -e "$0"' "$ping"
expect_stdout $'HTTP/1.1 200 OK\r\nnone'
run devbox run --rm --network none -u 999 -v /var/run/docker.sock:/run/docker.sock mysql perl -e "$ping";	expect_stdout none
run devbox run --rm --network none --privileged -u 999 -v /var/run/docker.sock:/run/docker.sock mysql unshare -Ur perl -e "$ping"
expect_stdout none
run devbox with sh -c 'devbox run --rm --network none -v "${DOCKER_HOST#unix://}:/run/docker.sock" mysql sh -c "perl -e \"\$0\"; gosu mysql perl -e \"\$0\"" "$0"' "$ping"
expect_stdout $'HTTP/1.1 200 OK\r\nnone'
run devbox run -d --name web -p 8080:80 nginx;	expect_status 0
web_answers() { run curl -sf http://127.0.0.1:8080/; [ "$status" = 0 ]; }
eventually 10 web_answers
run devbox logs web;	[[ $stderr != *failed* ]] || fail 'a worker could not become its user'
# a monitor that is killed takes all of it along
run devbox run -d --name kv redis;		expect_status 0
run sh -c 'pkill -9 -f "[d]evbox: monitor of kv"';	expect_status 0
ids_gone() { run pgrep -f '[d]evbox: ids of kv'; [ "$status" = 1 ]; }
eventually 10 ids_gone
run devbox rm -f -v kv web;			expect_status 0
expect_no_leftovers
