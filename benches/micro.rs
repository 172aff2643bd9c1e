//! Tasks, yields, timers and cross-thread wakes: nanoseconds per operation, each measurement in a fresh process, the
//! runtimes taking turns. `benches/README.md` has the method.

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
    use std::process::{Command, Stdio};

    use crate::common::child;
    use crate::common::foreign;
    use crate::common::machine::{self, Core, Cores};
    use crate::common::options::Options;
    use crate::common::report::Table;
    use crate::common::rows::{self, Figure, ROWS, Row};
    use crate::common::strace::Summary;
    use crate::peers::{self, Peer, Visit};

    pub(crate) fn main() {
        let arguments: Vec<String> = env::args().skip(1).collect();
        match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["--child", row, peer, operations] => {
                let cores = Cores::available();
                foreign::note_cores(cores);
                cores.pin(Core::Measured);
                machine::settle_allocator();
                let operations = operations.parse().expect("a number of operations");
                child::hand_over(&peers::with_peer(peer, Measure { row, operations }));
            }
            _ => compare(&Options::parse(arguments.into_iter())),
        }
    }

    struct Measure<'a> {
        row: &'a str,
        operations: u64,
    }

    impl Visit for Measure<'_> {
        type Output = Vec<Figure>;
        fn visit<P: Peer>(self) -> Vec<Figure> {
            rows::measure::<P>(self.row, self.operations)
        }
    }

    fn compare(options: &Options) {
        let columns = options.wanted_peers(peers::NAMES.iter().copied());
        let mut table = Table::new(&columns, &[rows::EARLIEST]);
        for row in ROWS.iter().filter(|row| options.wants_row(row.name)) {
            eprintln!("micro: {} …", row.name);
            if options.syscalls {
                count_syscalls(row, &columns, &mut table);
            } else {
                measure(row, &columns, options, &mut table);
            }
        }
        table.print();
    }

    /// Rounds outside, peers inside, each round beginning with another peer. A peer that fails is not asked again.
    fn measure(row: &Row, columns: &[&str], options: &Options, table: &mut Table) {
        let operations = if options.quick { row.quick } else { row.operations }.to_string();
        let mut failed = Vec::new();
        for round in 0..options.rounds {
            for turn in 0..columns.len() {
                let peer = columns[(round + turn) % columns.len()];
                if failed.contains(&peer) {
                    continue;
                }
                match child::figures(&["--child", row.name, peer, &operations]) {
                    Ok(figures) => {
                        figures.iter().for_each(|(title, value)| table.record(title, peer, *value));
                    }
                    Err(reason) => {
                        eprintln!("micro: {} on {peer}: {reason}", row.name);
                        failed.push(peer);
                    }
                }
            }
        }
    }

    /// Calls per operation: twice as many operations less once as many, so that starting up cancels.
    fn count_syscalls(row: &Row, columns: &[&str], table: &mut Table) {
        let operations = row.quick;
        for peer in columns {
            let counts = [operations, 2 * operations].map(|operations| calls(row.name, peer, operations));
            if let [Some(once), Some(twice)] = counts {
                let title = format!("{}: system calls per operation", row.name);
                table.record(&title, peer, (twice as f64 - once as f64) / operations as f64);
            }
        }
    }

    /// All system calls of one child.
    fn calls(row: &str, peer: &str, operations: u64) -> Option<u64> {
        let summary = Summary::new();
        let wrapper = summary.wrapper();
        let mut traced = Command::new(wrapper[0]);
        traced.args(&wrapper[1..]).arg(env::current_exe().expect("own path"));
        traced.args(["--child", row, peer, &operations.to_string()]);
        let status =
            traced.stdout(Stdio::null()).stderr(Stdio::null()).status().expect("strace is installed");
        status.success().then(|| summary.calls())
    }
}
