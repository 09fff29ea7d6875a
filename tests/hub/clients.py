"""Programs of others that speak Docker's API, to be run against devbox's."""
import os

from catalog import PATH, Files, publish, server_image


def dockercli(b, source):
    """The docker CLI 20.10, python3-docker 5, docker-compose 1.29, curl, jq."""
    def finish(layout, version_of):
        files = Files(b, layout)
        config = {'Env': [PATH, 'DOCKER_CLI_VERSION=' + version_of('docker.io')], 'Cmd': ['sh'], 'WorkingDir': '/root'}
        return files.dir('work').layer('work folder'), config, ['latest']
    return server_image(b, lambda *_: source('clients.py'), 'dockercli', 'bookworm',
                        ['docker.io', 'python3-docker', 'docker-compose', 'curl', 'jq'], '', '''
# the client alone: no engine must ever run
rm -f /usr/sbin/dockerd /usr/bin/dockerd /usr/sbin/docker-init /usr/bin/docker-init /usr/*bin/docker-proxy \\
	/usr/bin/containerd* /usr/bin/ctr /usr/sbin/runc /usr/bin/runc
rm -rf /etc/docker /etc/containerd /etc/init.d/docker /usr/lib/systemd /lib/systemd
''', finish)


def dockercli_new(b, source):
    """The newest docker CLI and docker compose of Debian."""
    def finish(layout, version_of):
        files = Files(b, layout)
        config = {'Env': [PATH, 'DOCKER_CLI_VERSION=' + version_of('docker-cli')], 'Cmd': ['sh'], 'WorkingDir': '/work'}
        return files.dir('work').layer('work folder'), config, ['new']
    return server_image(b, lambda *_: source('clients.py'), 'dockercli', 'sid', ['docker-cli', 'docker-compose', 'curl'],
                        '', '', finish, 'new')


def dockercloud_haproxy(b, source):
    """dockercloud/haproxy, a balancer that finds what it balances through Docker's API."""
    install = ['haproxy', 'python3-docker']
    base = b.base('bookworm')
    tar = b.packages('dockercloud-haproxy', 'bookworm', install, 'mkdir -p /etc/haproxy; rm -f /etc/haproxy/haproxy.cfg')
    inputs = [os.path.basename(base), os.path.basename(tar), source('oci.py', 'clients.py', 'images/dockercloud-haproxy')]

    def make(layout):
        layers = [b.pack(layout, base, 'gzip', 'debian bookworm'),
                  b.pack(layout, tar, 'gzip', 'apt-get install ' + ' '.join(install))]
        files = Files(b, layout)
        files.copy('dockercloud-haproxy/dockercloud-haproxy', 'usr/local/bin/dockercloud-haproxy', 0o755)
        config = {'Env': [PATH, 'BALANCE=roundrobin', 'STATS_PORT=1936', 'STATS_AUTH=stats:stats',
                          'HEALTH_CHECK=check inter 2000 rise 2 fall 3'],
                  'Cmd': ['dockercloud-haproxy'], 'ExposedPorts': {p: {} for p in ('80/tcp', '443/tcp', '1936/tcp')}}
        publish(layout, layers + [files.layer('dockercloud-haproxy')], config, ['dockercloud/haproxy:latest'])
    return b.image('dockercloud-haproxy', inputs, make)


ALL = [dockercli, dockercli_new, dockercloud_haproxy]
