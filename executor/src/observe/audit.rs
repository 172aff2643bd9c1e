//! What can be said about waits that do not end, found out between two batches: an *audit* of all boards.
//!
//! It is done when nobody is ready, now and then while somebody always is, and when a run ends; so that it costs little, its
//! price in turns follows the number of those who wait ([`Pace`]).
//!
//! # Waits for each other
//!
//! Tasks that wait for locks which they hold themselves, or which others hold who wait likewise, may be all right: the
//! guard may be in a branch of a `join!` that sleeps, in an executor inside a task, or with somebody else by now. They are
//! stuck if nobody could ever poll any of them again. That is proved by counting, for each of them: no clone of its waker is
//! out (our waits keep none), no waiter of a timer, a socket, a handle or a group has its key, it is not scheduled, no mail
//! has come, and every wait of ours that has its key is for a lock whose holder is stuck as well; or for the end of tasks,
//! or of futures that it polls in place, that are. What their futures contain stands still for good then, the guards with it
//! (`stuck.rs` has the search). That the guard is in there is the other half:
//!
//! - A [`LockGuard`](runtime_sync::LockGuard) borrows its lock, which a spawned future cannot take along. (A lock that was
//!   leaked lends its guards for ever, and a boxed future takes its lock and guard along if it is given to another task after
//!   a poll. `Lock::acquire` says in its documentation that such a guard still counts as its acquirer's.) So who waits for
//!   such a lock of its own is *hopeless*, and panics in its next poll.
//! - A guard of the shared flavour may be on another thread, one taken in a branch of a `join_all` in another branch:
//!   that is reported, and the task goes on waiting. Whoever awaits a task that waits for such a guard is left alone.
//! - An owned guard is made to be handed on, and nothing is said.
//!
//! Of several who wait for each other the circle is reported, once; [`OnDeadlock`] says what else is done.
//!
//! # Grants that nobody takes
//!
//! Whoever is granted something is woken, so polled by the end of the next batch; and mostly takes notice then. If its
//! task rests and the future has not taken notice, it is a *futurelock* (Oxide's RFD 609): the future is alive but no
//! longer polled, and what it was granted serves nobody. An executor inside the task may yet come to it, hence this is a
//! report and changes nothing. A grant from another thread is left alone, as its wake may be under way.

use super::{
    Report,
    books::Books,
    deliver,
    stuck::{self, Stuck},
    waits::{self, Stamp},
};
use crate::{
    core::Core,
    inspect::{Deadlock, OnDeadlock},
    task::{TaskId, raw::TaskRef, slots::Key, waker},
};
use runtime_sync::{Board, Holder, Kind, Wait, Waiting};
use std::{cell::Cell, collections::BTreeSet, sync::Arc};

/// When the next audit is due: after so many looks that its price is small beside what was done meanwhile.
#[derive(Default)]
pub(super) struct Pace {
    /// Waits that the last one has looked at.
    price: Cell<u32>,
    /// Times since then that nobody was ready.
    rests: Cell<u32>,
    /// Strides of polls since then.
    strides: Cell<u32>,
}

/// Waits that are looked at for one time that nobody is ready, which costs a system call.
const WAITS_PER_REST: u32 = 8;
/// Strides of polls between two audits, if nobody ever rests: about a thousand polls.
const MIN_STRIDES: u32 = 64;
/// Strides for each wait that is looked at.
const STRIDES_PER_WAIT: u32 = 4;
/// How much more a wait costs if it is asked who awaits the end of whoever waits.
const PRICE_OF_A_CLIMB: u32 = 8;

impl Pace {
    /// Nobody is ready. Whether it is time.
    pub(super) fn rest(&self) -> bool {
        self.rests.set(self.rests.get().saturating_add(1));
        self.rests.get().saturating_mul(WAITS_PER_REST) >= self.price.get()
    }

