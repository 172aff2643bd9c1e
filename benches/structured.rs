//! Futures made of futures: nanoseconds per operation of ours and of those of other crates, each measurement in a fresh
//! process, the contenders taking turns. All run in a task of our runtime, so that the difference is theirs alone.
//! `benches/README.md` has the method.

#[cfg(target_os = "linux")]
#[allow(dead_code, reason = "shared by all programs; each uses its part")]
mod common;
#[cfg(target_os = "linux")]
mod contests;
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
    use crate::common::report::{Divisor, Ratio, Table};
    use crate::contests::{CONTESTS, Contest};

    /// Our own column.
    const OURS: &str = "ours";

    pub(crate) fn main() {
        let arguments: Vec<String> = env::args().skip(1).collect();
        match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["--child", row, contender, operations] => {
                Cores::available().pin(Core::Measured);
                machine::settle_allocator();
                let contest = CONTESTS.iter().find(|contest| contest.name == row).expect("a row");
                let run = contest.contender(contender).expect("a contender");
                child::hand_over(&[(
                    contest.title,
                    run(operations.parse().expect("a number of operations")),
                )]);
            }
            _ => compare(&Options::parse(arguments.into_iter())),
        }
    }

    fn compare(options: &Options) {
        let mut columns: Vec<&str> = Vec::new();
        for (name, _) in CONTESTS.iter().flat_map(|contest| contest.contenders) {
            if !columns.contains(name) {
                columns.push(name);
            }
        }
        let columns = options.wanted_peers(columns);
        let ratio = Ratio { title: "ours / best peer", of: OURS, by: Divisor::BestPeer };
        let mut table = Table::with_ratios(&columns, vec![ratio]);
        for contest in CONTESTS.iter().filter(|contest| options.wants_row(contest.name)) {
            eprintln!("structured: {} …", contest.name);
            measure(contest, &columns, options, &mut table);
        }
        table.print();
    }

    /// Rounds outside, contenders inside, each round beginning with another one.
    fn measure(contest: &Contest, columns: &[&str], options: &Options, table: &mut Table) {
        let operations = if options.quick { contest.quick } else { contest.operations }.to_string();
        let names: Vec<&str> =
            contest.contenders.iter().map(|(name, _)| *name).filter(|name| columns.contains(name)).collect();
        for round in 0..options.rounds {
            for turn in 0..names.len() {
                let name = names[(round + turn) % names.len()];
                match child::figures(&["--child", contest.name, name, &operations]) {
                    Ok(figures) => {
                        figures.iter().for_each(|(title, value)| table.record(title, name, *value));
                    }
                    Err(reason) => eprintln!("structured: {} with {name}: {reason}", contest.name),
                }
            }
        }
    }
}
