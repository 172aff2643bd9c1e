//! Datagrams, Unix sockets, proxies, files, children and standard streams: processor time per operation, each measurement
//! in a fresh process, the contenders taking turns. `benches/README.md` has the method.

#[cfg(target_os = "linux")]
#[allow(dead_code, reason = "shared by all programs; each uses its part")]
mod common;
#[cfg(target_os = "linux")]
#[allow(dead_code, reason = "shared by all programs; each uses its part")]
mod peers;
#[cfg(target_os = "linux")]
mod services;

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
    use std::ffi::OsStr;
    use std::process::Command;
    use std::time::Duration;

    use crate::common::child;
    use crate::common::clock::nanoseconds_each;
    use crate::common::machine::{self, Core, Cores};
    use crate::common::options::Options;
    use crate::common::report::{Divisor, Ratio, Table};
    use crate::common::strace::Summary;
    use crate::peers::{OURS, TOKIO};
    use crate::services::{IN_BATCHES, ROWS, Row, Work};

    /// How often a served contender is asked, when its system calls are counted.
    const WINDOWS: u64 = 100;

    pub(crate) fn main() {
        let cores = Cores::available();
        let arguments: Vec<String> = env::args().skip(1).collect();
        match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["--child", row, contender, operations] => {
                cores.pin(Core::Measured);
                machine::settle_allocator();
                let row = ROWS.iter().find(|known| known.name == row).expect("a row");
                let operations = operations.parse().expect("a number of operations");
                child::hand_over(&[(row.title, row.run(contender, operations))]);
            }
            ["--serve", row, contender] => {
                // Beside who asks, so that it has its turn when all have been asked.
                cores.pin(Core::Feeding);
                machine::settle_allocator();
                ROWS.iter().find(|known| known.name == row).expect("a row").serve(contender);
            }
            _ => {
                cores.pin(Core::Feeding);
                compare(&Options::parse(arguments.into_iter()));
            }
        }
    }

    fn compare(options: &Options) {
        let mut columns: Vec<&str> = Vec::new();
        for name in ROWS.iter().flat_map(Row::contenders) {
            if !columns.contains(&name) {
                columns.push(name);
            }
        }
        let columns = options.wanted_peers(columns);
        let ratios = vec![
            Ratio { title: "ours / best peer", of: OURS, by: Divisor::BestPeer },
            Ratio { title: "ours / tokio", of: OURS, by: Divisor::Column(TOKIO) },
            Ratio { title: "in batches / tokio", of: IN_BATCHES, by: Divisor::Column(TOKIO) },
        ];
        let mut table = Table::with_ratios(&columns, ratios);
        for row in ROWS.iter().filter(|row| options.wants_row(row.name)) {
            let names: Vec<&str> = row.contenders().filter(|name| columns.contains(name)).collect();
            let title = match options.syscalls {
                true => format!("{}: system calls", row.what),
                false => row.title.to_owned(),
            };
            let rounds = if options.syscalls { 1 } else { options.rounds };
            for round in 0..rounds {
                eprintln!("system: {}, round {} …", row.name, round + 1);
                for turn in 0..names.len() {
                    let name = names[(round + turn) % names.len()];
                    let figure = match options.syscalls {
                        true => Ok(system_calls(row, name)),
                        false => processor_time(row, name, options.quick),
                    };
                    match figure {
                        Ok(figure) => table.record(&title, name, figure),
                        Err(reason) => eprintln!("system: {} with {name}: {reason}", row.name),
                    }
                }
            }
        }
        table.print();
    }

    /// Microseconds of processor time per operation.
    fn processor_time(row: &Row, contender: &str, quick: bool) -> Result<f64, String> {
        let operations = if quick { row.operations / 10 } else { row.operations };
        match row.work {
            Work::Alone(_) => {
                let figures = child::figures(&["--child", row.name, contender, &operations.to_string()])?;
                Ok(figures[0].1)
            }
            Work::Served { .. } => {
                let mut serving = row.start(&[], contender);
                serving.exchange(operations / 10);
                let before = machine::processor_time_of(serving.process());
                serving.exchange(operations);
                let used = machine::processor_time_of(serving.process()) - before;
                Ok(nanoseconds_each(used, operations) / 1e3)
            }
        }
    }

    /// System calls per operation: so many operations against three times as many, so that starting up cancels.
    fn system_calls(row: &Row, contender: &str) -> f64 {
        let few = match row.work {
            Work::Alone(_) => row.operations / 10,
            Work::Served { .. } => row.window * WINDOWS,
        };
        let count = |operations: u64| {
            let summary = Summary::new();
            match row.work {
                Work::Alone(_) => {
                    let program = env::current_exe().expect("own path");
                    let mut line = summary.wrapper().to_vec();
                    let operations = operations.to_string();
                    let arguments = ["--child", row.name, contender, &operations].map(OsStr::new);
                    line.extend([program.as_os_str()].into_iter().chain(arguments));
                    let ended = Command::new(line[0]).args(&line[1..]).output();
                    assert!(ended.expect("strace runs").status.success(), "{contender} failed under strace");
                }
                Work::Served { .. } => {
                    let mut serving = row.start(&summary.wrapper(), contender);
                    for _ in 0..operations / row.window {
                        serving.exchange(row.window);
                        rest();
                    }
                }
            }
            summary.calls() as f64
        };
        (count(3 * few) - count(few)) / (2 * few) as f64
    }

    /// What serves has nothing left to do: otherwise, slowed down by the tracer, it would find the next request whenever it
    /// looks whether there is one.
    #[expect(clippy::disallowed_methods, reason = "no runtime runs here")]
    fn rest() {
        std::thread::sleep(Duration::from_millis(2));
    }
}
