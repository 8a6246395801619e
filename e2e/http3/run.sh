#!/bin/sh
# WebSockets over HTTP/3 with a real Chromium: e2e/http3/run.sh [arguments of node --test]
# It needs go, node (20 or newer), npm and chromium, and fails without them.
set -eu
cd "$(dirname "$0")"

CHROMIUM=${CHROMIUM:-/usr/bin/chromium}
export CHROMIUM
for command in go node npm "$CHROMIUM"; do
	command -v "$command" >/dev/null || {
		echo "e2e/http3: $command is missing" >&2
		exit 1
	}
done

E2E_TMP=$(mktemp -d)
export E2E_TMP
trap 'rm -rf "$E2E_TMP"' EXIT
trap 'exit 1' HUP INT TERM

(cd .. && { [ -d node_modules/playwright-core ] || npm ci --no-audit --no-fund --loglevel=error; })
(cd ../../lazywebsocket/http3 && go build -o "$E2E_TMP/http3" ./internal/browser)
(
	cd "$E2E_TMP"
	go run "$(go env GOROOT)/src/crypto/tls/generate_cert.go" -host localhost,127.0.0.1 -ecdsa-curve P256 2>/dev/null
)
node --test --test-concurrency=1 --test-reporter=spec "$@" ./*.test.mjs
