//! Stories of `RLock`: its holder comes in again, the others wait for the last guard.

mod stories;

use runtime_sync::{
    Elapsed, Kind,
    flavour::{Flavour, Shared},
    rlock::{RLock, RLockGuard},
};
use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    sync::{
        MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};
use stories::{Person, Task, advance, holds, in_both_flavours, is, now, open_waits, tired, with_services};

in_both_flavours!(
    its_holder_comes_in_again,
    the_others_wait_for_the_last_guard_and_come_in_order,
    a_guard_counts_for_its_task_whoever_drops_it,
    nobody_overtakes_an_heir,
    an_heir_that_is_dropped_passes_it_on,
    a_waiter_that_is_dropped_leaves_the_queue,
    a_task_that_waits_in_two_futures_comes_in_with_both,
    a_future_that_looked_too_early_is_woken_again,
    trying_knows_the_running_task,
    a_stranger_is_not_taken_for_one_that_is_gone,
    nobody_is_not_the_same_as_nobody,
    a_limit_gives_the_place_up,
    a_panic_of_the_holder_releases,
    the_executor_hears_who_holds_how_many,
    waits_say_what_for_and_who_holds_it,
    a_task_with_nothing_left_to_spend_gives_way,
    it_costs_at_most_a_line_of_the_cache_besides_its_value,
);

fn its_holder_comes_in_again<F: Flavour>() {
    let lock = RLock::<_, F>::new(Cell::new(1));
    let alice = Person::default();
    let outer = alice.now(lock.acquire());
    let inner = alice.now(lock.acquire());
    inner.set(outer.get() + 1);
    assert_eq!((lock.count(), outer.get()), (2, 2));
    drop(outer); // in any order
    assert_eq!((lock.count(), lock.locked()), (1, true));
    drop(inner);
    assert_eq!((lock.count(), lock.locked()), (0, false));
    assert_eq!(lock.into_inner().get(), 2);
}

fn the_others_wait_for_the_last_guard_and_come_in_order<F: Flavour>() {
    let lock = RLock::<_, F>::new(());
    let alice = Person::default();
    let outer = alice.now(lock.acquire());
    let bob = Task::waiting(lock.acquire());
    let carol = Task::waiting(lock.acquire());
    let inner = alice.now(lock.acquire()); // past those who wait
    drop(inner);
    assert!(!bob.is_woken());
    drop(outer);
    assert!(bob.is_woken() && !carol.is_woken());
    let alice = alice.waiting(lock.acquire());
    drop(bob.ends());
    drop(carol.ends());
    drop(alice.ends());
    assert!(!lock.locked());
}

fn a_guard_counts_for_its_task_whoever_drops_it<F: Flavour>() {
    let lock = RLock::<_, F>::new(());
    let (alice, bob) = (Person::default(), Person::default());
    let one = alice.now(lock.acquire());
    let other = alice.now(lock.acquire());
    bob.now(async { drop(one) });
    assert_eq!(lock.count(), 1);
    drop(alice.now(lock.acquire()));
    let waiting = bob.waiting(lock.acquire());
    bob.now(async { drop(other) });
    drop(waiting.ends());
}

fn nobody_overtakes_an_heir<F: Flavour>() {
    let lock = RLock::<_, F>::new(());
    let alice = Person::default();
    let guard = alice.now(lock.acquire());
    let bob = Task::waiting(lock.acquire());
    drop(guard);
    assert!(lock.locked() && lock.count() == 0, "it is the heir's, who has not noticed");
    assert!(lock.try_acquire().is_none());
    let alice = alice.waiting(lock.acquire()); // not its holder any more
    drop(bob.ends());
    drop(alice.ends());
}

fn an_heir_that_is_dropped_passes_it_on<F: Flavour>() {
    let lock = RLock::<_, F>::new(());
    let guard = now(lock.acquire());
    let [bob, carol, dave] = [(); 3].map(|()| Task::waiting(lock.acquire()));
    drop(guard);
    drop(bob);
    assert!(carol.is_woken() && !dave.is_woken());
    drop(carol);
    drop(dave.ends());
    let guard = now(lock.acquire());
    let last = Task::waiting(lock.acquire());
    drop(guard);
    drop(last);
    assert!(!lock.locked());
}

fn a_waiter_that_is_dropped_leaves_the_queue<F: Flavour>() {
    let lock = RLock::<_, F>::new(());
    let guard = now(lock.acquire());
    let [bob, carol] = [(); 2].map(|()| Task::waiting(lock.acquire()));
    drop(bob);
    assert!(!carol.is_woken(), "it is held");
    drop(guard);
    drop(carol.ends());
}

