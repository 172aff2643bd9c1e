//! Signals that are awaited.

use super::{both, run};
use nix::sys::signal::{Signal, raise};
use runtime::signal::{SignalKind, signal};
use std::io;

pub(super) fn heard() -> io::Result<()> {
    run(async {
        let mut first = signal(SignalKind::user_defined2())?;
        let mut second = signal(SignalKind::user_defined2())?;
        let mut other = signal(SignalKind::hangup())?;
        let sending = async {
            raise(Signal::SIGUSR2)?;
            raise(Signal::SIGHUP)?;
            Ok(())
        };
        let hearing = async {
            first.recv().await;
            second.recv().await;
            other.recv().await;
            Ok(())
        };
        both(hearing, sending).await.map(drop)
    })
}
