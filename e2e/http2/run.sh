#!/bin/sh
# WebSockets over HTTP/2 with a real Chromium: e2e/http2/run.sh [arguments of node --test]
# It needs go, node (20 or newer), npm, chromium and haproxy, and fails without them.
set -eu
cd "$(dirname "$0")"
name=e2e/http2 e2e=..
. ../run-tests.sh

HAPROXY=${HAPROXY:-$(PATH=$PATH:/usr/sbin:/usr/local/sbin command -v haproxy || echo haproxy)}
export HAPROXY
need "$HAPROXY" "install Debian's package haproxy, or set HAPROXY to the server's path"

build ../.. http2 ./e2e/http2/server
run_tests "$@"