    /// A stride of polls is over. Whether it is time.
    pub(super) fn stride(&self) -> bool {
        self.strides.set(self.strides.get().saturating_add(1));
        self.strides.get() >= MIN_STRIDES.max(self.price.get().saturating_mul(STRIDES_PER_WAIT))
    }

    fn begin(&self, price: u32) {
        self.price.set(price);
        self.rests.set(0);
        self.strides.set(0);
    }
}

/// Looks at all that wait, and tells what is wrong. Between two batches.
#[cold]
pub(crate) fn audit(core: &Core) -> Option<Box<Deadlock>> {
    let observed = core.observed();
    let stuck = observed.with(|books| {
        let mut survey = survey(core, books);
        let is_suspicious = survey.may_be_stuck
            || !survey.joining.is_empty() && {
                survey.price = survey.price.saturating_mul(PRICE_OF_A_CLIMB);
                stuck::may_close_a_circle(core, books, &survey.joining)
            };
        observed.pace.begin(survey.price);
        is_suspicious.then(|| stuck::find(core, books))
    });
    let mut fatal = None;
    if let Some(Stuck { hopeless, circles, behind }) = stuck {
        hopeless.into_iter().for_each(|key| core.wake(key));
        if !circles.is_empty() {
            fatal = act(core, Deadlock::partial(core, &circles, &behind));
        }
    }
    deliver(core);
    fatal
}

/// Nobody is ready, and nothing can happen any more. Gives what `block_on` is to panic with, unless somebody could be
/// cancelled. `has_root`: there is a main task.
#[cold]
pub(crate) fn end(core: &Core, has_root: bool) -> Option<Box<Deadlock>> {
    let fatal = act(core, Deadlock::total(core, has_root));
    deliver(core);
    fatal
}

/// Does what is to be done about a deadlock; gives it back if `block_on` is to panic with it.
fn act(core: &Core, deadlock: Deadlock) -> Option<Box<Deadlock>> {
    let observed = core.observed();
    let has_cancelled = observed.on_deadlock == OnDeadlock::Fail && cancel(core, &deadlock.victims());
    let is_fatal = match observed.on_deadlock {
        OnDeadlock::Panic => true,
        OnDeadlock::Report | OnDeadlock::Fail => deadlock.is_total && !has_cancelled,
    };
    // What is told by a panic need not be written to standard error before.
    if !is_fatal || observed.on_report.is_some() {
        observed.with(|books| books.reports.push(Report::Deadlock(deadlock.clone())));
    }
    is_fatal.then(|| Box::new(deadlock))
}

/// Cancels those tasks; false if there is none.
fn cancel(core: &Core, tasks: &[TaskId]) -> bool {
    let tasks: BTreeSet<TaskId> = tasks.iter().copied().collect();
    let victims: Vec<TaskRef> = core.slots().tasks().filter(|task| tasks.contains(&task.id())).collect();
    victims.iter().filter(|task| task.cancel()).count() > 0
}

struct Survey {
    price: u32,
    /// Somebody waits for a lock whose holder rests and has no other way out at first sight.
    may_be_stuck: bool,
    /// Holders of what somebody waits for who rest, but for waits of ours that are not in a queue.
    joining: BTreeSet<Key>,
}

/// The first look at each wait: what can be said of it alone.
fn survey(core: &Core, books: &mut Books) -> Survey {
    let mut survey = Survey { price: 0, may_be_stuck: false, joining: BTreeSet::new() };
    let mut reports = Vec::new();
    let mut stamp = None;
    books.each_board(&mut |_| survey.price = survey.price.saturating_add(1));
    books.each_waiting(core, &mut |board, key, waiting| {
        survey.price = survey.price.saturating_add(1);
        if waiting.kind.has_holder() && board.stamp() == 0 {
            stamp.get_or_insert_with(|| Stamp::now(core)).leave(board);
        }
        if waiting.is_granted {
            reports.extend(idle_grant(core, board, key, waiting));
        } else if waiting.kind.has_holder()
            && let Some((holder, holder_key)) = holder_of(core, board)
        {
            match stuck::rests_but_for(core, holder_key) {
                Some(0) => survey.may_be_stuck = true,
                Some(_) => _ = survey.joining.insert(holder_key),
                None => {}
            }
            if has_ended(core, holder_key) && !board.mark_holder_told() {
                reports.push(Report::HolderEnded {
                    holder: books.ended(holder_key).cloned(),
                    kind: waiting.kind,
                    created: board.created(),
                    since: holder.since,
                    waiting: waits::info(core, super::task_id(core, key)),
                    asked: waiting.asked,
                });
            }
        }
    });
    books.reports.append(&mut reports);
    survey
}

