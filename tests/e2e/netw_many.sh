# tests/e2e/netw_many.sh -- twenty containers join a network at once: each has an address of its own, all know all
. "$(dirname "$0")/../lib/e2e.sh"

run devbox pull -q busybox;	expect_status 0
run devbox network create many;	expect_status 0
# all at once, also making the network's process
run sh -c 'for i in $(seq 20); do devbox run -d --name m$i --network many busybox sleep 1000 >/dev/null & done; wait'
expect_status 0
expect_stderr ''
[ "$(pgrep -fc '^devbox: network many *$')" = 1 ] || fail 'not one process for the network'
run sh -c 'for i in $(seq 20); do devbox inspect -f "{{.NetworkSettings.Networks.many.IPAddress}}" m$i; done | sort -u | wc -l'
expect_stdout '20'
run devbox exec m1 sh -c 'for i in $(seq 20); do ping -c 1 -W 5 m$i >/dev/null || echo "no m$i"; done'
expect_status 0
expect_stdout ''
# more than the user-mode stack can remember at once, all of them outside
run sh -c 'for i in $(seq 20); do devbox exec m$i ping -c 1 -W 5 198.51.100.1 >/dev/null || echo "m$i" & done; wait'
expect_status 0
expect_stdout ''
run sh -c 'for i in $(seq 20); do devbox exec m$i wget -q -O - http://outside.test/ >/dev/null || echo "m$i" & done; wait'
expect_status 0
expect_stdout ''
run sh -c 'devbox rm -f $(seq -f m%g 20) >/dev/null';	expect_status 0
eventually 5 eval '! pgrep -f "^devbox: network many *$"'
run devbox network rm many;	expect_status 0
expect_no_leftovers
