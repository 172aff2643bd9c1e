#!/bin/sh
#! Instructions per operation in user space, by callgrind: repeatable where nanoseconds are not. Every count is taken
#! twice, for N operations and for 2N, and the difference divided by N, so that starting up cancels. The echo server runs
#! under callgrind while an ordinary client drives it in lock step.
#
# Usage: benches/instructions.sh [ROW ...]     (all rows without an argument; see the lists below)
#        PEERS="tokio-local-runtime smol" LIBRARIES="tokio:tokio-local-runtime flume:smol" benches/instructions.sh
set -eu
cd "$(dirname "$0")/.."

# Row and N. The rows about sleeping and about threads depend on time and are left out.
MICRO="spawn_join:20000 spawn_many:100000 yield_one:20000 yield_thousand:100000 join_ready:50000 join_yield:50000
timer:20000 timer_among:20000 timer_first:20000 timer_turn:20000 timeout_ready:20000"
SYNC="lock_free:20000 lock_contended:20000 semaphore_contended:20000 event_thousand:20000 oneshot:20000 ping_pong:10000
stream:20000 unbounded:20000"
ECHO="echo_64:6400 echo_64_lent:6400 echo_1k:5120 pipelined:25600 streaming:1280"
# Libraries, each with the runtime that it runs on.
LIBRARIES=${LIBRARIES:-"ours:ours ours-shared:ours tokio:tokio-local-runtime tokio-on-ours:ours async-lock/-channel:ours
futures:ours futures-intrusive:ours futures-intrusive-fair:ours local-sync:ours flume:ours"}
PEERS=${PEERS:-"ours tokio-local-set tokio-local-runtime smol monoio glommio raw-mio"}

command -v valgrind >/dev/null || { echo "valgrind is not installed" >&2; exit 1; }
built=$(cargo bench --no-run --bench micro --bench sync --bench echo 2>&1) || { echo "$built" >&2; exit 1; }
program() { echo "$built" | sed -n "s/.*Executable benches\/$1.rs (\(.*\))/\1/p"; }
micro=$(program micro)
sync=$(program sync)
echo=$(program echo)
[ -x "$micro" ] && [ -x "$sync" ] && [ -x "$echo" ]
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# Runs a command under callgrind with its report going to $scratch/report.
counted() { valgrind --tool=callgrind --callgrind-out-file=/dev/null --log-file="$scratch/report" "$@"; }
collected() { sed -n 's/.*Collected : \([0-9]*\).*/\1/p' "$scratch/report"; }

# micro_count ROW PEER N: instructions of the whole process; nothing if the peer does not take part.
micro_count() { counted "$micro" --child "$1" "$2" "$3" >/dev/null 2>&1 && collected; }

# sync_count ROW LIBRARY:RUNTIME N: the same; a library that does not offer it has no figure to say.
sync_count() {
    said=$(counted "$sync" --child "$1" "${2%:*}" "${2#*:}" "$3" 2>/dev/null)
    [ -n "$said" ] && collected
}

# echo_count MODE PEER N: "instructions requests"; nothing if the peer does not take part.
echo_count() {
    case $1 in *_lent) handler=lending ;; *) handler=owning ;; esac
    rm -f "$scratch/address"
    mkfifo "$scratch/address"
    counted "$echo" --serve "$2" "$handler" >"$scratch/address" 2>/dev/null &
    server=$!
    if read -r address process <"$scratch/address"; then
        requests=$("$echo" --load "$address" "$1" "$3")
        kill -TERM "$process"
        wait "$server" 2>/dev/null || true
        echo "$(collected) $requests"
    else
        wait "$server" 2>/dev/null || true
    fi
}

# Prints the row's cells, "–" where a peer does not take part. Arguments: counting function, peers, row, N.
row() {
    printf '| %s' "$3"
    for peer in $2; do
        once=$("$1" "$3" "$peer" "$4") || once=
        twice=$("$1" "$3" "$peer" $((2 * $4))) || twice=
        if [ -n "$once" ] && [ -n "$twice" ]; then
            # shellcheck disable=SC2086 # the echo counts are two words each
            printf ' | %s' "$(difference "$4" $once $twice)"
        else
            printf ' | –'
        fi
    done
    echo ' |'
}

# difference N once twice, or N once requests twice requests.
difference() {
    if [ $# -eq 3 ]; then
        echo $((($3 - $2) / $1))
    else
        echo $((($4 - $2) / ($5 - $3)))
    fi
}

wanted() {
    [ -z "$ROWS" ] && return 0
    for row in $ROWS; do [ "$row" = "$1" ] && return 0; done
    return 1
}

head() {
    echo "| instructions per operation | $(echo $1 | sed 's/ / | /g') |"
    echo "|---|$(for _ in $1; do printf -- '---:|'; done)"
}

ROWS="$*"
head "$PEERS"
for entry in $MICRO; do wanted "${entry%:*}" || continue; row micro_count "$PEERS" "${entry%:*}" "${entry#*:}"; done
for entry in $ECHO; do wanted "${entry%:*}" || continue; row echo_count "$PEERS" "${entry%:*}" "${entry#*:}"; done
echo
head "$LIBRARIES"
for entry in $SYNC; do wanted "${entry%:*}" || continue; row sync_count "$LIBRARIES" "${entry%:*}" "${entry#*:}"; done
