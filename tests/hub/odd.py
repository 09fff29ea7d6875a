"""Odd and hostile images, in the repositories odd/NAME of the stand-in hub.

Each function below fills one or more of them; its words say what a careful program makes of it.  Unless said
otherwise an image starts with the busybox layer, so that its content can be looked at from inside.
ESCAPED is the name that no hostile layer may manage to write outside the image.
"""
import base64
import gzip
import hashlib
import os
import subprocess
import tarfile

import catalog
import oci

ESCAPED = 'devbox-escaped'
ENV = [catalog.PATH]
CONFIG = {'Cmd': ['sh'], 'Env': ENV}


class Maker:
    def __init__(self, b, layout):
        self.layout = layout
        self.n = 0
        tar = catalog.busybox_tar(b, self.tmp())
        self.busybox = layout.layer(tar, said='busybox')
        os.unlink(tar)

    def tmp(self):
        self.n += 1
        return os.path.join(self.layout.dir, 'tmp%d' % self.n)

    def layer(self, fill, compression='gzip', kind='oci'):
        """A layer from fill(tar)."""
        t = oci.Tar(self.tmp())
        fill(t)
        layer = self.layout.layer(t.close(), compression, kind)
        os.unlink(t.path)
        return layer

    def raw(self, data, diff_id=None, media_type=oci.OCI + 'layer.v1.tar+gzip'):
        """A layer from bytes that nobody made sense of."""
        desc = self.layout.put(data, media_type)
        return oci.Layer(desc, diff_id or oci.sha256(data), 'raw')

    def tag(self, name, layers, config=None, **kw):
        desc = self.layout.manifest(layers, CONFIG if config is None else config, **kw)
        self.layout.tag(desc, 'odd/%s:latest' % name)
        return desc

    def image(self, name, *fills, **kw):
        """busybox and a layer of each fill(tar)."""
        return self.tag(name, [self.busybox] + [self.layer(f) for f in fills], **kw)


def whiteouts(m):
    """Left at the end: a/two, b/new, c (a file), d/again and f (said twice in the second layer); no e."""
    def lower(t):
        for d in ('a', 'b', 'c', 'd', 'e', 'e/deep', 'g'):
            t.dir(d)
        for f in ('a/one', 'a/two', 'b/hidden', 'c/x', 'd/gone', 'e/deep/x', 'f', 'g/kept'):
            t.add(f, f + '\n')

    def upper(t):
        t.dir('a')
        t.add('a/.wh.one', '')
        t.dir('b')
        t.add('b/new', 'b/new\n')           # before the marker: it hides only what lies below
        t.add('b/.wh..wh..opq', '')
        t.add('c', 'c is a file\n')         # instead of the directory
        t.add('.wh.d', '')
        t.dir('d')                          # deleted, then made again
        t.add('d/again', 'd/again\n')
        t.add('.wh.e', '')
        t.add('f', 'f, second layer\n')
        t.add('.wh.f', '')                  # after the file of the same layer, which stays
        t.add('.wh.neverwas', '')           # deletes nothing
    m.image('whiteout', lower, upper)


def hard_links(m):
    """in/one and in/two are one inode; across/link is that of the lower layer's across/file (same content)."""
    def lower(t):
        t.dir('in')
        t.add('in/one', 'linked\n', mode=0o640, uid=7, gid=8)
        t.hard('in/two', 'in/one')
        t.hard('in/three', '/in/one')       # an absolute target is one inside the image
        t.dir('across')
        t.add('across/file', 'across\n', mode=0o600)
        t.sym('in/sym', 'nowhere')
        t.hard('in/symtoo', 'in/sym')       # the link itself, not what it points to

    def upper(t):
        t.dir('across')
        t.hard('across/link', 'across/file')
    m.image('hardlink', lower, upper)


