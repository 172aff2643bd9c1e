//! What locks and semaphores give: the right to go on, for as long as it is kept.

use super::{ManagedLockError, ManagerError};
use crate::{
    process::{
        manager::{
            proxy::{Line, Proxy, Reply},
            wire::{Ask, Owner, ask},
        },
        packet::Packet,
    },
    task,
    time::timeout,
};
use runtime_executor::{RuntimeId, current};
use std::{
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
    process, thread,
    time::Duration,
};

/// What a line holds. Dropped, it is given back.
pub(super) struct Hold {
    /// `None` only while it ends.
    line: Option<Line>,
    is_abandoned: bool,
}

/// Who runs here: the task, or the thread if no task does.
fn owner() -> Owner {
    let mut hasher = DefaultHasher::new();
    match current::is_entered() {
        true => (RuntimeId::current(), task::current().id()).hash(&mut hasher),
        false => thread::current().id().hash(&mut hasher),
    }
    Owner { pid: process::id(), task: hasher.finish() }
}

fn question(many: usize, wait: bool) -> Packet {
    ask(Ask::Acquire { many: many as u64, by: owner(), wait }, [])
}

impl Hold {
    /// Waits until it is granted.
    pub(super) async fn acquire(proxy: &Proxy, many: usize) -> Result<Self, ManagerError> {
        let mut line = proxy.line().await?;
        let reply = line.call(question(many, true)).await?;
        Self::granted(line, &reply)
    }

    pub(super) async fn acquire_timeout(
        proxy: &Proxy,
        many: usize,
        limit: Duration,
    ) -> Result<Self, ManagerError> {
        let acquired = timeout(limit, Self::acquire(proxy, many)).await;
        acquired.unwrap_or(Err(ManagerError::Elapsed))
    }

    pub(super) async fn try_acquire(proxy: &Proxy, many: usize) -> Result<Option<Self>, ManagerError> {
        let mut line = proxy.line().await?;
        let reply = line.call(question(many, false)).await?;
        reply.is_done().then(|| Self::granted(line, &reply)).transpose()
    }

    pub(super) fn blocking_acquire(
        proxy: &Proxy,
        many: usize,
        limit: Option<Duration>,
    ) -> Result<Self, ManagerError> {
        let mut line = proxy.blocking_line()?;
        let reply = line.blocking_call(question(many, true), limit)?;
        Self::granted(line, &reply)
    }

    pub(super) fn blocking_try_acquire(proxy: &Proxy, many: usize) -> Result<Option<Self>, ManagerError> {
        let mut line = proxy.blocking_line()?;
        let reply = line.blocking_call(question(many, false), None)?;
        reply.is_done().then(|| Self::granted(line, &reply)).transpose()
    }

    fn granted(line: Line, reply: &Reply) -> Result<Self, ManagerError> {
        match reply.granted() {
            Some((is_abandoned, _)) => Ok(Self { line: Some(line), is_abandoned }),
            None => Err(ManagerError::Unreadable("nothing was granted".to_owned())),
        }
    }

    /// Ends it, and waits until the manager knows.
    async fn end(mut self, how: Ask) -> Result<(), ManagerError> {
        let Some(mut line) = self.line.take() else { return Ok(()) };
        line.call(ask(how, [])).await.map(drop)
    }

    fn blocking_end(mut self, how: Ask) -> Result<(), ManagerError> {
        let Some(mut line) = self.line.take() else { return Ok(()) };
        line.blocking_call(ask(how, []), None).map(drop)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if let Some(line) = &mut self.line {
            line.say(Ask::LetGo);
        }
    }
}

/// Holds a [`ManagedLock`](super::ManagedLock), a [`ManagedRLock`](super::ManagedRLock) or the lock of a
/// [`ManagedCondition`](super::ManagedCondition). Dropped, or ended with its process, it lets go.
#[must_use = "dropped at once, it holds nothing"]
pub struct ManagedLockGuard(pub(super) Hold);

impl ManagedLockGuard {
    /// What there is to tell whoever got it.
    pub(super) fn told(hold: Hold) -> Result<Self, ManagedLockError> {
        match hold.is_abandoned {
            true => Err(ManagedLockError::OwnerDied(Self(hold))),
            false => Ok(Self(hold)),
        }
    }

