//! Stories of `Condition`: whoever is notified comes back with the lock, and no notification is lost on the way.

mod stories;

use runtime_sync::{
    Kind,
    condition::Condition,
    flavour::{Flavour, Shared},
};
use std::{
    cell::Cell,
    collections::VecDeque,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    sync::MutexGuard,
    thread,
    time::Duration,
};
use stories::{
    Task, advance, in_both_flavours, is, now, open_waits, when_time_is_over, with_services, woken,
};

in_both_flavours!(
    a_wait_releases_the_lock_and_comes_back_with_it,
    who_waited_longest_is_notified_first,
    all_are_those_who_wait_now,
    those_who_are_notified_queue_for_the_lock_like_everybody,
    a_notification_goes_on_when_its_waiter_is_dropped,
    a_notification_goes_on_when_its_waiter_is_dropped_on_its_way_to_the_lock,
    a_notification_of_all_goes_to_no_newcomer,
    a_dropped_waiter_is_not_notified,
    a_wait_that_was_never_polled_releases_when_it_is_dropped,
    a_place_in_the_queue_of_the_lock_is_given_up,
    a_predicate_is_asked_with_the_lock_held,
    a_limit_comes_back_with_the_lock,
    a_notification_together_with_the_limit_is_used,
    a_notification_in_the_last_moment_is_used,
    a_notification_together_with_the_limit_is_passed_on_when_that_is_dropped,
    a_guard_of_another_condition_is_refused,
    waits_say_what_for,
    it_costs_two_locks_at_most,
);

fn a_wait_releases_the_lock_and_comes_back_with_it<F: Flavour>() {
    let condition = Condition::<_, F>::new(0);
    let waiter = Task::waiting(condition.wait(now(condition.lock())));
    let mut guard = condition.try_lock().expect("it is released");
    *guard = 7;
    condition.notify(1);
    drop(guard);
    let guard = waiter.ends();
    assert_eq!(*guard, 7);
    assert!(condition.try_lock().is_none());
    drop(guard);
    assert!(condition.try_lock().is_some());
}

fn who_waited_longest_is_notified_first<F: Flavour>() {
    let condition = Condition::<_, F>::new(());
    condition.notify(3); // nobody is there
    let mut waiters: VecDeque<_> =
        (0..4).map(|_| Task::waiting(condition.wait(now(condition.lock())))).collect();
    condition.notify(0);
    assert_eq!(woken(waiters.make_contiguous()), [0; 0]);
    condition.notify(1);
    assert_eq!(woken(waiters.make_contiguous()), [0]);
    condition.notify(2);
    assert_eq!(woken(waiters.make_contiguous()), [0, 1, 2]);
    (0..3).for_each(|_| drop(waiters.pop_front().unwrap().ends()));
    condition.notify(usize::MAX);
    drop(waiters.pop_front().unwrap().ends());
    drop(Task::waiting(condition.wait(now(condition.lock())))); // what came too early is not kept
}

fn all_are_those_who_wait_now<F: Flavour>() {
    let condition = Condition::<_, F>::new(());
    condition.notify_all();
    let waiters: Vec<_> = (0..3).map(|_| Task::waiting(condition.wait(now(condition.lock())))).collect();
    condition.notify_all();
    let late = Task::waiting(condition.wait(now(condition.lock())));
    assert_eq!(woken(&waiters), [0, 1, 2]);
    waiters.into_iter().for_each(|waiter| drop(waiter.ends()));
    assert!(!late.is_woken());
}

fn those_who_are_notified_queue_for_the_lock_like_everybody<F: Flavour>() {
    let condition = Condition::<_, F>::new(());
    let mut waiters: Vec<_> = (0..2).map(|_| Task::waiting(condition.wait(now(condition.lock())))).collect();
    let guard = now(condition.lock());
    let before = Task::waiting(condition.lock());
    condition.notify_all();
    waiters.iter_mut().for_each(Task::moves_on);
    let after = Task::waiting(condition.lock());
    drop(guard);
    assert_eq!(woken(&waiters), [0; 0]);
    drop(before.ends());
    assert_eq!(woken(&waiters), [0]);
    drop(waiters.remove(0).ends());
    assert!(!after.is_woken());
    drop(waiters.remove(0).ends());
    drop(after.ends());
}

