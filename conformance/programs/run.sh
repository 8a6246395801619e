#!/usr/bin/env bash
# Programs that were written for github.com/gorilla/websocket run on
# golazy.dev/lazywebsocket, with nothing changed but the import path, and their
# own tests say whether that works.
#
#   conformance/programs/run.sh            all programs
#   conformance/programs/run.sh gqlgen ..  only these
#
# Each program's pinned version comes from the module proxy. Its tests run with
# the gorilla version that its go.mod names first, and on the clone that this
# script lies in second. A test that passes there and fails here makes the
# script fail, unless expectations.txt has it with a reason.
#
# Needs bash, Go and the module proxy. GOTOOLCHAIN stays as it is: the versions
# below build with the two newest Go releases.
# PROGRAMS_DIR keeps the sources and the test logs there instead of in a
# temporary directory. GO_TEST_FLAGS is handed to go test; with -race, which
# needs a C compiler, a data race inside lazywebsocket fails the test.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
clone=$(cd "$here/../.." && pwd)
export GOWORK=off GOFLAGS="-mod=mod -buildvcs=false"

if [[ -n ${PROGRAMS_DIR:-} ]]; then
	mkdir -p "$PROGRAMS_DIR"
	work=$(cd "$PROGRAMS_DIR" && pwd)
else
	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT
fi
rm -rf "$work/logs"
mkdir -p "$work/logs" "$work/src"

only=("$@")
ran=()

wanted() {
	((${#only[@]} == 0)) && return
	local name
	for name in "${only[@]}"; do
		[[ $name == "$1" ]] && return
	done
	return 1
}

# fetch copies a module version out of the module cache, to where it can change.
fetch() { # module@version directory
	local dir
	dir=$(cd "$work" && go mod download -json "$1" | sed -n 's/^[[:space:]]*"Dir": "\(.*\)",*$/\1/p')
	[[ -n $dir ]]
	rm -rf "$2"
	cp -r "$dir" "$2"
	chmod -R u+w "$2"
}

# port changes the import path. The package's name differs as well, so an import
# without a name of its own gets gorilla's.
port() { # directory
	local old='"github.com/gorilla/websocket"' new='"golazy.dev/lazywebsocket"'
	(
		cd "$1"
		grep -rl --include='*.go' --fixed-strings "$old" . | while read -r file; do
			sed -i.bak -E \
				-e "s#^([[:space:]]*(import[[:space:]]+)?)$old#\1websocket $new#" \
				-e "s#$old#$new#" "$file"
			rm "$file.bak"
		done
		if grep -rq --include='*.go' --fixed-strings "$old" .; then
			echo "an import of gorilla is left in $1" >&2
			exit 1
		fi
		go mod edit -require=golazy.dev@v0.0.0 -replace=golazy.dev="$clone"
	)
}

run_tests() { # log directory go-test-arguments...
	local log=$1 dir=$2
	shift 2
	# Failing tests are the comparison's business, so go test's status is not.
	# shellcheck disable=SC2086 # GO_TEST_FLAGS is a list
	(cd "$dir" && go test -json -count=1 -timeout=300s ${GO_TEST_FLAGS:-} "$@" >"$log.json" 2>"$log.err") || true
	sed -n 's/^/    /p' "$log.err" | grep -v 'go: downloading' || true
}

program() { # name module@version go-test-arguments...
	local name=$1 module=$2 dir=$work/src/$1
	shift 2
	wanted "$name" || return 0
	ran+=("$name=$module")
	echo "== $name: $module"
	fetch "$module" "$dir"
	run_tests "$work/logs/$name.gorilla" "$dir" "$@"
	(cd "$dir" && go list -m -f '{{.Version}}' github.com/gorilla/websocket) >"$work/logs/$name.version"
	port "$dir"
	run_tests "$work/logs/$name.ours" "$dir" "$@"
}

# GraphQL subscriptions: server and client, subprotocols, time-outs. The test left
# out gives a peer 5 to 20 ms to answer; with gorilla it fails in one run of
# twenty on a machine that has other things to do.
program gqlgen github.com/99designs/gqlgen@v0.17.84 \
	-run 'Websocket|WebSocket' -skip '^TestWebsocketWithPingPongInterval$' \
	./graphql/handler/transport

# A peer-to-peer transport that makes a net.Conn of a websocket: streams,
# deadlines, half-open closes, TLS.
program libp2p github.com/libp2p/go-libp2p@v0.48.0 \
	./p2p/transport/websocket ./p2p/transport/tcpreuse

# JSON-RPC over websockets: origins, read limits, 32 MiB messages, keepalive.
program go-ethereum github.com/ethereum/go-ethereum@v1.17.10 \
	-run 'Websocket|WebSocket|Server|Client' ./rpc

# kubectl exec and port-forward: many streams over one connection, heartbeats,
# HTTP and HTTPS proxies.
program client-go k8s.io/client-go@v0.35.0 \
	-run 'WebSocket|Fallback|TunnelingConnection|LateStream' \
	./transport/websocket ./tools/remotecommand ./tools/portforward

# JSON-RPC subscriptions of a blockchain node: server and reconnecting client.
# The tests of the package above these listen on a fixed port, which is taken now
# and then.
program cometbft github.com/cometbft/cometbft@v0.38.17 \
	./rpc/jsonrpc/client ./rpc/jsonrpc/server

# An MQTT broker's websocket listener.
program mochi-mqtt github.com/mochi-mqtt/server/v2@v2.7.9 ./listeners

# A chat framework. The tests left out use sessions that their hub may not have
# registered yet: with gorilla they hang in up to a third of the runs.
program melody github.com/olahol/melody@v1.1.4 \
	-skip '^(TestBroadcast|TestClose|TestSessions)$' .

# Tunnels TCP through a websocket.
program remotedialer github.com/rancher/remotedialer@v0.6.1 ./...

if ((${#ran[@]} == 0)); then
	echo "no program of that name: ${only[*]}" >&2
	exit 1
fi
cd "$clone"
go run ./conformance/programs/compare -logs "$work/logs" \
	-expectations "$here/expectations.txt" "${ran[@]}"
