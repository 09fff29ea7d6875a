"""The outside world of the tests: servers in a network namespace of their own, beyond the test's only route.

    outside.py READY_FILE MIRROR     (run in that namespace, after its addresses were set; touches READY_FILE)

    198.51.100.53, .54 port 53      DNS over UDP and TCP, also at 2001:db8:51::53 and ::54; see ZONE
    every address, port 7           echo, TCP and UDP
    198.51.100.14 port 80           the machine's Debian mirror, by its own names (asked at the socket MIRROR, mirror.py)
    every address, port 80          HTTP; the answer says who asked whom: "peer ADDRESS PORT" and "server ADDRESS"
    every address, port 19          TCP: zeros without end; port 9: TCP: everything is swallowed
    198.51.100.20 port 3128         a proxy (CONNECT and plain GET); port 3129: with user "proxy", password "secret"
What was asked is kept, a line each, in READY_FILE.log: "dns SERVER NAME TYPE", "proxy PORT METHOD TARGET".
"""
import base64
import ipaddress
import socket
import socketserver
import struct
import sys
import threading
import urllib.parse

HUB4, HUB6 = '198.51.100.10', '2001:db8:51::10'
ZONE = {
    'registry-1.docker.io': [HUB4, HUB6], 'index.docker.io': [HUB4, HUB6], 'auth.docker.io': [HUB4, HUB6],
    'production.cloudflare.docker.com': ['198.51.100.11', '2001:db8:51::11'],
    'registry.test': ['198.51.100.12', '2001:db8:51::12'], 'mirror.test': ['198.51.100.12', '2001:db8:51::12'],
    'private-ca.test': ['198.51.100.13', '2001:db8:51::13'], 'proxy.test': ['198.51.100.20'],
    'outside.test': ['198.51.100.1', '2001:db8:51::1'], 'far.test': ['203.0.113.1', '2001:db8:203::1'],
    'v4.test': ['198.51.100.1'], 'v6.test': ['2001:db8:51::1'],
    # too many addresses for a UDP answer: the client must come again over TCP
    'big.test': ['203.0.113.%d' % i for i in range(1, 120)],
    # says which server was asked: 203.0.113.53 or .54
    'which.test': None,
}
MIRROR4, MIRROR6 = '198.51.100.14', '2001:db8:51::14'
log_lock = threading.Lock()
log_file = None
mirror = None


def mirror_hosts():
    """The names of the mirror; it writes them down when it is up."""
    try:
        with open(mirror + '.hosts') as f:
            return f.read().split()
    except OSError:
        return []


def log(*words):
    with log_lock:
        log_file.write(' '.join(str(w) for w in words) + '\n')
        log_file.flush()


def dns_answer(query, server, udp):
    """The answer to a DNS message (RFC 1035), or None for what is not a question."""
    if len(query) < 17 or query[2] & 0x80:
        return None
    ident, flags, questions, _, _, extra = struct.unpack('!6H', query[:12])
    at, labels = 12, []
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode('latin-1'))
        at += 1 + query[at]
    kind, klass = struct.unpack('!2H', query[at + 1:at + 5])
    question = query[12:at + 5]
    name = '.'.join(labels).lower()
    log('dns', server, name, kind)
    addresses = ZONE.get(name)
    if addresses is None and name in mirror_hosts():
        addresses = [MIRROR4, MIRROR6]
    if name == 'which.test':
        addresses = ['203.0.113.' + server.rsplit('.', 1)[-1].rsplit(':', 1)[-1]]
    records = []
    for a in addresses or []:
        ip = ipaddress.ip_address(a)
        if kind == {4: 1, 6: 28}[ip.version]:
            records.append(struct.pack('!3HIH', 0xc00c, kind, 1, 30, len(ip.packed)) + ip.packed)
    rcode = 0 if name in ZONE or addresses else 3
    flags = 0x8580 | (flags & 0x0100) | rcode      # answer, authoritative, recursion available
    size = 12 + len(question) + sum(map(len, records))
    limit = 512
    if extra and at + 16 <= len(query):             # EDNS: the OPT record says how much fits
        limit = max(512, struct.unpack('!H', query[at + 8:at + 10])[0])
    if udp and size > limit:
        flags |= 0x0200
        records = []
    return struct.pack('!6H', ident, flags, 1, len(records), 0, 0) + question + b''.join(records)


class DnsUdp(socketserver.BaseRequestHandler):
    def handle(self):
        data, sock = self.request
        answer = dns_answer(data, sock.getsockname()[0], True)
        if answer:
            sock.sendto(answer, self.client_address)


class DnsTcp(socketserver.StreamRequestHandler):
    def handle(self):
        while len(head := self.rfile.read(2)) == 2:
            answer = dns_answer(self.rfile.read(struct.unpack('!H', head)[0]),
                                self.request.getsockname()[0], False)
            if answer:
                self.wfile.write(struct.pack('!H', len(answer)) + answer)


class EchoTcp(socketserver.BaseRequestHandler):
    def handle(self):
        while data := self.request.recv(65536):
            self.request.sendall(data)


class Zeros(socketserver.BaseRequestHandler):
    def handle(self):
        block = bytes(1 << 18)
        while True:
            self.request.sendall(block)


