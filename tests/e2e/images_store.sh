# tests/e2e/images_store.sh -- names, sharing, removal: what is referred to stays, the rest goes
. "$(dirname "$0")/../lib/e2e.sh"
S=$(store)
CDN='production.cloudflare.docker.com/*'
blobs() { find "$S/blobs/sha256" -type f | wc -l; }
layers() { find "$S/layers" -mindepth 1 -maxdepth 1 ! -name '*.ok' | grep -c .; }
names() { run devbox images --format '{{.Repository}}:{{.Tag}}'; }

# an OCI layout: every blob under its own digest, every reference leads to one of the right size
check_layout() {
	/usr/bin/python3 - "$S" <<'END' || fail 'not an OCI layout'
import hashlib, json, os, sys
top = sys.argv[1]
assert json.load(open(top + '/oci-layout')) == {'imageLayoutVersion': '1.0.0'}
def blob(d, document=True):
    data = open(top + '/blobs/' + d['digest'].replace(':', '/'), 'rb').read()
    assert len(data) == d['size'], d
    assert hashlib.sha256(data).hexdigest() == d['digest'].split(':')[1], d
    return json.loads(data) if document else None
index = json.load(open(top + '/index.json'))
assert index['schemaVersion'] == 2
for entry in index['manifests']:
    manifest = blob(entry)
    config = blob(manifest['config'])
    assert len(manifest['layers']) == len(config['rootfs']['diff_ids'])
    for l in manifest['layers']:
        blob(l, False)
    for d in config['rootfs']['diff_ids']:
        assert os.path.isdir(top + '/layers/' + d.split(':')[1]), d
END
}

# one layer under several names and codings is stored once
for i in busybox busybox:zstd busybox:plain odd/whiteout 127.0.0.1:5000/library/busybox; do
	run devbox pull -q $i;	expect_status 0
done
expect_equal "$(layers)" 3
check_layout
# what is here is not asked for again: by digest nothing at all, by name a HEAD
hub_clear
run devbox pull busybox
expect_stdout_has 'Status: Image is up to date for busybox:latest'
expect_equal "$(hub_count 'GET registry-1.docker.io/*')" 0
run devbox images --digests --format '{{.Repository}}:{{.Tag}} {{.Digest}}'
digest=$(sed -n 's/^busybox:latest //p' <<<"$stdout")
hub_clear
run devbox pull "busybox@$digest";	expect_status 0;	expect_stdout_has 'Status: Downloaded newer image'
run devbox pull "busybox@$digest";	expect_status 0;	expect_stdout_has 'Status: Image is up to date'
run devbox run --rm --network none "busybox@$digest" echo pinned;	expect_stdout pinned
hub_clear
run devbox pull -q "busybox@$digest"
expect_equal "$(hub_count '*')" 0
wrong=sha256:$(printf '0%.0s' {1..64})
run devbox pull -q "busybox@$wrong"
expect_status 1;	expect_stderr "devbox: pulling busybox@$wrong: manifest for busybox@$wrong not found*"

# names come and go; the image goes with its last one, the layers with the last image
run devbox tag busybox my/own:1;	expect_status 0
run devbox tag "${digest#sha256:}" x;	expect_status 1;	expect_stderr 'devbox: No such image: *'
run devbox rmi my/own:1;		expect_stdout 'Untagged: my/own:1'
run devbox rmi nosuch;			expect_status 1;	expect_stderr 'devbox: No such image: nosuch*'
names
for i in $stdout; do
	[ "$i" = 'busybox:<none>' ] || run devbox rmi "$i"
	expect_status 0
	check_layout
done
run devbox rmi "busybox@$digest";	expect_status 0
run devbox images -q;			expect_stdout ''
expect_equal "$(blobs) $(layers)" '0 0'

# a name that moves on leaves the old image without one, and prune takes it
run devbox pull -q busybox:zstd;	run devbox pull -q redis
run devbox tag busybox:zstd here:1;	run devbox rmi busybox:zstd
run devbox tag redis here:1;		expect_status 0
run devbox images --filter dangling=true --format '{{.Repository}}:{{.Tag}}';	expect_stdout '<none>:<none>'
before=$(layers)
run devbox image prune -f;		expect_status 0;	expect_stdout_has 'deleted: sha256:'
[ "$(layers)" -lt "$before" ] || fail 'its layer stayed'
check_layout
run devbox run --rm --network none --entrypoint redis-server here:1 --version;	expect_status 0

# while a pull is under way nothing is thrown away that it may count on
run devbox prune -af
run devbox pull -q busybox
hub_fault "$CDN" hold count=-1
start pull devbox pull -q odd/whiteout
hub_wait "GET $CDN" timeout=20
run devbox rmi busybox;			expect_status 0
expect_equal "$(layers)" 1
hub_clear
finish pull;				expect_status 0
check_layout
run devbox run --rm --network none odd/whiteout echo fine;	expect_stdout fine
run devbox prune -af
expect_equal "$(blobs) $(layers)" '0 0'
expect_no_leftovers
