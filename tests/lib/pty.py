"""Runs a command on a terminal and plays a script against it.

    pty.py [-s ROWSxCOLUMNS] CMD... <SCRIPT

(python3 -I, or this file would stand in for the module of its name.)  Lines of the script (a text may hold \\r \\n \\t \\e \\xNN \\^X for control keys and \\\\):
    expect TEXT         wait until TEXT appears in what came after the last match (30 s, or "within N")
    refuse TEXT         fail if TEXT has already appeared in what came after the last match
    within SECONDS      from here on, expect and eof wait that long
    send TEXT           type TEXT
    size ROWS COLUMNS   change the terminal's size
    signal NAME         send a signal to the command
    do COMMAND          run a shell command meanwhile; it must succeed
    eof                 wait until the command has closed the terminal
At the end of the script it waits for the command's end, prints all that the terminal showed, and ends with the
command's status (128 + signal), or with 99 and a word on stderr if something expected did not come.
"""
import codecs
import errno
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time


class Late(Exception):
    pass


def text_of(word):
    word = re.sub(r'\\\^(.)', lambda m: '\\x%02x' % (ord(m[1].upper()) ^ 64), word).replace('\\e', '\\x1b')
    return codecs.escape_decode(word.encode())[0]


class Terminal:
    def __init__(self, argv, rows, columns):
        self.seen, self.at, self.open, self.status = b'', 0, True, None
        # two steps: the child has its terminal before anything is typed, and its size before the command looks
        there, here = os.pipe()
        ready, go = os.pipe()
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.close(there)
            os.close(here)
            os.close(go)
            os.read(ready, 1)
            os.close(ready)
            try:
                os.execvp(argv[0], argv)
            except OSError as e:
                os.write(2, ('%s: %s\n' % (argv[0], e.strerror)).encode())
            os._exit(127)
        os.close(here)
        os.read(there, 1)       # end of file: the child has closed its copy
        os.close(there)
        os.close(ready)
        self.size(rows, columns)
        os.close(go)

    def size(self, rows, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack('4H', rows, columns, 0, 0))

    def read(self, until):
        """More output, or end of it; Late if neither has come by then."""
        left = until - time.monotonic()
        if left <= 0 or not select.select([self.fd], [], [], left)[0]:
            raise Late
        try:
            data = os.read(self.fd, 65536)
        except OSError as e:
            if e.errno != errno.EIO:        # EIO: nobody has the other side open any more
                raise
            data = b''
        self.seen += data
        self.open = self.open and bool(data)

    def expect(self, text, until):
        while (found := self.seen.find(text, self.at)) < 0:
            if not self.open:
                raise Late
            self.read(until)
        self.at = found + len(text)

    def send(self, data):
        while data:
            data = data[os.write(self.fd, data):]


def play(term, lines):
    within = 30.0
    for number, line in enumerate(lines, 1):
        word, _, rest = line.rstrip('\n').lstrip().partition(' ')
        until = time.monotonic() + within
        try:
            if word == 'expect':
                term.expect(text_of(rest), until)
            elif word == 'refuse':
                if text_of(rest) in term.seen[term.at:]:
                    raise Late
            elif word == 'within':
                within = float(rest)
            elif word == 'send':
                term.send(text_of(rest))
            elif word == 'size':
                term.size(*map(int, rest.split()))
            elif word == 'signal':
                os.kill(term.pid, getattr(signal, 'SIG' + rest.removeprefix('SIG')))
            elif word == 'do':
                subprocess.run(rest, shell=True, check=True, stdout=sys.stderr, timeout=60)
            elif word == 'eof':
                while term.open:
                    term.read(until)
            elif word and not word.startswith('#'):
                sys.exit('pty.py: line %d: what is "%s"?' % (number, word))
        except (Late, subprocess.SubprocessError) as e:
            sys.stderr.write('pty.py: line %d: "%s": %s\n' % (number, line.strip(), str(e) or 'did not happen'))
            return False
    until = time.monotonic() + within
    while True:
        pid, status = os.waitpid(term.pid, os.WNOHANG)
        if pid:
            term.status = os.waitstatus_to_exitcode(status)
            break
        if time.monotonic() > until:
            sys.stderr.write('pty.py: the command does not end\n')
            return False
        try:
            term.read(time.monotonic() + 0.05) if term.open else time.sleep(0.02)
        except Late:
            pass
    try:
        while term.open:
            term.read(time.monotonic() + 0.2)
    except Late:
        pass
    return True


def main():
    # as a shell would hand them on; python's own would lose a control key typed before the exec
    for number in (signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    argv = sys.argv[1:]
    rows, columns = 24, 80
    if argv[:1] == ['-s']:
        rows, columns = map(int, argv[1].split('x'))
        argv = argv[2:]
    term = Terminal(argv, rows, columns)
    good = play(term, sys.stdin.readlines())
    sys.stdout.buffer.write(term.seen)
    sys.stdout.flush()
    if not good:
        if term.status is None:
            os.kill(term.pid, signal.SIGKILL)
            os.waitpid(term.pid, 0)
        sys.exit(99)
    sys.exit(term.status if term.status >= 0 else 128 - term.status)


main()
