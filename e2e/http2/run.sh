#!/bin/sh
# WebSockets over HTTP/2 with a real Chromium: e2e/http2/run.sh [arguments of node --test]
# It needs go, node (20 or newer), npm, chromium and haproxy, and fails without them.
set -eu
cd "$(dirname "$0")"

CHROMIUM=${CHROMIUM:-/usr/bin/chromium}
HAPROXY=${HAPROXY:-$(PATH=$PATH:/usr/sbin:/usr/local/sbin command -v haproxy || echo haproxy)}
export CHROMIUM HAPROXY
for command in go node npm "$CHROMIUM" "$HAPROXY"; do
	command -v "$command" >/dev/null || {
		echo "e2e/http2: $command is missing" >&2
		exit 1
	}
done

E2E_TMP=$(mktemp -d)
export E2E_TMP
trap 'rm -rf "$E2E_TMP"' EXIT
trap 'exit 1' HUP INT TERM

(cd .. && { [ -d node_modules/playwright-core ] || npm ci --no-audit --no-fund --loglevel=error; })
(cd ../.. && go build -o "$E2E_TMP/http2" ./e2e/http2/server)
(
	cd "$E2E_TMP"
	go run "$(go env GOROOT)/src/crypto/tls/generate_cert.go" -host localhost,127.0.0.1 -ecdsa-curve P256 2>/dev/null
)
node --test --test-concurrency=1 --test-reporter=spec "$@" ./*.test.mjs
