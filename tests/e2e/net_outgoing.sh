# tests/e2e/net_outgoing.sh -- the way out: TCP, UDP, names, ping, IPv4 and IPv6, with and without /dev/net/tun
. "$(dirname "$0")/../lib/e2e.sh"

run devbox pull -q busybox;	expect_status 0

# Bytes that come back as they were: 3 MB through the echo service, both families.
ECHO='dd if=/dev/urandom of=/data bs=1k count=3000 2>/dev/null
for to in 198.51.100.1 2001:db8:51::1; do nc -w 5 $to 7 </data | cmp - /data && echo "same $to"; done'

for access in open closed; do
	note "tun is $access"
	tun $access
	run devbox run --rm busybox sh -c 'ip -o addr show dev eth0; ip route; cat /sys/class/net/eth0/mtu'
	expect_status 0
	expect_stdout_has 'inet 172.17.0.2/16'
	expect_stdout_has 'inet6 fd00::2/64'
	expect_stdout_has 'default via 172.17.0.1 dev eth0'
	expect_stdout_has '1500'
	run devbox run --rm busybox wget -q -O - http://outside.test/
	expect_status 0
	expect_stdout_has 'peer 198.51.100.2 '
	run devbox run --rm busybox wget -q -O - http://v6.test/
	expect_status 0
	expect_stdout_has 'peer 2001:db8:51::2 '
	run devbox run --rm busybox sh -c "$ECHO"
	expect_status 0
	expect_stdout 'same 198.51.100.1
same 2001:db8:51::1'
	run devbox run --rm busybox sh -c 'ping -c 1 -W 5 172.17.0.1 && ping -c 1 -W 5 -s 3000 198.51.100.1'
	expect_status 0
	expect_stdout_has '3008 bytes from 198.51.100.1'
	# Nobody there is told at once, not after a minute.
	run devbox run --rm busybox nc -w 30 198.51.100.1 4
	expect_status 1
	expect_stderr_has 'refused'
done
tun open

# Large datagrams come in fragments; a program of the host inside the container's network speaks UDP for us.
run devbox run -d --name n1 busybox sleep 1000
expect_status 0
run devbox inspect -f '{{.State.Pid}}' n1
pid=$stdout
nsenter -t "$pid" -n python3 - <<'END' || fail 'UDP echo'
import os, socket
for to in ('198.51.100.1', '2001:db8:51::1'):
    for size in (1, 1472, 1473) + ((8000, 60000) if '.' in to else ()):
        s = socket.socket(socket.AF_INET6 if ':' in to else socket.AF_INET, socket.SOCK_DGRAM)
        s.settimeout(5)
        data = os.urandom(size)
        if ':' in to and size > 1452:
            continue
        s.sendto(data, (to, 7))
        got, peer = s.recvfrom(65536)
        assert got == data and peer[:2] == (to, 7), (to, size, len(got), peer)
END
run devbox rm -f n1
expect_no_leftovers
