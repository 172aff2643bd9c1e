#!/usr/bin/env bash
# Runs the tests while a signal without SA_RESTART hits each of their threads every 200 µs: every system call that can be
# interrupted will be, between any two lines. What breaks does not repeat a call that was interrupted.
#
# usage: .ci/storm.sh [PACKAGE...]        without one: runtime-io, where the system calls are
# STORM_PAUSE_US=20 .ci/storm.sh runtime-sync runtime-executor runtime-io runtime runtime-suite    as hard as it gets
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v cc >/dev/null || [ "$(uname -s)" != Linux ]; then
    echo "SKIPPED: the storm needs a C compiler, and Linux's way to preload"
    exit
fi
[ $# -gt 0 ] || set -- runtime-io
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
packages=()
for package in "$@"; do packages+=(-p "$package"); done
tests=(cargo test --quiet --no-fail-fast "${packages[@]}" --tests)

mkdir -p "$target"
cc -shared -fPIC -O2 -Wall -Wextra -Werror -o "$target/storm.so" .ci/storm.c -lpthread -ldl
case " $* " in *" runtime-suite "*) cargo build --quiet --examples ;; esac # which the stories start
"${tests[@]}" --no-run

export STORM_UNDER=$target/ STORM_PAUSE_US=${STORM_PAUSE_US:-200}
# These listen to SIGUSR1 themselves.
export STORM_SPARED='listening forked_signals processes orphans many_listeners restoring'
skips=(
    # Compilers, for whose patience we do not answer.
    --skip accepted_programs_run
    # Each hour of these would be a day.
    --skip cluster:: --skip faults:: --skip explorer
    # They wait for the selector to say nothing, and every signal ends the wait.
    --skip goes_silent_when_ours_is_closed
)
EXPLORE_DEPTH=3 EXPLORE_WALKS=50 LD_PRELOAD=$target/storm.so "${tests[@]}" -- "${skips[@]}"
# What bears the name of the skipped ones without being as long.
case " $* " in *" runtime "*) LD_PRELOAD=$target/storm.so cargo test --quiet -p runtime --lib cluster:: ;; esac
