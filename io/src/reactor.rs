//! The reactor: sleeps on mio's selector on behalf of the executor and wakes whoever waited for what happened.

use crate::{
    elsewhere,
    handle_error::HandleError,
    io::{buffers, splicing},
    net::share::ListenerSource,
    signal::Hub,
    source::{Direction, Readiness, Standing, Table, WaiterId},
    starved::Starved,
    sys,
};
use mio::{Events, Interest, Poll, Registry, Token, unix::SourceFd};
use runtime_executor::{Park, RuntimeId, Waiter};
use std::{
    cell::{Cell, RefCell},
    fmt, io,
    os::fd::{AsRawFd, BorrowedFd},
    rc::Rc,
    sync::Arc,
    task::{Wake, Waker},
    time::Duration,
};

/// Events taken from the kernel at once. More wait for the next question; each costs 12 bytes here on Linux.
const BATCH: usize = 1024;

/// Tells the doorbell apart from every source: no slot and generation reach it.
const DOORBELL: Token = Token(usize::MAX);

/// Urgent data is asked for where it can be seen: its mark ends reads early (see `Knowledge::came_short`). Miri
/// knows neither it nor the flag.
#[cfg(all(any(target_os = "linux", target_os = "android"), not(miri)))]
pub(crate) const READ_INTEREST: Interest = Interest::READABLE.add(Interest::PRIORITY);
#[cfg(any(miri, not(any(target_os = "linux", target_os = "android"))))]
pub(crate) const READ_INTEREST: Interest = Interest::READABLE;

/// Waits for descriptors on behalf of one runtime: epoll on Linux, kqueue on macOS and the BSDs.
///
/// It lives on the runtime's thread, in two places: the executor parks on it, and sockets find it on the shelf of
/// extensions. `runtime::run` and `#[runtime::main]` set both up; with the executor alone it looks like this:
///
/// ```
/// use runtime_executor::Executor;
/// use runtime_io::{Reactor, net::TcpListener};
///
/// let reactor = Reactor::new()?;
/// let executor = Executor::builder().park(reactor.clone()).extension(reactor).build();
/// executor.block_on(async {
///     let listener = TcpListener::bind("127.0.0.1:0").await?;
///     println!("listening on {}", listener.local_addr()?);
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
///
/// It belongs to the process that made it. After `fork` the child must make its own: the kernel's side is shared,
/// so parking on the parent's is refused and nothing is deregistered there.
pub struct Reactor {
    poller: RefCell<Poller>,
    /// Shared with the table through which other threads deregister what they drop.
    registry: Arc<Registry>,
    table: RefCell<Table>,
    pub(crate) starved: Starved,
    pub(crate) signals: Hub,
    pub(crate) buffers: buffers::Pool,
    pub(crate) pipes: splicing::Pipes,
    /// Whom `bind` asks instead of the system, in a worker of a cluster.
    pub(crate) listener_source: RefCell<Option<Rc<dyn ListenerSource>>>,
    /// Emptied and filled by each `park`; kept for its memory.
    woken: Cell<Vec<Waiter>>,
    doorbell: Arc<Doorbell>,
    /// Bits of the runtime whose sources these are; 0 before the first.
    runtime: Cell<u64>,
    fork_depth: u32,
}

struct Poller {
    poll: Poll,
    events: Events,
}

struct Doorbell(mio::Waker);

impl Wake for Doorbell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Otherwise it fails only if the selector is gone, and then nobody sleeps on it.
        while self.0.wake().is_err_and(|error| error.kind() == io::ErrorKind::Interrupted) {}
    }
}

impl Reactor {
    /// Opens a selector.
    ///
    /// # Errors
    /// When the process or the system has no descriptor left, or no memory: it takes three.
    pub fn new() -> io::Result<Rc<Self>> {
        sys::fork::watch();
        let poll = Poll::new()?;
        let registry = Arc::new(poll.registry().try_clone()?);
        let doorbell = Arc::new(Doorbell(mio::Waker::new(&registry, DOORBELL)?));
        Ok(Rc::new(Self {
            poller: RefCell::new(Poller { poll, events: Events::with_capacity(BATCH) }),
            registry,
            table: RefCell::default(),
            starved: Starved::default(),
            signals: Hub::new(sys::fork::depth()),
            buffers: buffers::Pool::default(),
            pipes: splicing::Pipes::default(),
            listener_source: RefCell::default(),
            woken: Cell::default(),
            doorbell,
            runtime: Cell::new(0),
            fork_depth: sys::fork::depth(),
        }))
    }

