//! Memory: bytes per parked task, per parked greenlet and per idle connection, by the resident size of a fresh process for each
//! measurement. `benches/README.md` has the method.

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
    use std::cell::Cell;
    use std::env;
    use std::pin::Pin;
    use std::task::{Context, Poll, Waker};

    use runtime::greenlet;

    use crate::common::child;
    use crate::common::echo_server::{self, LENDING, OWNING};
    use crate::common::load::{Load, Shape};
    use crate::common::machine::{self, Core, Cores};
    use crate::common::options::Options;
    use crate::common::report::Table;
    use crate::common::rows::Figure;
    use crate::common::server::Server;
    use crate::peers::ours::Ours;
    use crate::peers::{self, NAMES, NO_ECHO, Peer, Visit, raw_mio};

    pub(crate) fn main() {
        let cores = Cores::available();
        let arguments: Vec<String> = env::args().skip(1).collect();
        match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["--serve", peer, handler] => {
                machine::raise_descriptor_limit();
                echo_server::serve(peer, handler, cores);
            }
            ["--child", "parked", peer, tasks] => {
                cores.pin(Core::Measured);
                let tasks = tasks.parse().expect("a number of tasks");
                child::hand_over(&[peers::with_peer(peer, Park { tasks })]);
            }
            ["--child", "greenlets", greenlets] => {
                cores.pin(Core::Measured);
                let greenlets = greenlets.parse().expect("a number of greenlets");
                let bytes = Ours::run(park_greenlets(greenlets));
                child::hand_over(&[("parked", bytes)]);
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
        let columns = options.wanted_peers(NAMES.iter().copied().chain([raw_mio::NAME]));
        let mut table = Table::new(&columns, &[]);
        for round in 0..options.rounds {
            eprintln!("memory: round {} …", round + 1);
            for turn in 0..columns.len() {
                let peer = columns[(round + turn) % columns.len()];
                if options.wants_row("parked") && peer != raw_mio::NAME {
                    parked(peer, options.quick, &mut table);
                }
                if options.wants_row("greenlet") && peer == Ours::NAME {
                    greenlets(options.quick, &mut table);
                }
                if options.wants_row("idle") && !NO_ECHO.contains(&peer) {
                    let connections = if options.quick { 2_000 } else { 10_000 };
                    for handler in [OWNING, LENDING] {
                        if let Some(bytes) = idle(peer, handler, connections) {
                            let title = format!(
                                "idle connection, buffer {handler} handler, {connections} of them (B)"
                            );
                            table.record(&title, peer, bytes);
                        }
                    }
                }
            }
        }
        table.print();
    }

    fn parked(peer: &str, quick: bool, table: &mut Table) {
        let tasks = if quick { "100000" } else { "1000000" };
        match child::figures(&["--child", "parked", peer, tasks]) {
            Ok(figures) => {
                let title = format!("memory per parked task, {tasks} of them (B)");
                figures.iter().for_each(|(_, value)| table.record(&title, peer, *value));
            }
            Err(reason) => eprintln!("memory: parked tasks on {peer}: {reason}"),
        }
    }

    fn greenlets(quick: bool, table: &mut Table) {
        let greenlets = if quick { "10000" } else { "100000" };
        match child::figures(&["--child", "greenlets", greenlets]) {
            Ok(figures) => {
                let title = format!("memory per parked greenlet, {greenlets} of them (B)");
                figures.iter().for_each(|(_, value)| table.record(&title, Ours::NAME, *value));
            }
            Err(reason) => eprintln!("memory: parked greenlets: {reason}"),
        }
    }

    struct Park {
        tasks: u64,
    }

    impl Visit for Park {
        type Output = Figure;
        fn visit<P: Peer>(self) -> Figure {
            ("parked", P::run(park::<P>(self.tasks)))
        }
    }

    /// Tasks come a thousand at a time, as they do in a server: the run queue need not hold them all at once. Each keeps
    /// its waker, as everything that waits does.
    async fn park<P: Peer>(tasks: u64) -> f64 {
        const AT_ONCE: u64 = 1_000;
        let mut spawned = 0;
        let mut before = 0;
        while spawned < tasks + AT_ONCE {
            for _ in 0..AT_ONCE {
                P::spawn_detached(WaitForEver(None));
            }
            spawned += AT_ONCE;
            // Not `yield_now`, by which a task on monoio overtakes everybody for ever.
            while PARKED.get() < spawned {
                P::spawn(async {}).await;
            }
            if spawned == AT_ONCE {
                // The first thousand warmed everything up and are not counted.
                before = machine::resident_bytes(std::process::id());
            }
        }
        let after = machine::resident_bytes(std::process::id());
        (after - before) as f64 / tasks as f64
    }

    /// The same with greenlets, which wait for the same.
    async fn park_greenlets(greenlets: u64) -> f64 {
        const AT_ONCE: u64 = 1_000;
        let mut spawned = 0;
        let mut before = 0;
        while spawned < greenlets + AT_ONCE {
            for _ in 0..AT_ONCE {
                greenlet::spawn(|| greenlet::wait(WaitForEver(None))).detach();
            }
            spawned += AT_ONCE;
            while PARKED.get() < spawned {
                Ours::yield_now().await;
            }
            if spawned == AT_ONCE {
                before = machine::resident_bytes(std::process::id());
            }
        }
        let after = machine::resident_bytes(std::process::id());
        (after - before) as f64 / greenlets as f64
    }

    thread_local! {
        /// Tasks that have been polled and wait.
        static PARKED: Cell<u64> = const { Cell::new(0) };
    }

    /// Sixteen bytes: the waker that whoever is to end the wait would have.
    struct WaitForEver(Option<Waker>);

    impl Future for WaitForEver {
        type Output = ();
        fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
            self.0.get_or_insert_with(|| {
                PARKED.set(PARKED.get() + 1);
                cx.waker().clone()
            });
            Poll::Pending
        }
    }

    /// Bytes of the server per connection that has echoed one message and then fell silent. The first hundred are not
    /// counted: they pay for what all share.
    fn idle(peer: &str, handler: &str, connections: usize) -> Option<f64> {
        let shape = |connections| Shape { connections, size: 64, depth: 1 };
        let server = Server::start(peer, handler)?;
        let _first = Load::connect(server.address, shape(100));
        let before = server.resident_bytes();
        let _idle = Load::connect(server.address, shape(connections));
        let after = server.resident_bytes();
        Some((after - before) as f64 / connections as f64)
    }
}
