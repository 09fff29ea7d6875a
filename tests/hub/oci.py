"""Container images from plain files: deterministic tars, blobs, manifests, an OCI image layout.

A Layout is a directory in the OCI image-layout format.  Layers come from a Tar (entries given one by one,
for small and for hostile images) or from tree_to_tar() (a directory, or the upper directory of an overlay).
Everything is deterministic: entries sorted, owners numeric, times clamped to CLAMP, gzip without a time.
Sources: OCI image-spec (layer.md, config.md, manifest.md, image-index.md, image-layout.md), Docker image
manifest v2 schema 2, POSIX pax (SCHILY.xattr.*, GNU.sparse.*).
"""
import copy
import gzip
import hashlib
import io
import json
import os
import shutil
import stat
import subprocess
import tarfile

CLAMP = 1735689600            # no file of an image is younger than this (2025-01-01)
CREATED = '2025-01-01T00:00:00Z'

OCI = 'application/vnd.oci.image.'
DOCKER = 'application/vnd.docker.'
TYPES = {
    'oci': {
        'index': OCI + 'index.v1+json', 'manifest': OCI + 'manifest.v1+json',
        'config': OCI + 'config.v1+json', 'none': OCI + 'layer.v1.tar',
        'gzip': OCI + 'layer.v1.tar+gzip', 'zstd': OCI + 'layer.v1.tar+zstd',
    },
    'docker': {
        'index': DOCKER + 'distribution.manifest.list.v2+json',
        'manifest': DOCKER + 'distribution.manifest.v2+json',
        'config': DOCKER + 'container.image.v1+json', 'none': DOCKER + 'image.rootfs.diff.tar',
        'gzip': DOCKER + 'image.rootfs.diff.tar.gzip', 'zstd': DOCKER + 'image.rootfs.diff.tar.zstd',
    },
}


def sha256(data):
    return 'sha256:' + hashlib.sha256(data).hexdigest()


def sha256_file(path):
    h = hashlib.sha256()
    with open(path, 'rb') as f:
        while chunk := f.read(1 << 20):
            h.update(chunk)
    return 'sha256:' + h.hexdigest()


class Tar:
    """A tar written entry by entry into PATH; nothing is checked, so that hostile layers can be made."""

    def __init__(self, path):
        self.path = path
        self.tar = tarfile.open(path, 'w', format=tarfile.PAX_FORMAT)

    def add(self, name, data=None, type=None, mode=0o644, uid=0, gid=0, link='', dev=(0, 0),
            xattrs=None, mtime=CLAMP, pax=None, uname='', gname=''):
        t = tarfile.TarInfo(name)
        t.type = type or tarfile.REGTYPE
        t.mode, t.uid, t.gid, t.mtime, t.linkname = mode, uid, gid, mtime, link
        t.uname, t.gname = uname, gname
        t.devmajor, t.devminor = dev
        if pax:
            t.pax_headers.update(pax)
        for key, value in sorted((xattrs or {}).items()):
            # tarfile encodes pax values as UTF-8, strictly: binary values need surrogates
            t.pax_headers['SCHILY.xattr.' + key] = value.decode('utf-8', 'surrogateescape')
        if isinstance(data, str):
            data = data.encode()
        if data is not None:
            t.size = len(data)
        self.tar.addfile(t, io.BytesIO(data) if data is not None else None)

    def dir(self, name, mode=0o755, **kw):
        self.add(name, type=tarfile.DIRTYPE, mode=mode, **kw)

    def sym(self, name, link, **kw):
        self.add(name, type=tarfile.SYMTYPE, link=link, mode=0o777, **kw)

    def hard(self, name, link, **kw):
        self.add(name, type=tarfile.LNKTYPE, link=link, **kw)

    def close(self):
        self.tar.close()
        return self.path


