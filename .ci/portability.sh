#!/usr/bin/env bash
# Type-checks the workspace for systems that nobody here can run: it finds calls and constants that Linux has and they
# lack. How kqueue behaves is another question, and not answered by this.
#
# usage: .ci/portability.sh [TARGET...]
#
# Without TARGET it is FreeBSD alone, for the sake of the time. No package holds the standard library for these systems, so
# it is checked from its sources first (a minute each).
set -euo pipefail
cd "$(dirname "$0")/.."
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}

[ $# -gt 0 ] || set -- x86_64-unknown-freebsd

compiler=$(.ci/debian-rust.sh newest) || {
    [ $? -eq 75 ] || exit 1
    echo "SKIPPED: $* not checked, for want of a compiler with its library's sources"
    exit 0
}
export RUSTC=$compiler/usr/bin/rustc LD_LIBRARY_PATH=$compiler/usr/lib/x86_64-linux-gnu RUSTC_BOOTSTRAP=1
"$RUSTC" -V
what=(-p runtime --features greenlet,messages,process-pool,hyper,tokio-io)
# Tests, examples, and what stands on many crates take as long again.
if [ -n "${PORTABILITY_ALL:-}" ]; then
    what=(--workspace --exclude runtime-benches --all-targets --features "$(printf 'runtime/%s,' codec redis stacks tls tokio-context tracing websocket)")
fi
for target in "$@"; do
    echo "--- $target: ${what[*]}"
    cargo check --locked --target-dir "$CARGO_TARGET_DIR/portability" --target "$target" -Zbuild-std "${what[@]}"
done
