#!/usr/bin/env bash
# Builds and runs a program with `panic = "abort"`, by a package of its own, since cargo builds no test in that way: what
# becomes of greenlets that cannot be unwound.
set -euo pipefail
cd "$(dirname "$0")/.."

target=$(realpath -m "${CARGO_TARGET_DIR:-target}")/abort
package=$target/program
mkdir -p "$package/src"
cat >"$package/Cargo.toml" <<END
[package]
name = "abort"
version = "0.0.0"
edition = "2024"

[dependencies]
runtime = { path = "$PWD/runtime", default-features = false, features = ["greenlet"] }

[profile.dev]
panic = "abort"

[workspace]
END
cp Cargo.lock "$package/"
cp .ci/abort.rs "$package/src/main.rs"
cargo run --quiet --manifest-path "$package/Cargo.toml" --target-dir "$target"
