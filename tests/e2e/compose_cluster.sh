# tests/e2e/compose_cluster.sh -- three Redis containers become a cluster; one is killed and comes back into it
. "$(dirname "$0")/../lib/e2e.sh"

tar -C "$lib/../../examples" -c redis-cluster | e2e_as tar x
c() { run sh -c 'cd redis-cluster && exec devbox compose "$@"' sh "$@"; }
ok() { [[ $(e2e_as sh -c "cd redis-cluster && devbox compose exec -T redis-$1 redis-cli cluster info") == *cluster_state:ok* ]]; }

c up -d --wait;	expect_status 0
c run --rm -T create;	expect_status 0; expect_stdout_has 'All 16384 slots covered'
for n in 1 2 3; do eventually 10 ok $n; done
c exec -T redis-1 redis-cli -c set hello world;	expect_stdout OK
c exec -T redis-3 redis-cli -c get hello;	expect_stdout world
pid=$(e2e_as devbox inspect -f '{{.State.Pid}}' redis-cluster-redis-2-1)
kill -KILL "$pid"
back() { [ "$(e2e_as devbox inspect -f '{{.State.Running}} {{.RestartCount}}' redis-cluster-redis-2-1)" = 'true 1' ]; }
eventually 10 back
for n in 1 2 3; do eventually 20 ok $n; done
c exec -T redis-2 redis-cli -c get hello;	expect_stdout world
c down -v;	expect_status 0
expect_no_leftovers
