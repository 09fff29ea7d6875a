"""The images of the stand-in for Docker Hub that behave like the official ones of the same name."""
import os
import subprocess

import oci

PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
BUSYBOX_PASSWD = '''root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/bin/false
bin:x:2:2:bin:/bin:/bin/false
www-data:x:33:33:www-data:/var/www:/bin/false
mysql:x:999:999:mysql:/var/lib/mysql:/bin/false
nobody:x:65534:65534:nobody:/home:/bin/false
'''
BUSYBOX_GROUP = '''root:x:0:
daemon:x:1:
bin:x:2:
tty:x:5:
audio:x:29:mysql
www-data:x:33:
video:x:44:mysql,nobody
mysql:x:999:
nogroup:x:65534:
'''


def busybox_tar(b, path):
    """The static busybox, every applet as a hard link to it, and the folders that the official image has."""
    program = b.program('busybox-static', '/bin/busybox')
    with open(program, 'rb') as f:
        data = f.read()
    applets = subprocess.run(['busybox', '--list'], executable=program, check=True, capture_output=True,
                             text=True).stdout.split()
    t = oci.Tar(path)
    t.dir('bin')
    t.add('bin/busybox', data, mode=0o755)
    for a in sorted(set(applets) - {'busybox'}):
        t.hard('bin/' + a, 'bin/busybox', mode=0o755)
    for name, mode in (('dev', 0o755), ('etc', 0o755), ('home', 0o755), ('root', 0o700), ('tmp', 0o1777),
                       ('usr', 0o755), ('usr/bin', 0o755), ('usr/sbin', 0o755), ('var', 0o755),
                       ('var/www', 0o755), ('var/spool', 0o755)):
        t.dir(name, mode=mode)
    t.sym('usr/bin/env', '../../bin/env')
    t.add('etc/passwd', BUSYBOX_PASSWD)
    t.add('etc/group', BUSYBOX_GROUP)
    t.add('etc/shadow', 'root:*:0:::::\n', mode=0o600)
    return t.close()


def other_platform(layout, kind, arch, text, variant=None):
    """A stand-in for another processor: real enough to be pulled and inspected, nothing in it can run."""
    tar = oci.Tar(layout.dir + '/other.tar')
    tar.add('architecture', text + '\n')
    layer = layout.layer(tar.close(), kind=kind, said='for ' + arch)
    os.unlink(tar.path)
    return layout.manifest([layer], {'Cmd': ['sh'], 'Env': [PATH]}, kind, arch, variant)


def publish(layout, layers, config, tags, kind='oci', attest=True):
    """A multi-platform index as Docker Hub serves it: amd64, arm64 and, for OCI ones, an attestation each."""
    real = layout.manifest(layers, config, kind)
    descs = [real]
    other = other_platform(layout, kind, 'arm64', tags[0], 'v8')
    if kind == 'oci' and attest:
        descs += [layout.attestation(real), other, layout.attestation(other)]
    else:
        descs.append(other)
    layout.tag(layout.index(descs, kind), *tags)
    return real


def busybox(b, source):
    def make(layout):
        tar = busybox_tar(b, layout.dir + '/busybox.tar')
        config = {'Cmd': ['sh'], 'Env': [PATH]}
        gz = layout.layer(tar, 'gzip', said='busybox')
        publish(layout, [gz], config, ['library/busybox:latest', 'library/busybox:1', 'library/busybox:1.35'])
        zst = layout.layer(tar, 'zstd', said='busybox')
        publish(layout, [zst], config, ['library/busybox:zstd'])
        plain = layout.layer(tar, 'none', said='busybox')
        publish(layout, [plain], config, ['library/busybox:plain'])
        # one manifest and no index; the Docker media types
        layout.tag(layout.manifest([gz], config, 'docker'), 'library/busybox:single')
        publish(layout, [gz], config, ['library/busybox:docker'], 'docker')
        # what only a logged-in user sees
        layout.tag(layout.manifest([gz], config), 'dbx/private:latest')
        os.unlink(tar)
    return b.image('busybox', source('oci.py', 'catalog.py'), make)


def debian(b, source):
    base = b.base('bookworm')

    def make(layout):
        layer = b.pack(layout, base, 'gzip', 'debian bookworm')
        publish(layout, [layer], {'Cmd': ['bash'], 'Env': [PATH]},
                ['library/debian:latest', 'library/debian:12', 'library/debian:bookworm',
                 'library/debian:bookworm-slim'])
    return b.image('debian', [os.path.basename(base), source('oci.py', 'catalog.py')], make)


def make(b, source):
    return [busybox(b, source), debian(b, source)]
