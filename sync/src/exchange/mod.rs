//! Where those who put and those who get meet: the one state machine under channels and queues.
//!
//! Room is granted to putters and items are granted to getters, each in the order of arrival, and nobody overtakes
//! those who wait. A grant moves nothing: an item stays in the store until its getter's future is polled, and
//! an item to be put stays in its putter's. So whoever is dropped with a grant has nothing to give back but the grant.
//!
//! - *reserved*: places in the store granted to putters that have yet to use them.
//! - *claims*: items in the store granted to getters that have yet to fetch them.
//!
//! With capacity 0 there is room only for as many items as getters wait: a rendezvous.

mod state;
mod store;

use crate::{
    flavour::{Flavour, Guarded, Tally},
    observer::{self, Kind, Wait},
    wait_list::{Attempt, Turn, Wakes},
};
use state::{ENDED, Obstacle, Side, State};
use std::{
    fmt,
    panic::Location,
    ptr,
    task::{Context, Poll},
};

pub(crate) use state::{NoItem, Refusal, UNBOUNDED, bounded_capacity};
pub(crate) use store::Store;
pub use store::{Fifo, Lifo, Priority};

pub(crate) struct Exchange<S: Store, F: Flavour> {
    state: F::Guarded<State<S>>,
    tally: F::Tally,
    created: &'static Location<'static>,
}

impl<S: Store, F: Flavour> Exchange<S, F> {
    /// An empty one, with one handle on each side.
    pub(crate) fn new(capacity: u32, created: &'static Location<'static>) -> Self {
        Self { state: F::Guarded::new(State::new(capacity)), tally: F::Tally::new(), created }
    }

    /// Changes the state, then wakes whom that granted something.
    #[inline]
    pub(crate) fn update<R>(&self, f: impl FnOnce(&mut State<S>, &mut Wakes) -> R) -> R {
        let mut wakes = Wakes::default();
        let result = self.state.with(|state| f(state, &mut wakes));
        wakes.wake_those();
        result
    }

    pub(crate) fn try_put(&self, item: S::Item) -> Result<(), (Refusal, S::Item)> {
        let mut item = Some(item);
        if self.state.with(|state| state.push_quietly(&mut item)).is_ok() {
            return Ok(());
        }
        let item = item.take().expect("it was not put");
        self.update(|state, wakes| match state.check_put() {
            Ok(()) => {
                state.push(item, wakes);
                Ok(())
            }
            Err(refusal) => Err((refusal, item)),
        })
    }

    /// Polls for room and puts what `item` holds; on `Err` it is still there.
    #[inline(always)]
    pub(crate) fn poll_put(
        &self,
        item: &mut Option<S::Item>,
        turn: &mut Turn,
        cx: &Context<'_>,
        wait: (Kind, &'static Location<'static>),
    ) -> Poll<Result<(), ()>> {
        let mut obstacle = Obstacle::MustWait;
        if !turn.is_waiting() {
            if !observer::pay(self.tally.count(), cx) {
                return Poll::Pending;
            }
            match self.state.with(|state| state.push_quietly(item)) {
                Ok(()) => return Poll::Ready(Ok(())),
                Err(found) => obstacle = found,
            }
        }
        self.poll_put_aloud(item, turn, cx, wait, obstacle)
    }

    /// The same where somebody waits or has to.
    #[inline(never)]
    fn poll_put_aloud(
        &self,
        item: &mut Option<S::Item>,
        turn: &mut Turn,
        cx: &Context<'_>,
        wait: (Kind, &'static Location<'static>),
        obstacle: Obstacle,
    ) -> Poll<Result<(), ()>> {
        if obstacle == Obstacle::NotQuiet {
            let put = self.update(|state, wakes| {
                state.check_put()?;
                state.push(item.take().expect("polled until it was put"), wakes);
                Ok(())
            });
            match put {
                Ok(()) => return Poll::Ready(Ok(())),
                Err(Refusal::Closed) => return Poll::Ready(Err(())),
                Err(Refusal::Full) => {}
            }
        }
        self.poll_room(turn, cx, wait, |state, wakes| {
            state.push(item.take().expect("polled until it was put"), wakes);
        })
    }

