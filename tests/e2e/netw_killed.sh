# tests/e2e/netw_killed.sh -- a network whose process is killed comes back, and connections between containers go on
. "$(dirname "$0")/../lib/e2e.sh"

run devbox pull -q busybox;	expect_status 0
hub() { pgrep -f "^devbox: network $1 *$"; }
pid_of() { run devbox inspect -f '{{.State.Pid}}' "$1"; expect_status 0; }

for access in open closed; do
	note "tun is $access"
	tun $access
	run devbox network create net;	expect_status 0
	run devbox run -d --name one --network net busybox sleep 1000;	expect_status 0
	run devbox run -d --name two --network net busybox sleep 1000;	expect_status 0
	pid_of one;	one=$stdout
	pid_of two;	two=$stdout
	as root start server nsenter -t "$two" -n python3 -u -c 'import socket
s = socket.create_server(("", 7000)); print("there", flush=True); c, _ = s.accept()
n = 0
while True:
    d = c.recv(1 << 20)
    if not d: break
    if n == 0: print("began", flush=True)
    n += len(d)
print(n, flush=True)'
	eventually 5 grep -q there "$server_out"
	as root start client nsenter -t "$one" -n python3 -c 'import socket, sys, time
c = socket.create_connection(("172.18.0.3", 7000)); sent = 0; end = time.monotonic() + 2
while time.monotonic() < end or sent < 200_000_000:
    c.sendall(bytes(1 << 20)); sent += 1 << 20
c.shutdown(socket.SHUT_WR); print(sent)'
	eventually 5 grep -q began "$server_out"
	for _ in 1 2; do
		old=$(hub net) || fail 'no process of the network'
		kill -9 "$old"
		eventually 5 eval '[ -n "$(hub net)" ] && [ "$(hub net)" != '"$old"' ]'
	done
	finish client;	expect_status 0;	sent=$stdout
	finish server;	expect_status 0;	expect_stdout "there
began
$sent"
	# names, the way out, other containers: all is there again
	run devbox exec one ping -c 1 -W 5 two;	expect_status 0
	run devbox exec one wget -q -O - http://outside.test/;	expect_status 0;	expect_stdout_has 'peer 198.51.100.2'
	run devbox run --rm --network net busybox ping -c 1 -W 5 one;	expect_status 0
	# of several monitors one makes it, and a monitor that is killed leaves it
	run devbox rm -f one two;	expect_status 0
	eventually 5 eval '! hub net'
	run devbox network rm net;	expect_status 0
done
tun open
expect_no_leftovers
