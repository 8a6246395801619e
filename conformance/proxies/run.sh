#!/usr/bin/env bash
# nginx, haproxy and Caddy, with the configurations of this directory, in front of
# servers of this project: conformance/proxies/run.sh [arguments of go test]
#   conformance/proxies/run.sh -run Rolling -v      the rolling restart, with its figures
#   SVG=docs/rolling-restart.svg conformance/proxies/run.sh -run Rolling -clients 400
#                                                   the same, and its picture
#
#   conformance/proxies/run.sh -run Upgrade -v      the rolling upgrade, from the oldest version
#   OLD=/path/to/lazyws conformance/proxies/run.sh -run Upgrade -v
#                                                   the same, from a program that was built before
#
# Needs go, nginx, haproxy and caddy, Debian's packages of these names, and fails
# without them. It takes about two minutes.
set -euo pipefail
svg=${SVG:+$(realpath "$SVG")}
cd "$(dirname "${BASH_SOURCE[0]}")"
export PATH=$PATH:/usr/sbin:/usr/local/sbin

need() {
	command -v "$1" >/dev/null || {
		echo "proxies: $1 is missing: install $2" >&2
		exit 1
	}
}
need go Go
for proxy in nginx haproxy caddy; do
	need "$proxy" "Debian's package $proxy"
done

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM

go vet ./...
go test -count=1 -parallel 8 -timeout 600s . "$@" -record "$tmp/recording.json"
if [[ -n $svg ]]; then
	go run ./plot <"$tmp/recording.json" >"$tmp/plot.svg"
	cp "$tmp/plot.svg" "$svg"
fi
