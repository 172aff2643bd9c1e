//! What happened to cells that are set once, and to promises.

use crate::stage::{On, Task, now};
use runtime_sync::{flavour::Flavour, once_cell::OnceCell, promise::Promise};
use std::{
    cell::Cell,
    future::pending,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
};

both!(
    a_cancelled_initialiser_does_not_leave_the_others_waiting,
    an_initialiser_that_panics_does_not_leave_the_others_waiting,
    an_initialiser_that_fails_does_not_leave_the_others_waiting,
    a_cancelled_heir_does_not_keep_the_cell,
    a_cell_that_nobody_could_fill_is_not_stuck,
    two_do_not_initialise,
    two_do_not_inherit,
    a_value_does_not_reach_only_one,
    a_cell_is_not_borrowed_while_it_is_initialised,
    a_promise_does_not_reach_only_one,
    a_promise_between_the_look_and_the_queue_is_not_missed,
    a_promise_is_not_kept_twice,
);

/// tokio's `OnceCell` (on its semaphore, #904) and asyncio, bpo-27585: the one who was to fill it was cancelled.
fn a_cancelled_initialiser_does_not_leave_the_others_waiting<F: Flavour>() {
    let cell = OnceCell::<_, F>::new();
    let first = Task::waiting(cell.get_or_init(async || pending().await));
    let mut second = Task::waiting(cell.get_or_init(async || 2));
    let mut third = Task::waiting(cell.get_or_init(async || 3));
    drop(first);
    assert!(!third.is_woken());
    assert_eq!(*second.ends(), 2);
    assert_eq!(*third.ends(), 2);
}

/// The same with a panic: std's `Once` poisons, which has no place where tasks come and go.
fn an_initialiser_that_panics_does_not_leave_the_others_waiting<F: Flavour>() {
    let cell = OnceCell::<_, F>::new();
    let gate = Cell::new(false);
    let mut first = Task::new(cell.get_or_init(async || {
        if !gate.get() {
            futures_lite::future::yield_now().await;
        }
        panic!("an initialiser of somebody else's")
    }));
    first.waits();
    let mut second = Task::waiting(cell.get_or_init(async || 2));
    assert!(catch_unwind(AssertUnwindSafe(|| first.poll())).is_err());
    drop(first);
    assert_eq!(*second.ends(), 2);
}

/// And with an error.
fn an_initialiser_that_fails_does_not_leave_the_others_waiting<F: Flavour>() {
    let cell = OnceCell::<_, F>::new();
    let mut first = Task::new(cell.get_or_try_init(async || {
        futures_lite::future::yield_now().await;
        Err::<u8, _>("no")
    }));
    first.waits();
    let mut second = Task::waiting(cell.get_or_try_init(async || Ok::<_, &str>(2)));
    assert_eq!(first.ends(), Err("no"));
    assert_eq!(second.ends(), Ok(&2));
}

/// asyncio, bpo-27585, once more: the one who was to fill it next was cancelled before it ran.
fn a_cancelled_heir_does_not_keep_the_cell<F: Flavour>() {
    let cell = OnceCell::<_, F>::new();
    let first = Task::waiting(cell.get_or_init(async || pending().await));
    let heir = Task::waiting(cell.get_or_init(async || 2));
    let mut third = Task::waiting(cell.get_or_init(async || 3));
    drop(first);
    assert!(heir.is_woken());
    drop(heir);
    assert_eq!(*third.ends(), 3);
}

/// asyncio, #93222: a note that somebody is at it stayed when nobody was.
fn a_cell_that_nobody_could_fill_is_not_stuck<F: Flavour>() {
    let cell = OnceCell::<u8, F>::new();
    let first = Task::waiting(cell.get_or_init(async || pending().await));
    let heir = Task::waiting(cell.get_or_init(async || pending().await));
    drop(first);
    drop(heir);
    assert_eq!(cell.get(), None);
    assert_eq!(*now(cell.get_or_init(async || 5)), 5);
    assert!(cell.set(6).is_err());
}

