//! What happened to locks.

use crate::stage::{On, Probe, Task, now};
use runtime_sync::{flavour::Flavour, lock::Lock};
use std::{cell::Cell, future::pending, rc::Rc};

both!(
    a_cancelled_heir_does_not_keep_the_lock,
    a_cancel_and_a_release_in_one_turn_do_not_let_two_in,
    neighbours_that_cancel_do_not_wake_the_next_while_it_is_held,
    whoever_lets_go_does_not_win_it_back_past_those_who_wait,
    a_newcomer_does_not_overtake_an_heir_that_has_not_run_yet,
    a_waiter_that_is_gone_does_not_stand_in_the_way,
    places_left_and_taken_again_do_not_mix_up_the_queue,
    neighbours_that_leave_do_not_tear_the_queue,
    a_future_that_was_never_polled_holds_nothing,
    a_release_between_the_look_and_the_queue_is_not_missed,
    a_second_poll_does_not_take_a_second_place,
    a_waiter_does_not_keep_itself_awake,
    the_task_that_polled_first_and_moved_on_is_not_the_one_woken,
    a_cancelled_waiter_does_not_leave_its_waker_behind,
    a_waker_is_not_cloned_under_the_borrow,
    an_old_waker_is_not_dropped_under_the_borrow,
    a_cancelled_waker_is_not_dropped_under_the_borrow,
    a_waker_is_not_called_under_the_borrow,
);

/// asyncio, bpo-27585: `Lock` chose its next holder, the holder was cancelled, and the others slept for ever. tokio
/// 0.2 #1898, the same.
fn a_cancelled_heir_does_not_keep_the_lock<F: Flavour>() {
    let lock = Lock::<_, F>::new(());
    let guard = now(lock.acquire());
    let heir = Task::waiting(lock.acquire());
    let mut next = Task::waiting(lock.acquire());
    drop(guard);
    assert!(heir.is_woken());
    drop(heir); // before it ran
    drop(next.ends());
    assert!(!lock.locked());
}

/// asyncio, bpo-32734: a cancel and a release in the same turn of the loop, and two tasks held the lock.
fn a_cancel_and_a_release_in_one_turn_do_not_let_two_in<F: Flavour>() {
    let lock = Lock::<_, F>::new(());
    let guard = now(lock.acquire());
    let heir = Task::waiting(lock.acquire());
    let mut second = Task::waiting(lock.acquire());
    let mut third = Task::waiting(lock.acquire());
    drop(guard);
    assert!(!second.is_woken(), "one release, one heir");
    drop(heir);
    let guard = second.ends();
    assert!(!third.is_woken() && lock.try_acquire().is_none(), "it is held");
    drop(guard);
    drop(third.ends());
}

/// Cats Effect #3562: two neighbours in the queue were cancelled, which woke the next one while the lock was held.
fn neighbours_that_cancel_do_not_wake_the_next_while_it_is_held<F: Flavour>() {
    let lock = Lock::<_, F>::new(());
    let guard = now(lock.acquire());
    let (one, two) = (Task::waiting(lock.acquire()), Task::waiting(lock.acquire()));
    let mut three = Task::waiting(lock.acquire());
    drop(one);
    drop(two);
    assert!(!three.is_woken());
    three.waits();
    assert!(lock.try_acquire().is_none());
    drop(guard);
    drop(three.ends());
}

/// futures #2071, gevent #1520: a task that drops the lock and asks again at once won every time.
fn whoever_lets_go_does_not_win_it_back_past_those_who_wait<F: Flavour>() {
    let lock = Lock::<_, F>::new(());
    let guard = now(lock.acquire());
    let mut patient = Task::waiting(lock.acquire());
    drop(guard);
    let mut greedy = Task::waiting(lock.acquire());
    assert!(lock.try_acquire().is_none());
    drop(patient.ends());
    drop(greedy.ends());
}

/// asyncio, gh-90155 (there a semaphore): who came between the wake and the run of the one woken was served first, and
/// the one woken found nothing.
fn a_newcomer_does_not_overtake_an_heir_that_has_not_run_yet<F: Flavour>() {
    let lock = Lock::<_, F>::new(Vec::new());
    let guard = now(lock.acquire());
    let mut heir = Task::waiting(async { lock.acquire().await.push("heir") });
    drop(guard);
    let mut newcomer = Task::waiting(async { lock.acquire().await.push("newcomer") });
    heir.ends();
    newcomer.ends();
    assert_eq!(*now(lock.acquire()), ["heir", "newcomer"]);
}

