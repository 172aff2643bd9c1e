//! A future's side of a wait: the place that it has, and how it is polled.

use super::{Board, Place, Queued, Wakes, board::Asker};
#[cfg(feature = "follow")]
use crate::follow;
use crate::{
    flavour::Guarded,
    follow::Follower,
    observer::{self, Wait},
};
use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    task::{Context, Poll, Waker},
};

/// What an attempt came to.
pub(crate) enum Attempt<R> {
    /// It is done.
    Done(R),
    /// It has to wait, and asks for so much.
    Wait(usize),
}

/// A future's place in a queue, if it has one.
#[derive(Debug, Default)]
pub(crate) struct Turn(Option<Place>);

impl Turn {
    pub(crate) const fn new() -> Self {
        Self(None)
    }

    /// Whether the future waits.
    #[inline]
    pub(crate) fn is_waiting(&self) -> bool {
        self.0.is_some()
    }

    /// Polls the wait.
    ///
    /// Without a place, it asks `attempt`, and queues if that says so. With one, it looks for a grant; once there is
    /// one the place is given up and `accept` has the note that came with it. `describe` is called after the attempt, and
    /// with the state borrowed.
    #[inline]
    pub(crate) fn poll<S: Queued, G: Guarded<S>, R>(
        &mut self,
        guarded: &G,
        which: S::Which,
        cx: &Context<'_>,
        describe: impl Fn() -> Wait,
        attempt: impl FnOnce(&mut S) -> Attempt<R>,
        accept: impl FnOnce(&mut S, usize) -> R,
    ) -> Poll<R> {
        if self.is_waiting() {
            self.look(guarded, which, cx, describe, |state, note, _| accept(state, note))
        } else {
            self.arrive(guarded, which, cx, describe, |state, _| attempt(state))
        }
    }

    /// The first poll of a wait: asks `attempt`, and queues if that says so. Then those wake whom it granted
    /// something.
    #[inline]
    pub(crate) fn arrive<S: Queued, G: Guarded<S>, R>(
        &mut self,
        guarded: &G,
        which: S::Which,
        cx: &Context<'_>,
        describe: impl Fn() -> Wait,
        attempt: impl FnOnce(&mut S, &mut Wakes) -> Attempt<R>,
    ) -> Poll<R> {
        let (asker, mut foreign) = Asker::of(cx.waker());
        let mut wakes = Wakes::default();
        let polled = guarded.with(|state| match attempt(state, &mut wakes) {
            Attempt::Done(result) => Poll::Ready(result),
            Attempt::Wait(note) => {
                let list = state.list(which);
                self.0 = Some(list.arrive(asker, foreign.take(), note, &describe, G::IS_LOCAL));
                Poll::Pending
            }
        });
        drop(foreign); // it did not have to wait after all
        wakes.wake_those();
        #[cfg(feature = "follow")]
        if polled.is_pending() && follow::are_followed() {
            self.follow(guarded, which, &describe);
        }
        polled
    }

    /// The wait has begun: somebody may want to follow it.
    #[cfg(feature = "follow")]
    #[cold]
    fn follow<S: Queued, G: Guarded<S>>(&self, guarded: &G, which: S::Which, describe: &dyn Fn() -> Wait) {
        let place = self.0.expect("it waits");
        let mut introduce = || guarded.with(|state| state.list(which).introduce(describe()));
        let followed = observer::observer().and_then(|observer| observer.follow(&mut introduce));
        if let Some(followed) = followed {
            guarded.with(|state| state.list(which).put_follower(place, followed.clone()));
            followed.polled(false);
        }
    }

    /// The later polls of a wait: once it is granted, asks `accept`. Then those wake whom it granted something.
    #[inline]
    pub(crate) fn look<S: Queued, G: Guarded<S>, R>(
        &mut self,
        guarded: &G,
        which: S::Which,
        cx: &Context<'_>,
        describe: impl Fn() -> Wait,
        accept: impl FnOnce(&mut S, usize, &mut Wakes) -> R,
    ) -> Poll<R> {
        let place = self.0.expect("only who waits looks for a grant");
        let mut wakes = Wakes::default();
        let found = guarded.with(|state| {
            let seat = state.list(which).seat(place);
            if !seat.is_granted() {
                return Err(accept);
            }
            let note = seat.note.load(Relaxed);
            let result = accept(state, note, &mut wakes);
            let list = state.list(which);
            list.leave_granted(place);
            Ok((result, list.take_follower(place)))
        });
        match found {
            Ok((result, follower)) => {
                self.0 = None;
                wakes.wake_those();
                follower.tell(true);
                Poll::Ready(result)
            }
            Err(accept) => self.look_again(guarded, which, cx, describe, accept),
        }
    }

