# tests/e2e/net_ports.sh -- what -p, -P and --expose publish, and what they refuse
. "$(dirname "$0")/../lib/e2e.sh"

listener() {	# NAME ADDRESS PORT: as root, in the background
	as root start "$1" python3 -c 'import socket, sys, time
s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind((sys.argv[1], int(sys.argv[2]))); s.listen(); print("there", flush=True); time.sleep(1000)' "$2" "$3"
	local out=$1_out
	eventually 5 grep -q there "${!out}"
}

run devbox pull -q busybox;	expect_status 0
# ranges and addresses
run devbox run -d --name p1 -p 18000-18002:80-82 -p 127.0.0.1:18010:90 -p 18020:53/udp busybox sleep 1000
expect_status 0
expect_stderr ''
run devbox ps --format '{{.Ports}}'
expect_stdout '127.0.0.1:18000-18002->80-82/tcp, 127.0.0.1:18010->90/tcp, ?::1?:18000-18002->80-82/tcp, 127.0.0.1:18020->53/udp, ?::1?:18020->53/udp'
run devbox port p1 90;		expect_stdout '127.0.0.1:18010'
# one of a range
run devbox run -d --name p2 -p 18000-18005:80 busybox sleep 1000
expect_status 0
run devbox port p2;		expect_stdout '80/tcp -> 127.0.0.1:18003
80/tcp -> ?::1?:18003'
# everything exposed
run devbox run -d --name p3 -P --expose 18080 --expose 18081/udp busybox sleep 1000
expect_status 0
run devbox ps -l --format '{{.Ports}}'
expect_stdout '127.0.0.1:18080->18080/tcp, ?::1?:18080->18080/tcp, 127.0.0.1:18081->18081/udp, ?::1?:18081->18081/udp'
run devbox rm -f p1 p2 p3;	expect_status 0

# a listener on all addresses would get, or lose, connections to ours: refused, whoever holds it
listener wild 0.0.0.0 18100
run devbox run --rm -p 18100:80 busybox true
expect_status 125
expect_stderr_has 'port 18100 on 127.0.0.1 is in use by a process of user root, listening on all addresses'
expect_stderr_has '-p 18101:80'
listener wild6 :: 18110
run devbox run --rm -p 127.0.0.1:18110:80 busybox true
expect_status 125
expect_stderr_has 'port 18110 on 127.0.0.1 is in use by'
expect_stderr_has '-p 127.0.0.1:18111:80'
listener narrow 127.0.0.1 18120
run devbox run --rm -p 0.0.0.0:18120:80 busybox true
expect_status 125
expect_stderr_has 'port 18120 on 0.0.0.0 is in use by'
# as root the process has a name
as root run devbox pull -q busybox;	expect_status 0
as root run devbox run --rm -p 18100:80 busybox true
expect_stderr_has "in use by python3 (pid $wild_pid, listening on all addresses)"
kill "$wild_pid" "$wild6_pid" "$narrow_pid"; finish wild; finish wild6; finish narrow

# a second container on the same port hears of the first
run devbox run -d --name p1 -p 18200:80 busybox sleep 1000;	expect_status 0
run devbox run --rm -p 18200:80 busybox true
expect_status 125
expect_stderr_has 'port 18200 on 127.0.0.1 is in use by container p1 (hint: use another port of the host: -p 18201:80)'
run devbox rm -f p1

# below 1024 only if the host allows
run devbox run --rm -p 80:80 busybox true
expect_status 125
expect_stderr_has 'port 80 on 127.0.0.1: Permission denied'
expect_stderr_has '-p 8080:80'
expect_stderr_has 'sysctl'
expect_stderr_lines 1
run devbox run -d --name p1 -p 80 busybox sleep 1000
expect_status 0
expect_stderr_has 'published on port 8080 instead'
run devbox rm -f p1
# an address of somebody else, nonsense
run devbox run --rm -p 192.0.2.77:18300:80 busybox true
expect_status 125
expect_stderr_has '192.0.2.77 is not an address of this host'
run devbox run --rm -p 18300:x busybox true
expect_status 125
expect_stderr_has 'invalid containerPort: x'
expect_no_leftovers
