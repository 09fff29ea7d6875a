# tests/e2e/cli_ports.sh -- what run says about ports: taken, moved
. "$(dirname "$0")/../lib/e2e.sh"

run devbox pull -q busybox;	expect_status 0
start holder python3 -c 'import socket,time
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(("127.0.0.1", 18090)); s.listen()
print("there", flush=True); time.sleep(1000)'
eventually 5 grep -q there "$holder_out"

# asked for exactly: refused, naming who is there
run devbox run -d --name p1 -p 18090:80 busybox sleep 1000
expect_status 125
expect_stderr_has "port 18090 on 127.0.0.1 is in use by python3 (pid $holder_pid)"
expect_stderr_lines 1
# asked for the container's port alone: another one, said in one line
run devbox run -d --name p2 -p 18090 busybox sleep 1000
expect_status 0
expect_stderr_lines 1
expect_stderr 'devbox: *18090*python3*'
run devbox port p2 18090
[[ ${stdout%%$'\n'*} =~ ^127.0.0.1:[0-9]+$ && $stdout != *:18090* ]] || fail "$stdout"
# 0 is any, as with Docker
run devbox run -d --name p0 -p 0:18191 busybox sleep 1000
expect_status 0
expect_stderr ''
run devbox port p0 18191
[[ ${stdout%%$'\n'*} =~ ^127.0.0.1:[0-9]+$ && $stdout != *:18191* ]] || fail "$stdout"
run devbox rm -f p0;		expect_status 0
# a free one is taken as it is, without a word
run devbox run -d --name p3 -p 18190 busybox sleep 1000
expect_status 0
expect_stderr ''
run devbox port p3;		expect_stdout '18190/tcp -> 127.0.0.1:18190
18190/tcp -> ?::1?:18190'
run devbox rm -f p1 p2 p3;	expect_status 0
kill "$holder_pid"; finish holder
expect_no_leftovers
