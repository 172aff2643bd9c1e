//! Accepting connections of any family: patient when descriptors run out, and, for a listener that is shared between
//! worker processes, told by its [`Share`] what to do.

use super::{
    share::{Change, Phase, Share, Tally, Turn},
    tcp_stream::TcpStream,
};
use crate::{
    async_fd::AsyncFd,
    knowledge::Knowledge,
    reactor::Reactor,
    registration::Step,
    source::{Direction, WaiterId},
    sys::socket::{is_exhausted, is_one_connections_fault},
};
use futures_core::Stream;
use runtime_executor::current;
use std::{
    fmt, io,
    os::fd::{AsFd, AsRawFd, OwnedFd, RawFd},
    pin::Pin,
    rc::Rc,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};

/// A stream that listeners of one kind accept.
pub trait Accepted: Sized {
    /// mio's listener, since its `accept` makes connections non-blocking in the same system call.
    type Listener: AsFd + From<OwnedFd> + fmt::Debug + 'static;
    /// What the peer is called.
    type Address;

    fn accept(listener: &Self::Listener) -> io::Result<(OwnedFd, Self::Address)>;
    fn from_accepted(socket: OwnedFd, tally: Option<Tally>) -> io::Result<Self>;
}

/// A listening socket and its tie to a reactor.
pub(super) struct Acceptor<S: Accepted> {
    io: AsyncFd<S::Listener>,
    part: Option<Box<Part<S>>>,
}

impl<S: Accepted> Acceptor<S> {
    /// Wraps a listener that is non-blocking already.
    pub(super) fn new(listener: S::Listener, share: Option<Share>) -> Self {
        let part = share.map(|share| Box::new(Part::new(share)));
        Self { io: AsyncFd::of_kind(listener, Knowledge::OTHER), part }
    }

    pub(super) fn into_inner(self) -> S::Listener {
        self.io.into_inner()
    }

    #[inline]
    pub(super) fn io(&self) -> &AsyncFd<S::Listener> {
        &self.io
    }

    pub(super) fn close(&self) {
        self.io.close();
        if let Some(part) = &self.part {
            part.share.look_again();
        }
    }

    pub(super) fn is_paused(&self) -> bool {
        self.part.as_ref().is_some_and(|part| part.share.is_paused())
    }

    #[inline]
    pub(super) fn accept(&self) -> Accept<'_, S> {
        Accept { acceptor: self, waiter: WaiterId::NONE }
    }

    #[inline(always)]
    pub(super) fn poll_accept(
        &self,
        waiter: &mut WaiterId,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<(S, S::Address)>> {
        if let Some(part) = &self.part {
            return part.poll_accept(&self.io, waiter, context);
        }
        let (socket, peer) = ready!(poll_one::<S>(&self.io, waiter, context))?;
        Poll::Ready(S::from_accepted(socket, None).map(|stream| (stream, peer)))
    }

    /// Takes what the kernel has queued, whatever is known of its events; `WouldBlock` if that is nothing. The last
    /// connections, before the listener is closed: of a shared one only in its last round.
    pub(super) fn accept_now(&self) -> io::Result<(S, S::Address)> {
        let (accepted, tally) = match &self.part {
            Some(part) => (part.accept_now(&self.io)?, part.share.tally()),
            None => (queued::<S>(&self.io)?, None),
        };
        let (socket, peer) = accepted.ok_or(io::ErrorKind::WouldBlock)?;
        S::from_accepted(socket, tally).map(|stream| (stream, peer))
    }

    /// Takes what the kernel has queued, whatever is known of its events; `WouldBlock` if that is nothing, or not ours to take.
    pub(super) fn try_accept(&self) -> io::Result<(S, S::Address)> {
        let (accepted, tally) = match &self.part {
            Some(part) => (part.try_accept(&self.io)?, part.share.tally()),
            None => (queued::<S>(&self.io)?, None),
        };
        let (socket, peer) = accepted.ok_or(io::ErrorKind::WouldBlock)?;
        S::from_accepted(socket, tally).map(|stream| (stream, peer))
    }

    /// Somebody gives up.
    #[cold]
    fn leave(&self, waiter: WaiterId) {
        leave_one(&self.io, waiter);
        if let Some(part) = &self.part {
            part.share.leave(waiter);
            part.adopted().iter().for_each(|adopted| leave_one(&adopted.io, waiter));
        }
    }
}

type OneAccepted<S> = (OwnedFd, <S as Accepted>::Address);

/// Accepts from one socket, or waits for its next connection.
#[inline(always)]
fn poll_one<S: Accepted>(
    io: &AsyncFd<S::Listener>,
    waiter: &mut WaiterId,
    context: &mut Context<'_>,
) -> Poll<io::Result<OneAccepted<S>>> {
    patiently(io.as_raw_fd(), waiter, context, |waiter, context| {
        io.poll_op(Direction::Read, waiter, context, accept_step::<S>)
    })
}

