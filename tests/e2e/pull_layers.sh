# tests/e2e/pull_layers.sh -- what is in a layer arrives as it was meant, and never outside the image
# timeout: 240
. "$(dirname "$0")/../lib/e2e.sh"
hub_set remaining=100000
touch "$W/disk/tmp/victim"
inside() { run devbox run --rm --network none "$@"; expect_status 0; }
refused() { run devbox pull -q "odd/$1"; expect_status 1; expect_stderr "devbox: pulling odd/$1: $2"; expect_stderr_lines 1; }

inside odd/whiteout sh -c 'cd /; ls a b d g; cat c f; [ ! -e e ]'
expect_stdout 'a:
two

b:
new

d:
again

g:
kept
c is a file
f, second layer'
inside odd/hardlink sh -c 'cat in/three across/link; stat -c "%a %u:%g %h" in/one; readlink in/symtoo; [ in/one -ef in/two ] && echo same'
expect_stdout_has 'linked
across'
expect_stdout_has '640 7:8 3
nowhere
same'
inside odd/modes stat -c '%n %a %u:%g %Y' /suid /sgid /sticky /sgiddir /none /locked /locked/deeper /suid999 /old /olddir /bin/su /etc/owner
expect_stdout '/suid 4755 0:0 *
/sgid 2755 0:5 *
/sticky 1777 0:0 *
/sgiddir 2775 0:5 *
/none 0 0:0 *
/locked 555 0:0 *
/locked/deeper 0 0:0 *
/suid999 4711 999:999 *
/old 644 0:0 1
/olddir 755 0:0 1
/bin/su * 0:0 *
/etc/owner 644 65535:65535 *'
inside odd/longnames sh -c 'ls -d /nnn* | wc -c; find / -xdev -name file -path "*/dddd*" | wc -c'
expect_stdout_has '257'
inside odd/names sh -c 'ls -1A / | grep -c -e new -e tab -e latin -e space -e rf -e slash -e dots -e whiteout -e sym'
expect_stdout '9'
inside odd/sparse sh -c 'stat -c "%s %b" /sparse; head -c 5 /sparse; tail -c +536870913 /sparse | head -c 6'
expect_match "$stdout" '1073741824 *
beginmiddle'
[ "$(awk 'NR == 1 { print $2 }' <<<"$stdout")" -lt 1000 ] || fail 'the hole was written'
inside odd/devices sh -c 'ls nodes; [ -p nodes/fifo ]'
expect_stdout 'after
fifo'
inside odd/duplicate sh -c 'cat twice filedir/in dirfile target symfile linked1 linked2; stat -c %a keeps; ls keeps'
expect_stdout 'second
xa file at last
untouched
a file at last
untouched
changed
755
in'
inside odd/replace sh -c 'ls linkdir file; readlink dir'
expect_stdout 'file:
in

linkdir:
own
file'
inside odd/tarforms sh -c 'cat t/ustar t/noparent/deep/file t/noend t/garbage t/v7 t/slashes/file t/dot/file t/global; wc -c <t/members; wc -c <t/frames; ls t | grep -c ggg'
expect_stdout 'ustar
its directories are nowhere mentioned
no end blocks
garbage after the end
v7
slashes
dots
global
100000
100000
1'
inside odd/many sh -c 'cat last; ls l | wc -l'
expect_stdout '119
120'
inside odd/samelayer cat once;	expect_stdout 'x'
run devbox pull -q odd/scratch;	expect_status 0
inside odd/uid stat -c '%u:%g' /u100000 /u2147483646
run devbox pull odd/uid;	expect_status 0

# attributes, seen from the outside
run devbox pull -q odd/xattr;	expect_status 0
layer=$(dirname "$(find "$(store)/layers" -name capable)")
/usr/bin/python3 - "$layer" <<'END' || fail 'attributes'
import os, sys
d = sys.argv[1]
get = lambda f, a: os.getxattr(os.path.join(d, f), a)
assert get('user', 'user.test') == b'value' and get('user', 'user.binary') == b'\0\xff\1'
assert get('dir', 'user.dir') == b'd'
assert get('capable', 'security.capability')[:4] in (b'\1\0\0\2', b'\1\0\0\3')
assert not [a for f in ('trusted', 'selinux') for a in os.listxattr(os.path.join(d, f)) if 'overlay' in a]
END

# ways out
for name in absolute symlink symlink-up symlink-layers symlink-dir symlink-file hardlink-symlink hardlink-write \
	hardlink-layers proc proc-cwd whiteout2 whiteout3 whiteout-symlink opaque-symlink chmod-symlink mounts dev etc etcdir \
	passwd workdir dotdot2; do
	run devbox pull -q "odd/escape-$name"
	[ "$status" = 0 ] || { expect_status 1; expect_stderr_lines 1; }
done
[ -z "$(find / -xdev -name devbox-escaped -not -path "$W/disk/*" 2>/dev/null | head -3)" ] || fail 'a layer wrote outside its image'
[ -z "$(find "$W/disk" -name devbox-escaped -not -path '*/devbox/layers/*' 2>/dev/null | head -3)" ] || fail 'a layer wrote outside its image'
expect_equal "$(stat -c '%s %a' "$W/disk/tmp/victim")" '0 644'
refused escape-dotdot '*it leads out of the layer'
refused escape-hardlink '*a hard link that leads out of the layer*'
refused escape-whiteout '*a whiteout of nothing'
refused toolong '*: File name too long'

# layers and manifests that are not what they say
refused diffid 'layer sha256:* unpacks to sha256:*, but the image*s configuration says sha256:000000000000'
refused size-more 'layer sha256:*bytes*'
refused size-less 'layer sha256:*bytes*'
refused tar-truncated '*Truncated tar archive*'
refused gzip-truncated '*corrupt gzip data: it is cut off'
refused gzip-crc '*corrupt gzip data*'
refused garbage '*damaged tar data: *'
refused garbage-gzip '*damaged tar data: *'
refused tar-huge '*'
refused arm64only 'no matching manifest for linux/*: the image exists for linux/arm64 (hint: *)'
refused arm64single 'the image is for linux/arm64 only, not for linux/* (hint: *)'
refused layers-many 'refusing an image of 5000 layers: the limit is 500'
refused size-negative 'malformed manifest: layer 0 has no size'
refused digest-path 'malformed manifest: layer 0 has no sha256 digest'
refused digest-missing 'layer *: blobs/sha256:abab* not found on docker.io'
refused diffid-count 'malformed image configuration: 2 diff ids for 1 layers'
refused not-json 'the manifest: malformed JSON: *'
refused json-cut 'the manifest: malformed JSON: *'
refused json-deep 'the manifest: malformed JSON: nested more than 64 levels'
refused json-empty 'the manifest: malformed JSON: *'
refused artifact 'this is not a container image but an artifact of type *'
refused index-empty 'no matching manifest for linux/*'
refused index-nested 'malformed index: it leads to another index'
for name in notgzip noplatform variants index-odd config-null config-extra config-env-odd; do
	run devbox pull -q "odd/$name";	expect_status 0
done
run devbox pull -q --platform linux/arm64 odd/arm64only;	expect_status 0
run devbox images -q odd/diffid;	expect_stdout ''

# other codings of the same content
run devbox prune -af
for tag in zstd plain single docker; do
	run devbox pull -q busybox:$tag;	expect_status 0
	inside busybox:$tag echo fine;		expect_stdout fine
	run devbox prune -af;			expect_status 0
done
expect_equal "$(find "$(store)/layers" "$(store)/blobs/sha256" -mindepth 1 | wc -l)" 0
expect_no_leftovers
