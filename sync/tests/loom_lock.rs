//! Model checks of the shared `Lock`: it is held by one at a time, handed on by whoever gives up, and nobody sleeps on.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p runtime-sync --release --test loom_lock`
#![cfg(loom)]

mod models;

use models::{Doze, Exclusive, beside, block_on, give_up, model};
use runtime_sync::shared::Lock;
use std::sync::Arc;

#[test]
fn one_at_a_time() {
    model(|| {
        let lock = Arc::new(Lock::new(Exclusive::default()));
        let other = Arc::clone(&lock);
        let thread = beside(move || block_on(other.acquire()).change());
        block_on(lock.acquire()).change();
        thread.join().unwrap();
        assert!(lock.try_acquire().is_some());
    });
}

#[test]
fn three_take_it_in_turn() {
    model(|| {
        let lock = Arc::new(Lock::new(Exclusive::default()));
        let threads = [(); 2].map(|()| {
            let lock = Arc::clone(&lock);
            beside(move || block_on(lock.acquire()).change())
        });
        block_on(lock.acquire()).change();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert!(lock.try_acquire().is_some());
    });
}

#[test]
fn release_against_arrival() {
    model(|| {
        let lock = Arc::new(Lock::new(Exclusive::default()));
        let other = Arc::clone(&lock);
        let guard = lock.try_acquire().unwrap();
        let thread = beside(move || other.blocking_acquire().change());
        guard.change();
        drop(guard);
        thread.join().unwrap();
        assert!(!lock.locked());
    });
}

#[test]
fn a_hand_over_to_one_who_gives_up_reaches_the_next() {
    model(|| {
        let lock = Arc::new(Lock::new(Exclusive::default()));
        let guard = lock.try_acquire().unwrap();
        let (first, second) = (Arc::clone(&lock), Arc::clone(&lock));
        let gives_up = beside(move || drop(give_up(first.acquire()).inspect(|guard| guard.change())));
        let waits = beside(move || block_on(second.acquire()).change());
        guard.change();
        drop(guard);
        gives_up.join().unwrap();
        waits.join().unwrap();
        assert!(lock.try_acquire().is_some());
    });
}

#[test]
fn giving_up_against_release_with_another_behind() {
    model(|| {
        let lock = Arc::new(Lock::new(Exclusive::default()));
        let guard = lock.try_acquire().unwrap();
        let (mut first, mut second) = (lock.acquire(), lock.acquire());
        let (bells, other) = ([Doze::new(), Doze::new()], Arc::clone(&lock));
        assert!(bells[0].poll(&mut first).is_pending());
        assert!(bells[1].poll(&mut second).is_pending());
        let thread = beside(move || give_up(other.acquire()).is_some());
        drop(guard);
        drop(first);
        bells[1].finish(&mut second).change();
        let _ = thread.join().unwrap();
        assert!(lock.try_acquire().is_some());
    });
}

#[test]
fn whoever_does_not_wait_never_takes_what_was_handed_over() {
    model(|| {
        let lock = Arc::new(Lock::new(Exclusive::default()));
        let guard = lock.try_acquire().unwrap();
        let mut waiting = lock.acquire();
        let (doze, other) = (Doze::new(), Arc::clone(&lock));
        assert!(doze.poll(&mut waiting).is_pending());
        let thread = beside(move || assert!(other.try_acquire().is_none()));
        drop(guard);
        thread.join().unwrap();
        doze.finish(&mut waiting).change();
    });
}

#[test]
fn trying_against_trying() {
    model(|| {
        let lock = Arc::new(Lock::new(Exclusive::default()));
        let other = Arc::clone(&lock);
        let thread = beside(move || other.try_acquire().map(|guard| guard.change()).is_some());
        let mine = lock.try_acquire().map(|guard| guard.change()).is_some();
        assert!(thread.join().unwrap() || mine, "it was free");
        assert!(lock.try_acquire().is_some());
    });
}

#[test]
fn an_owned_guard_may_be_dropped_elsewhere() {
    model(|| {
        let lock = Arc::new(Lock::new(Exclusive::default()));
        let guard = Arc::clone(&lock).try_acquire_owned().unwrap();
        guard.change();
        let thread = beside(move || drop(guard));
        block_on(Arc::clone(&lock).acquire_owned()).change();
        thread.join().unwrap();
    });
}

#[test]
fn release_while_the_waiter_changes_its_waker() {
    model(|| {
        let lock = Arc::new(Lock::new(Exclusive::default()));
        let guard = Arc::clone(&lock).try_acquire_owned().unwrap();
        let mut waiting = lock.acquire();
        let (first, second) = (Doze::new(), Doze::new());
        assert!(first.poll(&mut waiting).is_pending());
        let thread = beside(move || drop(guard));
        if second.poll(&mut waiting).is_pending() {
            second.finish(&mut waiting).change(); // the latest waker is the one that counts
        }
        thread.join().unwrap();
        assert_eq!(Arc::strong_count(&second), 1, "nobody keeps the waker");
    });
}
