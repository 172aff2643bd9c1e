//! Who found no descriptor or memory, and tries again later: neither a spin nor a hang.
//!
//! An acceptor's next connection stays in the kernel's queue, and with edge triggering no event will mention it again. So the
//! listener stays ready, and its acceptor tries again when a descriptor of ours is closed, or after a while if
//! whatever was short comes free elsewhere in the system.
//!
//! A connection's next bytes are the sender's still, who cannot leave them out: the stream counts as exhausted, so all who
//! wait for it do so in their ordinary seats, and after the same while the reactor has them try, as if there had been an
//! event. An event that does come lets them try before. That is for streams (`Knowledge::is_patient`): of a datagram only its
//! sender knows whether it is still worth sending.

use crate::{
    elsewhere,
    reactor::Reactor,
    source::{Direction, WaiterId},
};
use mio::Token;
use runtime_executor::{
    RuntimeId, Waiter, current,
    time::{Sleep, sleep},
};
use std::{
    cell::RefCell,
    collections::BTreeMap,
    os::fd::RawFd,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, Wake},
    time::Duration,
};

/// How long they wait at most. Trio and haproxy wait as long; nginx half a second.
const BACK_OFF: Duration = Duration::from_millis(100);

/// Who tries again later.
#[derive(Default)]
pub(crate) struct Starved {
    acceptors: RefCell<Vec<Acceptor>>,
    /// Directions of connections, until they are tried again. One that is gone meanwhile stays for that long.
    delays: RefCell<BTreeMap<(Token, Direction), Sleep>>,
}

struct Acceptor {
    listener: RawFd,
    waiter: WaiterId,
    retry: Pin<Box<Sleep>>,
    /// `None` until it waits.
    waiting: Option<Waiter>,
}

impl Starved {
    /// Notes that an acceptor has failed; it is to ask [`poll_retry`](Self::poll_retry) before it tries again.
    pub(crate) fn add(&self, listener: RawFd, waiter: WaiterId) {
        let acceptor = Acceptor { listener, waiter, retry: Box::pin(sleep(BACK_OFF)), waiting: None };
        self.acceptors.borrow_mut().push(acceptor);
    }

    /// Ready when the acceptor should try again, or never failed.
    #[inline]
    pub(crate) fn poll_retry(
        &self,
        listener: RawFd,
        waiter: WaiterId,
        context: &mut Context<'_>,
    ) -> Poll<()> {
        if self.acceptors.borrow().is_empty() {
            return Poll::Ready(());
        }
        self.poll_listed(listener, waiter, context)
    }

    #[cold]
    fn poll_listed(&self, listener: RawFd, waiter: WaiterId, context: &mut Context<'_>) -> Poll<()> {
        // Out of the list while anybody else's code runs: the timer, the waker.
        let Some(mut acceptor) = self.take(listener, waiter) else { return Poll::Ready(()) };
        if acceptor.retry.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        acceptor.waiting = Some(Waiter::new(context.waker()));
        self.acceptors.borrow_mut().push(acceptor);
        Poll::Pending
    }

    /// Forgets an acceptor that gives up.
    #[inline]
    pub(crate) fn remove(&self, listener: RawFd, waiter: WaiterId) {
        if !self.acceptors.borrow().is_empty() {
            drop(self.take(listener, waiter));
        }
    }

    #[cold]
    fn take(&self, listener: RawFd, waiter: WaiterId) -> Option<Acceptor> {
        let mut acceptors = self.acceptors.borrow_mut();
        let place = acceptors.iter().position(|a| a.listener == listener && a.waiter == waiter)?;
        Some(acceptors.remove(place))
    }

    /// Has the direction of a connection tried again after a while.
    #[cold]
    pub(crate) fn delay(&self, runtime: u64, token: Token, direction: Direction) {
        if self.delays.borrow().contains_key(&(token, direction)) {
            return;
        }
        let mut retry = sleep(BACK_OFF);
        let bell = Arc::new(Bell { runtime, token, direction }).into();
        if Pin::new(&mut retry).poll(&mut Context::from_waker(&bell)).is_pending() {
            self.delays.borrow_mut().insert((token, direction), retry);
        }
    }

    /// The while is over.
    pub(crate) fn delayed(&self, token: Token, direction: Direction) {
        let retry = self.delays.borrow_mut().remove(&(token, direction));
        drop(retry);
    }

    /// What a selector that looks for itself may be asked about: it would report at once that there is room.
    #[cfg(mio_unsupported_force_poll_poll)]
    pub(crate) fn without_delayed(&self, token: Token, interest: mio::Interest) -> Option<mio::Interest> {
        use crate::reactor::READ_INTEREST;
        let delays = self.delays.borrow();
        let sides = [(Direction::Read, READ_INTEREST), (Direction::Write, mio::Interest::WRITABLE)];
        let mut delayed = sides.iter().filter(|(side, _)| delays.contains_key(&(token, *side)));
        delayed.try_fold(interest, |interest, (_, delayed)| interest.remove(*delayed))
    }

    /// A descriptor was closed: all try again.
    #[inline]
    pub(crate) fn descriptor_closed(&self) {
        if !self.acceptors.borrow().is_empty() {
            self.retry_all();
        }
    }

