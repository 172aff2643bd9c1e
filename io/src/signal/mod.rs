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
//! - **From the first listener on the signal no longer does what it does by default**, in the whole process and for good: a
//!   program that has listened to ^C once is not ended by it any more, even if nobody listens now.
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
    sys::signal::{self as sys, Bell},
};
use futures_core::Stream;
use runtime_executor::current;
use std::{
    cell::RefCell,
    fmt, io,
    pin::Pin,
    rc::Rc,
    sync::{Arc, Weak},
    task::{Context, Poll, ready},
};

/// What a runtime's listeners share: one descriptor, however many they are.
#[derive(Default)]
pub(crate) struct Hub(RefCell<Weak<AsyncFd<Bell>>>);

impl Hub {
    fn bell(&self) -> io::Result<Arc<AsyncFd<Bell>>> {
        let present = self.0.borrow().upgrade();
        if let Some(bell) = present {
            return Ok(bell);
        }
        let bell = AsyncFd::new_nonblocking(Bell::hang()?);
        // Now, while a selector that has no room for it is an error: who waits for a signal has none to give.
        bell.register(Direction::Read)?;
        let bell = Arc::new(bell);
        self.0.replace(Arc::downgrade(&bell));
        Ok(bell)
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
    let bell = current::with_extension(|reactor: &Rc<Reactor>| reactor.signals.bell());
    let bell = bell.unwrap_or_else(|| {
        Err(if current::is_entered() { HandleError::NoReactor } else { HandleError::NoRuntime }.into())
    })?;
    sys::listen(number)?;
    Ok(Signal { kind, seen: sys::count(number), bell, waiter: WaiterId::NONE })
}

/// Waits for ^C (SIGINT), from now on. See the [module's text](self) for what else it changes.
///
/// # Errors
/// As [`signal`].
///
/// # Cancel safety
/// Dropped, it takes no signal from anybody; ^C still does not end the process.
pub fn ctrl_c() -> impl Future<Output = io::Result<()>> {
    let listening = signal(SignalKind::interrupt());
    async move {
        listening?.recv().await;
        Ok(())
    }
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
