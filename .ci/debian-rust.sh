#!/usr/bin/env bash
# Puts a second Rust compiler, with the sources of its library, into a folder of its own: rustup's servers are not
# always within reach, Debian's packages are, and a compiler must match the library that it is to build.
#
# usage: .ci/debian-rust.sh 1.85|newest    prints the folder; exits with 75 where the packages cannot be had
set -euo pipefail

version=$1
store=${CARGO_TARGET_DIR:-$(dirname "$0")/../target}
mkdir -p "$store"
folder=$(cd "$store" && pwd)/debian-rust-$version

unavailable() {
    echo "no Rust $version: $1" >&2
    exit 75
}

if [ ! -e "$folder/complete" ]; then
    [ "$(uname -m)" = x86_64 ] || unavailable "this script knows x86-64 only"
    command -v apt-get >/dev/null || unavailable "this is no Debian"
    apt-get update -qq >&2 || unavailable "the package lists cannot be fetched"
    # Lines of `rustc-web | 1.85.0+dfsg3-1 | where`, the newest first.
    package=$(apt-cache madison rustc-web | awk -v wanted="$version" \
        'wanted == "newest" || index($3, wanted ".") == 1 { if (!found++) print $3 }')
    [ -n "$package" ] || unavailable "Debian has no package of it"
    minor=$(cut -d. -f1,2 <<<"$package")

    rm -rf "$folder"
    mkdir -p "$folder/archives/partial"
    # apt knows which further libraries this machine lacks. It downloads, and installs nothing: so it needs no lock.
    apt-get install -qq -y --download-only --no-install-recommends --reinstall --allow-downgrades \
        -o Dir::Cache::archives="$folder/archives" -o APT::Sandbox::User=root -o Debug::NoLocking=true \
        "rustc-web=$package" "libstd-rust-web-$minor=$package" "libstd-rust-web-dev=$package" \
        "rust-web-src=$package" >&2 || unavailable "the packages cannot be fetched"
    for archive in "$folder"/archives/*.deb; do
        # Of the sources only the library is wanted: the rest is five times as much.
        dpkg-deb --fsys-tarfile "$archive" |
            tar -x -C "$folder" --anchored --no-wildcards-match-slash \
                --exclude './usr/share' --exclude './usr/src/rustc-*/src' --exclude './usr/src/rustc-*/compiler'
    done
    rm -r "$folder/archives"
    LD_LIBRARY_PATH=$folder/usr/lib/x86_64-linux-gnu "$folder/usr/bin/rustc" -vV >&2
    touch "$folder/complete"
fi
echo "$folder"