def attributes(m):
    """xattrs, set-id bits, modes that lock out everybody but root, owners inside and outside the usual map."""
    capability = bytes.fromhex('0100000200200000000000000000000000000000')      # cap_net_raw=ep, revision 2

    def xattrs(t):
        t.add('user', 'x', xattrs={'user.test': b'value', 'user.binary': b'\x00\xff\x01'})
        t.add('capable', 'x', mode=0o755, xattrs={'security.capability': capability})
        t.dir('dir', xattrs={'user.dir': b'd'})
        t.add('selinux', 'x', xattrs={'security.selinux': b'system_u:object_r:bin_t:s0\0'})
        t.add('trusted', 'x', xattrs={'trusted.overlay.opaque': b'y', 'user.overlay.whiteout': b'y'})

    def modes(t):
        t.add('suid', 'x', mode=0o4755)
        t.add('sgid', 'x', mode=0o2755, gid=5)
        t.dir('sticky', mode=0o1777)
        t.dir('sgiddir', mode=0o2775, gid=5)
        t.add('none', 'x', mode=0)
        t.dir('locked', mode=0o555)
        t.add('locked/inside', 'x', mode=0o444)
        t.dir('locked/deeper', mode=0)
        t.add('locked/deeper/inside', 'x', mode=0)
        t.add('suid999', 'x', mode=0o4711, uid=999, gid=999)
        t.add('old', 'x', mtime=1)
        t.add('ancient', 'x', mtime=-86400)
        t.add('future', 'x', mtime=4102444800)
        t.dir('olddir', mtime=1)
        t.add('olddir/file', 'x', mtime=2)

    def busybox_suid(t):
        t.add('bin/su', link='bin/busybox', type=tarfile.LNKTYPE)
        t.add('etc/owner', '65535', uid=65535, gid=65535)
    m.image('xattr', xattrs)
    m.image('modes', modes, busybox_suid)

    def uids(t):
        t.add('u100000', 'x', uid=100000, gid=100000)
        t.add('u2147483646', 'x', uid=2147483646, gid=5)
    m.image('uid', uids)


def names(m):
    """Names and paths at their limits; each holds its own last component."""
    def long_names(t):
        t.add('n' * 255, 'name\n')
        path = ''
        while len(path) < 3800:
            path += 'd' * 200 + '/'
            t.dir(path[:-1])
        t.add(path + 'file', 'path\n')

    def strange(t):
        t.add('new\nline', 'x')
        t.add('tab\ttab', 'x')
        t.add('esc\x1b[31m', 'x')
        t.add(b'latin-\xe9'.decode('utf-8', 'surrogateescape'), 'x')
        t.add('\u00fcml\u00e4ut', 'x')
        t.add(' space ', 'x')
        t.add('-rf', 'x')
        t.add('back\\slash', 'x')
        t.add('..dots', 'x')
        t.add('.whiteout', 'x')
        t.sym('sym' + 's' * 200, 't' * 1000)

    def too_long(t):
        t.add('n' * 256, 'no file system takes that\n')
    m.image('longnames', long_names)
    m.image('names', strange)
    m.image('toolong', too_long)


