//! Signals that are awaited.

use super::run;
use futures_lite::future::or;
use nix::sys::signal::{Signal, raise};
use runtime::{
    signal::{SignalKind, signal},
    time::sleep,
};
use std::{io, time::Duration};

pub(super) fn heard() -> io::Result<()> {
    run(async {
        let mut first = signal(SignalKind::user_defined2())?;
        let mut second = signal(SignalKind::user_defined2())?;
        let mut other = signal(SignalKind::hangup())?;
        // One that was not told is told with the next.
        let sending = async {
            loop {
                raise(Signal::SIGUSR2)?;
                raise(Signal::SIGHUP)?;
                sleep(Duration::from_millis(20)).await;
            }
        };
        let hearing = async {
            first.recv().await;
            second.recv().await;
            other.recv().await;
            Ok(())
        };
        or(hearing, sending).await
    })
}
