//! The life of `serve`: it accepts, then drains.

use super::{
    account::Drained,
    connection::{Connection, Seat, handle},
    listener::Listener,
    outcome::Outcome,
    overseer,
    pool::next_in,
    shared::Shared,
};
use crate::{handle_error::HandleError, net::share, sys};
use futures_lite::future::{or, pending};
use runtime_executor::{
    task::{self, Place, TaskPool, yield_now},
    time::{Instant, sleep, sleep_until},
};
use std::{io, panic::Location, rc::Rc, time::Duration};

/// Connections accepted in a row; then the others have their turn, the new ones and timers among them.
const BATCH: usize = 64;
/// Connections taken from the kernel's queue at the end, at most: as many as Linux queues (`net.core.somaxconn`). More
/// could come as fast as we accept.
const MAX_SWEEP: usize = 4096;
/// Before `accept` is tried again after an error that nobody foresaw, lest one that lasts becomes a spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long clients have after their listener has failed for good: as long as a worker of nginx or gunicorn is usually
/// given.
const FAILED_GRACE: Duration = Duration::from_secs(30);

/// One run of `serve`.
pub(super) struct Serving<L: Listener, H> {
    shared: Rc<Shared<L>>,
    handler: Rc<H>,
    /// Where its tasks are said to come from.
    called_at: &'static Location<'static>,
}

