# tests/e2e/share_query.sh -- what images are made of, and what registries have: history, search, manifest inspect, pull -a
. "$(dirname "$0")/../lib/e2e.sh"
hub=registry-1.docker.io

run devbox pull -q redis;	expect_status 0
run devbox history redis
expect_status 0;	expect_stdout 'IMAGE          CREATED * CREATED BY * SIZE      COMMENT
[0-9a-f]*   * ago   CMD ?"redis-server"? * 0B *
<missing>*redis entrypoint*
<missing>*apt-get install redis-server redis-tools*MB*
<missing>*debian bookworm*MB*'
id=$(e2e_as devbox images -q --no-trunc redis)
run devbox history -q --no-trunc redis;	expect_stdout "$id"$'\n<missing>\n<missing>\n<missing>'
run devbox image history --format '{{.CreatedBy}}|{{.Size}}' redis;	expect_stdout_has 'debian bookworm|'
run env TZ=UTC devbox history -H=false redis;	expect_stdout_has '2025-01-01T00:00:00Z   debian bookworm'
run env TZ=ABC-1 devbox history -H=false redis;	expect_stdout_has '2025-01-01T01:00:00+01:00'
run devbox history nosuch;	expect_status 1;	expect_stderr 'devbox: No such image: nosuch'
# what a container adds is a step
run devbox run --name c1 redis sh -c 'head -c 3000000 /dev/urandom >/big';	expect_status 0
run devbox commit -m "more of it" c1 mine/redis;	expect_status 0
run devbox history --format '{{.Size}} {{.Comment}}' mine/redis;	expect_stdout $'3MB more of it\n0B *'
run devbox image inspect --format '{{.Comment}} {{.Os}}/{{.Architecture}} {{.RootFS.Type}} {{len .RootFS.Layers}} {{.Created}}' mine/redis
expect_stdout 'more of it linux/amd64 layers 4 20*Z'
run devbox rm c1

run devbox search red
expect_status 0;	expect_stdout 'NAME      DESCRIPTION                                    STARS     OFFICIAL
redis     The stand-in for library/redis, nothing more   13        ?OK?'
run devbox search --filter is-official=true --filter stars=14 --limit 100 --format '{{.Name}} {{.StarCount}}' b;	expect_stdout_has 'busybox 15'
case $stdout in *odd/*) fail 'not official' ;; esac
run devbox search --limit 0 x;	expect_status 1;	expect_stderr 'devbox: searching Docker Hub for x: limit 0 is outside the range of ?1, 100?'
run devbox search --filter stars=many x;	expect_status 1;	expect_stderr_has "invalid filter 'stars=many'"
hub_fault 'index.docker.io/v1/search' status=503
run devbox search red;	expect_status 1;	expect_stderr 'devbox: searching Docker Hub for red: Docker Hub answered 503: service unavailable'
hub_clear

run devbox manifest inspect busybox
expect_status 0;	expect_stderr ''
expect_equal "$(python3 -c 'import json,sys; print(len([m for m in json.load(sys.stdin)["manifests"] if m["platform"]["os"] == "linux"]))' <<<"$stdout")" 2
run devbox manifest inspect -v busybox:single
expect_equal "$(python3 -c 'import json,sys; d = json.load(sys.stdin); print(d["Ref"], len(d["SchemaV2Manifest"]["layers"]))' <<<"$stdout")" 'busybox:single 1'
run devbox manifest inspect -v busybox
expect_equal "$(python3 -c 'import json,sys; print(len(json.load(sys.stdin)))' <<<"$stdout")" 4
run devbox manifest inspect busybox:nosuch;	expect_status 1;	expect_stderr 'devbox: manifest for busybox:nosuch not found: manifest unknown'
expect_equal "$(e2e_as devbox images -q busybox)" ''

run devbox pull -a -q busybox
expect_status 0;	expect_stdout_has 'docker.io/library/busybox:zstd';	expect_stdout_has 'docker.io/library/busybox:1.35'
run devbox pull -a busybox:1;	expect_status 1;	expect_stderr "devbox: tag can't be used with --all-tags/-a"
expect_no_leftovers
