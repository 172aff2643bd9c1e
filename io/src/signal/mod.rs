//! Signals, awaited.
//!
//! ```no_run
//! use runtime_io::signal::{SignalKind, ctrl_c, signal};
//! # let reactor = runtime_io::Reactor::new()?;
//! # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
//! # executor.block_on(async {
//! let mut hangups = signal(SignalKind::hangup())?;
//! runtime_executor::spawn(async move {
//!     while hangups.recv().await.is_some() {
//!         println!("reading the settings anew");
//!     }
//! })
//! .detach();
//! ctrl_c().await?;
//! println!("bye");
//! # std::io::Result::Ok(())
//! # })?;
//! # std::io::Result::Ok(())
//! ```
//!
//! - **From the first listener on the signal no longer does what it does by default**, in the whole process, and also while
//!   nobody listens: a loop of [`ctrl_c`] loses none. What it did before comes back when the last runtime that has listened to
//!   it has ended, or by [`restore`]; [`keep`] has it stay ours.
//! - **Signals coalesce.** The system keeps no count of signals under way, so two that come quickly one after the other may
//!   be one. A listener hears of those since it last looked as one.
//! - **Every listener hears every signal**, whichever runtime or thread it is on, from the moment [`signal`] has returned.
//! - A handler that the program, or a library, has installed before is called as ever.
//! - A listener that waits counts as something that may still happen: a runtime in which nothing else can sleeps and reports
//!   no deadlock, and a paused clock does not move.
//! - Child processes get every signal's default meaning ([`process::Launch`](crate::process::Launch)).

mod kind;

pub use kind::SignalKind;

use crate::{
    AsyncFd, HandleError, Reactor,
    source::{Direction, WaiterId},
    sys::{
        fork,
        signal::{self as sys, Bell},
    },
};
use futures_core::Stream;
use runtime_executor::current;
use std::{
    cell::RefCell,
    collections::BTreeSet,
    fmt, io,
    pin::Pin,
    rc::Rc,
    sync::{Arc, Weak},
    task::{Context, Poll, ready},
};

/// What a runtime's listeners share: one descriptor, however many they are.
pub(crate) struct Hub {
    bell: RefCell<Weak<AsyncFd<Bell>>>,
    /// Which signals they have listened to, ever.
    signals: RefCell<BTreeSet<SignalKind>>,
    /// How many forks its process lies below the first: a child ends no runtime of its parent.
    depth: u32,
}

impl Hub {
    pub(crate) fn new(depth: u32) -> Self {
        Self { bell: RefCell::default(), signals: RefCell::default(), depth }
    }

    /// Has a signal counted until this runtime ends.
    fn listen(&self, kind: SignalKind) -> io::Result<()> {
        let is_first = !self.signals.borrow().contains(&kind);
        sys::listen(kind.as_raw_value(), is_first)?;
        self.signals.borrow_mut().insert(kind);
        Ok(())
    }

    fn bell(&self) -> io::Result<Arc<AsyncFd<Bell>>> {
        let present = self.bell.borrow().upgrade();
        if let Some(bell) = present {
            return Ok(bell);
        }
        let bell = AsyncFd::new_nonblocking(Bell::hang()?);
        // Now, while a selector that has no room for it is an error: who waits for a signal has none to give.
        bell.register(Direction::Read)?;
        let bell = Arc::new(bell);
        self.bell.replace(Arc::downgrade(&bell));
        Ok(bell)
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        if self.depth == fork::depth() {
            self.signals.get_mut().iter().for_each(|kind| sys::leave(kind.as_raw_value()));
        }
    }
}