    /// Says that what the lock is for is in order again, after [`OwnerDied`](ManagedLockError::OwnerDied): the next holders are told
    /// nothing.
    pub fn mend(&self) {
        if let Some(line) = &self.0.line {
            line.tell(Ask::Mend);
        }
    }

    /// Lets go, and waits until the manager knows. Dropping it lets go as well, but not at once for those in other processes.
    ///
    /// # Errors
    /// [`ManagerError`].
    pub async fn release(self) -> Result<(), ManagerError> {
        self.0.end(Ask::Release).await
    }

    /// [`release`](Self::release) that blocks the thread.
    ///
    /// # Errors
    /// As there.
    pub fn blocking_release(self) -> Result<(), ManagerError> {
        self.0.blocking_end(Ask::Release)
    }

    /// Waits on a condition; whether there was a notification, and not only the time was up.
    pub(super) async fn wait(
        mut self,
        limit: Option<Duration>,
    ) -> Result<(Self, bool), ManagedLockError<(Self, bool)>> {
        let mut line = super::must(self.0.line.take())?;
        let packet = ask(Ask::Wait, []);
        let reply = match limit {
            None => line.call(packet).await?,
            Some(limit) => match timeout(limit, line.call(packet)).await {
                Ok(reply) => reply?,
                Err(_elapsed) if line.time_is_up()? => line.answer().await?,
                // It was not even asked, so the lock was kept.
                Err(_elapsed) => return Ok((Self(Hold { line: Some(line), is_abandoned: false }), false)),
            },
        };
        Self::woken(line, &reply)
    }

    pub(super) fn blocking_wait(
        mut self,
        limit: Option<Duration>,
    ) -> Result<(Self, bool), ManagedLockError<(Self, bool)>> {
        let mut line = super::must(self.0.line.take())?;
        let reply = match line.blocking_call(ask(Ask::Wait, []), limit) {
            Err(ManagerError::Elapsed) if line.time_is_up()? => line.blocking_answer()?,
            Err(ManagerError::Elapsed) => {
                return Ok((Self(Hold { line: Some(line), is_abandoned: false }), false));
            }
            reply => reply?,
        };
        Self::woken(line, &reply)
    }

    fn woken(line: Line, reply: &Reply) -> Result<(Self, bool), ManagedLockError<(Self, bool)>> {
        let is_notified = reply.granted().is_some_and(|(_, is_notified)| is_notified);
        let told = Self::told(Hold::granted(line, reply)?);
        told.map(|guard| (guard, is_notified)).map_err(|error| error.map(|guard| (guard, is_notified)))
    }
}

impl fmt::Debug for ManagedLockGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManagedLockGuard").finish_non_exhaustive()
    }
}

/// Permits of a [`ManagedSemaphore`](super::ManagedSemaphore). Dropped, or ended with its process, they are free again.
#[must_use = "dropped at once, it holds nothing"]
pub struct ManagedPermit {
    pub(super) hold: Hold,
    pub(super) count: usize,
}

impl ManagedPermit {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Gives them back, and waits until the manager knows. Dropping it gives them back as well, but not at once for those in
    /// other processes.
    ///
    /// # Errors
    /// [`ManagerError`].
    pub async fn release(self) -> Result<(), ManagerError> {
        self.hold.end(Ask::Release).await
    }

    /// [`release`](Self::release) that blocks the thread.
    ///
    /// # Errors
    /// As there.
    pub fn blocking_release(self) -> Result<(), ManagerError> {
        self.hold.blocking_end(Ask::Release)
    }

    /// Does not give them back: there are fewer from now on, until somebody
    /// [adds](super::ManagedSemaphore::add_permits) some.
    ///
    /// # Errors
    /// [`ManagerError`].
    pub async fn forget(self) -> Result<(), ManagerError> {
        self.hold.end(Ask::Forget).await
    }

    /// [`forget`](Self::forget) that blocks the thread.
    ///
    /// # Errors
    /// As there.
    pub fn blocking_forget(self) -> Result<(), ManagerError> {
        self.hold.blocking_end(Ask::Forget)
    }
}

impl fmt::Debug for ManagedPermit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManagedPermit").field("count", &self.count).finish_non_exhaustive()
    }
}
