# tests/e2e/net_isolation.sh -- what a container cannot reach: the host's loopback, unless it was asked for
. "$(dirname "$0")/../lib/e2e.sh"

run devbox pull -q busybox;	expect_status 0
as root start web python3 -c 'import http.server, socket, threading, time
class Six(http.server.HTTPServer): address_family = socket.AF_INET6
for s in http.server.HTTPServer(("127.0.0.1", 18400), http.server.SimpleHTTPRequestHandler), Six(("::1", 18400), http.server.SimpleHTTPRequestHandler):
    threading.Thread(target=s.serve_forever).start()
print("there", flush=True)'
eventually 5 grep -q there "$web_out"

for host in 172.17.0.1 '[fd00::1]' 127.0.0.1 172.17.255.254 '[fd00::7]'; do
	run devbox run --rm busybox wget -q -O - "http://$host:18400/"
	expect_status 1
done
# Packages made by hand neither: raw frames to the host's loopback are dropped.
run devbox run -d --name n1 busybox sleep 1000;	expect_status 0
run devbox inspect -f '{{.State.Pid}}' n1
nsenter -t "$stdout" -n ip addr add 127.9.9.9/32 dev eth0
nsenter -t "$stdout" -n sh -c 'echo 1 >/proc/sys/net/ipv4/conf/eth0/route_localnet
	ip rule del pref 0; ip rule add pref 100 lookup local; ip route add 127.0.0.1/32 via 172.17.0.1 dev eth0 src 172.17.0.2 table 77
	ip rule add pref 1 to 127.0.0.1 lookup 77'
nsenter -t "$stdout" -n timeout 3 python3 -c 'import socket; socket.create_connection(("127.0.0.1", 18400), 2)' 2>"$E2E_TMP/raw" &&
	fail 'the loopback of the host can be reached'
run devbox rm -f n1

run devbox run --rm --add-host host.docker.internal:host-gateway busybox sh -c \
	'grep host.docker /etc/hosts; wget -q -O /dev/null http://host.docker.internal:18400/ && echo reached'
expect_status 0
expect_stdout '172.17.0.1*host.docker.internal
reached'
# no network: lo only
run devbox run --rm --network none busybox sh -c 'ls /sys/class/net; wget -q -O - http://198.51.100.1/'
expect_status 1
expect_stdout 'lo'
kill "$web_pid"; finish web
expect_no_leftovers
