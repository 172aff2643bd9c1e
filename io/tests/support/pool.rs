//! A blocking pool of one thread, which a story keeps busy so that nothing else gets to it.

use runtime_executor::{Executor, submit_blocking};
use runtime_io::Reactor;
use std::sync::mpsc::{Sender, channel};

/// A runtime whose pool has one thread.
pub(crate) fn executor_of_one_thread() -> Executor {
    let reactor = Reactor::new().expect("a selector");
    Executor::builder().park(reactor.clone()).extension(reactor).blocking_threads(1).build()
}

/// Keeps the pool's thread until it is dropped.
#[derive(Debug)]
pub(crate) struct Busy(#[allow(dead_code, reason = "its end is the message")] Sender<()>);

impl Busy {
    /// Returns once the thread is busy.
    pub(crate) fn new() -> Self {
        let ((start, started), (release, released)) = (channel(), channel::<()>());
        let job = move || {
            start.send(()).unwrap();
            let _ = released.recv();
        };
        submit_blocking(Box::new(job)).unwrap();
        started.recv().unwrap();
        Self(release)
    }
}
