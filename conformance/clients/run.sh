#!/usr/bin/env bash
# Published clients, unmodified, against lazyws hub as a process, through a proxy that misbehaves:
#   conformance/clients/run.sh                       the cases, and a storm for each of two seeds: under three minutes
#   conformance/clients/run.sh --seed 17             the storm of this seed alone
#   conformance/clients/run.sh --soak 30             storms for half an hour, from seed 1 on
# See README.md. Needs go, node (20 or newer), npm and chromium, and fails without them.
#   CHROMIUM   the browser (default: /usr/bin/chromium)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

export CHROMIUM=${CHROMIUM:-/usr/bin/chromium}

need() {
	command -v "$1" >/dev/null || {
		echo "clients: $1 is missing: $2" >&2
		exit 1
	}
}
need go "install Go"
need node "install Node.js 20 or newer"
need npm "install npm"
need "$CHROMIUM" "install Debian's package chromium, or set CHROMIUM to the browser's path"

bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
trap 'exit 1' HUP INT TERM

npm ci --no-audit --no-fund --loglevel=error
(cd ../.. && go build -o "$bin/lazyws" ./cmd/lazyws && go build -o "$bin/sign" ./conformance/clients/sign)
export CLIENTS_LAZYWS=$bin/lazyws CLIENTS_SIGN=$bin/sign
node --test --test-reporter=dot ./*.test.mjs
echo
node main.mjs "$@"
