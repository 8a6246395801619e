#!/usr/bin/env bash
# Installs the Autobahn test suite into a cache directory outside the tree and
# prints the command that runs Python 2.7 with it. Once installed, a second run
# takes no time and no network.
#
#   PYTHON27                   the interpreter to use (default: search for one)
#   GOLAZY_AUTOBAHN_CACHE      where to install
#                              (default: ${XDG_CACHE_HOME:-$HOME/.cache}/golazy/autobahn)
set -euo pipefail

# Exact versions: the suite is Python 2 and none of these will see a release for
# it again. pip must not resolve anything (--no-deps), because what today's
# index would choose no longer runs on Python 2.7.
pins=(
    autobahntestsuite==25.10.1
    autobahn==0.10.9
    Twisted==19.10.0
    zope.interface==4.6.0
    txaio==2.1.0
    six==1.16.0
    incremental==16.10.1
    constantly==15.1.0
    hyperlink==17.3.1
    Automat==0.8.0
    attrs==19.3.0
    Jinja2==2.11.3
    MarkupSafe==1.1.1
    unittest2==1.1.0
    traceback2==1.4.0
    linecache2==1.0.0
    pyOpenSSL==21.0.0
    cryptography==3.3.2
    cffi==1.15.1
    pycparser==2.21
    enum34==1.1.10
    ipaddress==1.0.23
)

say() { printf 'install-autobahn: %s\n' "$*" >&2; }

die() {
    say "$1"
    shift
    local line
    for line in "$@"; do printf '  %s\n' "$line" >&2; done
    exit 1
}

# A name in PATH proves nothing: a pyenv shim exists for every version that any
# of its Pythons has, and fails when run. So each candidate is asked.
is_python27() {
    [ "$("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" = 2.7 ]
}

find_python27() {
    if [ -n "${PYTHON27:-}" ]; then
        is_python27 "$PYTHON27" || die "PYTHON27=$PYTHON27 is not a Python 2.7"
        printf '%s\n' "$PYTHON27"
        return
    fi
    local root candidate
    root=${PYENV_ROOT:-${HOME:-/root}/.pyenv}
    if ! [ -d "$root" ] && command -v pyenv >/dev/null; then
        root=$(pyenv root)
    fi
    for candidate in python2.7 python2 "$root"/versions/2.7.*/bin/python; do
        if is_python27 "$candidate"; then
            # The path, not the name: the launcher must not depend on PATH.
            "$candidate" -c 'import sys; print(sys.executable)'
            return
        fi
    done
    die "no Python 2.7 found (looked in PATH and in $root/versions)" \
        "Either install one (for example: pyenv install 2.7.18) or name it: PYTHON27=/path/to/python2.7" \
        "or use the image crossbario/autobahn-testsuite, which has the suite in it, by setting" \
        "  AUTOBAHN_PYTHON='docker run --rm -i --init --network host -v $(repo_root):$(repo_root) crossbario/autobahn-testsuite python'"
}

repo_root() { (cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd); }

# The package zope is a namespace made by a .pth file, which Python reads in its
# own site directory only. There is one package in it, so a plain one will do.
make_namespace() { : >"$1/zope/__init__.py"; }

write_launcher() {
    local name=$1 python=$2 args=$3
    cat >"$name" <<EOF
#!/bin/sh
here=\$(CDPATH= cd -- "\$(dirname -- "\$0")" && pwd) || exit 1
PYTHONPATH=\$here/site PYTHONNOUSERSITE=1 PYTHONDONTWRITEBYTECODE=1 exec '$python' $args "\$@"
EOF
    chmod +x "$name"
}

install_into() {
    local dir=$1 python=$2 log=$1/pip.log
    "$python" -m pip --version >/dev/null 2>&1 || die "$python has no pip"
    say "installing ${pins[0]} with $python"
    if ! "$python" -m pip install --no-deps --no-cache-dir --disable-pip-version-check \
        --target "$dir/site" "${pins[@]}" >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        die "pip could not install the pinned packages"
    fi
    make_namespace "$dir/site"
    write_launcher "$dir/python" "$python" ""
    write_launcher "$dir/wstest" "$python" '-c "from autobahntestsuite.wstest import run; run()"'
}

# What the runner needs, imported: a half-installed suite must fail here.
works() { "$1/python" -c 'import autobahntestsuite.choosereactor, autobahntestsuite.fuzzing' >/dev/null 2>&1; }

main() {
    local cache key dir new python
    cache=${GOLAZY_AUTOBAHN_CACHE:-${XDG_CACHE_HOME:-${HOME:?HOME is not set}/.cache}/golazy/autobahn}
    # Other pins are another directory, so a change of them never meets old files.
    key=$(printf '%s\n' "${pins[@]}" | cksum | cut -d' ' -f1)
    dir=$cache/$key
    if [ -x "$dir/python" ] && works "$dir"; then
        printf '%s\n' "$dir/python"
        return
    fi
    python=$(find_python27)
    mkdir -p "$cache"
    # Made beside its final place and renamed, so that nobody sees half of it,
    # and two installations at once do no harm.
    new=$(mktemp -d "$cache/new.XXXXXX")
    # shellcheck disable=SC2064
    trap "rm -rf '$new'" EXIT
    install_into "$new" "$python"
    if ! works "$new"; then
        "$new/python" -c 'import autobahntestsuite.choosereactor, autobahntestsuite.fuzzing' >&2 || true
        die "the suite was installed but does not start"
    fi
    # Another installation may have come first, and be in use by now.
    if ! works "$dir"; then
        rm -rf "$dir"
        mv "$new" "$dir"
    fi
    say "installed in $dir"
    printf '%s\n' "$dir/python"
}

main "$@"
