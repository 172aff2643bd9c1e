//! What it costs that tokio waits on another thread: round trips to an echo server, on a socket of ours, on a socket of tokio's in
//! our tasks, and on tokio itself. `cargo run --release --example price`
//!
//! The server is another process. The three take turns, in short rounds, so that whatever else the machine does happens to all
//! of them; the table has the median of the rounds.

use runtime::{Runtime, join_all, net::TcpStream, spawn, time::Instant, tokio_context::in_tokio};
use std::{
    env, fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener},
    process::{Command, Stdio},
    thread,
    time::Duration,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const ROUNDS: usize = 21;
/// Round trips per round and way, over all connections.
const TRIPS: usize = 6_000;
const PING: [u8; 64] = [7; 64];

fn main() {
    if env::args().nth(1).as_deref() == Some("echo") {
        return echo();
    }
    let mut server = Command::new(env::current_exe().unwrap());
    let mut server = server.arg("echo").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let address: SocketAddr = line.trim().parse().unwrap();

    let ours = Runtime::new().unwrap();
    let theirs = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    println!("| connections | way | µs per round trip | µs of CPU | times ours |");
    println!("|---|---|---|---|---|");
    for connections in [1, 10, 100] {
        let trips = TRIPS / connections;
        let ways: [(&str, &dyn Fn()); 3] = [
            ("a socket of ours", &|| ours.block_on(native(address, connections, trips))),
            ("a socket of tokio's in `in_tokio`", &|| ours.block_on(foreign(address, connections, trips))),
            ("tokio, current thread", &|| theirs.block_on(alone(address, connections, trips))),
        ];
        let mut costs = [const { Vec::new() }; 3];
        for round in 0..ROUNDS {
            for turn in 0..ways.len() {
                let way = (round + turn) % ways.len();
                costs[way].push(measure(ways[way].1));
            }
        }
        let [wall, cpu] =
            [0, 1].map(|which| costs.each_ref().map(|costs| median(costs.iter().map(|cost| cost[which]))));
        for (way, (name, _)) in ways.iter().enumerate() {
            let each = |time: Duration| time.as_secs_f64() * 1e6 / (trips * connections) as f64;
            let times = |times: [Duration; 3]| times[way].as_secs_f64() / times[0].as_secs_f64();
            println!(
                "| {connections} | {name} | {:.1} | {:.1} | {:.2}, CPU {:.2} |",
                each(wall[way]),
                each(cpu[way]),
                times(wall),
                times(cpu)
            );
        }
    }
    drop(server.stdin.take());
    server.wait().unwrap();
}

async fn native(address: SocketAddr, connections: usize, trips: usize) {
    let all = (0..connections).map(|_| {
        spawn(async move {
            let stream = TcpStream::connect(address).await.unwrap();
            stream.set_nodelay(true).unwrap();
            let mut answer = [0; PING.len()];
            for _ in 0..trips {
                stream.write_all(&PING).await.unwrap();
                stream.read_exact(&mut answer).await.unwrap();
            }
        })
    });
    join_all(all).await.into_iter().for_each(|ended| ended.unwrap());
}

async fn foreign(address: SocketAddr, connections: usize, trips: usize) {
    let all = (0..connections).map(|_| spawn(in_tokio(conversation(address, trips))));
    join_all(all).await.into_iter().for_each(|ended| ended.unwrap());
}

async fn alone(address: SocketAddr, connections: usize, trips: usize) {
    let all: Vec<_> = (0..connections).map(|_| tokio::spawn(conversation(address, trips))).collect();
    for ended in all {
        ended.await.unwrap();
    }
}

/// By a socket of tokio's, wherever that is.
async fn conversation(address: SocketAddr, trips: usize) {
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut answer = [0; PING.len()];
    for _ in 0..trips {
        stream.write_all(&PING).await.unwrap();
        stream.read_exact(&mut answer).await.unwrap();
    }
}

/// Time that passed, and time that the threads of this process have had.
fn measure(way: &dyn Fn()) -> [Duration; 2] {
    let (start, before) = (Instant::now(), cpu_time());
    way();
    [start.elapsed(), cpu_time() - before]
}

/// Of all threads that live; those here live to the end.
fn cpu_time() -> Duration {
    let tasks = fs::read_dir("/proc/self/task").expect("Linux counts what threads have had");
    let of_thread = |path: std::path::PathBuf| -> Option<u64> {
        fs::read_to_string(path.join("schedstat")).ok()?.split(' ').next()?.parse().ok()
    };
    Duration::from_nanos(tasks.filter_map(|task| of_thread(task.ok()?.path())).sum())
}

fn median(times: impl Iterator<Item = Duration>) -> Duration {
    let mut times: Vec<_> = times.collect();
    times.sort_unstable();
    times[times.len() / 2]
}

/// Says where it listens, and gives back what it gets, until its standard input ends.
fn echo() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("{}", listener.local_addr().unwrap());
    let serve = move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let echo = move || {
                let mut buf = [0; PING.len()];
                while stream.read_exact(&mut buf).and_then(|()| stream.write_all(&buf)).is_ok() {}
            };
            thread::Builder::new().spawn(echo).unwrap();
        }
    };
    thread::Builder::new().spawn(serve).unwrap();
    let _ = std::io::stdin().read(&mut [0]);
}
