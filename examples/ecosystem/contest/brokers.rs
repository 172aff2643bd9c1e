//! Jobs that do nothing, by way of a Redis server: our broker and Python's libraries, in processor time for each job and in jobs per
//! second. One process pushes them all and then does them, while the server is on the other core; `benches/README.md` has the method.

#[cfg(target_os = "linux")]
#[allow(dead_code, reason = "shared with the other contests; each uses its part")]
mod harness;
#[cfg(target_os = "linux")]
mod queues;

/// Where `report.rs` finds the names of columns.
#[cfg(target_os = "linux")]
mod peers {
    pub(crate) use crate::queues::OURS;
    /// Who has no column here.
    pub(crate) const TOKIO: &str = "";
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
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    use support::Redis;

    use crate::harness::machine::{self, Core, Cores};
    use crate::harness::options::Options;
    use crate::harness::report::{Divisor, Ratio, Table};
    use crate::queues::{COLUMNS, OURS, ROWS, Row, ours};

    /// The status by which a Python program says that its library is missing.
    const MISSING: i32 = 3;

    const TO_BEST: Ratio = Ratio { title: "ours / best peer", of: OURS, by: Divisor::BestPeer };

    pub(crate) fn main() {
        let cores = Cores::available();
        let arguments: Vec<String> = env::args().skip(1).collect();
        if let ["--client", row, peer, address, jobs] =
            arguments.iter().map(String::as_str).collect::<Vec<_>>()[..]
        {
            cores.pin(Core::Measured);
            client(ROWS.iter().find(|known| known.name == row).expect("a row"), peer, address, jobs);
            return;
        }
        let options = Options::parse(arguments.into_iter());
        // The server inherits this.
        cores.pin(Core::Feeding);
        // As most have it: on disk within a second.
        let Some(server) = Redis::start_with(&["--appendfsync", "everysec"]) else { return };
        compare(&options, &server);
    }

    fn client(row: &Row, peer: &str, address: &str, jobs: &str) {
        if peer == OURS {
            machine::settle_allocator();
            let [processor_us, wall_us] = ours::run(row, address, jobs.parse().expect("a number"));
            println!("{processor_us} {wall_us}");
            return;
        }
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/queues/peers.py");
        let python = env::var_os("PYTHON").unwrap_or_else(|| "python3".into());
        let mut program = Command::new(python);
        program.args([script, peer, address, &row.at_once.to_string(), jobs]);
        panic!("python3 was not found: {}", program.exec());
    }

    fn compare(options: &Options, server: &Redis) {
        let columns = options.wanted_peers(COLUMNS.iter().copied());
        let (mut spent, mut rate) =
            (Table::with_ratios(&columns, vec![TO_BEST]), Table::with_ratios(&columns, Vec::new()));
        for round in 0..options.rounds {
            for row in ROWS.iter().filter(|row| options.wants_row(row.name)) {
                eprintln!("brokers: {}, round {} …", row.name, round + 1);
                for turn in 0..columns.len() {
                    let peer = columns[(round + turn) % columns.len()];
                    let Some(jobs) = row.jobs(peer, options.quick) else { continue };
                    let Some([processor_us, wall_us]) = measure(row, peer, server, jobs) else { continue };
                    spent.record(&format!("{}: µs of processor time per job", row.title), peer, processor_us);
                    rate.record(&format!("{}: jobs per second", row.title), peer, 1e6 / wall_us);
                }
            }
        }
        spent.print();
        rate.print();
    }

    fn measure(row: &Row, peer: &str, server: &Redis, jobs: u64) -> Option<[f64; 2]> {
        let mut client = Command::new(env::current_exe().expect("own path"));
        client.args(["--client", row.name, peer, &server.address().to_string(), &jobs.to_string()]);
        let output = client.output().expect("it can be started");
        if output.status.code() == Some(MISSING) {
            eprintln!(
                "SKIPPED: {peer} is not installed (pip install {peer} redis; PYTHON names the interpreter)"
            );
            return None;
        }
        assert!(output.status.success(), "{peer}: {}", String::from_utf8_lossy(&output.stderr));
        let said = String::from_utf8(output.stdout).expect("numbers");
        let mut numbers = said.split_whitespace().map(|number| number.parse().expect("a number"));
        Some([numbers.next().expect("processor time"), numbers.next().expect("wall-clock time")])
    }
}