fn a_task_that_waits_in_two_futures_comes_in_with_both<F: Flavour>() {
    let lock = RLock::<_, F>::new(());
    let alice = Person::default();
    let guard = now(lock.acquire());
    let one = alice.waiting(lock.acquire());
    let bob = Task::waiting(lock.acquire());
    let other = alice.waiting(lock.acquire());
    drop(guard);
    let one = one.ends();
    let other = other.ends(); // past bob, or a task that waits for both would wait for ever
    assert_eq!(lock.count(), 2);
    drop(one);
    assert!(!bob.is_woken());
    drop(other);
    drop(bob.ends());
    assert!(!lock.locked());
}

fn a_future_that_looked_too_early_is_woken_again<F: Flavour>() {
    let lock = RLock::<_, F>::new(());
    let alice = Person::default();
    let guard = now(lock.acquire());
    let one = alice.waiting(lock.acquire());
    let mut other = alice.waiting(lock.acquire());
    drop(guard);
    other.moves_on(); // it is the turn of the first, which is not polled yet
    let _one = one.ends();
    let _other = other.ends();
}

fn trying_knows_the_running_task<F: Flavour>() {
    with_services();
    let lock = RLock::<_, F>::new(());
    let (alice, bob) = (Person::employed(), Person::employed());
    let one = alice.now(lock.acquire());
    let two = alice.now(async { lock.try_acquire() }).expect("it is its holder");
    assert!(bob.now(async { lock.try_acquire() }).is_none());
    drop((one, two));
    let one = bob.now(async { lock.try_acquire() }).unwrap();
    let two = bob.now(lock.acquire());
    assert_eq!(lock.count(), 2);
    drop((one, two));
    let waiting = alice.waiting(async {
        let _one = lock.acquire().await;
        let _two = lock.acquire().await;
        std::future::pending::<()>().await;
    });
    assert_eq!(lock.count(), 2);
    drop(waiting);
    assert!(!lock.locked());
}

/// Each `block_on` may have a waker of its own, that lies where the one before lay.
fn a_stranger_is_not_taken_for_one_that_is_gone<F: Flavour>() {
    let lock = RLock::<_, F>::new(());
    let mut guard = now(lock.acquire());
    for _ in 0..100 {
        let stranger = Task::waiting(lock.acquire());
        drop(guard);
        guard = stranger.ends();
    }
}

fn nobody_is_not_the_same_as_nobody<F: Flavour>() {
    with_services();
    let lock = RLock::<_, F>::new(());
    let guard = lock.try_acquire().expect("it is free"); // outside of any task
    assert!(lock.try_acquire().is_none(), "who knows whether that is the same");
    let alice = Task::waiting(lock.acquire());
    drop(guard);
    drop(alice.ends());
}

fn a_limit_gives_the_place_up<F: Flavour>() {
    with_services();
    let second = Duration::from_secs(1);
    let lock = RLock::<_, F>::new(());
    let alice = Person::default();
    let guard = alice.now(lock.acquire_timeout(second)).unwrap();
    assert!(alice.now(lock.acquire_timeout(second)).is_ok());
    let bob = Task::waiting(lock.acquire_timeout(second));
    let carol = Task::waiting(lock.acquire_timeout(second));
    advance(second);
    assert_eq!(bob.ends().unwrap_err(), Elapsed);
    drop(guard);
    assert!(carol.ends().is_ok(), "it was free when it looked");
    assert!(!lock.locked());
}

fn a_panic_of_the_holder_releases<F: Flavour>() {
    let lock = RLock::<_, F>::new(1);
    let waiting = {
        let guard = now(lock.acquire());
        let waiting = Task::waiting(lock.acquire());
        let result = catch_unwind(AssertUnwindSafe(move || {
            let _guard = guard;
            panic!("on purpose");
        }));
        assert!(result.is_err());
        waiting
    };
    assert_eq!(*waiting.ends(), 1);
}