impl<L, H, O> Serving<L, H>
where
    L: Listener,
    H: AsyncFn(L::Stream, L::Peer) -> O + 'static,
    O: Outcome<L::Stream> + 'static,
{
    pub(super) fn new(shared: Rc<Shared<L>>, handler: H, called_at: &'static Location<'static>) -> Self {
        Self { shared, handler: Rc::new(handler), called_at }
    }

    pub(super) async fn run(self) -> io::Result<Drained<L::Peer>> {
        let Some(listener) = self.shared.begin_serving() else {
            // It was told to stop before.
            self.shared.ended.wait().await;
            return Ok(self.shared.drained());
        };
        let ending = Ending(&self.shared);
        let failure = or(or(self.told_to_stop(), self.oversee()), self.accept_and_drain(listener)).await;
        drop(ending);
        failure.map_or_else(|| Ok(self.shared.drained()), Err)
    }

    async fn accept_and_drain(&self, listener: L) -> Option<io::Error> {
        let pool = self.shared.pool.borrow().clone();
        let pool = pool.as_deref();
        let failure = or(self.until_stopped(), self.accept(&listener, pool)).await;
        if failure.is_some() {
            self.shared.drain(Some(Instant::now() + FAILED_GRACE));
        }
        let is_in_time = or(self.deadline(), self.drain(listener, pool)).await;
        if !is_in_time {
            self.shared.cancel_all();
            self.shared.idle.wait().await;
        }
        failure
    }

    /// Waits for the word of whoever hands out the listeners of this process, such as the supervisor of a cluster, and
    /// stops then. It cuts when it is told to, not by a clock of its own: whoever calls for that counts first whom it
    /// will cut, and those who were gone before would seem to have left by themselves. Never comes to an end.
    async fn told_to_stop(&self) -> Option<io::Error> {
        let stop = share::stopping().await;
        self.shared.drain(None);
        share::cutting(stop).await;
        self.shared.drain(Some(Instant::now()));
        pending().await
    }

    /// Accepts for ever, or until the listener is no listener any more, or the pool is closed.
    async fn accept(&self, listener: &L, pool: Option<&TaskPool>) -> Option<io::Error> {
        let mut in_a_row = 0;
        loop {
            self.room().await;
            let Some((accepted, place)) = next_in(pool, listener).await else {
                self.shared.drain(None);
                return None;
            };
            match accepted {
                Ok((stream, peer)) => self.admit(stream, peer, place),
                Err(error) if is_final(&error) => return Some(error),
                Err(error) => {
                    drop(place);
                    self.shared.accept_failed(&error);
                    sleep(ACCEPT_PAUSE).await;
                }
            }
            give_way(&mut in_a_row).await;
        }
    }

    /// While it is full the queue is the kernel's.
    async fn room(&self) {
        if !self.shared.room.is_set() {
            self.shared.room.wait().await;
        }
    }

    /// Cuts whoever is overdue. Never comes to an end.
    async fn oversee(&self) -> Option<io::Error> {
        let overseer = &self.shared.overseer;
        loop {
            overseer.somebody().await;
            sleep(overseer.pause()).await;
            for first in (0..).step_by(overseer::BATCH) {
                let Some(overdue) = overseer.look(first) else { break };
                overdue.into_iter().for_each(|(seat, late)| self.shared.cut(seat, late));
                yield_now().await;
            }
        }
    }

    async fn until_stopped(&self) -> Option<io::Error> {
        self.shared.draining.wait().await;
        None
    }

    fn admit(&self, mut stream: L::Stream, peer: L::Peer, place: Option<Place<'_>>) {
        let seat = Seat::take(&self.shared, peer.clone());
        let key = seat.key();
        if let Some(pulse) = self.shared.overseer.enter(key) {
            L::watch(&mut stream, pulse);
        }
        let name = self.shared.task_name(&peer);
        let handling = handle::<L, H, O>(Rc::clone(&self.handler), stream, peer);
        let builder = task::Builder::new().name(name);
        let task = match place {
            None => builder.spawn_from(self.called_at, Connection::new(handling, seat, None)),
            Some(place) => place.spawn_member(builder, self.called_at, |membership| {
                Connection::new(handling, seat, Some(membership))
            }),
        };
        self.shared.entered(key, task.cancel_handle());
    }

    /// Takes those in who are in the queue, closes the door, and waits for the last to leave.
    async fn drain(&self, listener: L, pool: Option<&TaskPool>) -> bool {
        self.sweep(&listener, pool).await;
        drop(listener);
        self.shared.idle.wait().await;
        true
    }

    /// Clients whose connections are in the kernel's queue believe to be connected. Closing the listener would reset them.
    async fn sweep(&self, listener: &L, pool: Option<&TaskPool>) {
        let mut in_a_row = 0;
        for _ in 0..MAX_SWEEP {
            self.room().await;
            let place = match pool {
                None => None,
                Some(pool) => match pool.reserve().await {
                    None => return,
                    place => place,
                },
            };
            match listener.next_in_queue() {
                Ok((stream, peer)) => self.admit(stream, peer, place),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock || is_final(&error) => return,
                Err(error) => {
                    drop(place);
                    // Those that leave give their descriptors back.
                    if !sys::socket::is_exhausted(&error) {
                        self.shared.accept_failed(&error);
                    }
                    sleep(ACCEPT_PAUSE).await;
                }
            }
            give_way(&mut in_a_row).await;
        }
    }

    /// Comes when time is up. The deadline may move while this waits.
    async fn deadline(&self) -> bool {
        loop {
            self.shared.hurried.clear();
            match self.shared.deadline() {
                None => self.shared.hurried.wait().await,
                Some(deadline) if deadline <= Instant::now() => return false,
                Some(deadline) => or(self.shared.hurried.wait(), sleep_until(deadline)).await,
            }
        }
    }
}

async fn give_way(in_a_row: &mut usize) {
    *in_a_row += 1;
    if *in_a_row == BATCH {
        *in_a_row = 0;
        yield_now().await;
    }
}

/// Whether there will never be another connection: this is no listener, or not one of this runtime.
fn is_final(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<HandleError>()) || sys::socket::is_no_listener(error)
}

/// However `serve` ends, nothing that it has accepted outlives it.
struct Ending<'a, L: Listener>(&'a Shared<L>);

impl<L: Listener> Drop for Ending<'_, L> {
    fn drop(&mut self) {
        self.0.end_serving();
    }
}
