//! A front of a child, for those who do not own it, and for code outside of runtimes.

use super::{Child, child::nothing_if_gone, life::Life};
use crate::{signal::SignalKind, sys::child::wait_for_any};
use runtime_executor::time::Clock;
use std::{
    fmt, io,
    os::fd::AsFd,
    process::ExitStatus,
    sync::{Arc, Weak},
    time::Duration,
};

/// How often it is looked after a child for whom no descriptor stands.
const LOOK: Duration = Duration::from_millis(50);

impl Child {
    /// A front of it that others can have: to see whether it has ended, to send signals, and to wait for it with a whole
    /// thread. It belongs to no runtime, and to have one neither keeps the child nor ends it.
    ///
    /// ```
    /// use runtime_io::process::{ChildHandle, Launch};
    /// # let reactor = runtime_io::Reactor::new()?;
    /// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
    /// # executor.block_on(async {
    /// let child = Launch::new("/bin/sleep").arg("60").spawn()?;
    /// let handle: ChildHandle = child.handle();
    /// std::thread::spawn(move || handle.kill()).join().unwrap()?;
    /// assert!(!child.ended().await?.success());
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn handle(&self) -> ChildHandle {
        ChildHandle(Arc::clone(self.life()))
    }
}

/// What everybody may know of a [`Child`], and do to it; made by [`Child::handle`].
#[derive(Clone)]
pub struct ChildHandle(Arc<Life>);

/// A [`ChildHandle`] that keeps nothing of a child that has been reaped; made by [`ChildHandle::downgrade`].
#[derive(Clone, Debug)]
pub struct WeakChildHandle(Weak<Life>);

impl WeakChildHandle {
    /// The handle; `None` once the child has been reaped, and nobody has it any more.
    pub fn upgrade(&self) -> Option<ChildHandle> {
        self.0.upgrade().map(ChildHandle)
    }
}

impl ChildHandle {
    /// For lists of many children: a handle keeps a descriptor, also of a child that has ended long ago.
    ///
    /// ```
    /// use runtime_io::process::Launch;
    /// # let reactor = runtime_io::Reactor::new()?;
    /// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
    /// # executor.block_on(async {
    /// let mut child = Launch::new("/bin/true").spawn()?;
    /// let handle = child.handle().downgrade();
    /// assert_eq!(handle.upgrade().unwrap().id(), child.id());
    /// child.wait().await?;
    /// drop(child);
    /// assert!(handle.upgrade().is_none());
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn downgrade(&self) -> WeakChildHandle {
        WeakChildHandle(Arc::downgrade(&self.0))
    }

    /// Its number. Until it has been reaped no other process has it.
    pub fn id(&self) -> u32 {
        self.0.pid()
    }

    /// How it ended; `None` if it has not.
    ///
    /// # Errors
    /// As for [`Child::ended`].
    pub fn try_wait(&self) -> io::Result<Option<ExitStatus>> {
        self.0.outcome().transpose()
    }

    /// Sends it a signal; see [`Child::signal`].
    ///
    /// # Errors
    /// As there.
    pub fn signal(&self, signal: SignalKind) -> io::Result<()> {
        self.0.send(signal.as_raw_value())
    }

    /// Ends it by SIGKILL; nothing if it has ended.
    ///
    /// # Errors
    /// `EPERM` if it has become another user's.
    pub fn kill(&self) -> io::Result<()> {
        nothing_if_gone(self.signal(SignalKind::kill()))
    }

    /// Blocks the thread until the child has ended, for at most `limit` if there is one; `None`: that is over. Within a task
    /// this stops the whole runtime; see [`Child::ended`].
    ///
    /// # Errors
    /// As there, or what poll(2) says.
    ///
    /// ```
    /// use runtime_io::process::Launch;
    /// use std::time::Duration;
    /// let child = Launch::new("/bin/sleep").arg("60").spawn()?.handle();
    /// assert!(child.blocking_ended(Some(Duration::ZERO))?.is_none());
    /// child.kill()?;
    /// assert!(!child.blocking_ended(None)?.unwrap().success());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn blocking_ended(&self, limit: Option<Duration>) -> io::Result<Option<ExitStatus>> {
        let clock = Clock::real();
        // Without a deadline that a clock can show there is none.
        let deadline = limit.and_then(|limit| clock.now().checked_add(limit));
        loop {
            if let Some(status) = self.try_wait()? {
                return Ok(Some(status));
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(clock.now()));
            if left == Some(Duration::ZERO) {
                return Ok(None);
            }
            let waited = match self.0.pidfd() {
                // Rounded up, or the last millisecond would be spent in asking.
                Some(pidfd) => {
                    wait_for_any(&[pidfd.as_fd()], left.map(|left| left + Duration::from_millis(1)))
                }
                None => wait_for_any(&[], Some(left.map_or(LOOK, |left| left.min(LOOK)))),
            };
            if let Err(error) = waited
                && error.kind() != io::ErrorKind::Interrupted
            {
                return Err(error);
            }
        }
    }
}

impl fmt::Debug for ChildHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChildHandle").field("id", &self.id()).finish_non_exhaustive()
    }
}
