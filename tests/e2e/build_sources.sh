# tests/e2e/build_sources.sh -- contexts and files from elsewhere: URLs, git, tar files, other directories and images
# packages: git
# timeout: 60
. "$(dirname "$0")/../lib/e2e.sh"

dir=$(home)/ctx
owner=$(stat -c %u:%g "$(home)")
mkdir -p "$dir/web" "$dir/other" "$dir/repo/sub"
echo from-web >"$dir/web/f"
printf 'FROM busybox\nCOPY f /f\n' | tee "$dir/web/Dockerfile" "$dir/repo/sub/Dockerfile" >/dev/null
echo from-git >"$dir/repo/sub/f"
echo elsewhere >"$dir/other/f"
tar -C "$dir/web" -czf "$dir/web/ctx.tgz" f Dockerfile
printf 'FROM busybox\nRUN echo alone > /f\n' >"$dir/web/alone"
chown -R "$owner" "$dir"
start web sh -c 'cd ctx/web && exec /usr/bin/python3 -u -m http.server -b 127.0.0.1 8123'
eventually 10 curl -sf http://127.0.0.1:8123/f
has() { run devbox run --rm img cat "${2:-/f}"; expect_equal "$stdout" "$1"; }

# ADD of a URL, with and without its checksum
sum=sha256:$(sha256sum "$dir/web/f" | cut -d' ' -f1)
cat >"$dir/Dockerfile" <<-DF
	FROM busybox
	ADD --checksum=$sum --chmod=640 http://127.0.0.1:8123/f /got/
	ADD http://127.0.0.1:8123/ctx.tgz /
	RUN [ "\$(stat -c %a /got/f)" = 640 ] && [ -f /ctx.tgz ]
DF
run devbox build -t img ctx;			expect_status 0; has from-web /got/f
run devbox build -t img ctx;			[ "$(grep -c CACHED <<<"$stderr")" = 4 ] || fail 'not cached'
printf 'FROM busybox\nADD --checksum=sha256:%064d http://127.0.0.1:8123/f /\n' 0 >"$dir/Dockerfile"
run devbox build -q ctx;			expect_status 1; expect_stderr "devbox: building: Dockerfile:2: ADD: *digest mismatch: got $sum, expected *"
printf 'FROM busybox\nADD http://127.0.0.1:8123/nope /\n' >"$dir/Dockerfile"
run devbox build -q ctx;			expect_status 1; expect_stderr_has 'the server answers with status 404'
printf 'FROM busybox\nADD http://127.0.0.1:1/ /x\n' >"$dir/Dockerfile"
run devbox build -q ctx;			expect_status 1; expect_stderr_has 'Dockerfile:2: ADD: http://127.0.0.1:1/'
# the context itself
run devbox build -q -t img http://127.0.0.1:8123/ctx.tgz;	expect_status 0; has from-web
run devbox build -q -t img http://127.0.0.1:8123/alone;		expect_status 0; has alone
run devbox build -q -t img ctx/web/ctx.tgz;			expect_status 0; has from-web
run sh -c 'devbox build -q -t img - <ctx/web/ctx.tgz';		expect_status 0; has from-web
run sh -c 'cd ctx/repo && git init -q -b main && git -c user.name=a -c user.email=a@b add . && git -c user.name=a -c user.email=a@b commit -qm x'
expect_status 0
start git git daemon --export-all --listen=127.0.0.1 --port=9418 --base-path="$dir" --reuseaddr
eventually 10 bash -c 'exec 3<>/dev/tcp/127.0.0.1/9418'
run devbox build -q -t img 'git://127.0.0.1/repo#main:sub';	expect_status 0; has from-git
# the same from a compose file
e2e_as tee git.yaml >/dev/null <<<'services: {a: {build: "git://127.0.0.1/repo#main:sub", image: img}}'
run devbox compose -f git.yaml build -q;	expect_status 0; has from-git
run devbox build -q -t img 'git://127.0.0.1/repo#nope';		expect_status 1; expect_stderr_has 'git fetch: '
run devbox build -q -t img 'git://127.0.0.1/repo#--upload-pack=x';	expect_status 1; expect_stderr_has 'is no branch'
# ADD of a repository
commit=$(git -C "$dir/repo" -c safe.directory='*' rev-parse HEAD)
cat >"$dir/Dockerfile" <<-DF
	FROM busybox
	ADD --checksum=$commit git://127.0.0.1/repo#main /all
	ADD --keep-git-dir=true --exclude=Dockerfile git://127.0.0.1/repo#:sub /part/
	ADD --keep-git-dir git://127.0.0.1/repo /kept
	RUN [ "\$(cat /all/sub/f /part/f)" = "\$(printf 'from-git\nfrom-git')" ] && [ -d /kept/.git ] && [ ! -e /all/.git ]
	RUN [ ! -e /part/Dockerfile ] && [ -e /kept/sub/Dockerfile ]
DF
run devbox build -t img ctx;			expect_status 0
run devbox build -t img ctx;			expect_equal "$(grep -c CACHED <<<"$stderr")" 6
printf 'FROM busybox\nADD --checksum=1234567 git://127.0.0.1/repo /x\n' >"$dir/Dockerfile"
run devbox build -q ctx;			expect_status 1; expect_stderr "devbox: building: Dockerfile:2: ADD: git://127.0.0.1/repo: commit mismatch: got $commit, expected 1234567"
printf 'FROM busybox\nADD --checksum=main git://127.0.0.1/repo /x\n' >"$dir/Dockerfile"
run devbox build -q ctx;			expect_status 1; expect_stderr_has 'Dockerfile:2: ADD: --checksum=main is not the id of a commit'
printf 'FROM busybox\nCOPY git@127.0.0.1:repo /x\n' >"$dir/Dockerfile"
run devbox build -q ctx;			expect_status 1; expect_stderr_has "source can't be a git ref for COPY"
# what RUN reaches: the outside by name, and the host's loopback only where that is asked for
cat >"$dir/Dockerfile" <<'DF'
FROM busybox
RUN wget -qO- http://outside.test/ | grep '^server'
RUN --network=none ! wget -qO- http://outside.test/ && ip addr | grep -c mtu > /links
DF
run devbox build -t img ctx;			expect_status 0; expect_stderr_has 'server 198.51.100.1'
run devbox run --rm img cat /links;	expect_stdout 1
printf 'FROM busybox\nRUN wget -qO- http://host.docker.internal:8123/f\n' >"$dir/Dockerfile"
run devbox build -q ctx;			expect_status 1
run devbox build --add-host host.docker.internal:host-gateway ctx;	expect_status 0; expect_stderr_has from-web
run devbox build -q --network none --add-host host.docker.internal:host-gateway ctx;	expect_status 1
# further contexts by name
printf 'FROM base\nCOPY --from=more f /f\n' >"$dir/Dockerfile"
run devbox build -q -t img --build-context more=ctx/other --build-context base=docker-image://busybox ctx
expect_status 0;				has elsewhere
kill "$web_pid" "$git_pid"; finish web; finish git
expect_no_leftovers
