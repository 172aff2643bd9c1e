//! A child that runs, or has ended.

use super::life::Life;
use crate::{
    AsyncFd,
    signal::{SignalKind, signal},
};
use runtime_executor::{current, task};
use std::{fmt, io, os::fd::OwnedFd, process::ExitStatus, sync::Arc};

/// A process that [`Launch`](super::Launch) has started.
///
/// Dropped, it goes on, and is reaped when it ends: by a task of the runtime on this thread, or if none runs, or it ends
/// first, when the next child is started.
///
/// It may move to another thread until it has been awaited for the first time, and belongs to that runtime afterwards;
/// signals may be sent from everywhere.
pub struct Child {
    life: Arc<Life>,
    /// `None` where no descriptor stands for a child: then every SIGCHLD is a reason to look.
    watch: Option<AsyncFd<Arc<OwnedFd>>>,
}

impl Child {
    pub(super) fn new(life: Arc<Life>) -> Self {
        let watch = life.pidfd().cloned().map(AsyncFd::new_nonblocking);
        Self { life, watch }
    }

    /// Its number. Until it has been reaped no other process has it.
    pub fn id(&self) -> u32 {
        self.life.pid()
    }

    /// Waits until it has ended. Any number of tasks may wait, and ask again later.
    ///
    /// A pending wait counts as something that may still happen, so a runtime in which nothing else can sleeps and reports no
    /// deadlock; a paused clock does not move meanwhile.
    ///
    /// # Errors
    /// `ECHILD` if it has ended, and nobody knows how: this process ignores SIGCHLD, or somebody else has waited for it. Or
    /// a [`HandleError`](crate::HandleError).
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn wait(&self) -> io::Result<ExitStatus> {
        match &self.watch {
            Some(watch) => {
                watch
                    .read_with(|_| self.life.outcome().unwrap_or(Err(io::ErrorKind::WouldBlock.into())))
                    .await
            }
            None => wait_by_signals(&self.life).await,
        }
    }

    /// How it ended; `None` if it has not.
    ///
    /// # Errors
    /// `ECHILD`, as [`wait`](Self::wait).
    pub fn try_wait(&self) -> io::Result<Option<ExitStatus>> {
        self.life.outcome().transpose()
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// `ESRCH` if it has ended, `EPERM` if it has become another user's.
    ///
    /// ```
    /// # use runtime_io::{process::Launch, signal::SignalKind};
    /// use std::os::unix::process::ExitStatusExt;
    /// # let reactor = runtime_io::Reactor::new()?;
    /// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
    /// # executor.block_on(async {
    /// let child = Launch::new("/bin/sleep").arg("60").spawn()?;
    /// child.signal(SignalKind::terminate())?;
    /// assert_eq!(child.wait().await?.signal(), Some(SignalKind::terminate().as_raw_value()));
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn signal(&self, signal: SignalKind) -> io::Result<()> {
        self.life.send(signal.as_raw_value())
    }

    /// Ends it by SIGKILL; nothing if it has ended.
    ///
    /// # Errors
    /// `EPERM` if it has become another user's.
    pub fn kill(&self) -> io::Result<()> {
        match self.signal(SignalKind::kill()) {
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
            sent => sent,
        }
    }
}

async fn wait_by_signals(life: &Life) -> io::Result<ExitStatus> {
    // Before the first look, so that nothing is missed between it and the wait.
    let mut children = signal(SignalKind::child())?;
    loop {
        if let Some(outcome) = life.outcome() {
            return outcome;
        }
        children.recv().await;
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Its registration ends before a task has its own.
        drop(self.watch.take());
        if self.life.outcome().is_some() {
            return;
        }
        self.life.abandon();
        if current::is_entered() {
            let life = Arc::clone(&self.life);
            let name = format!("child {}", life.pid());
            let last_rites = async move {
                // If it cannot be awaited here, the next launch looks.
                let _ = match life.pidfd() {
                    Some(pidfd) => {
                        AsyncFd::new_nonblocking(Arc::clone(pidfd))
                            .read_with(|_| life.outcome().unwrap_or(Err(io::ErrorKind::WouldBlock.into())))
                            .await
                    }
                    None => wait_by_signals(&life).await,
                };
            };
            task::Builder::new().name(name).daemon(true).spawn(last_rites).detach();
        }
    }
}

impl fmt::Debug for Child {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Child").field("id", &self.id()).finish_non_exhaustive()
    }
}

#[cfg(all(test, target_os = "linux", not(miri)))]
mod tests;
