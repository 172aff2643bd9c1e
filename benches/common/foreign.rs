//! The other thread of the cross-thread rows. One that streams items runs on the other core, so that both work at once.
//! One that answers a ping shares ours: the two never run at the same time anyway, and what a virtual machine needs to
//! wake an idle core (tens of microseconds on some) would drown the runtimes' own path.

use std::io;
use std::sync::mpsc;
use std::thread::{Builder, JoinHandle};
use std::time::Instant;

use super::clock;
use super::machine::{Core, Cores};

/// A running wall-clock measurement.
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    pub(crate) fn start() -> Stopwatch {
        Stopwatch(clock::now())
    }

    pub(crate) fn nanoseconds_per(&self, operations: u64) -> f64 {
        clock::nanoseconds_each(self.0.elapsed(), operations)
    }
}

/// Starts a thread on `core`; returns once it runs there, so that its start is not measured.
pub(crate) fn thread(core: Core, body: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    let (started, running) = mpsc::channel();
    let spawned: io::Result<_> = Builder::new().name("foreign".into()).spawn(move || {
        all_cores().pin(core);
        started.send(()).expect("the measuring thread waits");
        body();
    });
    running.recv().expect("the thread starts");
    spawned.expect("a thread")
}

/// The measuring thread is pinned to its core already and children inherit that; ask the first process's mask.
fn all_cores() -> Cores {
    *CORES.get().expect("Cores are noted in main")
}

static CORES: std::sync::OnceLock<Cores> = std::sync::OnceLock::new();

/// Notes the cores before anything is pinned.
pub(crate) fn note_cores(cores: Cores) {
    CORES.get_or_init(|| cores);
}

/// A thread ready to send a number of items, waiting for the start signal.
pub(crate) struct Producer {
    items: u64,
    go: mpsc::Sender<()>,
    thread: JoinHandle<()>,
}

/// Prepares a thread that will call `send` with 0, 1, … `items` − 1 as fast as it can and then drop it.
pub(crate) fn producer(items: u64, mut send: impl FnMut(u64) + Send + 'static) -> Producer {
    let (go, told) = mpsc::channel();
    let thread = thread(Core::Feeding, move || {
        told.recv().expect("start signal");
        for item in 0..items {
            send(item);
        }
    });
    Producer { items, go, thread }
}

impl Producer {
    /// Lets it go and starts the clock.
    pub(crate) fn start(&self) -> Stopwatch {
        self.go.send(()).expect("the producer waits");
        Stopwatch::start()
    }

    /// Nanoseconds per item, after checking that all have arrived.
    pub(crate) fn finish(self, start: &Stopwatch, received: u64) -> f64 {
        let elapsed = start.nanoseconds_per(self.items);
        assert_eq!(received, self.items, "items were lost");
        self.thread.join().expect("the producer ends");
        elapsed
    }
}