    #[cold]
    fn retry_all(&self) {
        let acceptors = self.acceptors.take();
        for Acceptor { retry, waiting, .. } in acceptors {
            drop(retry);
            if let Some(waiter) = waiting {
                waiter.wake();
            }
        }
    }
}

/// What the timer of a delay rings.
struct Bell {
    runtime: u64,
    token: Token,
    direction: Direction,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        let Self { runtime, token, direction } = *self;
        let here = RuntimeId::current().is_some_and(|current| current.to_bits() == runtime);
        if here {
            current::with_extension(|reactor: &Rc<Reactor>| reactor.try_again(token, direction));
        } else {
            elsewhere::on_owner(runtime, move |reactor| reactor.try_again(token, direction));
        }
    }
}

#[cfg(all(test, not(miri)))]
mod tests {
    use super::*;
    use crate::{async_fd::AsyncFd, knowledge::Knowledge, registration::Step};
    use runtime_executor::{
        Executor, Park,
        time::{AutoAdvance, Clock, Instant, set_auto_advance, timeout},
    };
    use std::{io, os::unix::net::UnixStream};

    /// In virtual time, which goes on though a socket is waited for.
    fn run<F: Future>(story: impl FnOnce(Rc<Reactor>) -> F) -> F::Output {
        let reactor = Reactor::new().unwrap();
        let executor = Executor::builder()
            .park(reactor.clone())
            .extension(reactor.clone())
            .clock(Clock::paused())
            .build();
        executor.block_on(async {
            set_auto_advance(AutoAdvance::Always);
            story(reactor).await
        })
    }

    /// A connection, and its peer.
    fn pair(kind: Knowledge) -> (AsyncFd<UnixStream>, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        (AsyncFd::of_kind(ours, kind), theirs)
    }

    fn no_memory<R>(errno: i32) -> io::Result<Step<R>> {
        Err(io::Error::from_raw_os_error(errno))
    }

    #[test]
    fn a_connection_without_memory_tries_ten_times_a_second_until_there_is_some() {
        run(|reactor| async move {
            let (ours, _theirs) = pair(Knowledge::UNIX);
            let begun = Instant::now();
            let mut tries = Vec::new();
            let write = ours.writing(|_| {
                tries.push(begun.elapsed().as_millis());
                match tries.len() {
                    5 => Ok(Step::Done(())),
                    odd if odd % 2 == 1 => no_memory(libc::ENOBUFS),
                    _ => no_memory(libc::ENOMEM),
                }
            });
            write.await.unwrap();
            // There is room, as the selector says when it is first asked.
            let late = tries.iter().filter(|at| **at > 0).copied().collect::<Vec<_>>();
            assert!(tries.len() - late.len() <= 2, "{tries:?}");
            assert!(late.windows(2).all(|pair| pair[1] - pair[0] == 100) && late[0] == 100, "{tries:?}");
            assert_eq!(reactor.waiters(), 0);
            assert!(reactor.starved.delays.borrow().is_empty());
        });
    }

    #[test]
    fn whoever_may_not_wait_hears_that_it_would_and_waits_for_the_same() {
        run(|_| async move {
            let (ours, _theirs) = pair(Knowledge::UNIX);
            ours.writable().await.unwrap();
            let begun = Instant::now();
            let refused = ours.try_op(Direction::Write, |_| no_memory::<()>(libc::ENOMEM)).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::WouldBlock);
            let refused = ours.try_op(Direction::Write, |_| Ok(Step::Done(()))).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::WouldBlock, "not before the while is over");
            ours.writable().await.unwrap();
            assert_eq!(begun.elapsed().as_millis(), 100);
            ours.try_op(Direction::Write, |_| Ok(Step::Done(()))).unwrap();
        });
    }

    #[test]
    fn a_connection_that_goes_meanwhile_takes_nothing_along() {
        run(|reactor| async move {
            let (ours, _theirs) = pair(Knowledge::UNIX);
            let write = ours.writing(|_| no_memory::<()>(libc::ENOBUFS));
            timeout(Duration::from_millis(250), write).await.unwrap_err();
            assert_eq!(reactor.waiters(), 0);
            drop(ours);
            let (next, _theirs) = pair(Knowledge::UNIX);
            let read = next.reading(|_| Err::<Step<()>, _>(io::ErrorKind::WouldBlock.into()));
            timeout(Duration::from_millis(250), read).await.unwrap_err();
            assert!(reactor.starved.delays.borrow().is_empty());
        });
    }

    #[test]
    fn other_kinds_and_other_errors_are_told() {
        run(|_| async move {
            let (ours, _theirs) = pair(Knowledge::OTHER);
            let told = ours.writing(|_| no_memory::<()>(libc::ENOBUFS)).await.unwrap_err();
            assert_eq!(told.raw_os_error(), Some(libc::ENOBUFS));
            let (ours, _theirs) = pair(Knowledge::UNIX);
            let told = ours.writing(|_| no_memory::<()>(libc::EMFILE)).await.unwrap_err();
            assert_eq!(told.raw_os_error(), Some(libc::EMFILE));
        });
    }
}
