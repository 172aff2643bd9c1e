//! Jobs in other processes, and messages to them: pools beside CPython's, `rayon` and threads, pipes and queues beside a bare
//! pair of sockets. Each measurement in a fresh process, the contenders taking turns. `benches/README.md` has the method.

#[cfg(target_os = "linux")]
#[allow(dead_code, reason = "shared by all programs; each uses its part")]
mod common;
#[cfg(target_os = "linux")]
#[allow(dead_code, reason = "shared by all programs; each uses its part")]
mod peers;
#[cfg(target_os = "linux")]
mod workers;

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
    use std::io::{BufRead, BufReader};
    use std::process::{Child, Command, Stdio};
    use std::time::Duration;

    use nix::sys::resource::{UsageWho, getrusage};
    use runtime::process;

    use crate::common::clock::{nanoseconds_each, now};
    use crate::common::machine;
    use crate::common::options::Options;
    use crate::common::report::{Divisor, Ratio, Table};
    use crate::peers::OURS;
    use crate::workers::{self, CONTENDERS, Contender, RAW};

    /// What is done so many times; its cost is the difference between so many and three times as many.
    struct Row {
        name: &'static str,
        title: &'static str,
        operations: u64,
        /// Nanoseconds in what the row is given in.
        unit: f64,
    }

    const ROWS: [Row; 9] = [
        Row { name: "empty", title: "empty job (µs)", operations: 20_000, unit: 1e3 },
        Row { name: "chunks", title: "empty job, 1,000 in a chunk (µs)", operations: 500_000, unit: 1e3 },
        Row { name: "kilobyte", title: "job with 1 kB (µs)", operations: 20_000, unit: 1e3 },
        Row { name: "megabyte", title: "job with 1 MB (µs)", operations: 300, unit: 1e3 },
        Row { name: "start", title: "pool of 2: start, a job each, end (ms)", operations: 20, unit: 1e6 },
        Row { name: "process", title: "a process: start, call, end (ms)", operations: 20, unit: 1e6 },
        Row { name: "pipe", title: "pipe: round trip of 8 B (µs)", operations: 20_000, unit: 1e3 },
        Row { name: "blocking-pipe", title: "the same, without await (µs)", operations: 20_000, unit: 1e3 },
        Row { name: "queue", title: "queue: round trip of 8 B (µs)", operations: 20_000, unit: 1e3 },
    ];
    const MEMORY: &str = "memory";

    pub(crate) fn main() {
        // Our workers are this program, started again.
        let _init = process::init();
        let arguments: Vec<String> = env::args().skip(1).collect();
        match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["--run", contender, row, operations] => {
                machine::settle_allocator();
                let operations = operations.parse().expect("a number of operations");
                workers::run(contender, row, operations);
            }
            _ => compare(&Options::parse(arguments.into_iter())),
        }
    }

    fn compare(options: &Options) {
        let there: Vec<&Contender> = CONTENDERS.iter().filter(|contender| contender.is_there()).collect();
        let columns = options.wanted_peers(there.iter().map(|contender| contender.name));
        let mut ratios: Vec<Ratio> = ["ProcessPoolExecutor", "multiprocessing"]
            .into_iter()
            .zip(["ours / executor", "ours / multiprocessing"])
            .map(|(peer, title)| Ratio { title, of: OURS, by: Divisor::Column(peer) })
            .collect();
        ratios.push(Ratio { title: "ours / socketpair", of: OURS, by: Divisor::Column(RAW) });
        ratios.push(Ratio { title: "threads / rayon", of: "ours-threads", by: Divisor::Column("rayon") });
        let mut table = Table::with_ratios(&columns, ratios);
        for round in 0..options.rounds {
            eprintln!("processes: round {} …", round + 1);
            for turn in 0..columns.len() {
                let name = columns[(round + turn) % columns.len()];
                let contender = there.iter().find(|known| known.name == name).expect("one of them");
                measure(contender, options, &mut table);
            }
        }
        table.print();
    }

    fn measure(contender: &Contender, options: &Options, table: &mut Table) {
        for row in ROWS.iter().filter(|row| options.wants_row(row.name) && contender.does(row.name)) {
            let operations = if options.quick { row.operations.div_ceil(10) } else { row.operations };
            let few = spent(contender.name, row.name, operations);
            let many = spent(contender.name, row.name, 3 * operations);
            for (what, of) in [("wall", 0), ("processor", 1)] {
                let each = nanoseconds_each(many[of].saturating_sub(few[of]), 2 * operations);
                table.record(&format!("{}: {what}", row.title), contender.name, each / row.unit);
            }
        }
        if options.wants_row(MEMORY) && contender.does(MEMORY) {
            table.record(
                "memory of a worker that nobody else has (kB)",
                contender.name,
                memory(contender.name),
            );
        }
    }

    fn start(contender: &str, row: &str, operations: u64) -> Child {
        Command::new(env::current_exe().expect("own path"))
            .args(["--run", contender, row, &operations.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts")
    }

    /// Time on the wall, and processor time of a process and its children, for so many.
    fn spent(contender: &str, row: &str, operations: u64) -> [Duration; 2] {
        let of_children = || {
            let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("own children");
            let [user, system] = [usage.user_time(), usage.system_time()];
            let micros = (user.tv_sec() + system.tv_sec()) * 1_000_000 + user.tv_usec() + system.tv_usec();
            Duration::from_micros(u64::try_from(micros).expect("not negative"))
        };
        let (began, before) = (now(), of_children());
        let status = start(contender, row, operations).wait().expect("it ends");
        assert!(status.success(), "{contender} failed at {row}: {status}");
        [began.elapsed(), of_children() - before]
    }

    /// Of a pool's workers that have done something, the mean, in kilobytes.
    fn memory(contender: &str) -> f64 {
        let mut process = start(contender, MEMORY, 0);
        let mut line = String::new();
        let output = process.stdout.take().expect("a pipe");
        BufReader::new(output).read_line(&mut line).expect("the workers' numbers");
        let workers: Vec<u32> = line.split_whitespace().map(|pid| pid.parse().expect("a number")).collect();
        let bytes: u64 = workers.iter().map(|&pid| machine::private_bytes(pid)).sum();
        drop(process.stdin.take());
        process.wait().expect("it ends");
        bytes as f64 / workers.len() as f64 / 1000.0
    }
}
