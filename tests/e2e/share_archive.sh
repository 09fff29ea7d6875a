# tests/e2e/share_archive.sh -- images as files: between two homes, with podman and skopeo, and from people who mean no good
# packages: skopeo podman
. "$(dirname "$0")/../lib/e2e.sh"
chmod 711 "$E2E_TMP"
T=$E2E_TMP/files
mkdir -m 777 "$T"
id_of() { e2e_as devbox images -q --no-trunc "$1"; }
forget() { run devbox prune -af; expect_status 0; }
# (its runroot must be a short path)
podman=(podman --root "$T/pod/root" --runroot "$W/run/pod" --storage-driver vfs --log-level error)

# --- out and in ---------------------------------------------------------------------------------------------------------
for i in busybox busybox:zstd busybox:docker; do run devbox pull -q $i; expect_status 0; done
run devbox tag busybox me/tool:2;	expect_status 0
bb=$(id_of busybox)
run devbox save -o "$T/all.tar" busybox:latest busybox:zstd me/tool busybox:docker
expect_status 0;	expect_stdout ''
expect_equal "$(e2e_as devbox save busybox:latest busybox:zstd me/tool busybox:docker | cmp - "$T/all.tar")" ''
expect_equal "$(tar tf "$T/all.tar" | grep -v '^blobs/' | tr '\n' ' ')" 'index.json manifest.json oci-layout '
run devbox save nosuch;	expect_status 1;	expect_stdout '';	expect_stderr 'devbox: No such image: nosuch'
pty devbox save busybox </dev/null;	expect_status 1;	expect_stdout_has 'cowardly refusing to save to a terminal'
pty devbox load </dev/null;	expect_status 1;	expect_stdout_has 'requested load from stdin, but stdin is empty'
run devbox save -o /dev/full busybox;	expect_status 1;	expect_stderr 'devbox: writing the archive: No space left on device'
forget
run devbox load -i "$T/all.tar"
expect_status 0;	expect_stderr ''
expect_stdout $'Loaded image: busybox:latest\nLoaded image: me/tool:2\nLoaded image: busybox:zstd\nLoaded image: busybox:docker'
expect_equal "$(id_of me/tool:2)" "$bb"
run devbox run --rm me/tool:2 echo hello;	expect_status 0;	expect_stdout hello
# twice is as good; compressed, through a pipe; by id, without names
for z in gzip zstd xz; do $z -1 -k -c "$T/all.tar" | as dbx2 e2e_as devbox load -q >"$E2E_TMP/loaded" || fail "load of $z"; done
expect_equal "$(wc -l <"$E2E_TMP/loaded")" 4
e2e_as devbox save "$bb" >"$T/id.tar" || fail 'save by id'
forget
run devbox load -i "$T/id.tar";	expect_status 0;	expect_stdout "Loaded image ID: $bb"
# a repository is all its tags
run devbox load -q -i "$T/all.tar"
e2e_as devbox save busybox | tar xO manifest.json >"$E2E_TMP/m"
expect_equal "$(grep -o 'library/busybox:[a-z]*' "$E2E_TMP/m" | sort | tr '\n' ' ')" 'library/busybox:docker library/busybox:latest library/busybox:zstd '

