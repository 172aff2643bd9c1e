//! A machine that has no time for anybody: nobody is to blame, so nobody is killed.

use super::under_test::{UnderTest, send, state, until};
use nix::sys::signal::Signal;
use runtime::time::sleep;
use std::{
    process::{Child, Command},
    time::Duration,
};

/// A worker that is silent for so long hangs; see `server.rs`.
const TIMEOUT: Duration = Duration::from_millis(12 * 100);

pub(crate) fn kills_nobody() {
    runtime::run(async {
        let cluster = UnderTest::start("starved", "workers=3 beat_ms=100").await;
        let workers = cluster.until_serving(3).await;
        let all = || [cluster.supervisor()].into_iter().chain(workers.iter().copied());
        for process in all() {
            send(process, Signal::SIGSTOP);
            until("it is stopped", || (state(process) == Some('T')).then_some(())).await;
        }
        sleep(2 * TIMEOUT).await;
        // The supervisor first: it sees that nobody has beaten for long.
        for process in all() {
            send(process, Signal::SIGCONT);
        }
        sleep(2 * TIMEOUT).await;
        assert_eq!(cluster.until_serving(3).await, workers, "nobody was killed:\n{}", cluster.log());
        let _beside: Vec<Busy> = (0..6).map(|_| Busy::start()).collect();
        sleep(2 * TIMEOUT).await;
        assert_eq!(cluster.workers(), workers, "nobody was killed:\n{}", cluster.log());
        assert!(!cluster.log().contains("hang"), "nobody was suspected:\n{}", cluster.log());
        assert!(cluster.stop().await.success());
    });
}

/// A process that takes what it can get.
struct Busy(Child);

impl Busy {
    fn start() -> Self {
        Self(Command::new("/bin/sh").args(["-c", "while :; do :; done"]).spawn().expect("there is a shell"))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