/// anyio #387, #1145: a cancelled waiter was still in the queue when the lock was released; it was skipped, left
/// there, and a later one was stranded.
fn a_waiter_that_is_gone_does_not_stand_in_the_way<F: Flavour>() {
    let lock = Lock::<_, F>::new(());
    let guard = now(lock.acquire());
    let mut first = Task::waiting(lock.acquire());
    let gone = Task::waiting(lock.acquire());
    let mut last = Task::waiting(lock.acquire());
    drop(gone);
    drop(guard);
    drop(first.ends());
    drop(last.ends());
    assert!(lock.try_acquire().is_some());
}

/// event-listener 2.3.3: inserting into the list after a removal lost a part of it.
fn places_left_and_taken_again_do_not_mix_up_the_queue<F: Flavour>() {
    let lock = Lock::<_, F>::new(());
    let mut guard = now(lock.acquire());
    let mut queue: Vec<_> = (0..5).map(|_| Task::waiting(lock.acquire())).collect();
    // From the middle, the front and the back; then three come again, into places that are left.
    for gone in [2, 0, 2] {
        drop(queue.remove(gone));
    }
    queue.extend((0..3).map(|_| Task::waiting(lock.acquire())));
    for at in 0..queue.len() {
        drop(guard);
        assert!(queue[at + 1..].iter().all(|task| !task.is_woken()), "not yet {at}'s turn");
        guard = queue[at].ends();
    }
    drop(guard);
    assert!(!lock.locked());
}

/// The same, from back to front: each who leaves has a neighbour whose own neighbour has just left.
fn neighbours_that_leave_do_not_tear_the_queue<F: Flavour>() {
    let lock = Lock::<_, F>::new(());
    let guard = now(lock.acquire());
    let mut queue: Vec<_> = (0..5).map(|_| Task::waiting(lock.acquire())).collect();
    for gone in [1, 1, 1] {
        drop(queue.remove(gone));
    }
    drop(guard);
    drop(queue[0].ends());
    drop(queue[1].ends());
    assert!(!lock.locked());
}

/// futures-locks #1: the lock was asked for when the future was made, not when it was polled, so a future that was
/// made and put aside held it.
fn a_future_that_was_never_polled_holds_nothing<F: Flavour>() {
    let lock = Lock::<_, F>::new(());
    let put_aside = lock.acquire();
    assert!(!lock.locked());
    drop(now(lock.acquire()));
    let guard = now(put_aside);
    let (_put_aside, mut polled) = (lock.acquire(), Task::waiting(lock.acquire()));
    drop(guard);
    drop(polled.ends());
}

/// event-listener #138: what happened after the look at the state and before the listener was in the list was
/// missed. Here the holder lets go just then: it is what cloning the waker comes to.
fn a_release_between_the_look_and_the_queue_is_not_missed<F: Flavour>() {
    let lock = Rc::new(Lock::<_, F>::new(()));
    let holding = Rc::clone(&lock);
    let mut holder = Some(Task::waiting(async move {
        let _guard = holding.acquire().await;
        pending::<()>().await;
    }));
    let mut late = Task::new(lock.acquire());
    late.probe().on(On::Clone, move || drop(holder.take()));
    let guard = late.poll();
    assert!(guard.is_ready() || late.is_woken());
}

/// tokio #2325 (there a semaphore): a future that was polled again after it had queued took twice.
fn a_second_poll_does_not_take_a_second_place<F: Flavour>() {
    let lock = Lock::<_, F>::new(());
    let guard = now(lock.acquire());
    let mut restless = Task::waiting(lock.acquire());
    let mut other = Task::waiting(lock.acquire());
    restless.waits();
    restless.waits();
    drop(guard);
    drop(restless.ends());
    drop(other.ends());
    assert!(!lock.locked(), "nobody is left who could hold it");
}

/// async-lock 2.8.0: a wait that was pending woke its own task, which span until the lock was free.
fn a_waiter_does_not_keep_itself_awake<F: Flavour>() {
    let lock = Lock::<_, F>::new(());
    let _guard = now(lock.acquire());
    let mut waiter = Task::waiting(lock.acquire());
    for _ in 0..3 {
        waiter.waits();
        assert!(!waiter.is_woken());
    }
}

