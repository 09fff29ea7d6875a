# tests/e2e/life_filters.sh -- labels of volumes, and what --filter picks in ls, ps, images and prune
. "$(dirname "$0")/../lib/e2e.sh"
run devbox pull -q busybox

# Volumes: labels are kept, shown, and picked by.
run devbox volume create --label team=a --label plain vol1;	expect_stdout vol1
run devbox volume create --label team=b vol2;	expect_stdout vol2
run devbox volume create;	expect_status 0
anonymous=$stdout
run devbox volume inspect --format '{{.Labels.team}}{{.Labels.plain}}' vol1;	expect_stdout a
run devbox volume ls -q --filter label=team=b;	expect_stdout vol2
run devbox volume ls -q --filter label=team --filter label!=plain;	expect_stdout vol2
run devbox volume ls -q --filter driver=local --filter name=vol;	expect_stdout $'vol1\nvol2'
run devbox volume ls --format '{{.Name}} {{.Labels}}' --filter name=vol2;	expect_stdout 'vol2 team=b'
run devbox volume ls --filter dangling=perhaps
expect_status 1; expect_stderr_has "invalid filter 'dangling=perhaps': it must be true or false"
run devbox volume create --driver nfs vol3
expect_status 1; expect_stderr_has 'volume driver "nfs" is not there, only "local"'
run devbox volume create --opt type=tmpfs vol3
expect_status 1; expect_stderr_has 'driver option "type=tmpfs" is not supported'
run devbox volume ls -q --filter name=vol3;	expect_stdout ''
run devbox volume prune -f --filter label=nothing;	expect_stdout 'Total reclaimed space: 0B'
run devbox volume prune -f --filter all=1 --filter label!=plain
expect_stdout_has vol2; expect_stdout_has "$anonymous"
run devbox volume ls -q;	expect_stdout vol1

# Containers: by age relative to others, by labels that they lack.
for i in 1 2 3; do run devbox create --name box$i --label n=$i busybox true; done
run devbox ps -a --filter before=box3 --format '{{.Names}}';	expect_stdout $'box2\nbox1'
run devbox ps -a --filter since=box1 --format '{{.Names}}';	expect_stdout $'box3\nbox2'
run devbox ps -a --filter before=box3 --filter since=box1 --format '{{.Names}}';	expect_stdout box2
run devbox ps -a --filter label!=n=2 --format '{{.Names}}';	expect_stdout $'box3\nbox1'
run devbox ps -a --filter before=nobody;	expect_status 1; expect_stderr_has 'No such container: nobody'
run devbox ps -a --filter status=asleep;	expect_status 1; expect_stderr_has "invalid filter 'status=asleep'"
run devbox container prune -f --filter until=1h;	expect_stdout 'Total reclaimed space: 0B'
run devbox container prune -f --filter label=n=2
run devbox ps -a --format '{{.Names}}';	expect_stdout $'box3\nbox1'
run devbox system prune -f --filter nonsense=1;	expect_status 1; expect_stderr_has "invalid filter 'nonsense'"
run devbox system prune -f --volumes --filter until=1h
expect_status 1; expect_stderr_has 'The "until" filter is not supported with "--volumes"'
run devbox container prune -f --filter until=0s
run devbox ps -aq;	expect_stdout ''

# Images.
run devbox create --name box4 busybox true
run devbox commit -c 'LABEL made=here' box4 mine:1
run devbox rm box4
run devbox images --filter since=busybox --format '{{.Repository}}';	expect_stdout mine
run devbox images --filter before=mine:1 --format '{{.Repository}}';	expect_stdout busybox
run devbox images --filter label!=made --format '{{.Repository}}';	expect_stdout busybox
run devbox images --filter since=nothing;	expect_status 1; expect_stderr_has 'No such image: nothing'
run devbox image prune -f -a --filter label=made
run devbox images --format '{{.Repository}}';	expect_stdout busybox
run devbox volume rm vol1
expect_no_leftovers