# --- with podman and skopeo ------------------------------------------------------------------------------------------------
as root run "${podman[@]}" load -q -i "$T/all.tar";	expect_status 0
as root run "${podman[@]}" images -q --no-trunc docker.io/me/tool:2;	expect_stdout "$bb"
as root run sh -c "chroot \"\$(${podman[*]} image mount docker.io/library/busybox:zstd)\" /bin/echo from podman";	expect_stdout 'from podman'
as root run "${podman[@]}" save -q -o "$T/pod.tar" docker.io/me/tool:2;	expect_status 0
as root run "${podman[@]}" save -q --format oci-archive -o "$T/pod-oci.tar" docker.io/me/tool:2;	expect_status 0
chmod 644 "$T"/*.tar
for f in pod pod-oci; do
	forget
	run devbox load -i "$T/$f.tar";	expect_status 0;	expect_stdout 'Loaded image: me/tool:2'
	[ $f = pod-oci ] || expect_equal "$(id_of me/tool:2)" "$bb"	# podman translates configurations to OCI
	run devbox run --rm me/tool:2 echo "from $f";	expect_stdout "from $f"
done
# Docker 25 and later: both forms, layers not compressed
cat >"$E2E_TMP/docker25.py" <<'PY'
import gzip, hashlib, io, json, sys, tarfile
src = tarfile.open(sys.argv[1])
files = {m.name: src.extractfile(m).read() for m in src if m.isfile()}
one = json.loads(files['manifest.json'])[0]
blob = lambda data: ('blobs/sha256/' + hashlib.sha256(data).hexdigest(), data)
layers = [blob(gzip.decompress(files[l])) for l in one['Layers']]
desc = lambda kind, b: {'mediaType': 'application/vnd.oci.image.' + kind, 'digest': b[0][6:].replace('/', ':'), 'size': len(b[1])}
config = (one['Config'], files[one['Config']])
manifest = blob(json.dumps({'schemaVersion': 2, 'config': desc('config.v1+json', config),
                            'layers': [desc('layer.v1.tar', l) for l in layers]}).encode())
index = {'manifests': [dict(desc('manifest.v1+json', manifest), annotations={'io.containerd.image.name': 'docker.io/me/d25:1'})]}
docker = [{'Config': config[0], 'RepoTags': ['me/d25:1'], 'Layers': [l[0] for l in layers]}]
with tarfile.open(sys.argv[2], 'w') as t:
    for name, data in layers + [config, manifest, ('index.json', json.dumps(index).encode()), ('manifest.json', json.dumps(docker).encode())]:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        t.addfile(info, io.BytesIO(data))
PY
python3 "$E2E_TMP/docker25.py" "$T/id.tar" "$T/docker25.tar" || fail 'no archive'
run devbox load -i "$T/docker25.tar";	expect_status 0;	expect_stdout 'Loaded image: me/d25:1'
expect_equal "$(id_of me/d25:1)" "$bb"
expect_equal "$(find "$(store)/blobs/sha256" -size +1500k | wc -l)" 0	# nothing lies there as plain as it came
# what came as plain layers is pushed compressed, and is the same image to skopeo and podman
forget
run devbox load -q -i "$T/pod.tar";	expect_status 0
run devbox tag me/tool:2 localhost:5000/me/tool;	run devbox push localhost:5000/me/tool;	expect_status 0
digest=$(sed -n 's/.*digest: \(sha256:[0-9a-f]*\) .*/\1/p' <<<"$stdout")
run skopeo inspect --tls-verify=false --format '{{.Digest}}' docker://localhost:5000/me/tool;	expect_stdout "$digest"
as root run "${podman[@]}" rmi -af	# it knows an image by its configuration, and would show another manifest of it
as root run "${podman[@]}" pull -q --tls-verify=false localhost:5000/me/tool;	expect_status 0;	expect_stdout "${bb#sha256:}"
as root run "${podman[@]}" inspect --format '{{.Digest}}' localhost:5000/me/tool;	expect_stdout "$digest"
# over TLS, with tokens
run sh -c 'echo dbxpass | devbox login -u dbxuser --password-stdin';	expect_status 0
run devbox tag me/tool:2 dbxuser/tool:tls;	run devbox push dbxuser/tool:tls;	expect_status 0;	expect_stdout_has "digest: $digest size"
run skopeo inspect --format '{{.Digest}}' docker://dbxuser/tool:tls;	expect_status 0;	expect_stdout "$digest"
as root run "${podman[@]}" pull -q docker.io/dbxuser/tool:tls;	expect_status 0;	expect_stdout "${bb#sha256:}"
run skopeo --insecure-policy copy -q docker://dbxuser/tool:tls "docker-archive:$T/sk.tar:example.org/a/b:3";	expect_status 0
run skopeo --insecure-policy copy -q docker://dbxuser/tool:tls "oci:$T/layout:one";	expect_status 0
run devbox load -i "$T/sk.tar";	expect_status 0;	expect_stdout 'Loaded image: example.org/a/b:3'
tar -C "$T/layout" -c . | e2e_as devbox load >"$E2E_TMP/loaded" || fail 'load of a layout'
expect_match "$(<"$E2E_TMP/loaded")" 'Loaded image ID: sha256:*'
forget

# --- hostile, broken ----------------------------------------------------------------------------------------------------------
before=$(find "$(store)/blobs" "$(store)/layers" | wc -l)
cat >"$E2E_TMP/evil.py" <<'PY'
import hashlib, io, json, sys, tarfile
base, out = sys.argv[1:3]
src = tarfile.open(base)
files = {m.name: src.extractfile(m).read() for m in src if m.isfile()}
docker = json.loads(files['manifest.json'])
index = json.loads(files['index.json'])
layer = docker[0]['Layers'][0]

