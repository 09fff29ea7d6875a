# tests/e2e/net_direct.sh -- outgoing TCP goes past the user-mode stack, and nobody can tell but by its speed
. "$(dirname "$0")/../lib/e2e.sh"

# Outside: echoes, then says "end"; says "hello" first on 7101; resets on 7102; never answers nor reads on 7103.
cat >"$E2E_TMP/server.py" <<'END'
import asyncio, socket, struct
async def echo(r, w):
    try:
        while data := await r.read(1 << 18):
            w.write(data)
            await w.drain()
        w.write(b'end')
        await w.drain()
        w.close()
    except ConnectionResetError:
        print('reset', flush=True)
async def first(r, w):
    w.write(('hello %s' % w.get_extra_info('peername')[0]).encode())
    w.close()
async def rude(r, w):
    await r.read(1)
    w.get_extra_info('socket').setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    w.transport.abort()
async def deaf(r, w):
    w.transport.pause_reading()
    await asyncio.sleep(60)
async def main():
    for port, what in (7100, echo), (7101, first), (7102, rude), (7103, deaf), (80, echo):
        for host in '198.51.100.1', '2001:db8:51::1':
            if port != 80:
                await asyncio.start_server(what, host, port, backlog=1024)
    print('there', flush=True)
    await asyncio.sleep(1000)
asyncio.run(main())
END
cat >"$E2E_TMP/client.py" <<'END'
import os, socket, struct, sys, threading, time
hosts = ('198.51.100.1', '2001:db8:51::1')
def echo(host, size, port=7100, source=None):
    s = socket.create_connection((host, port), 10, source)
    assert s.getpeername()[:2] == (host, port), s.getpeername()
    data = os.urandom(size)
    threading.Thread(target=lambda: (s.sendall(data), s.shutdown(socket.SHUT_WR))).start()
    got = b''.join(iter(lambda: s.recv(1 << 18), b''))	# after our end of input: half-close works
    assert got == data + b'end', (host, len(got), size)
def refused(host, port, error=ConnectionRefusedError):
    try: socket.create_connection((host, port), 10)
    except error: return
    raise AssertionError('%s %d is not refused' % (host, port))
for host in hosts:
    for size in 0, 1, 100_000, 8_000_000:
        echo(host, size)
    refused(host, 4)
    s = socket.create_connection((host, 7101), 10)
    assert s.recv(100).startswith(b'hello ') and s.recv(1) == b'', 'the server speaks first'
    s = socket.create_connection((host, 7102), 10)
    s.sendall(b'x')
    try: assert s.recv(1) == b'?', 'an end instead of a reset'
    except ConnectionResetError: pass
    s = socket.create_connection((host, 7100), 10)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    s.close()	# the server hears of a reset
    # nobody reads: what the sender gets rid of has an end
    s = socket.create_connection((host, 7103), 10)
    s.settimeout(0.5)
    sent = 0
    try:
        while sent < 1 << 28: sent += s.send(bytes(1 << 18))
    except TimeoutError: pass
    assert sent < 1 << 26, '%d bytes sent to nobody' % sent
    s.close()
# to a port that a server in here has, too, and from one chosen by hand
l = socket.socket(); l.bind(('0.0.0.0', 7100)); l.listen()
echo(hosts[0], 5000)
echo(hosts[0], 5000, source=('0.0.0.0', int(sys.argv[1])))
l.close()
many = [socket.create_connection((hosts[0], 7100), 20) for _ in range(300)]
for s in many: s.sendall(b'ping')
for s in many: assert s.recv(4) == b'ping'
for s in many: s.close()
print('all well')
END
clients=40400
client() {
	run devbox inspect -f '{{.State.Pid}}' d1
	timeout 60 nsenter -t "$stdout" -n python3 "$E2E_TMP/client.py" $((clients++)) >"$E2E_TMP/client" 2>&1 ||
		{ cat "$E2E_TMP/client"; fail 'the client'; }
}
relay() { pgrep -f 'devbox: relay of d1'; }

outside python3 "$E2E_TMP/server.py" >"$E2E_TMP/server" 2>&1 &
server=$!
E2E_STARTED[server]=$server
eventually 5 grep -q there "$E2E_TMP/server"
run devbox pull -q busybox;	expect_status 0
for access in open closed; do
	note "tun is $access"
	tun $access
	run devbox run -d --name d1 busybox sleep 1000;	expect_status 0
	client
	relay >/dev/null || fail 'the stack did it'
	eventually 5 grep -q reset "$E2E_TMP/server"
	run devbox rm -f d1;	expect_status 0
done
tun open

# The relay is killed: the next connection has another one.
run devbox run -d --name d1 busybox sleep 1000;	expect_status 0
client
old=$(relay) && kill -9 "$old"
# shellcheck disable=SC2317	# eventually runs it
another() { [ "$(relay)" != "$old" ] && relay; }
eventually 5 another
client
# The network's process is killed: a connection goes on.
run devbox inspect -f '{{.State.Pid}}' d1
cat >"$E2E_TMP/on.py" <<'END'
import socket, sys
s = socket.create_connection(('198.51.100.1', 7100), 10)
s.settimeout(20)
for line in sys.stdin:
    s.sendall(line.encode())
    print(s.recv(100).decode(), end='', flush=True)
END
mkfifo "$E2E_TMP/say"
nsenter -t "$stdout" -n python3 "$E2E_TMP/on.py" <"$E2E_TMP/say" >"$E2E_TMP/heard" 2>&1 &
exec 7>"$E2E_TMP/say"
echo one >&7
eventually 5 grep -q one "$E2E_TMP/heard"
kill -9 "$(pgrep -f 'devbox: network bridge')"
echo two >&7
eventually 20 grep -q two "$E2E_TMP/heard"
exec 7>&-
client
run devbox rm -f d1;	expect_status 0
kill "$server"
unset 'E2E_STARTED[server]'
expect_no_leftovers
