#!/usr/bin/env bash
# The promises of README that a stranger tries first: `hello` runs, and the echo server answers nc, a Python client and
# ten thousand connections at once, on one thread, and is still there afterwards.
set -euo pipefail
cd "$(dirname "$0")/.."

connections=10000
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT

fail() {
    echo "$1"
    cat "$work/log"
    exit 1
}

cargo build --release --example hello --example echo_server
cargo run -q --release --example hello

# The server and the client each need a descriptor for a connection, and a few besides.
if ! ulimit -n $((connections + 100)) 2>/dev/null; then
    connections=$(($(ulimit -Hn) - 100))
    ulimit -n "$(ulimit -Hn)"
    echo "SKIPPED: only $connections connections, this machine allows no more descriptors"
fi

grep -qF 'cargo run --release --example echo_server' README.md # this is the command that we promise
cargo run -q --release --example echo_server -- 127.0.0.1:0 >"$work/log" 2>&1 &
server=$!
for _ in $(seq 100); do
    address=$(sed -n 's/^listening on //p' "$work/log")
    [ -z "$address" ] || break
    sleep 0.1
done
[ -n "$address" ] || fail "the server does not listen"
port=${address##*:}

echo "nc: two lines, half-closed"
printf 'one\ntwo\n' | timeout 10 nc.openbsd -N 127.0.0.1 "$port" | cmp - <(printf 'one\ntwo\n') || fail "nc got another echo"

echo "python3: a megabyte in both directions at once"
timeout 60 python3 - "$port" <<'PYTHON' || fail "the Python client got another echo"
import asyncio, os, sys

async def main():
    reader, writer = await asyncio.open_connection("127.0.0.1", int(sys.argv[1]))
    data = os.urandom(1 << 20)
    writer.write(data)
    writer.write_eof()
    assert await reader.read(-1) == data
    writer.close()

asyncio.run(main())
PYTHON

echo "echo_client: $connections connections"
timeout 60 cargo run -q --release --example echo_client -- --connections "$connections" --duration 3 "127.0.0.1:$port" ||
    fail "echo_client is not content"

threads=$(awk '/^Threads:/ { print $2 }' "/proc/$server/status" 2>/dev/null || true)
[ "$threads" = 1 ] || fail "the server is gone or has ${threads:-no} threads"