def tree_to_tar(root, path):
    """ROOT (a directory, or an overlay's upper directory) as a tar in PATH.

    Overlay whiteouts become .wh. entries and opaque directories .wh..wh..opq; device nodes, sockets and
    overlay's own attributes are left out."""
    seen = {}
    with tarfile.open(path, 'w', format=tarfile.PAX_FORMAT) as tar:
        def put(full, name):
            st = os.lstat(full)
            base = os.path.dirname(name)
            t = tarfile.TarInfo(name)
            t.uid, t.gid = st.st_uid, st.st_gid
            t.mode = stat.S_IMODE(st.st_mode)
            t.mtime = min(int(st.st_mtime), CLAMP)
            if stat.S_ISCHR(st.st_mode) and st.st_rdev == 0:
                wh = tarfile.TarInfo(os.path.join(base, '.wh.' + os.path.basename(name)))
                wh.mtime = t.mtime
                tar.addfile(wh, io.BytesIO(b''))
                return
            if not (stat.S_ISREG(st.st_mode) or stat.S_ISDIR(st.st_mode) or stat.S_ISLNK(st.st_mode)):
                return
            opaque = False
            for key in sorted(os.listxattr(full, follow_symlinks=False)):
                if key.startswith('trusted.overlay.'):
                    opaque = opaque or key == 'trusted.overlay.opaque'
                elif key.startswith(('security.capability', 'user.')):
                    value = os.getxattr(full, key, follow_symlinks=False)
                    t.pax_headers['SCHILY.xattr.' + key] = value.decode('utf-8', 'surrogateescape')
            if stat.S_ISDIR(st.st_mode):
                t.type = tarfile.DIRTYPE
                tar.addfile(t)
                if opaque:
                    wh = tarfile.TarInfo(os.path.join(name, '.wh..wh..opq'))
                    wh.mtime = t.mtime
                    tar.addfile(wh, io.BytesIO(b''))
                for child in sorted(os.listdir(full)):
                    put(os.path.join(full, child), os.path.join(name, child))
            elif stat.S_ISLNK(st.st_mode):
                t.type, t.linkname = tarfile.SYMTYPE, os.readlink(full)
                tar.addfile(t)
            elif (st.st_dev, st.st_ino) in seen:
                t.type, t.linkname = tarfile.LNKTYPE, seen[st.st_dev, st.st_ino]
                tar.addfile(t)
            else:
                if st.st_nlink > 1:
                    seen[st.st_dev, st.st_ino] = name
                t.size = st.st_size
                with open(full, 'rb') as f:
                    tar.addfile(t, f)

        for child in sorted(os.listdir(root)):
            put(os.path.join(root, child), child)
    return path


class Layer:
    """One compressed layer of a layout: its descriptor, its diff id and the command told in the history."""

    def __init__(self, desc, diff_id, said):
        self.desc, self.diff_id, self.said = desc, diff_id, said


