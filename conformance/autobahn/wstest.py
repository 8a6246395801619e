"""Runs one mode of the Autobahn test suite for the Go program beside it.

usage: python wstest.py fuzzingclient|fuzzingserver SPEC

It differs from the suite's own wstest in four ways:
 - the fuzzing server listens on 127.0.0.1, at a port that the kernel chooses,
   and nowhere else (wstest binds every interface, whatever its spec's url says);
 - it ends when its standard input does, so it never outlives its parent;
 - it prints lines for the parent: "@cases ID ID ..." is what it is about to
   run, "@listening HOST:PORT" is where;
 - masks and UTF-8 are not worked out byte by byte where the interpreter's own
   functions give the same result (groups 12 and 13 move gigabytes).

Python 2.7, as the suite is.
"""
import binascii
import json
import os
import socket
import sys
import threading

import autobahntestsuite.choosereactor  # Must come before any use of the reactor.
from autobahn.websocket import protocol
from autobahntestsuite import fuzzing
from twisted.internet import reactor


def tell(line):
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


class FastValidator(protocol.Utf8Validator):
    """The suite's validator, for what is not plainly valid.

    Python 2.7 decodes surrogates, whose first byte is ED, as nothing else does.
    """
    def validate(self, data):
        if self.state == 0 and "\xed" not in data:
            try:
                data.decode("utf-8")
            except UnicodeDecodeError:
                pass
            else:
                self.i += len(data)
                return True, True, len(data), self.i
        return super(FastValidator, self).validate(data)


class FastMasker(object):
    """Masks in one operation on long numbers."""

    def __init__(self, mask):
        self.mask, self.ptr = mask, 0

    def pointer(self):
        return self.ptr

    def reset(self):
        self.ptr = 0

    def process(self, data):
        n = len(data)
        if n == 0:
            return b""
        at = self.ptr & 3
        key = ((self.mask[at:] + self.mask[:at]) * (n // 4 + 1))[:n]
        self.ptr += n
        xor = int(binascii.hexlify(data), 16) ^ int(binascii.hexlify(key), 16)
        return binascii.unhexlify("%0*x" % (2 * n, xor))


def hurry():
    """Puts them in the place of the suite's, once they agree with those."""
    slow = protocol.createXorMasker
    for cut in range(9):
        data = "".join(chr(i) for i in range(256)) + "\0" * cut
        a, b = slow("\x00\x81\xfe\x7f", 256), FastMasker("\x00\x81\xfe\x7f")
        for piece in (data[:cut], data[cut:], data):
            if a.process(piece) != b.process(piece) or a.pointer() != b.pointer():
                sys.exit("wstest.py: the fast masker is not the suite's")
    for text in ("", "a", "\xc3\xa9", "\xc3", "\xed\xa0\x80", "\xed\x9f\xbf", "\xf4\x8f\xbf\xbf",
                 "\xf4\x90\x80\x80", "\xc0\x80", "\xff", "ab\xe2\x82\xacd", "ab\xe2\x82", "\xe2\x82\xac\x80"):
        for cut in range(len(text) + 1):
            a, b = protocol.Utf8Validator(), FastValidator()
            for piece in (text[:cut], text[cut:], "z"):
                if a.validate(piece) != b.validate(piece):
                    sys.exit("wstest.py: the fast validator is not the suite's")
    protocol.createXorMasker = lambda mask, length=None: FastMasker(mask)
    protocol.Utf8Validator = FastValidator


def end_with_parent():
    """Ends the process at the end of standard input."""
    while os.read(0, 4096):
        pass
    os._exit(0)


def announce_cases(spec):
    cases = fuzzing.CaseSet(
        fuzzing.CaseSetname, fuzzing.CaseBasename, fuzzing.Cases,
        fuzzing.CaseCategories, fuzzing.CaseSubCategories)
    tell("@cases " + " ".join(cases.parseSpecCases(spec)))


def start_server(spec):
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.bind(("127.0.0.1", 0))
    listener.listen(128)
    listener.setblocking(False)
    # The suite compares each request's Host with this url.
    spec["url"] = "ws://127.0.0.1:%d" % listener.getsockname()[1]

    def listen(factory, context=None):
        return reactor.adoptStreamPort(listener.fileno(), socket.AF_INET, factory)

    fuzzing.listenWS = listen
    fuzzing.startServer(spec, 0)  # 0: no web server.
    tell("@listening 127.0.0.1:%d" % listener.getsockname()[1])


def main():
    mode, path = sys.argv[1:]
    with open(path) as f:
        spec = json.load(f)
    watcher = threading.Thread(target=end_with_parent)
    watcher.daemon = True
    watcher.start()
    hurry()
    announce_cases(spec)
    if mode == "fuzzingserver":
        start_server(spec)
    elif mode == "fuzzingclient":
        fuzzing.startClient(spec)
    else:
        sys.exit("wstest.py: unknown mode " + mode)
    reactor.run()


main()
