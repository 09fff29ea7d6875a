"""The images of the stand-in for Docker Hub that behave like the official ones of the same name."""
import os
import re
import subprocess
import tarfile

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


def version(tar, package):
    """The upstream version of a PACKAGE installed in a layer: its changelog's home says it, dpkg knows it."""
    with tarfile.open(tar) as t:
        status = t.extractfile('var/lib/dpkg/status').read().decode()
    found = re.search(r'^Package: %s\n(?:.+\n)*?Version: (?:\d+:)?([0-9.]+)' % re.escape(package), status, re.M)
    return found[1].rstrip('.')


class Files:
    """A small layer of files and folders, in the order given."""

    def __init__(self, b, layout):
        self.b, self.layout = b, layout
        self.tar = oci.Tar(layout.dir + '/files.tar')

    def copy(self, source, name, mode=0o644):
        with open(self.b.file(source), 'rb') as f:
            self.tar.add(name, f.read(), mode=mode)
        return self

    def text(self, name, text, mode=0o644):
        self.tar.add(name, text, mode=mode)
        return self

    def dir(self, name, mode=0o755, uid=0, gid=0):
        self.tar.dir(name, mode=mode, uid=uid, gid=gid)
        return self

    def link(self, name, to):
        self.tar.sym(name, to)
        return self

    def layer(self, said):
        layer = self.layout.layer(self.tar.close(), said=said)
        os.unlink(self.tar.path)
        return layer


def server_image(b, source, name, suite, install, before='', script='', finish=None, series=''):
    """An image of a SUITE and packages; finish(layout, version-of) returns (files layer, config, tags).
    SERIES tells images of one repository apart."""
    base = b.base(suite)
    tar = b.packages(name + series, suite, install, script, before)
    inputs = [os.path.basename(base), os.path.basename(tar), source('oci.py', 'catalog.py', 'images')]

    def make(layout):
        layers = [b.pack(layout, base, 'gzip', 'debian ' + suite),
                  b.pack(layout, tar, 'gzip', 'apt-get install ' + ' '.join(install))]
        files, config, tags = finish(layout, lambda package: version(tar, package))
        publish(layout, layers + [files], config, ['library/%s:%s' % (name, t) for t in tags])
    return b.image(name + series, inputs, make)


MYSQL_USER = '''
groupadd --system --gid 999 mysql
useradd --system --uid 999 --gid 999 --home-dir /var/lib/mysql --no-create-home mysql
'''


def mysql(b, source):
    def finish(layout, version_of):
        full = version_of('mysql-server-core')
        major = '.'.join(full.split('.')[:2])
        files = Files(b, layout)
        files.dir('docker-entrypoint-initdb.d').copy('mysql/my.cnf', 'etc/my.cnf')
        files.dir('etc/mysql').dir('etc/mysql/conf.d')
        files.dir('var/lib/mysql', 0o1777, 999, 999).dir('var/lib/mysql-files', 0o750, 999, 999)
        files.dir('run/mysqld', 0o1777, 999, 999)
        files.copy('mysql/docker-entrypoint.sh', 'usr/local/bin/docker-entrypoint.sh', 0o755)
        files.link('entrypoint.sh', 'usr/local/bin/docker-entrypoint.sh')
        config = {'Env': [PATH, 'MYSQL_MAJOR=' + major, 'MYSQL_VERSION=' + full, 'MYSQL_SHELL_VERSION=' + full],
                  'Entrypoint': ['docker-entrypoint.sh'], 'Cmd': ['mysqld'],
                  'ExposedPorts': {'3306/tcp': {}, '33060/tcp': {}}, 'Volumes': {'/var/lib/mysql': {}},
                  'WorkingDir': '/'}
        # Debian has one series only: older ones' names, as people's files have them, lead to it, too
        return files.layer('mysql entrypoint'), config, ['latest', '8', '8.0', '8.0.33', '8.0-debian', major.split('.')[0], major]
    return server_image(b, source, 'mysql', 'sid',
                        ['mysql-server-core', 'mysql-client-core', 'openssl', 'bzip2', 'xz-utils', 'zstd', 'tzdata'],
                        MYSQL_USER, '''
# only what the entrypoint and people use of it; and Debian's own settings would be read beside ours
rm -rf /etc/mysql /etc/my.cnf /usr/lib/mysql-router /usr/share/mysql-test
cd /usr/bin
rm -f my_safe_process ibd2sdi innochecksum myisam* mysql_migrate_keyring perror mysqlslap mysqlimport mysqlshow \\
	mysql_secure_installation mysql_config_editor my_print_defaults
cd /usr/lib/mysql/plugin
rm -rf telemetry_client.so authentication_*_client.so group_replication.so component_test* test_* *example* debug
''', finish)