    /// Polls for room to be kept, without putting anything.
    pub(crate) fn poll_reserve(
        &self,
        turn: &mut Turn,
        cx: &Context<'_>,
        wait: (Kind, &'static Location<'static>),
    ) -> Poll<Result<(), ()>> {
        if !turn.is_waiting() && !observer::pay(self.tally.count(), cx) {
            return Poll::Pending;
        }
        self.poll_room(turn, cx, wait, |state, _| state.parts().reserved += 1)
    }

    /// Polls for room, and uses it.
    fn poll_room(
        &self,
        turn: &mut Turn,
        cx: &Context<'_>,
        (kind, asked): (Kind, &'static Location<'static>),
        use_room: impl FnOnce(&mut State<S>, &mut Wakes),
    ) -> Poll<Result<(), ()>> {
        let describe = || self.describe(kind, asked);
        if !turn.is_waiting() {
            return turn.arrive(&self.state, Side::Put, cx, describe, |state, wakes| {
                match state.check_put() {
                    Ok(()) => {
                        use_room(state, wakes);
                        Attempt::Done(Ok(()))
                    }
                    Err(Refusal::Closed) => Attempt::Done(Err(())),
                    Err(Refusal::Full) => Attempt::Wait(0),
                }
            });
        }
        turn.look(&self.state, Side::Put, cx, describe, |state, note, wakes| {
            if note == ENDED {
                return Err(());
            }
            state.parts().reserved -= 1;
            if state.is_abandoned {
                return Err(());
            }
            use_room(state, wakes);
            Ok(())
        })
    }

    /// For a putter that is dropped.
    #[inline]
    pub(crate) fn cancel_put(&self, turn: &mut Turn) {
        if turn.is_waiting() {
            self.leave_put(turn);
        }
    }

    #[cold]
    fn leave_put(&self, turn: &mut Turn) {
        let woken = turn.leave(&self.state, Side::Put, |state, granted| {
            let mut wakes = Wakes::default();
            if granted.is_some_and(|note| note != ENDED) {
                state.unreserve(&mut wakes);
            }
            wakes
        });
        woken.wake();
    }

    pub(crate) fn try_get(&self) -> Result<S::Item, NoItem> {
        self.state.with(State::pop_quietly).or_else(|_| self.update(State::pop))
    }

    /// Polls for an item; `None`: there will be no more.
    #[inline(always)]
    pub(crate) fn poll_get(
        &self,
        turn: &mut Turn,
        cx: &Context<'_>,
        wait: (Kind, &'static Location<'static>),
    ) -> Poll<Option<S::Item>> {
        let mut obstacle = Obstacle::MustWait;
        if !turn.is_waiting() {
            if !observer::pay(self.tally.count(), cx) {
                return Poll::Pending;
            }
            match self.state.with(State::pop_quietly) {
                Ok(item) => return Poll::Ready(Some(item)),
                Err(found) => obstacle = found,
            }
        }
        self.poll_get_aloud(turn, cx, wait, obstacle)
    }

    /// The same where somebody waits or has to.
    #[inline(never)]
    fn poll_get_aloud(
        &self,
        turn: &mut Turn,
        cx: &Context<'_>,
        wait: (Kind, &'static Location<'static>),
        obstacle: Obstacle,
    ) -> Poll<Option<S::Item>> {
        if obstacle == Obstacle::NotQuiet {
            match self.try_get() {
                Ok(item) => return Poll::Ready(Some(item)),
                Err(NoItem::Ended) => return Poll::Ready(None),
                Err(NoItem::Empty) => {}
            }
        }
        self.poll_item(turn, cx, wait)
    }

    fn poll_item(
        &self,
        turn: &mut Turn,
        cx: &Context<'_>,
        (kind, asked): (Kind, &'static Location<'static>),
    ) -> Poll<Option<S::Item>> {
        let describe = || self.describe(kind, asked);
        if !turn.is_waiting() {
            return turn.arrive(&self.state, Side::Get, cx, describe, |state, wakes| {
                match state.pop(wakes) {
                    Ok(item) => Attempt::Done(Some(item)),
                    Err(NoItem::Ended) => Attempt::Done(None),
                    Err(NoItem::Empty) => {
                        if state.capacity == 0 {
                            state.serve_putters(1, wakes);
                        }
                        Attempt::Wait(0)
                    }
                }
            });
        }
        turn.look(
            &self.state,
            Side::Get,
            cx,
            describe,
            |state, note, wakes| {
                if note == ENDED { None } else { state.fetch(wakes) }
            },
        )
    }