    /// Not granted yet, perhaps with another waker than before; or the grant was taken back.
    #[cold]
    fn look_again<S: Queued, G: Guarded<S>, R>(
        &mut self,
        guarded: &G,
        which: S::Which,
        cx: &Context<'_>,
        describe: impl Fn() -> Wait,
        accept: impl FnOnce(&mut S, usize, &mut Wakes) -> R,
    ) -> Poll<R> {
        /// What is to be dropped or done with the state released.
        enum Next<R> {
            Finish(R, Follower),
            StayQueued(Option<Arc<Board>>, Follower),
            PrepareWaker,
            Renewed(Option<Waker>, Follower),
        }
        let place = self.0.expect("only who waits looks for a grant");
        let mut asker = None;
        let mut accept = Some(accept);
        let mut wakes = Wakes::default();
        loop {
            let next = guarded.with(|state| {
                let list = state.list(which);
                if !list.seat(place).is_granted() {
                    if list.will_wake(place, cx.waker()) {
                        return Next::StayQueued(list.board.clone(), list.follower(place));
                    }
                    let Some((asker, foreign)) = asker.take() else { return Next::PrepareWaker };
                    return Next::Renewed(list.renew(place, asker, foreign), list.follower(place));
                }
                let note = list.seat(place).note.load(Relaxed);
                let accept = accept.take().expect("a grant is accepted once");
                let result = accept(state, note, &mut wakes);
                let list = state.list(which);
                list.leave_granted(place);
                Next::Finish(result, list.take_follower(place))
            });
            match next {
                Next::PrepareWaker => asker = Some(Asker::of(cx.waker())),
                Next::Finish(result, follower) => {
                    self.0 = None;
                    wakes.wake_those();
                    follower.tell(true);
                    return Poll::Ready(result);
                }
                Next::StayQueued(board, follower) => {
                    refuse_if_hopeless(board.as_ref(), place, &mut || describe());
                    follower.tell(false);
                    return Poll::Pending;
                }
                Next::Renewed(before, follower) => {
                    drop(before);
                    follower.tell(false);
                    return Poll::Pending;
                }
            }
        }
    }

    /// Gives the place up, if there is one: for `drop`. A grant that nobody took notice of is undone by `pass_on`,
    /// in the same breath, so that no one sees the state in between.
    #[inline]
    pub(crate) fn leave<S: Queued, G: Guarded<S>, R: Default>(
        &mut self,
        guarded: &G,
        which: S::Which,
        pass_on: impl FnOnce(&mut S, Option<usize>) -> R,
    ) -> R {
        let Some(place) = self.0.take() else { return R::default() };
        let (left, result) = guarded.with(|state| {
            let left = state.list(which).leave(place);
            let granted = left.granted;
            (left, pass_on(state, granted))
        });
        drop(left);
        result
    }
}

/// The task holds what it waits for, and nothing else can wake it: better an answer than a silence without end.
fn refuse_if_hopeless(board: Option<&Arc<Board>>, place: Place, describe: &mut dyn FnMut() -> Wait) {
    if let Some(board) = board
        && let Some(observer) = observer::observer()
        && let Some(wait) = observer.still_waits(board, place.0, describe)
    {
        hopeless(&wait);
    }
}

#[cold]
fn hopeless(wait: &Wait) -> ! {
    let Wait { kind, created, asked, holder, .. } = wait;
    let since = holder.map_or_else(String::new, |holder| format!(" at {}", holder.since));
    panic!(
        "this task waits at {asked} for the {kind} created at {created}, which it acquired itself{since} and holds \
         still, and for nothing else: it would wait for ever. Drop the first guard before acquiring again, or use an \
         RLock, which lets its holder in again"
    )
}
