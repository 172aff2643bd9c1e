//! Stories of `OnceCell`: one makes the value, the others wait, and somebody always takes over.

mod stories;

use runtime_sync::{
    Kind,
    event::Event,
    flavour::{Flavour, Shared},
    once_cell::{OnceCell, SetError},
};
use std::{
    cell::Cell,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};
use stories::{Task, in_both_flavours, is, now, open_waits, tired, with_services, woken};

in_both_flavours!(
    one_makes_it_and_the_others_wait,
    a_cell_that_is_set_calls_nobody,
    an_initialiser_that_fails_hands_over,
    an_initialiser_that_is_dropped_hands_over,
    an_initialiser_that_panics_hands_over,
    an_heir_that_never_ran_hands_over,
    a_waiter_that_is_dropped_leaves_the_queue,
    after_the_last_failure_it_is_empty_again,
    set_waits_for_nobody,
    a_value_moves_in_and_out,
    a_task_with_nothing_left_to_spend_gives_way,
    waits_say_what_for_and_who_is_at_it,
    it_costs_at_most_a_line_of_the_cache_besides_its_value,
);

fn one_makes_it_and_the_others_wait<F: Flavour>() {
    let (cell, go) = (OnceCell::<_, F>::new(), Event::<F>::new());
    let made = Cell::new(0);
    let make = async || {
        go.wait().await;
        made.set(made.get() + 1);
        made.get()
    };
    let first = Task::waiting(cell.get_or_init(make));
    let others: Vec<_> = (0..3).map(|_| Task::waiting(cell.get_or_init(make))).collect();
    assert_eq!(cell.get(), None);
    go.set();
    assert_eq!(woken(&others), [0; 0]);
    assert_eq!(*first.ends(), 1);
    assert_eq!(woken(&others), [0, 1, 2]);
    assert!(others.into_iter().all(|other| *other.ends() == 1));
    assert_eq!((cell.get(), made.get()), (Some(&1), 1));
}

fn a_cell_that_is_set_calls_nobody<F: Flavour>() {
    let cell = OnceCell::<_, F>::with_value(1);
    assert_eq!(*now(cell.get_or_init(async || unreachable!())), 1);
    assert_eq!(now(cell.get_or_try_init::<(), _>(async || unreachable!())), Ok(&1));
    assert_eq!(cell.set(2), Err(SetError::AlreadySet(2)));
}

fn an_initialiser_that_fails_hands_over<F: Flavour>() {
    let (cell, go) = (OnceCell::<_, F>::new(), Event::<F>::new());
    let first = Task::waiting(cell.get_or_try_init(async || {
        go.wait().await;
        Err("no")
    }));
    let second = Task::waiting(cell.get_or_try_init(async || Err("nor this")));
    let third = Task::waiting(cell.get_or_try_init(async || Ok::<_, &str>(3)));
    let fourth = Task::waiting(cell.get_or_init(async || 4));
    go.set();
    assert_eq!(first.ends(), Err("no"));
    assert!(second.is_woken() && !third.is_woken() && !fourth.is_woken(), "one at a time");
    assert_eq!(second.ends(), Err("nor this"));
    assert!(!fourth.is_woken());
    assert_eq!(third.ends(), Ok(&3));
    assert_eq!(*fourth.ends(), 3);
}

fn an_initialiser_that_is_dropped_hands_over<F: Flavour>() {
    let cell = OnceCell::<_, F>::new();
    let first = Task::waiting(cell.get_or_init(async || std::future::pending().await));
    let mut second = Task::waiting(cell.get_or_init(async || std::future::pending().await));
    let third = Task::waiting(cell.get_or_init(async || 3));
    drop(first);
    second.moves_on(); // to its initialiser
    assert!(!third.is_woken());
    drop(second);
    assert_eq!(*third.ends(), 3);
}

fn an_initialiser_that_panics_hands_over<F: Flavour>() {
    let (cell, go) = (OnceCell::<_, F>::new(), Event::<F>::new());
    let first = Task::waiting(cell.get_or_init(async || {
        go.wait().await;
        panic!("on purpose")
    }));
    let second = Task::waiting(cell.get_or_init(async || 2));
    go.set();
    assert!(catch_unwind(AssertUnwindSafe(|| first.ends())).is_err());
    assert_eq!(*second.ends(), 2);
}

fn an_heir_that_never_ran_hands_over<F: Flavour>() {
    let cell = OnceCell::<_, F>::new();
    let first = Task::waiting(cell.get_or_init(async || std::future::pending().await));
    let second = Task::waiting(cell.get_or_init(async || unreachable!()));
    let third = Task::waiting(cell.get_or_init(async || 3));
    drop(first);
    assert!(second.is_woken());
    assert_eq!(cell.set(0), Err(SetError::Initialising(0)), "it is the heir's turn");
    drop(second);
    assert_eq!(*third.ends(), 3);
}

fn a_waiter_that_is_dropped_leaves_the_queue<F: Flavour>() {
    let cell = OnceCell::<_, F>::new();
    let first = Task::waiting(cell.get_or_init(async || std::future::pending().await));
    let second = Task::waiting(cell.get_or_init(async || unreachable!()));
    let third = Task::waiting(cell.get_or_init(async || 3));
    drop(second);
    assert!(!third.is_woken(), "the first is still at it");
    drop(first);
    assert_eq!(*third.ends(), 3);
}