    /// For a getter that is dropped.
    #[inline]
    pub(crate) fn cancel_get(&self, turn: &mut Turn) {
        if turn.is_waiting() {
            self.leave_get(turn);
        }
    }

    #[cold]
    fn leave_get(&self, turn: &mut Turn) {
        let woken = turn.leave(&self.state, Side::Get, |state, granted| {
            let mut wakes = Wakes::default();
            state.lose_getter(granted, &mut wakes);
            wakes
        });
        woken.wake();
    }

    /// For a handle that gets, and perhaps waits, and is dropped. The last one takes what is stored along. All in one
    /// change: a waker that panics must not leave the handle counted.
    pub(crate) fn drop_getter(&self, turn: &mut Turn) {
        let drop_handle = |state: &mut State<S>, mut wakes: Wakes| {
            state.getters -= 1;
            let store = (state.getters == 0).then(|| state.abandon(&mut wakes));
            (wakes, store)
        };
        let (wakes, _dropped_last) = if turn.is_waiting() {
            turn.leave(&self.state, Side::Get, |state, granted| {
                let mut wakes = Wakes::default();
                state.lose_getter(granted, &mut wakes);
                drop_handle(state, wakes)
            })
        } else {
            self.state.with(|state| drop_handle(state, Wakes::default()))
        };
        wakes.wake();
    }

    /// Takes up to `most` more items that nobody has claimed.
    pub(crate) fn get_more(&self, most: usize, into: &mut Vec<S::Item>) {
        // Room for them first: growing a vector under the lock would keep others waiting.
        into.reserve(most.min(self.len()));
        self.update(|state, wakes| {
            for _ in 0..most {
                let Ok(item) = state.pop(wakes) else { break };
                into.push(item);
            }
        });
    }

    /// Polls until every item that was put has been reported as done.
    pub(crate) fn poll_join(
        &self,
        turn: &mut Turn,
        cx: &Context<'_>,
        asked: &'static Location<'static>,
    ) -> Poll<()> {
        turn.poll(
            &self.state,
            Side::Join,
            cx,
            || self.describe(Kind::Join, asked),
            |state| match &state.parts {
                Some(parts) if parts.unfinished > 0 => Attempt::Wait(0),
                _ => Attempt::Done(()),
            },
            |_, _| (),
        )
    }

    pub(crate) fn cancel_join(&self, turn: &mut Turn) {
        turn.leave(&self.state, Side::Join, |_, _| ());
    }

    pub(crate) fn close(&self) {
        self.update(State::close);
    }

    /// Closes and drops what is stored.
    pub(crate) fn abandon(&self) {
        let store = self.update(State::abandon);
        drop(store);
    }

    pub(crate) fn finish_one(&self) -> bool {
        self.update(|state, wakes| state.finish(1, wakes))
    }

    pub(crate) fn unfinished(&self) -> usize {
        self.state.with(|state| state.parts.as_ref().map_or(0, |parts| parts.unfinished))
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.state.with(|state| state.is_closed)
    }

    pub(crate) fn len(&self) -> usize {
        self.state.with(|state| state.parts.as_ref().map_or(0, |parts| parts.store.len()))
    }

    /// Whether somebody who comes now would have to wait to put.
    pub(crate) fn is_full(&self) -> bool {
        self.state.with(|state| state.check_put() == Err(Refusal::Full))
    }

    /// `None`: without limit.
    pub(crate) fn capacity(&self) -> Option<usize> {
        let capacity = self.state.with(|state| state.capacity);
        (capacity != UNBOUNDED).then_some(capacity as usize)
    }

    pub(crate) fn debug(&self, f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
        let (len, waiting) = self.state.with(|state| {
            state
                .parts
                .as_ref()
                .map_or((0, (0, 0)), |parts| (parts.store.len(), (parts.putters.len(), parts.getters.len())))
        });
        f.debug_struct(name)
            .field("len", &len)
            .field("capacity", &self.capacity())
            .field("is_closed", &self.is_closed())
            .field("waiting_to_put", &waiting.0)
            .field("waiting_to_get", &waiting.1)
            .field("created", &self.created)
            .finish_non_exhaustive()
    }

    fn describe(&self, kind: Kind, asked: &'static Location<'static>) -> Wait {
        let address = ptr::from_ref(self).addr();
        Wait { kind, created: self.created, asked, address, holder: None }
    }
}
