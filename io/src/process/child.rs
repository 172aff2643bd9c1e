//! A child that runs, or has ended.

use super::{
    ChildStderr, ChildStdin, ChildStdout,
    life::{Home, Life},
    output,
};
use crate::{
    AsyncFd,
    signal::{SignalKind, signal},
};
use runtime_executor::{
    current, task,
    time::{Duration, timeout},
};
use std::{
    fmt, io,
    os::fd::OwnedFd,
    process::{ExitStatus, Output},
    sync::Arc,
};

/// A process that [`Command`](super::Command) or [`Launch`](super::Launch) has started.
///
/// **Dropped, it goes on**, unless [`kill_on_drop`](super::Command::kill_on_drop) says otherwise, and is reaped when it ends: by
/// a task of the runtime on this thread, or where none runs, or it ends first, by a thread that ends with the last such child.
/// The end of a runtime does nothing to children but that their `Child`s are dropped with the tasks that have them.
///
/// It may move to another thread until it has been awaited for the first time, and belongs to that runtime afterwards;
/// signals may be sent from everywhere. In a fork of this process it is nobody's child.
pub struct Child {
    /// Our end of its standard input, if that is a pipe; to be dropped when it shall find the end.
    pub stdin: Option<ChildStdin>,
    /// Our end of its standard output, if that is a pipe.
    pub stdout: Option<ChildStdout>,
    /// Our end of its standard errors, if they are a pipe.
    pub stderr: Option<ChildStderr>,
    life: Arc<Life>,
    /// `None` where no descriptor stands for a child: then every SIGCHLD is a reason to look.
    watch: Option<AsyncFd<Arc<OwnedFd>>>,
    dies_when_dropped: bool,
}

impl Child {
    pub(super) fn new(life: Arc<Life>) -> Self {
        let watch = life.pidfd().cloned().map(AsyncFd::new_nonblocking);
        Self { stdin: None, stdout: None, stderr: None, life, watch, dies_when_dropped: false }
    }

    pub(super) fn life(&self) -> &Arc<Life> {
        &self.life
    }

    pub(super) fn kill_on_drop(&mut self, dies: bool) {
        self.dies_when_dropped = dies;
    }

    /// Its number. Until it has been reaped no other process has it.
    pub fn id(&self) -> u32 {
        self.life.pid()
    }

