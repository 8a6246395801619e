#!/bin/sh
# Drives the chat example, and an echo with compression, with a real Chromium: e2e/run.sh [arguments of node --test]
# It needs go, node (20 or newer), npm, chromium and nginx, and fails without them.
set -eu
cd "$(dirname "$0")"
name=e2e e2e=.
. ./run-tests.sh

NGINX=${NGINX:-$(PATH=$PATH:/usr/sbin:/usr/local/sbin command -v nginx || echo nginx)}
export NGINX
need "$NGINX" "install Debian's package nginx, or set NGINX to the server's path"

mkdir -p artifacts
build .. chat ./examples/chat
build .. proxy ./examples/proxy
build .. echo ./e2e/echo
run_tests "$@"
