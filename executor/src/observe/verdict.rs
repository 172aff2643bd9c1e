//! What can be said about waits that do not end, found out between two batches.
//!
//! # Hopeless waits
//!
//! A task that waits for a lock which it holds itself may be all right: the guard may be in a branch of a `join!` that
//! sleeps, in an executor inside the task, or with somebody else by now. It is hopeless if nobody could ever poll the
//! task again. That is proved by counting: no clone of its waker is out (the waits in our books keep none), every wait in
//! our books is for something that its own key holds, no waiter of a timer, a socket, a handle or a group has its key,
//! it is not scheduled, and no mail has come that could change that. Then whatever the task's future contains stands
//! still for good, the guard with it. That the guard is in there, and the same task still its holder, is the other half:
//!
//! - A [`LockGuard`](runtime_sync::LockGuard) borrows its lock, which a spawned future cannot take along. So the panic
//!   is for these alone. (A lock that was leaked lends its guards for ever. `Lock::acquire` says in its documentation
//!   that such a guard still counts as its acquirer's.)
//! - A guard of the shared flavour may be on another thread, one taken in a branch of a `join_all` in another branch:
//!   that is reported, and the task goes on waiting.
//! - An owned guard is made to be handed on, and nothing is said.
//! - The lock is asked who holds it when the task, woken for that purpose, polls the wait once more.
//!
//! # Grants that nobody takes
//!
//! Whoever is granted something is woken, so polled by the end of the next batch; and mostly takes notice then. So a look
//! at the grants waits until nobody is ready, or there are many. If a future has not taken notice by then, and the task is not about to be polled again either, it is a *futurelock* (Oxide's RFD 609): the future is
//! alive but no longer polled, and what it was granted serves nobody. An executor inside the task may yet come to it,
//! hence this is a report and changes nothing.

use super::{
    Report,
    books::{Books, Doubt, Grant, Record, Suspect, WayOut},
    deliver, waits,
};
use crate::{
    core::Core,
    task::{
        TaskId,
        raw::TaskRef,
        slots::{Key, Out},
        waker,
    },
};
use runtime_sync::{Kind, Wait};
use std::{mem, num::NonZeroU64};

/// Batches for which a grant is followed whose task cannot be judged.
const MAX_ROUNDS: u8 = 100;

/// Between two batches, when there was something to look after.
pub(crate) fn look_after(core: &Core) {
    let wake = core.observed().with(|books| {
        check_grants(core, books);
        check_suspects(core, books)
    });
    wake.into_iter().for_each(|key| core.wake(key));
    deliver(core);
    if core.observed().with(|books| books.is_pressing()) {
        core.call_observer();
    }
}

/// The same when nobody is ready: whoever was granted something has been polled since.
pub(crate) fn look_after_at_rest(core: &Core) {
    core.observed().with(|books| {
        let fresh = mem::take(&mut books.granted);
        books.granted_before.extend(fresh);
    });
    look_after(core);
}

fn check_grants(core: &Core, books: &mut Books) {
    let mut checked = mem::take(&mut books.granted_before);
    mem::swap(&mut books.granted, &mut books.granted_before);
    for Grant { ticket, rounds } in checked.drain(..) {
        let Some(record) = books.get(ticket).filter(|record| record.is_granted) else { continue };
        match core.task_above(record.key) {
            // It may come to this future in its next poll, as do executors inside a task that yield half-way.
            Some(task) if task.is_queued() && rounds < MAX_ROUNDS => {
                books.granted_before.push(Grant { ticket, rounds: rounds + 1 });
            }
            None if record.key.is_child() && rounds < MAX_ROUNDS => {
                books.granted_before.push(Grant { ticket, rounds: rounds + 1 });
            }
            Some(task) if !task.is_queued() => {
                let Record { kind, created, asked, .. } = *record;
                books.reports.push(Report::Futurelock {
                    task: waits::info_of(core, task),
                    kind,
                    created,
                    asked,
                });
            }
            // The task has ended and left its future to somebody, or is never to be caught between two polls.
            _ => {}
        }
    }
    // Its room serves the next batch.
    if books.granted.capacity() == 0 {
        books.granted = checked;
    }
}

/// Gives whom to wake, to have their doubts confirmed.
fn check_suspects(core: &Core, books: &mut Books) -> Vec<Key> {
    let mut wake = Vec::new();
    for mut suspect in mem::take(&mut books.suspects) {
        match judge(core, books, &suspect) {
            Verdict::Over => {}
            Verdict::Later => books.suspects.push(suspect),
            Verdict::Innocent(way_out) => {
                suspect.way_out = Some(way_out);
                books.suspects.push(suspect);
            }
            Verdict::Stuck(doubt) => {
                if let Some(record) = books.get(suspect.ticket) {
                    record.doubt = doubt;
                    wake.push(record.key);
                }
            }
        }
    }
    wake
}

