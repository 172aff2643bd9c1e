//! Timers, and wakes from other threads: the selector and the doorbell.

use super::run;
use runtime::{
    spawn, spawn_blocking,
    sync::shared::oneshot,
    time::{Instant, sleep, timeout},
};
use std::{future::pending, io, time::Duration};

const MOMENT: Duration = Duration::from_millis(2);

pub(super) fn timers() -> io::Result<()> {
    run(async {
        let start = Instant::now();
        let sleeper = spawn(async move {
            sleep(2 * MOMENT).await;
            start.elapsed()
        });
        timeout(MOMENT, pending::<()>()).await.expect_err("nothing comes");
        assert!(start.elapsed() >= MOMENT);
        let slept = sleeper.await.map_err(io::Error::other)?;
        assert!(slept >= 2 * MOMENT);
        Ok(())
    })
}

pub(super) fn wake_from_a_thread() -> io::Result<()> {
    run(async {
        let (question, asked) = oneshot::channel::<u32>();
        let job = spawn_blocking(move || asked.blocking_recv().map_or(0, |number| number + 1));
        sleep(MOMENT).await;
        let _ = question.send(41);
        let answer = job.await.map_err(io::Error::other)?;
        assert_eq!(answer, 42);
        Ok(())
    })
}
