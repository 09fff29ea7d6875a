# tests/e2e/compose_laradock.sh -- a web farm: balancer, scaled web containers, MySQL, Redis, volumes of ended containers
# timeout: 200
. "$(dirname "$0")/../lib/e2e.sh"

tar -C "$lib/../../examples" -c laradock | e2e_as tar x
c() { run sh -c 'cd laradock && exec devbox compose "$@"' sh "$@"; }
visit() { e2e_as curl -s -m 5 -b jar -c jar http://127.0.0.1:8080/; }

# what people's files of this kind have, and cannot be: each with what to write instead
refused() {	# VOLUME MESSAGE
	run sh -c 'mkdir -p bad && cd bad && printf "services: {data: {image: busybox, volumes: [\"%s\"]}}\nvolumes: {v: }\n" "$0" >compose.yaml &&
		devbox compose up -d' "$1"
	expect_status 1;	expect_stderr_has "$2"
	run sh -c 'cd bad && devbox compose down';	expect_status 0
}
closed=${E2E_TMP##*/}
refused "$E2E_TMP:/var/lib/mysql" "compose.yaml:1:*bind source $E2E_TMP: Permission denied (hint: it is not yours: use a named volume instead, $closed:/var/lib/mysql, and have $closed: in the volumes of the file)"
refused /var/lib/nowhere/redis/:/data "compose.yaml:1:*bind source /var/lib/nowhere/redis: Permission denied (hint: it is not yours: * redis:/data, and have redis: in *)"
refused D:/mysql/data:/var/lib/mysql 'compose.yaml:1:*D:/mysql/data: a Windows path means nothing on Linux (hint: *under WSL 2 drive D: is /mnt/d)'
refused v:/data "invalid mount path: 'v:/data' mount path must be absolute (hint: a single letter is read as a Windows drive: *)"

# a directory that the user may look at, and no more, is not for a database's data
run devbox run --rm -v /var/lib:/var/lib/mysql mysql;	expect_status 125
expect_stderr_has 'bind source /var/lib: Permission denied (hint: it is not yours: use a named volume instead, -v NAME:/var/lib/mysql)'

c up -d lb web mysql redis;	expect_status 0
expect_stderr_has 'lb: port 80 needs root on this host: it is published on 8080'
case $stderr in *workspace*) fail 'workspace was not asked for' ;; esac
run devbox wait laradock_application_1 laradock_data_1;	expect_stdout $'0\n0'
c ps -a --format '{{.Name}} {{.State}}'
expect_stdout 'laradock_application_1 exited
laradock_data_1 exited
laradock_lb_1 running
laradock_mysql_1 running
laradock_redis_1 running
laradock_web_1 running'
c ps --format '{{.Ports}}' web;	expect_stdout '80/tcp, 9000/tcp'
pty sh -c 'cd laradock && exec devbox compose ps lb' </dev/null
expect_status 0;	expect_stdout_has 'http://laradock.localhost:8080 leads to laradock_lb_1'
run devbox wait --ready laradock_mysql_1;	expect_status 0
c run --rm -T web php artisan migrate;	expect_status 0; expect_stdout 'Migrated: create_visits_table'
c run --rm -T workspace php artisan put foo bar;	expect_status 0
first() { [[ $(visit) == *'"all":'*'"cached":"bar"'* ]]; }
eventually 10 first

# three of them behind one name: each is asked, they share the session and the database
c scale web=3;	expect_status 0
hosts() { for _ in 1 2 3 4 5 6; do visit; done | grep -o '"host":"[0-9a-f]*"' | sort -u; }
three() { [ "$(hosts | wc -l)" = 3 ]; }
eventually 20 three
before=$(visit | grep -o '"yours":[0-9]*' | cut -d: -f2)
after=$(visit | grep -o '"yours":[0-9]*' | cut -d: -f2)
expect_equal "$after" $((before + 1))
c exec -T mysql mysql -uhomestead -psecret homestead -Ne 'SELECT COUNT(DISTINCT host) FROM visits'
expect_stdout 3
run curl -s -m 5 -u stats:stats http://127.0.0.1:1936/;	expect_stdout_has 'laradock_web_3_80'

# what six containers and a network cost beside their own programs
expect_equal "$(e2e_as devbox ps -q | wc -l)" 6
mapfile -t ours < <(pgrep -f '^devbox: ' | sed 's,.*,/proc/&/smaps_rollup,')
cost=$(awk '/^Pss:/ { sum += $2 } END { print sum }' "${ours[@]}")
[ "$cost" -gt 0 ] && [ "$cost" -lt 10000 ] || fail "it is $cost kB"

# an unchanged project is up at once; the containers stay the same
ids() { e2e_as sh -c 'cd laradock && devbox compose ps -q lb web mysql redis'; }
same=$(ids)
begin=${EPOCHREALTIME/./}
c up -d --scale web=3 lb web mysql redis;	expect_status 0
took=$(((${EPOCHREALTIME/./} - begin) / 1000))
[ $took -lt $((250 * PATIENCE)) ] || fail "it took $took ms"
expect_equal "$(ids)" "$same"

# fewer of them: the balancer has heard of that, too
c scale web=2;	expect_status 0
two() { [ "$(hosts | wc -l)" = 2 ]; }
eventually 20 two
run curl -s -m 5 -u stats:stats http://127.0.0.1:1936/
[[ $stdout != *laradock_web_3* ]] || fail 'the balancer still knows the third'
run devbox logs laradock_lb_1;	expect_stdout_has 'balancing between laradock_web_1:80, laradock_web_2:80'

# settings for programs of the host; the address that published ports have
run env -C "$(home)/laradock" devbox env -f laravel
expect_stdout 'DB_CONNECTION=mysql
DB_HOST=127.0.0.1
DB_PORT=3306
DB_DATABASE=homestead
DB_USERNAME=homestead
DB_PASSWORD=secret
REDIS_HOST=127.0.0.1
REDIS_PASSWORD=null
REDIS_PORT=6379'
run env -C "$(home)/laradock" devbox db url;	expect_stdout $'mysql://homestead:secret@127.0.0.1:3306/homestead\nredis://127.0.0.1:6379/0'
run env -C "$(home)/laradock" devbox db url nosuch;	expect_status 1;	expect_stderr 'devbox: not in a git work tree *'
run env -C "$(home)/laradock" devbox env -f url mysql;	expect_stdout 'mysql://homestead:secret@127.0.0.1:3306/homestead'
run sh -c 'cd laradock && printf "APP_NAME=x\nDB_HOST=mysql\nexport DB_PORT=1\n# end\n" >src/.env && devbox env --laravel -w src/.env && cat src/.env'
expect_stdout 'APP_NAME=x
DB_HOST=127.0.0.1
DB_PORT=3306
# end
DB_CONNECTION=mysql
DB_DATABASE=homestead
DB_USERNAME=homestead
DB_PASSWORD=secret
REDIS_HOST=127.0.0.1
REDIS_PASSWORD=null
REDIS_PORT=6379'
run sh -c 'cd laradock && devbox env -f dotenv -w new.env && stat -c %a new.env && ls -A';	expect_stdout_has 600
case $stdout in *.new.env*) fail 'something stays beside new.env' ;; esac
run env -C "$(home)/laradock" devbox env -w src/.env
expect_status 1;	expect_stderr 'devbox: --write needs lines of KEY=value (hint: -f dotenv or -f laravel)'
run devbox ip;	expect_stdout 127.0.0.1
run devbox ip laradock_mysql_1 laradock_redis_1;	expect_stdout $'172.18.0.*\n172.18.0.*'
run curl -s -m 5 http://quickstart.localhost:8080/;	expect_stdout_has '"cached":"bar"'

# what was removed is made again, those that are linked to it find it; an unsaved Redis would not have ended by itself
c stop;		expect_status 0
run devbox inspect -f '{{.State.ExitCode}}' laradock_redis_1 laradock_mysql_1;	expect_stdout $'0\n0'
c rm -f redis;	expect_status 0; expect_stderr_has 'Container laradock_redis_1  Removed'
c up -d --wait lb web mysql redis;	expect_status 0
first() { [[ $(visit) == *'"all":'*'"cached":"bar"'* ]]; }
eventually 20 first
c stop;		expect_status 0
c rm -f redis;	expect_status 0; expect_stderr_has 'Container laradock_redis_1  Removed'
c down;		expect_status 0
run devbox volume ls -q;	expect_stdout_has laradock_mysql
c down -v;	expect_status 0
expect_no_leftovers