/// asyncio, gh-112202: a waiter was notified and cancelled in the same turn, and the notification was lost.
fn a_notification_goes_on_when_its_waiter_is_dropped<F: Flavour>() {
    let condition = Condition::<_, F>::new(());
    let one = Task::waiting(condition.wait(now(condition.lock())));
    let two = Task::waiting(condition.wait(now(condition.lock())));
    let three = Task::waiting(condition.wait(now(condition.lock())));
    condition.notify(1);
    assert!(one.is_woken() && !two.is_woken());
    drop(one); // before it ran
    assert!(two.is_woken() && !three.is_woken());
    drop(two.ends());
    assert!(!three.is_woken(), "one notification, one return");
}

fn a_notification_goes_on_when_its_waiter_is_dropped_on_its_way_to_the_lock<F: Flavour>() {
    let condition = Condition::<_, F>::new(());
    let mut one = Task::waiting(condition.wait(now(condition.lock())));
    let mut two = Task::waiting(condition.wait(now(condition.lock())));
    let three = Task::waiting(condition.wait(now(condition.lock())));
    let guard = now(condition.lock());
    condition.notify(1);
    one.moves_on(); // it took notice, and waits for the lock
    drop(one);
    two.moves_on();
    drop(guard);
    drop(two.ends());
    assert!(!three.is_woken());
    drop(condition.try_lock().expect("the first left no place in the queue of the lock"));
}

/// tokio #3652, of `Notify`: dropping a waiter may undo its own effect only.
fn a_notification_of_all_goes_to_no_newcomer<F: Flavour>() {
    let condition = Condition::<_, F>::new(());
    let mut old: Vec<_> = (0..2).map(|_| Task::waiting(condition.wait(now(condition.lock())))).collect();
    condition.notify_all();
    let new = Task::waiting(condition.wait(now(condition.lock())));
    drop(old.pop());
    let guard = now(condition.lock());
    old[0].moves_on();
    drop(old);
    drop(guard);
    assert!(!new.is_woken());
}

fn a_dropped_waiter_is_not_notified<F: Flavour>() {
    let condition = Condition::<_, F>::new(());
    let mut waiters: Vec<_> = (0..4).map(|_| Task::waiting(condition.wait(now(condition.lock())))).collect();
    drop(waiters.remove(0));
    drop(waiters.remove(1));
    condition.notify(1);
    assert_eq!(woken(&waiters), [0]);
    condition.notify(1);
    assert_eq!(woken(&waiters), [0, 1]);
}

fn a_wait_that_was_never_polled_releases_when_it_is_dropped<F: Flavour>() {
    let condition = Condition::<_, F>::new(());
    let wait = condition.wait(now(condition.lock()));
    assert!(condition.try_lock().is_none(), "a future does nothing until it is polled");
    drop(wait);
    assert!(condition.try_lock().is_some());
}

/// asyncio, bpo-42600: a waiter that was cancelled on its way back to the lock released a lock it did not hold.
fn a_place_in_the_queue_of_the_lock_is_given_up<F: Flavour>() {
    let condition = Condition::<_, F>::new(());
    let mut waiter = Task::waiting(condition.wait(now(condition.lock())));
    let guard = now(condition.lock());
    condition.notify(1);
    waiter.moves_on();
    let next = Task::waiting(condition.lock());
    drop(waiter);
    assert!(!next.is_woken() && condition.try_lock().is_none(), "the lock is held by somebody else");
    drop(guard);
    let guard = next.ends();
    condition.notify_all();
    let mut waiter = Task::waiting(condition.wait(guard));
    let guard = now(condition.lock());
    condition.notify(1);
    waiter.moves_on();
    drop(guard);
    drop(waiter); // it had been handed the lock
    assert!(condition.try_lock().is_some());
}

