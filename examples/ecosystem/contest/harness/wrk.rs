//! `wrk`, the usual client of HTTP/1 contests: a closed loop, one request (or sixteen) on its way on each connection.

use std::net::SocketAddr;
use std::process::Command;

/// Connections that it keeps.
const CONNECTIONS: &str = "--connections=64";

/// What it found.
pub(crate) struct Found {
    /// Requests answered.
    pub(crate) requests: u64,
    /// The time within which 99 of 100 were, in milliseconds.
    pub(crate) p99: f64,
}

/// Runs it for so many seconds.
///
/// # Panics
///
/// If it is not installed (`apt-get install wrk`), or a single request failed.
pub(crate) fn run(server: SocketAddr, path: &str, is_pipelined: bool, seconds: u32) -> Found {
    let mut command = Command::new("wrk");
    // Where a machine is busy with other things, waiting long is no failure.
    command.args(["--threads=1", CONNECTIONS, "--timeout=30s", "--latency"]);
    command.arg(format!("--duration={seconds}"));
    if is_pipelined {
        command.arg(concat!("--script=", env!("CARGO_MANIFEST_DIR"), "/harness/pipeline.lua"));
    }
    command.arg(format!("http://{server}{path}"));
    let output = command.output().expect("wrk starts");
    let said = String::from_utf8_lossy(&output.stdout);
    let is_fine = output.status.success() && !said.contains("Socket errors") && !said.contains("Non-2xx");
    assert!(is_fine, "wrk complains: {said}{}", String::from_utf8_lossy(&output.stderr));
    let mut lines = said.lines();
    let p99 = lines.find_map(|line| line.trim().strip_prefix("99%")).expect("a line of percentiles");
    let requests = lines.find_map(|line| line.split_once(" requests in ")).expect("a line of requests");
    Found { requests: requests.0.trim().parse().expect("a number"), p99: milliseconds(p99.trim()) }
}

/// Reads a time such as `812.00us`, `1.50ms` or `2.00s`.
fn milliseconds(text: &str) -> f64 {
    let unit = text.find(|c: char| c.is_ascii_alphabetic()).expect("a unit");
    let value: f64 = text[..unit].parse().expect("a number");
    match &text[unit..] {
        "us" => value / 1e3,
        "ms" => value,
        "s" => value * 1e3,
        unit => panic!("what is {unit:?}?"),
    }
}
