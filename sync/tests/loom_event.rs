//! Model checks of the shared `Event`: who waits when it is set passes, whatever else goes on.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p runtime-sync --release --test loom_event`
#![cfg(loom)]

mod models;

use loom::sync::atomic::AtomicUsize;
use models::{Doze, beside, block_on, give_up, model};
use runtime_sync::shared::Event;
use std::sync::{
    Arc,
    atomic::Ordering::{Acquire, Relaxed, Release},
};

#[test]
fn set_against_wait() {
    model(|| {
        let event = Arc::new(Event::new());
        let data = Arc::new(AtomicUsize::new(0));
        let (setting, written) = (Arc::clone(&event), Arc::clone(&data));
        let thread = beside(move || {
            written.store(1, Relaxed);
            setting.set();
        });
        event.blocking_wait();
        assert_eq!(data.load(Relaxed), 1, "what was done before it was set is seen by those who waited");
        thread.join().unwrap();
    });
}

#[test]
fn set_against_two_who_wait() {
    model(|| {
        let event = Arc::new(Event::new());
        let threads = [(); 2].map(|()| {
            let event = Arc::clone(&event);
            beside(move || block_on(event.wait()))
        });
        event.set();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn who_waited_passes_though_it_is_cleared_at_once() {
    model(|| {
        let event = Arc::new(Event::new());
        let mut waiting = event.wait();
        let (doze, other) = (Doze::new(), Arc::clone(&event));
        assert!(doze.poll(&mut waiting).is_pending());
        let thread = beside(move || {
            other.set();
            other.clear();
        });
        doze.finish(&mut waiting);
        thread.join().unwrap();
        assert!(give_up(event.wait()).is_none());
    });
}

#[test]
fn set_against_one_who_gives_up_and_one_who_stays() {
    model(|| {
        let event = Arc::new(Event::new());
        let (mut leaving, mut staying) = (event.wait(), event.wait());
        let (doze, other) = (Doze::new(), Arc::clone(&event));
        assert!(Doze::new().poll(&mut leaving).is_pending());
        assert!(doze.poll(&mut staying).is_pending());
        let thread = beside(move || other.set());
        drop(leaving);
        doze.finish(&mut staying);
        thread.join().unwrap();
    });
}

#[test]
fn set_against_set() {
    model(|| {
        let event = Arc::new(Event::new());
        let threads = [(); 2].map(|()| {
            let event = Arc::clone(&event);
            beside(move || event.set())
        });
        block_on(event.wait());
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert!(event.is_set());
    });
}

/// The usual loop: clear, look for work, wait. Whoever brings work sets the event, and finds it set already perhaps.
#[test]
fn no_set_is_lost_on_one_who_clears_and_looks() {
    model(|| {
        let event = Arc::new(Event::new());
        event.set();
        let work = Arc::new(AtomicUsize::new(0));
        let (bell, more) = (Arc::clone(&event), Arc::clone(&work));
        let thread = beside(move || {
            more.store(1, Release);
            bell.set();
        });
        event.clear();
        if work.load(Acquire) == 0 {
            block_on(event.wait());
            assert_eq!(work.load(Acquire), 1);
        }
        thread.join().unwrap();
    });
}

#[test]
fn set_against_clear_against_arrival() {
    model(|| {
        let event = Arc::new(Event::new());
        let (setting, clearing) = (Arc::clone(&event), Arc::clone(&event));
        let sets = beside(move || setting.set());
        let clears = beside(move || clearing.clear());
        give_up(event.wait());
        sets.join().unwrap();
        clears.join().unwrap();
        event.set();
        block_on(event.wait());
    });
}

#[test]
fn set_while_the_waiter_changes_its_waker() {
    model(|| {
        let event = Arc::new(Event::new());
        let mut waiting = event.wait();
        let (first, second, other) = (Doze::new(), Doze::new(), Arc::clone(&event));
        assert!(first.poll(&mut waiting).is_pending());
        let thread = beside(move || other.set());
        if second.poll(&mut waiting).is_pending() {
            second.finish(&mut waiting);
        }
        thread.join().unwrap();
        assert_eq!(
            (Arc::strong_count(&first), Arc::strong_count(&second)),
            (1, 1),
            "nobody keeps the wakers"
        );
    });
}
