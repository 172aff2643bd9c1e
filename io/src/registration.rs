//! A handle's side of its registration: plain integers, so that handles are `Send` and `Sync` by themselves.
//!
//! A registration is made late, by the first operation that has to wait; a connection that never waits never costs
//! a system call here. Its life:
//!
//! ```text
//!            register (first wait)               release (drop, into_inner)
//! unregistered ------------> registered with a runtime ------------> gone
//! ```
//!
//! Until then a handle may move to any thread; afterwards it belongs to that runtime, and elsewhere it can only be
//! dropped.

use crate::{
    elsewhere,
    handle_error::HandleError,
    reactor::Reactor,
    source::{Direction, Readiness, WaiterId},
};
use mio::Token;
use runtime_executor::{RuntimeId, current};
use std::{
    io,
    os::fd::BorrowedFd,
    rc::Rc,
    sync::atomic::{
        AtomicBool, AtomicU8, AtomicU64, AtomicUsize,
        Ordering::{Relaxed, SeqCst},
    },
    task::{Context, Poll, ready},
};

/// What one attempt of an operation came to.
pub(crate) enum Step<R> {
    /// It is done.
    Done(R),
    /// It is done, and a read got less than there was room for.
    Short(R),
    /// It got on, and goes on.
    Again,
    /// It got on with a read that gave less than there was room for, and goes on.
    AgainAfterShort,
}

/// Whether a short read may mean that nothing is left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ShortRead {
    /// For TCP, where the system tells us about the exceptions.
    MeansDrained,
    /// Packets, ancillary data, devices: only `EAGAIN` means that nothing is left.
    ProvesNothing,
}

/// Everything below is written by the owner's thread alone, `runtime` and `closed` apart; `Relaxed` will do, since
/// whatever moved the handle to another thread has ordered these too. Only `close` may run beside the first wait
/// on another thread: it writes `closed` and reads `token`, which [`register`](Self::register) writes before
/// [`ask`](Self::ask) reads `closed`, so one of the two sees the other.
#[derive(Debug)]
pub(crate) struct Registration {
    /// Bits of the runtime; 0 while unregistered.
    runtime: AtomicU64,
    token: AtomicUsize,
    /// Directions (`consult_bit`) in which the reactor must be asked before an operation is tried.
    consult: AtomicU8,
    closed: AtomicBool,
    short_read: ShortRead,
}

#[inline]
const fn consult_bit(direction: Direction) -> u8 {
    match direction {
        Direction::Read => 1,
        Direction::Write => 2,
    }
}

impl Registration {
    pub(crate) const fn new(short_read: ShortRead) -> Self {
        Self {
            runtime: AtomicU64::new(0),
            token: AtomicUsize::new(0),
            consult: AtomicU8::new(0),
            closed: AtomicBool::new(false),
            short_read,
        }
    }