class Swallow(socketserver.BaseRequestHandler):
    def handle(self):
        while self.request.recv(1 << 18):
            pass


def plain(address):
    return address[7:] if address.startswith('::ffff:') else address


class Http(socketserver.StreamRequestHandler):
    def handle(self):
        while words := self.rfile.readline().decode('latin-1').split():
            host = ''
            while line := self.rfile.readline().strip():
                if line.lower().startswith(b'host:'):
                    host = line[5:].decode('latin-1').strip().rsplit(':', 1)[0].lower()
            if len(words) != 3 or host not in mirror_hosts():
                return self.who()
            self.from_mirror('http://' + host + words[1])

    def from_mirror(self, url):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(mirror)
            s.sendall(('GET %s\n' % url).encode('latin-1'))
            f = s.makefile('rb')
            status, length = f.readline().split()
            reason = b'OK' if status == b'200' else b'Not Found'
            self.wfile.write(b'HTTP/1.1 %s %s\r\nContent-Length: %s\r\n\r\n' % (status, reason, length))
            left = int(length)
            while left and (data := f.read(min(left, 1 << 18))):
                self.wfile.write(data)
                left -= len(data)

    def who(self):
        body = 'peer %s %d\nserver %s\n' % (plain(self.client_address[0]), self.client_address[1],
                                            plain(self.request.getsockname()[0]))
        self.wfile.write(('HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s'
                          % (len(body), body)).encode())


class Proxy(socketserver.StreamRequestHandler):
    def handle(self):
        words = self.rfile.readline().decode('latin-1').split()
        if len(words) != 3:
            return
        head, auth = [], None
        while line := self.rfile.readline().strip():
            if line.lower().startswith(b'proxy-authorization:'):
                auth = line.split(None, 1)[1]
            elif not line.lower().startswith((b'proxy-', b'connection:')):
                head.append(line)
        port = self.server.server_address[1]
        log('proxy', port, words[0], words[1])
        if port == 3129 and auth != b'Basic ' + base64.b64encode(b'proxy:secret'):
            self.wfile.write(b'HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="p"\r\n'
                             b'Content-Length: 0\r\nConnection: close\r\n\r\n')
            return
        connect = words[0] == 'CONNECT'
        url = urllib.parse.urlsplit('//' + words[1] if connect else words[1])
        address = (ZONE.get(url.hostname) or [url.hostname])[0]
        try:
            peer = socket.create_connection((address, url.port or 80), 10)
        except OSError:
            self.wfile.write(b'HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n')
            return
        peer.settimeout(None)
        if connect:
            self.wfile.write(b'HTTP/1.1 200 Connection established\r\n\r\n')
        else:
            path = urllib.parse.urlunsplit(('', '', url.path or '/', url.query, ''))
            peer.sendall(b'\r\n'.join([('%s %s HTTP/1.1' % (words[0], path)).encode()] + head +
                                      [b'Connection: close', b'', b'']))

        def back():
            copy(peer.recv, self.request)
        t = threading.Thread(target=back, daemon=True)
        t.start()
        copy(self.rfile.read1, peer)
        t.join()
        peer.close()


def copy(read, to):
    try:
        while data := read(65536):
            to.sendall(data)
    except OSError:
        pass
    try:
        to.shutdown(socket.SHUT_WR)
    except OSError:
        pass


class Quiet:
    def handle_error(self, *_):
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(*_)


class Tcp(Quiet, socketserver.ThreadingMixIn, socketserver.TCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128


class Tcp6(Tcp):
    address_family = socket.AF_INET6        # with IPv4: bindv6only is 0


class Udp(Quiet, socketserver.UDPServer):
    max_packet_size = 65535


class Udp6(Udp):
    address_family = socket.AF_INET6


class EchoUdp6(Udp6):
    """Echo from the address that was asked (a wildcard socket would choose one)."""

    def __init__(self, address):
        super().__init__(address, None)
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)

    def get_request(self):
        return self.socket.recvmsg(65535, 256), None

    def process_request(self, request, _):
        data, ancillary, _, peer = request
        self.socket.sendmsg([data], [a for a in ancillary if a[1] == socket.IPV6_PKTINFO], 0, peer)


def main():
    global log_file, mirror
    ready, mirror = sys.argv[1:]
    log_file = open(ready + '.log', 'a')
    servers = [Tcp6(('::', 7), EchoTcp), Tcp6(('::', 80), Http), Tcp6(('::', 19), Zeros), Tcp6(('::', 9), Swallow),
               Tcp(('198.51.100.20', 3128), Proxy), Tcp(('198.51.100.20', 3129), Proxy), EchoUdp6(('::', 7))]
    for last in ('53', '54'):
        servers += [Udp(('198.51.100.' + last, 53), DnsUdp), Tcp(('198.51.100.' + last, 53), DnsTcp),
                    Udp6(('2001:db8:51::' + last, 53), DnsUdp), Tcp6(('2001:db8:51::' + last, 53), DnsTcp)]
    for s in servers:
        threading.Thread(target=s.serve_forever, daemon=True).start()
    open(ready, 'w').close()
    threading.Event().wait()


main()
