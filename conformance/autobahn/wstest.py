"""Runs one mode of the Autobahn test suite for the Go program beside it.

usage: python wstest.py fuzzingclient|fuzzingserver SPEC

It differs from the suite's own wstest in three ways:
 - the fuzzing server listens on 127.0.0.1, at a port that the kernel chooses,
   and nowhere else (wstest binds every interface, whatever its spec's url says);
 - it ends when its standard input does, so it never outlives its parent;
 - it prints lines for the parent: "@cases ID ID ..." is what it is about to
   run, "@listening HOST:PORT" is where.

Python 2.7, as the suite is.
"""
import json
import os
import socket
import sys
import threading

import autobahntestsuite.choosereactor  # Must come before any use of the reactor.
from autobahntestsuite import fuzzing
from twisted.internet import reactor


def tell(line):
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


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
    announce_cases(spec)
    if mode == "fuzzingserver":
        start_server(spec)
    elif mode == "fuzzingclient":
        fuzzing.startClient(spec)
    else:
        sys.exit("wstest.py: unknown mode " + mode)
    reactor.run()


main()