/// Who holds what is waited for, if it is somebody of this runtime who has not handed the guard on by contract.
pub(super) fn holder_of(core: &Core, board: &Board) -> Option<(Holder, Key)> {
    let holder = board.holder().filter(|holder| !holder.owner.has_owned_guard())?;
    let key = waker::key_of_owner(holder.owner).filter(|key| core.is_home_of(*key))?;
    Some((holder, key))
}

/// Futures in a group end all the time, and their group has what they leave; tasks do not come back.
fn has_ended(core: &Core, key: Key) -> bool {
    !key.is_child() && core.slots().find(key).is_none() && !core.is_closing()
}

/// A grant that its task, though it was woken and polled, has not taken.
fn idle_grant(core: &Core, board: &Board, key: Key, waiting: &Waiting) -> Option<Report> {
    let Waiting { kind, asked, seat, .. } = *waiting;
    if waiting.is_granted_afar || waiting.is_told || !withholds(kind) {
        return None;
    }
    // No task: it has ended and left its future to somebody, or an executor stands in between.
    let task = core.task_above(key).filter(|task| !task.is_queued())?;
    board.mark_told(seat);
    Some(Report::Futurelock { task: waits::info_of(core, task), kind, created: board.created(), asked })
}

/// Whether a grant that nobody takes notice of keeps something from others.
fn withholds(kind: Kind) -> bool {
    use Kind::{Get, Lock, Put, RLock, Read, Receive, Semaphore, Send, Write};
    matches!(kind, Lock | RLock | Read | Write | Semaphore | Send | Receive | Put | Get)
}

/// The wait in that seat was polled and goes on. Gives what it waits for if that is hopeless, also by what the primitive
/// says of itself now.
pub(super) fn confirm(
    core: &Core,
    board: &Arc<Board>,
    seat: u32,
    describe: &mut dyn FnMut() -> Wait,
) -> Option<Wait> {
    let found = core.observed().with(|books| {
        let index = books.hopeless.iter().position(|found| Arc::ptr_eq(&found.0, board) && found.1 == seat);
        index.map(|index| books.hopeless.swap_remove(index))
    });
    // Not if it is another wait by now, in the same seat.
    found.filter(|(board, seat)| is_told(board, *seat))?;
    let wait = describe();
    let holder = waker::key_of_owner(wait.holder?.owner)?;
    let waits = board.waiting().find(|waiting| waiting.seat == seat)?;
    (waits.key.map(Key::from_word) == Some(holder)).then_some(wait)
}

/// Whether the wait in that seat is one that [`Board::mark_told`] was called for.
pub(super) fn is_told(board: &Board, seat: u32) -> bool {
    board.waiting().any(|waiting| waiting.seat == seat && waiting.is_told && !waiting.is_granted)
}

/// A task has ended, and its future and all in it is gone: asks what it has left behind.
#[cold]
pub(crate) fn task_ended(core: &Core, task: TaskRef) {
    let key = task.key();
    let told = core.observed().with(|books| {
        for held in books.take_held(key).into_iter().filter(|held| held.count > 0) {
            let (kind, created, count) = (held.kind, held.created, held.count.unsigned_abs());
            let task = waits::info_of(core, task);
            books.reports.push(Report::EndedHolding { task, kind, created, count });
        }
        books.remember(key, waits::info_of(core, task));
        !books.reports.is_empty()
    });
    if told {
        core.call_observer();
    }
}
