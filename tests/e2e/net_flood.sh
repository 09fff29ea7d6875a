# tests/e2e/net_flood.sh -- too much of everything: questions, nonsense, connections, data for who does not read
. "$(dirname "$0")/../lib/e2e.sh"

run devbox pull -q busybox;	expect_status 0
run devbox run -d --name f1 -p 17010:7000 -p 17011:7001 busybox sleep 1000;	expect_status 0
run devbox run -d --name f2 busybox sleep 1000;	expect_status 0
run devbox inspect -f '{{.State.Pid}}' f1;	f1=$stdout
run devbox inspect -f '{{.State.Pid}}' f2;	f2=$stdout
hub() { pgrep -f '^devbox: network bridge *$'; }
kib() { awk '/^VmRSS/ { print $2 }' "/proc/$1/status"; }
was=$(hub)

# Questions to resolvers that do not answer, malformed ones, and connections that say nothing, for two seconds: others
# are served meanwhile.
cp /etc/resolv.conf "$E2E_TMP/resolv.conf"
restore() { cat "$E2E_TMP/resolv.conf" >/etc/resolv.conf; e2e_end; }
trap restore EXIT
cat >"$E2E_TMP/flood.py" <<'END'
import os, random, socket, struct, time
SERVER = ('172.17.255.254', 53)
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
end = time.monotonic() + 2
sent, silent = 0, []
while time.monotonic() < end:
    for i in range(50):
        q = bytearray(struct.pack('!6H', random.getrandbits(16), 0x100, 1, 0, 0, 0) + b'\5q%04d\4test\0' % (sent % 10000) +
                      struct.pack('!2H', 1, 1))
        if i % 2:
            for _ in range(4): q[random.randrange(len(q))] = random.getrandbits(8)
        u.sendto(bytes(q)[:random.randrange(len(q)) if i % 5 == 1 else None], SERVER)
        sent += 1
    s = socket.socket(); s.setblocking(False)
    try: s.connect(SERVER)
    except BlockingIOError: pass
    silent.append(s)
    time.sleep(0.02)
assert sent >= 1000, sent
END
echo 'nameserver 198.51.100.99' >/etc/resolv.conf
as root start flood nsenter -t "$f1" -n python3 "$E2E_TMP/flood.py"
for _ in 1 2 3 4 5; do
	run devbox exec f2 nslookup -type=a f1;	expect_status 0;	expect_stdout_has 'Address: 172.17.0.2'
done
finish flood;	expect_status 0
cat "$E2E_TMP/resolv.conf" >/etc/resolv.conf
eventually 10 e2e_as devbox exec f1 nslookup -type=a outside.test
expect_equal "$(hub)" "$was"

# Ten thousand connections to a published port at once, all served; and what they cost is given back.
cat >"$E2E_TMP/serve.py" <<'END'
import asyncio, resource
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
async def serve(r, w):
    try:
        while data := await r.read(64): w.write(data)
    except ConnectionError: pass
    w.close()
async def slow(r, w):
    w.transport.pause_reading()
    await asyncio.sleep(2)
    w.transport.resume_reading()
    n = 0
    while data := await r.read(1 << 18): n += len(data)
    w.write(b'%d' % n)
    w.close()
async def main():
    await asyncio.start_server(serve, '0.0.0.0', 7000, backlog=4096)
    await asyncio.start_server(slow, '0.0.0.0', 7001)
    print('there', flush=True)
    await asyncio.sleep(1000)
asyncio.run(main())
END
cat >"$E2E_TMP/many.py" <<'END'
import resource, socket, sys, time
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
# nobody reads for two seconds: what the sender gets rid of has an end; then it all arrives
s = socket.create_connection(('127.0.0.1', 17011), 5)
s.settimeout(0.5)
sent = 0
try:
    while sent < 1 << 28: sent += s.send(bytes(1 << 18))
except TimeoutError: pass
assert sent < 1 << 26, '%d bytes sent to nobody' % sent
s.settimeout(20)
s.sendall(bytes(1 << 26))
s.shutdown(socket.SHUT_WR)
assert s.makefile().read() == str(sent + (1 << 26))
many = []
for i in range(min(10000, (hard - 500) // 2)):	# the relay needs two descriptors for each
    many.append(socket.create_connection(('127.0.0.1', 17010), 20))
for s in many: s.sendall(b'ping')
for s in many: assert s.recv(4) == b'ping'
print('all', flush=True)
input()
END
as root start serve nsenter -t "$f1" -n python3 "$E2E_TMP/serve.py"
eventually 5 grep -q there "$serve_out"
relay=$(pgrep -f '^devbox: relay of f1 *$') || fail 'no relay'
mkfifo "$E2E_TMP/end"
python3 "$E2E_TMP/many.py" <"$E2E_TMP/end" >"$E2E_TMP/many" 2>&1 &
exec 7>"$E2E_TMP/end"
eventually 60 grep -qE 'all|Error' "$E2E_TMP/many"
[ "$(kib "$relay")" -lt 20000 ] || fail "the relay takes $(kib "$relay") KiB"
echo >&7
exec 7>&-
wait $! || fail 'the ten thousand'
# shellcheck disable=SC2317	# eventually runs it
small() { [ "$(kib "$relay")" -lt 4000 ]; }
eventually 10 small

kill "$serve_pid"
finish serve
run devbox rm -f f1 f2;	expect_status 0
expect_no_leftovers