    /// Closes [`stdin`](Self::stdin), if that is still here, and waits until the child has ended: one that reads until the end
    /// of its input would wait for us. Take `stdin` out before to go on writing, and see [`ended`](Self::ended).
    ///
    /// A child that fills a pipe which nobody reads waits for ever: [`wait_with_output`](Self::wait_with_output) reads.
    ///
    /// # Errors
    /// As for [`ended`](Self::ended).
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing, and leaves `stdin` closed.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        drop(self.stdin.take());
        self.ended().await
    }

    /// Waits until it has ended, and leaves the pipes alone. Any number of tasks may wait, and ask again later.
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
    pub async fn ended(&self) -> io::Result<ExitStatus> {
        match &self.watch {
            Some(watch) => watch.read_with(|_| self.life.last_word()).await,
            None => wait_by_signals(&self.life).await,
        }
    }

    /// Closes [`stdin`](Self::stdin), reads [`stdout`](Self::stdout) and [`stderr`](Self::stderr) to their ends, as far as they are
    /// here, both at once so that the child never waits for us, and waits until it has ended.
    ///
    /// A pipe ends when nobody can write to it any more: whom the child has left behind may keep it open for longer than the
    /// child lives.
    ///
    /// # Errors
    /// Of reading, or as for [`ended`](Self::ended).
    ///
    /// # Cancel safety
    /// Dropped, it drops the child and what has been read.
    ///
    /// ```
    /// use runtime_io::process::{Command, Stdio};
    /// # let reactor = runtime_io::Reactor::new()?;
    /// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
    /// # executor.block_on(async {
    /// let mut child = Command::new("tr").args(["a-z", "A-Z"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    /// child.stdin.as_ref().unwrap().write_all(b"loud").await?;
    /// assert_eq!(child.wait_with_output().await?.stdout, b"LOUD");
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn wait_with_output(mut self) -> io::Result<Output> {
        drop(self.stdin.take());
        let (stdout, stderr) = output::collect(self.stdout.take(), self.stderr.take()).await?;
        Ok(Output { status: self.ended().await?, stdout, stderr })
    }

    /// How it ended; `None` if it has not.
    ///
    /// # Errors
    /// `ECHILD`, as [`ended`](Self::ended).
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
    /// let mut child = Launch::new("/bin/sleep").arg("60").spawn()?;
    /// child.signal(SignalKind::terminate())?;
    /// assert_eq!(child.wait().await?.signal(), Some(SignalKind::terminate().as_raw_value()));
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn signal(&self, signal: SignalKind) -> io::Result<()> {
        self.life.send(signal.as_raw_value())
    }

    /// Sends a signal to all in the process group that it leads.
    ///
    /// # Errors
    /// `InvalidInput` if it does not lead one (see [`process_group`](super::Command::process_group)), or as for
    /// [`signal`](Self::signal).
    pub fn signal_group(&self, signal: SignalKind) -> io::Result<()> {
        if !self.life.leads() {
            let why = "this child leads no process group: start it with `process_group(0)`";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        self.life.send_to_group(signal.as_raw_value())
    }

    /// Ends it by SIGKILL; nothing if it has ended. It is still to be awaited, or dropped.
    ///
    /// # Errors
    /// `EPERM` if it has become another user's.
    pub fn kill(&self) -> io::Result<()> {
        nothing_if_gone(self.signal(SignalKind::kill()))
    }

    /// Asks it to end, by SIGTERM, and waits. If it has not ended within `grace`, ends it by SIGKILL.
    ///
    /// If it leads a process group, the whole group is asked, and whoever of it is still there when the child has ended, or
    /// `grace` is over, is killed. Closes [`stdin`](Self::stdin), as [`wait`](Self::wait) does.
    ///
    /// # Errors
    /// `EPERM` if it has become another user's, or as for [`ended`](Self::ended).
    ///
    /// # Cancel safety
    /// Dropped, it has asked, and nobody is killed for now; of a group, whoever is left when the child has ended.
    ///
    /// ```
    /// use runtime_io::process::Command;
    /// use std::{os::unix::process::ExitStatusExt, time::Duration};
    /// # let reactor = runtime_io::Reactor::new()?;
    /// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
    /// # executor.block_on(async {
    /// let mut child = Command::new("sleep").arg("60").spawn()?;
    /// let status = child.terminate(Duration::from_secs(10)).await?;
    /// assert_eq!(status.signal(), Some(15), "it has no handler, and so was quick");
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn terminate(&mut self, grace: Duration) -> io::Result<ExitStatus> {
        drop(self.stdin.take());
        self.life.take_group_along();
        nothing_if_gone(self.send_to_all(SignalKind::terminate()))?;
        match timeout(grace, self.ended()).await {
            Ok(ended) => ended,
            Err(_) => {
                nothing_if_gone(self.send_to_all(SignalKind::kill()))?;
                self.ended().await
            }
        }
    }

    /// To its group if it leads one.
    fn send_to_all(&self, signal: SignalKind) -> io::Result<()> {
        if self.life.leads() { self.signal_group(signal) } else { self.signal(signal) }
    }
}

pub(super) fn nothing_if_gone(sent: io::Result<()>) -> io::Result<()> {
    sent.or_else(|error| if error.raw_os_error() == Some(libc::ESRCH) { Ok(()) } else { Err(error) })
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
        // Also in a fork of the process that has started it, which is nobody to it.
        if self.life.outcome().is_some() {
            return;
        }
        if self.dies_when_dropped {
            self.life.take_group_along();
            // It fails if it has become another user's, who then has it.
            let _ = self.send_to_all(SignalKind::kill());
        }
        let rites = LastRites(Arc::clone(&self.life));
        if current::is_entered() {
            let name = format!("child {}", self.life.pid());
            let wait = async move { rites.perform().await };
            task::Builder::new().name(name).daemon(true).spawn(wait).detach();
        }
    }
}

/// Waits for a child for whom nobody else does.
struct LastRites(Arc<Life>);

impl LastRites {
    async fn perform(self) {
        // If it cannot be awaited here, it becomes an orphan.
        let _ = match self.0.pidfd() {
            Some(pidfd) => {
                AsyncFd::new_nonblocking(Arc::clone(pidfd)).read_with(|_| self.0.last_word()).await
            }
            None => wait_by_signals(&self.0).await,
        };
    }
}

impl Drop for LastRites {
    fn drop(&mut self) {
        if self.0.outcome().is_none() {
            Home::here().orphans.adopt(Arc::clone(&self.0));
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
