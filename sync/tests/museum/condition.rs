//! What happened to condition variables.

use crate::stage::{On, Task, now};
use runtime_sync::{condition::Condition, flavour::Flavour};
use std::{cell::RefCell, rc::Rc};

both!(
    a_notification_does_not_vanish_with_a_cancelled_waiter,
    a_notification_does_not_vanish_on_the_way_back_to_the_lock,
    a_wait_does_not_return_without_the_lock,
    a_notification_between_the_unlock_and_the_queue_is_not_missed,
    three_notifications_do_not_wake_only_one,
    a_notification_of_all_does_not_wake_those_who_come_later,
    one_who_is_cancelled_after_a_notification_of_all_does_not_wake_another,
    a_notification_to_nobody_is_not_kept,
    a_cancelled_waiter_does_not_keep_the_lock,
    a_cancelled_waiter_does_not_stay_in_the_queue,
);

/// Waits for one notification, and says so. The lock is free while it does.
async fn waiter<F: Flavour>(condition: &Condition<Vec<u8>, F>, name: u8) {
    let guard = condition.lock().await;
    condition.wait(guard).await.push(name);
}

/// asyncio, gh-112202: the waiter that `notify(1)` had chosen was cancelled in the same turn, and nobody was notified.
fn a_notification_does_not_vanish_with_a_cancelled_waiter<F: Flavour>() {
    let condition = Condition::<_, F>::new(Vec::new());
    let chosen = Task::waiting(waiter(&condition, 1));
    let mut next = Task::waiting(waiter(&condition, 2));
    condition.notify(1);
    assert!(chosen.is_woken() && !next.is_woken());
    drop(chosen);
    next.ends();
    assert_eq!(*now(condition.lock()), [2]);
}

/// The same, later: it had noticed, and was waiting for the lock when it was cancelled.
fn a_notification_does_not_vanish_on_the_way_back_to_the_lock<F: Flavour>() {
    let condition = Condition::<_, F>::new(Vec::new());
    let mut chosen = Task::waiting(waiter(&condition, 1));
    let mut next = Task::waiting(waiter(&condition, 2));
    let guard = now(condition.lock());
    condition.notify(1);
    chosen.waits();
    drop(chosen);
    assert!(next.is_woken(), "it is its notification now");
    next.waits();
    drop(guard);
    next.ends();
    assert_eq!(*now(condition.lock()), [2]);
}

/// asyncio #22970, bpo-42600: `wait` came back without the lock, and the release that followed failed.
fn a_wait_does_not_return_without_the_lock<F: Flavour>() {
    let condition = Condition::<_, F>::new(0);
    let guard = now(condition.lock());
    let mut waiting = Task::waiting(condition.wait(guard));
    let other = now(condition.lock());
    condition.notify(1);
    assert!(waiting.is_woken());
    waiting.waits();
    drop(other);
    let guard = waiting.ends();
    assert!(condition.try_lock().is_none(), "it has the lock");
    drop(guard);
    assert!(condition.try_lock().is_some());
}

/// event-listener #138, where it hurts most: the lock was released before the waiter was in the queue, and whoever got
/// it notified nobody. Here that one notifies as soon as it is woken.
fn a_notification_between_the_unlock_and_the_queue_is_not_missed<F: Flavour>() {
    let condition = Rc::new(Condition::<_, F>::new(()));
    let guard = now(condition.lock());
    let mut other = Task::waiting(condition.lock());
    let quick = Rc::clone(&condition);
    other.probe().on(On::Wake, move || quick.notify(1));
    let mut waiting = Task::waiting(condition.wait(guard));
    drop(other.ends());
    drop(waiting.ends());
}

/// asyncio, #93222 (there a semaphore): so many were told, and fewer woke.
fn three_notifications_do_not_wake_only_one<F: Flavour>() {
    let condition = Condition::<_, F>::new(Vec::new());
    let mut waiters: Vec<_> = (0..5).map(|name| Task::waiting(waiter(&condition, name))).collect();
    condition.notify(2);
    condition.notify(1);
    waiters[..3].iter_mut().for_each(Task::ends);
    assert!(waiters[3..].iter().all(|waiter| !waiter.is_woken()));
    condition.notify(7);
    waiters[3..].iter_mut().for_each(Task::ends);
    drop(waiters);
    assert_eq!(*now(condition.lock()), [0, 1, 2, 3, 4]);
}

/// tokio #5396: one call that meant all woke two waits of one task, the second begun after it.
fn a_notification_of_all_does_not_wake_those_who_come_later<F: Flavour>() {
    let condition = Rc::new(Condition::<_, F>::new(Vec::new()));
    let mut first = Task::waiting(waiter(&condition, 1));
    let mut second = Task::waiting(waiter(&condition, 2));
    let (late, again) = (Rc::new(RefCell::new(None)), Rc::clone(&condition));
    let place = Rc::clone(&late);
    first.probe().on(On::Wake, move || {
        let again = Rc::clone(&again);
        place.replace(Some(Task::waiting(async move { waiter(&again, 3).await })));
    });
    condition.notify_all();
    first.ends();
    second.ends();
    let late = late.take().expect("the first waker made it");
    assert!(!late.is_woken());
}

/// tokio #4618: what is the notification of a dropped waiter worth? One of all is nobody's to pass on.
fn one_who_is_cancelled_after_a_notification_of_all_does_not_wake_another<F: Flavour>() {
    let condition = Condition::<_, F>::new(Vec::new());
    let cancelled = Task::waiting(waiter(&condition, 1));
    let mut on_its_way = Task::waiting(waiter(&condition, 2));
    condition.notify_all();
    let late = Task::waiting(waiter(&condition, 3));
    drop(cancelled);
    assert!(!late.is_woken());
    let guard = now(condition.lock());
    on_its_way.waits();
    drop(on_its_way);
    assert!(!late.is_woken());
    drop(guard);
}

/// tokio #3652, the other way: a permit that was stored, although a condition stores none.
fn a_notification_to_nobody_is_not_kept<F: Flavour>() {
    let condition = Condition::<_, F>::new(Vec::new());
    condition.notify(1);
    let mut early = Task::waiting(waiter(&condition, 1));
    condition.notify(5);
    early.ends();
    Task::waiting(waiter(&condition, 2));
}

/// asyncio, bpo-27585, in the middle of a `wait`: the lock had come back to it, and stayed.
fn a_cancelled_waiter_does_not_keep_the_lock<F: Flavour>() {
    let condition = Condition::<_, F>::new(Vec::new());
    let mut waiting = Task::waiting(waiter(&condition, 1));
    let guard = now(condition.lock());
    condition.notify(1);
    waiting.waits(); // for the lock
    let mut next = Task::waiting(condition.lock());
    drop(guard);
    assert!(waiting.is_woken() && !next.is_woken());
    drop(waiting);
    drop(next.ends());
}

/// anyio #1145: a waiter that was cancelled was still counted by `notify`.
fn a_cancelled_waiter_does_not_stay_in_the_queue<F: Flavour>() {
    let condition = Condition::<_, F>::new(Vec::new());
    let cancelled = Task::waiting(waiter(&condition, 1));
    let mut next = Task::waiting(waiter(&condition, 2));
    drop(cancelled);
    condition.notify(1);
    next.ends();
}
