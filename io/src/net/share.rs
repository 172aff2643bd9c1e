//! Listeners that belong to somebody else: how a supervisor of worker processes has its say in a worker's sockets.
//!
//! A supervisor creates every listener ([`open`]) and keeps it for its whole life, so that no connection in a queue is
//! lost when a worker dies. In a worker it [`install`]s a [`ListenerSource`], and from then on
//! [`TcpListener::bind`](super::TcpListener::bind) and [`UnixListener::bind`](super::UnixListener::bind) ask that instead
//! of the system. They get a descriptor and, with it, a [`Share`]: the handle by which the supervisor's side of the
//! worker pauses the listener, lends it the sockets of workers that are gone, and counts its connections.
//!
//! ```text
//!          sweep_then_pause           the queues are empty
//!   Open ------------------> Sweeping ---------------------> Paused
//!     \------------------------------------------------------->/
//!                              pause
//! ```
//!
//! Programs have no need of this module; `runtime::cluster` is made from it.

use crate::{reactor::Reactor, source::WaiterId, sys};
use futures_core::future::LocalBoxFuture;
use runtime_executor::{current, task, time::sleep};
use std::{
    fmt, future, io, mem,
    net::SocketAddr,
    os::fd::{AsFd, OwnedFd},
    path::PathBuf,
    rc::Rc,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Waker},
    time::Duration,
};

pub use super::opened::{Opened, open};

/// Where somebody wants to listen.
///
/// ```
/// use runtime_io::net::share::Place;
/// let place = Place::Tcp("127.0.0.1:80".parse().unwrap());
/// assert_eq!(place.to_string(), "127.0.0.1:80");
/// assert_eq!(Place::Unix("/run/server".into()).to_string(), "unix:/run/server");
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Place {
    /// At an Internet address. Port 0 leaves the choice to the system.
    Tcp(SocketAddr),
    /// At a path.
    Unix(PathBuf),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Who hands out listeners instead of the system.
pub trait ListenerSource {
    /// A listener for somebody who wants to listen at `place`.
    fn bind(&self, place: Place) -> LocalBoxFuture<'static, io::Result<Shared>>;

    /// Resolves when this process is to stop serving. Unless it is written anew: never.
    fn stopping(&self) -> LocalBoxFuture<'static, Stop> {
        Box::pin(future::pending())
    }

    /// Asked when [`stopping`](Self::stopping) has resolved; resolves when the connections that are left are to be cut.
    /// Unless it is written anew: when the grace period is over.
    fn cutting(&self, stop: Stop) -> LocalBoxFuture<'static, ()> {
        Box::pin(sleep(stop.grace))
    }
}

/// How this process is to stop serving.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Stop {
    /// How long the connections it has may take to end. Then they are cut, and the process ends.
    pub grace: Duration,
}

impl Stop {
    /// Stops with so much time for the connections there are.
    pub const fn within(grace: Duration) -> Self {
        Self { grace }
    }
}

/// Has this thread's runtime ask `source` for its listeners from now on.
///
/// # Panics
/// If no runtime with a reactor runs on this thread.
#[track_caller]
pub fn install(source: Rc<dyn ListenerSource>) {
    let installed = current::with_extension(|reactor: &Rc<Reactor>| {
        // What it replaces is dropped with nothing borrowed.
        reactor.listener_source.replace(Some(source))
    });
    assert!(
        installed.is_some(),
        "share::install needs a runtime with a reactor on this thread: call it inside `runtime::run(async {{ … }})`"
    );
}

#[inline]
fn source() -> Option<Rc<dyn ListenerSource>> {
    current::with_extension(|reactor: &Rc<Reactor>| reactor.listener_source.borrow().clone()).flatten()
}

/// Asks the source, if there is one. The future may be sent, as that of `bind` must; it is polled here only.
#[inline]
pub(super) fn ask(
    place: impl FnOnce() -> Place,
) -> Option<task::Local<LocalBoxFuture<'static, io::Result<Shared>>>> {
    source().map(|source| task::local(source.bind(place())))
}

/// Resolves when this process is to stop serving; never if its listeners are its own.
///
/// # Cancel safety
/// Dropping it loses nothing.
pub fn stopping() -> impl Future<Output = Stop> + Send {
    let stopping = source().map(|source| task::local(source.stopping()));
    async {
        match stopping {
            Some(stopping) => stopping.await,
            None => future::pending().await,
        }
    }
}

/// Resolves when, in a stop that has begun, the connections that are left are to be cut.
pub(super) async fn cutting(stop: Stop) {
    match source() {
        Some(source) => source.cutting(stop).await,
        None => future::pending().await,
    }
}

