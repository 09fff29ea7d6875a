# tests/e2e/netw_links.sh -- links with their settings, another container's network, published ports seen from inside
. "$(dirname "$0")/../lib/e2e.sh"

run devbox pull -q busybox;	expect_status 0
run devbox run -d --name db -e MYSQL_DATABASE=app --expose 3306 --expose 33060/udp busybox sleep 1000;	expect_status 0
run devbox run --rm --link db:mysql --link db --name web busybox env
expect_status 0
for want in MYSQL_NAME=/web/mysql MYSQL_PORT=tcp://172.17.0.2:3306 MYSQL_PORT_3306_TCP_ADDR=172.17.0.2 \
	MYSQL_PORT_3306_TCP_PORT=3306 MYSQL_PORT_3306_TCP_PROTO=tcp MYSQL_PORT_33060_UDP=udp://172.17.0.2:33060 \
	MYSQL_ENV_MYSQL_DATABASE=app DB_PORT_3306_TCP=tcp://172.17.0.2:3306; do
	expect_stdout_has "$want"
done
run devbox run -d --name user --link db:mysql busybox sleep 1000;	expect_status 0
run devbox exec user ping -c 1 -W 2 mysql;	expect_stdout_has '(172.17.0.2)'
run devbox exec user grep mysql /etc/hosts;	expect_stdout '172.17.0.2*mysql ???????????? db'
run devbox inspect -f '{{index .HostConfig.Links 0}}' user;	expect_stdout '/db:/user/mysql'
run devbox run --rm --link nope busybox true;	expect_status 125;	expect_stderr_has 'could not get container for nope'
run devbox stop -t 0 db;	expect_status 0
run devbox run --rm --name late --link db:d busybox true;	expect_status 125
expect_stderr_has 'Cannot link to a non running container: /db AS /late/d'
run devbox start db;	expect_status 0

# on a network of one's own another container of that name may take its place, while it is linked to or later
run devbox network create own;	expect_status 0
run devbox run -d --name first --network own --expose 1 busybox sleep 1000;	expect_status 0
run devbox run -d --name of --network own --link first:peer busybox sh -c 'env; exec sleep 1000';	expect_status 0
run devbox rm -f first;	expect_status 0
run devbox restart -t 0 of;	expect_status 0
run devbox inspect -f '{{json .HostConfig.Links}}' of;	expect_stdout null
run devbox run -d --name first --network own --ip 172.18.0.9 --expose 2 busybox sleep 1000;	expect_status 0
run devbox exec of ping -c 1 -W 2 peer;	expect_stdout_has '(172.18.0.9)'
run devbox restart -t 0 of;	expect_status 0
run devbox exec of ping -c 1 -W 2 peer;	expect_stdout_has '(172.18.0.9)'
run devbox logs --tail 20 of;	expect_stdout_has 'PEER_PORT_2_TCP_ADDR=172.18.0.9'
run devbox create --name joined busybox sleep 1000;	expect_status 0
run devbox network connect --link first:mate own joined;	expect_status 0
run devbox network connect --link nope own user;	expect_status 1;	expect_stderr_has 'could not get container for nope'
run devbox start joined;	expect_status 0
run devbox exec joined ping -c 1 -W 2 mate;	expect_stdout_has '(172.18.0.9)'
run devbox rm -f first of joined;	expect_status 0
run devbox network rm own;	expect_status 0

# one network, two containers
run devbox run -d --name side --network container:db busybox sleep 1000;	expect_status 0
run devbox exec side ip -o -4 addr show eth0;	expect_stdout_has '172.17.0.2/16'
run devbox exec -d side nc -ll -p 3306 -e echo shared;	expect_status 0
run devbox run --rm busybox sh -c 'i=0; until nc -w 2 db 3306 2>/dev/null; do [ $((i += 1)) -lt 50 ] || exit 1; usleep 50000; done'
expect_stdout 'shared'
run devbox exec db nc -w 2 127.0.0.1 3306;	expect_stdout 'shared'
run devbox inspect -f '{{.HostConfig.NetworkMode}}' side;	expect_stdout 'container:????????????????????????????????????????????????????????????????'
run devbox rm -f side
run devbox run -d --name stopped --network container:db busybox true
run devbox stop -t 0 db
run devbox start stopped;	expect_status 1;	expect_stderr_has 'cannot join network of a non running container'
run devbox rm -f db user stopped

# a published port: at the gateway for the same network, at the host's own address for all
run devbox network create n1;	expect_status 0
run devbox network create n2;	expect_status 0
run devbox run -d --network n1 --name srv -p 18401:80 -p 198.51.100.2:18402:80 busybox sh -c 'echo hello >/tmp/f; nc -ll -p 80 -e cat /tmp/f'
expect_status 0
get() { run devbox run --rm --network "$1" busybox sh -c 'i=0; until nc -w 2 $0 $1; do [ $((i += 1)) -lt 3 ] || exit 1; usleep 100000; done' "$2" "$3"; }
get n1 172.18.0.1 18401;	expect_stdout 'hello'
get n1 198.51.100.2 18402;	expect_stdout 'hello'
get n2 198.51.100.2 18402;	expect_stdout 'hello'
get n2 172.19.0.1 18401;	expect_status 1;	expect_stderr_has 'refused'
get n1 172.18.0.1 22;	expect_status 1;	expect_stderr_has 'refused'
run devbox rm -f srv
run devbox network rm n1 n2;	expect_status 0
expect_no_leftovers
