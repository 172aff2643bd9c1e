//! Locks, semaphores, events and channels: nanoseconds per operation, each measurement in a fresh process, the libraries
//! taking turns, each on the runtime that it belongs to or on the best of several. `benches/README.md` has the method.

#[cfg(target_os = "linux")]
#[allow(dead_code, reason = "shared by all programs; each uses its part")]
mod common;
#[cfg(target_os = "linux")]
#[allow(dead_code, reason = "shared by two programs; each uses its part")]
mod coordination;
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

    use crate::common::child;
    use crate::common::machine::{self, Core, Cores};
    use crate::common::options::Options;
    use crate::common::report::Table;
    use crate::common::rows::{Figure, Row};
    use crate::coordination::rows::{self, ROWS};
    use crate::coordination::{self, LIBRARIES, Library, Visit};
    use crate::peers::Peer;

    pub(crate) fn main() {
        let arguments: Vec<String> = env::args().skip(1).collect();
        match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["--child", row, library, host, operations] => {
                Cores::available().pin(Core::Measured);
                machine::settle_allocator();
                let operations = operations.parse().expect("a number of operations");
                let measure = Measure { row, operations };
                child::hand_over(&coordination::with_library(library, host, measure));
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
        fn visit<L: Library, P: Peer>(self) -> Vec<Figure> {
            rows::measure::<L, P>(self.row, self.operations)
        }
    }

    fn compare(options: &Options) {
        let columns = options.wanted_peers(LIBRARIES.iter().map(|(name, _)| *name));
        let mut table = Table::with_ratios(&columns, coordination::ratios());
        for row in ROWS.iter().filter(|row| options.wants_row(row.name)) {
            eprintln!("sync: {} …", row.name);
            measure(row, &columns, options, &mut table);
        }
        table.print();
    }

    /// Rounds outside, libraries and their runtimes inside, each round beginning with another one. What fails is not
    /// asked again.
    fn measure(row: &Row, columns: &[&str], options: &Options, table: &mut Table) {
        let operations = if options.quick { row.quick } else { row.operations }.to_string();
        let wanted = LIBRARIES.iter().filter(|(library, _)| columns.contains(library));
        let pairs: Vec<_> = wanted
            .flat_map(|(library, hosts)| hosts.iter().map(|host| (*library, *host, hosts.len() > 1)))
            .collect();
        let mut failed = Vec::new();
        for round in 0..options.rounds {
            for turn in 0..pairs.len() {
                let (library, host, is_chosen) = pairs[(round + turn) % pairs.len()];
                if failed.contains(&(library, host)) {
                    continue;
                }
                match child::figures(&["--child", row.name, library, host, &operations]) {
                    Ok(figures) => {
                        let host = if is_chosen { host } else { "" };
                        figures
                            .iter()
                            .for_each(|(title, value)| table.record_on(host, title, library, *value));
                    }
                    Err(reason) => {
                        eprintln!("sync: {} with {library} on {host}: {reason}", row.name);
                        failed.push((library, host));
                    }
                }
            }
        }
    }
}
