# tests/e2e/api_objects.sh -- networks and volumes through Docker's API, by the docker CLI and python3-docker
. "$(dirname "$0")/../lib/e2e.sh"

sock=$(store)/docker.sock
run devbox pull -q dockercli;	expect_status 0
start service devbox system service
eventually 5 test -S "$sock"
run devbox run -d --name cli --network none -v "$sock:/run/docker.sock" -e DOCKER_HOST=unix:///run/docker.sock dockercli sleep 1000
expect_status 0
in_cli() { run devbox exec cli "$@"; }
api() { in_cli curl -s --unix-socket /run/docker.sock "$@"; }

# --- networks -------------------------------------------------------------------------------------------------------------
in_cli docker version --format '{{.Server.APIVersion}} {{.Server.Os}}';	expect_stdout '1.44 linux'
in_cli docker network create --label team=db --subnet 10.77.0.0/16 --ip-range 10.77.1.0/24 --gateway 10.77.0.9 -o x=y n1
expect_status 0;	expect_stdout '????????????????????????????????????????????????????????????????'
run devbox network inspect n1 -f '{{.Labels}} {{.Options}} {{(index .IPAM.Config 0).Gateway}}';	expect_stdout 'map?team:db? map?x:y? 10.77.0.9'
in_cli docker network create n1;	expect_status 1;	expect_stderr 'Error response from daemon: network with name n1 already exists'
in_cli docker network create --driver overlay n2;	expect_status 1;	expect_stderr_has 'could not find plugin overlay'
in_cli docker network create --aux-address a=10.78.0.2 --subnet 10.78.0.0/16 n2;	expect_status 1;	expect_stderr_has 'AuxiliaryAddresses are not supported'
in_cli docker network create --scope swarm n2;	expect_status 1;	expect_stderr_has 'swarm networks are not supported'
in_cli docker network ls --filter label=team=db --format '{{.Name}} {{.Driver}}';	expect_stdout 'n1 bridge'
in_cli docker network inspect n1 nope;	expect_status 1;	expect_stderr 'Error: No such network: nope'
run devbox network create n2;	expect_status 0
in_cli docker network connect --alias nick --ip 10.77.1.7 n1 cli;	expect_status 1
expect_stderr 'Error response from daemon: container cli uses the network mode none: it cannot be on other networks'
run devbox create --name web --network n2 dockercli true;	expect_status 0
run devbox create --name db --network n2 dockercli true;	expect_status 0
in_cli docker network connect --alias nick --ip 10.77.1.7 --link db:base n1 web;	expect_status 0
run devbox inspect web -f '{{.NetworkSettings.Networks.n1.Aliases}} {{.NetworkSettings.Networks.n1.IPAMConfig.IPv4Address}} {{.HostConfig.Links}}'
expect_stdout '?nick? 10.77.1.7 ?/db:/web/base?'
in_cli docker network connect --link-local-ip 169.254.1.1 n2 db;	expect_status 1;	expect_stderr_has 'LinkLocalIPs are not supported'
in_cli docker network connect n1 web;	expect_status 1;	expect_stderr_has 'endpoint with name web already exists in network n1'
in_cli docker network disconnect n1 web;	expect_status 0
in_cli docker network disconnect n1 web;	expect_status 1;	expect_stderr_has 'is not connected to network n1'
in_cli docker network connect n1 nope;	expect_status 1;	expect_stderr_has 'No such container: nope'
in_cli docker network rm bridge;	expect_status 1;	expect_stderr_has 'bridge is a pre-defined network and cannot be removed'
in_cli docker network prune -f --filter label=team=db;	expect_stdout_has 'n1'
in_cli docker network rm nope;	expect_status 1;	expect_stderr 'Error: No such network: nope'
run devbox network ls --filter type=custom --format '{{.Name}}';	expect_stdout n2
api -X POST -d '{' -w ' %{http_code}' http://d/networks/create;	expect_stdout '*message*400'
api -X POST -d '{}' -w ' %{http_code}' http://d/networks/create;	expect_stdout '*a network needs one*400'
api 'http://d/networks?filters=%7B%22color%22:%5B%22red%22%5D%7D' -w ' %{http_code}';	expect_stdout '*invalid filter*color*400'

# --- volumes --------------------------------------------------------------------------------------------------------------
in_cli docker volume create --label x=y vol1;	expect_stdout vol1
in_cli docker volume create --label x=z vol1;	expect_stdout vol1
in_cli docker volume create;	expect_stdout '????????????????????????????????????????????????????????????????'
in_cli docker volume inspect vol1 -f '{{.Name}} {{.Labels}} {{.Driver}}';	expect_stdout 'vol1 map?x:y? local'
in_cli docker volume ls -q --filter label=x=y;	expect_stdout vol1
run devbox create -v vol1:/data --name user dockercli true;	expect_status 0
in_cli docker volume ls -q --filter dangling=false;	expect_stdout vol1
in_cli docker volume rm vol1;	expect_status 1;	expect_stderr_has 'volume is in use'
in_cli docker volume rm nope;	expect_status 1;	expect_stderr 'Error: No such volume: nope'
in_cli docker volume rm -f nope;	expect_status 0
in_cli docker volume create -o type=nfs bad;	expect_status 1;	expect_stderr_has 'driver option "type=nfs" is not supported'
in_cli docker volume create -d rexray bad;	expect_status 1;	expect_stderr_has 'volume driver "rexray" is not there'
run devbox rm user;	expect_status 0
in_cli docker volume create kept;	expect_status 0
api -X POST http://d/v1.44/volumes/prune;	expect_stdout '{"VolumesDeleted":\["*"\],"SpaceReclaimed":*'
in_cli docker volume ls -q;	expect_stdout $'kept\nvol1'
in_cli docker volume prune -f;	expect_stdout_has 'Total reclaimed space'	# 1.41: all that nobody uses
in_cli docker volume ls -q;	expect_stdout ''
run devbox undo;	expect_status 0

# --- the same from Python ---------------------------------------------------------------------------------------------------
run devbox exec -i cli python3 - <<'PY'
import docker
c = docker.from_env()
net = c.networks.create('py', ipam=docker.types.IPAMConfig(pool_configs=[docker.types.IPAMPool(subnet='10.79.0.0/24')]), labels={'a': 'b'})
assert c.networks.list(names=['py'], filters={'label': 'a=b'})[0].id == net.id
net.connect('web', aliases=['w'], ipv4_address='10.79.0.5')
net.disconnect('web')
net.remove()
try:
    c.networks.get('py')
except docker.errors.NotFound as e:
    print(e.explanation)
v = c.volumes.create('pv', labels={'k': 'v'})
assert v.attrs['Labels'] == {'k': 'v'}, v.attrs
v.remove()
try:
    c.volumes.get('pv')
except docker.errors.NotFound as e:
    print(e.explanation)
PY
expect_status 0;	expect_stdout $'network py not found\nget pv: no such volume'

run devbox rm -f cli web db;	expect_status 0
run devbox network rm n2;	expect_status 0