    /// How many descriptors are registered: sockets that have had to wait at least once and are still open.
    ///
    /// ```
    /// let reactor = runtime_io::Reactor::new()?;
    /// assert_eq!(reactor.registered(), 0);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn registered(&self) -> usize {
        self.table.borrow().len()
    }

    /// Bits of the runtime this reactor serves; 0 before anything was registered.
    #[inline]
    pub(crate) fn runtime(&self) -> u64 {
        self.runtime.get()
    }

    fn refuse_after_fork(&self) -> io::Result<()> {
        if sys::fork::depth() == self.fork_depth { Ok(()) } else { Err(HandleError::Forked.into()) }
    }

    /// Registers `fd`, edge-triggered: the selector reports all that is true now of what it is asked about, and every
    /// change later; hang-ups and errors always.
    pub(crate) fn register(&self, fd: BorrowedFd<'_>, interest: Interest) -> io::Result<Token> {
        self.refuse_after_fork()?;
        #[cfg(mio_unsupported_force_poll_poll)]
        sys::descriptor::check_open(fd)?;
        let runtime = RuntimeId::current().map_or(0, RuntimeId::to_bits);
        if self.runtime.replace(runtime) != runtime {
            elsewhere::publish(runtime, &self.registry);
        }
        let token = self.table.borrow_mut().insert(fd.as_raw_fd());
        let token = token.ok_or_else(|| io::Error::other("the reactor has no slot left"))?;
        let registered = self.registry.register(&mut SourceFd(&fd.as_raw_fd()), token, interest);
        if let Err(error) = registered {
            self.forget(token);
            return Err(error);
        }
        Ok(token)
    }

    /// Asks about more of a registered descriptor: the selector reports again all that is true now.
    pub(crate) fn widen(&self, fd: BorrowedFd<'_>, token: Token, interest: Interest) -> io::Result<()> {
        self.refuse_after_fork()?;
        // The poll(2) selector is told what it is asked at each wait; see `rearm`.
        if cfg!(mio_unsupported_force_poll_poll) {
            return Ok(());
        }
        self.registry.reregister(&mut SourceFd(&fd.as_raw_fd()), token, interest)
    }

    /// Takes a descriptor out of the selector. To be called before it is closed: another process or a duplicate
    /// may hold the same open file, which would then go on reporting.
    pub(crate) fn deregister(&self, fd: BorrowedFd<'_>, token: Token) {
        if self.refuse_after_fork().is_ok() {
            // The poll(2) selector drops what has hung up by itself; nothing else can fail here.
            let _ = self.registry.deregister(&mut SourceFd(&fd.as_raw_fd()));
        }
        self.forget(token);
    }

    /// Frees the slot of a source that the selector no longer knows; whoever still waits for it is woken.
    pub(crate) fn forget(&self, token: Token) {
        let mut woken = Vec::new();
        self.table.borrow_mut().remove(token, &mut woken);
        woken.into_iter().for_each(Waiter::wake);
    }

    /// Wakes all who wait for a source, to look again.
    pub(crate) fn wake_all(&self, token: Token) {
        let both = Readiness::READABLE.with(Readiness::WRITABLE);
        let mut woken = Vec::new();
        self.table.borrow_mut().deliver(token, both, &mut woken);
        woken.into_iter().for_each(Waiter::wake);
    }

    /// Whoever waits for a direction tries again, though no event has come.
    pub(crate) fn try_again(&self, token: Token, direction: Direction) {
        self.starved.delayed(token, direction);
        let mut woken = Vec::new();
        self.table.borrow_mut().deliver(token, Readiness::of(direction), &mut woken);
        woken.into_iter().for_each(Waiter::wake);
    }

    /// Takes the event that an operation may go by. If there is none its waiter is seated when this returns.
    #[inline]
    pub(crate) fn ask(
        &self,
        token: Token,
        direction: Direction,
        id: &mut WaiterId,
        waker: &Waker,
    ) -> Standing {
        // Who has not waited before will nearly always have to now; who has comes because of an event, or for nothing.
        let standing =
            if id.is_none() { None } else { self.table.borrow_mut().look(token, direction, *id, waker) };
        standing.unwrap_or_else(|| self.sit_down(token, direction, id, waker))
    }

    #[inline(never)]
    fn sit_down(&self, token: Token, direction: Direction, id: &mut WaiterId, waker: &Waker) -> Standing {
        // Made, and what it replaces dropped, outside the borrow: for a foreign waker that is anybody's code, after which
        // things may stand otherwise.
        let mut waiter = Some(Waiter::new(waker));
        self.table.borrow_mut().ask(token, direction, id, &mut waiter)
    }

    /// Takes the event that an operation may go by, if there is one.
    #[inline]
    pub(crate) fn take_event(&self, token: Token, direction: Direction) -> Option<Readiness> {
        self.table.borrow_mut().take_event(token, direction)
    }

    /// Whether anybody is seated in a direction of a source.
    pub(crate) fn is_awaited(&self, token: Token, direction: Direction) -> bool {
        self.table.borrow_mut().is_awaited(token, direction)
    }

    /// A number for a waiter that is not seated yet.
    pub(crate) fn number_waiter(&self) -> WaiterId {
        self.table.borrow_mut().number_waiter()
    }

    /// Removes a waiter that gives up.
    pub(crate) fn unseat(&self, token: Token, direction: Direction, waiter: WaiterId) {
        let waiter = self.table.borrow_mut().unseat(token, direction, waiter);
        drop(waiter);
    }

    /// mio's poll(2) selector reports a thing once and then has to be told to look again; after a hang-up it has
    /// even forgotten the descriptor.
    #[cfg(mio_unsupported_force_poll_poll)]
    pub(crate) fn rearm(&self, token: Token, fd: BorrowedFd<'_>) -> io::Result<()> {
        let awaited = self.table.borrow_mut().awaited(token);
        let Some(interest) = awaited.and_then(|interest| self.starved.without_delayed(token, interest))
        else {
            return Ok(());
        };
        match self.registry.reregister(&mut SourceFd(&fd.as_raw_fd()), token, interest) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.registry.register(&mut SourceFd(&fd.as_raw_fd()), token, interest)
            }
            done => done,
        }
    }
}

