# tests/e2e/odd_images.sh -- odd, wrong and hostile images: each runs, or is refused in one clear line; nothing is left of those
# (what their layers unpack to is in pull_layers.sh, ways out of a container in run_escape.sh)
. "$(dirname "$0")/../lib/e2e.sh"
hub_set remaining=100000

try() { local image=odd/$1; shift; run timeout 20 devbox run -q --rm --network none "$image" "$@"; }
runs() {	# IMAGE...: legal, if strange
	local i
	for i; do
		try "$i" sh -c 'echo runs';	expect_status 0;	expect_stdout_has 'runs';	expect_stderr ''
	done
}
refused() {	# IMAGE WORDS: while it is pulled; the image is not there afterwards
	try "$1" true;	expect_status 125;	expect_stderr_lines 1;	expect_stderr "devbox: pulling odd/$1: $2"
	run devbox images -q "odd/$1";	expect_stdout ''
}
fails() {	# STATUS WORDS IMAGE ARG...: it is there, and cannot be run
	local want=$1 words=$2
	shift 2
	try "$@";	expect_status "$want";	expect_stderr_lines 1;	expect_stderr "devbox: $words"
}

runs config-env-odd config-extra config-null duplicate index-odd jessie longnames many names nopath noplatform replace samelayer schema1 schema1-plain sparse tarforms uid user-999 user-1000 user-badpasswd user-empty user-gid user-group \
	user-mysql user-nobody variants volume-link whiteout xattr

refused arm64only 'no matching manifest for linux/amd64: the image exists for linux/arm64 *'
refused arm64single 'the image is for linux/arm64 only, not for linux/amd64 *'
refused artifact 'this is not a container image but an artifact of type application/vnd.example.sbom'
refused config-array 'malformed image configuration: not an object'
refused config-no-rootfs 'malformed image configuration: 0 diff ids for 1 layers'
refused config-type 'this is not a container image but an artifact of type *'
refused diffid 'layer sha256:* unpacks to sha256:*, but the image?s configuration says sha256:000000000000'
refused diffid-count 'malformed image configuration: 2 diff ids for 1 layers'
refused digest-missing 'layer sha256:abababababab: * not found on docker.io'
for i in digest-path digest-short digest-unknown; do
	refused $i 'malformed manifest: layer 0 has no sha256 digest'
done
refused garbage 'layer sha256:*: damaged tar data: *'
refused garbage-gzip 'layer sha256:*: damaged tar data: *'
refused gzip-crc 'layer sha256:*: corrupt gzip data'
refused gzip-truncated 'layer sha256:*: corrupt gzip data: it is cut off'
refused index-attestation 'no matching manifest for linux/amd64: the image exists for no platform'
refused index-empty 'no matching manifest for linux/amd64: the image exists for no platform'
refused index-nested 'malformed index: it leads to another index'
refused json-array 'malformed manifest: not an object'
refused json-deep 'the manifest: malformed JSON: nested more than 64 levels'
refused json-nul 'the manifest: malformed JSON: a NUL byte'
for i in json-cut json-empty not-json; do
	refused $i 'the manifest: malformed JSON: *'
done
refused layer-number 'malformed manifest: no layer 0'
refused layer-type 'layer 0 is not a file system layer but application/x-unknown'
refused layers-many 'refusing an image of 5000 layers: *'
refused layers-string 'malformed manifest: no list of layers'
refused no-layers 'malformed manifest: no list of layers'
refused schema-version 'malformed manifest: no schemaVersion 2'
refused schema1-uneven 'malformed manifest: 3 layers, but the history of 2'
for i in size-huge size-negative size-text; do
	refused $i 'malformed manifest: layer 0 has no size'
done
refused size-less 'layer sha256:*: it has 106 bytes, but the manifest says 105'
refused size-more 'layer sha256:*: it has 106 bytes, but the manifest says 107'
refused tar-huge 'layer sha256:*: huge: Truncated tar archive'
refused tar-truncated 'layer sha256:*: half: Truncated tar archive'
refused toolong 'layer sha256:*: *File name too long'

# the content that gzip-crc and gzip-truncated failed to bring: they would find it here already
runs notgzip

fails 125 'odd/config-cmd-string: the image?s configuration: Cmd is not a list' config-cmd-string
fails 127 'starting container *: exec: "sh": executable file not found in $PATH' scratch sh
fails 127 'starting container *: exec: "no-such-program": executable file not found in $PATH' notfound
fails 127 'starting container *: exec: "/badinterp": no such file or directory*' badinterp
fails 126 'starting container *: exec: "/noexec": Permission denied' noexec
fails 126 'starting container *: exec: "/notelf": exec format error*' notelf
fails 126 'starting container *: id 4294967296: uids and gids must be in range 0-2147483647' user-huge true
fails 126 'starting container *: unable to find user mysql: no matching entries in passwd file' user-nopasswd true
fails 126 'starting container *: unable to find user nosuchuser: no matching entries in passwd file' user-unknown true
fails 126 'starting container *: unable to find group nosuchgroup: no matching entries in group file' user-unknowngroup true
fails 125 'starting container *: making the working directory: *symbolic links' workdir-link true

# of 2015: what they run by themselves, who made them and how; known under the digest that the registry gives them
for i in schema1 schema1-plain jessie; do
	try "$i";	expect_status 0;	expect_stderr ''
done
try schema1 cat /old;	expect_stdout 'of 2015'
run devbox image inspect -f '{{.Author}} {{.Created}} {{json .Config.Cmd}} {{len .RootFS.Layers}}' odd/schema1
expect_stdout 'Ann 2015-04-30T03:49:42.1* [[]"true"] 2'
run devbox history --no-trunc --format '{{.CreatedBy}}' odd/schema1
expect_stdout '/bin/sh -c #(nop) CMD [[]"true"]
/bin/sh -c #(nop) ADD file:1 in /old
/bin/sh -c #(nop) ADD file:2 in /'
run devbox pull odd/schema1;	expect_status 0;	expect_stdout_has 'Image is up to date'
digest=$(e2e_as devbox image inspect -f '{{index .RepoDigests 0}}' odd/schema1)
run devbox rmi -f odd/schema1;	expect_status 0
run devbox run -q --rm "$digest" cat /old;	expect_status 0;	expect_stdout 'of 2015'
run devbox rmi -f "$digest";	expect_status 0

run devbox ps -aq;	expect_stdout ''
run devbox volume ls -q;	expect_stdout ''
expect_no_leftovers