/// Listens to a signal on behalf of the runtime on this thread, from now on.
///
/// # Errors
/// `EINVAL` for what is no signal or cannot be caught (SIGKILL, SIGSTOP), `InvalidInput` for those that say that the program
/// is broken (SIGSEGV, SIGBUS, SIGFPE, SIGILL: nothing could go on after them), a [`HandleError`] if no runtime with a
/// reactor runs here; or if the system has no descriptors left, or no room for another one in the selector.
pub fn signal(kind: SignalKind) -> io::Result<Signal> {
    let number = kind.as_raw_value();
    if matches!(number, libc::SIGSEGV | libc::SIGBUS | libc::SIGFPE | libc::SIGILL) {
        let why = "this signal says that the program is broken, and cannot be awaited";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    let bell = current::with_extension(|reactor: &Rc<Reactor>| {
        let bell = reactor.signals.bell()?;
        reactor.signals.listen(kind)?;
        io::Result::Ok(bell)
    });
    let bell = bell.unwrap_or_else(|| {
        Err(if current::is_entered() { HandleError::NoReactor } else { HandleError::NoRuntime }.into())
    })?;
    Ok(Signal { kind, seen: sys::count(number), bell, waiter: WaiterId::NONE })
}

/// Waits for ^C (SIGINT), from now on. See the [module's text](self) for what else it changes.
///
/// # Errors
/// As [`signal`].
///
/// # Cancel safety
/// Dropped, it takes no signal from anybody; ^C still does not end the process before its runtime has ended.
pub fn ctrl_c() -> impl Future<Output = io::Result<()>> {
    let listening = signal(SignalKind::interrupt());
    async move {
        listening?.recv().await;
        Ok(())
    }
}

/// Gives a signal back what it did before anybody here listened to it: its default meaning, or the handler that was there. Who
/// listens now hears nothing of it any more, until somebody calls [`signal`] again. Gives `false`, and does nothing, if our handler is
/// not there: nobody has listened, or who has installed another one since will have it.
///
/// # Errors
/// `InvalidInput` for what is no signal.
///
/// ```no_run
/// use runtime_io::signal::{SignalKind, ctrl_c, restore};
/// # async fn story() -> std::io::Result<()> {
/// ctrl_c().await?;
/// println!("finishing; once more to end at once");
/// restore(SignalKind::interrupt())?;
/// # Ok(())
/// # }
/// ```
pub fn restore(kind: SignalKind) -> io::Result<bool> {
    sys::restore(kind.as_raw_value())
}

/// Has a signal that somebody listens to, or will, stay ours when the last runtime that has listened to it has ended, so that it
/// does nothing then: for a program that must not be ended by it at its last moment. [`restore`] takes that back.
///
/// # Errors
/// `InvalidInput` for what is no signal.
///
/// ```
/// use runtime_io::signal::{SignalKind, keep};
/// keep(SignalKind::terminate())?;
/// # std::io::Result::Ok(())
/// ```
pub fn keep(kind: SignalKind) -> io::Result<()> {
    sys::stay(kind.as_raw_value())
}

/// Listens to one signal; made by [`signal`].
///
/// It belongs to the runtime that it was made in, and may be dropped anywhere. It is a [`Stream`], too.
///
/// ```
/// use runtime_io::signal::{SignalKind, signal};
/// # let reactor = runtime_io::Reactor::new()?;
/// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
/// # executor.block_on(async {
/// let mut usr1 = signal(SignalKind::user_defined1())?;
/// let pid = std::process::id().to_string();
/// std::process::Command::new("kill").args(["-USR1", &pid]).status()?;
/// usr1.recv().await;
/// # std::io::Result::Ok(())
/// # })?;
/// # std::io::Result::Ok(())
/// ```
pub struct Signal {
    kind: SignalKind,
    /// The count up to which it has been told.
    seen: u32,
    bell: Arc<AsyncFd<Bell>>,
    waiter: WaiterId,
}

impl Signal {
    /// Which signal.
    pub fn kind(&self) -> SignalKind {
        self.kind
    }

    /// Waits until the signal has come since the last time, or since [`signal`] returned. Always `Some`: the `Option` is
    /// there for `while let`.
    ///
    /// # Panics
    /// In another runtime than the one it was made in.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: the next one tells.
    pub fn recv(&mut self) -> impl Future<Output = Option<()>> {
        Receive(self)
    }

    /// [`recv`](Self::recv) for hand-written futures. The last task to ask is woken.
    ///
    /// # Panics
    /// In another runtime than the one it was made in.
    pub fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Option<()>> {
        loop {
            // First: what rang for this one may have been heard by another listener.
            if self.has_come() {
                self.stand_up();
                return Poll::Ready(Some(()));
            }
            if let Err(error) = ready!(self.bell.poll_ready(Direction::Read, &mut self.waiter, context)) {
                panic!("a listener of {} cannot wait: {error}", self.kind);
            }
            // Whoever else waits has been woken by the same event. To the end, so that the next ring is a new event.
            while self.bell.try_read_with(Bell::hear).is_ok() {}
        }
    }

    fn has_come(&mut self) -> bool {
        let count = sys::count(self.kind.as_raw_value());
        count != std::mem::replace(&mut self.seen, count)
    }

    fn stand_up(&mut self) {
        let waiter = std::mem::replace(&mut self.waiter, WaiterId::NONE);
        if !waiter.is_none() {
            self.bell.unseat(Direction::Read, waiter);
        }
    }
}

impl Drop for Signal {
    fn drop(&mut self) {
        self.stand_up();
    }
}

impl Stream for Signal {
    type Item = ();

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<()>> {
        self.poll_recv(context)
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Signal").field(&self.kind).finish()
    }
}

/// Given up half-way, nobody waits on its behalf any more.
struct Receive<'a>(&'a mut Signal);

impl Future for Receive<'_> {
    type Output = Option<()>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<()>> {
        self.0.poll_recv(context)
    }
}

impl Drop for Receive<'_> {
    fn drop(&mut self) {
        self.0.stand_up();
    }
}