impl Park for Reactor {
    fn park(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.refuse_after_fork()?;
        let mut woken;
        {
            let Poller { poll, events } = &mut *self.poller.borrow_mut();
            match poll.poll(events, timeout) {
                Ok(()) => {}
                // A signal handler ran: the loop may have something new to do.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
                Err(error) => return Err(error),
            }
            woken = self.woken.take();
            let mut table = self.table.borrow_mut();
            for event in events.iter() {
                // The doorbell's token names no source, so delivering it does nothing.
                table.deliver(event.token(), Readiness::of_event(event), &mut woken);
            }
        }
        woken.drain(..).for_each(Waiter::wake);
        self.woken.set(woken);
        Ok(())
    }

    fn unparker(&self) -> Waker {
        Arc::clone(&self.doorbell).into()
    }

    #[inline]
    fn waiters(&self) -> usize {
        self.table.borrow().waiting()
    }

    fn sources(&self) -> usize {
        self.registered()
    }

    fn visit_waiters(&self, visit: &mut dyn FnMut(&Waiter, &dyn fmt::Display)) {
        self.table.borrow().visit_waiters(visit);
    }
}

impl Drop for Reactor {
    fn drop(&mut self) {
        elsewhere::withdraw(&self.registry);
    }
}

impl fmt::Debug for Reactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reactor")
            .field("registered", &self.registered())
            .field("waiters", &self.waiters())
            .finish_non_exhaustive()
    }
}
