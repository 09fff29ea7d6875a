"""Programs of others that speak Docker's API, to be run against devbox's."""
from catalog import PATH, Files, server_image


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


ALL = [dockercli]