/// Counters of connections, in memory that outlives the process that counts: two cells, accepted and closed.
///
/// ```
/// use runtime_io::net::share::Tally;
/// use std::sync::atomic::AtomicU64;
/// static CELLS: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];
/// let tally = Tally::new(&CELLS);
/// assert_eq!((tally.accepted(), tally.closed()), (0, 0));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Tally(&'static [AtomicU64; 2]);

impl Tally {
    /// Counts in these cells: connections accepted in the first, closed in the second.
    pub const fn new(cells: &'static [AtomicU64; 2]) -> Self {
        Self(cells)
    }

    /// Connections accepted so far.
    pub fn accepted(self) -> u64 {
        self.0[0].load(Relaxed)
    }

    /// Of these, how many are closed, or were handed on by `into_std`: we do not see their end.
    pub fn closed(self) -> u64 {
        self.0[1].load(Relaxed)
    }
}

/// A connection's entry in a tally, if it has one: counts its end.
#[derive(Debug)]
pub(super) struct Tallied(Option<Tally>);

impl Tallied {
    /// Counts a connection.
    #[inline]
    pub(super) fn enter(tally: Option<Tally>) -> Self {
        if let Some(Tally([accepted, _])) = tally {
            accepted.fetch_add(1, Relaxed);
        }
        Self(tally)
    }
}

impl Drop for Tallied {
    #[inline]
    fn drop(&mut self) {
        if let Some(Tally([_, closed])) = self.0 {
            closed.fetch_add(1, Relaxed);
        }
    }
}

/// A listener as it is handed out, and the handle on it.
#[derive(Debug)]
pub struct Shared {
    pub(super) fd: OwnedFd,
    /// The handle; whoever hands the listener out keeps a clone.
    pub share: Share,
}

impl Shared {
    /// Prepares a listening socket to be handed out. Its connections are counted in `tally`.
    ///
    /// # Errors
    /// `InvalidData` unless it is a listening stream socket with an Internet address or a path; the message says what is
    /// wrong.
    pub fn new(fd: OwnedFd, tally: Option<Tally>) -> io::Result<Self> {
        let is_unix = matches!(place_of(&fd)?, Place::Unix(_));
        sys::descriptor::set_nonblocking(fd.as_fd())?;
        Ok(Self {
            fd,
            share: Share(Arc::new(Inner {
                tally,
                is_unix,
                asked: AtomicBool::new(false),
                state: Mutex::default(),
            })),
        })
    }

    /// The parts, if the socket is of the family that was asked for.
    pub(super) fn into_parts(self, unix: bool) -> io::Result<(OwnedFd, Share)> {
        self.share.check_family(unix)?;
        Ok((self.fd, self.share))
    }
}

/// Where a socket listens. An error says why it does not.
pub(super) fn place_of(fd: impl AsFd) -> io::Result<Place> {
    let refused = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what);
    let address = sys::socket::listening_at(fd.as_fd())?;
    match (address.as_socket(), address.as_pathname()) {
        (Some(address), _) => Ok(Place::Tcp(address)),
        (_, Some(path)) => Ok(Place::Unix(path.to_owned())),
        _ if address.is_unix() => Err(refused("the socket has no path")),
        _ => Err(refused("the socket is neither of the Internet nor a Unix socket")),
    }
}

/// The handle on a listener that was handed out. It may be used from any thread.
#[derive(Clone)]
pub struct Share(Arc<Inner>);

struct Inner {
    tally: Option<Tally>,
    is_unix: bool,
    /// Somebody has waited for a connection, or got one.
    asked: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    phase: Phase,
    /// Counts what was changed, so that nobody falls asleep on what he has not seen.
    version: u64,
    changes: Vec<Change>,
    waiting: Vec<(WaiterId, Waker)>,
    on_first_wait: Vec<Box<dyn FnOnce() + Send>>,
}

/// What a listener does with its connections.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Phase {
    /// Accepts them.
    #[default]
    Open,
    /// Accepts what is in the queues, a last time.
    Sweeping,
    /// Leaves them in the queue.
    Paused,
}

pub(super) enum Change {
    Adopt(u64, OwnedFd),
    Release(u64),
}

/// What a listener is to do when it is asked to accept.
pub(super) struct Turn {
    pub(super) phase: Phase,
    pub(super) version: u64,
    pub(super) changes: Vec<Change>,
}

impl Share {
    /// Takes no connection from now on: an `accept`, waiting now or begun later, waits for ever, and those that connect
    /// stay in the kernel's queue for whoever else has the socket. There is no way back. Sockets that were adopted are
    /// let go.
    pub fn pause(&self) {
        self.change(|state| {
            state.phase = Phase::Paused;
            state.changes.clear();
        });
    }

