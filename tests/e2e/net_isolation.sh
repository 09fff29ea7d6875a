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
# the right is a container's own, not its network's
run devbox run -d --name with --add-host host.docker.internal:host-gateway busybox sleep 1000;	expect_status 0
run devbox run --rm busybox wget -q -O - http://172.17.0.1:18400/;	expect_status 1;	expect_stderr_has 'refused'
run devbox exec with wget -q -O /dev/null http://host.docker.internal:18400/;	expect_status 0
# Nor does one answer for another, or for the gateway, however hard it tries.
for DEVBOX_SWITCH in kernel user; do
	export DEVBOX_SWITCH
	run devbox run -d --name thief busybox sleep 1000;	expect_status 0
	run devbox run -d --name victim busybox sleep 1000;	expect_status 0
	run devbox exec victim ping -c 1 -W 2 thief;	expect_status 0
	run devbox exec victim sh -c 'ping -c 1 -W 2 fd00::1; ping -c 1 -W 2 fd00::2'
	run devbox inspect -f '{{.State.Pid}}' victim;	victim=$stdout
	run devbox inspect -f '{{.State.Pid}}' thief
	nsenter -t "$stdout" -n python3 - <<'END' || fail 'no frames'
import socket
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(('eth0', 0x806))
own = s.getsockname()[4]
for claimed in ('172.17.0.1', '172.17.0.2', '172.17.255.254'):
    for to in (b'\xff' * 6, bytes.fromhex('0242ac110004')):
        for op in (1, 2):
            ip = socket.inet_aton(claimed)
            s.send(to + own + b'\x08\x06\0\1\x08\0\6\4' + bytes((0, op)) + own + ip + bytes.fromhex('0242ac110004') + socket.inet_aton('172.17.0.4'))
six = lambda a: socket.inet_pton(socket.AF_INET6, a)
def send(to, src, dst, body):
    total = sum(int.from_bytes((src + dst + bytes((0, 0, 0, len(body), 0, 0, 0, 58)) + body)[i:i + 2], 'big') for i in range(0, 40 + len(body), 2))
    while total >> 16: total = (total & 0xffff) + (total >> 16)
    s.send(to + own + b'\x86\xdd\x60\0\0\0' + bytes((0, len(body), 58, 255)) + src + dst + body[:2] + (total ^ 0xffff).to_bytes(2, 'big') + body[4:])
for claimed in ('fd00::1', 'fd00::2'):
    for to, dst in ((b'\x33\x33\0\0\0\1', 'ff02::1'), (bytes.fromhex('0242ac110004'), 'fd00::4')):
        send(to, six('fd00::3'), six(dst), b'\x88\0\0\0\x20\0\0\0' + six(claimed) + b'\2\1' + own)	# it is at my place
        send(to, six(claimed), six(dst), b'\x87\0\0\0\0\0\0\0' + six('fd00::4') + b'\1\1' + own)	# it asks from my place
        send(to, six('fe80::3'), six(dst), b'\x86\0\0\0\x40\0\x07\x08' + bytes(8) + b'\1\1' + own)	# I am a router
END
	run devbox exec victim sh -c 'ping -c 1 -W 2 172.17.0.1 >/dev/null; ping -c 1 -W 2 with >/dev/null; cat /proc/net/arp'
	expect_status 0
	expect_stdout_has '172.17.0.1  *52:55:ac:11:00:01'
	expect_stdout_has '172.17.0.2  *02:42:ac:11:00:02'
	nsenter -t "$victim" -n ip -6 neigh >"$E2E_TMP/neigh"
	grep -q '^fd00::1 .*52:56:' "$E2E_TMP/neigh" && grep -q '^fd00::2 .*02:42:ac:11:00:02' "$E2E_TMP/neigh" ||
		fail "$(cat "$E2E_TMP/neigh")"
	[ "$(nsenter -t "$victim" -n ip -6 route show default | wc -l)" = 1 ] || fail 'a container is a router'
	run devbox rm -f thief victim
done
unset DEVBOX_SWITCH
run devbox rm -f with
# no network: lo only
run devbox run --rm --network none busybox sh -c 'ls /sys/class/net; wget -q -O - http://198.51.100.1/'
expect_status 1
expect_stdout 'lo'
kill "$web_pid"; finish web
expect_no_leftovers
