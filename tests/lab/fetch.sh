#!/bin/sh
# Brings what the lab runs into $LAB_CACHE (default: .cache/lab in the workspace):
#   root/  Debian's servers, skopeo and container engines, unpacked and never installed
#   venv/  the Azure SDK for Python, TLS stacks with post-quantum hellos, OpenTelemetry's definitions, and jsonschema
#   npm/   azurite
# What the machine itself lacks (apt-packages.txt) is installed with apt. A second run is instant.
# It speaks while it works and on errors; the tools' own output goes to $LAB_CACHE/fetch.log.
set -eu

lists=$(cd "$(dirname "$0")" && pwd)
cache=${LAB_CACHE:-$(cd "$lists/../.." && pwd)/.cache/lab}

main() {
    mkdir -p "$cache"
    cache=$(cd "$cache" && pwd)
    log=$cache/fetch.log
    exec 9>"$cache/lock"
    flock 9

    wanted=$(stamp_of_lists)
    if [ "$(cat "$cache/stamp" 2>/dev/null)" = "$wanted" ]; then
        return 0
    fi
    : >"$log"
    rm -f "$cache/stamp"
    say "bringing the lab's programs into $cache (1 to 3 minutes)"
    install_missing
    # The interpreters may only be there since the line above, and they are part of the stamp.
    wanted=$(stamp_of_lists)
    unpack_servers
    make_venv
    make_npm
    echo "$wanted" >"$cache/stamp"
    say "done"
}

say() { echo "lab: $*"; }

# Runs a command with its output in the log; shows the end of the log when it fails.
quietly() {
    if ! "$@" >>"$log" 2>&1; then
        echo "lab: failed: $*; the end of $log:" >&2
        tail -n 20 "$log" >&2
        exit 1
    fi
}

# Hash of everything that decides what the cache holds, the machine's interpreters included.
stamp_of_lists() {
    {
        cat "$lists"/apt-*.txt "$lists/requirements.txt" "$lists"/package*.json "$lists/fetch.sh"
        cat /etc/debian_version
        dpkg --print-architecture
        python3 --version 2>&1 || true
        node --version 2>&1 || true
        echo "$cache"
    } | sha256sum | cut -d' ' -f1
}

install_missing() {
    missing=
    while read -r package probe; do
        case $package in '' | '#'*) continue ;; esac
        sh -c "$probe" >/dev/null 2>&1 </dev/null || missing="$missing $package"
    done <"$lists/apt-packages.txt"
    [ -n "$missing" ] || return 0
    if [ "$(id -u)" -ne 0 ]; then
        echo "lab: these Debian packages are missing:$missing; install them, or run this as root" >&2
        exit 1
    fi
    say "installing with apt:$missing"
    # shellcheck disable=SC2086 # a list of words
    with_fresh_lists env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=300 $missing
}

# apt's package lists may be absent or stale: refreshes them and tries once more.
with_fresh_lists() {
    if ! "$@" >>"$log" 2>&1; then
        say "refreshing apt's package lists"
        quietly apt-get update
        quietly "$@"
    fi
}

unpack_servers() {
    # Without package lists, apt knows no package.
    apt-cache show docker.io >/dev/null 2>&1 || quietly apt-get update
    servers=$(named_packages | tr '\n' ' ')
    say "unpacking: $servers"
    rm -rf "$cache/root" "$cache/debs"
    mkdir -p "$cache/root" "$cache/debs/partial"
    # shellcheck disable=SC2086 # a list of words
    with_fresh_lists apt-get install -y --download-only --reinstall --no-install-recommends \
        -o Dir::Cache::archives="$cache/debs" -o APT::Sandbox::User=root -o DPkg::Lock::Timeout=300 \
        $servers
    for deb in "$cache"/debs/*.deb; do
        quietly dpkg -x "$deb" "$cache/root"
    done
    rm -rf "$cache/debs"
    # Names that the package's script would give to one of its programs.
    for program in iptables ip6tables; do
        for name in $program $program-save $program-restore; do
            ln -s xtables-nft-multi "$cache/root/usr/sbin/$name"
        done
    done
}

# The packages of the list, without those that this release does not have and need not have.
named_packages() {
    sed '/^#/d' "$lists/apt-unpack.txt" | while read -r package; do
        name=${package#\?}
        if [ "$name" = "$package" ] || apt-cache show "$name" >/dev/null 2>&1; then
            echo "$name"
        fi
    done
}

make_venv() {
    say "azure-storage-blob, curl_cffi, pyOpenSSL, opentelemetry-proto and jsonschema, into a Python venv"
    rm -rf "$cache/venv"
    quietly python3 -m venv "$cache/venv"
    quietly "$cache/venv/bin/pip" install --disable-pip-version-check --no-input \
        -r "$lists/requirements.txt"
}

make_npm() {
    say "azurite, with npm"
    rm -rf "$cache/npm"
    mkdir -p "$cache/npm"
    cp "$lists/package.json" "$lists/package-lock.json" "$lists/.npmrc" "$cache/npm/"
    (cd "$cache/npm" && quietly npm ci --ignore-scripts --no-audit --no-fund)
}

main