def write(name, entries):
    with tarfile.open('%s/evil-%s.tar' % (out, name), 'w') as t:
        for e in entries:
            path, data, kind, link = (list(e) + [None, ''])[:4]
            info = tarfile.TarInfo(path)
            info.size = len(data or b'')
            if kind:
                info.type, info.linkname = kind, link
            t.addfile(info, io.BytesIO(data or b''))

def changed(**kw):
    new = dict(files)
    for k, v in kw.items():
        k = k.replace('__', '/').replace('_json', '.json')
        new[k] = v if isinstance(v, bytes) else json.dumps(v).encode()
    return sorted(new.items())

def old(**kw):      # Docker's older form, with a change
    one = dict(docker[0], **kw)
    return [(k, v) for k, v in files.items() if k.startswith('blobs')] + [('manifest.json', json.dumps([one]).encode())]

write('dotdot', changed() + [('../../escape', b'x')])
write('linkout', old(Layers=['evil/layer']) + [('evil', b'', tarfile.SYMTYPE, '../../../../etc')])
write('linkabs', old(Layers=['evil']) + [('evil', b'', tarfile.SYMTYPE, '/etc/passwd')])
write('linkloop', old(Layers=['a']) + [('a', b'', tarfile.SYMTYPE, 'b'), ('b', b'', tarfile.SYMTYPE, 'a')])
write('path', old(Config='../../../etc/passwd'))
write('digest', changed(**{layer: files[layer][:-1] + b'x'}))
write('absent', [(k, v) for k, v in changed() if k != layer])
write('notjson', changed(index_json=b'{"manifests": [')),
write('noimage', changed(index_json={'schemaVersion': 2, 'manifests': []}))
write('toomany', changed(index_json={'manifests': [{'digest': 'sha256:' + '0' * 64, 'size': 1}] * 1001}))
write('baddigest', changed(index_json={'manifests': [{'digest': '../../x', 'size': 1}]}))
write('layers', old(Layers=[layer] * 501))
write('layers2', old(Layers=[layer, layer]))
write('badname', old(RepoTags=['UPPER CASE']))
write('wronglayer', old(Layers=[docker[0]['Config']]))
write('nothing', [('readme', b'hello')])
one = tarfile.TarInfo('f').tobuf()
with open(out + '/evil-entries.tar', 'wb') as f:
    f.write(one * 20001 + bytes(1024))
with open(base, 'rb') as f, open(out + '/evil-cut.tar', 'wb') as g:
    g.write(f.read()[:300000])
PY
python3 "$E2E_TMP/evil.py" "$T/id.tar" "$T" || fail 'no hostile archives'
refused() {
	run devbox load -i "$T/evil-$1.tar"
	expect_status 1;	expect_stdout '';	expect_stderr "devbox: loading $T/evil-$1.tar: $2";	expect_stderr_lines 1
}
refused dotdot 'the archive holds "../../escape", a name that leads out of it'
refused linkout 'the archive holds "../../../../etc", a name that leads out of it'
refused linkabs 'manifest.json names evil, which is not in the archive'
refused linkloop 'manifest.json names a, which is not in the archive'
refused path 'manifest.json names ../../../etc/passwd, which is not in the archive'
refused digest 'blob sha256:* in the archive has the digest sha256:*: it is damaged'
refused absent 'blob sha256:* is not in the archive'
refused notjson 'index.json: malformed JSON: *'
refused noimage 'index.json: it names no image'
refused toomany 'index.json: more than 1000 images'
refused baddigest 'index.json: entry 0 has no digest'
refused layers 'manifest.json: image 0: more than 500 layers'
refused layers2 'malformed image configuration: 1 diff ids for 2 layers'
refused badname "manifest.json: image 0: name 0 is not an image's name with a tag"
refused wronglayer 'layer sha256:*'
refused nothing 'neither index.json nor manifest.json is in it: not an archive of images (hint: *)'
refused entries 'the archive has more than 20000 entries'
refused cut 'reading the archive: Truncated tar archive'
run sh -c 'head -c 100000 /dev/urandom | devbox load';	expect_status 1;	expect_stderr 'devbox: loading standard input: reading the archive: Unrecognized archive format'
expect_no_file "$T/../escape"
forget
expect_equal "$(find "$(store)/blobs" "$(store)/layers" | wc -l)" "$before"
expect_no_leftovers
