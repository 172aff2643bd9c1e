//! A handle's side of its registration: plain integers, so that handles are `Send` and `Sync` by themselves.
//!
//! A registration is made late, by the first operation that has to wait; a connection that never waits never costs
//! a system call here. Its life:
//!
//! ```text
//!              register (first wait)                  release (drop, into_inner)
//! unregistered ------------> registered with a runtime ------------> gone
//! ```
//!
//! Until then a handle may move to any thread; afterwards it belongs to that runtime, and elsewhere it can only be
//! dropped.
//!
//! What is known of a direction lies here too, so that an operation that can just be tried asks nobody:
//!
//! ```text
//!        an attempt found it exhausted (`EAGAIN`, or a short read that proves it)
//! to try ------------------------------------------------------------------------> to wait
//!        <------------------------------------------------------------------------
//!        the reactor has an event for it (`ask`)
//! ```
//!
//! The selector is asked about both directions of a TCP connection at once, of everything else about a direction when it
//! has to be waited for: room would be reported there whenever there is more of it. A UDP socket would end an `epoll_wait`
//! for each datagram it has sent, a Unix socket for each that was read (sock_wfree, unix_write_space in Linux).

use crate::{
    elsewhere,
    handle_error::HandleError,
    knowledge::Knowledge,
    pulse::Pulse,
    reactor::Reactor,
    source::{Direction, Standing, WaiterId},
    sys,
};
use mio::Token;
use runtime_executor::{RuntimeId, current};
use std::{
    io,
    os::fd::BorrowedFd,
    rc::Rc,
    sync::{
        Arc,
        atomic::{
            AtomicU8, AtomicU64, AtomicUsize,
            Ordering::{Relaxed, SeqCst},
        },
    },
    task::{Context, Poll, ready},
};

/// What one attempt of an operation came to.
pub(crate) enum Step<R> {
    /// It is done.
    Done(R),
    /// It is done, and a read got less than there was room for.
    Short(R),
    /// It is done, and a read found that nothing is left.
    Drained(R),
    /// It got on, and goes on.
    Again,
    /// It got on with a read that gave less than there was room for, and goes on.
    AgainAfterShort,
}

/// Everything below is written by the owner's thread alone, `runtime` apart; `Relaxed` will do, since whatever moved
/// the handle to another thread has ordered these too. Only `close` may run beside the first wait on another thread:
/// it writes `runtime` and reads `token`, while [`register`](Self::register) writes `token` before
/// [`ask`](Self::ask) reads `runtime`, so one of the two sees the other.
#[derive(Debug)]
pub(crate) struct Registration {
    /// Bits of the runtime, 0 while unregistered; with [`CLOSED`], which makes them nobody's.
    runtime: AtomicU64,
    token: AtomicUsize,
    knowledge: AtomicU8,
    /// Of a connection that somebody watches.
    pulse: Option<Arc<Pulse>>,
}

/// The bit of a handle that was closed. No runtime's number is that high.
const CLOSED: u64 = 1 << 63;

impl Registration {
    pub(crate) const fn new(kind: Knowledge) -> Self {
        Self {
            runtime: AtomicU64::new(0),
            token: AtomicUsize::new(0),
            knowledge: AtomicU8::new(kind.bits()),
            pulse: None,
        }
    }

    /// From now on `pulse` is told what is done here.
    pub(crate) fn watch(&mut self, pulse: Arc<Pulse>) {
        self.pulse = Some(pulse);
    }

    pub(crate) fn pulse(&self) -> Option<&Arc<Pulse>> {
        self.pulse.as_ref()
    }

    /// A writer is seated, or no more.
    #[inline]
    fn waits(&self, direction: Direction, waits: bool) {
        if let (Direction::Write, Some(pulse)) = (direction, &self.pulse) {
            pulse.write_waits(waits.then(|| (self.owner(), self.token())));
        }
    }

