# tests/e2e/build_cache.sh -- what is built again and what is not; stages; RUN --mount
# timeout: 120
. "$(dirname "$0")/../lib/e2e.sh"

dir=$(home)/ctx
owner=$(stat -c %u:%g "$(home)")
file() { mkdir -p "$(dirname "$dir/$1")"; cat >"$dir/$1"; chown -R "$owner" "$dir"; }
build() { run devbox build -t img "$@" ctx; expect_status 0; }
cached() { local n; n=$(grep -c ' CACHED$' <<<"$stderr") || true; [ "$n" = "$1" ] || fail "$n cached steps instead of $1"; }

# --- what an option asks for
file Dockerfile <<'DF'
FROM busybox AS one
RUN cat /proc/sys/kernel/random/uuid > /one
FROM busybox AS Two
RUN cat /proc/sys/kernel/random/uuid > /two
FROM scratch
COPY --from=one /one /
COPY --from=two /two /
DF
numbers() { run devbox build -q -o "type=tar,dest=out.tar" "$@" ctx; expect_status 0; now=$(tar -xOf "$(home)/out.tar" one two); }
numbers; was=$now; numbers;		expect_equal "$now" "$was"
numbers --no-cache-filter two
[ "$(head -1 <<<"$now")" = "$(head -1 <<<"$was")" ] && [ "$(tail -1 <<<"$now")" != "$(tail -1 <<<"$was")" ] || fail "$was became $now"
run devbox build -q --load --rm --force-rm=true --compress --builder default --call build --squash=false --memory 0 -t img -t img:b --metadata-file meta --iidfile id ctx
expect_status 0;			id=$stdout
expect_file meta "*\"containerimage.config.digest\": \"$id\"*\"image.name\": \"img,img:b\"*";	expect_file id "$id"
run devbox build --cache-from type=gha --cache-to x ctx
expect_status 0;			expect_stderr_has 'devbox: --cache-from and --cache-to have no effect: '
for o in '--memory 1g' '-c 2' --squash --check '--allow security.insecure' '--ulimit nofile=1' '--annotation a=b' '--builder other' '--sbom true'; do
	# shellcheck disable=SC2086
	run devbox build $o ctx;	expect_status 125; expect_stderr_has 'it is not supported: '
done
run devbox build --push ctx;		expect_status 1; expect_stderr 'devbox: building: --push needs a name to push it by (--tag)'

# --- hits and misses
file Dockerfile <<'DF'
FROM busybox
ARG LATE=1
COPY a /a
RUN cat /proc/sys/kernel/random/uuid > /stamp
ARG USED=1
RUN echo $USED > /used
DF
file a <<<one
build;					cached 1
run devbox run --rm img cat /stamp;	first=$stdout
build;					cached 4
run devbox images -q img;		id=$stdout
touch "$dir/a";				build; cached 4		# another time is no change
run devbox images -q img;		expect_equal "$stdout" "$id"
cp -p "$dir/a" "$dir/b" && rm "$dir/a" && mv "$dir/b" "$dir/a"; chown "$owner" "$dir/a"
build;					cached 4		# nor another inode
chmod 600 "$dir/a";			build; cached 1		# another mode is
chmod 644 "$dir/a";			build; cached 4
file a <<<two;				build; cached 1
file a <<<one;				build; cached 4
run devbox run --rm img cat /stamp;	expect_equal "$stdout" "$first"
build --build-arg USED=2;		cached 3		# only behind the ARG
build --build-arg LATE=2;		cached 2		# RUN sees it, COPY does not use it
build --build-arg HTTP_PROXY=http://x;	cached 4		# proxies do not count
run devbox build -t img --build-arg NOPE=1 ctx;	expect_stderr_has 'build-args [[]NOPE[]] were not consumed'
build --no-cache;			cached 1
run devbox run --rm img cat /stamp;	[ "$stdout" != "$first" ] || fail 'not built again'
file .dockerignore <<<'junk'
file junk <<<x
file Dockerfile <<'DF'
FROM busybox
COPY . /all
DF
build; file junk <<<y; build;		cached 2		# what is ignored does not count
run devbox run --rm img ls -A /all;	expect_equal "$stdout" $'.dockerignore\nDockerfile\na'
file Dockerfile.dockerignore <<<$'*\n!a\n'
build
run devbox run --rm img ls -A /all;	expect_equal "$stdout" a
rm "$dir/.dockerignore" "$dir/Dockerfile.dockerignore" "$dir/junk"

# --- stages: only those that are needed, independent ones at once, unchanged results go on
file Dockerfile <<'DF'
FROM busybox AS never
RUN exit 7
FROM busybox AS one
RUN --mount=type=cache,target=/c touch /c/one; for i in $(seq 100); do [ -e /c/two ] && break; sleep 0.05; done; [ -e /c/two ] && echo 1 > /one
FROM busybox AS two
RUN --mount=type=cache,target=/c touch /c/two; for i in $(seq 100); do [ -e /c/one ] && break; sleep 0.05; done; [ -e /c/one ] && echo 2 > /two
FROM busybox AS noise
ARG N
RUN echo $N > /n; echo same > /same
FROM busybox
COPY --from=one /one /
COPY --from=two /two /
COPY --from=noise /same /
RUN cat /proc/sys/kernel/random/uuid > /stamp
DF
build
run devbox run --rm img cat /one /two /same;	expect_equal "$stdout" $'1\n2\nsame'
run devbox run --rm img cat /stamp;	first=$stdout
build --build-arg N=2
run devbox run --rm img cat /stamp;	expect_equal "$stdout" "$first"
run devbox build -q --target one ctx;	expect_status 0		# an inner stage becomes an image of its own
run devbox build -q --target never ctx;	expect_status 1
expect_stderr_has 'Dockerfile:2: process "/bin/sh -c exit 7" did not complete successfully: exit code: 7'
file Dockerfile <<'DF'
FROM scratch
COPY --from=busybox /bin/busybox /bin/
COPY --from=0 . .
DF
run devbox build ctx;			expect_status 1; expect_stderr_has 'Dockerfile:3: there is no stage 0 before this one'