fn a_predicate_is_asked_with_the_lock_held<F: Flavour>() {
    let condition = Condition::<_, F>::new(3);
    let asked = Cell::new(0);
    let is_low = |level: &mut i32| {
        assert!(condition.try_lock().is_none(), "the lock is held");
        asked.set(asked.get() + 1);
        *level < 2
    };
    let mut waiter = Task::waiting(condition.wait_for(now(condition.lock()), is_low));
    *now(condition.lock()) -= 1;
    condition.notify(1);
    waiter.moves_on();
    *now(condition.lock()) -= 1;
    condition.notify(1);
    assert_eq!(*waiter.ends(), 1);
    assert_eq!(asked.get(), 3);
    assert_eq!(*now(condition.wait_for(now(condition.lock()), is_low)), 1, "it holds at once");
}

const SECOND: Duration = Duration::from_secs(1);

fn a_limit_comes_back_with_the_lock<F: Flavour>() {
    with_services();
    let condition = Condition::<_, F>::new(());
    let mut waiter = Task::waiting(condition.wait_timeout(now(condition.lock()), SECOND));
    let guard = now(condition.lock());
    advance(SECOND);
    waiter.moves_on();
    condition.notify(1);
    assert!(!waiter.is_woken(), "it does not wait for that any more");
    drop(guard);
    let (guard, was_notified) = waiter.ends();
    assert!(!was_notified && condition.try_lock().is_none());
    let waiter = Task::waiting(condition.wait_timeout(guard, SECOND));
    condition.notify(1);
    let (guard, was_notified) = waiter.ends();
    assert!(was_notified && condition.try_lock().is_none());
    drop(guard);
    assert!(condition.try_lock().is_some());
}

fn a_notification_together_with_the_limit_is_used<F: Flavour>() {
    with_services();
    let condition = Condition::<_, F>::new(());
    let one = Task::waiting(condition.wait_timeout(now(condition.lock()), SECOND));
    let two = Task::waiting(condition.wait_timeout(now(condition.lock()), 2 * SECOND));
    condition.notify(1);
    advance(SECOND);
    assert!(one.ends().1, "it was notified");
    assert!(!two.is_woken());
    advance(SECOND);
    condition.notify(1);
    assert!(two.ends().1, "it was notified before it took notice of the time");
}

fn a_notification_in_the_last_moment_is_used<F: Flavour>() {
    with_services();
    let condition = Rc::new(Condition::<_, F>::new(()));
    let one = Task::waiting(condition.wait_timeout(now(condition.lock()), SECOND));
    let two = Task::waiting(condition.wait(now(condition.lock())));
    advance(SECOND);
    let notifier = Rc::clone(&condition);
    when_time_is_over(move || notifier.notify(1));
    assert!(one.ends().1, "it was the first in the queue");
    assert!(!two.is_woken());
}

fn a_notification_together_with_the_limit_is_passed_on_when_that_is_dropped<F: Flavour>() {
    with_services();
    let condition = Condition::<_, F>::new(());
    let mut one = Task::waiting(condition.wait_timeout(now(condition.lock()), SECOND));
    let mut two = Task::waiting(condition.wait_timeout(now(condition.lock()), SECOND));
    let three = Task::waiting(condition.wait(now(condition.lock())));
    advance(SECOND);
    condition.notify(1);
    let guard = now(condition.lock());
    one.moves_on();
    two.moves_on(); // its time is over
    drop(one);
    assert!(three.is_woken());
    drop(guard);
    assert!(!two.ends().1);
    drop(three.ends());
}

fn a_guard_of_another_condition_is_refused<F: Flavour>() {
    let (ours, theirs) = (Condition::<_, F>::new(()), Condition::<_, F>::new(()));
    let refused = [
        catch_unwind(AssertUnwindSafe(|| drop(ours.wait(now(theirs.lock()))))),
        catch_unwind(AssertUnwindSafe(|| drop(ours.wait_for(now(theirs.lock()), |()| true)))),
        catch_unwind(AssertUnwindSafe(|| drop(ours.wait_timeout(now(theirs.lock()), SECOND)))),
    ];
    for refused in refused {
        let message = *refused.unwrap_err().downcast::<&str>().unwrap();
        assert!(message.contains("guard of another lock"), "{message}");
        assert!(theirs.try_lock().is_some(), "the guard is gone");
    }
}

