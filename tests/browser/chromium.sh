#!/bin/sh
# Prints the Chromium that the browser tests drive, and installs Debian's where there is none and apt may.
#
# With one that CHROMIUM names, or with `chromium` on the path, nothing is installed, and nothing ever is by anybody but
# root. What is done and what is missing goes to stderr; the exit code is 1 where there is no Chromium in the end.
set -eu

if [ -n "${CHROMIUM:-}" ]; then
    command -v "$CHROMIUM" && exit
    echo "CHROMIUM is $CHROMIUM, and that is no program. Give the path of a Chromium, or unset it." >&2
    exit 1
fi
command -v chromium && exit

missing() {
    echo "The browser tests need a Chromium. Install one with: $1" >&2
    echo "or name the one you have: make test-browser CHROMIUM=/path/to/chromium" >&2
    exit 1
}

command -v apt-get >/dev/null || missing "your package manager (on Debian: apt-get install chromium)"
[ "$(id -u)" = 0 ] || missing "sudo apt-get install --no-install-recommends chromium"

echo "Waiting for: Debian's Chromium (about 100 MB by apt, a minute or two)" >&2
export DEBIAN_FRONTEND=noninteractive
apt() {
    apt-get -q -o Acquire::Retries=5 -o Acquire::http::Timeout=60 -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" \
        </dev/null >&2
}
# A list that can not be fetched, of a source that has nothing to do with it perhaps, is no reason not to try.
apt update || echo "Not all package lists could be fetched; trying with those that are there." >&2
apt install --yes --no-install-recommends chromium || missing "apt-get install --no-install-recommends chromium"
command -v chromium || missing "apt-get install --no-install-recommends chromium"
