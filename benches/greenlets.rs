//! Greenlets beside tasks, `may`, Go's goroutines and gevent: processor time of yields, starts and echo servers, and memory
//! of one that waits. Each measurement in a fresh process, the contenders taking turns. `benches/README.md` has the method.

#[cfg(target_os = "linux")]
#[allow(dead_code, reason = "shared by all programs; each uses its part")]
mod common;
#[cfg(target_os = "linux")]
#[allow(dead_code, reason = "shared by all programs; each uses its part")]
mod peers;
#[cfg(target_os = "linux")]
mod stackful;

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
    use std::process::{Child, ChildStdout, Command, Stdio};
    use std::time::Duration;

    use nix::sys::resource::{UsageWho, getrusage};

    use crate::common::clock::nanoseconds_each;
    use crate::common::load::{Load, Shape};
    use crate::common::machine::{self, Core, Cores};
    use crate::common::options::Options;
    use crate::common::report::{Divisor, Ratio, Table};
    use crate::stackful::{self, CONTENDERS, Contender, ROUTES, TASKS};

    /// What is done so many times; its cost is the difference between so many and three times as many.
    struct Row {
        name: &'static str,
        title: &'static str,
        operations: u64,
    }

    const ROWS: [Row; 3] = [
        Row { name: "switch", title: "there and back, without a loop (ns)", operations: 10_000_000 },
        Row { name: "yield", title: "one of two gives way to the other (ns)", operations: 2_000_000 },
        Row { name: "spawn", title: "start one and wait for its end (ns)", operations: 500_000 },
    ];
    const ECHO: &str = "echo";
    const IDLE: &str = "idle";
    /// Slower by so much that fewer do.
    const PYTHONS_SHARE: u64 = 20;

    pub(crate) fn main() {
        let cores = Cores::available();
        let arguments: Vec<String> = env::args().skip(1).collect();
        match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["--run", contender, row, operations] => {
                cores.pin(Core::Measured);
                machine::settle_allocator();
                machine::raise_descriptor_limit();
                let operations = operations.parse().expect("a number of operations");
                stackful::run(contender, row, operations);
                std::process::exit(0)
            }
            _ => {
                cores.pin(Core::Feeding);
                compare(&Options::parse(arguments.into_iter()));
            }
        }
    }

    fn compare(options: &Options) {
        let there: Vec<&Contender> = CONTENDERS.iter().filter(|contender| contender.is_there()).collect();
        let columns = options.wanted_peers(there.iter().map(|contender| contender.name));
        let ratios = vec![
            Ratio { title: "ours / best peer", of: crate::peers::OURS, by: Divisor::BestPeer },
            Ratio { title: "ours / tasks", of: crate::peers::OURS, by: Divisor::Column(TASKS) },
            Ratio { title: "tasks / best peer", of: TASKS, by: Divisor::BestPeer },
            Ratio { title: "ours / corosensei", of: crate::peers::OURS, by: Divisor::Column(ROUTES) },
        ];
        let mut table = Table::with_ratios(&columns, ratios);
        for round in 0..options.rounds {
            eprintln!("greenlets: round {} …", round + 1);
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
            let mut operations = if options.quick { row.operations / 20 } else { row.operations };
            if contender.is_slow {
                operations /= PYTHONS_SHARE;
            }
            let few = spent(contender.name, row.name, operations);
            let many = spent(contender.name, row.name, 3 * operations);
            table.record(
                row.title,
                contender.name,
                nanoseconds_each(many.saturating_sub(few), 2 * operations),
            );
        }
        if options.wants_row(IDLE) && contender.does(IDLE) {
            let (few, many) = if options.quick { (1_000, 3_000) } else { (1_000, 21_000) };
            let bytes = resident(contender.name, many) - resident(contender.name, few);
            table.record("memory of one that waits (B)", contender.name, bytes / (many - few) as f64);
        }
        if options.wants_row(ECHO) && contender.does(ECHO) {
            let title = "echo 64 B × 64 connections: server CPU per request (µs)";
            table.record(title, contender.name, echo(contender.name, options.quick));
        }
    }

    fn start(contender: &str, row: &str, operations: u64) -> Child {
        Command::new(env::current_exe().expect("own path"))
            .args(["--run", contender, row, &operations.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts")
    }

    /// Processor time of a process that does so many.
    fn spent(contender: &str, row: &str, operations: u64) -> Duration {
        let of_children = || {
            let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("own children");
            let [user, system] = [usage.user_time(), usage.system_time()];
            let micros = (user.tv_sec() + system.tv_sec()) * 1_000_000 + user.tv_usec() + system.tv_usec();
            Duration::from_micros(u64::try_from(micros).expect("not negative"))
        };
        let before = of_children();
        let status = start(contender, row, operations).wait().expect("it ends");
        assert!(status.success(), "{contender} failed at {row}: {status}");
        of_children() - before
    }

    /// A process that says something once it is ready, and is ended when this is dropped.
    struct Ready {
        child: Child,
        said: String,
        _stdout: BufReader<ChildStdout>,
    }

    impl Ready {
        fn start(contender: &str, row: &str, operations: u64) -> Ready {
            let mut child = start(contender, row, operations);
            let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
            let mut said = String::new();
            stdout.read_line(&mut said).expect("it speaks");
            Ready { child, said: said.trim().to_owned(), _stdout: stdout }
        }
    }

    impl Drop for Ready {
        fn drop(&mut self) {
            self.child.kill().expect("our child");
            self.child.wait().expect("it ends");
        }
    }

    fn resident(contender: &str, waiting: u64) -> f64 {
        let ready = Ready::start(contender, IDLE, waiting);
        machine::resident_bytes(ready.child.id()) as f64
    }

    fn echo(contender: &str, quick: bool) -> f64 {
        let server = Ready::start(contender, ECHO, 0);
        let address = server.said.parse().expect("an address");
        let mut load = Load::connect(address, Shape { connections: 64, size: 64, depth: 1 });
        let (warm_up, window) = if quick { (50, 250) } else { (300, 1_200) };
        load.run_for(Duration::from_millis(warm_up));
        let before = machine::processor_time_of(server.child.id());
        let requests = load.run_for(Duration::from_millis(window));
        nanoseconds_each(machine::processor_time_of(server.child.id()) - before, requests) / 1e3
    }
}