class Layout:
    """An OCI image layout being written in DIR."""

    def __init__(self, dir):
        self.dir = dir
        self.refs = []
        os.makedirs(os.path.join(dir, 'blobs/sha256'), exist_ok=True)

    def blob_path(self, digest):
        return os.path.join(self.dir, 'blobs', *digest.split(':'))

    def put(self, data, media_type):
        if not isinstance(data, bytes):
            data = json.dumps(data, indent=2, sort_keys=True).encode()
        digest = sha256(data)
        with open(self.blob_path(digest), 'wb') as f:
            f.write(data)
        return {'mediaType': media_type, 'digest': digest, 'size': len(data)}

    def layer(self, tar, compression='gzip', kind='oci', said='layer', level=6):
        """TAR (a path; kept) as a layer blob."""
        tmp = os.path.join(self.dir, 'layer.tmp')
        diff_id = sha256_file(tar)
        if compression == 'gzip':
            with open(tar, 'rb') as src, open(tmp, 'wb') as raw, \
                    gzip.GzipFile('', 'wb', level, raw, mtime=0) as dst:
                shutil.copyfileobj(src, dst, 1 << 20)
        elif compression == 'zstd':
            subprocess.run(['zstd', '-q', '-f', '-T1', '-3', tar, '-o', tmp], check=True)
        else:
            shutil.copyfile(tar, tmp)
        digest = sha256_file(tmp)
        size = os.path.getsize(tmp)
        os.rename(tmp, self.blob_path(digest))
        return Layer({'mediaType': TYPES[kind][compression], 'digest': digest, 'size': size}, diff_id, said)

    def adopt(self, other, layer):
        """Share LAYER of another layout (hard link)."""
        dst = self.blob_path(layer.desc['digest'])
        if not os.path.exists(dst):
            os.link(other.blob_path(layer.desc['digest']), dst)
        return layer

    def manifest(self, layers, config, kind='oci', arch='amd64', variant=None, annotations=None,
                 change_config=None, change_manifest=None):
        """An image of LAYERS; CONFIG is the "config" object.  The change_* functions may spoil either."""
        cfg = {
            'architecture': arch, 'os': 'linux', 'created': CREATED,
            'config': copy.deepcopy(config),      # change_config() may spoil it
            'rootfs': {'type': 'layers', 'diff_ids': [l.diff_id for l in layers]},
            'history': [{'created': CREATED, 'created_by': l.said} for l in layers] +
                       [{'created': CREATED, 'created_by': 'CMD ' + json.dumps(config.get('Cmd')),
                         'empty_layer': True}],
        }
        if variant:
            cfg['variant'] = variant
        if change_config:
            cfg = change_config(cfg) or cfg
        t = TYPES[kind]
        man = {'schemaVersion': 2, 'mediaType': t['manifest'], 'config': self.put(cfg, t['config']),
               'layers': [dict(l.desc, mediaType=retype(l.desc['mediaType'], kind)) for l in layers]}
        if annotations:
            man['annotations'] = annotations
        if change_manifest:
            man = change_manifest(man) or man
        desc = self.put(man, t['manifest'])
        desc['platform'] = {'architecture': arch, 'os': 'linux'}
        if variant:
            desc['platform']['variant'] = variant
        return desc

    def attestation(self, of):
        """What build tools put beside an image: an in-toto statement about the manifest OF, no platform."""
        statement = self.put({'_type': 'https://in-toto.io/Statement/v0.1',
                              'predicateType': 'https://slsa.dev/provenance/v0.2',
                              'subject': [{'name': 'image', 'digest': {'sha256': of['digest'][7:]}}],
                              'predicate': {}}, 'application/vnd.in-toto+json')
        cfg = self.put({'architecture': 'unknown', 'os': 'unknown', 'config': {},
                        'rootfs': {'type': 'layers', 'diff_ids': [statement['digest']]}}, TYPES['oci']['config'])
        desc = self.put({'schemaVersion': 2, 'mediaType': TYPES['oci']['manifest'], 'config': cfg,
                         'layers': [statement]}, TYPES['oci']['manifest'])
        desc['platform'] = {'architecture': 'unknown', 'os': 'unknown'}
        desc['annotations'] = {'vnd.docker.reference.type': 'attestation-manifest',
                               'vnd.docker.reference.digest': of['digest']}
        return desc

    def index(self, descs, kind='oci'):
        return self.put({'schemaVersion': 2, 'mediaType': TYPES[kind]['index'], 'manifests': descs},
                        TYPES[kind]['index'])

    def tag(self, desc, *names):
        """Give DESC the names "repo:tag"."""
        for name in names:
            self.refs.append(dict({k: v for k, v in desc.items() if k != 'platform'},
                                  annotations={'org.opencontainers.image.ref.name': name}))

    def finish(self):
        with open(os.path.join(self.dir, 'oci-layout'), 'w') as f:
            f.write('{"imageLayoutVersion":"1.0.0"}\n')
        with open(os.path.join(self.dir, 'index.json'), 'w') as f:
            json.dump({'schemaVersion': 2, 'mediaType': TYPES['oci']['index'], 'manifests': self.refs}, f, indent=1)


def retype(media_type, kind):
    """The same layer type in the words of the other family."""
    for family in TYPES.values():
        for word, name in family.items():
            if name == media_type:
                return TYPES[kind][word]
    return media_type
