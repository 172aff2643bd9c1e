//! Echo servers: processor time of the server per request, the server in a process and on a core of its own, one
//! byte-checking client for all of them. `benches/README.md` has the method.

#[cfg(target_os = "linux")]
#[allow(dead_code, reason = "shared by all programs; each uses its part")]
mod common;
#[cfg(target_os = "linux")]
#[allow(dead_code, reason = "shared by all programs; each uses its part")]
mod peers;

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
    use std::net::SocketAddr;
    use std::time::Duration;

    use crate::common::churn::Churn;
    use crate::common::clock::nanoseconds_each;
    use crate::common::echo_server::{self, BLOCKING, LENDING, OWNING};
    use crate::common::load::{Load, Shape};
    use crate::common::machine::{self, Core, Cores};
    use crate::common::options::Options;
    use crate::common::report::Table;
    use crate::common::server::Server;
    use crate::common::strace::Summary;
    use crate::peers::{NAMES, NO_ECHO, raw_mio};

    struct Mode {
        name: &'static str,
        title: &'static str,
        traffic: Traffic,
        handler: &'static str,
    }

    #[derive(Clone, Copy)]
    enum Traffic {
        /// Messages back and forth on connections that stay.
        Steady(Shape),
        /// This many clients at a time, each with a connection of its own for one message.
        Churn(usize),
    }

    const fn steady(connections: usize, size: usize, depth: u64) -> Traffic {
        Traffic::Steady(Shape { connections, size, depth })
    }

    const fn mode(name: &'static str, title: &'static str, traffic: Traffic) -> Mode {
        Mode { name, title, traffic, handler: OWNING }
    }

    const MODES: &[Mode] = &[
        mode("echo_64", "echo 64 B × 64 connections", steady(64, 64, 1)),
        Mode {
            handler: LENDING,
            ..mode("echo_64_lent", "the same, buffer lent when readable", steady(64, 64, 1))
        },
        Mode {
            handler: BLOCKING,
            ..mode("echo_64_blocking", "the same in blocking style", steady(64, 64, 1))
        },
        mode("echo_1k", "echo 1 KiB × 512 connections", steady(512, 1024, 1)),
        mode("pipelined", "16 × 16 pipelined, 64 B", steady(16, 64, 16)),
        // So many connections that their buffers lie at all offsets within a page; see the README.
        mode("streaming", "streaming 64 KiB, 32 connections × 2", steady(32, 64 * 1024, 2)),
        mode("churn", "connection churn, 32 at a time", Traffic::Churn(32)),
    ];

    pub(crate) fn main() {
        let cores = Cores::available();
        let arguments: Vec<String> = env::args().skip(1).collect();
        match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["--serve", peer, handler] => echo_server::serve(peer, handler, cores),
            ["--load", address, mode, requests] => {
                let mode = MODES.iter().find(|known| known.name == mode).expect("a known mode");
                cores.pin(Core::Feeding);
                let address = address.parse().expect("an address");
                let requests = requests.parse().expect("a number of requests");
                println!("{}", Client::new(address, mode.traffic).run_count(requests));
            }
            _ => {
                let options = Options::parse(arguments.into_iter());
                cores.pin(Core::Feeding);
                machine::raise_descriptor_limit();
                compare(&options);
            }
        }
    }

    fn compare(options: &Options) {
        let servers = NAMES.iter().copied().filter(|name| !NO_ECHO.contains(name)).chain([raw_mio::NAME]);
        let columns = options.wanted_peers(servers);
        let mut table = Table::new(&columns, &[]);
        for mode in MODES.iter().filter(|mode| options.wants_row(mode.name)) {
            for round in 0..options.rounds {
                eprintln!("echo: {}, round {} …", mode.name, round + 1);
                for turn in 0..columns.len() {
                    let peer = columns[(round + turn) % columns.len()];
                    if options.syscalls {
                        let title = format!("{}: system calls per request", mode.title);
                        record(&mut table, &title, peer, syscalls(mode, peer));
                    } else {
                        let title = format!("{}: server CPU per request (µs)", mode.title);
                        record(&mut table, &title, peer, processor_time(mode, peer, options.quick));
                    }
                }
                if options.syscalls {
                    break;
                }
            }
        }
        table.print();
    }

    fn record(table: &mut Table, title: &str, peer: &str, value: Option<f64>) {
        if let Some(value) = value {
            table.record(title, peer, value);
        }
    }

    /// Microseconds of the server's processor time per request, after a warm-up.
    fn processor_time(mode: &Mode, peer: &str, quick: bool) -> Option<f64> {
        let server = Server::start(peer, mode.handler)?;
        let mut client = Client::new(server.address, mode.traffic);
        client.run(quick, true);
        let before = server.processor_time();
        let requests = client.run(quick, false);
        Some(nanoseconds_each(server.processor_time() - before, requests) / 1e3)
    }

    /// System calls per request: N requests against three times N, so that starting up and connecting cancel.
    fn syscalls(mode: &Mode, peer: &str) -> Option<f64> {
        const REQUESTS: u64 = 5_000;
        let count = |requests| {
            let summary = Summary::new();
            let server = Server::start_under(&summary.wrapper(), peer, mode.handler)?;
            let answered = Client::new(server.address, mode.traffic).run_count(requests);
            drop(server);
            Some((summary.calls(), answered))
        };
        let (few, many) = (count(REQUESTS)?, count(3 * REQUESTS)?);
        Some((many.0 as f64 - few.0 as f64) / (many.1 - few.1) as f64)
    }

    enum Client {
        Steady(Load),
        Churn(Churn),
    }

    impl Client {
        fn new(server: SocketAddr, traffic: Traffic) -> Client {
            match traffic {
                Traffic::Steady(shape) => Client::Steady(Load::connect(server, shape)),
                Traffic::Churn(clients) => Client::Churn(Churn::new(server, clients)),
            }
        }

        fn run_count(&mut self, requests: u64) -> u64 {
            match self {
                Client::Steady(load) => load.run_count(requests),
                Client::Churn(churn) => churn.run_count(requests),
            }
        }

        /// A window of load, or the warm-up before it; the number of requests answered.
        fn run(&mut self, quick: bool, warm_up: bool) -> u64 {
            let (window_ms, visits) = match (quick, warm_up) {
                (true, true) => (50, 200),
                (true, false) => (250, 2_000),
                (false, true) => (300, 1_000),
                (false, false) => (1_200, 12_000),
            };
            match self {
                Client::Steady(load) => load.run_for(Duration::from_millis(window_ms)),
                Client::Churn(churn) => churn.run_count(visits),
            }
        }
    }
}
