# tests/e2e/sys_haproxy.sh -- HAProxy in front of web servers that it finds by one name, as they come and go
. "$(dirname "$0")/../lib/e2e.sh"

server() {	# N
	run devbox run -d --name "n$1" --network front --network-alias web nginx;	expect_status 0
	run devbox exec "n$1" sh -c "echo n$1 >/usr/share/nginx/html/index.html";	expect_status 0
}
# Who answers, in twelve requests: "n1 n2 n3"; "?" stands for a request that failed.
who() {
	local i
	for ((i = 0; i < 12; i++)); do
		curl -s -f -m 5 http://127.0.0.1:8080/ || echo '?'
	done | sort -u | paste -sd' '
}
# shellcheck disable=SC2317	# eventually runs it
are() { [ "$(who)" = "$1" ]; }

run devbox pull -q nginx;	expect_status 0
run devbox pull -q haproxy;	expect_status 0
run devbox network create front;	expect_status 0
for i in 1 2 3; do server $i; done
cat >"$(home)/haproxy.cfg" <<'END'
resolvers docker
	parse-resolv-conf
	hold valid 200ms
	hold nx 0s
	timeout resolve 200ms
	accepted_payload_size 4096
defaults
	mode http
	timeout connect 2s
	timeout client 10s
	timeout server 10s
	option redispatch
	retries 3
frontend in
	bind :8080
	default_backend servers
backend servers
	balance roundrobin
	option forwardfor
	server-template web 5 web:80 check inter 200ms fastinter 100ms rise 1 fall 1 resolvers docker init-addr libc,none
END
run devbox run -d --name lb --network front -p 8080:8080 \
	-v "$(home)/haproxy.cfg:/usr/local/etc/haproxy/haproxy.cfg:ro" haproxy
expect_status 0
eventually 20 are 'n1 n2 n3'

# one goes, one more comes, one is killed: nobody who asks notices
run devbox stop n2;	expect_status 0
eventually 20 are 'n1 n3'
server 4
eventually 20 are 'n1 n3 n4'
run devbox kill n1;	expect_status 0
eventually 20 are 'n3 n4'
run devbox start n1 n2;	expect_status 0
eventually 20 are 'n1 n2 n3 n4'
# the balancer says where it was asked from: the gateway, for the host's loopback
run devbox logs n3
expect_stdout_has '172.18.0.1'

run devbox rm -f lb n1 n2 n3 n4;	expect_status 0
run devbox network rm front;		expect_status 0
expect_no_leftovers
