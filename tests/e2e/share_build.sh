# tests/e2e/share_build.sh -- what is built, committed or imported here is the same tree to whoever pulls it
# packages: skopeo podman
. "$(dirname "$0")/../lib/e2e.sh"
chmod 711 "$E2E_TMP"
dir=$(home)/ctx
podman=(podman --root "$E2E_TMP/pod" --runroot "$W/run/pod" --storage-driver vfs --log-level error)
# kind, mode, owner, size (not of directories), name and target of all but what a container gets from its engine;
# listed by the image's own busybox
list='cd / && { find . -xdev \( -path ./proc -o -path ./sys -o -path ./dev \) -prune -o -type d ! -path . -print0 |
	xargs -0 stat -c "%F %a %u %g %n"
find . -xdev \( -path ./proc -o -path ./sys -o -path ./dev -o -path ./etc/hosts -o -path ./etc/hostname \
	-o -path ./etc/resolv.conf -o -path ./run/.containerenv \) -prune -o ! -type d -print0 |
	xargs -0 stat -c "%F %a %u %g %s %N"; } | sort'
same_tree() {	# IMAGE
	run devbox run --rm "$1" sh -c "$list"
	expect_status 0
	ours=$stdout
	[ "$(wc -l <<<"$ours")" -gt 20 ] || fail 'a small tree'
	as root run "${podman[@]}" pull -q --tls-verify=false "$1";	expect_status 0
	root=$("${podman[@]}" image mount "$1") || fail 'no mount'
	as root run chroot "$root" /bin/sh -c "$list"
	expect_status 0
	diff <(echo "$ours") <(echo "$stdout") || fail 'another tree to podman'
}
same_digest() {	# FULL-NAME: as the push just now said
	digest=$(sed -n 's/.*digest: \(sha256:[0-9a-f]*\) size.*/\1/p' <<<"$stdout")
	[ -n "$digest" ] || fail 'no digest'
	run skopeo inspect --tls-verify=false --format '{{.Digest}}' "docker://$1";	expect_stdout "$digest"
}

mkdir -p "$dir/files/deep" && echo one >"$dir/files/one" && echo two >"$dir/files/deep/two"
ln -s ../one "$dir/files/deep/link"
chown -R --reference="$(home)" "$dir"
chmod 4755 "$dir/files/one"
cat >"$dir/Dockerfile" <<'DF'
FROM busybox AS made
RUN mkdir -p /work/a/b && echo x >/work/a/b/c && ln /work/a/b/c /work/a/hard && ln -s b/c /work/a/soft
RUN rm -rf /var/spool /home /bin/zcat && mkdir /var/spool && echo new >/var/spool/new && ln /bin/busybox /bin/another
RUN chown 33:44 /work/a && chmod 2750 /work/a && mkfifo /work/fifo && touch "/work/täst blank"
COPY --chown=7:8 files /work/files
RUN rm /work/a/hard && mv /work/a/b /work/moved && chmod 1777 /work
FROM busybox
COPY --from=made /work /work
RUN name=$(printf '%0200d' 7) && mkdir -p /long/$name/$name && echo long >/long/$name/$name/file
DF
run devbox build -q -t localhost:5000/made/made --target made ctx;	expect_status 0
run devbox build -q -t localhost:5000/made/last ctx;	expect_status 0
for t in made last; do
	run devbox push "localhost:5000/made/$t";	expect_status 0
	same_digest "localhost:5000/made/$t"
	same_tree "localhost:5000/made/$t"
done
# the second one found what the first one had brought
run devbox tag localhost:5000/made/last localhost:5000/made/twin
run devbox push localhost:5000/made/twin;	expect_status 0;	expect_stdout_has ': Mounted from made/last'
id=$(e2e_as devbox images -q --no-trunc localhost:5000/made/last)

# a container's changes, and a tree from outside
run devbox run --name c1 localhost:5000/made/made sh -c 'rm -r /work/files/deep && echo y >/work/files/y && chown 1:2 /work/files/y'
expect_status 0
run devbox commit c1 localhost:5000/made/commit;	expect_status 0
run devbox push localhost:5000/made/commit;	expect_status 0
same_digest localhost:5000/made/commit
same_tree localhost:5000/made/commit
run sh -c 'devbox export c1 | devbox import -c "CMD [\"sh\"]" - localhost:5000/made/import';	expect_status 0
run devbox push localhost:5000/made/import;	expect_status 0
same_digest localhost:5000/made/import
same_tree localhost:5000/made/import
run devbox rm c1
# and back
run devbox prune -af;	expect_status 0
run devbox pull -q localhost:5000/made/last;	expect_status 0
expect_equal "$(e2e_as devbox images -q --no-trunc localhost:5000/made/last)" "$id"
as root run "${podman[@]}" rmi -af
expect_no_leftovers
