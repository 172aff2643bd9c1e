//! What happened to locks that let their holder in again.
//!
//! Whoever holds it is known by its waker here, so the holder's task stays alive in each story.

use crate::stage::{On, Task};
use runtime_sync::{flavour::Flavour, rlock::RLock};
use std::{cell::Cell, rc::Rc};

both!(
    a_cancelled_heir_does_not_keep_the_lock,
    the_first_of_two_guards_does_not_let_another_in,
    a_newcomer_does_not_overtake_an_heir_that_has_not_run_yet,
    a_waiter_that_is_gone_does_not_stand_in_the_way,
    the_holders_waker_is_not_dropped_under_the_borrow,
);

/// asyncio, bpo-27585, for the lock that threads know as `RLock`.
fn a_cancelled_heir_does_not_keep_the_lock<F: Flavour>() {
    let lock = RLock::<_, F>::new(());
    let mut holder = Task::new(lock.acquire());
    let guard = holder.passes();
    let heir = Task::waiting(lock.acquire());
    let mut next = Task::waiting(lock.acquire());
    drop(guard);
    assert!(heir.is_woken());
    drop(heir);
    drop(next.ends());
    assert!(!lock.locked() && lock.count() == 0);
}

/// Python's pure `RLock`: the count is what keeps others out.
fn the_first_of_two_guards_does_not_let_another_in<F: Flavour>() {
    let lock = RLock::<_, F>::new(());
    let mut holder = Task::new(async { (lock.acquire().await, lock.acquire().await) });
    let (outer, inner) = holder.passes();
    assert_eq!(lock.count(), 2);
    let mut other = Task::waiting(lock.acquire());
    drop(outer);
    assert!(!other.is_woken() && lock.locked());
    drop(inner);
    drop(other.ends());
    assert!(!lock.locked());
}

/// asyncio, gh-90155: who comes between the release and the run of the heir waits.
fn a_newcomer_does_not_overtake_an_heir_that_has_not_run_yet<F: Flavour>() {
    let lock = RLock::<_, F>::new(());
    let mut holder = Task::new(lock.acquire());
    let guard = holder.passes();
    let mut heir = Task::waiting(lock.acquire());
    drop(guard);
    assert!(lock.try_acquire().is_none());
    let mut newcomer = Task::waiting(lock.acquire());
    drop(heir.ends());
    drop(newcomer.ends());
}

/// anyio #387.
fn a_waiter_that_is_gone_does_not_stand_in_the_way<F: Flavour>() {
    let lock = RLock::<_, F>::new(());
    let mut holder = Task::new(lock.acquire());
    let guard = holder.passes();
    let gone = Task::waiting(lock.acquire());
    let mut last = Task::waiting(lock.acquire());
    drop(gone);
    assert!(!last.is_woken());
    drop(guard);
    drop(last.ends());
}

/// tokio #5429, for the waker by which the lock knows its holder.
fn the_holders_waker_is_not_dropped_under_the_borrow<F: Flavour>() {
    let lock = Rc::new(RLock::<_, F>::new(()));
    let mut holder = Task::new(lock.acquire());
    let guard = holder.passes();
    let (again, drops) = (Rc::clone(&lock), Rc::new(Cell::new(0)));
    let count = Rc::clone(&drops);
    holder.probe().on(On::Drop, move || {
        count.set(count.get() + 1);
        assert!(!again.locked());
    });
    drop(guard);
    assert_eq!(drops.get(), 1);
    assert_eq!(holder.probe().copies(), 0);
}