fn the_executor_hears_who_holds_how_many<F: Flavour>() {
    with_services();
    let lock = RLock::<_, F>::new(());
    let (alice, bob) = (Person::employed(), Person::employed());
    holds();
    let one = alice.now(lock.acquire());
    let two = alice.now(async { lock.try_acquire() }).unwrap();
    assert_eq!(holds(), [(alice.owner(), Kind::RLock, 1), (alice.owner(), Kind::RLock, 1)]);
    let waiting = bob.waiting(lock.acquire());
    assert_eq!(holds(), []);
    bob.now(async { drop(one) });
    drop(two);
    assert_eq!(holds(), [(alice.owner(), Kind::RLock, -1), (alice.owner(), Kind::RLock, -1)]);
    drop(waiting.ends());
    assert_eq!(holds(), [(bob.owner(), Kind::RLock, 1), (bob.owner(), Kind::RLock, -1)]);
}

fn waits_say_what_for_and_who_holds_it<F: Flavour>() {
    with_services();
    let (lock, created) = (RLock::<_, F>::new(1), line!());
    let alice = Person::employed();
    let (guard, since) = (alice.now(lock.acquire()), line!());
    let (bob, asked) = (Task::waiting(lock.acquire()), line!());
    let [wait] = open_waits()[..] else { panic!("one waits") };
    assert_eq!((wait.kind, wait.created.line(), wait.asked.line()), (Kind::RLock, created, asked));
    let holder = wait.holder.unwrap();
    assert_eq!((holder.owner, holder.since.line()), (alice.owner(), since));
    assert_eq!(format!("{guard:?}"), "1");
    drop(guard);
    drop(bob.ends());
    assert!(open_waits().is_empty());
    let text = format!("{:?}", RLock::<i32, F>::default());
    assert!(text.starts_with("RLock { count: 0, held_since: None, waiters: 0, created"), "{text}");
}

fn a_task_with_nothing_left_to_spend_gives_way<F: Flavour>() {
    let lock = RLock::<_, F>::new(());
    let task = tired(|| lock.acquire());
    assert!(!lock.locked());
    drop(task.ends());
}

fn it_costs_at_most_a_line_of_the_cache_besides_its_value<F: Flavour>() {
    assert!(size_of::<RLock<(), F>>() <= 64, "{}", size_of::<RLock<(), F>>());
    assert_eq!(size_of::<RLock<[u64; 8], F>>(), size_of::<RLock<(), F>>() + 64);
}

#[test]
fn who_owns_it_needs_no_lock() {
    let mut lock = runtime_sync::RLock::from(1);
    *lock.get_mut() += 1;
    let lock: Rc<runtime_sync::RLock<dyn std::fmt::Display>> = Rc::new(lock);
    assert_eq!(now(lock.acquire()).to_string(), "2");
}

/// Two guards of one owner may be on two threads at once: nothing keeps an executor from polling with one waker on two
/// threads. So the value is shared as a plain reference would share it.
#[test]
fn it_crosses_threads_as_far_as_its_value_may() {
    type NotSync = Cell<u8>; // `Send`
    type NotSend = MutexGuard<'static, u8>; // `Sync`
    assert!(is!(RLock<u8, Shared>: Send) && is!(RLock<u8, Shared>: Sync));
    assert!(is!(RLock<NotSync, Shared>: Send) && !is!(RLock<NotSync, Shared>: Sync));
    assert!(!is!(RLock<NotSend, Shared>: Send) && is!(RLock<NotSend, Shared>: Sync));
    assert!(is!(RLockGuard<'_, u8, Shared>: Send) && is!(RLockGuard<'_, u8, Shared>: Sync));
    assert!(!is!(RLockGuard<'_, NotSync, Shared>: Send) && !is!(RLockGuard<'_, NotSync, Shared>: Sync));
    assert!(is!(runtime_sync::rlock::Acquire<'_, u8, Shared>: Send));
    assert!(!is!(runtime_sync::RLock<u8>: Send) && !is!(runtime_sync::RLock<u8>: Sync));
    assert!(!is!(runtime_sync::RLockGuard<'_, u8>: Send) && !is!(runtime_sync::RLockGuard<'_, u8>: Sync));
}

#[test]
fn threads_keep_each_other_out() {
    const ROUNDS: usize = if cfg!(miri) { 10 } else { 1_000 };
    let lock = runtime_sync::shared::RLock::new(AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                futures_lite::future::block_on(async {
                    for _ in 0..ROUNDS {
                        let outer = lock.acquire().await;
                        let before = outer.load(Ordering::Relaxed);
                        let inner = lock.acquire().await;
                        drop(outer);
                        // Two steps, so that somebody in between would be noticed.
                        inner.store(before + 1, Ordering::Relaxed);
                    }
                });
            });
        }
    });
    assert_eq!(lock.into_inner().into_inner(), 3 * ROUNDS);
}
