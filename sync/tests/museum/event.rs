//! What happened to events, notifications and condition variables without a condition.

use crate::stage::{On, Task, now};
use runtime_sync::{event::Event, flavour::Flavour};
use std::{
    cell::{Cell, RefCell},
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
};

both!(
    a_set_between_the_look_and_the_queue_is_not_missed,
    a_set_does_not_let_those_pass_who_came_after_the_clear,
    a_clear_does_not_take_back_what_a_set_has_granted,
    a_wait_that_is_dropped_does_not_undo_a_set,
    a_cancelled_waiter_does_not_take_the_others_with_it,
    a_waker_that_panics_does_not_leave_the_others_asleep,
    nobody_is_woken_before_the_event_is_set,
    a_waker_is_not_called_under_the_borrow,
    a_waiter_that_did_not_wait_does_not_leave_its_waker_behind,
    the_order_of_arrival_is_not_forgotten,
);

/// event-listener #138, found by loom: a notification between the look at the flag and the entry in the list reached
/// nobody. Here it comes while the waker is cloned.
fn a_set_between_the_look_and_the_queue_is_not_missed<F: Flavour>() {
    let event = Rc::new(Event::<F>::new());
    let mut late = Task::new(event.wait());
    let setter = Rc::clone(&event);
    late.probe().on(On::Clone, move || setter.set());
    assert!(late.poll().is_ready() || late.is_woken());
}

/// tokio #5396: a notification of all that let go of its lock in between also woke those who had come only since.
fn a_set_does_not_let_those_pass_who_came_after_the_clear<F: Flavour>() {
    let event = Rc::new(Event::<F>::new());
    let mut first = Task::waiting(event.wait());
    let mut second = Task::waiting(event.wait());
    let (late, again) = (Rc::new(RefCell::new(None)), Rc::clone(&event));
    let place = Rc::clone(&late);
    first.probe().on(On::Wake, move || {
        again.clear();
        let again = Rc::clone(&again);
        place.replace(Some(Task::waiting(async move { again.wait().await })));
    });
    event.set();
    first.ends();
    second.ends();
    let mut late = late.take().expect("the first waker made it");
    assert!(!late.is_woken() && !event.is_set());
    event.set();
    late.ends();
}

/// asyncio #7965's kin in tokio: of two calls the later one was served first. Whoever waited when it was set passes.
fn a_clear_does_not_take_back_what_a_set_has_granted<F: Flavour>() {
    let event = Event::<F>::new();
    let mut waiter = Task::waiting(event.wait());
    event.set();
    event.clear();
    waiter.ends();
    Task::waiting(event.wait());
}

/// tokio #3652: a future that was dropped after its notification undid more than its own.
fn a_wait_that_is_dropped_does_not_undo_a_set<F: Flavour>() {
    let event = Event::<F>::new();
    let waiter = Task::waiting(event.wait());
    let mut other = Task::waiting(event.wait());
    event.set();
    drop(waiter);
    assert!(event.is_set());
    now(event.wait());
    other.ends();
}

/// anyio #1075: the cancelled one was still on the list, and those after it were passed over.
fn a_cancelled_waiter_does_not_take_the_others_with_it<F: Flavour>() {
    let event = Event::<F>::new();
    let mut first = Task::waiting(event.wait());
    let cancelled = Task::waiting(event.wait());
    let mut last = Task::waiting(event.wait());
    drop(cancelled);
    event.set();
    first.ends();
    last.ends();
}

/// tokio #3689: one waker panicked, and the rest of the list was never woken.
fn a_waker_that_panics_does_not_leave_the_others_asleep<F: Flavour>() {
    let event = Event::<F>::new();
    let mut waiters: Vec<_> = (0..4).map(|_| Task::waiting(event.wait())).collect();
    for bad in [0, 2] {
        waiters[bad].probe().on(On::Wake, || panic!("a waker of somebody else's"));
    }
    let set = catch_unwind(AssertUnwindSafe(|| event.set()));
    assert!(set.is_err(), "the panic is not hidden either");
    waiters.iter_mut().for_each(Task::ends);
}

/// tokio #2134: the wake-up came before the change it told of could be seen.
fn nobody_is_woken_before_the_event_is_set<F: Flavour>() {
    let event = Rc::new(Event::<F>::new());
    let mut waiter = Task::waiting(event.wait());
    let (look, seen) = (Rc::clone(&event), Rc::new(Cell::new(None)));
    let note = Rc::clone(&seen);
    waiter.probe().on(On::Wake, move || note.set(Some(look.is_set())));
    event.set();
    assert_eq!(seen.get(), Some(true));
    waiter.ends();
}

/// tokio #1886, #5154: code that a wake runs on the spot found the list borrowed.
fn a_waker_is_not_called_under_the_borrow<F: Flavour>() {
    let event = Rc::new(Event::<F>::new());
    let mut waiter = Task::waiting(event.wait());
    let (again, runs) = (Rc::clone(&event), Rc::new(Cell::new(0)));
    let count = Rc::clone(&runs);
    waiter.probe().on(On::Wake, move || {
        count.set(count.get() + 1);
        again.clear();
        assert!(format!("{again:?}").contains("waiters: 0"));
        drop(Task::waiting(again.wait()));
        again.set();
    });
    event.set();
    assert_eq!(runs.get(), 1);
    waiter.ends();
    assert!(event.is_set());
}

/// tokio #5429's kin: a waker cloned for a wait that did not come to it.
fn a_waiter_that_did_not_wait_does_not_leave_its_waker_behind<F: Flavour>() {
    let event = Rc::new(Event::<F>::new());
    let mut late = Task::new(event.wait());
    let (setter, probe) = (Rc::clone(&event), Rc::clone(late.probe()));
    probe.on(On::Clone, move || setter.set());
    assert!(late.poll().is_ready());
    assert_eq!(probe.copies(), 0);
}

/// gevent #1520: who is ready first runs first, and nobody cuts in line.
fn the_order_of_arrival_is_not_forgotten<F: Flavour>() {
    let event = Event::<F>::new();
    let order = Rc::new(RefCell::new(Vec::new()));
    let mut waiters = Vec::new();
    for name in ["Ada", "Bob", "gone", "Cy", "Di"] {
        let waiter = Task::waiting(event.wait());
        let order = Rc::clone(&order);
        waiter.probe().on(On::Wake, move || order.borrow_mut().push(name));
        waiters.push(waiter);
    }
    drop(waiters.remove(2));
    event.set();
    assert_eq!(*order.borrow(), ["Ada", "Bob", "Cy", "Di"]);
}
