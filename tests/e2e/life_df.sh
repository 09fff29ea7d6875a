# tests/e2e/life_df.sh -- what takes how much of the disk
. "$(dirname "$0")/../lib/e2e.sh"

run devbox system df;	expect_status 0
expect_stdout 'TYPE *TOTAL *ACTIVE *SIZE *RECLAIMABLE
Images *0 *0 *0B *0B
Containers *0 *0 *0B *0B
Local Volumes *0 *0 *0B *0B
Build Cache *0 *0 *0B *0B'
run devbox pull -q busybox; expect_status 0
run devbox tag busybox other
run devbox system df --format '{{.Type}} {{.TotalCount}} {{.Active}} {{.Reclaimable}}'
expect_stdout 'Images 1 0 *B (100%)
Containers 0 0 0B
Local Volumes 0 0 0B
Build Cache 0 0 0B'
run devbox run --name cc -v data:/d busybox sh -c 'head -c 3000000 /dev/urandom >/d/f; head -c 2000000 /dev/urandom >/f';	expect_status 0
run devbox system df --format '{{.Type}} {{.TotalCount}} {{.Active}} {{.Size}} {{.Reclaimable}}'
expect_stdout 'Images 1 1 *B 0B (0%)
Containers 1 0 2*MB 2*MB (100%)
Local Volumes 1 1 3*MB 0B (0%)
Build Cache 0 0 0B 0B'
run devbox system df -v;	expect_status 0
expect_stdout_has 'data * 1 * 3*MB'
expect_stdout_has ' exited * cc'
run devbox rm cc
run devbox system df --format json;	expect_stdout_has '"Type":"Local Volumes"'
expect_no_leftovers