# --- mounts
file Dockerfile <<'DF'
FROM busybox AS src
RUN mkdir /s && echo from-stage > /s/f
FROM busybox
RUN --mount=type=bind,source=a,target=/m/a cat /m/a > /o1 && ! echo x > /m/a
RUN --mount=type=bind,from=src,source=/s,target=/m cat /m/f > /o2 && ! touch /m/x
RUN --mount=type=bind,from=src,source=/s,target=/m,rw touch /m/x && ls /m > /o3
RUN --mount=type=tmpfs,target=/t,size=1m touch /t/x && grep ' /t ' /proc/mounts > /o4
RUN --mount=type=secret,id=tok cat /run/secrets/tok > /dev/null && stat -c '%a %u' /run/secrets/tok > /o5
RUN --mount=type=secret,id=tok,env=TOK [ ${#TOK} = 12 ]
RUN --mount=type=secret,id=other cat /run/secrets/other 2>&1 | grep -q 'No such' && echo none > /o6
DF
echo -n s3cret-value >"$(home)/tok"; chown "$owner" "$(home)/tok"
build --secret id=tok,src=tok
run devbox run --rm img sh -c 'cat /o1 /o2 /o3 /o5 /o6; ls /m /t /run/secrets 2>&1 | grep -c No; cat /o4'
expect_stdout $'one\nfrom-stage\nf\nx\n400 0\nnone\n3\ntmpfs /t tmpfs *'
run sh -c "grep -rl s3cret-value .local/share/devbox | head -3";	expect_equal "$stdout" ''
run sh -c "for b in .local/share/devbox/blobs/sha256/*; do gzip -dc \$b 2>/dev/null | grep -q s3cret-value && echo \$b; done";	expect_equal "$stdout" ''
run devbox build --secret id=tok,src=nope ctx;	expect_status 1; expect_stderr_has '--secret id=tok,src=nope'
file Dockerfile <<'DF'
FROM busybox
RUN --mount=type=secret,id=must,required=true true
DF
run devbox build ctx;			expect_status 1; expect_stderr_has 'Dockerfile:2: * secret must: not found'
# cache mounts survive, and two builds at once do not lose what the other wrote
file Dockerfile <<'DF'
FROM busybox
ARG N
RUN --mount=type=cache,target=/c,sharing=locked n=$(cat /c/n 2>/dev/null || echo 0); sleep 0.1; echo $((n + 1)) > /c/n; echo $N
RUN --mount=type=cache,target=/c cat /c/n > /n
DF
for i in 1 2 3 4; do start b$i devbox build -q --build-arg N=$i ctx; done
for i in 1 2 3 4; do finish b$i; expect_status 0; done
build --build-arg N=5
run devbox run --rm img cat /n;		expect_equal "$stdout" 5
run devbox builder prune -af;		expect_status 0; expect_stdout 'Total reclaimed space: *B'
build --build-arg N=5
run devbox run --rm img cat /n;		expect_equal "$stdout" 1
# an ssh agent
run sh -c 'printf "FROM busybox\nRUN --mount=type=ssh test -S \$SSH_AUTH_SOCK\n" | SSH_AUTH_SOCK=$PWD/agent devbox build -q --ssh default -'
expect_status 1;			expect_stderr_has '--ssh default: No such file'

# --- the same twice: bit by bit
file Dockerfile <<'DF'
FROM busybox
COPY a /x/a
RUN mkdir /y && for f in 3 1 2; do echo $f > /y/$f; done && ln /y/1 /y/0
DF
export_id() { run env SOURCE_DATE_EPOCH=1700000000 devbox build -q --no-cache -t "$1" ctx; expect_status 0; }
export_id r1; one=$stdout
touch "$dir/a"; export_id r2;		expect_equal "$stdout" "$one"
run devbox image inspect -f '{{.Created}}' r1;	expect_stdout '2023-11-14T22:13:20*Z'
# --- records and layers that are lost are made again
build
run sh -c 'rm -rf .local/share/devbox/cache/build'; build; cached 1
for f in "$(store)"/layers/*.ok; do rm "$f"; done
run devbox build -t img ctx;		expect_status 0
run devbox run --rm img cat /y/0;	expect_equal "$stdout" 1
# --- kill -9 in the middle leaves nothing that matters
file Dockerfile <<'DF'
FROM busybox
RUN echo kept > /kept
RUN touch /here; exec sleep 1000
DF
start b devbox build ctx
eventually 10 grep -q 'RUN touch' "$b_err"
kill -KILL "$b_pid"; finish b
gone() { ! "$lib/world" _leftovers | grep '^process'; }
eventually 10 gone
file Dockerfile <<'DF'
FROM busybox
RUN echo kept > /kept
DF
build;					cached 2
expect_no_leftovers
