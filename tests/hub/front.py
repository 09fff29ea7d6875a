"""The front of the stand-in for Docker Hub: TLS, tokens, redirects to a CDN, faults, a request log.

    front.py DIR CERT_DIR OUTSIDE_PID       (started by `hub up`; DIR holds registry/ static/ docker-registry)

Docker Hub's hosts, all on 198.51.100.10 (the CDN .11), port 443, and the same in 2001:db8:51::/64:
    index.docker.io                         /v1/search, and like
    registry-1.docker.io                    the registry: Bearer challenge, rate limit headers, blobs answered by a
                                            307 to the CDN with a signed address
    auth.docker.io                          tokens: anonymous, or user "dbxuser" with password "dbxpass"
    production.cloudflare.docker.com        the CDN: Range; 400 if an Authorization header arrives ("leak" in the log)
Other registries with the same content, where "NAME" also means "library/NAME":
    127.0.0.1:5000, localhost:5000          plain HTTP, no login (listens inside the test's network namespace)
    registry.test:8443                      TLS, user and password on every request (Basic)
    mirror.test:443                         TLS, no login: a mirror of the Hub
    private-ca.test:8443                    as registry.test without login, but its CA is in no bundle (ca2.crt)
Pushing is for the logged-in, to dbxuser/NAME on the Hub, to anywhere elsewhere; it is gone with the world.
The repository dbx/private is only for the logged-in; an unknown repository answers 401 like Docker Hub's.

The requests are answered by Debian's registry server behind a unix socket.  Control: one JSON line on DIR/ctl,
see the command `hub`, which documents the faults.
Sources: distribution/docs/spec (api.md, auth/token.md), Docker Hub's answers as documented in docs.docker.com.
"""
import base64
import ctypes
import fnmatch
import hashlib
import hmac
import http.server
import json
import os
import re
import secrets
import select
import signal
import socket
import socketserver
import ssl
import struct
import sys
import threading
import time
import urllib.parse

import fill

HUB = ('registry-1.docker.io', 'index.docker.io')
AUTH = 'auth.docker.io'
CDN = 'production.cloudflare.docker.com'
OTHERS = {'127.0.0.1:5000': None, 'localhost:5000': None, '[::1]:5000': None, 'mirror.test': None,
          'registry.test:8443': 'basic', 'private-ca.test:8443': None}
USERS = {'dbxuser': 'dbxpass'}
PRIVATE = ('dbx/private',)
SECRET = secrets.token_bytes(32)
RATE_LIMIT = 100
CHUNK = 256 * 1024
V2 = re.compile(r'^/v2/(.+)/(manifests|blobs|tags|referrers)/(.+)$')
RATE_TEXT = ('You have reached your pull rate limit. You may increase the limit by authenticating and upgrading: '
             'https://www.docker.com/increase-rate-limit')
CODES = {400: ('UNSUPPORTED', 'bad request'), 401: ('UNAUTHORIZED', 'authentication required'),
         403: ('DENIED', 'requested access to the resource is denied'), 404: ('MANIFEST_UNKNOWN', 'manifest unknown'),
         429: ('TOOMANYREQUESTS', RATE_TEXT), 500: ('UNKNOWN', 'internal server error'),
         503: ('UNAVAILABLE', 'service unavailable')}


def error_body(status, code=None, message=None, detail=None):
    known = CODES.get(status, ('UNKNOWN', 'error'))
    return json.dumps({'errors': [{'code': code or known[0], 'message': message or known[1],
                                   'detail': detail}]}).encode() + b'\n'


def sign(text):
    return base64.urlsafe_b64encode(hmac.new(SECRET, text.encode(), 'sha256').digest()).decode().rstrip('=')