fn waits_say_what_for<F: Flavour>() {
    with_services();
    let (condition, created) = (Condition::<_, F>::new(0), line!());
    let guard = now(condition.lock());
    let (mut waiter, asked) = (Task::waiting(condition.wait_for(guard, |level| *level > 0)), line!());
    let [wait] = open_waits()[..] else { panic!("one waits") };
    assert_eq!((wait.kind, wait.created.line(), wait.asked.line()), (Kind::Condition, created, asked));
    let (mut guard, since) = (now(condition.lock()), line!());
    *guard = 1;
    condition.notify(1);
    waiter.moves_on();
    let [wait] = open_waits()[..] else { panic!("one waits") };
    assert_eq!((wait.kind, wait.created.line(), wait.asked.line()), (Kind::Lock, created, asked));
    assert_eq!(wait.holder.unwrap().since.line(), since);
    drop(guard);
    drop(waiter.ends());
    assert!(open_waits().is_empty());
    let text = format!("{:?}", Condition::<i32, F>::default());
    assert!(text.starts_with("Condition { waiters: 0, lock: Lock { locked: false"), "{text}");
}

fn it_costs_two_locks_at_most<F: Flavour>() {
    assert!(size_of::<Condition<(), F>>() <= 96, "{}", size_of::<Condition<(), F>>());
}

#[test]
fn who_owns_it_needs_no_lock() {
    let mut condition = runtime_sync::Condition::new(1);
    *condition.get_mut() += 1;
    assert_eq!(condition.into_inner(), 2);
}

#[test]
fn it_crosses_threads_as_far_as_its_value_may() {
    type NotSync = Cell<u8>; // `Send`
    type NotSend = MutexGuard<'static, u8>; // `Sync`
    assert!(is!(Condition<NotSync, Shared>: Send) && is!(Condition<NotSync, Shared>: Sync));
    assert!(!is!(Condition<NotSend, Shared>: Send) && !is!(Condition<NotSend, Shared>: Sync));
    assert!(!is!(runtime_sync::Condition<u8>: Send) && !is!(runtime_sync::Condition<u8>: Sync));

    fn is_send<W: Future + Send>(_: W) {}
    let condition = runtime_sync::shared::Condition::new(Cell::new(0));
    is_send(condition.wait(now(condition.lock())));
    is_send(condition.wait_for(now(condition.lock()), |_| true));
}

#[test]
fn threads_hand_each_other_the_ball() {
    const ROUNDS: usize = if cfg!(miri) { 10 } else { 1_000 };
    const PLAYERS: usize = 3;
    let ball = runtime_sync::shared::Condition::new(0_usize);
    thread::scope(|scope| {
        for player in 0..PLAYERS {
            let ball = &ball;
            scope.spawn(move || {
                for _ in 0..ROUNDS {
                    let mut turn = ball.blocking_lock();
                    while *turn % PLAYERS != player {
                        turn = ball.blocking_wait(turn);
                    }
                    *turn += 1;
                    ball.notify_all();
                }
            });
        }
    });
    assert_eq!(ball.into_inner(), PLAYERS * ROUNDS);
}

/// Each notification of one is for one item, and every taker needs one: if one notification were lost, the last taker
/// would wait for ever.
#[test]
fn no_notification_gets_lost_between_threads() {
    const ITEMS: usize = if cfg!(miri) { 15 } else { 3_000 };
    const TAKERS: usize = 3;
    let basket = runtime_sync::shared::Condition::new(0_usize);
    thread::scope(|scope| {
        for _ in 0..TAKERS {
            scope.spawn(|| {
                for _ in 0..ITEMS {
                    let mut items = basket.blocking_lock();
                    while *items == 0 {
                        items = basket.blocking_wait(items);
                    }
                    *items -= 1;
                }
            });
        }
        for _ in 0..ITEMS * TAKERS {
            *basket.blocking_lock() += 1;
            basket.notify(1); // without the lock
        }
    });
    assert_eq!(basket.into_inner(), 0);
}