/// Takes from one socket what is in its queue, whether an event has told of it or not; `None` if nothing is.
fn queued<S: Accepted>(io: &AsyncFd<S::Listener>) -> io::Result<Option<OneAccepted<S>>> {
    loop {
        match accept_step::<S>(io.get_ref()) {
            Ok(Step::Done(accepted)) => return Ok(Some(accepted)),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Makes an attempt, and after one that failed for want of descriptors or memory another when there may be some.
#[inline(always)]
fn patiently<T>(
    listener: RawFd,
    waiter: &mut WaiterId,
    context: &mut Context<'_>,
    mut attempt: impl FnMut(&mut WaiterId, &mut Context<'_>) -> Poll<io::Result<T>>,
) -> Poll<io::Result<T>> {
    loop {
        let retry = current::with_extension(|reactor: &Rc<Reactor>| {
            reactor.starved.poll_retry(listener, *waiter, context)
        });
        if let Some(Poll::Pending) = retry {
            return Poll::Pending;
        }
        match ready!(attempt(waiter, context)) {
            Err(error) if is_exhausted(&error) => {
                let noted = current::with_extension(|reactor: &Rc<Reactor>| {
                    if reactor.pipes.clear() {
                        return; // and try again
                    }
                    if waiter.is_none() {
                        *waiter = reactor.number_waiter();
                    }
                    reactor.starved.add(listener, *waiter);
                });
                if noted.is_none() {
                    return Poll::Ready(Err(error));
                }
            }
            done => return Poll::Ready(done),
        }
    }
}

#[inline(always)]
fn accept_step<S: Accepted>(listener: &S::Listener) -> io::Result<Step<OneAccepted<S>>> {
    match S::accept(listener) {
        Ok(accepted) => Ok(Step::Done(accepted)),
        Err(error) if is_one_connections_fault(&error) => Ok(Step::Again),
        Err(error) => Err(error),
    }
}

fn leave_one<T: AsFd>(io: &AsyncFd<T>, waiter: WaiterId) {
    io.unseat(Direction::Read, waiter);
    current::with_extension(|reactor: &Rc<Reactor>| reactor.starved.remove(io.as_raw_fd(), waiter));
}

/// A listener's part in a [`Share`]: it does what the share says, when it is asked to accept.
struct Part<S: Accepted> {
    share: Share,
    adopted: Mutex<Vec<Arc<Adopted<S>>>>,
    /// Counts turns, so that of several sockets with a queue none is forgotten.
    turns: AtomicUsize,
    /// The last connection was accepted in this turn: the next one is in the next.
    has_accepted: AtomicBool,
    sweep: Mutex<Sweep>,
}

/// A socket of another worker, which we serve until that worker's successor does.
struct Adopted<S: Accepted> {
    key: u64,
    io: AsyncFd<S::Listener>,
}

/// How far the last round is.
#[derive(Clone, Copy, Default)]
struct Sweep {
    /// Sockets that are done.
    done: usize,
    /// Connections taken from the next one.
    taken: usize,
}

/// Connections that the last round takes from one socket at most, so that it ends under load too. As many as a kernel
/// keeps: those that were in the queue when the round began come first.
const MAX_SWEPT: usize = 4096;

impl<S: Accepted> Part<S> {
    fn new(share: Share) -> Self {
        Self {
            share,
            adopted: Mutex::default(),
            turns: AtomicUsize::new(0),
            has_accepted: AtomicBool::new(false),
            sweep: Mutex::default(),
        }
    }

    fn adopted(&self) -> Vec<Arc<Adopted<S>>> {
        lock(&self.adopted).clone()
    }

    #[inline(never)]
    fn poll_accept(
        &self,
        own: &AsyncFd<S::Listener>,
        waiter: &mut WaiterId,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<(S, S::Address)>> {
        loop {
            let Turn { phase, version, changes } = self.share.turn();
            self.apply(changes);
            let polled = match phase {
                Phase::Open => self.poll_open(own, waiter, context),
                Phase::Sweeping => match self.poll_sweep(own, waiter, context) {
                    Poll::Ready(Ok(None)) => {
                        self.share.swept(version);
                        continue;
                    }
                    Poll::Ready(Ok(Some(accepted))) => Poll::Ready(Ok(accepted)),
                    Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                    Poll::Pending => Poll::Pending,
                },
                Phase::Paused => self.poll_paused(own, waiter),
            };
            match polled {
                Poll::Ready(accepted) => {
                    let (socket, peer) = accepted?;
                    self.share.served();
                    let stream = S::from_accepted(socket, self.share.tally())?;
                    return Poll::Ready(Ok((stream, peer)));
                }
                Poll::Pending if self.share.wait(*waiter, context, version) => return Poll::Pending,
                Poll::Pending => {}
            }
        }
    }

    fn poll_sweep(
        &self,
        own: &AsyncFd<S::Listener>,
        waiter: &mut WaiterId,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<Option<OneAccepted<S>>>> {
        patiently(own.as_raw_fd(), waiter, context, |_, context| {
            ready!(current::poll_budget(context));
            Poll::Ready(self.sweep(own))
        })
    }

    /// The next connection of the last round. If there is none to be, others have the socket, and take them.
    fn accept_now(&self, own: &AsyncFd<S::Listener>) -> io::Result<Option<OneAccepted<S>>> {
        let Turn { phase, version, changes } = self.share.turn();
        self.apply(changes);
        if phase != Phase::Sweeping {
            return Ok(None);
        }
        let swept = self.sweep(own)?;
        if swept.is_none() {
            self.share.swept(version);
        }
        Ok(swept)
    }

    /// While it accepts at all, from its own socket; then what [`accept_now`](Self::accept_now) says.
    fn try_accept(&self, own: &AsyncFd<S::Listener>) -> io::Result<Option<OneAccepted<S>>> {
        if self.share.is_open() {
            let accepted = queued::<S>(own)?;
            if accepted.is_some() {
                self.share.served();
            }
            return Ok(accepted);
        }
        self.accept_now(own)
    }

    /// Sockets that come and go. They are dropped with nothing locked: that wakes.
    fn apply(&self, changes: Vec<Change>) {
        let mut released = Vec::new();
        for change in changes {
            match change {
                Change::Adopt(key, fd) => {
                    let io = AsyncFd::of_kind(S::Listener::from(fd), Knowledge::OTHER);
                    lock(&self.adopted).push(Arc::new(Adopted { key, io }));
                }
                Change::Release(key) => {
                    released.extend(lock(&self.adopted).extract_if(.., |adopted| adopted.key == key));
                }
            }
        }
    }

    fn poll_open(
        &self,
        own: &AsyncFd<S::Listener>,
        waiter: &mut WaiterId,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<OneAccepted<S>>> {
        // A burst wakes all workers, and is to be divided among them, not to go to whoever is here first.
        if self.has_accepted.swap(false, Relaxed) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let adopted = self.adopted();
        let sockets = 1 + adopted.len();
        let first = if sockets == 1 { 0 } else { self.turns.fetch_add(1, Relaxed) % sockets };
        for socket in (first..sockets).chain(0..first) {
            let io = if socket == 0 { own } else { &adopted[socket - 1].io };
            if let Poll::Ready(accepted) = poll_one::<S>(io, waiter, context) {
                self.has_accepted.store(true, Relaxed);
                return Poll::Ready(accepted);
            }
        }
        Poll::Pending
    }

    /// `None` when all queues were empty, or enough was taken.
    fn sweep(&self, own: &AsyncFd<S::Listener>) -> io::Result<Option<OneAccepted<S>>> {
        let adopted = self.adopted();
        let mut sweep = lock(&self.sweep);
        loop {
            let io = match sweep.done {
                0 => own,
                done => match adopted.get(done - 1) {
                    Some(adopted) => &adopted.io,
                    None => return Ok(None),
                },
            };
            let found = if sweep.taken < MAX_SWEPT { queued::<S>(io) } else { Ok(None) };
            match &found {
                Ok(Some(_)) => sweep.taken += 1,
                Err(error) if is_exhausted(error) => {}
                _ => *sweep = Sweep { done: sweep.done + 1, taken: 0 },
            }
            if let Some(found) = found.transpose() {
                return found.map(Some);
            }
        }
    }

    /// Waits for nothing but the end.
    fn poll_paused(
        &self,
        own: &AsyncFd<S::Listener>,
        waiter: &mut WaiterId,
    ) -> Poll<io::Result<OneAccepted<S>>> {
        let _let_go = std::mem::take(&mut *lock(&self.adopted));
        if let Err(closed) = own.check_open() {
            return Poll::Ready(Err(closed));
        }
        if waiter.is_none() {
            let number = current::with_extension(|reactor: &Rc<Reactor>| reactor.number_waiter());
            *waiter = number.unwrap_or(*waiter);
        } else {
            leave_one(own, *waiter);
        }
        Poll::Pending
    }
}

/// Nobody accepts any more, so nothing is to be adopted.
impl<S: Accepted> Drop for Part<S> {
    fn drop(&mut self) {
        self.share.pause();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits for one connection after the other, as itself.
pub(super) struct Accept<'a, S: Accepted> {
    acceptor: &'a Acceptor<S>,
    waiter: WaiterId,
}

impl<S: Accepted> Future for Accept<'_, S> {
    type Output = io::Result<(S, S::Address)>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { acceptor, waiter } = &mut *self;
        acceptor.poll_accept(waiter, context)
    }
}

impl<S: Accepted> Drop for Accept<'_, S> {
    fn drop(&mut self) {
        if !self.waiter.is_none() {
            self.acceptor.leave(self.waiter);
        }
    }
}

/// The connections of a listener as they come; see [`TcpListener::incoming`](super::TcpListener::incoming).
#[must_use = "streams do nothing unless polled"]
pub struct Incoming<'a, S: Accepted = TcpStream>(pub(super) Accept<'a, S>);

impl<S: Accepted> Stream for Incoming<'_, S> {
    type Item = io::Result<S>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let accepted = ready!(Pin::new(&mut self.0).poll(context));
        Poll::Ready(Some(accepted.map(|(stream, _)| stream)))
    }
}

impl<S: Accepted> fmt::Debug for Incoming<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Incoming").field(self.0.acceptor.io.get_ref()).finish()
    }
}