class State:
    """What the control socket changes and reads."""

    def __init__(self):
        self.cond = threading.Condition()
        self.faults = []
        self.log = []
        self.token_ttl = 300
        self.remaining = None       # unlimited until `hub set remaining=N`
        self.upstream = None
        self.static = None

    def fault_for(self, method, where):
        with self.cond:
            for f in self.faults:
                if f['left'] != 0 and (fnmatch.fnmatchcase(where, f['glob']) or
                                       fnmatch.fnmatchcase('%s %s' % (method, where), f['glob'])):
                    if f['skip'] > 0:
                        f['skip'] -= 1
                        continue
                    f['left'] -= 1
                    f['hits'] += 1
                    return f
        return None

    def begin(self, entry):
        with self.cond:
            self.log.append(entry)
            self.cond.notify_all()

    def changed(self):
        with self.cond:
            self.cond.notify_all()


state = State()


def token_make(user, access):
    body = json.dumps({'sub': user, 'exp': time.time() + state.token_ttl, 'access': access})
    text = base64.urlsafe_b64encode(body.encode()).decode().rstrip('=')
    return 'eyJhbGciOiJIUzI1NiJ9.%s.%s' % (text, sign(text))


def token_read(token):
    """The claims of a token of ours, or None if it is not one or too old."""
    part = token.split('.')
    if len(part) != 3 or not hmac.compare_digest(sign(part[1]), part[2]):
        return None
    claims = json.loads(base64.urlsafe_b64decode(part[1] + '=' * (-len(part[1]) % 4)))
    return claims if claims['exp'] > time.time() else None


def basic_user(header):
    """The user of an "Authorization: Basic", '' if the password is wrong, None without one."""
    if not header or not header.lower().startswith('basic '):
        return None
    try:
        user, _, password = base64.b64decode(header[6:]).decode().partition(':')
    except ValueError:
        return ''
    return user if user in USERS and USERS[user] == password else ''


