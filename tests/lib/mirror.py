"""The machine's own Debian mirror, for containers of the test world, which has no way to the real network.

    mirror.py SOCKET HOSTS_FILE PID    (run in the machine's network; ends when the process PID ends)

Answers on the unix socket: "GET URL\\n" by "200 LENGTH\\n" and the body, or "404 0\\n".  Only URLs of the archives that
apt is configured with are fetched, by apt's own downloader: its proxies and keys count.  What was fetched is kept in
${DEVBOX_TEST_CACHE:-/var/tmp/devbox-test-cache}/mirror, for good if its name never means anything else (packages,
files by hash), else for some hours.  The host names go to HOSTS_FILE, a line each.
"""
import hashlib
import os
import select
import socketserver
import subprocess
import sys
import threading
import time
import urllib.parse

CACHE = os.environ.get('DEVBOX_TEST_CACHE', '/var/tmp/devbox-test-cache') + '/mirror'
FRESH = 6 * 3600
locks = {}
locks_lock = threading.Lock()


def archives():
    """The addresses below which this machine's packages are: plain HTTP only, the containers have no certificates."""
    done = subprocess.run(['apt-get', 'indextargets', '--format', '$(REPO_URI)', 'Created-By: Packages'],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=False)
    return sorted({line.rstrip('/') + '/' for line in done.stdout.split() if line.startswith('http://')})


def stays(path):
    return '/pool/' in path or '/by-hash/' in path


def fetch(url):
    """The file with the content of URL, or None."""
    path = urllib.parse.urlsplit(url).path
    file = os.path.join(CACHE, hashlib.sha256(url.encode()).hexdigest()[:32])
    with locks_lock:
        lock = locks.setdefault(file, threading.Lock())
    with lock:      # whoever wants the same waits for it
        try:
            if stays(path) or time.time() - os.stat(file).st_mtime < FRESH:
                os.stat(file)
                return file
        except OSError:
            pass
        new = '%s.%d.tmp' % (file, os.getpid())
        done = subprocess.run(['/usr/lib/apt/apt-helper', '-q', '-o', 'APT::Sandbox::User=', 'download-file', url, new],
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              check=False)
        if done.returncode == 0 and os.path.exists(new):
            os.utime(new)
            os.rename(new, file)
            return file
        if os.path.exists(new):
            os.unlink(new)
        return file if os.path.exists(file) else None      # an old one is better than none


class Ask(socketserver.StreamRequestHandler):
    def handle(self):
        words = self.rfile.readline(4096).decode('latin-1').split()
        file = None
        if len(words) == 2 and '..' not in words[1] and words[1].startswith(tuple(self.server.archives)):
            file = fetch(words[1])
        if not file:
            self.wfile.write(b'404 0\n')
            return
        with open(file, 'rb') as f:
            self.wfile.write(b'200 %d\n' % os.fstat(f.fileno()).st_size)
            while data := f.read(1 << 18):
                self.wfile.write(data)


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_):
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(*_)


def main():
    path, hosts, pid = sys.argv[1:]
    alive = os.pidfd_open(int(pid))
    os.makedirs(CACHE, exist_ok=True)
    server = Server(path, Ask)
    server.archives = archives()
    with open(hosts + '.new', 'w') as f:
        f.writelines('%s\n' % h for h in sorted({urllib.parse.urlsplit(a).hostname for a in server.archives}))
    os.rename(hosts + '.new', hosts)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    select.select([alive], [], [])


main()
