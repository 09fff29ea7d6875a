# tests/e2e/netw_verbs.sh -- devbox network in Docker's words; options of run; what is refused
. "$(dirname "$0")/../lib/e2e.sh"

run devbox pull -q busybox;	expect_status 0
says() { expect_status "$1"; expect_stderr "devbox: $2"; }

run devbox network ls
expect_stdout 'NETWORK ID     NAME      DRIVER    SCOPE
????????????   bridge    bridge    local
????????????   host      host      local
????????????   none      null      local'
run devbox network create --label team=db --label x --driver bridge -o com.docker.network.bridge.name=x n1;	expect_status 0
id=$stdout
run devbox network create n1;	says 1 'network with name n1 already exists'
run devbox network create bridge;	says 1 'operation is not permitted on predefined bridge network'
run devbox network create --driver overlay n2;	says 1 'could not find plugin overlay*'
run devbox network create --subnet 172.18.5.0/24 n2;	says 1 'invalid pool request: Pool overlaps with other one on this address space'
run devbox network create --subnet 10.9 n2;	says 1 'invalid CIDR address: 10.9'
run devbox network create --subnet 10.9.0.0/16 --gateway 10.8.0.1 n2;	says 1 'no matching subnet for gateway 10.8.0.1'
run devbox network create 'a/b';	says 1 'invalid network name*'
run devbox network create --subnet 10.9.0.0/16 --gateway 10.9.1.1 --ipv6 --subnet fd77::/64 n2;	expect_status 0
run devbox network ls -q --no-trunc --filter label=team=db;	expect_stdout "$id"
run devbox network ls --filter type=custom --format '{{.Name}} {{.Driver}}';	expect_stdout 'n1 bridge
n2 bridge'
run devbox network inspect "${id:0:9}" -f '{{.Name}} {{index .Labels "team"}} {{(index .IPAM.Config 0).Subnet}}'
expect_stdout 'n1 db 172.18.0.0/16'
run devbox network inspect nope;	says 1 'network nope not found'
run devbox inspect --type network n2 -f '{{.EnableIPv6}} {{.Internal}} {{(index .IPAM.Config 1).Subnet}}';	expect_stdout 'true false fd77::/64'

# on run
run devbox run --rm --network nope busybox true;	says 125 'network nope not found'
run devbox run --rm --network n2 --ip 10.10.0.1 busybox true
says 125 'invalid config for network n2: invalid endpoint settings: no configured subnet contains IP address 10.10.0.1'
run devbox run --rm --ip 172.17.0.9 busybox true;	says 125 '*user specified IP address is supported on user defined networks only*'
run devbox run --rm --network n2 --ip 10.9.1.1 busybox true;	says 125 '*Address already in use: 10.9.1.1 on network n2'
run devbox run --rm --network n1 --network none busybox true;	expect_status 125;	expect_stderr_has 'conflicting options'
run devbox run --rm --network container:nope busybox true;	says 125 'No such container: nope'
run devbox run --rm --network container:nope -p 80 busybox true;	expect_status 125
expect_stderr_has 'port publishing and the container type network mode'
run devbox run -d --name c1 --network n1 --network name=n2,alias=six,ip=10.9.0.77,ip6=fd77::7:7 busybox sleep 1000;	expect_status 0
run devbox exec c1 ip -o addr
expect_stdout_has 'eth0    inet 172.18.0.2/16'
expect_stdout_has 'eth1    inet 10.9.0.77/16'
expect_stdout_has 'eth1    inet6 fd77::7:7/64'
run devbox run --rm --network n2 busybox ping -6 -c 1 -W 2 six;	expect_status 0;	expect_stdout_has '(fd77::7:7)'
run devbox inspect -f '{{.HostConfig.NetworkMode}} {{.NetworkSettings.Networks.n2.IPAddress}} {{.NetworkSettings.Networks.n2.MacAddress}}' c1
expect_stdout 'n1 10.9.0.77 02:42:0a:09:00:4d'
run devbox network rm n1 n2
expect_status 1;	expect_stderr_has 'network n1 id * has active endpoints'
# one that was stopped just now does not count
run sh -c 'devbox network create gone && devbox run -d --name gone --network gone busybox sh -c "trap exit TERM; while :; do sleep 1 & wait; done" &&
	devbox stop gone && devbox network rm gone && devbox rm gone'
expect_status 0;	expect_stderr ''
run devbox stop -t 0 c1
run devbox network prune -f;	expect_stdout ''
run devbox network rm n1;	expect_stdout 'n1'
run devbox start c1;	expect_status 1;	expect_stderr_has 'network n1 not found'
run devbox rm c1
run devbox network rm n2 nope;	says 1 'network nope not found';	expect_stdout 'n2'
run devbox network rm -f nope;	expect_status 0
run devbox network rm bridge;	says 1 'bridge is a pre-defined network and cannot be removed'
run devbox events --since 1h --until 0s --filter type=network --format '{{.Action}} {{.Actor.Attributes.name}}'
expect_stdout 'create n1
create n2
connect n1
connect n2
connect n2
disconnect n2
disconnect n1
disconnect n2
destroy n1
destroy n2'
expect_no_leftovers
