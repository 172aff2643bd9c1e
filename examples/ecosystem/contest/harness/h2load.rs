//! `h2load`, the client of HTTP/2: ten connections, ten requests on their way on each.

use std::env;
use std::fs;
use std::net::SocketAddr;
use std::process::Command;

/// Has so many requests answered; the time within which 99 of 100 of them were, in milliseconds.
///
/// # Panics
///
/// If it is not installed (`apt-get install nghttp2-client`), or a single request failed.
pub(crate) fn run(server: SocketAddr, path: &str, requests: u64) -> f64 {
    let log = env::temp_dir().join(format!("runtime-contest-h2load-{}", std::process::id()));
    let mut command = Command::new("h2load");
    command.args(["--clients=10", "--max-concurrent-streams=10", &format!("--requests={requests}")]);
    command.arg(format!("--log-file={}", log.display())).arg(format!("http://{server}{path}"));
    let output = command.output().expect("h2load starts");
    let said = String::from_utf8_lossy(&output.stdout);
    let all = format!("{requests} succeeded, 0 failed, 0 errored, 0 timeout");
    let is_fine = output.status.success() && said.contains(&all);
    assert!(is_fine, "h2load complains: {said}{}", String::from_utf8_lossy(&output.stderr));
    let times = fs::read_to_string(&log).expect("h2load writes its log");
    fs::remove_file(&log).expect("its log is there");
    // Of each request: when it was sent, its status, and how long it took.
    let times = times.lines().filter_map(|line| line.split('\t').nth(2)?.parse().ok());
    let mut times: Vec<u64> = times.collect();
    times.sort_unstable();
    times[times.len() * 99 / 100] as f64 / 1e3
}
