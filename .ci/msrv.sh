#!/usr/bin/env bash
# Compiles the libraries with what stands in for the oldest compiler that Cargo.toml promises (`rust-version`): of the
# older ones Debian packages 1.85 alone. What 1.88 has and we use beyond that is listed here and switched on; all else
# that is younger than 1.85, in the language or in std, fails. Tests and examples are not part of the promise.
set -euo pipefail
cd "$(dirname "$0")/.."
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}

stands_in=1.85
promised=1.88
# Separated by commas. Each with the version in which it became stable: extract_if and
# integer_sign_cast 1.87, let_chains 1.88.
younger_features=extract_if,integer_sign_cast,let_chains

if ! grep -qx "rust-version = \"$promised\"" Cargo.toml; then
    echo "Cargo.toml promises something else than $promised: bring the list in .ci/msrv.sh into line with it"
    exit 1
fi
compiler=$(.ci/debian-rust.sh "$stands_in") || {
    [ $? -eq 75 ] || exit 1
    echo "SKIPPED: no Rust $stands_in to be had; only clippy watches for younger functions of std (incompatible_msrv)"
    exit 0
}
export RUSTC=$compiler/usr/bin/rustc LD_LIBRARY_PATH=$compiler/usr/lib/x86_64-linux-gnu
export RUSTC_BOOTSTRAP=1
# For our own packages only: what they depend on promises more than 1.85 already.
export RUSTC_WORKSPACE_WRAPPER=$CARGO_TARGET_DIR/msrv/rustc-with-younger-features
mkdir -p "$CARGO_TARGET_DIR/msrv"
printf '#!/bin/sh\nexec "$@" "-Zcrate-attr=feature(%s)"\n' "$younger_features" >"$RUSTC_WORKSPACE_WRAPPER"
chmod +x "$RUSTC_WORKSPACE_WRAPPER"
"$RUSTC" -V
check() { cargo check --locked --ignore-rust-version --target-dir "$CARGO_TARGET_DIR/msrv" "$@"; }
check --workspace --lib
check -p runtime --no-default-features
