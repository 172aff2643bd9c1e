//! What all sockets here have in common: who is parked, for how long, and what happens where nobody can be.
//!
//! An operation is done in one of three ways:
//!
//! | where, and how the socket is set | way |
//! |---|---|
//! | in a greenlet | the `async` operation of the socket, waited for |
//! | elsewhere, or in the greenlet of another runtime than the socket has been used on | tried, and tried again when the descriptor is ready |
//! | set to non-blocking | tried |

use crate::{greenlet, time::timeout};
use runtime_io::{AsyncFd, HandleError, blocking};
use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
    sync::{
        Arc, OnceLock,
        atomic::{
            AtomicBool, AtomicU64,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
    time::Duration,
};

/// Which of the two sides of a descriptor is waited for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Side {
    Read,
    Write,
}

/// How a socket and its clones are set, which the system keeps with their open file and we here. Unset it takes no memory.
#[derive(Debug, Default)]
pub(super) struct Manner(OnceLock<Arc<Settings>>);

#[derive(Debug, Default)]
struct Settings {
    /// Once anything else is set.
    is_nonblocking: AtomicBool,
    /// In nanoseconds; 0 is none.
    read_limit: AtomicU64,
    write_limit: AtomicU64,
}

impl Settings {
    fn limit(&self, side: Side) -> &AtomicU64 {
        match side {
            Side::Read => &self.read_limit,
            Side::Write => &self.write_limit,
        }
    }

    fn wait<R>(&self, side: Side, operation: impl Future<Output = io::Result<R>>) -> Option<io::Result<R>> {
        if self.is_nonblocking.load(Acquire) {
            return None;
        }
        match self.limit(side).load(Relaxed) {
            0 => greenlet::try_wait(operation),
            nanos => {
                let done = greenlet::try_wait(timeout(Duration::from_nanos(nanos), operation))?;
                Some(done.unwrap_or_else(|_| Err(late())))
            }
        }
    }
}

impl Manner {
    /// One that is changed with this one.
    pub(super) fn share(&self) -> Self {
        Self(OnceLock::from(Arc::clone(self.settings())))
    }

    fn settings(&self) -> &Arc<Settings> {
        self.0.get_or_init(Arc::default)
    }

    pub(super) fn set_nonblocking(&self, nonblocking: bool) {
        if nonblocking || self.0.get().is_some() {
            self.settings().is_nonblocking.store(nonblocking, Release);
        }
    }

    /// # Errors
    /// `InvalidInput` if it is zero, as in the standard library.
    pub(super) fn set_limit(&self, side: Side, limit: Option<Duration>) -> io::Result<()> {
        if limit == Some(Duration::ZERO) {
            let sentence = "a timeout of zero is none: pass `None` to wait without end";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, sentence));
        }
        let nanos = limit.map_or(0, |limit| u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX));
        if nanos != 0 || self.0.get().is_some() {
            self.settings().limit(side).store(nanos, Relaxed);
        }
        Ok(())
    }

    #[inline]
    pub(super) fn limit(&self, side: Side) -> Option<Duration> {
        let nanos = self.0.get()?.limit(side).load(Relaxed);
        (nanos != 0).then(|| Duration::from_nanos(nanos))
    }

    #[inline]
    fn is_nonblocking(&self) -> bool {
        self.0.get().is_some_and(|settings| settings.is_nonblocking.load(Acquire))
    }

    /// The `async` operation, if it can be waited for here; `None` if it has to be done in person.
    #[inline]
    #[track_caller]
    pub(super) fn wait<R>(
        &self,
        side: Side,
        operation: impl Future<Output = io::Result<R>>,
    ) -> Option<io::Result<R>> {
        let done = match self.0.get() {
            None => greenlet::try_wait(operation)?,
            Some(settings) => settings.wait(side, operation)?,
        };
        match done {
            Err(error) if is_of_another_runtime(&error) => None,
            done => Some(done),
        }
    }

    /// Tries as often as it takes, and waits in between until the descriptor is ready.
    #[cold]
    #[track_caller]
    pub(super) fn in_person<R>(
        &self,
        side: Side,
        fd: BorrowedFd<'_>,
        mut attempt: impl FnMut() -> io::Result<R>,
    ) -> io::Result<R> {
        loop {
            match attempt() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && !self.is_nonblocking() => {}
                done => return done,
            }
            let limit = self.limit(side);
            let is_ready = if greenlet::is_inside() { park(side, fd, limit) } else { block(side, fd, limit) };
            if !is_ready? {
                return Err(late());
            }
        }
    }
}

/// What the standard library says of a timeout, on Unix.
#[cold]
fn late() -> io::Error {
    io::Error::new(io::ErrorKind::WouldBlock, "the timeout of the socket has passed")
}

/// A socket belongs to the runtime where it has first waited.
fn is_of_another_runtime(error: &io::Error) -> bool {
    let refusal = error.get_ref().and_then(|refusal| refusal.downcast_ref::<HandleError>());
    matches!(refusal, Some(HandleError::OtherRuntime | HandleError::RuntimeEnded))
}

/// Waits for the descriptor of a socket that another runtime has: by a duplicate, since two who wait here would be in each
/// other's way.
#[track_caller]
fn park(side: Side, fd: BorrowedFd<'_>, limit: Option<Duration>) -> io::Result<bool> {
    let duplicate = AsyncFd::new_nonblocking(fd.try_clone_to_owned()?);
    let ready = async {
        match side {
            Side::Read => duplicate.readable().await,
            Side::Write => duplicate.writable().await,
        }
    };
    match limit {
        None => greenlet::wait(ready).map(|()| true),
        Some(limit) => match greenlet::wait(timeout(limit, ready)) {
            Ok(ready) => ready.map(|()| true),
            Err(_) => Ok(false),
        },
    }
}

fn block(side: Side, fd: BorrowedFd<'_>, limit: Option<Duration>) -> io::Result<bool> {
    match side {
        Side::Read => blocking::readable(fd, limit),
        Side::Write => blocking::writable(fd, limit),
    }
}

/// `operation` parks the greenlet; where there is none, `attempt` is made until it does not fail with `WouldBlock`.
///
/// A macro, because both borrow the caller's buffer, one after the other.
macro_rules! parked {
    ($self:ident, $side:ident, $operation:expr, $attempt:expr) => {
        match $self.manner.wait($crate::green::parked::Side::$side, $operation) {
            Some(done) => done,
            None => $self.manner.in_person(
                $crate::green::parked::Side::$side,
                ::std::os::fd::AsFd::as_fd($self),
                || $attempt,
            ),
        }
    };
}
pub(super) use parked;

/// A clone of what a socket is.
pub(super) fn duplicate<S: From<std::os::fd::OwnedFd>>(socket: &impl AsFd) -> io::Result<S> {
    Ok(socket.as_fd().try_clone_to_owned()?.into())
}