enum Verdict {
    /// It waits no more.
    Over,
    /// It is being polled, or may be soon.
    Later,
    /// Somebody could wake it.
    Innocent(WayOut),
    Stuck(Doubt),
}

fn judge(core: &Core, books: &mut Books, suspect: &Suspect) -> Verdict {
    let Some(record) = books.get(suspect.ticket).filter(|record| !record.is_granted) else {
        return Verdict::Over;
    };
    let (key, kind, is_ours) = (record.key, record.kind, record.is_ours);
    let Some(holder) = suspect.holder.filter(|holder| !holder.owner.has_owned_guard()) else {
        return Verdict::Over;
    };
    // Before the mail is looked for: see `Remote::count_clones`.
    let out = core.out(key.slot());
    match suspect.way_out {
        Some(WayOut::Out(before)) if before == out => return Verdict::Later,
        Some(WayOut::Wait(place, serial)) if books.waits(place, serial) => return Verdict::Later,
        _ => {}
    }
    // Our waits keep no wakers of ours, so every one that is out is somebody else's.
    if out != Out::default() {
        return Verdict::Innocent(WayOut::Out(out));
    }
    let rests = core.task_above(key).is_some_and(|task| !task.is_queued());
    if !rests || core.remote().doorbell().has_rung() {
        return Verdict::Later;
    }
    for (place, other) in books.records.iter().filter(|(_, other)| other.key == key && !other.is_granted) {
        let holder = other.lock().and_then(|lock| books.locks.get(lock).holder);
        if holder != Some(key) {
            return Verdict::Innocent(WayOut::Wait(place, other.serial));
        }
    }
    let stays = kind == Kind::Lock && !holder.owner.may_have_passed_it_on() && !key.is_child();
    Verdict::Stuck(if stays && is_ours { Doubt::Hopeless } else { Doubt::SelfWait })
}

/// The wait was polled and goes on: confirms what is thought of it, by what the primitive says of itself now. Gives
/// that if it is hopeless.
pub(super) fn confirm(core: &Core, ticket: NonZeroU64, describe: &mut dyn FnMut() -> Wait) -> Option<Wait> {
    let (doubt, key, noted) = core.observed().with(|books| {
        let record = books.get(ticket)?;
        let doubt = mem::replace(&mut record.doubt, Doubt::None);
        let (key, lock) = (record.key, record.lock());
        let noted = lock.and_then(|lock| books.locks.get(lock).holder);
        (doubt != Doubt::None).then_some((doubt, key, noted))
    })?;
    let now = describe();
    let holder = now.holder.and_then(|holder| waker::key_of_owner(holder.owner))?;
    let task = super::task_id(core, key);
    match doubt {
        Doubt::Hopeless if holder == key => return Some(now),
        Doubt::SelfWait if holder == key => report_self_wait(core, task, &now),
        Doubt::HolderEnded
            if Some(holder) == noted
                && core.observed().with(|books| books.report_ended(core, holder, task, &now)) =>
        {
            core.call_observer();
        }
        _ => {}
    }
    None
}

fn report_self_wait(core: &Core, task: Option<TaskId>, wait: &Wait) {
    let Some(since) = wait.holder.map(|holder| holder.since) else { return };
    let Wait { kind, created, asked, .. } = *wait;
    let report = Report::SelfWait { task: waits::info(core, task), kind, created, since, asked };
    core.observed().with(|books| books.reports.push(report));
    core.call_observer();
}

/// A task has ended, and its future and all in it is gone: asks what it has left behind.
#[cold]
pub(crate) fn task_ended(core: &Core, task: TaskRef) {
    let key = task.key();
    let wake = core.observed().with(|books| {
        for held in books.take_held(key).into_iter().filter(|held| held.count > 0) {
            let (kind, created, count) = (held.kind, held.created, held.count.unsigned_abs());
            books.reports.push(Report::EndedHolding {
                task: waits::info_of(core, task),
                kind,
                created,
                count,
            });
        }
        if core.is_closing() { Vec::new() } else { doubt_its_locks(core, books, task) }
    });
    wake.into_iter().for_each(|key| core.wake(key));
    core.call_observer();
}

/// Has one of the waiters of each lock that an ended task seems to hold ask the lock. Gives whom to wake for that.
fn doubt_its_locks(core: &Core, books: &mut Books, task: TaskRef) -> Vec<Key> {
    let key = task.key();
    let left: Vec<u32> = books
        .locks
        .iter_mut()
        .filter_map(|(index, lock)| {
            let is_left = lock.holder == Some(key) && !mem::replace(&mut lock.told, true);
            is_left.then_some(index)
        })
        .collect();
    if left.is_empty() {
        return Vec::new();
    }
    books.remember(key, waits::info_of(core, task));
    let mut wake = Vec::new();
    for lock in left {
        let waiting = books.records.iter_mut().find(|(_, record)| record.lock() == Some(lock));
        if let Some((_, record)) = waiting {
            record.doubt = Doubt::HolderEnded;
            wake.push(record.key);
        }
    }
    wake
}
