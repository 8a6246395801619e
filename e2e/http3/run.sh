#!/bin/sh
# WebSockets over HTTP/3 with a real Chromium: e2e/http3/run.sh [arguments of node --test]
# It needs go, node (20 or newer), npm and chromium, and fails without them.
set -eu
cd "$(dirname "$0")"
name=e2e/http3 e2e=..
. ../run-tests.sh

build ../../lazywebsocket/http3 http3 ./internal/browser
run_tests "$@"
