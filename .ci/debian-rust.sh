#!/usr/bin/env bash
# Puts a second Rust compiler, with the sources of its library, into a folder of its own: rustup's servers are not
# always reachable, Debian's packages are, and a compiler must match the library it is to build.
#
# usage: .ci/debian-rust.sh 1.96    prints the folder; exits with 75 where the packages cannot be had
set -euo pipefail

version=$1
store=${CARGO_TARGET_DIR:-$(dirname "$0")/../target}
mkdir -p "$store"
folder=$(cd "$store" && pwd)/debian-rust-$version
rustc=$folder/usr/bin/rustc

# The compiler finds its own libraries beside it, and nothing of it is installed.
works() { LD_LIBRARY_PATH=$folder/usr/lib/x86_64-linux-gnu "$rustc" -vV >/dev/null 2>&1; }
unavailable() {
    echo "no Rust $version here: $1" >&2
    exit 75
}

if [ ! -e "$folder/complete" ]; then
    [ "$(uname -m)" = x86_64 ] || unavailable "this script knows x86-64 only"
    command -v apt-get >/dev/null || unavailable "this is no Debian"
    find_package() { apt-cache madison rustc-web 2>/dev/null | awk -v v="$version." 'index($3, v) == 1 { print $3; exit }'; }
    package=$(find_package)
    if [ -z "$package" ]; then
        apt-get update -qq >&2 || unavailable "the package lists cannot be fetched"
        package=$(find_package)
    fi
    [ -n "$package" ] || unavailable "Debian has no such package"

    rm -rf "$folder"
    mkdir -p "$folder/archives/partial"
    # apt knows which further libraries this machine lacks; it downloads them all and installs none, so it needs no lock.
    apt-get install -qq -y --download-only --no-install-recommends --reinstall --allow-downgrades \
        -o Dir::Cache::archives="$folder/archives" -o APT::Sandbox::User=root -o Debug::NoLocking=true \
        "rustc-web=$package" "libstd-rust-web-$version=$package" "libstd-rust-web-dev=$package" \
        "rust-web-src=$package" >&2 || unavailable "the packages cannot be fetched"
    for archive in "$folder"/archives/*.deb; do
        # Of the sources only the library is wanted: the rest is five times as much.
        dpkg-deb --fsys-tarfile "$archive" |
            tar -x -C "$folder" --anchored --no-wildcards-match-slash \
                --exclude './usr/share' --exclude './usr/src/rustc-*/src' --exclude './usr/src/rustc-*/compiler'
    done
    rm -r "$folder/archives"
    works || unavailable "the compiler does not start"
    touch "$folder/complete"
fi
echo "$folder"
