#!/usr/bin/env bash
# Runs the tests again and again under conditions that a quiet machine never shows: all threads on one core, and both
# cores taken by others. A race that hides behind the usual order of things comes out here.
#
# usage: .ci/stress.sh SECONDS [OPTION OF cargo...]    ends after the round that is running when the time is up
set -euo pipefail
cd "$(dirname "$0")/.."

limit=$1
shift
# The packages with threads or sockets in them, and the stories; compilers under stress tell us nothing.
tests=(cargo test --quiet -p runtime-sync -p runtime-executor -p runtime-io --lib --tests "$@")
if [ "$limit" -gt 1 ]; then # a smoke test is without the stories across packages
    tests+=(-p runtime-suite)
    cargo build --examples "$@" # which they start
fi
# Under stress it is threads that matter, not what the explorer tries on one.
export EXPLORE_DEPTH=3 EXPLORE_WALKS=50
# The fault suites are stress of their own, and take longer than all the rest.
# So do those of processes that are single-stepped, or are programs of their own.
skips=(-- --skip accepted_programs_run --skip cluster:: --skip faults:: --skip whatever_instruction --skip processes:: --skip storm::)
"${tests[@]}" --no-run

hogs=()
trap '[ ${#hogs[@]} -eq 0 ] || kill "${hogs[@]}" 2>/dev/null || true' EXIT
log=$(mktemp)
# A round is a matter of seconds: one that takes this long hangs.
round() {
    local name=$1
    shift
    if ! timeout --kill-after=10 600 "$@" >"$log" 2>&1; then
        cat "$log"
        echo "round $rounds failed: $name"
        exit 1
    fi
}

rounds=0
SECONDS=0
while [ "$rounds" -eq 0 ] || [ "$SECONDS" -lt "$limit" ]; do
    rounds=$((rounds + 1))
    round "on one core" taskset -c 0 "${tests[@]}" "${skips[@]}"
    [ "$limit" -gt 1 ] || break # a smoke test
    for _ in $(seq "$(nproc)"); do
        # Each ends by itself too, should this script be killed.
        timeout 600 sh -c 'while :; do :; done' &
        hogs+=($!)
    done
    round "beside $(nproc) busy loops" "${tests[@]}" "${skips[@]}"
    kill "${hogs[@]}"
    wait "${hogs[@]}" 2>/dev/null || true
    hogs=()
done
rm -f "$log"
echo "$rounds rounds in $SECONDS s"
