"""The images around a web application: balancer, web server, PHP, cache; as the official ones of the same name."""
from catalog import PATH, Files, server_image


def image(b, source, name, install, before, script, finish):
    """server_image() of bookworm, made from the files of images/NAME; the rest of this file changes rarely."""
    return server_image(b, lambda *_: source('web.py', 'images/' + name), name, 'bookworm', install, before, script,
                        finish)


def short(full):
    return '.'.join(full.split('.')[:2])


def nginx(b, source):
    def finish(layout, version_of):
        full = version_of('nginx')
        files = Files(b, layout)
        files.dir('docker-entrypoint.d').copy('nginx/docker-entrypoint.sh', 'docker-entrypoint.sh', 0o755)
        files.copy('nginx/20-envsubst-on-templates.sh', 'docker-entrypoint.d/20-envsubst-on-templates.sh', 0o755)
        files.copy('nginx/nginx.conf', 'etc/nginx/nginx.conf')
        files.dir('etc/nginx/conf.d').copy('nginx/default.conf', 'etc/nginx/conf.d/default.conf')
        files.dir('usr/share/nginx/html').copy('nginx/index.html', 'usr/share/nginx/html/index.html')
        files.copy('nginx/50x.html', 'usr/share/nginx/html/50x.html')
        files.dir('var/cache/nginx').dir('var/log/nginx')
        files.link('var/log/nginx/access.log', '/dev/stdout').link('var/log/nginx/error.log', '/dev/stderr')
        config = {'Env': [PATH, 'NGINX_VERSION=' + full], 'Entrypoint': ['/docker-entrypoint.sh'],
                  'Cmd': ['nginx', '-g', 'daemon off;'], 'ExposedPorts': {'80/tcp': {}}, 'StopSignal': 'SIGQUIT',
                  'Labels': {'maintainer': 'the tests'}}
        return files.layer('nginx entrypoint'), config, ['latest', 'stable', full.split('.')[0], short(full), full]
    return image(b, source, 'nginx', ['nginx-light', 'gettext-base'], '''
groupadd --system --gid 101 nginx
useradd --system --gid 101 --uid 101 --no-create-home --home-dir /nonexistent --shell /bin/false nginx
''', 'rm -rf /etc/nginx/sites-* /etc/nginx/nginx.conf /var/www/html /usr/share/nginx/html /var/log/nginx/*', finish)


def haproxy(b, source):
    def finish(layout, version_of):
        full = version_of('haproxy')
        files = Files(b, layout)
        files.copy('haproxy/docker-entrypoint.sh', 'usr/local/bin/docker-entrypoint.sh', 0o755)
        files.dir('usr/local/etc/haproxy').dir('var/lib/haproxy', 0o755, 99, 99)
        config = {'Env': [PATH, 'HAPROXY_VERSION=' + full], 'Entrypoint': ['docker-entrypoint.sh'],
                  'Cmd': ['haproxy', '-f', '/usr/local/etc/haproxy/haproxy.cfg'], 'StopSignal': 'SIGUSR1',
                  'User': 'haproxy', 'WorkingDir': '/var/lib/haproxy'}
        return files.layer('haproxy entrypoint'), config, ['latest', full.split('.')[0], short(full), full]
    return image(b, source, 'haproxy', ['haproxy'], '', '''
groupmod --gid 99 haproxy
usermod --uid 99 --gid 99 haproxy
# the official image reads no settings but the user's, and has the error pages beside them
mkdir -p /usr/local/etc/haproxy
mv /etc/haproxy/errors /usr/local/etc/haproxy/
rm -rf /etc/haproxy
''', finish)


def php(b, source):
    def finish(layout, version_of):
        full = version_of('php8.2-fpm')
        files = Files(b, layout)
        for tool in ('docker-php-entrypoint', 'docker-php-ext-enable', 'docker-php-ext-install', 'pecl'):
            files.copy('php/' + tool, 'usr/local/bin/' + tool, 0o755)
        files.link('usr/local/sbin/php-fpm', '/usr/sbin/php-fpm8.2').link('usr/local/bin/php', '/usr/bin/php8.2')
        files.dir('usr/local/etc').dir('usr/local/etc/php').dir('usr/local/etc/php/conf.d')
        files.dir('usr/local/etc/php-fpm.d').copy('php/php-fpm.conf', 'usr/local/etc/php-fpm.conf')
        files.link('etc/php/8.2/fpm/php-fpm.conf', '/usr/local/etc/php-fpm.conf')
        for part in ('www.conf', 'zz-docker.conf'):
            files.copy('php/' + part, 'usr/local/etc/php-fpm.d/' + part)
        files.dir('var/www/html', 0o1777, 33, 33)
        # the empty first path: the folder that Debian's build has its own settings in, then ours
        config = {'Env': [PATH, 'PHP_VERSION=' + full, 'PHP_INI_DIR=/usr/local/etc/php',
                          'PHP_INI_SCAN_DIR=:/usr/local/etc/php/conf.d'],
                  'Entrypoint': ['docker-php-entrypoint'], 'Cmd': ['php-fpm'], 'ExposedPorts': {'9000/tcp': {}},
                  'StopSignal': 'SIGQUIT', 'WorkingDir': '/var/www/html'}
        return files.layer('php entrypoint'), config, ['fpm', '8-fpm', short(full) + '-fpm', full + '-fpm']
    return image(b, source, 'php', ['php8.2-fpm', 'php8.2-cli', 'php8.2-mysql', 'php8.2-redis'], '',
                 'rm -rf /etc/php/8.2/fpm/php-fpm.conf /etc/php/8.2/fpm/pool.d /var/www/html', finish)


def memcached(b, source):
    def finish(layout, version_of):
        full = version_of('memcached')
        files = Files(b, layout)
        files.copy('memcached/docker-entrypoint.sh', 'usr/local/bin/docker-entrypoint.sh', 0o755)
        config = {'Env': [PATH, 'MEMCACHED_VERSION=' + full], 'Entrypoint': ['docker-entrypoint.sh'],
                  'Cmd': ['memcached'], 'ExposedPorts': {'11211/tcp': {}}, 'User': 'memcache'}
        return files.layer('memcached entrypoint'), config, ['latest', full.split('.')[0], short(full), full]
    return image(b, source, 'memcached', ['memcached'], '''
groupadd --system --gid 11211 memcache
useradd --system --gid memcache --uid 11211 --no-create-home --home-dir /nonexistent memcache
''', 'rm -f /etc/memcached.conf', finish)


ALL = [php, nginx, haproxy, memcached]