/// asyncio, bpo-32734, for cells: two were let in.
fn two_do_not_initialise<F: Flavour>() {
    let cell = OnceCell::<_, F>::new();
    let runs = Cell::new(0);
    let initialise = async || {
        runs.set(runs.get() + 1);
        futures_lite::future::yield_now().await;
        runs.get()
    };
    let mut first = Task::waiting(cell.get_or_init(initialise));
    let mut second = Task::waiting(cell.get_or_init(initialise));
    assert!(cell.set(9).is_err(), "somebody is at it");
    assert_eq!(*first.ends(), 1);
    let mut late = Task::new(cell.get_or_init(initialise));
    assert!(late.poll().is_ready());
    assert_eq!(*second.ends(), 1);
    assert_eq!(runs.get(), 1);
}

/// asyncio, bpo-32734, for the one who takes over: another came before it ran.
fn two_do_not_inherit<F: Flavour>() {
    let cell = OnceCell::<u8, F>::new();
    let first = Task::waiting(cell.get_or_init(async || pending().await));
    let mut heir = Task::waiting(cell.get_or_init(async || 2));
    drop(first);
    let mut newcomer = Task::waiting(cell.get_or_init(async || 3));
    assert!(cell.set(4).is_err());
    assert_eq!((*heir.ends(), *newcomer.ends()), (2, 2));
}

/// asyncio, #93222: one was told, and the others were not.
fn a_value_does_not_reach_only_one<F: Flavour>() {
    let cell = OnceCell::<_, F>::new();
    let mut first = Task::waiting(cell.get_or_init(async || {
        futures_lite::future::yield_now().await;
        1
    }));
    let mut others: Vec<_> =
        (2..5).map(|value| Task::waiting(cell.get_or_init(async move || value))).collect();
    drop(others.remove(1));
    assert_eq!(*first.ends(), 1);
    assert!(others.iter_mut().all(|other| *other.ends() == 1));
}

/// tokio #1886: code of the caller's ran inside, and came back.
fn a_cell_is_not_borrowed_while_it_is_initialised<F: Flavour>() {
    let cell = OnceCell::<_, F>::new();
    let value = now(cell.get_or_init(async || {
        assert!(cell.get().is_none() && cell.set(1).is_err());
        assert!(format!("{cell:?}").contains("waiters: 0"));
        drop(Task::waiting(cell.get_or_init(async || 2)));
        3
    }));
    assert_eq!(*value, 3);
}

/// asyncio, #93222, for promises.
fn a_promise_does_not_reach_only_one<F: Flavour>() {
    let promise = Promise::<_, F>::new();
    let mut waiters: Vec<_> = (0..4).map(|_| Task::waiting(promise.wait())).collect();
    drop(waiters.remove(1));
    waiters[0].probe().on(On::Wake, || panic!("a waker of somebody else's"));
    assert!(catch_unwind(AssertUnwindSafe(|| promise.set(7))).is_err());
    assert!(waiters.iter_mut().all(|waiter| *waiter.ends() == 7));
}

/// event-listener #138, for promises.
fn a_promise_between_the_look_and_the_queue_is_not_missed<F: Flavour>() {
    let promise = Rc::new(Promise::<_, F>::new());
    let mut late = Task::new(promise.wait());
    let setter = Rc::clone(&promise);
    late.probe().on(On::Clone, move || _ = setter.set(7));
    assert!(late.poll().is_ready() || late.is_woken());
}

/// tokio #4225: of two values one was kept, and the other had to come back.
fn a_promise_is_not_kept_twice<F: Flavour>() {
    let promise = Promise::<_, F>::new();
    promise.set(String::from("first")).unwrap();
    assert_eq!(promise.set(String::from("second")).unwrap_err().0, "second");
    assert_eq!(now(promise.wait()), "first");
}