class Gone(Exception):
    """The connection was ended on purpose or by the peer."""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    server_version = 'devbox-test-hub'
    sys_version = ''
    timeout = 120

    def log_message(self, *_):
        pass

    def handle_any(self):
        url = urllib.parse.urlsplit(self.path)
        self.host = (self.headers.get('Host') or '').lower()
        if self.host.endswith(':443'):
            self.host = self.host[:-4]
        self.url_path, self.query = url.path, urllib.parse.parse_qs(url.query)
        auth = self.headers.get('Authorization')
        self.entry = {'method': self.command, 'host': self.host, 'path': url.path, 'query': url.query,
                      'auth': auth.split()[0].lower() if auth else 'none',
                      'user': basic_user(auth) if auth else None, 'range': self.headers.get('Range'),
                      'accept': self.headers.get('Accept'), 'agent': self.headers.get('User-Agent'),
                      'peer': self.client_address[0], 'status': None, 'bytes': 0, 'fault': None,
                      'done': False}
        self.fault = state.fault_for(self.command, self.host + url.path)
        if self.fault:
            self.entry['fault'] = self.fault['action']
        state.begin(self.entry)
        try:
            self.answer()
        except (Gone, OSError):
            self.close_connection = True
        finally:
            self.entry['done'] = True
            state.changed()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

    # -- answers ---------------------------------------------------------------------------------------------

    def send(self, status, headers, body=b''):
        self.drain()
        self.stream(status, headers, [body], len(body))

    def stream(self, status, headers, chunks, length):
        """The answer, spoilt by the fault of this request if there is one."""
        f = self.fault or {}
        action, arg = f.get('action'), f.get('arg')
        headers = {k: v for k, v in headers.items() if k.lower() not in ('content-length', 'connection', 'date',
                                                                        'transfer-encoding')}
        if action in ('malformed', 'huge') and status == 200:
            chunks, length = spoilt_json(action, arg)
            headers['Docker-Content-Digest'] = None
        elif action == 'corrupt' and self.command == 'GET':
            chunks = corrupted(chunks, min(arg, length - 1))
        self.send_response(status)
        for name, value in headers.items():
            if value is not None:
                self.send_header(name, value)
        chunked = action == 'chunked'
        if chunked:
            self.send_header('Transfer-Encoding', 'chunked')
        elif status != 204:
            self.send_header('Content-Length', str(length))
        self.end_headers()
        self.entry['status'] = status
        if self.command == 'HEAD' or status == 204:
            return
        sent = 0
        began = time.monotonic()
        for chunk in chunks:
            limit = arg if action in ('truncate', 'stall', 'reset') else None
            if limit is not None and sent + len(chunk) >= limit:
                self.write(chunk[:limit - sent], False)
                chunk = chunk[limit - sent:]
                sent = limit
                if action == 'truncate':
                    raise Gone
                if action == 'reset':
                    self.reset()
                self.hold(f)
                action = None
            if action == 'slow':
                while chunk:
                    self.write(chunk[:8192], False)
                    sent += len(chunk[:8192])
                    chunk = chunk[8192:]
                    self.hold(f, began + sent / arg)
                continue
            self.write(chunk, chunked)
            sent += len(chunk)
        if chunked:
            self.wfile.write(b'0\r\n\r\n')

    def write(self, data, chunked):
        if not data:
            return
        if chunked:
            self.wfile.write(b'%x\r\n%s\r\n' % (len(data), data))
        else:
            self.wfile.write(data)
        self.wfile.flush()
        self.entry['bytes'] += len(data)

    def reset(self):
        """An abrupt end: RST instead of FIN, and nothing of TLS."""
        self.wfile.flush()
        sock = self.connection
        # what was sent must arrive before the RST throws the rest away
        end = time.monotonic() + 5
        while unsent(sock) and time.monotonic() < end:
            time.sleep(0.005)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        os.close(sock.detach())
        raise Gone

    def hold(self, fault, until=None):
        """Wait until the fault is released, the time has come, or the client has gone."""
        while until is None or time.monotonic() < until:
            with state.cond:
                if fault.get('released'):
                    return
                left = 0.1 if until is None else min(0.1, max(0, until - time.monotonic()))
                state.cond.wait(left)
            if gone(self.connection):
                raise Gone

    def drain(self):
        """Read what is left of the request's body, or a kept-alive connection would be out of step."""
        left = int(self.headers.get('Content-Length') or 0)
        while left > 0:
            data = self.rfile.read(min(left, CHUNK))
            if not data:
                break
            left -= len(data)
        del self.headers['Content-Length']

    def refuse(self, status, headers=None, **kw):
        h = {'Content-Type': 'application/json', 'Docker-Distribution-Api-Version': 'registry/2.0'}
        h.update(headers or {})
        self.send(status, h, error_body(status, **kw))

    # -- hosts -----------------------------------------------------------------------------------------------

    def answer(self):
        f = self.fault
        if f and f['action'] == 'status':
            headers = {'Retry-After': f['retry-after']} if 'retry-after' in f else {}
            if f['arg'] == 401:
                headers['WWW-Authenticate'] = self.challenge('repository:fault/fault:pull')
            if 'body' in f:
                return self.send(f['arg'], dict(headers, **{'Content-Type': 'text/html'}), f['body'].encode())
            return self.refuse(f['arg'], headers)
        if f and f['action'] == 'hold':
            self.hold(f)
        if f and f['action'] == 'drop':
            self.reset()
        if self.host == AUTH:
            return self.token()
        if self.host == CDN:
            return self.cdn()
        if self.host in HUB:
            return self.hub()
        if self.host in OTHERS:
            if OTHERS[self.host] == 'basic' and not basic_user(self.headers.get('Authorization')):
                return self.refuse(401, {'WWW-Authenticate': 'Basic realm="%s"' % self.host})
            m = V2.match(self.url_path)
            if m and '/' not in m[1]:
                self.url_path = '/v2/library' + self.url_path[3:]
            return self.registry()
        self.send(421, {'Content-Type': 'text/plain'}, b'this is not ' + self.host.encode() + b'\n')

    def challenge(self, scope, error=None):
        text = 'Bearer realm="https://%s/token",service="registry.docker.io"' % AUTH
        if scope:
            text += ',scope="%s"' % scope
        return text + (',error="%s"' % error if error else '')

    def token(self):
        if self.command == 'POST':
            body = self.rfile.read(int(self.headers.get('Content-Length') or 0)).decode()
            del self.headers['Content-Length']
            form = urllib.parse.parse_qs(body)
            user, password = form.get('username', [''])[0], form.get('password', [''])[0]
            user = user if USERS.get(user) == password and user else ''
            scopes = ' '.join(form.get('scope', [])).split()
        else:
            user = basic_user(self.headers.get('Authorization'))
            scopes = ' '.join(self.query.get('scope', [])).split()
        if self.url_path != '/token':
            return self.send(404, {'Content-Type': 'text/plain'}, b'404 page not found\n')
        if user == '':
            return self.send(401, {'Content-Type': 'application/json'},
                             b'{"details":"incorrect username or password"}\n')
        access = []
        for scope in scopes:
            kind, _, rest = scope.partition(':')
            name, _, actions = rest.rpartition(':')
            allowed = [a for a in actions.split(',') if a == 'pull' or user and name.startswith(user + '/')]
            if kind == 'repository' and (user or name not in PRIVATE):
                access.append({'type': kind, 'name': name, 'actions': allowed})
        token = token_make(user, access)
        self.send(200, {'Content-Type': 'application/json', 'Cache-Control': 'no-store'}, json.dumps({
            'token': token, 'access_token': token, 'expires_in': state.token_ttl,
            'issued_at': time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())}).encode())

    def search(self):
        """What index.docker.io has besides: the names of the repositories, as many stars as letters."""
        term = self.query.get('q', [''])[0]
        limit = int(self.query.get('n', ['25'])[0])
        top = os.path.join(state.storage, 'docker/registry/v2/repositories')
        names = sorted(owner + '/' + name for owner in os.listdir(top) for name in os.listdir(top + '/' + owner))
        found = [{'name': re.sub('^library/', '', name), 'description': 'The stand-in for %s,\nnothing more' % name,
                  'star_count': len(name), 'is_official': name.startswith('library/'), 'is_automated': False,
                  'is_trusted': False} for name in names if term in name and name not in PRIVATE][:limit]
        self.send(200, {'Content-Type': 'application/json'}, json.dumps({
            'num_results': len(found), 'query': term, 'page': 1, 'page_size': limit, 'num_pages': 1,
            'results': found}).encode())

    def hub(self):
        if self.host == 'index.docker.io' and self.url_path == '/v1/search':
            return self.search()
        m = V2.match(self.url_path)
        upload = re.match(r'^/v2/(.+)/blobs/uploads/', self.url_path)
        repo = upload[1] if upload else m[1] if m else None
        write = self.command not in ('GET', 'HEAD') or upload
        scope = 'repository:%s:%s' % (repo, 'pull,push' if write else 'pull') if repo else None
        auth = self.headers.get('Authorization') or ''
        claims = token_read(auth[7:]) if auth.lower().startswith('bearer ') else None
        if not claims:
            return self.refuse(401, {'WWW-Authenticate': self.challenge(
                scope, 'invalid_token' if auth.lower().startswith('bearer ') else None)})
        actions = [a for c in claims['access'] if c['name'] == repo for a in c['actions']]
        # an unknown repository looks the same as a private one
        if repo and (('push' if write else 'pull') not in actions or not ('push' in actions or known(repo))):
            return self.refuse(401, {'WWW-Authenticate': self.challenge(scope, 'insufficient_scope')},
                               detail=[{'Type': 'repository', 'Class': '', 'Name': repo, 'Action': 'pull'}])
        if m and m[2] == 'manifests' and not write:
            with state.cond:
                if self.command == 'GET' and state.remaining is not None:
                    state.remaining = max(-1, state.remaining - 1)
                left = RATE_LIMIT if state.remaining is None else state.remaining
            limits = {'ratelimit-limit': '%d;w=21600' % RATE_LIMIT,
                      'ratelimit-remaining': '%d;w=21600' % max(0, left), 'docker-ratelimit-source': '198.51.100.2'}
            if left < 0:
                return self.refuse(429, dict(limits, **{'Retry-After': '3600'}))
            return self.registry(limits)
        if m and m[2] == 'blobs' and not upload and self.command in ('GET', 'HEAD'):
            digest = m[3]
            if not re.fullmatch(r'sha256:[0-9a-f]{64}', digest) or not has_blob(repo, digest):
                return self.refuse(404, code='BLOB_UNKNOWN', message='blob unknown to registry')
            hex = digest[7:]
            path = '/registry-v2/docker/registry/v2/blobs/sha256/%s/%s/data' % (hex[:2], hex)
            expires = str(int(time.time()) + 3600)
            where = 'https://%s%s?verify=%s-%s' % (CDN, path, expires, sign(path + expires))
            return self.send(307, {'Location': where, 'Docker-Distribution-Api-Version': 'registry/2.0',
                                   'Content-Type': 'application/octet-stream'},
                             b'<a href="%s">Temporary Redirect</a>.\n' % where.encode())
        return self.registry()

    def cdn(self):
        if self.headers.get('Authorization'):
            self.entry['leak'] = True
            return self.send(400, {'Content-Type': 'application/xml'},
                             b'<Error><Code>InvalidArgument</Code><Message>Only one auth mechanism allowed'
                             b'</Message></Error>\n')
        m = re.fullmatch(r'/registry-v2/docker/registry/v2/blobs/sha256/[0-9a-f]{2}/([0-9a-f]{64})/data',
                         self.url_path)
        expires, _, signature = self.query.get('verify', [''])[0].partition('-')
        if not m or not expires.isdigit() or int(expires) < time.time() or \
                not hmac.compare_digest(signature, sign(self.url_path + expires)):
            return self.send(403, {'Content-Type': 'text/plain'}, b'error code: 1020\n')
        self.blob('sha256:' + m[1], {'Content-Type': 'application/octet-stream', 'Accept-Ranges': 'bytes',
                                     'Cache-Control': 'public, max-age=14400', 'ETag': '"%s"' % m[1]})

    def blob(self, digest, headers):
        """A blob from the storage, whole or the range that was asked for."""
        path = blob_path(digest)
        if not os.path.exists(path):
            return self.refuse(404, code='BLOB_UNKNOWN', message='blob unknown to registry')
        size = os.path.getsize(path)
        begin, end, status = 0, size, 200
        m = re.fullmatch(r'bytes=(\d+)-(\d*)', self.headers.get('Range') or '')
        if m and not (self.fault and self.fault['action'] == 'norange'):
            begin, end, status = int(m[1]), min(size, int(m[2]) + 1) if m[2] else size, 206
            if begin >= size:
                return self.send(416, dict(headers, **{'Content-Range': 'bytes */%d' % size}))
            headers['Content-Range'] = 'bytes %d-%d/%d' % (begin, end - 1, size)

        def chunks():
            with open(path, 'rb') as f:
                f.seek(begin)
                left = end - begin
                while left > 0 and (data := f.read(min(left, CHUNK))):
                    left -= len(data)
                    yield data
        self.stream(status, headers, chunks(), end - begin)

    def registry(self, extra=None):
        """Ask the registry server itself."""
        m = V2.match(self.url_path)
        if m and m[2] == 'manifests' and self.command in ('GET', 'HEAD'):
            file = os.path.join(state.static, m[1], m[3] + '.json')
            if os.path.exists(file):
                with open(file, 'rb') as f, open(file[:-5] + '.type') as t:
                    body, kind = f.read(), t.read()
                digest = m[3]
                if os.path.exists(file[:-5] + '.digest'):
                    with open(file[:-5] + '.digest') as f:
                        digest = f.read()
                return self.send(200, dict(extra or {}, **{
                    'Content-Type': kind,
                    'Docker-Content-Digest': digest}), body)
        conn = fill.UnixConnection(state.upstream)
        length = self.headers.get('Content-Length')
        path = urllib.parse.quote(self.url_path)
        query = urllib.parse.urlsplit(self.path).query
        conn.putrequest(self.command, path + ('?' + query if query else ''), skip_host=True,
                        skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in ('authorization', 'connection'):
                conn.putheader(name, value)
        conn.endheaders()
        left = int(length or 0)
        while left > 0:
            data = self.rfile.read(min(left, CHUNK))
            if not data:
                raise Gone
            conn.send(data)
            left -= len(data)
        r = conn.getresponse()
        headers = dict(r.headers.items())
        if 'Location' in headers:
            scheme = 'https' if isinstance(self.connection, ssl.SSLSocket) else 'http'
            location = urllib.parse.urlsplit(headers['Location'])
            headers['Location'] = '%s://%s%s?%s' % (scheme, self.host, location.path, location.query)
        headers.update(extra or {})
        size = int(r.headers.get('Content-Length') or 0)

        def chunks():
            while data := r.read(CHUNK):
                yield data
        try:
            self.stream(r.status, headers, chunks(), size)
        finally:
            conn.close()


def known(repo):
    return os.path.isdir(os.path.join(state.storage, 'docker/registry/v2/repositories', repo)) or \
        os.path.isdir(os.path.join(state.static, repo))


def blob_path(digest):
    return os.path.join(state.storage, 'docker/registry/v2/blobs/sha256', digest[7:9], digest[7:], 'data')


def has_blob(repo, digest):
    return os.path.exists(os.path.join(state.storage, 'docker/registry/v2/repositories', repo, '_layers/sha256',
                                       digest[7:], 'link'))


def spoilt_json(action, arg):
    if action == 'malformed':
        body = b'{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manif'
        return [body], len(body)
    head, tail = b'{"schemaVersion": 2, "pad": "', b'"}'

    def chunks():
        yield head
        left = arg - len(head) - len(tail)
        while left > 0:
            yield b'x' * min(left, CHUNK)
            left -= CHUNK
        yield tail
    return chunks(), arg


def corrupted(chunks, at):
    done = 0
    for chunk in chunks:
        if done <= at < done + len(chunk):
            chunk = bytearray(chunk)
            chunk[at - done] ^= 0xff
            chunk = bytes(chunk)
        done += len(chunk)
        yield chunk


def unsent(sock):
    import fcntl
    TIOCOUTQ = 0x5411
    return struct.unpack('i', fcntl.ioctl(sock.fileno(), TIOCOUTQ, b'\0' * 4))[0]


def gone(sock):
    readable, _, _ = select.select([sock], [], [], 0)
    if not readable:
        return False
    try:
        raw = socket.socket(fileno=os.dup(sock.fileno()))
        try:
            return raw.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b''
        finally:
            raw.close()
    except OSError:
        return True


class Server(socketserver.ThreadingMixIn, socketserver.BaseServer):
    daemon_threads = True

    def __init__(self, address, context, family):
        socketserver.BaseServer.__init__(self, address, Handler)
        self.context = context
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        self.socket.bind(address)
        self.socket.listen(128)

    def fileno(self):
        return self.socket.fileno()

    def get_request(self):
        return self.socket.accept()

    def process_request_thread(self, request, client_address):
        request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            if self.context:
                request.settimeout(30)
                request = self.context.wrap_socket(request, server_side=True)
            self.finish_request(request, client_address)
            if self.context and request.fileno() >= 0:
                request.settimeout(1)
                request = request.unwrap()
            if request.fileno() >= 0:
                request.shutdown(socket.SHUT_WR)
        except (OSError, ValueError):
            pass
        finally:
            request.close()

    def handle_error(self, request, client_address):
        import traceback
        traceback.print_exc()


def control(line):
    """One request of `hub`: {"do": ..., ...} -> an answer."""
    q = json.loads(line)
    do = q.pop('do')
    if do == 'fault':
        fault = dict({'left': 1, 'skip': 0, 'hits': 0}, **q)
        with state.cond:
            state.faults.append(fault)
        return {}
    if do in ('clear', 'release'):
        with state.cond:
            for f in state.faults:
                f['released'] = True
            if do == 'clear':
                state.faults = []
                state.token_ttl, state.remaining = 300, None
                del state.log[:]
            state.cond.notify_all()
        return {}
    if do == 'set':
        for name, value in q.items():
            if name not in ('token_ttl', 'remaining'):
                return {'error': 'unknown setting ' + name}
            setattr(state, name, value)
        return {}
    if do == 'log':
        with state.cond:
            return {'log': [dict(e) for e in state.log if matches(e, q['glob'])]}
    if do == 'wait':
        end = time.monotonic() + q['timeout']
        with state.cond:
            while sum(matches(e, q['glob']) and (not q.get('done') or e['done']) for e in state.log) < q['count']:
                left = end - time.monotonic()
                if left <= 0:
                    return {'error': 'no %d requests like %s within %g s' % (q['count'], q['glob'], q['timeout'])}
                state.cond.wait(left)
        return {}
    if do == 'ping':
        return {}
    return {'error': 'unknown request ' + do}


def matches(entry, glob):
    return fnmatch.fnmatchcase('%s %s%s' % (entry['method'], entry['host'], entry['path']), glob) or \
        fnmatch.fnmatchcase(entry['host'] + entry['path'], glob)


class Control(socketserver.StreamRequestHandler):
    def handle(self):
        try:
            answer = control(self.rfile.readline())
        except Exception as e:      # whatever was asked wrongly is told to the asker
            answer = {'error': '%s: %s' % (type(e).__name__, e)}
        self.wfile.write(json.dumps(answer).encode() + b'\n')


class ControlServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


def enter_netns(pid):
    libc = ctypes.CDLL(None, use_errno=True)
    fd = os.open('/proc/%s/ns/net' % pid, os.O_RDONLY)
    if libc.setns(fd, 0x40000000) != 0:
        raise OSError(ctypes.get_errno(), 'setns')
    os.close(fd)


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    dir, certs, outside = sys.argv[1:4]
    state.storage, state.static = dir + '/registry', dir + '/static'
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certs + '/hub.crt', certs + '/hub.key')
    other = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    other.load_cert_chain(certs + '/hub2.crt', certs + '/hub2.key')
    inet, inet6 = socket.AF_INET, socket.AF_INET6
    servers = [Server(('127.0.0.1', 5000), None, inet), Server(('::1', 5000), None, inet6)]
    enter_netns(outside)
    for last in ('10', '11', '12'):
        servers += [Server(('198.51.100.' + last, 443), tls, inet), Server(('2001:db8:51::' + last, 443), tls, inet6)]
    servers += [Server(('198.51.100.12', 8443), tls, inet), Server(('2001:db8:51::12', 8443), tls, inet6),
                Server(('198.51.100.13', 8443), other, inet), Server(('2001:db8:51::13', 8443), other, inet6)]
    with fill.Registry(os.path.realpath(dir + '/docker-registry'), state.storage, dir) as r:
        state.upstream = r.socket
        for s in servers:
            threading.Thread(target=s.serve_forever, args=(0.5,), daemon=True).start()
        ctl = ControlServer(dir + '/ctl.new', Control)
        os.chmod(dir + '/ctl.new', 0o600)
        os.rename(dir + '/ctl.new', dir + '/ctl')   # its appearance says that everything listens
        ctl.serve_forever(0.5)


main()