def mariadb_series(b, source, suite, series='', latest=()):
    def finish(layout, version_of):
        full = version_of('mariadb-server-core')
        major = '.'.join(full.split('.')[:2])
        files = Files(b, layout)
        files.dir('docker-entrypoint-initdb.d').copy('mariadb/docker.cnf', 'etc/mysql/conf.d/docker.cnf')
        files.dir('var/lib/mysql', 0o755, 999, 999).dir('run/mysqld', 0o1777, 999, 999)
        files.copy('mariadb/docker-entrypoint.sh', 'usr/local/bin/docker-entrypoint.sh', 0o755)
        config = {'Env': [PATH, 'LANG=C.UTF-8', 'MARIADB_MAJOR=' + major, 'MARIADB_VERSION=' + full],
                  'Entrypoint': ['docker-entrypoint.sh'], 'Cmd': ['mariadbd'],
                  'ExposedPorts': {'3306/tcp': {}}, 'Volumes': {'/var/lib/mysql': {}}}
        return files.layer('mariadb entrypoint'), config, [*latest, major.split('.')[0], major]
    return server_image(b, source, 'mariadb', suite,
                        ['mariadb-server-core', 'mariadb-client', 'xz-utils', 'zstd', 'tzdata'],
                        MYSQL_USER, 'rm -f /usr/bin/maria*test* /usr/bin/aria_*', finish, series)


def mariadb(b, source):
    return mariadb_series(b, source, 'bookworm', latest=['latest'])


def mariadb11(b, source):
    return mariadb_series(b, source, 'sid', '11')


def postgres(b, source):
    def finish(layout, version_of):
        major = re.search(r'^(\d+)', version_of('postgresql-15'))[1]
        full = version_of('postgresql-15')
        files = Files(b, layout)
        files.dir('docker-entrypoint-initdb.d')
        files.dir('var/lib/postgresql', 0o755, 999, 999).dir('var/lib/postgresql/data', 0o1777, 999, 999)
        files.dir('run/postgresql', 0o3777, 999, 999)
        files.copy('postgres/docker-entrypoint.sh', 'usr/local/bin/docker-entrypoint.sh', 0o755)
        config = {'Env': [PATH + ':/usr/lib/postgresql/%s/bin' % major, 'LANG=C.UTF-8', 'PG_MAJOR=' + major,
                          'PG_VERSION=' + full, 'PGDATA=/var/lib/postgresql/data'],
                  'Entrypoint': ['docker-entrypoint.sh'], 'Cmd': ['postgres'], 'StopSignal': 'SIGINT',
                  'ExposedPorts': {'5432/tcp': {}}, 'Volumes': {'/var/lib/postgresql/data': {}}}
        return files.layer('postgres entrypoint'), config, ['latest', major, full]
    return server_image(b, source, 'postgres', 'bookworm', ['postgresql-15', 'xz-utils', 'zstd', 'tzdata'], '''
groupadd --system --gid 999 postgres
useradd --system --uid 999 --gid 999 --home-dir /var/lib/postgresql --shell /bin/bash postgres
mkdir -p /etc/postgresql-common
echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
''', '''
# no just-in-time compilation: LLVM is larger than all the rest
rm -rf /usr/lib/postgresql/15/lib/bitcode /usr/lib/postgresql/15/lib/llvmjit* /usr/lib/*/libLLVM* /usr/lib/*/libz3*
sed -i "s/^#listen_addresses = .*/listen_addresses = '*'/" /usr/share/postgresql/15/postgresql.conf.sample
''', finish)


def key_value(b, source, name, suite):
    def finish(layout, version_of):
        full = version_of(name + '-server')
        files = Files(b, layout)
        files.dir('data', 0o755, 999, 999).text('etc/docker-entrypoint-server', name + '-server\n')
        files.copy('redis/docker-entrypoint.sh', 'usr/local/bin/docker-entrypoint.sh', 0o755)
        config = {'Env': [PATH, name.upper() + '_VERSION=' + full], 'Entrypoint': ['docker-entrypoint.sh'],
                  'Cmd': [name + '-server'], 'ExposedPorts': {'6379/tcp': {}}, 'Volumes': {'/data': {}},
                  'WorkingDir': '/data'}
        return files.layer(name + ' entrypoint'), config, ['latest', full.split('.')[0], full]
    return server_image(b, source, name, suite, [name + '-server', name + '-tools'], '''
groupadd --system --gid 999 NAME
useradd --system --uid 999 --gid 999 --home-dir /data --no-create-home NAME
'''.replace('NAME', name), 'rm -rf /etc/%s /var/lib/%s' % (name, name), finish)


def redis(b, source):
    return key_value(b, source, 'redis', 'bookworm')


def valkey(b, source):
    return key_value(b, source, 'valkey', 'sid')


# the slowest first
ALL = [mysql, debian, postgres, mariadb, mariadb11, valkey, redis, busybox]
