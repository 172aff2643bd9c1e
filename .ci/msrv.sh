#!/usr/bin/env bash
# Compiles the libraries with the oldest compiler that Cargo.toml promises (`rust-version`), as Debian packages it.
# Tests and examples are not part of the promise.
set -euo pipefail
cd "$(dirname "$0")/.."
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}

version=$(sed -n 's/^rust-version = "\([0-9.]*\)"$/\1/p' Cargo.toml)
compiler=$(.ci/debian-rust.sh "$version") || {
    [ $? -eq 75 ] || exit 1
    echo "SKIPPED: no Rust $version to be had; only clippy watches for newer functions of std (incompatible_msrv)"
    exit 0
}
export RUSTC=$compiler/usr/bin/rustc LD_LIBRARY_PATH=$compiler/usr/lib/x86_64-linux-gnu
"$RUSTC" -V
cargo check --locked --target-dir "$CARGO_TARGET_DIR/msrv" --workspace --lib
cargo check --locked --target-dir "$CARGO_TARGET_DIR/msrv" -p runtime --no-default-features
