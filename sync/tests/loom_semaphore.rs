//! Model checks of the shared `Semaphore`: permits are neither lost nor made, and nobody sleeps while there are enough.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p runtime-sync --release --test loom_semaphore`
#![cfg(loom)]

mod models;

use loom::sync::atomic::AtomicUsize;
use models::{Doze, beside, block_on, give_up, model};
use runtime_sync::shared::{BoundedSemaphore, Semaphore};
use std::sync::{Arc, atomic::Ordering::Relaxed};

#[test]
fn one_permit_orders_what_is_done_with_it() {
    model(|| {
        let semaphore = Arc::new(Semaphore::new(1));
        let number = Arc::new(AtomicUsize::new(0));
        let threads = [(); 2].map(|()| {
            let (semaphore, number) = (Arc::clone(&semaphore), Arc::clone(&number));
            beside(move || {
                let permit = block_on(semaphore.acquire()).unwrap();
                // Relaxed: it is the permit that makes the other's number visible.
                number.store(number.load(Relaxed) + 1, Relaxed);
                drop(permit);
            })
        });
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(number.load(Relaxed), 2);
        assert_eq!(semaphore.available_permits(), 1);
    });
}

#[test]
fn no_more_at_once_than_permits() {
    model(|| {
        let semaphore = Arc::new(Semaphore::new(2));
        let inside = Arc::new(AtomicUsize::new(0));
        let threads = [(); 3].map(|()| {
            let (semaphore, inside) = (Arc::clone(&semaphore), Arc::clone(&inside));
            beside(move || {
                let permit = block_on(semaphore.acquire()).unwrap();
                assert!(inside.fetch_add(1, Relaxed) < 2);
                inside.fetch_sub(1, Relaxed);
                drop(permit);
            })
        });
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(semaphore.available_permits(), 2);
    });
}

#[test]
fn release_against_arrival() {
    model(|| {
        let semaphore = Arc::new(Semaphore::new(1));
        let permit = semaphore.try_acquire().unwrap();
        let other = Arc::clone(&semaphore);
        let thread = beside(move || drop(block_on(other.acquire()).unwrap()));
        drop(permit);
        thread.join().unwrap();
        assert!(semaphore.try_acquire().is_ok());
    });
}

#[test]
fn many_are_gathered_from_several_releases() {
    model(|| {
        let semaphore = Arc::new(Semaphore::new(2));
        let (one, two) = (Arc::clone(&semaphore), Arc::clone(&semaphore));
        let permits = [one.try_acquire_owned(1).unwrap(), two.try_acquire_owned(1).unwrap()];
        let threads = permits.map(|permit| beside(move || drop(permit)));
        assert_eq!(block_on(semaphore.acquire_many(2)).unwrap().count(), 2);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(semaphore.available_permits(), 2);
    });
}

#[test]
fn one_who_wants_many_and_gives_up_does_not_keep_others_waiting() {
    model(|| {
        let semaphore = Arc::new(Semaphore::new(2));
        let held = semaphore.try_acquire_many(2).unwrap();
        let mut many = semaphore.acquire_many(2);
        assert!(Doze::new().poll(&mut many).is_pending());
        let other = Arc::clone(&semaphore);
        let thread = beside(move || drop(block_on(other.acquire()).unwrap()));
        held.forget();
        semaphore.add_permits(1);
        drop(many);
        thread.join().unwrap();
        assert_eq!(semaphore.available_permits(), 1);
    });
}

#[test]
fn a_grant_against_giving_up() {
    model(|| {
        let semaphore = Arc::new(Semaphore::new(0));
        let (first, second) = (Arc::clone(&semaphore), Arc::clone(&semaphore));
        let gives_up = beside(move || give_up(first.acquire_many(2)).map(drop));
        let waits = beside(move || drop(block_on(second.acquire()).unwrap()));
        semaphore.add_permits(2);
        gives_up.join().unwrap();
        waits.join().unwrap();
        assert_eq!(semaphore.available_permits(), 2);
    });
}

#[test]
fn close_against_acquire() {
    model(|| {
        let semaphore = Arc::new(Semaphore::new(0));
        let other = Arc::clone(&semaphore);
        let thread = beside(move || assert!(block_on(other.acquire()).is_err()));
        semaphore.close();
        thread.join().unwrap();
        assert!(block_on(semaphore.acquire()).is_err());
    });
}

#[test]
fn close_against_release_and_one_who_waits() {
    model(|| {
        let semaphore = Arc::new(Semaphore::new(1));
        let permit = Arc::clone(&semaphore).try_acquire_owned(1).unwrap();
        let (waiting, closing) = (Arc::clone(&semaphore), Arc::clone(&semaphore));
        let waits = beside(move || drop(block_on(waiting.acquire())));
        let closes = beside(move || closing.close());
        drop(permit);
        waits.join().unwrap();
        closes.join().unwrap();
        assert!(semaphore.is_closed());
        assert_eq!(semaphore.available_permits(), 1, "whatever the order was, it came back once");
    });
}

#[test]
fn adding_against_trying() {
    model(|| {
        let semaphore = Arc::new(Semaphore::new(1));
        let (adding, trying) = (Arc::clone(&semaphore), Arc::clone(&semaphore));
        let adds = beside(move || adding.add_permits(1));
        let tries = beside(move || trying.try_acquire_many(2).map(drop).is_ok());
        let took = semaphore.try_acquire().map(drop).is_ok();
        adds.join().unwrap();
        assert!(tries.join().unwrap() || took, "at least one was there all the time");
        assert_eq!(semaphore.available_permits(), 2);
    });
}

#[test]
fn taking_permits_away_against_taking_them() {
    model(|| {
        let semaphore = Arc::new(Semaphore::new(2));
        let other = Arc::clone(&semaphore);
        let thread = beside(move || other.forget_permits(1));
        drop(block_on(semaphore.acquire()).unwrap());
        assert_eq!(thread.join().unwrap(), 1, "two were there, and only one was wanted");
        assert_eq!(semaphore.available_permits(), 1);
    });
}

#[test]
fn a_bound_is_kept_by_two_who_release() {
    model(|| {
        let semaphore = Arc::new(BoundedSemaphore::new(1));
        semaphore.try_acquire().unwrap().forget();
        let other = Arc::clone(&semaphore);
        let thread = beside(move || other.release(1).is_ok());
        let mine = semaphore.release(1).is_ok();
        assert!(thread.join().unwrap() != mine, "one was missing");
        assert_eq!(semaphore.available_permits(), 1);
    });
}
