# tests/e2e/sys_redis.sh -- a Redis cluster over a network: gossip between addresses, and a failover when a node dies
. "$(dirname "$0")/../lib/e2e.sh"

cli() { run devbox exec "$1" redis-cli "${@:2}"; }	# NODE WORDS...
ip_of() { run devbox inspect -f '{{.NetworkSettings.Networks.cluster.IPAddress}}' "$1"; expect_status 0; }
# shellcheck disable=SC2317	# eventually runs them
answers() { cli "$1" ping; [ "$stdout" = PONG ]; }
# shellcheck disable=SC2317
state() { cli "$1" cluster info; [[ $stdout == *cluster_state:$2* ]]; }
# shellcheck disable=SC2317
knows() { cli "$1" cluster nodes; [ "$(grep -c . <<<"$stdout")" = "$2" ] && [[ $stdout != *handshake* ]]; }
# shellcheck disable=SC2317
says() { cli "${@:2}"; [[ $stdout == *$1* ]]; }	# TEXT NODE WORDS...
# shellcheck disable=SC2317
replicated() { run devbox exec r4 sh -c "printf 'readonly\\nget %s\\n' $key | redis-cli"; [[ $stdout == *kept* ]]; }

run devbox pull -q redis;		expect_status 0
run devbox network create cluster;	expect_status 0
nodes=''
for i in 1 2 3 4; do
	run devbox run -d --name "r$i" --network cluster redis redis-server --cluster-enabled yes \
		--cluster-node-timeout 1500 --save '' --protected-mode no
	expect_status 0
	ip_of "r$i"
	[ $i = 4 ] || nodes+=" $stdout:6379"
	[ $i != 1 ] || first=$stdout
	[ $i != 4 ] || last=$stdout
done
for i in 1 2 3 4; do eventually 20 answers r$i; done
# shellcheck disable=SC2086	# a list
cli r1 --cluster create $nodes --cluster-yes
expect_status 0
expect_stdout_has 'All 16384 slots covered.'
for i in 1 2 3; do eventually 20 state r$i ok; done

# data goes where it belongs, whoever is asked, by address and by name
cli r2 -c -h r3 set name devbox;	expect_stdout_has OK
cli r3 -c -h r1 get name;		expect_stdout_has devbox

# a replica of the first node, told by name
cli r1 cluster myid;	id=$stdout
cli r4 --cluster add-node "$last:6379" "$first:6379" --cluster-slave --cluster-master-id "$id"
expect_status 0
eventually 20 knows r2 4
eventually 20 says master_link_status:up r4 info replication
# a key of the first node's
for key in a b c d e f g h; do
	cli r1 cluster keyslot $key
	[ "$stdout" -gt 5460 ] || break
done
cli r2 -c set $key kept;	expect_stdout_has OK
eventually 10 replicated	# the answer does not wait for the replica

# the first node dies: the replica takes its slots over, and the cluster serves them
run devbox kill r1;	expect_status 0
eventually 20 says role:master r4 info replication
for i in 2 3 4; do eventually 20 state r$i ok; done
cli r3 -c get $key;	expect_stdout_has kept
# it comes back with its address, as the replica now
run devbox start r1;	expect_status 0
ip_of r1;		expect_stdout "$first"
eventually 20 says role:slave r1 info replication

run devbox rm -f r1 r2 r3 r4;		expect_status 0
run devbox network rm cluster;		expect_status 0
expect_no_leftovers
