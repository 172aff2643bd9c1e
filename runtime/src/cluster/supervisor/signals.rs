//! The signals of a supervisor, and what each of them asks for.

use super::{fleet::Event, life::News};
use crate::{sync::Sender, task};
use runtime_io::{
    process::reap_unknown,
    signal::{SignalKind, keep, signal},
};
use std::io;

/// Listens to all of them.
///
/// # Errors
/// If the system has no descriptor left for that.
pub(super) fn listen(news: &Sender<News>) -> io::Result<()> {
    let meanings = [
        (SignalKind::terminate(), Event::Stop { fast: false }),
        (SignalKind::interrupt(), Event::Stop { fast: true }),
        (SignalKind::quit(), Event::Stop { fast: true }),
        (SignalKind::hangup(), Event::Reload),
        (SignalKind::terminal_input(), Event::Grow),
        (SignalKind::terminal_output(), Event::Shrink),
    ];
    for (kind, event) in meanings {
        // Also when the supervisor's runtime has ended, and the process is about to.
        keep(kind)?;
        let mut signals = signal(kind)?;
        let news = news.clone();
        let listen = async move {
            while signals.recv().await.is_some() && news.send(News::Asked(event.clone())).await.is_ok() {}
        };
        task::Builder::new().name(kind.to_string()).daemon(true).spawn(listen).detach();
    }
    Ok(())
}

/// Reaps whoever has become our child because his parent is gone. Workers are told apart, and reaped by whoever awaits them.
///
/// # Errors
/// As for [`listen`].
pub(super) fn reap_orphans() -> io::Result<()> {
    let mut ended = signal(SignalKind::child())?;
    let reap = async move {
        loop {
            // What cannot be reaped now is tried at the next end.
            let _ = reap_unknown(|_| false);
            ended.recv().await;
        }
    };
    task::Builder::new().name("reaps orphans").daemon(true).spawn(reap).detach();
    Ok(())
}