def sparse(m):
    """A file of 1 GiB that is nearly all hole: "begin" at 0, "middle" at 512 MiB; must take little disk."""
    def pax_1_0(t):
        size = 1 << 30
        parts = [(0, b'begin'), (size // 2, b'middle'), (size, b'')]
        table = '%d\n' % len(parts) + ''.join('%d\n%d\n' % (at, len(d)) for at, d in parts)
        table = table.encode().ljust(-(-len(table) // 512) * 512, b'\0')
        t.add('GNUSparseFile.0/sparse', table + b''.join(d for _, d in parts),
              pax={'GNU.sparse.major': '1', 'GNU.sparse.minor': '0', 'GNU.sparse.name': 'sparse',
                   'GNU.sparse.realsize': str(size)})
    m.image('sparse', pax_1_0)


def devices(m):
    """Device nodes are left out; the fifo and the file after them are there."""
    def nodes(t):
        t.dir('nodes')
        t.add('nodes/null', type=tarfile.CHRTYPE, dev=(1, 3), mode=0o666)
        t.add('nodes/sda', type=tarfile.BLKTYPE, dev=(8, 0), mode=0o660)
        t.add('nodes/whiteout', type=tarfile.CHRTYPE, dev=(0, 0))
        t.add('nodes/fifo', type=tarfile.FIFOTYPE, mode=0o644)
        t.add('nodes/after', 'x')
        t.dir('dev')
        t.add('dev/sda', type=tarfile.BLKTYPE, dev=(8, 0), mode=0o666)
    m.image('devices', nodes)


def escapes(m):
    """Ways out of the image.  Refused, or kept inside; nothing named ESCAPED appears anywhere else."""
    up = '../' * 12

    def add(name, *fills):
        m.image('escape-' + name, *fills)
    add('dotdot', lambda t: t.add(up + 'tmp/' + ESCAPED, 'x'))
    add('dotdot2', lambda t: (t.dir('a'), t.add('a/' + up + 'tmp/' + ESCAPED, 'x')))
    add('absolute', lambda t: t.add('/tmp/' + ESCAPED, 'x'))
    add('symlink', lambda t: (t.sym('link', '/tmp'), t.add('link/' + ESCAPED, 'x')))
    add('symlink-up', lambda t: (t.sym('link', up + 'tmp'), t.add('link/' + ESCAPED, 'x')))
    add('symlink-layers', lambda t: t.sym('link', '/tmp'), lambda t: t.add('link/' + ESCAPED, 'x'))
    add('symlink-dir', lambda t: t.sym('link', '/tmp'),
        lambda t: (t.dir('link/sub'), t.add('link/sub/' + ESCAPED, 'x')))
    add('symlink-file', lambda t: (t.sym('link', '/tmp/' + ESCAPED), t.add('link', 'replaces the link\n')))
    add('hardlink', lambda t: t.hard(ESCAPED, up + 'etc/hostname'))
    add('hardlink-symlink', lambda t: (t.sym('l', '/'), t.hard(ESCAPED, 'l/etc/hostname')))
    add('hardlink-write', lambda t: (t.hard('h', up + 'tmp/victim'), t.add('h', 'overwritten\n')))
    add('hardlink-layers', lambda t: t.sym('l', '/tmp/victim'),
        lambda t: (t.hard('h', 'l'), t.add('h', 'overwritten\n')))
    add('proc', lambda t: (t.sym('p', '/proc/self/root'), t.add('p/tmp/' + ESCAPED, 'x')))
    add('proc-cwd', lambda t: (t.sym('p', '/proc/self/cwd/..'), t.add('p/' + ESCAPED, 'x')))
    add('whiteout', lambda t: t.add('tmp/.wh...', ''))           # "delete .."
    add('whiteout2', lambda t: t.add('tmp/.wh..', ''))           # "delete ."
    add('whiteout3', lambda t: t.add('tmp/.wh.', ''))            # "delete nothing"
    add('whiteout-symlink', lambda t: t.sym('link', '/tmp'), lambda t: t.add('link/.wh.victim', ''))
    add('opaque-symlink', lambda t: t.sym('link', '/tmp'), lambda t: t.add('link/.wh..wh..opq', ''))
    add('chmod-symlink', lambda t: (t.sym('link', '/tmp/victim'), t.dir('link', mode=0o777)))
    # where run itself mounts and writes
    add('mounts', lambda t: (t.add('.wh.tmp', ''), t.sym('proc', '/tmp'), t.sym('sys', '/tmp'), t.dir('tmp')))
    add('dev', lambda t: (t.add('.wh.dev', ''), t.sym('dev', '/tmp')))
    add('etc', lambda t: (t.sym('etc/resolv.conf', '/tmp/' + ESCAPED), t.sym('etc/hosts', up + 'tmp/' + ESCAPED),
                          t.sym('etc/hostname', '/proc/self/root/tmp/' + ESCAPED)))
    add('etcdir', lambda t: (t.add('.wh.etc', ''), t.sym('etc', '/tmp')))
    add('passwd', lambda t: t.sym('etc/passwd', '/dev/zero'))
    add('workdir', lambda t: t.sym('w', '/proc/self/root/tmp'))


def replaced(m):
    """The same path more than once in a layer: the last one counts, and nothing is written through a link."""
    def same(t):
        t.add('twice', 'first\n')
        t.add('twice', 'second\n')
        t.add('filedir', 'x')
        t.dir('filedir')
        t.add('filedir/in', 'x')
        t.dir('dirfile')
        t.add('dirfile/in', 'x')
        t.add('dirfile', 'a file at last\n')
        t.add('target', 'untouched\n')
        t.sym('symfile', 'target')
        t.add('symfile', 'a file at last\n')
        t.add('linked1', 'untouched\n')
        t.hard('linked2', 'linked1')
        t.add('linked2', 'changed\n')       # a new file, or linked1 would change with it
        t.dir('keeps', mode=0o700)
        t.add('keeps/in', 'x')
        t.dir('keeps', mode=0o755)          # new mode, same content
    m.image('duplicate', same)

    def lower(t):
        t.dir('dir')
        t.add('dir/in', 'x')
        t.sym('linkdir', 'dir')
        t.add('file', 'x')

    def upper(t):
        t.dir('linkdir')                    # a directory instead of the lower layer's link
        t.add('linkdir/own', 'x')
        t.dir('file')
        t.add('file/in', 'x')
        t.sym('dir', 'file')                # a link instead of the lower layer's directory
    m.image('replace', lower, upper)


def tar_forms(m):
    """Legal ways of writing a tar or a compressed stream; every layer has a file t/NAME."""
    layers = [m.busybox]

    def put(data, compress=None, media=oci.OCI + 'layer.v1.tar+gzip'):
        packed = compress(data) if compress else gzip.compress(data, 6, mtime=0)
        layers.append(m.raw(packed, oci.sha256(data), media))

    def tar(fmt, entries, end=b'\0' * 1024):
        data = b''
        for name, type, body in entries:
            t = tarfile.TarInfo(name)
            t.type, t.size, t.mtime, t.mode = type, len(body), oci.CLAMP, 0o755
            data += t.tobuf(fmt) + body + b'\0' * (-len(body) % 512)
        return data + end
    f, d = tarfile.REGTYPE, tarfile.DIRTYPE
    put(tar(tarfile.GNU_FORMAT, [('t', d, b''), ('t/' + 'g' * 200, f, b'gnu\n')]))
    put(tar(tarfile.USTAR_FORMAT, [('./', d, b''), ('./t/', d, b''), ('./t/ustar', f, b'ustar\n')]))
    put(tar(tarfile.USTAR_FORMAT, [('t/noparent/deep/file', f, b'its directories are nowhere mentioned\n')]))
    put(tar(tarfile.USTAR_FORMAT, [('t/noend', f, b'no end blocks\n')], b''))
    put(tar(tarfile.USTAR_FORMAT, [('t/garbage', f, b'garbage after the end\n')]) + b'garbage' * 300)
    put(tar(tarfile.USTAR_FORMAT, [('t/v7', tarfile.AREGTYPE, b'v7\n'), ('t//slashes///file', f, b'slashes\n'),
                                   ('t/./dot/./file', f, b'dots\n')]))
    put(tarfile.TarInfo.create_pax_global_header({'comment': 'global'}) +
        tar(tarfile.USTAR_FORMAT, [('t/global', f, b'global\n')]))
    put(tar(tarfile.USTAR_FORMAT, []))      # an empty tar
    data = tar(tarfile.USTAR_FORMAT, [('t/members', f, b'm' * 100000)])
    put(data, lambda x: b''.join(gzip.compress(x[i:i + 30000], 6, mtime=0) for i in range(0, len(x), 30000)))
    data = tar(tarfile.USTAR_FORMAT, [('t/frames', f, b'f' * 100000)])
    put(data, lambda x: b''.join(zstd(x[i:i + 30000]) for i in range(0, len(x), 30000)) +
        b'\x50\x2a\x4d\x18\x04\0\0\0skip', oci.OCI + 'layer.v1.tar+zstd')
    m.tag('tarforms', layers)


def zstd(data):
    return subprocess.run(['zstd', '-q', '-c'], input=data, stdout=subprocess.PIPE, check=True).stdout


def broken_layers(m):
    """Layers that do not hold what the manifest or the config says; none of them may become usable."""
    good = m.layer(lambda t: t.add('good', 'x'))
    wrong = oci.Layer(good.desc, 'sha256:' + '0' * 64, 'wrong diff id')
    m.tag('diffid', [m.busybox, wrong])
    for name, delta in (('size-more', 1), ('size-less', -1)):
        m.tag(name, [m.busybox, oci.Layer(dict(good.desc, size=good.desc['size'] + delta), good.diff_id, 'size')])
    tar = b''.join([tarfile.TarInfo('x').tobuf(tarfile.USTAR_FORMAT)])
    half = tarfile.TarInfo('half')
    half.size = 100000
    half = half.tobuf(tarfile.USTAR_FORMAT) + b'h' * 5000
    m.tag('tar-truncated', [m.busybox, m.raw(gzip.compress(half, mtime=0), oci.sha256(half))])
    full = tar + b'\0' * 1024
    m.tag('gzip-truncated', [m.busybox, m.raw(gzip.compress(full, mtime=0)[:-12], oci.sha256(full))])
    m.tag('gzip-crc', [m.busybox, m.raw(gzip.compress(full, mtime=0)[:-8] + b'\1' * 8, oci.sha256(full))])
    m.tag('garbage', [m.busybox, m.raw(b'this is not a tar at all' * 100)])
    m.tag('garbage-gzip', [m.busybox, m.raw(gzip.compress(b'this is not a tar at all' * 100, mtime=0),
                                            oci.sha256(b'this is not a tar at all' * 100))])
    # called gzip, in truth plain: Docker looks at the bytes and takes it
    m.tag('notgzip', [m.busybox, m.raw(full, oci.sha256(full))])
    huge = tarfile.TarInfo('huge')
    huge.size = 1 << 62
    huge = huge.tobuf(tarfile.GNU_FORMAT) + b'h' * 5000
    m.tag('tar-huge', [m.busybox, m.raw(gzip.compress(huge, mtime=0), oci.sha256(huge))])


def bomb(m):
    """10 GiB of zeros in a layer of some 10 MB: honest, and more than a small disk has."""
    size, step = 10 << 30, 16 << 20
    t = tarfile.TarInfo('zeros')
    t.size, t.mtime, t.mode = size, oci.CLAMP, 0o644
    head, zeros, end = t.tobuf(tarfile.GNU_FORMAT), bytes(step), bytes(1024)
    packed = gzip.compress(zeros, 9, mtime=0)
    h = hashlib.sha256(head)
    for _ in range(size // step):
        h.update(zeros)
    h.update(end)
    data = gzip.compress(head, 9, mtime=0) + packed * (size // step) + gzip.compress(end, 9, mtime=0)
    m.tag('bomb', [m.busybox, m.raw(data, 'sha256:' + h.hexdigest())])


def platforms(m):
    """For another processor only, as an index and as a plain manifest; or with no platform told at all."""
    arm = catalog.other_platform(m.layout, 'oci', 'arm64', 'odd', 'v8')
    m.layout.tag(m.layout.index([arm, m.layout.attestation(arm)]), 'odd/arm64only:latest')
    m.layout.tag(arm, 'odd/arm64single:latest')
    real = m.layout.manifest([m.busybox], CONFIG)
    bare = {k: v for k, v in real.items() if k != 'platform'}
    m.layout.tag(m.layout.index([bare]), 'odd/noplatform:latest')
    v2 = dict(real, platform={'architecture': 'amd64', 'os': 'linux', 'variant': 'v9'})
    m.layout.tag(m.layout.index([dict(real, platform={'architecture': 'amd64', 'os': 'windows'}), v2, real]),
                 'odd/variants:latest')


def manifests(m):
    """Manifests and configs that are wrong in one thing each, and a few that only look so."""
    put = m.layout.put
    t = oci.TYPES['oci']
    ok = m.layout.manifest([m.busybox], CONFIG)

    def man(name, change):
        m.tag(name, [m.busybox], change_manifest=change)

    def cfg(name, change):
        m.tag(name, [m.busybox], change_config=change)

    def bytes_as(name, data, media_type):
        m.layout.tag(put(data, media_type), 'odd/%s:latest' % name)
    man('no-layers', lambda x: x.pop('layers') and None)
    man('layers-string', lambda x: x.update(layers='none'))
    man('layer-number', lambda x: x.update(layers=[5]))
    man('digest-short', lambda x: x['layers'][0].update(digest='sha256:abc'))
    man('digest-path', lambda x: x['layers'][0].update(digest='sha256:' + '../' * 21 + 'a'))
    man('digest-unknown', lambda x: x['layers'][0].update(digest='md5:' + '0' * 32))
    man('digest-missing', lambda x: x['layers'][0].update(digest='sha256:' + 'ab' * 32))
    man('size-negative', lambda x: x['layers'][0].update(size=-1))
    man('size-huge', lambda x: x['layers'][0].update(size=1 << 70))
    man('size-text', lambda x: x['layers'][0].update(size='12'))
    man('layer-type', lambda x: x['layers'][0].update(mediaType='application/x-unknown'))
    man('config-type', lambda x: x['config'].update(mediaType='application/vnd.example.thing+json'))
    man('schema-version', lambda x: x.update(schemaVersion=7))
    man('layers-many', lambda x: x.update(layers=x['layers'] * 5000))
    cfg('diffid-count', lambda x: x['rootfs'].update(diff_ids=x['rootfs']['diff_ids'] * 2))
    cfg('config-no-rootfs', lambda x: x.pop('rootfs') and None)
    cfg('config-cmd-string', lambda x: x['config'].update(Cmd='sh -c true'))
    cfg('config-env-odd', lambda x: x['config'].update(Env=['NOEQUALS', '=noname', 'A=1', 'A=2', catalog.PATH]))
    cfg('config-null', lambda x: x.update(config=None))                       # legal: no defaults at all
    cfg('config-extra', lambda x: x.update(zukunft={'a': [1, 2, {'b': None}]}))    # legal: unknown keys
    config = put(b'[1, 2, 3]', t['config'])
    bytes_as('config-array', oci.json.dumps({'schemaVersion': 2, 'mediaType': t['manifest'], 'config': config,
                                             'layers': [m.busybox.desc]}).encode(), t['manifest'])
    bytes_as('not-json', b'<html>404</html>', t['manifest'])
    bytes_as('json-cut', b'{"schemaVersion": 2, "config": {', t['manifest'])
    bytes_as('json-deep', b'[' * 100000 + b']' * 100000, t['manifest'])
    bytes_as('json-array', b'[]', t['manifest'])
    bytes_as('json-nul', b'{"schemaVersion": 2\0}', t['manifest'])
    bytes_as('json-empty', b'', t['manifest'])
    bytes_as('artifact', oci.json.dumps({
        'schemaVersion': 2, 'mediaType': t['manifest'], 'artifactType': 'application/vnd.example.sbom',
        'config': put(b'{}', 'application/vnd.oci.empty.v1+json'), 'layers': [
            put(b'not a layer', 'text/plain')]}).encode(), t['manifest'])
    m.layout.tag(m.layout.index([]), 'odd/index-empty:latest')
    inner = m.layout.index([ok])
    m.layout.tag(m.layout.index([dict(inner, platform={'architecture': 'amd64', 'os': 'linux'})]),
                 'odd/index-nested:latest')
    m.layout.tag(m.layout.index([m.layout.attestation(ok)]), 'odd/index-attestation:latest')
    m.layout.tag(m.layout.index([{'digest': 5}, 'x', None, {'platform': 'linux'}, ok]), 'odd/index-odd:latest')


def old(m):
    """Of 2015: manifests of schema 1, signed and not, whose newest layer is nothing but its history; and an image that
    was brought over to schema 2: no history, nulls for lists, no PATH.  The uneven one lacks a part of its history."""
    added = m.layer(lambda t: t.add('old', 'of 2015\n'))
    nothing = 'sha256:a3ed95caeb02ffe68cdd9fd84406680ae93d633cb16422d00e8a7c22955b46d4'
    config = {'Hostname': 'b0cf658bb4d3', 'User': '', 'Tty': False, 'Env': None, 'Cmd': ['true'], 'Image': 'b' * 64,
              'Volumes': None, 'WorkingDir': '', 'Entrypoint': None, 'OnBuild': [], 'Labels': None}

    def past(number, said, **more):
        return {'v1Compatibility': oci.json.dumps(dict({
            'id': '%064x' % number, 'created': '2015-04-30T03:49:42.1Z',
            'container_config': {'Cmd': ['/bin/sh', '-c', '#(nop) ' + said]}}, **more))}

    def manifest(name, sign, drop=0):
        doc = {'schemaVersion': 1, 'name': 'odd/' + name, 'tag': 'latest', 'architecture': 'amd64',
               'fsLayers': [{'blobSum': d} for d in (nothing, added.desc['digest'], m.busybox.desc['digest'])],
               'history': [past(3, 'CMD ["true"]', config=config, author='Ann', os='linux', docker_version='1.6.0',
                                architecture='amd64', throwaway=True),
                           past(2, 'ADD file:1 in /old'), past(1, 'ADD file:2 in /')][drop:]}
        text = oci.json.dumps(doc, indent=3)

        def b64(data):
            return base64.urlsafe_b64encode(data.encode()).decode().rstrip('=')
        head = b64(oci.json.dumps({'formatLength': len(text) - 2, 'formatTail': b64(text[-2:])}))
        if sign:
            text = text[:-2] + ',\n   "signatures": ' + \
                oci.json.dumps([{'header': {'alg': 'ES256'}, 'signature': b64('none'), 'protected': head}]) + '\n}'
        m.layout.tag(m.layout.put(text.encode(), oci.DOCKER + 'distribution.manifest.v1+' +
                                  ('prettyjws' if sign else 'json')), 'odd/%s:latest' % name)
    manifest('schema1', True)
    manifest('schema1-plain', False)
    manifest('schema1-uneven', False, 1)
    m.tag('jessie', [m.busybox], config, kind='docker', change_config=lambda c: dict(
        {k: v for k, v in c.items() if k != 'history'}, docker_version='1.9.1', container='0' * 64,
        container_config=config))


def many_layers(m):
    """120 layers, which is legal; file l/N says N, file "last" says 119."""
    layers = [m.busybox]
    for n in range(120):
        layers.append(m.layer(lambda t: (t.dir('l'), t.add('l/%d' % n, '%d\n' % n), t.add('last', '%d\n' % n))))
    m.tag('many', layers)
    one = m.layer(lambda t: t.add('once', 'x'))
    m.tag('samelayer', [m.busybox, one, one])       # legal: one layer twice
    m.tag('scratch', [], {'Env': ENV})              # legal: nothing at all, not even a command


def users(m):
    """Config "User" in every form; the files say whose they are."""
    for name, user in (('mysql', 'mysql'), ('999', '999:999'), ('nobody', 'nobody:nogroup'), ('1000', '1000'),
                       ('group', 'mysql:www-data'), ('gid', '1000:33'), ('unknown', 'nosuchuser'),
                       ('unknowngroup', 'mysql:nosuchgroup'), ('huge', '4294967296'), ('empty', '')):
        m.tag('user-' + name, [m.busybox], dict(CONFIG, User=user))
    m.image('user-nopasswd', lambda t: (t.add('etc/.wh.passwd', ''), t.add('etc/.wh.group', '')),
            config=dict(CONFIG, User='mysql'))
    m.image('user-badpasswd', lambda t: (
        t.add('etc/passwd', 'broken\nroot:x:zero:0::/:\n\n::::::\nmysql:x:998:997:%s:/x:/bin/sh\n' % ('g' * 70000)),
        t.add('etc/group', 'broken:\nmysql:x:997:\n')), config=dict(CONFIG, User='mysql'))


def configs(m):
    """The rest of an image's configuration."""
    def data(t):
        t.dir('data', uid=999, gid=999, mode=0o750)
        t.add('data/seed', 'from the image\n', uid=999, gid=999)
        t.dir('data/sub', uid=33, gid=33)
        t.sym('data/link', 'seed')
        t.dir('etc/app')
        t.add('etc/app/conf', 'conf\n')
        t.add('entry', '#!/bin/sh\necho "entry:$#:$*"\nexec "$@"\n', mode=0o755)
        t.add('noexec', '#!/bin/sh\n', mode=0o644)
        t.add('badinterp', '#!/no/such/interpreter\n', mode=0o755)
        t.add('notelf', b'\x7fELF nonsense', mode=0o755)
    m.image('config', data, config={
        'Env': ENV + ['COLOUR=blue', 'EMPTY=', 'SPACES=a b  c', 'HOME_SET=1'], 'Entrypoint': ['/entry'],
        'Cmd': ['echo', 'default', 'two words'], 'WorkingDir': '/made/by/workdir', 'User': 'mysql',
        'Volumes': {'/data': {}, '/cache/new': {}}, 'StopSignal': 'SIGUSR1',
        'ExposedPorts': {'80/tcp': {}, '53/udp': {}, '8000-8002/tcp': {}},
        'Labels': {'org.example.title': 'odd', 'empty': ''},
        'Healthcheck': {'Test': ['CMD-SHELL', 'true'], 'Interval': 1000000000}, 'Shell': ['/bin/sh', '-c'],
        'OnBuild': ['RUN true'], 'ArgsEscaped': True, 'MacAddress': '', 'Domainname': ''})
    m.image('entrypoint-only', data, config={'Env': ENV, 'Entrypoint': ['/entry']})
    m.image('noexec', data, config={'Env': ENV, 'Cmd': ['/noexec']})
    m.image('badinterp', data, config={'Env': ENV, 'Cmd': ['/badinterp']})
    m.image('notfound', data, config={'Env': ENV, 'Cmd': ['no-such-program']})
    m.image('notelf', data, config={'Env': ENV, 'Cmd': ['/notelf']})
    m.tag('nopath', [m.busybox], {'Cmd': ['sh', '-c', 'echo "$PATH"']})
    m.image('workdir-link', lambda t: t.sym('w', '/proc/self/root/tmp'), config=dict(CONFIG, WorkingDir='/w/x'))
    m.image('volume-link', lambda t: t.sym('v', '/tmp'), config=dict(CONFIG, Volumes={'/v': {}, '/../../x': {}}))


def one(name, *fills):
    """A job: the images of these functions as a layout."""
    def make(b, source):
        def fill(layout):
            m = Maker(b, layout)
            for f in fills:
                f(m)
        return b.image('odd-' + name, source('oci.py', 'odd.py', 'catalog.py'), fill)
    return make


ALL = [one('files', whiteouts, hard_links, attributes, names, sparse, devices, escapes, replaced, tar_forms,
           broken_layers),
       one('meta', platforms, manifests, old, many_layers, users, configs), one('bomb', bomb)]
