//! hyper and axum on our runtime and on tokio's: processor time, latency, system calls, instructions and memory. One program
//! is measured, in a process of its own, by clients that are other people's programs; `benches/README.md` has the method.

#[cfg(target_os = "linux")]
#[allow(dead_code, reason = "shared with the repository's other benchmarks; each uses its part")]
mod harness;
#[cfg(target_os = "linux")]
mod web;

/// Where `report.rs` finds the names of columns.
#[cfg(target_os = "linux")]
mod peers {
    pub(crate) use crate::web::{FLOOR, OURS, TOKIO};
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("the benchmarks read /proc and pin cores: Linux only");
}

#[cfg(target_os = "linux")]
fn main() {
    linux::main();
}

#[cfg(target_os = "linux")]
mod linux {
    use std::env;

    use crate::harness::clock::nanoseconds_each;
    use crate::harness::count::{Counted, Tally};
    use crate::harness::lock_step::{self, LockStep};
    use crate::harness::machine::{self, Core, Cores};
    use crate::harness::options::Options;
    use crate::harness::report::{Divisor, Ratio, Table};
    use crate::harness::server::Server;
    use crate::harness::{h2load, wrk};
    use crate::web::{self, FLOOR, Kind, OURS, TOKIO};

    struct Row {
        name: &'static str,
        title: &'static str,
        kind: Kind,
        path: &'static str,
        client: Client,
    }

    #[derive(Clone, Copy, PartialEq, Eq)]
    enum Client {
        Wrk,
        /// With sixteen requests at a time.
        Pipelining,
        H2load,
    }

    const PLAINTEXT: &str = "/plaintext";
    const JSON: &str = "/json";
    /// Requests at a time of one that pipelines, as `pipeline.lua` has it.
    const PIPELINED: usize = 16;

    const fn row(
        name: &'static str,
        title: &'static str,
        kind: Kind,
        path: &'static str,
        client: Client,
    ) -> Row {
        Row { name, title, kind, path, client }
    }

    const ROWS: &[Row] = &[
        row("http1_plaintext", "HTTP/1.1, text", Kind::Http1, PLAINTEXT, Client::Wrk),
        row("http1_json", "HTTP/1.1, JSON", Kind::Http1, JSON, Client::Wrk),
        row("pipelined", "16 pipelined, text", Kind::Http1, PLAINTEXT, Client::Pipelining),
        row("gathered", "the same, answers gathered", Kind::Gathering, PLAINTEXT, Client::Pipelining),
        row("http2_plaintext", "HTTP/2, text", Kind::Http2, PLAINTEXT, Client::H2load),
        row("served", "HTTP/1.1, text, by a server with limits", Kind::Served, PLAINTEXT, Client::Wrk),
        row("axum_plaintext", "axum, text", Kind::Axum, PLAINTEXT, Client::Wrk),
        row("axum_json", "axum, JSON", Kind::Axum, JSON, Client::Wrk),
        row("workers", "HTTP/1.1, text, two workers", Kind::Workers, PLAINTEXT, Client::Wrk),
    ];

