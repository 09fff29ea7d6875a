# tests/e2e/build_root.sh -- builds by root, whose files the containers' root could not read; and without subordinate ids
# timeout: 60
. "$(dirname "$0")/../lib/e2e.sh"

for AS in root dbx0; do
	dir=$(home)/ctx
	mkdir -p "$dir/sub"
	echo private >"$dir/key"
	echo more >"$dir/sub/f"
	tar -C "$dir" -cf "$dir/a.tar" sub
	cat >"$dir/Dockerfile" <<-'DF'
		FROM busybox AS one
		RUN --mount=type=bind,source=sub,target=/m --mount=type=secret,id=s cat /m/f /run/secrets/s > /made
		RUN --mount=type=cache,target=/c touch /c/x
		RUN --mount=type=ssh,id=a test -S "$SSH_AUTH_SOCK" && echo agent > /agent
		FROM busybox
		COPY key sub /k/
		COPY --from=one /made /agent /
		ADD a.tar /t/
		WORKDIR /w
		RUN cat /k/key > /w/seen
	DF
	chown -R "$(stat -c %u:%g "$(home)")" "$dir"
	chmod 700 "$dir"; chmod 600 "$dir/key"
	run sh -c 'python3 -c "import socket, time
s = socket.socket(socket.AF_UNIX); s.bind(\"agent\"); s.listen()" && devbox build -t img --ssh a=agent --secret id=s,src=ctx/key ctx'
	expect_status 0
	run devbox run --rm img sh -c 'cat /w/seen /made /agent /t/sub/f; stat -c "%a %u:%g" /k/key'
	expect_status 0;	expect_equal "$stdout" $'private\nmore\nprivate\nagent\nmore\n600 0:0'
	run devbox build -t img --ssh a=agent --secret id=s,src=ctx/key ctx
	expect_status 0;	[ "$(grep -c CACHED <<<"$stderr")" = 10 ] || fail 'not cached'
	run devbox build -o out ctx --secret id=s,src=ctx/key --ssh a=agent
	expect_status 0;	expect_file out/w/seen private
	run devbox rmi img;	expect_status 0
	run devbox builder prune -af;	expect_status 0
	# all of it belongs to the container's root, but for what the user's own programs made
	expect_no_leftovers
done
