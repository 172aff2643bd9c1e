//! Stories of `Promise`: set once, read by all.

mod stories;

use runtime_sync::{
    Elapsed, Kind,
    flavour::{Flavour, Shared},
    promise::{AlreadySet, Promise, WaitValue},
};
use std::{cell::Cell, future::IntoFuture, ptr, sync::MutexGuard, thread, time::Duration};
use stories::{Task, advance, in_both_flavours, is, now, open_waits, tired, with_services, woken};

in_both_flavours!(
    all_who_wait_get_the_same_value,
    it_is_set_once,
    who_is_dropped_is_missed_by_nobody,
    a_limit_ends_the_wait_and_not_the_promise,
    a_task_with_nothing_left_to_spend_gives_way,
    waits_say_what_for,
    it_costs_at_most_a_line_of_the_cache_besides_its_value,
);

fn all_who_wait_get_the_same_value<F: Flavour>() {
    let promise = Promise::<_, F>::new();
    let waiters: Vec<_> = (0..3).map(|_| Task::waiting(promise.wait())).collect();
    let other = Task::waiting((&promise).into_future());
    assert_eq!((promise.get(), promise.is_set()), (None, false));
    promise.set("kept".to_owned()).unwrap();
    assert_eq!(woken(&waiters), [0, 1, 2]);
    let value = promise.get().unwrap();
    assert!(waiters.into_iter().all(|waiter| ptr::eq(waiter.ends(), value)));
    assert_eq!(other.ends(), "kept");
    assert_eq!(now(promise.wait()), "kept");
    assert_eq!(now(async { (&promise).await.len() }), 4);
}

fn it_is_set_once<F: Flavour>() {
    let promise = Promise::<_, F>::default();
    assert_eq!(promise.set(1), Ok(()));
    let refused = promise.set(2).unwrap_err();
    assert_eq!((refused, refused.to_string()), (AlreadySet(2), "the promise has a value already".to_owned()));
    assert_eq!(format!("{refused:?}"), "AlreadySet(..)");
    assert!(format!("{promise:?}").starts_with("Promise { value: Some(1), waiters: 0, created"));
    assert_eq!(promise.into_inner(), Some(1));
    assert_eq!(Promise::<u8, F>::new().into_inner(), None);
}

fn who_is_dropped_is_missed_by_nobody<F: Flavour>() {
    let promise = Promise::<_, F>::new();
    let mut waiters: Vec<_> = (0..4).map(|_| Task::waiting(promise.wait())).collect();
    drop(waiters.remove(1));
    promise.set(1).unwrap();
    drop(waiters.remove(0)); // it was granted
    assert!(waiters.into_iter().all(|waiter| *waiter.ends() == 1));
}

const SECOND: Duration = Duration::from_secs(1);

fn a_limit_ends_the_wait_and_not_the_promise<F: Flavour>() {
    with_services();
    let promise = Promise::<_, F>::new();
    let hasty = Task::waiting(promise.wait_timeout(SECOND));
    let patient = Task::waiting(promise.wait_timeout(2 * SECOND));
    advance(SECOND);
    assert_eq!(hasty.ends(), Err(Elapsed));
    promise.set(1).unwrap();
    advance(SECOND);
    assert_eq!(patient.ends(), Ok(&1), "it was there when it looked");
}

fn a_task_with_nothing_left_to_spend_gives_way<F: Flavour>() {
    let promise = Promise::<_, F>::new();
    promise.set(1).unwrap();
    assert_eq!(*tired(|| promise.wait()).ends(), 1);
}

fn waits_say_what_for<F: Flavour>() {
    with_services();
    let (promise, created) = (Promise::<_, F>::new(), line!());
    let (waiter, asked) = (Task::waiting(promise.wait()), line!());
    let [wait] = open_waits()[..] else { panic!("one waits") };
    assert_eq!((wait.kind, wait.created.line(), wait.asked.line()), (Kind::Promise, created, asked));
    assert_eq!(wait.holder, None);
    promise.set(1).unwrap();
    waiter.ends();
    let (waiter, asked) = (Promise::<u8, F>::new(), line!() + 1);
    let waiter = Task::waiting(async { *(&waiter).await });
    assert_eq!(open_waits()[0].asked.line(), asked);
    drop(waiter);
    assert!(open_waits().is_empty());
}

fn it_costs_at_most_a_line_of_the_cache_besides_its_value<F: Flavour>() {
    assert!(size_of::<Promise<(), F>>() <= 64, "{}", size_of::<Promise<(), F>>());
}

#[test]
fn it_crosses_threads_as_far_as_its_value_may() {
    type NotSync = Cell<u8>; // `Send`
    type NotSend = MutexGuard<'static, u8>; // `Sync`
    assert!(is!(Promise<u8, Shared>: Send) && is!(Promise<u8, Shared>: Sync));
    assert!(is!(Promise<NotSync, Shared>: Send) && !is!(Promise<NotSync, Shared>: Sync));
    assert!(!is!(Promise<NotSend, Shared>: Send) && !is!(Promise<NotSend, Shared>: Sync));
    assert!(is!(WaitValue<'_, u8, Shared>: Send) && !is!(WaitValue<'_, NotSync, Shared>: Send));
    assert!(!is!(runtime_sync::Promise<u8>: Send) && !is!(runtime_sync::Promise<u8>: Sync));
}

#[test]
fn threads_wait_for_one_that_keeps_it() {
    const ROUNDS: usize = if cfg!(miri) { 5 } else { 300 };
    for round in 0..ROUNDS {
        let promise = runtime_sync::shared::Promise::<Box<usize>>::new();
        let sum: usize = thread::scope(|scope| {
            let readers: Vec<_> = (0..3).map(|_| scope.spawn(|| **promise.blocking_wait())).collect();
            let setters: Vec<_> =
                (0..2).map(|_| scope.spawn(|| promise.set(Box::new(round)).is_ok())).collect();
            let kept = setters.into_iter().map(|setter| setter.join().unwrap());
            assert_eq!(kept.filter(|is_kept| *is_kept).count(), 1);
            assert!(promise.is_set());
            readers.into_iter().map(|reader| reader.join().unwrap()).sum()
        });
        assert_eq!(sum, 3 * round);
    }
}
