# tests/e2e/net_names.sh -- names follow the host's resolv.conf of the moment, whatever is in it
. "$(dirname "$0")/../lib/e2e.sh"

conf() { printf '%s\n' "$@" >/etc/.resolv.new; mv /etc/.resolv.new /etc/resolv.conf; }
cp /etc/resolv.conf "$E2E_TMP/resolv.conf"
restore() { cat "$E2E_TMP/resolv.conf" >/etc/resolv.conf; e2e_end; }
trap restore EXIT
asks() {	# NAME ADDRESS: the container gets this answer
	run devbox exec n1 nslookup -type=a "$1"
	expect_status 0
	expect_stdout_has "Address: $2"
}

run devbox pull -q busybox;	expect_status 0
conf 'nameserver 198.51.100.53' 'search test' 'options ndots:2 trust-ad'
run devbox run -d --name n1 busybox sleep 1000;	expect_status 0
run devbox exec n1 cat /etc/resolv.conf
expect_stdout 'nameserver 172.17.255.254
search test
options ndots:0'
asks which.test 203.0.113.53
# our own names are nobody else's business, and those of the search list still work
run devbox run -d --name n2 busybox sleep 1000;	expect_status 0
run devbox exec n1 ping -c 1 -W 5 n2;		expect_status 0
run devbox rm -f n2;				expect_status 0
run devbox exec n1 ping -c 1 -W 5 n2;		expect_status 1
run devbox exec n1 ping -c 1 -W 5 outside;	expect_status 0
grep -q ' outside.test ' "$W/run/outside.log" || fail 'what is asked outside is in the log'
! grep -q ' n2 ' "$W/run/outside.log" || fail 'a name of ours was asked for outside'
# replaced by a rename, rewritten in place, another family, none at all
conf 'nameserver 198.51.100.54';		asks which.test 203.0.113.54
echo 'nameserver 198.51.100.53' >/etc/resolv.conf;	asks which.test 203.0.113.53
conf 'nameserver 2001:db8:51::54';		asks which.test 203.0.113.54
# the first server is dead: the second answers
conf 'nameserver 198.51.100.99' 'nameserver 198.51.100.53';	asks which.test 203.0.113.53
# a name that does not exist, an answer too large for a datagram
run devbox exec n1 nslookup nowhere.test;	expect_status 1
expect_stdout_has 'NXDOMAIN'
conf 'nameserver 198.51.100.53'
run devbox inspect -f '{{.State.Pid}}' n1
pid=$stdout
nsenter -t "$pid" -n python3 - <<'END' || fail 'DNS over TCP'
import socket, struct
q = struct.pack('!6H', 7, 0x100, 1, 0, 0, 0) + b'\3big\4test\0' + struct.pack('!2H', 1, 1)
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.settimeout(5)
u.sendto(q, ('172.17.255.254', 53))
assert u.recv(4096)[2] & 2, 'the answer over UDP is cut'
t = socket.create_connection(('172.17.255.254', 53), 5)
t.sendall(struct.pack('!H', len(q)) + q)
t.settimeout(5)
got = b''
while len(got) < 2 or len(got) < 2 + struct.unpack('!H', got[:2])[0]:
    got += t.recv(65536) or exit('the answer over TCP is short')
assert struct.unpack('!H', got[8:10])[0] == 119, 'all addresses'
END
# a resolver on the host's own loopback, as systemd-resolved is
as root start resolver python3 -c 'import socket, struct
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.53", 53))
print("there", flush=True)
while True:
    q, peer = s.recvfrom(4096)
    end = q.index(b"\0", 12) + 5
    s.sendto(q[:2] + b"\x81\x80" + struct.pack("!4H", 1, 1, 0, 0) + q[12:end] +
             b"\xc0\x0c\0\1\0\1\0\0\0\x05\0\4\xcb\0\x71\x35", peer)'
eventually 5 grep -q there "$resolver_out"
conf 'nameserver 127.0.0.53'
asks local.test 203.0.113.53
kill "$resolver_pid"; finish resolver
# nobody is there: the client hears that at once
run devbox exec n1 timeout 5 nslookup -type=a local.test
expect_status 1
expect_stdout_has 'SERVFAIL'
run devbox rm -f n1
expect_no_leftovers