    /// As [`pause`](Self::pause), but not before `accept` has returned what is in the queues, of at most 4096 per socket:
    /// for when nobody else will. It goes on only while somebody accepts; [`is_paused`](Self::is_paused) says when it is
    /// over.
    pub fn sweep_then_pause(&self) {
        self.change(|state| {
            if state.phase == Phase::Open {
                state.phase = Phase::Sweeping;
            }
        });
    }

    /// Whether no further connection will be taken: it was paused, or the listener was dropped.
    pub fn is_paused(&self) -> bool {
        self.state().phase == Phase::Paused
    }

    /// Accepts from another socket too, until [`release`](Self::release) is told the same key: nobody else serves it. A
    /// paused listener takes none, and closes the descriptor; see [`is_paused`](Self::is_paused).
    ///
    /// # Errors
    /// `InvalidData` unless it is a listening stream socket of the same family.
    pub fn adopt(&self, key: u64, fd: OwnedFd) -> io::Result<()> {
        self.check_family_of(&fd)?;
        sys::descriptor::set_nonblocking(fd.as_fd())?;
        self.change(|state| {
            if state.phase != Phase::Paused {
                state.changes.push(Change::Adopt(key, fd));
            }
        });
        Ok(())
    }

    /// Lets go of the sockets that were adopted with this key, at the next `accept`.
    pub fn release(&self, key: u64) {
        self.change(|state| state.changes.push(Change::Release(key)));
    }

    /// Calls `f` when somebody who accepts has got a connection or has to wait for one, for the first time; at once if that
    /// is over. It is called where that happens, so it should not do much.
    pub fn on_first_wait(&self, f: impl FnOnce() + Send + 'static) {
        let mut state = self.state();
        if !self.0.asked.load(Relaxed) {
            state.on_first_wait.push(Box::new(f));
            return;
        }
        drop(state);
        f();
    }

    /// Where its connections are counted.
    pub fn tally(&self) -> Option<Tally> {
        self.0.tally
    }

    fn check_family_of(&self, fd: &OwnedFd) -> io::Result<()> {
        self.check_family(matches!(place_of(fd)?, Place::Unix(_)))
    }

    fn check_family(&self, unix: bool) -> io::Result<()> {
        if unix == self.0.is_unix {
            return Ok(());
        }
        let sentence =
            "a socket of the wrong family was handed out: TCP for a Unix socket, or the other way round";
        Err(io::Error::new(io::ErrorKind::InvalidData, sentence))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes something and has all who wait look at it.
    fn change(&self, f: impl FnOnce(&mut State)) {
        let mut state = self.state();
        f(&mut state);
        state.version += 1;
        let waiting = mem::take(&mut state.waiting);
        drop(state);
        waiting.into_iter().for_each(|(_, waker)| waker.wake());
    }

    // For the listener.

    pub(super) fn look_again(&self) {
        self.change(|_| ());
    }

    pub(super) fn is_open(&self) -> bool {
        self.state().phase == Phase::Open
    }

    pub(super) fn turn(&self) -> Turn {
        let mut state = self.state();
        Turn { phase: state.phase, version: state.version, changes: mem::take(&mut state.changes) }
    }

    /// The queues were empty when nothing had changed since `version`.
    pub(super) fn swept(&self, version: u64) {
        let mut state = self.state();
        if state.version == version {
            state.phase = Phase::Paused;
        }
    }

    /// Has the task woken by a change; `false` if there has been one since `version`.
    pub(super) fn wait(&self, waiter: WaiterId, context: &Context<'_>, version: u64) -> bool {
        // Made, and what it replaces dropped, with nothing locked: for a foreign waker that is anybody's code.
        let mut place = (waiter, context.waker().clone());
        let mut state = self.state();
        if state.version != version {
            return false;
        }
        if let Some(seated) = state.waiting.iter_mut().find(|(id, _)| *id == waiter) {
            mem::swap(seated, &mut place);
        } else {
            state.waiting.push(place);
        }
        drop(state);
        self.served();
        true
    }

    /// Forgets somebody who gives up.
    pub(super) fn leave(&self, waiter: WaiterId) {
        let mut state = self.state();
        let place = state.waiting.iter().position(|(id, _)| *id == waiter);
        let left = place.map(|place| state.waiting.swap_remove(place));
        drop(state);
        drop(left);
    }

    /// Somebody has got a connection or waits for one.
    #[inline]
    pub(super) fn served(&self) {
        if !self.0.asked.load(Relaxed) {
            self.tell_first_wait();
        }
    }

    #[cold]
    fn tell_first_wait(&self) {
        let mut state = self.state();
        self.0.asked.store(true, Relaxed);
        let hooks = mem::take(&mut state.on_first_wait);
        drop(state);
        hooks.into_iter().for_each(|hook| hook());
    }
}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Share")
            .field("phase", &self.state().phase)
            .field("tally", &self.0.tally)
            .finish_non_exhaustive()
    }
}
