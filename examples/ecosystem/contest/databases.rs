//! Clients of Redis and PostgreSQL on our runtime and on tokio's: processor time, system calls and instructions per request. The
//! client is what is measured, each time in a process of its own, while the server is on the other core; `benches/README.md`
//! has the method.

#[cfg(target_os = "linux")]
mod clients;
#[cfg(target_os = "linux")]
#[allow(dead_code, reason = "shared with the other contest; each uses its part")]
mod harness;

/// Where `report.rs` finds the names of columns.
#[cfg(target_os = "linux")]
mod peers {
    pub(crate) use crate::clients::{OURS, TOKIO};
    /// What is no runtime, and so no rival: nobody here.
    pub(crate) const FLOOR: &str = "";
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
    use std::net::SocketAddr;
    use std::process::Command;

    use support::{Postgres, Redis};

    use crate::clients::{OURS, ROWS, Row, Server, TOKIO};
    use crate::harness::clock::nanoseconds_each;
    use crate::harness::count::{Counted, Tally};
    use crate::harness::machine::{self, Core, Cores};
    use crate::harness::options::Options;
    use crate::harness::report::{Divisor, Ratio, Table};

    pub(crate) fn main() {
        let cores = Cores::available();
        let mut arguments: Vec<String> = env::args().skip(1).collect();
        if let ["--client", row, peer, address, operations] =
            arguments.iter().map(String::as_str).collect::<Vec<_>>()[..]
        {
            cores.pin(Core::Measured);
            machine::settle_allocator();
            let row = ROWS.iter().find(|known| known.name == row).expect("a row");
            let operations = operations.parse().expect("a number");
            let spent = row.run(peer, address.parse().expect("an address"), operations);
            println!("{}", nanoseconds_each(spent, operations) / 1e3);
            return;
        }
        let asked = arguments.len();
        arguments.retain(|argument| argument != "--instructions");
        let counts_instructions = arguments.len() < asked;
        let options = Options::parse(arguments.into_iter());
        // The servers inherit this.
        cores.pin(Core::Feeding);
        let servers = Servers::start(&options);
        if counts_instructions {
            count(&options, &servers, Counted::Instructions);
        } else if options.syscalls {
            count(&options, &servers, Counted::Calls);
        } else {
            compare(&options, &servers);
        }
    }

    /// Those that are needed and installed.
    struct Servers {
        redis: Option<Redis>,
        postgres: Option<Postgres>,
    }

    impl Servers {
        fn start(options: &Options) -> Servers {
            let is_wanted =
                |server| ROWS.iter().any(|row| row.server == server && options.wants_row(row.name));
            Servers {
                redis: is_wanted(Server::Redis).then(Redis::start).flatten(),
                postgres: is_wanted(Server::Postgres).then(Postgres::start).flatten(),
            }
        }

        fn address(&self, server: Server) -> Option<SocketAddr> {
            match server {
                Server::Redis => self.redis.as_ref().map(Redis::address),
                Server::Postgres => self.postgres.as_ref().map(Postgres::address),
            }
        }

        /// The rows that are wanted, with where their servers are.
        fn rows(&self, options: &Options) -> Vec<(&'static Row, SocketAddr)> {
            let wanted = ROWS.iter().filter(|row| options.wants_row(row.name));
            wanted.filter_map(|row| Some((row, self.address(row.server)?))).collect()
        }
    }

    const TO_TOKIO: Ratio = Ratio { title: "ours / tokio", of: OURS, by: Divisor::Column(TOKIO) };

    fn compare(options: &Options, servers: &Servers) {
        let columns = options.wanted_peers([OURS, TOKIO]);
        let mut table = Table::with_ratios(&columns, vec![TO_TOKIO]);
        for round in 0..options.rounds {
            for (row, address) in servers.rows(options) {
                eprintln!("databases: {}, round {} …", row.name, round + 1);
                let operations = if options.quick { row.operations / 10 } else { row.operations };
                for turn in 0..columns.len() {
                    let peer = columns[(round + turn) % columns.len()];
                    let mut client = Command::new(env::current_exe().expect("own path"));
                    let said = said_by(add_arguments(&mut client, row, peer, address, operations));
                    table.record(row.title, peer, said.trim().parse().expect("a number"));
                }
            }
        }
        table.print();
    }

    /// Per request: so many requests against three times as many, so that starting up and connecting cancel.
    fn count(options: &Options, servers: &Servers, counted: Counted) {
        let columns = options.wanted_peers([OURS, TOKIO]);
        let mut table = Table::with_ratios(&columns, vec![TO_TOKIO]);
        let what = if counted == Counted::Calls { "system calls" } else { "instructions" };
        for (row, address) in servers.rows(options) {
            for peer in &columns {
                eprintln!("databases: {}, {what} of {peer} …", row.name);
                let tally = |operations| {
                    let tally = Tally::new(counted);
                    let wrapper = tally.wrapper();
                    let mut client = Command::new(wrapper[0]);
                    client.args(&wrapper[1..]).arg(env::current_exe().expect("own path"));
                    said_by(add_arguments(&mut client, row, peer, address, operations));
                    tally.read() as f64
                };
                let few = row.operations / 10;
                // A tenth more of each is what gets it going.
                let each = (tally(3 * few) - tally(few)) / (2.2 * few as f64);
                table.record(&format!("{}: {what}", row.name), peer, each);
            }
        }
        table.print();
    }

    fn add_arguments<'a>(
        client: &'a mut Command,
        row: &Row,
        peer: &str,
        address: SocketAddr,
        operations: u64,
    ) -> &'a mut Command {
        client.args(["--client", row.name, peer, &address.to_string(), &operations.to_string()])
    }

    fn said_by(client: &mut Command) -> String {
        let output = client.output().expect("it can be started");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("a number")
    }
}