fn after_the_last_failure_it_is_empty_again<F: Flavour>() {
    let cell = OnceCell::<_, F>::new();
    assert_eq!(now(cell.get_or_try_init(async || Err(1))), Err(1));
    drop(Task::waiting(cell.get_or_init(async || std::future::pending().await)));
    drop(cell.get_or_init(async || unreachable!("it is not polled")));
    assert_eq!(cell.get(), None);
    assert_eq!(cell.set(2), Ok(()));
    let cell = OnceCell::<_, F>::new();
    assert_eq!(now(cell.get_or_try_init(async || Err(1))), Err(1));
    assert_eq!(*now(cell.get_or_init(async || 2)), 2);
}

fn set_waits_for_nobody<F: Flavour>() {
    let cell = OnceCell::<_, F>::new();
    let first = Task::waiting(cell.get_or_init(async || std::future::pending().await));
    let refused = cell.set("late".to_owned()).unwrap_err();
    assert_eq!(refused.to_string(), "an initialiser of the cell is running");
    assert_eq!(format!("{refused:?}"), "Initialising(..)");
    drop(first);
    assert_eq!(cell.set(refused.into_inner()), Ok(()));
    assert_eq!(cell.get().unwrap(), "late");
}

fn a_value_moves_in_and_out<F: Flavour>() {
    let mut cell = OnceCell::<String, F>::default();
    assert_eq!(cell.get_mut(), None);
    cell.set("one".to_owned()).unwrap();
    cell.get_mut().unwrap().push('!');
    assert!(format!("{cell:?}").starts_with("OnceCell { value: Some(\"one!\"), waiters: 0, created"));
    assert_eq!(cell.into_inner().unwrap(), "one!");
    assert_eq!(OnceCell::<u8, F>::new().into_inner(), None);
    assert_eq!(OnceCell::<u8, F>::from(1).get(), Some(&1));
}

fn a_task_with_nothing_left_to_spend_gives_way<F: Flavour>() {
    let cell = OnceCell::<_, F>::with_value(1);
    assert_eq!(*tired(|| cell.get_or_init(async || unreachable!())).ends(), 1);
}

fn waits_say_what_for_and_who_is_at_it<F: Flavour>() {
    with_services();
    let (cell, created) = (OnceCell::<_, F>::new(), line!());
    let (first, since) = (Task::waiting(cell.get_or_init(async || std::future::pending().await)), line!());
    let (second, asked) = (Task::waiting(cell.get_or_try_init(async || Ok::<_, ()>(2))), line!());
    let [wait] = open_waits()[..] else { panic!("one waits") };
    assert_eq!((wait.kind, wait.created.line(), wait.asked.line()), (Kind::OnceCell, created, asked));
    assert_eq!(wait.holder.unwrap().since.line(), since);
    drop(first);
    let third = Task::waiting(cell.get_or_init(async || 3));
    assert_eq!(open_waits().last().unwrap().holder, None, "the heir has not taken notice");
    assert_eq!(second.ends(), Ok(&2));
    assert_eq!(*third.ends(), 2);
    assert!(open_waits().is_empty());
}

fn it_costs_at_most_a_line_of_the_cache_besides_its_value<F: Flavour>() {
    assert!(size_of::<OnceCell<(), F>>() <= 64, "{}", size_of::<OnceCell<(), F>>());
    assert!(size_of::<OnceCell<Box<u8>, F>>() <= 64 + 8);
}

#[test]
fn it_crosses_threads_as_far_as_its_value_may() {
    type NotSync = Cell<u8>; // `Send`
    type NotSend = MutexGuard<'static, u8>; // `Sync`
    assert!(is!(OnceCell<u8, Shared>: Send) && is!(OnceCell<u8, Shared>: Sync));
    assert!(is!(OnceCell<NotSync, Shared>: Send) && !is!(OnceCell<NotSync, Shared>: Sync));
    assert!(!is!(OnceCell<NotSend, Shared>: Send) && !is!(OnceCell<NotSend, Shared>: Sync));
    assert!(!is!(runtime_sync::OnceCell<u8>: Send) && !is!(runtime_sync::OnceCell<u8>: Sync));

    fn is_send<W: Future + Send>(_: W) {}
    let cell = runtime_sync::shared::OnceCell::new();
    is_send(cell.get_or_init(async || 1));
    is_send(cell.get_or_try_init(async || Ok::<_, ()>(1)));
}

#[test]
fn of_many_threads_one_makes_it() {
    const ROUNDS: usize = if cfg!(miri) { 5 } else { 300 };
    for _ in 0..ROUNDS {
        let cell = runtime_sync::shared::OnceCell::new();
        let calls = AtomicUsize::new(0);
        let make = async || {
            // The first two fail.
            let call = calls.fetch_add(1, Ordering::Relaxed);
            if call < 2 { Err(call) } else { Ok(Box::new(call)) }
        };
        let results: Vec<_> = thread::scope(|scope| {
            let ask = || futures_lite::future::block_on(cell.get_or_try_init(make)).map(|value| **value);
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let count = |result| results.iter().filter(|found| **found == result).count();
        assert_eq!((count(Err(0)), count(Err(1)), count(Ok(2))), (1, 1, 2));
    }
}

#[test]
fn of_many_threads_one_sets_it() {
    let cell = runtime_sync::shared::OnceCell::new();
    let winners: Vec<usize> = thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|index| {
                (
                    index,
                    scope.spawn({
                        let cell = &cell;
                        move || cell.set(index)
                    }),
                )
            })
            .collect();
        threads
            .into_iter()
            .filter_map(|(index, thread)| match thread.join().unwrap() {
                Ok(()) => Some(index),
                Err(refused) => {
                    assert_eq!(refused, SetError::AlreadySet(index));
                    None
                }
            })
            .collect()
    });
    assert_eq!(winners, [*cell.get().unwrap()]);
}