/// futures `select` and `FuturesUnordered`, wherever a future moves: the waker of its first poll was kept, so that a
/// task was woken that no longer cared.
fn the_task_that_polled_first_and_moved_on_is_not_the_one_woken<F: Flavour>() {
    let lock = Lock::<_, F>::new(());
    let guard = now(lock.acquire());
    let mut nomad = Task::waiting(lock.acquire());
    let old = nomad.change_waker();
    nomad.waits();
    assert_eq!(old.copies(), 0, "the old waker is let go");
    drop(guard);
    assert_eq!(old.wakes(), 0);
    drop(nomad.ends());
}

/// tokio #5429 and others: a waker that stayed behind kept its task, and what that owned, alive.
fn a_cancelled_waiter_does_not_leave_its_waker_behind<F: Flavour>() {
    let lock = Lock::<_, F>::new(());
    let guard = now(lock.acquire());
    let (queued, heir) = (Task::waiting(lock.acquire()), Task::waiting(lock.acquire()));
    let (of_queued, of_heir) = (Rc::clone(queued.probe()), Rc::clone(heir.probe()));
    drop(queued);
    assert_eq!(of_queued.copies(), 0);
    drop(guard);
    drop(heir);
    assert_eq!(of_heir.copies(), 0);
}

/// Uses the lock in every way that does not wait, as other people's code may at any time.
fn use_it<F: Flavour>(lock: &Lock<(), F>) {
    assert!(format!("{lock:?}").contains("waiters"));
    drop(lock.try_acquire());
    let cancelled = Task::new(lock.acquire()).poll();
    drop(cancelled);
}

fn watch<F: Flavour>(probe: &Probe, event: On, lock: &Rc<Lock<(), F>>) -> Rc<Cell<usize>> {
    let (lock, calls) = (Rc::clone(lock), Rc::<Cell<usize>>::default());
    let count = Rc::clone(&calls);
    probe.on(event, move || {
        count.set(count.get() + 1);
        use_it(&lock);
    });
    calls
}

/// tokio #4129: a waker was cloned under the lock of the primitive, and the clone came back to it.
fn a_waker_is_not_cloned_under_the_borrow<F: Flavour>() {
    let lock = Rc::new(Lock::<_, F>::new(()));
    let guard = now(lock.acquire());
    let mut waiter = Task::new(lock.acquire());
    let calls = watch(waiter.probe(), On::Clone, &lock);
    waiter.waits();
    assert_ne!(calls.take(), 0);
    waiter.change_waker();
    let calls = watch(waiter.probe(), On::Clone, &lock);
    waiter.waits();
    assert_ne!(calls.take(), 0);
    drop(guard);
    drop(waiter.ends());
}

/// tokio #5429: the waker that a later poll replaced was dropped under the lock.
fn an_old_waker_is_not_dropped_under_the_borrow<F: Flavour>() {
    let lock = Rc::new(Lock::<_, F>::new(()));
    let guard = now(lock.acquire());
    let mut nomad = Task::waiting(lock.acquire());
    let calls = watch(nomad.probe(), On::Drop, &lock);
    nomad.change_waker();
    nomad.waits();
    assert_ne!(calls.take(), 0);
    drop(guard);
    drop(nomad.ends());
}

/// tokio #5429: so was the waker of a waiter that was cancelled.
fn a_cancelled_waker_is_not_dropped_under_the_borrow<F: Flavour>() {
    let lock = Rc::new(Lock::<_, F>::new(()));
    let _guard = now(lock.acquire());
    let waiter = Task::waiting(lock.acquire());
    let calls = watch(waiter.probe(), On::Drop, &lock);
    drop(waiter);
    assert_ne!(calls.take(), 0);
}

/// tokio #1886 and #5154: what a wake runs on the spot found the primitive half changed, or locked.
fn a_waker_is_not_called_under_the_borrow<F: Flavour>() {
    let lock = Rc::new(Lock::<_, F>::new(()));
    let guard = now(lock.acquire());
    let mut heir = Task::waiting(lock.acquire());
    let calls = watch(heir.probe(), On::Wake, &lock);
    drop(guard);
    assert_eq!(calls.take(), 1);
    drop(heir.ends());
}
