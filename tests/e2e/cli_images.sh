# tests/e2e/cli_images.sh -- pull's output, images, tag, rmi, prune, volumes
. "$(dirname "$0")/../lib/e2e.sh"

run devbox images
expect_stdout 'REPOSITORY   TAG       IMAGE ID   CREATED   SIZE'
run devbox pull busybox
expect_status 0
expect_stdout 'Using default tag: latest
latest: Pulling from library/busybox
*: Pull complete
Digest: sha256:*
Status: Downloaded newer image for busybox:latest
docker.io/library/busybox:latest'
run devbox pull busybox;		expect_stdout_has 'Status: Image is up to date for busybox:latest'
run devbox pull -q busybox;		expect_stdout 'docker.io/library/busybox:latest'
run devbox pull nosuch
expect_status 1
expect_stderr 'devbox: *'
expect_stderr_lines 1

run devbox images
expect_stdout 'REPOSITORY   TAG       IMAGE ID       CREATED * SIZE
busybox      latest    [0-9a-f]* *ago   *B'
run devbox images -q;			id=$stdout
[[ $id =~ ^[0-9a-f]{12}$ ]] || fail "no short id: $id"
run devbox images -q --no-trunc;	expect_stdout "sha256:$id*"
run devbox images --digests --format '{{.Digest}}';	expect_stdout 'sha256:*'
run devbox tag busybox local/bb:2;	expect_status 0;	expect_stdout ''
run devbox images --format '{{.Repository}}:{{.Tag}} {{.ID}}'
[[ $stdout == *"local/bb:2 $id"* && $stdout == *"busybox:latest $id"* ]] || fail "$stdout"
run devbox images local/bb --format '{{.Tag}}';		expect_stdout '2'
run devbox images 'bus*' --format '{{.Repository}}';	expect_stdout 'busybox'
run devbox images --filter reference='local/*' --format '{{.Repository}}';	expect_stdout 'local/bb'
run devbox images --filter dangling=true -q;		expect_stdout ''
run devbox images -q;			expect_stdout "$id"
run devbox tag nosuch x;		expect_status 1;	expect_stderr 'devbox: No such image: nosuch*'

run devbox rmi local/bb:2;		expect_status 0;	expect_stdout 'Untagged: local/bb:2'
run devbox run --name c1 busybox true;	expect_status 0
run devbox rmi busybox;			expect_status 1;	expect_stderr_has 'a container is using its referenced image'
# prune asks, and spares what is in use
run sh -c 'echo n | devbox prune';	expect_status 0;	expect_stdout_has 'Are you sure you want to continue? ?y/N?'
run devbox ps -aq;			[ -n "$stdout" ] || fail 'prune did not wait for the answer'
run devbox image prune -af;		expect_stdout_has 'Total reclaimed space: 0B'
run devbox volume create keep;		expect_stdout 'keep'
run devbox create --name v1 -v /anon busybox true;	expect_status 0
run devbox volume ls -q;		expect_equal "$(wc -l <<<"$stdout")" 2
run devbox volume rm keep;		expect_stdout 'keep'
run devbox volume create keep;		expect_status 0
run devbox rm v1;			expect_status 0
run devbox prune -af --volumes
expect_status 0
expect_stdout_has 'Deleted Containers:'
expect_stdout_has 'Deleted Volumes:'
expect_stdout_has 'Deleted Images:'
expect_stdout_has 'Total reclaimed space: '
run devbox images -q;			expect_stdout ''
run devbox ps -aq;			expect_stdout ''
run devbox volume ls -q;		expect_stdout 'keep'
run devbox volume rm keep nosuch;	expect_status 1;	expect_stdout 'keep';	expect_stderr 'devbox: get nosuch: no such volume'
expect_no_leftovers
