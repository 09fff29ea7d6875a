# tests/e2e/net_bridge.sh -- the kernel connects the containers of a network; those that it cannot are connected as before
. "$(dirname "$0")/../lib/e2e.sh"

unset DEVBOX_SWITCH
run devbox pull -q busybox;	expect_status 0
run devbox doctor;	expect_stdout_has 'bridge * the kernel connects the containers of a network'
run devbox network create net;	expect_status 0
hub() { pgrep -f "^devbox: network net *$"; }
monitor() { pgrep -f "^devbox: monitor of $1 *$"; }
pid_of() { run devbox inspect -f '{{.State.Pid}}' "$1"; expect_status 0; }
up() { run devbox run -d --name "$1" --network net busybox sleep 1000; expect_status 0; }
# Each of them reaches all others, and the outside.
all_meet() {
	local a b
	for a; do
		for b; do
			[ "$a" = "$b" ] || { run devbox exec "$a" ping -c 1 -W 5 "$b"; expect_status 0; }
		done
		run devbox exec "$a" wget -q -O - http://outside.test/;	expect_status 0;	expect_stdout_has 'peer 198.51.100.2'
	done
}
packets() { nsenter -t "$1" -n awk '/eth0:/ { print $3 }' /proc/net/dev; }

up one
up two
export DEVBOX_SWITCH=user
up tap
unset DEVBOX_SWITCH
for c in one two; do
	run devbox exec $c ip -o link show eth0;	expect_stdout_has 'eth0@if'
done
run devbox exec tap ip -o link show eth0;	expect_stdout_has ': eth0: '
all_meet one two tap

note 'the kernel alone: the process of the network stands still'
kill -STOP "$(hub)"
run devbox exec one ping -c 2 -W 5 172.18.0.3;	expect_status 0
run devbox exec one ping -c 1 -W 1 172.18.0.4;	expect_status 1
kill -CONT "$(hub)"

note 'frames with the hardware address of another go nowhere'
pid_of one;	one=$stdout
pid_of two;	two=$stdout
pid_of tap;	tap=$stdout
cat >"$E2E_TMP/frames.py" <<'END'
import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(('eth0', 0x88b5))
mac = lambda ip: bytes.fromhex('0242') + socket.inet_aton(ip)
for _ in range(int(sys.argv[3])):
    s.send(mac(sys.argv[2]) + mac(sys.argv[1]) + b'\x88\xb5' + bytes(64))
END
before=$(packets "$two")
nsenter -t "$one" -n python3 "$E2E_TMP/frames.py" 172.18.0.4 172.18.0.3 500
[ $(($(packets "$two") - before)) -lt 400 ] || fail 'forged frames arrive'
nsenter -t "$one" -n python3 "$E2E_TMP/frames.py" 172.18.0.2 172.18.0.3 500
[ $(($(packets "$two") - before)) -ge 500 ] || fail 'honest frames do not arrive'

note 'an address that nobody has can be handed over, as servers do it'
has() {	# PID: has it from now on, and says so
	nsenter -t "$1" -n python3 - <<'END'
import socket, subprocess
subprocess.check_call('ip addr add 172.18.0.99/16 dev eth0', shell=True)
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(('eth0', 0x806))
own, ip = s.getsockname()[4], socket.inet_aton('172.18.0.99')
s.send(b'\xff' * 6 + own + b'\x08\x06\0\1\x08\0\6\4\0\1' + own + ip + b'\0' * 6 + ip)
END
}
up four
pid_of four;	four=$stdout
has_arp() { run devbox exec "$1" ping -c 1 -W 1 172.18.0.99; run devbox exec "$1" cat /proc/net/arp; [[ $stdout == *172.18.0.99*"$2"* ]]; }
has "$two"
for c in one four tap; do
	eventually 5 has_arp $c 02:42:ac:12:00:03
done
nsenter -t "$two" -n ip addr del 172.18.0.99/16 dev eth0
has "$tap"
for c in one four two; do
	eventually 5 has_arp $c 02:42:ac:12:00:04
done
nsenter -t "$tap" -n ip addr del 172.18.0.99/16 dev eth0
has "$four"
for c in one two tap; do
	eventually 5 has_arp $c 02:42:ac:12:00:05
done
run devbox rm -f four

note 'a container comes while the process is dead and nobody has noticed: two bridges, one network'
kill -STOP "$(monitor one)" "$(monitor two)" "$(monitor tap)"
kill -9 "$(hub)"
up three
run devbox exec three wget -q -O - http://outside.test/;	expect_status 0
kill -CONT "$(monitor one)" "$(monitor two)" "$(monitor tap)"
meets() { run devbox exec three ping -c 1 -W 1 "$1"; [ "$status" = 0 ]; }
for c in one two tap; do
	eventually 10 meets $c
done
all_meet one two tap three
up late
all_meet one three late
run devbox restart -t 0 one;	expect_status 0
all_meet one two three

note 'another network, while it runs'
run devbox network create other;	expect_status 0
run devbox run -d --name far --network other busybox sleep 1000;	expect_status 0
run devbox exec one ping -c 1 -W 1 172.19.0.2;	expect_status 1
run devbox network connect other one;	expect_status 0
run devbox exec one ip -o link show eth1;	expect_status 0;	expect_stdout_has 'eth1@if'
run devbox exec one ping -c 1 -W 5 far;	expect_status 0
run devbox exec far ping -c 1 -W 5 one;	expect_status 0
run devbox network disconnect other one;	expect_status 0
run devbox exec one ip -o link show eth1;	expect_stderr_has 'eth1'
run devbox exec one ping -c 1 -W 5 two;	expect_status 0
run devbox network connect other one;	expect_status 0
run devbox exec one ping -c 1 -W 5 far;	expect_status 0

note 'other ids: the same'
run devbox run -d --name kept --network net --userns keep-id busybox sleep 1000;	expect_status 0
run devbox exec kept ip -o link show eth0;	expect_stdout_has 'eth0@if'
run devbox exec one ping -c 1 -W 5 kept;	expect_status 0
pair() {
	run devbox pull -q busybox;	expect_status 0
	run devbox run -d --name first busybox sleep 1000;	expect_status 0
	run devbox run -d --name second --link first busybox sleep 1000;	expect_status 0
	run devbox exec second ip -o link show eth0;	expect_stdout_has 'eth0@if'
	run devbox exec second ping -c 1 -W 5 first;	expect_status 0
	run devbox rm -f first second;	expect_status 0
}
as root pair
as dbx0 pair

run devbox rm -f one two tap three late far kept;	expect_status 0
eventually 5 eval '! hub'
run devbox network rm net other;	expect_status 0
expect_no_leftovers
