# What the browser tests' run.sh have in common. Each sources it in its own folder, with $name and $e2e (this folder) set.
# shellcheck shell=sh

# need fails unless there is the command.
need() {
	command -v "$1" >/dev/null || {
		echo "$name: $1 is missing: $2" >&2
		exit 1
	}
}

# limited runs a command for so many seconds at most, as a process group: what hangs ends, as a failure, with all that it has started.
limited() {
	timeout -k 10 "$@" &
	group=$!
	wait "$group"
	group=
}

clean() {
	[ -z "${group:-}" ] || kill -s KILL -- "-$group" 2>/dev/null || :
	if command -v pkill >/dev/null; then # browsers are groups of their own, and end when their tests do
		pkill -KILL -f "$E2E_TMP" || :
	fi
	rm -rf "$E2E_TMP" || :
}

CHROMIUM=${CHROMIUM:-/usr/bin/chromium}
need go "install Go"
need node "install Node.js 20 or newer"
need npm "install npm"
need "$CHROMIUM" "install Debian's package chromium, or set CHROMIUM to the browser's path"

E2E_TMP=$(mktemp -d)
TMPDIR=$E2E_TMP # of the browsers
export CHROMIUM E2E_TMP TMPDIR
trap clean EXIT
trap 'exit 1' HUP INT TERM

[ "$e2e/node_modules/.package-lock.json" -nt "$e2e/package-lock.json" ] || limited 600 npm --prefix "$e2e" ci --no-audit --no-fund --loglevel=error
(
	cd "$E2E_TMP"
	go run "$(go env GOROOT)/src/crypto/tls/generate_cert.go" -host localhost,127.0.0.1 -ecdsa-curve P256 2>/dev/null
)

# build builds the Go program in a folder, as a name.
build() {
	limited 900 go -C "$1" build -o "$E2E_TMP/$2" "$3"
}

# run_tests runs the tests beside run.sh; E2E_LIMIT is how long all together may take, in seconds.
run_tests() {
	limited "${E2E_LIMIT:-1800}" node --test --test-concurrency=1 --test-reporter=spec "$@" ./*.test.mjs
}
