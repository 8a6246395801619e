#!/usr/bin/env bash
# Node's `ws` and Python's `websockets`, as clients and as servers, against
# lazywebsocket with permessage-deflate: conformance/interop/run.sh [-v] [-timeout 5m]
#
# Needs go, node (20 or newer), npm and python3 (3.10 or newer) with venv, and
# fails without them. The packages are pinned: node/package-lock.json and
# python/requirements.txt.
#   PYTHON3                the interpreter to use (default: python3)
#   GOLAZY_INTEROP_CACHE   where Python's packages are installed
#                          (default: ${XDG_CACHE_HOME:-$HOME/.cache}/golazy/interop)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

PYTHON3=${PYTHON3:-python3}

die() {
	echo "interop: $*" >&2
	exit 1
}
need() { command -v "$1" >/dev/null || die "$1 is missing: $2"; }
need go "install Go"
need node "install Node.js 20 or newer"
need npm "install npm"
need "$PYTHON3" "install Python 3.10 or newer, or set PYTHON3 to its path"
"$PYTHON3" -c 'import sys; sys.exit(sys.version_info < (3, 10))' || die "$PYTHON3 is not Python 3.10 or newer"

(cd node && npm ci --no-audit --no-fund --loglevel=error)

# One environment for each interpreter and set of pins. Made beside its final
# place and renamed once it works, so that nobody finds half of it.
cache=${GOLAZY_INTEROP_CACHE:-${XDG_CACHE_HOME:-${HOME:?HOME is not set}/.cache}/golazy/interop}
key=$({ "$PYTHON3" -c 'import sys; print(sys.executable, sys.version)'; cat python/requirements.txt; } | cksum | cut -d' ' -f1)
venv=$cache/$key
works() { "$1/bin/python" -c 'import websockets.asyncio.server' 2>/dev/null; }
if ! works "$venv"; then
	mkdir -p "$cache"
	new=$(mktemp -d "$cache/new.XXXXXX")
	trap 'rm -rf "$new"' EXIT
	"$PYTHON3" -m venv "$new" || die "$PYTHON3 cannot make a virtual environment"
	"$new/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: -r python/requirements.txt
	works "$new" || die "the package websockets was installed but cannot be imported"
	rm -rf "$venv"
	mv "$new" "$venv"
	trap - EXIT
fi

cd ../..
go run ./conformance/interop -node "$(command -v node)" -python "$venv/bin/python" "$@"
