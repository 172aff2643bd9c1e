//! What happened to channels that hold the latest value.

use crate::stage::{On, OnDrop, Open, Task, now};
use runtime_sync::watch::Closed;
use std::{cell::Cell, rc::Rc};

both!(
    the_last_value_is_not_missed,
    a_value_between_the_look_and_the_queue_is_not_missed,
    a_change_is_not_told_twice,
    a_cancelled_wait_does_not_swallow_the_change,
    a_change_does_not_reach_only_one,
    the_sender_does_not_leave_without_a_word,
    the_last_value_does_not_vanish_behind_the_end,
    the_last_receiver_does_not_leave_without_a_word,
    a_value_is_not_dropped_under_the_borrow,
    the_callers_code_does_not_run_under_the_borrow,
    nobody_is_woken_before_the_value_is_there,
);

/// tokio's `watch` before 0.3: a value that was sent between a look and the wait for the next was not reported.
fn the_last_value_is_not_missed<F: Open>() {
    let (sender, mut receiver) = F::watch(0);
    sender.send(1).unwrap();
    assert_eq!(*receiver.borrow_and_update(), 1);
    sender.send(2).unwrap();
    now(receiver.changed()).unwrap();
    sender.send(3).unwrap();
    sender.send(4).unwrap();
    now(receiver.changed()).unwrap();
    assert_eq!(*receiver.borrow(), 4);
    Task::waiting(receiver.changed());
}

/// event-listener #138, for values: it came after the look and before the waiting.
fn a_value_between_the_look_and_the_queue_is_not_missed<F: Open>() {
    let (sender, mut receiver) = F::watch(0);
    let mut late = Task::new(receiver.changed());
    late.probe().on(On::Clone, move || _ = sender.send(1));
    assert!(late.poll().is_ready() || late.is_woken());
}

/// And the other way round: what was seen is not news.
fn a_change_is_not_told_twice<F: Open>() {
    let (sender, mut receiver) = F::watch(0);
    let mut waiter = Task::waiting(receiver.changed());
    sender.send(1).unwrap();
    waiter.ends().unwrap();
    drop(waiter);
    assert_eq!(receiver.has_changed(), Ok(false));
    Task::waiting(receiver.changed());
    sender.send(2).unwrap();
    receiver.borrow();
    assert_eq!(receiver.has_changed(), Ok(true), "a look without an update does not count");
    let mut other = receiver.clone();
    now(receiver.changed()).unwrap();
    now(other.changed()).unwrap();
    let mut young = sender.subscribe();
    Task::waiting(young.changed());
}

/// asyncio, gh-112202, for values: woken for the change, and cancelled before it ran.
fn a_cancelled_wait_does_not_swallow_the_change<F: Open>() {
    let (sender, mut receiver) = F::watch(0);
    let waiter = Task::waiting(receiver.changed());
    sender.send(1).unwrap();
    assert!(waiter.is_woken());
    drop(waiter);
    now(receiver.changed()).unwrap();
}

/// asyncio, #93222: one was told.
fn a_change_does_not_reach_only_one<F: Open>() {
    let (sender, first) = F::watch(0);
    let mut receivers = [first.clone(), first.clone(), first];
    let mut waiters: Vec<_> =
        receivers.iter_mut().map(|receiver| Task::waiting(receiver.changed())).collect();
    drop(waiters.remove(0));
    sender.send(1).unwrap();
    assert!(waiters.iter_mut().all(|waiter| waiter.ends().is_ok()));
}

/// tokio #2123's kin: an end that told one, or nobody.
fn the_sender_does_not_leave_without_a_word<F: Open>() {
    let (sender, mut first) = F::watch(0);
    let mut second = first.clone();
    let mut waiters = [Task::waiting(first.changed()), Task::waiting(second.changed())];
    drop(sender);
    assert!(waiters.iter_mut().all(|waiter| waiter.ends() == Err(Closed)));
}

/// tokio #7686's neighbour: what was sent before the end is seen before the end.
fn the_last_value_does_not_vanish_behind_the_end<F: Open>() {
    let (sender, mut receiver) = F::watch(0);
    let mut waiter = Task::waiting(receiver.changed());
    sender.send(1).unwrap();
    drop(sender);
    assert_eq!(waiter.ends(), Ok(()));
    drop(waiter);
    assert_eq!(*receiver.borrow(), 1);
    assert_eq!(now(receiver.changed()), Err(Closed));
}

/// The other end: whoever computes for nobody wants to know.
fn the_last_receiver_does_not_leave_without_a_word<F: Open>() {
    let (sender, receiver) = F::watch(0);
    let other = receiver.clone();
    let mut waiters = [Task::waiting(sender.closed()), Task::waiting(sender.closed())];
    drop(receiver);
    assert!(waiters.iter().all(|waiter| !waiter.is_woken()));
    drop(other);
    waiters.iter_mut().for_each(Task::ends);
    assert_eq!(sender.send(1).unwrap_err().0, 1);
}

/// tokio #1886, for the value before: its `drop` looked at the channel.
fn a_value_is_not_dropped_under_the_borrow<F: Open>() {
    let (sender, again) = F::watch(None::<OnDrop>);
    let drops = Rc::new(Cell::new(0));
    let count = Rc::clone(&drops);
    let value = OnDrop::new(move || {
        count.set(count.get() + 1);
        assert!(again.borrow().is_none());
    });
    assert!(sender.send(Some(value)).is_ok());
    assert!(sender.send(None).is_ok());
    assert_eq!(drops.get(), 1);
}

/// tokio's `watch`, whose documentation warns of it: a borrow that is held, or a closure that runs, locks the others out.
fn the_callers_code_does_not_run_under_the_borrow<F: Open>() {
    let (sender, mut receiver) = F::watch(1);
    let held = receiver.borrow();
    sender.send(2).unwrap();
    assert_eq!((*held, *sender.borrow()), (1, 2));
    sender.send_modify(|value| *value += *receiver.borrow());
    assert_eq!(*sender.borrow(), 4);
    let mut waiter = Task::waiting(receiver.wait_for(|value| *value + *sender.borrow() > 10));
    sender.send(6).unwrap();
    assert_eq!(*waiter.ends().unwrap(), 6);
}

/// tokio #2134: woken before the change could be seen.
fn nobody_is_woken_before_the_value_is_there<F: Open>() {
    let (sender, mut receiver) = F::watch(0);
    let (look, seen) = (receiver.clone(), Rc::new(Cell::new(None)));
    let note = Rc::clone(&seen);
    let mut waiter = Task::waiting(receiver.changed());
    waiter.probe().on(On::Wake, move || note.set(Some(*look.borrow())));
    sender.send(1).unwrap();
    assert_eq!(seen.get(), Some(1));
    waiter.ends().unwrap();
}
