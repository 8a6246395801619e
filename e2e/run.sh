#!/bin/sh
# Drives the chat example, and an echo with compression, with a real Chromium: e2e/run.sh [arguments of node --test]
# It needs go, node (20 or newer), npm, chromium and nginx, and fails without them.
set -eu
cd "$(dirname "$0")"

CHROMIUM=${CHROMIUM:-/usr/bin/chromium}
NGINX=${NGINX:-$(PATH=$PATH:/usr/sbin:/usr/local/sbin command -v nginx || echo nginx)}
export CHROMIUM NGINX

need() {
	command -v "$1" >/dev/null || {
		echo "e2e: $1 is missing: $2" >&2
		exit 1
	}
}
need go "install Go"
need node "install Node.js 20 or newer"
need npm "install npm"
need "$CHROMIUM" "install Debian's package chromium, or set CHROMIUM to the browser's path"
need "$NGINX" "install Debian's package nginx, or set NGINX to the server's path"

E2E_TMP=$(mktemp -d)
export E2E_TMP
trap 'rm -rf "$E2E_TMP"' EXIT
trap 'exit 1' HUP INT TERM

npm ci --no-audit --no-fund --loglevel=error
mkdir -p artifacts
(
	cd ..
	go build -o "$E2E_TMP/chat" ./examples/chat
	go build -o "$E2E_TMP/proxy" ./examples/proxy
	go build -o "$E2E_TMP/echo" ./e2e/echo
)
(
	cd "$E2E_TMP"
	go run "$(go env GOROOT)/src/crypto/tls/generate_cert.go" -host localhost,127.0.0.1 -ecdsa-curve P256 2>/dev/null
)
node --test --test-concurrency=1 --test-reporter=spec "$@" ./*.test.mjs