    pub(crate) fn main() {
        let cores = Cores::available();
        let mut arguments: Vec<String> = env::args().skip(1).collect();
        machine::raise_descriptor_limit();
        if let ["--serve", peer, kind] = arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            return web::serve(peer, kind, cores);
        }
        let asked = arguments.len();
        arguments.retain(|argument| argument != "--instructions");
        let counts_instructions = arguments.len() < asked;
        let options = Options::parse(arguments.into_iter());
        cores.pin(Core::Feeding);
        if counts_instructions {
            count(&options, Counted::Instructions);
        } else if options.syscalls {
            count(&options, Counted::Calls);
        } else {
            compare(&options);
            remember(&options);
        }
    }

    const TO_TOKIO: Ratio = Ratio { title: "ours / tokio", of: OURS, by: Divisor::Column(TOKIO) };

    fn wanted_rows(options: &Options) -> impl Iterator<Item = &'static Row> {
        ROWS.iter().filter(|row| options.wants_row(row.name))
    }

    /// Processor time and latency.
    fn compare(options: &Options) {
        let columns = options.wanted_peers([OURS, TOKIO]);
        let mut table = Table::with_ratios(&columns, vec![TO_TOKIO]);
        for round in 0..options.rounds {
            for row in wanted_rows(options) {
                eprintln!("http: {}, round {} …", row.name, round + 1);
                for turn in 0..columns.len() {
                    time(row, columns[(round + turn) % columns.len()], options.quick, &mut table);
                }
            }
        }
        table.print();
    }

    fn time(row: &Row, peer: &str, quick: bool, table: &mut Table) {
        let server = Server::start(peer, row.kind.name()).expect("each has all of them");
        let run = |seconds, requests| match row.client {
            Client::Wrk => wrk::run(server.address, row.path, false, seconds),
            Client::Pipelining => wrk::run(server.address, row.path, true, seconds),
            Client::H2load => wrk::Found { requests, p99: h2load::run(server.address, row.path, requests) },
        };
        run(1, 10_000);
        let before = server.processor_time();
        let found = run(1, if quick { 30_000 } else { 100_000 });
        let spent = nanoseconds_each(server.processor_time() - before, found.requests) / 1e3;
        table.record(&format!("{}: server CPU per request (µs)", row.title), peer, spent);
        if row.client != Client::Pipelining {
            table.record(&format!("{}: p99 (ms)", row.title), peer, found.p99);
        }
    }

    /// System calls or instructions per request: N requests against three times N, so that starting up and connecting
    /// cancel.
    fn count(options: &Options, counted: Counted) {
        let columns = options.wanted_peers([OURS, TOKIO]);
        let mut table = Table::with_ratios(&columns, vec![TO_TOKIO]);
        let what = if counted == Counted::Calls { "system calls" } else { "instructions" };
        // Of two workers it is chance who does what.
        for row in wanted_rows(options).filter(|row| row.kind != Kind::Workers) {
            for peer in &columns {
                eprintln!("http: {}, {what} of {peer} …", row.name);
                let (few, many) = (tally(row, peer, counted, 1), tally(row, peer, counted, 3));
                let each = (many.0 as f64 - few.0 as f64) / (many.1 - few.1) as f64;
                table.record(&format!("{}: {what} per request", row.title), peer, each);
            }
        }
        table.print();
    }

    /// The count, and of how many requests.
    fn tally(row: &Row, peer: &str, counted: Counted, times: u64) -> (u64, u64) {
        let requests = times * 6_400;
        let tally = Tally::new(counted);
        let server = Server::start_under(&tally.wrapper(), peer, row.kind.name()).expect("it serves");
        let lock_step =
            |depth| LockStep::connect(server.address, row.path, lock_step::CONNECTIONS, depth).run(requests);
        let answered = match row.client {
            Client::Wrk => lock_step(1),
            Client::Pipelining => lock_step(PIPELINED),
            Client::H2load => {
                h2load::run(server.address, row.path, requests);
                requests
            }
        };
        drop(server);
        (tally.read(), answered)
    }

    /// Bytes of the server per connection that has had one request answered and is kept. The first hundred are not counted:
    /// they pay for what all share.
    fn remember(options: &Options) {
        if !options.wants_row("idle") {
            return;
        }
        let connections = if options.quick { 2_000 } else { 9_000 };
        let columns = options.wanted_peers([OURS, TOKIO, FLOOR]);
        let mut table = Table::with_ratios(&columns, vec![TO_TOKIO]);
        for peer in &columns {
            let server = Server::start(peer, Kind::Http1.name()).expect("it serves");
            let _first = LockStep::connect(server.address, PLAINTEXT, 100, 1);
            let before = server.resident_bytes();
            let _idle = LockStep::connect(server.address, PLAINTEXT, connections, 1);
            let each = (server.resident_bytes() - before) as f64 / connections as f64;
            table.record("idle connection that is kept (B)", peer, each);
        }
        table.print();
    }
}