    /// Tries `op` as often as it takes, and waits in between while the descriptor is not ready. Each try costs one
    /// unit of the task's budget. A try the kernel interrupted is repeated.
    #[inline]
    pub(crate) fn poll_op<'a, R>(
        &self,
        fd: impl Fn() -> BorrowedFd<'a>,
        direction: Direction,
        waiter: &mut WaiterId,
        context: &mut Context<'_>,
        mut op: impl FnMut() -> io::Result<Step<R>>,
    ) -> Poll<io::Result<R>> {
        loop {
            ready!(self.poll_turn(&fd, direction, waiter, context))?;
            match op() {
                Ok(step) => {
                    if let Some(result) = self.took(direction, step) {
                        return Poll::Ready(Ok(result));
                    }
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => self.exhausted(fd(), direction)?,
                    io::ErrorKind::Interrupted => {}
                    _ if self.is_starved(&error) => self.put_off(fd(), direction)?,
                    _ => return Poll::Ready(Err(error)),
                },
            }
        }
    }

    /// Notes what an attempt came to; gives the result if that is all.
    #[inline]
    fn took<R>(&self, direction: Direction, step: Step<R>) -> Option<R> {
        if let Some(pulse) = &self.pulse {
            pulse.moved(direction);
        }
        match step {
            Step::Done(result) => Some(result),
            Step::Short(result) => {
                self.came_short();
                Some(result)
            }
            Step::Drained(result) => {
                self.drained();
                Some(result)
            }
            Step::Again => None,
            Step::AgainAfterShort => {
                self.came_short();
                None
            }
        }
    }

    /// Ready when an operation may be tried, with a unit of the budget taken for it.
    #[inline]
    fn poll_turn<'a>(
        &self,
        fd: impl Fn() -> BorrowedFd<'a>,
        direction: Direction,
        waiter: &mut WaiterId,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.knowledge().awaits(direction) {
            if !self.is_usable_here() {
                return Poll::Ready(Err(self.refusal()));
            }
        } else {
            ready!(self.ask(fd, direction, waiter, context))?;
        }
        // Not before the wait: a task that waits for a thousand sockets at once must get round to all of them.
        current::poll_budget(context).map(Ok)
    }

    /// Takes the event of a direction, if there is one that this thread can see.
    #[inline]
    fn take_event(&self, direction: Direction) -> bool {
        let (runtime, token) = (self.runtime.load(Relaxed), self.token());
        let event = current::with_extension(|reactor: &Rc<Reactor>| {
            if reactor.runtime() == runtime { reactor.take_event(token, direction) } else { None }
        });
        let Some(event) = event.flatten() else { return false };
        self.waits(direction, false);
        self.set_knowledge(self.knowledge().learn(direction, event));
        true
    }

    /// Ready when an event has said that the direction is ready, and no operation has found it exhausted since.
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
        } else if direction == Direction::Read && self.knowledge().is_unasked(direction) {
            self.exhausted(fd, direction)?;
        }
        self.poll_turn(|| fd, direction, waiter, context)
    }

    /// Tries `op` without waiting; `WouldBlock` if the descriptor is known or found not to be ready.
    pub(crate) fn try_op<'a, R>(
        &self,
        fd: impl FnOnce() -> BorrowedFd<'a>,
        direction: Direction,
        mut op: impl FnMut() -> io::Result<Step<R>>,
    ) -> io::Result<R> {
        let registered = self.runtime.load(Relaxed) != 0;
        if registered && !self.is_usable_here() {
            return Err(self.refusal());
        }
        if self.knowledge().awaits(direction) && !self.take_event(direction) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        loop {
            match op() {
                Ok(step) => {
                    if let Some(result) = self.took(direction, step) {
                        return Ok(result);
                    }
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::Interrupted => {}
                    io::ErrorKind::WouldBlock if registered => {
                        self.exhausted(fd(), direction)?;
                        return Err(error);
                    }
                    _ if self.is_starved(&error) => {
                        if registered {
                            self.put_off(fd(), direction)?;
                        }
                        return Err(io::ErrorKind::WouldBlock.into());
                    }
                    _ => return Err(error),
                },
            }
        }
    }

    #[inline]
    fn knowledge(&self) -> Knowledge {
        Knowledge::of_bits(self.knowledge.load(Relaxed))
    }

    #[inline]
    fn set_knowledge(&self, knowledge: Knowledge) {
        self.knowledge.store(knowledge.bits(), Relaxed);
    }

    #[inline]
    fn token(&self) -> Token {
        Token(self.token.load(Relaxed))
    }

    /// Whether this thread's runtime owns the handle, or may come to own it.
    #[inline]
    fn is_usable_here(&self) -> bool {
        match RuntimeId::from_bits(self.runtime.load(Relaxed)) {
            Some(owner) => owner.is_current(),
            None => current::is_entered(),
        }
    }

    /// Says why the handle is not usable here.
    #[cold]
    fn refusal(&self) -> io::Error {
        let runtime = self.runtime.load(Relaxed);
        if runtime & CLOSED != 0 {
            return HandleError::Closed.into();
        }
        match RuntimeId::from_bits(runtime) {
            None if current::is_entered() => HandleError::NoReactor,
            None => HandleError::NoRuntime,
            Some(owner) if owner.is_current() => HandleError::NoReactor,
            Some(owner) if owner.post(|| {}).is_err() => HandleError::RuntimeEnded,
            Some(_) if !current::is_entered() => HandleError::NoRuntime,
            Some(_) => HandleError::OtherRuntime,
        }
        .into()
    }

    /// Bits of the runtime it is registered with, closed or not; 0 while unregistered.
    fn owner(&self) -> u64 {
        self.runtime.load(Relaxed) & !CLOSED
    }

    /// Calls `f` with the reactor that the handle is registered with, closed or not.
    fn with_reactor<R>(&self, f: impl FnOnce(&Reactor) -> R) -> io::Result<R> {
        let runtime = self.owner();
        let done = current::with_extension(|reactor: &Rc<Reactor>| {
            (reactor.runtime() == runtime).then(|| f(reactor))
        });
        done.flatten().ok_or_else(|| self.refusal())
    }

    /// Asks the reactor for an event to go by; if there is none, the waiter is seated.
    #[inline]
    fn ask<'a>(
        &self,
        fd: impl Fn() -> BorrowedFd<'a>,
        direction: Direction,
        waiter: &mut WaiterId,
        context: &Context<'_>,
    ) -> Poll<io::Result<()>> {
        let (runtime, token) = (self.runtime.load(SeqCst), self.token());
        let standing = current::with_extension(|reactor: &Rc<Reactor>| {
            if reactor.runtime() == runtime {
                reactor.ask(token, direction, waiter, context.waker())
            } else {
                Standing::Gone
            }
        });
        match standing.unwrap_or(Standing::Gone) {
            Standing::Waiting => {
                self.waits(direction, true);
                rearm(&fd, self)?;
                Poll::Pending
            }
            Standing::Ready(event) => {
                self.waits(direction, false);
                self.set_knowledge(self.knowledge().learn(direction, event));
                Poll::Ready(Ok(()))
            }
            Standing::Gone => Poll::Ready(Err(self.refusal())),
        }
    }

    /// Has the next operation of this thread try, whatever is known: for those of whose readiness no event may tell.
    pub(crate) fn presume_ready(&self, direction: Direction) {
        if self.is_usable_here() {
            self.set_knowledge(self.knowledge().presumed_ready(direction));
        }
    }

    /// A read got less than there was room for. Before there was any event, that says nothing.
    #[inline]
    fn came_short(&self) {
        if self.runtime.load(Relaxed) != 0 {
            self.set_knowledge(self.knowledge().came_short());
        }
    }

    /// A read found that nothing is left, and whatever comes makes an event.
    #[inline]
    fn drained(&self) {
        if self.runtime.load(Relaxed) != 0 {
            self.set_knowledge(self.knowledge().drained());
        }
    }

    /// An operation got `EAGAIN`: the first time is when the descriptor is registered.
    #[cold]
    fn exhausted(&self, fd: BorrowedFd<'_>, direction: Direction) -> io::Result<()> {
        if self.runtime.load(Relaxed) == 0 {
            return self.register(fd, direction);
        }
        let known = self.knowledge();
        if known.is_unasked(direction) {
            let interest = known.asked(direction).interest();
            self.with_reactor(|reactor| reactor.widen(fd, self.token(), interest))??;
        }
        self.set_knowledge(known.asked(direction).got_nothing(fd, direction));
        Ok(())
    }

    /// Whether an operation has failed for want of memory, and the handle is patient.
    #[cold]
    fn is_starved(&self, error: &io::Error) -> bool {
        self.knowledge().is_patient() && sys::socket::is_short_of_memory(error)
    }

    /// For a while, or until an event comes, a direction counts as exhausted.
    #[cold]
    fn put_off(&self, fd: BorrowedFd<'_>, direction: Direction) -> io::Result<()> {
        self.exhausted(fd, direction)?;
        self.with_reactor(|reactor| reactor.starved.delay(reactor.runtime(), self.token(), direction))
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
        let known = self.knowledge().asked(direction);
        let registered =
            current::with_extension(|reactor: &Rc<Reactor>| reactor.register(fd, known.interest()));
        match registered.unwrap_or_else(|| Err(HandleError::NoReactor.into())) {
            Ok(token) => {
                self.token.store(token.0, SeqCst);
                // The selector reports at its next turn what is there now, so readers wait for that. A writer just
                // tries, unless it is the one that waits: there is nearly always room.
                let readers = if known.is_unasked(Direction::Read) { direction } else { Direction::Read };
                self.set_knowledge(known.exhausted(readers).exhausted(direction));
                Ok(())
            }
            Err(error) => {
                self.runtime.fetch_and(CLOSED, Relaxed);
                Err(error)
            }
        }
    }

    /// Removes the waiter of a future that is dropped before it was done.
    #[cold]
    pub(crate) fn unseat(&self, direction: Direction, waiter: WaiterId) {
        let token = self.token();
        self.waits(direction, false);
        if self.with_reactor(|reactor| reactor.unseat(token, direction, waiter)).is_err() {
            let runtime = self.owner();
            elsewhere::on_owner(runtime, move |reactor| reactor.unseat(token, direction, waiter));
        }
    }

    /// Makes every operation, waiting or to come, fail with [`HandleError::Closed`].
    pub(crate) fn close(&self) {
        let runtime = self.runtime.fetch_or(CLOSED, SeqCst);
        if runtime & CLOSED != 0 {
            return;
        }
        let token = Token(self.token.load(SeqCst));
        if runtime != 0 && self.with_reactor(|reactor| reactor.wake_all(token)).is_err() {
            elsewhere::on_owner(runtime, move |reactor| reactor.wake_all(token));
        }
    }

    /// Whether neither urgent data nor a hang-up is known of.
    pub(crate) fn is_plain(&self) -> bool {
        self.knowledge().is_plain()
    }

    /// Fails if the handle was closed.
    pub(crate) fn check_open(&self) -> io::Result<()> {
        if self.runtime.load(Relaxed) & CLOSED == 0 { Ok(()) } else { Err(HandleError::Closed.into()) }
    }

    /// Ends the registration, from any thread. To be called before the descriptor is closed or given away.
    pub(crate) fn release(&mut self, fd: BorrowedFd<'_>) {
        if self.pulse.as_ref().is_some_and(|pulse| pulse.ends()) {
            sys::socket::reset_when_closed(fd);
        }
        let runtime = self.owner();
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

/// epoll and kqueue stay armed.
#[cfg(not(mio_unsupported_force_poll_poll))]
#[inline]
#[expect(clippy::unnecessary_wraps, reason = "the poll(2) selector may fail")]
fn rearm<'a>(_fd: &impl Fn() -> BorrowedFd<'a>, _registration: &Registration) -> io::Result<()> {
    Ok(())
}

/// The poll(2) selector reports a thing once, and then has to be told to look again.
#[cfg(mio_unsupported_force_poll_poll)]
fn rearm<'a>(fd: &impl Fn() -> BorrowedFd<'a>, registration: &Registration) -> io::Result<()> {
    let token = registration.token();
    registration.with_reactor(|reactor| reactor.rearm(token, fd()))?
}
