# tests/e2e/net_published.sh -- published ports: who the container sees, TCP's manners, UDP, many at once
. "$(dirname "$0")/../lib/e2e.sh"

# The server in the container's network: says who is there, echoes until the end of input, then says so.
cat >"$E2E_TMP/server.py" <<'END'
import asyncio, socket
async def serve(r, w):
    w.write(('%s %d\n' % w.get_extra_info('peername')[:2]).encode())
    try:
        while data := await r.read(65536):
            w.write(data)
            await w.drain()
        w.write(b'end\n')
        await w.drain()
    except ConnectionResetError:
        print('reset', flush=True)
    w.close()
class Udp(asyncio.DatagramProtocol):
    def connection_made(self, t): self.t = t
    def datagram_received(self, data, peer): self.t.sendto(('%s %d ' % peer[:2]).encode() + data, peer)
async def main():
    six = socket.socket(socket.AF_INET6)	# takes IPv4 too
    six.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    six.bind(('::', 7001))
    loop = asyncio.get_running_loop()
    four = await asyncio.start_server(serve, '0.0.0.0', 7000, backlog=4096)
    both = await asyncio.start_server(serve, sock=six, backlog=4096)
    await loop.create_datagram_endpoint(Udp, ('0.0.0.0', 7000))
    print('there', flush=True)
    await asyncio.gather(four.serve_forever(), both.serve_forever())
asyncio.run(main())
END
cat >"$E2E_TMP/client.py" <<'END'
import os, resource, socket, struct, sys, threading
def talk(host, port, data=b'hello', source=None):
    s = socket.create_connection((host, port), 5, source)
    f = s.makefile('rb')
    peer = f.readline().split()
    assert len(peer) == 2, (host, port, peer)
    threading.Thread(target=lambda: (s.sendall(data), s.shutdown(socket.SHUT_WR))).start()
    assert f.read() == data + b'end\n', (host, port)	# after our end of input: half-close works
    return peer[0].decode().replace('::ffff:', ''), int(peer[1]), s.getsockname()[1]
def sees(address, *where):
    got, port, ours = talk(*where)
    assert got == address and port == ours, (where, got, port, ours)
def udp(address, host, port, size=5):
    s = socket.socket(socket.AF_INET6 if ':' in host else socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(5)
    data = os.urandom(size)
    for _ in range(2):
        s.sendto(data, (host, port))
        got, peer = s.recvfrom(65536)
        assert peer[:2] == (host, port) and got == b'%s %d ' % (address.encode(), s.getsockname()[1]) + data, got[:40]
# the host's loopback appears as the gateway, other peers as themselves; the client's port is kept
sees('172.17.0.1', '127.0.0.1', 17000)
sees('172.17.0.1', '127.0.0.1', 17000, b'', ('127.7.7.7', 0))
sees('172.17.0.1', '127.0.0.1', 17001)
sees('fd00::1', '::1', 17001)
sees('172.17.0.1', '::1', 17000)			# the server knows IPv4 only
sees('198.51.100.2', '198.51.100.2', 17002)
sees('2001:db8:51::2', '2001:db8:51::2', 17003)
talk('127.0.0.1', 17000, os.urandom(20_000_000))
talk('::1', 17001, os.urandom(5_000_001))
# the same client port again at once, and to two ports
a = talk('127.0.0.1', 17000, b'x')[2]
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
for port in 17000, 17001:
    c = socket.socket(); c.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); c.bind(('127.0.0.1', 39999)); c.settimeout(5)
    c.connect(('127.0.0.1', port)); assert c.makefile('rb').readline().startswith((b'172.17.0.1', b'::ffff:172.17.0.1'))
    c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0)); c.close()	# a reset
# nobody listens there: no answer but a reset
try:
    c = socket.create_connection(('127.0.0.1', 17004), 5); c.settimeout(5); assert c.recv(1) == b'', 'data from nobody'
    raise AssertionError('an end instead of a reset')
except ConnectionResetError:
    pass
for size in 1, 1400, 9000, 60000:
    udp('172.17.0.1', '127.0.0.1', 17000, size)
udp('198.51.100.2', '198.51.100.2', 17005)
udp('172.17.0.1', '::1', 17000)
# two thousand at once, all served
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
many = [socket.create_connection(('127.0.0.1', 17000), 20) for _ in range(2000)]
for s in many: s.sendall(b'ping\n')
for s in many:
    f = s.makefile('rb')
    assert f.readline().startswith(b'172.17.0.1 ') and f.readline() == b'ping\n'
for s in many: s.close()
talk('127.0.0.1', 17000)
print('all well')
END

run devbox pull -q busybox;	expect_status 0
for access in open closed; do
	note "tun is $access"
	tun $access
	run devbox run -d --name p1 -p 17000:7000 -p 17001:7001 -p 0.0.0.0:17002:7000 -p '[::]:17003:7001' \
		-p 17004:7004 -p 17000:7000/udp -p 0.0.0.0:17005:7000/udp busybox sleep 1000
	expect_status 0
	run devbox inspect -f '{{.State.Pid}}' p1
	as root start server nsenter -t "$stdout" -n python3 "$E2E_TMP/server.py"
	eventually 5 grep -q there "$server_out"
	timeout 60 python3 "$E2E_TMP/client.py" >"$E2E_TMP/client" 2>&1 || { cat "$E2E_TMP/client" "$server_err"; fail 'the client'; }
	eventually 5 grep -q reset "$server_out"	# the client's reset arrived as one
	# a peer from outside
	outside python3 -c 'import socket
s = socket.create_connection(("198.51.100.2", 17002), 5); print(s.makefile().readline())' >"$E2E_TMP/far" || fail 'from outside'
	grep -q '^198.51.100.1 ' "$E2E_TMP/far" || fail "from outside: $(<"$E2E_TMP/far")"
	outside python3 -c 'import socket
try: socket.create_connection(("198.51.100.2", 17000), 5)
except ConnectionRefusedError: print("refused")' >"$E2E_TMP/far"
	grep -q refused "$E2E_TMP/far" || fail 'a port for the loopback is open to the outside'
	kill "$server_pid"; finish server
	run devbox rm -f p1;		expect_status 0
done
tun open
expect_no_leftovers
