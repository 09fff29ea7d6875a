# tests/e2e/netw_names.sh -- containers of a network know each other by name, others do not; live changes; addresses stay
. "$(dirname "$0")/../lib/e2e.sh"

run devbox pull -q busybox;	expect_status 0
pings() { run devbox exec "$1" ping -c 1 -W 2 "$2"; expect_status 0; [ $# = 2 ] || expect_stdout_has "($3)"; }
unknown() { run devbox exec "$1" ping -c 1 -W 2 "$2"; expect_status 1; expect_stderr_has 'bad address'; }
ip_of() { run devbox inspect -f "{{(index .NetworkSettings.Networks \"$2\").IPAddress}}" "$1"; expect_status 0; }
sleeper() { run devbox run -d --name "$@" busybox sleep 1000; expect_status 0; }

# the default network: names work there, too
sleeper a1
sleeper a2
pings a1 a2 172.17.0.3
run devbox exec a1 cat /etc/resolv.conf;	expect_stdout_has 'nameserver 172.17.255.254'

run devbox network create app --subnet 172.30.0.0/16 --ip-range 172.30.7.0/24;	expect_status 0
expect_match "$stdout" '????????????????????????????????????????????????????????????????'
run devbox network create closed --internal;	expect_status 0
sleeper web --network app --network-alias www --ip 172.30.0.10
sleeper cli --network app
sleeper iso --network closed
ip_of cli app;	expect_stdout '172.30.7.0'
pings cli web 172.30.0.10
pings cli www 172.30.0.10
pings web cli
pings web "$(devbox_id=$(as dbx1 e2e_as devbox ps -q --filter name=cli); echo "$devbox_id")"
run devbox exec cli nslookup 172.30.0.10;	expect_stdout_has 'web.app'
# apart: other networks' names, addresses and gateways
unknown a1 web
unknown cli a1
unknown iso web
run devbox exec a1 ping -c 1 -W 1 172.30.0.10;	expect_status 1
run devbox exec cli ping -c 1 -W 1 172.17.0.2;	expect_status 1
# no way out of a closed one
run devbox exec iso ping -c 1 -W 2 198.51.100.1;	expect_status 1;	expect_stderr_has 'unreachable'
run devbox exec iso nslookup outside.test;	expect_status 1;	expect_stdout_has 'NXDOMAIN'
run devbox inspect -f '{{.State.Pid}}' iso
nsenter -t "$stdout" -n sh -c 'ip route add default via 172.18.0.1 &&
	timeout 2 bash -c "exec 3<>/dev/tcp/198.51.100.1/7"' 2>/dev/null &&
	fail 'a route of its own leads out of a closed network'

# a name that several have: all of their addresses, in turn another one first
sleeper r1 --network app --network-alias pool
sleeper r2 --network app --network-alias pool
run devbox exec cli sh -c 'nslookup -type=a pool | grep -c "^Address: 172.30.7"';	expect_stdout '2'
run devbox exec cli sh -c 'for i in 1 2 3 4; do ping -c 1 -W 2 pool | sed -n "1s/.*(\(.*\)):.*/\1/p"; done | sort -u | wc -l'
expect_stdout '2'
run devbox rm -f r2;	expect_status 0
run devbox exec cli sh -c 'nslookup -type=a pool | grep -c "^Address: 172.30.7"';	expect_stdout '1'

# on two networks: both devices, both networks' names
run devbox network connect --alias both closed cli;	expect_status 0
run devbox exec cli ip -o -4 addr;	expect_stdout_has 'eth0    inet 172.30.7.0/16*eth1    inet 172.18.0.3/16'
pings cli iso
pings iso both 172.18.0.3
pings cli web
run devbox exec cli wget -q -O - http://outside.test/;	expect_status 0;	expect_stdout_has 'peer 198.51.100.2'
run devbox network connect closed cli;	expect_status 1
expect_stderr 'devbox: endpoint with name cli already exists in network closed'
run devbox ps --filter network=closed --format '{{.Names}} {{.Networks}}';	expect_stdout 'iso closed
cli app,closed'
# the default route moves on
run devbox network connect bridge cli;	expect_status 0
run devbox network disconnect app cli;	expect_status 0
run devbox exec cli ip route;	expect_stdout_has 'default via 172.17.0.1'
pings cli a1 172.17.0.2
unknown cli web
unknown web cli
run devbox network disconnect app cli;	expect_status 1
expect_stderr 'devbox: container * is not connected to network app'
run devbox network connect app cli;	expect_status 0
# another name at once
run devbox rename web shop;	expect_status 0
pings cli shop 172.30.0.10
# addresses stay, through restarts and without the container's wish
ip_of cli app;	kept=$stdout
run devbox stop -t 0 cli;	expect_status 0
sleeper later --network app
ip_of later app;	[ "$stdout" != "$kept" ] || fail 'the address of a stopped container was given away'
run devbox start cli;	expect_status 0
ip_of cli app;	expect_stdout "$kept"
pings later cli "$kept"
run devbox restart -t 0 shop;	expect_status 0
pings later www 172.30.0.10
# what was asked for is written down
run devbox network inspect app
expect_stdout_has '"Subnet": "172.30.0.0/16"'
expect_stdout_has '"IPv4Address": "172.30.0.10/16"'

run devbox rm -f a1 a2 shop cli iso r1 later;	expect_status 0
# a route of the host comes up where the default network is: it moves, new ones stay away
ip route add 172.16.0.0/14 via 198.51.100.1
run devbox run --rm busybox ip -o -4 addr show eth0;	addr=$stdout
run devbox network create aside
run devbox network inspect aside -f '{{(index .IPAM.Config 0).Subnet}}';	subnet=$stdout
ip route del 172.16.0.0/14
expect_match "$addr" '*inet 172.20.0.2/16*'
expect_equal "$subnet" 172.21.0.0/16
run devbox network rm aside;	expect_status 0
run devbox network prune -f;	expect_stdout 'Deleted Networks:
app
closed*'
expect_no_leftovers