    /// Tries `op` as often as it takes, and waits in between while the descriptor is not ready. Each try costs one
    /// unit of the task's budget. A try the kernel interrupted is repeated.
    #[inline]
    pub(crate) fn poll_op<R>(
        &self,
        fd: BorrowedFd<'_>,
        direction: Direction,
        waiter: &mut WaiterId,
        context: &mut Context<'_>,
        mut op: impl FnMut() -> io::Result<Step<R>>,
    ) -> Poll<io::Result<R>> {
        loop {
            ready!(self.poll_turn(fd, direction, waiter, context))?;
            match op() {
                Ok(Step::Done(result)) => return Poll::Ready(Ok(result)),
                Ok(Step::Short(result)) => {
                    self.came_short();
                    return Poll::Ready(Ok(result));
                }
                Ok(Step::Again) => {}
                Ok(Step::AgainAfterShort) => self.came_short(),
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => self.exhausted(fd, direction)?,
                    io::ErrorKind::Interrupted => {}
                    _ => return Poll::Ready(Err(error)),
                },
            }
        }
    }

    /// Ready when an operation may be tried, with a unit of the budget taken for it.
    #[inline]
    fn poll_turn(
        &self,
        fd: BorrowedFd<'_>,
        direction: Direction,
        waiter: &mut WaiterId,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if self.consult.load(Relaxed) & consult_bit(direction) == 0 {
            if !self.is_usable_here() {
                return Poll::Ready(Err(self.refusal()));
            }
        } else if !self.ask(fd, direction, waiter, context)? {
            return Poll::Pending;
        }
        // Not before the wait: a task that waits for a thousand sockets at once must get round to all of them.
        current::poll_budget(context).map(Ok)
    }

    /// Ready when an event has said that the direction is ready, or an operation has shown it since.
    pub(crate) fn poll_ready(
        &self,
        fd: BorrowedFd<'_>,
        direction: Direction,
        waiter: &mut WaiterId,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if self.runtime.load(Relaxed) == 0 {
            if !self.is_usable_here() {
                return Poll::Ready(Err(self.refusal()));
            }
            self.register(fd, direction)?;
        }
        self.poll_turn(fd, direction, waiter, context)
    }

    /// Tries `op` without waiting; `WouldBlock` if the descriptor is known or found not to be ready.
    pub(crate) fn try_op<R>(
        &self,
        direction: Direction,
        mut op: impl FnMut() -> io::Result<Step<R>>,
    ) -> io::Result<R> {
        let runtime = self.runtime.load(Relaxed);
        if self.closed.load(Relaxed) || (runtime != 0 && !self.is_usable_here()) {
            return Err(self.refusal());
        }
        if self.consult.load(Relaxed) & consult_bit(direction) != 0 {
            let token = self.token();
            if !self.with_reactor(|reactor| reactor.is_ready(token, direction))? {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            self.forget_to_consult(direction);
        }
        loop {
            match op() {
                Ok(Step::Done(result)) => return Ok(result),
                Ok(Step::Short(result)) => {
                    self.came_short();
                    return Ok(result);
                }
                Ok(Step::Again) => {}
                Ok(Step::AgainAfterShort) => self.came_short(),
                Err(error) => match error.kind() {
                    io::ErrorKind::Interrupted => {}
                    io::ErrorKind::WouldBlock if runtime != 0 => {
                        self.mark_exhausted(direction)?;
                        return Err(error);
                    }
                    _ => return Err(error),
                },
            }
        }
    }

    /// Whether this thread's runtime owns the handle, or may come to own it.
    #[inline]
    fn is_usable_here(&self) -> bool {
        let here = match RuntimeId::from_bits(self.runtime.load(Relaxed)) {
            Some(owner) => owner.is_current(),
            None => current::is_entered(),
        };
        here && !self.closed.load(Relaxed)
    }

    /// Says why the handle is not usable here.
    #[cold]
    fn refusal(&self) -> io::Error {
        if self.closed.load(Relaxed) {
            return HandleError::Closed.into();
        }
        let owner = RuntimeId::from_bits(self.runtime.load(Relaxed));
        match owner {
            None if current::is_entered() => HandleError::NoReactor,
            Some(owner) if owner.is_current() => HandleError::NoReactor,
            None => HandleError::NoRuntime,
            Some(owner) if owner.post(|| {}).is_err() => HandleError::RuntimeEnded,
            Some(_) if !current::is_entered() => HandleError::NoRuntime,
            Some(_) => HandleError::OtherRuntime,
        }
        .into()
    }

    /// Calls `f` with the reactor that the handle is registered with.
    #[inline]
    fn with_reactor<R>(&self, f: impl FnOnce(&Reactor) -> R) -> io::Result<R> {
        let runtime = self.runtime.load(Relaxed);
        let done = current::with_extension(|reactor: &Rc<Reactor>| {
            (reactor.runtime() == runtime).then(|| f(reactor))
        });
        done.flatten().ok_or_else(|| self.refusal())
    }

    #[inline]
    fn token(&self) -> Token {
        Token(self.token.load(Relaxed))
    }

    /// Asks the reactor whether an operation may be tried; if not, the waiter is registered.
    fn ask(
        &self,
        fd: BorrowedFd<'_>,
        direction: Direction,
        waiter: &mut WaiterId,
        context: &Context<'_>,
    ) -> io::Result<bool> {
        if self.closed.load(SeqCst) {
            return Err(self.refusal());
        }
        let token = self.token();
        let ready = self.with_reactor(|reactor| reactor.may_try(token, direction, waiter, context, fd))??;
        if ready {
            self.forget_to_consult(direction);
        }
        Ok(ready)
    }

    #[inline]
    fn forget_to_consult(&self, direction: Direction) {
        self.consult.store(self.consult.load(Relaxed) & !consult_bit(direction), Relaxed);
    }

    #[inline]
    fn remember_to_consult(&self, direction: Direction) {
        self.consult.store(self.consult.load(Relaxed) | consult_bit(direction), Relaxed);
    }

    /// A read got less than there was room for.
    #[inline]
    fn came_short(&self) {
        // Before there was any event nothing is known about urgent data or the end of the stream.
        if self.short_read == ShortRead::ProvesNothing || self.runtime.load(Relaxed) == 0 {
            return;
        }
        let token = self.token();
        if self.with_reactor(|reactor| reactor.came_short(token)).unwrap_or(false) {
            self.remember_to_consult(Direction::Read);
        }
    }

    /// An operation got `EAGAIN`: the first time is when the descriptor is registered.
    #[cold]
    fn exhausted(&self, fd: BorrowedFd<'_>, direction: Direction) -> io::Result<()> {
        if self.runtime.load(Relaxed) == 0 {
            self.register(fd, direction)
        } else {
            self.mark_exhausted(direction)
        }
    }

    fn mark_exhausted(&self, direction: Direction) -> io::Result<()> {
        let token = self.token();
        self.with_reactor(|reactor| reactor.exhausted(token, direction))?;
        self.remember_to_consult(direction);
        Ok(())
    }

    /// Makes this thread's runtime the owner, on behalf of an operation that has to wait in `direction`.
    ///
    /// # Errors
    /// What the selector says: `EPERM` for a regular file, `EBADF` for a closed descriptor, `EEXIST` if the
    /// descriptor is registered through another handle.
    #[cold]
    pub(crate) fn register(&self, fd: BorrowedFd<'_>, direction: Direction) -> io::Result<()> {
        let Some(runtime) = RuntimeId::current().map(RuntimeId::to_bits) else {
            return Err(self.refusal());
        };
        // Two threads may try at once, each on behalf of its runtime.
        if self.runtime.compare_exchange(0, runtime, SeqCst, Relaxed).is_err() {
            return Err(self.refusal());
        }
        let registered = current::with_extension(|reactor: &Rc<Reactor>| {
            // There is nearly always room, so a writer may just try. Readers wait for the event that says what is
            // there: the selector reports it at its next turn.
            let mut readiness = match direction {
                Direction::Read => Readiness::WRITABLE,
                Direction::Write => Readiness::NONE,
            };
            if self.short_read == ShortRead::ProvesNothing {
                readiness = readiness.with(Readiness::FULL_READS);
            }
            reactor.register(fd, readiness)
        });
        match registered.unwrap_or_else(|| Err(HandleError::NoReactor.into())) {
            Ok(token) => {
                self.token.store(token.0, SeqCst);
                self.remember_to_consult(Direction::Read);
                if direction == Direction::Write {
                    self.remember_to_consult(Direction::Write);
                }
                Ok(())
            }
            Err(error) => {
                self.runtime.store(0, Relaxed);
                Err(error)
            }
        }
    }

    /// Removes a waiter of a future that is dropped before it was done.
    #[cold]
    pub(crate) fn unseat(&self, direction: Direction, waiter: WaiterId) {
        let token = self.token();
        if self.with_reactor(|reactor| reactor.unseat(token, direction, waiter)).is_err() {
            let runtime = self.runtime.load(Relaxed);
            elsewhere::on_owner(runtime, move |reactor| reactor.unseat(token, direction, waiter));
        }
    }

    /// Makes every operation, waiting or to come, fail with [`HandleError::Closed`].
    pub(crate) fn close(&self) {
        if self.closed.swap(true, SeqCst) {
            return;
        }
        let runtime = self.runtime.load(SeqCst);
        let token = Token(self.token.load(SeqCst));
        if runtime != 0 && self.with_reactor(|reactor| reactor.wake_all(token)).is_err() {
            elsewhere::on_owner(runtime, move |reactor| reactor.wake_all(token));
        }
    }

    /// Ends the registration, from any thread. To be called before the descriptor is closed or given away.
    pub(crate) fn release(&mut self, fd: BorrowedFd<'_>) {
        let runtime = *self.runtime.get_mut();
        if runtime == 0 {
            return;
        }
        let token = self.token();
        if self.with_reactor(|reactor| reactor.deregister(fd, token)).is_err() {
            elsewhere::deregister(runtime, token, fd);
        }
        *self.runtime.get_mut() = 0;
    }
}
