"""Puts OCI layouts into a registry's storage directory, through a registry server on a unix socket.

What the server refuses (manifests that are wrong on purpose) goes to a folder beside its storage,
static/REPO/TAG-OR-DIGEST.json and .type, from where the hub's front answers itself.
"""
import base64
import hashlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import time


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__('registry')
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(self.path)


class Registry:
    """Debian's registry server on a unix socket, for as long as the "with" lasts."""

    def __init__(self, program, storage, run_dir, readonly=False):
        self.program, self.storage, self.dir = program, storage, run_dir
        self.socket = os.path.join(run_dir, 'registry.sock')

    def __enter__(self):
        os.makedirs(self.storage, exist_ok=True)
        config = os.path.join(self.dir, 'registry.yml')
        with open(config, 'w') as f:
            f.write('version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\n'
                    'storage: {cache: {blobdescriptor: inmemory}, filesystem: {rootdirectory: %s}, '
                    'delete: {enabled: true}}\n'
                    'http: {net: unix, addr: %s, secret: devbox}\n' % (self.storage, self.socket))
        if os.path.exists(self.socket):
            os.unlink(self.socket)
        env = {k: v for k, v in os.environ.items() if not k.startswith(('REGISTRY_', 'OTEL_'))}
        self.log = open(os.path.join(self.dir, 'registry.log'), 'ab')
        self.proc = subprocess.Popen([self.program, 'serve', config], stdin=subprocess.DEVNULL,
                                     stdout=self.log, stderr=self.log, env=env)
        end = time.monotonic() + 20
        while True:
            try:
                c = UnixConnection(self.socket)
                c.connect()
                c.close()
                return self
            except OSError:
                if self.proc.poll() is not None or time.monotonic() > end:
                    raise SystemExit('hub: the registry server does not start, see ' + self.log.name)
                time.sleep(0.02)

    def __exit__(self, *_):
        self.proc.send_signal(signal.SIGTERM)
        try:
            self.proc.wait(10)
        except subprocess.TimeoutExpired:
            self.proc.kill()
            self.proc.wait()
        self.log.close()


class Filler:
    def __init__(self, socket, static):
        self.conn = UnixConnection(socket)
        self.static = static
        self.home = {}      # blob digest -> a repo that has it
        self.done = set()   # (repo, digest)

    def call(self, method, path, body=None, headers={}):
        self.conn.request(method, path, body, headers)
        r = self.conn.getresponse()
        data = r.read()
        return r.status, r.headers, data

    def blob(self, repo, digest, path):
        if (repo, digest) in self.done:
            return
        query = '?mount=%s&from=%s' % (digest, self.home[digest]) if digest in self.home else ''
        status, headers, data = self.call('POST', '/v2/%s/blobs/uploads/%s' % (repo, query), b'',
                                          {'Content-Length': '0'})
        if status == 202:
            where = headers['Location']
            where = where[where.index('/v2/'):]
            with open(path, 'rb') as f:
                status, headers, data = self.call(
                    'PUT', where + ('&' if '?' in where else '?') + 'digest=' + digest, f,
                    {'Content-Length': str(os.path.getsize(path)), 'Content-Type': 'application/octet-stream'})
        if status != 201:
            raise SystemExit('hub: storing blob %s: %d %s' % (digest, status, data[:300]))
        self.home.setdefault(digest, repo)
        self.done.add((repo, digest))

    def manifest(self, layout, repo, ref, desc):
        with open(os.path.join(layout, 'blobs', *desc['digest'].split(':')), 'rb') as f:
            data = f.read()
        try:
            man = json.loads(data)
        except (ValueError, RecursionError):
            man = {}
        children = man.get('manifests') if isinstance(man, dict) else None
        for child in children if isinstance(children, list) else []:
            if has(layout, child):
                self.manifest(layout, repo, child['digest'], child)
        blobs = []
        if isinstance(man, dict):
            blobs = [man.get('config')] + (man['layers'] if isinstance(man.get('layers'), list) else []) + \
                [{'digest': layer['blobSum']} for layer in man.get('fsLayers', [])]
        for blob in blobs:
            if has(layout, blob):
                self.blob(repo, blob['digest'], os.path.join(layout, 'blobs', *blob['digest'].split(':')))
        if (repo, desc['digest'], ref) in self.done:
            return
        status, _, answer = self.call('PUT', '/v2/%s/manifests/%s' % (repo, ref), data,
                                      {'Content-Type': desc['mediaType']})
        if status != 201:
            dir = os.path.join(self.static, repo)
            os.makedirs(dir, exist_ok=True)
            digest = signed_digest(data) if desc['mediaType'].endswith('prettyjws') else desc['digest']
            with open(os.path.join(dir, ref + '.digest'), 'w') as f:
                f.write(digest)
            for name in {ref, digest}:
                with open(os.path.join(dir, name + '.json'), 'wb') as f:
                    f.write(data)
                with open(os.path.join(dir, name + '.type'), 'w') as f:
                    f.write(desc['mediaType'])
        self.done.add((repo, desc['digest'], ref))

    def layout(self, layout):
        with open(os.path.join(layout, 'index.json')) as f:
            index = json.load(f)
        for desc in index['manifests']:
            repo, ref = desc['annotations']['org.opencontainers.image.ref.name'].rsplit(':', 1)
            self.manifest(layout, repo, ref, desc)


def signed_digest(data):
    """What a registry knows a signed manifest (schema 1) under: the digest of what was signed."""
    def decode(text):
        return base64.urlsafe_b64decode(text + '=' * (-len(text) % 4))
    signatures = json.loads(data)['signatures']
    if signatures:
        head = json.loads(decode(signatures[0]['protected']))
        data = data[:head['formatLength']] + decode(head['formatTail'])
    return 'sha256:' + hashlib.sha256(data).hexdigest()


def has(layout, desc):
    return isinstance(desc, dict) and isinstance(desc.get('digest'), str) and \
        re.fullmatch('sha256:[0-9a-f]{64}', desc['digest']) and \
        os.path.exists(os.path.join(layout, 'blobs', *desc['digest'].split(':', 1)))
