//! Stories of `Lock`.

mod stories;

use futures_lite::future::{block_on, poll_once, zip};
use runtime_sync::{
    Elapsed, Kind, Lock,
    flavour::{Flavour, Shared},
    lock::{Acquire, Lock as AnyLock, LockGuard, OwnedLockGuard},
};
use std::{
    cell::Cell,
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    sync::{Arc, MutexGuard},
    thread,
    time::Duration,
};
use stories::{Task, advance, in_both_flavours, is, now, open_waits, tired, with_services};

in_both_flavours!(
    a_thousand_come_in_the_order_in_which_they_asked,
    those_who_leave_the_queue_are_not_missed,
    trying_takes_it_only_if_nobody_waits,
    a_limit_gives_the_place_up,
    a_panic_of_the_holder_releases,
    waits_say_what_for_and_who_holds_it,
    a_task_with_nothing_left_to_spend_gives_way_and_takes_nothing,
    it_costs_at_most_a_line_of_the_cache_besides_its_value,
);

#[test]
fn who_waited_longest_is_next() {
    block_on(async {
        let lock = Lock::new(Vec::new());
        let guard = lock.acquire().await;
        let (mut first, mut second) = (Box::pin(lock.acquire()), Box::pin(lock.acquire()));
        assert!(poll_once(&mut first).await.is_none());
        assert!(poll_once(&mut second).await.is_none());
        drop(guard);
        assert!(lock.try_acquire().is_none(), "it is the first's already");
        assert!(poll_once(&mut second).await.is_none());
        drop(first); // without ever noticing its grant
        second.await.push(2);
        zip(async { lock.acquire().await.push(3) }, async { lock.acquire().await.push(4) }).await;
        assert_eq!(*lock.acquire().await, [2, 3, 4]);
    });
}

const CROWD: usize = if cfg!(miri) { 20 } else { 1_000 };

fn a_thousand_come_in_the_order_in_which_they_asked<F: Flavour>() {
    let lock = AnyLock::<_, F>::new(0);
    let guard = now(lock.acquire());
    let mut queue: VecDeque<_> = (0..CROWD).map(|_| Task::waiting(lock.acquire())).collect();
    drop(guard);
    while let Some(next) = queue.pop_front() {
        let mut guard = next.ends();
        *guard += 1;
        assert!(queue.front().is_none_or(|task| !task.is_woken()));
    }
    assert_eq!(*now(lock.acquire()), CROWD);
}

fn those_who_leave_the_queue_are_not_missed<F: Flavour>() {
    let lock = AnyLock::<_, F>::new(());
    let guard = now(lock.acquire());
    let mut queue: Vec<_> = (0..CROWD).map(|_| Task::waiting(lock.acquire())).collect();
    // From the front, the middle and the end; their places are taken again.
    for from in [0, CROWD / 2, CROWD - 8] {
        drop(queue.drain(from..from + 2));
    }
    queue.extend((0..6).map(|_| Task::waiting(lock.acquire())));
    drop(guard);
    queue.into_iter().for_each(|task| drop(task.ends()));
    assert!(!lock.locked());
}

fn trying_takes_it_only_if_nobody_waits<F: Flavour>() {
    let mut lock = AnyLock::<_, F>::from(1);
    let mut guard = lock.try_acquire().unwrap();
    *guard += 1;
    assert_eq!(format!("{guard} {guard:?} {}", lock.try_acquire().is_none()), "2 2 true");
    let task = Task::waiting(lock.acquire());
    drop(guard);
    assert!(lock.try_acquire().is_none());
    drop(task);
    assert!(lock.try_acquire().is_some());
    *lock.get_mut() += 1;
    assert_eq!(lock.into_inner(), 3);
}

fn a_limit_gives_the_place_up<F: Flavour>() {
    with_services();
    let second = Duration::from_secs(1);
    let lock = AnyLock::<_, F>::new(());
    let guard = now(lock.acquire_timeout(second)).unwrap();
    let hasty = Task::waiting(lock.acquire_timeout(second));
    let patient = Task::waiting(lock.acquire_timeout(second));
    advance(second);
    assert_eq!(hasty.ends().unwrap_err(), Elapsed);
    drop(guard);
    assert!(patient.ends().is_ok(), "it had the lock when it looked");
    assert!(!lock.locked());
}

fn a_panic_of_the_holder_releases<F: Flavour>() {
    let lock = AnyLock::<_, F>::new(1);
    let result = catch_unwind(AssertUnwindSafe(|| {
        let _guard = now(lock.acquire());
        panic!("on purpose");
    }));
    assert!(result.is_err());
    assert_eq!(*lock.try_acquire().expect("it is released, and not poisoned"), 1);
}

fn waits_say_what_for_and_who_holds_it<F: Flavour>() {
    with_services();
    let (lock, created) = (AnyLock::<_, F>::new(()), line!());
    let (guard, since) = (now(lock.acquire()), line!());
    let (waiting, asked) = (Task::waiting(lock.acquire()), line!());
    let [wait] = open_waits()[..] else { panic!("one waits") };
    assert_eq!((wait.kind, wait.created.line(), wait.asked.line()), (Kind::Lock, created, asked));
    assert_eq!(wait.holder.unwrap().since.line(), since);
    let text = format!("{lock:?}");
    assert!(text.starts_with("Lock { locked: true, held_since: Some("), "{text}");
    assert!(text.contains("waiters: 1"), "{text}");
    drop(guard);
    drop(waiting.ends());
    assert!(open_waits().is_empty());
    drop(Task::waiting(async {
        let _guard = lock.try_acquire();
        drop(lock.acquire().await);
    }));
    assert!(open_waits().is_empty() && !lock.locked());
}

fn a_task_with_nothing_left_to_spend_gives_way_and_takes_nothing<F: Flavour>() {
    let lock = AnyLock::<_, F>::default();
    let task = tired(|| lock.acquire());
    let () = *lock.try_acquire().expect("who gave way has taken nothing");
    drop(task.ends());
}

fn it_costs_at_most_a_line_of_the_cache_besides_its_value<F: Flavour>() {
    assert!(size_of::<AnyLock<(), F>>() <= 64, "{}", size_of::<AnyLock<(), F>>());
    assert_eq!(size_of::<AnyLock<[u64; 8], F>>(), size_of::<AnyLock<(), F>>() + 64);
}

#[test]
fn owned_guards_keep_their_lock() {
    let lock = Rc::new(Lock::new(1));
    let guard: OwnedLockGuard<_> = now(Rc::clone(&lock).acquire_owned());
    assert!(Rc::clone(&lock).try_acquire_owned().is_none());
    let waiting = Task::waiting(Rc::clone(&lock).acquire_owned());
    drop(guard);
    let mut guard = waiting.ends();
    *guard += 1;
    let weak = Rc::downgrade(&lock);
    drop(lock);
    assert_eq!(format!("{guard:?}"), "2");
    drop(guard);
    assert!(weak.upgrade().is_none());

    let lock = Arc::new(runtime_sync::shared::Lock::new(1));
    let mut guard = Arc::clone(&lock).try_acquire_owned().unwrap();
    thread::scope(|scope| scope.spawn(move || *guard += 1).join().unwrap());
    assert_eq!(*now(Arc::clone(&lock).acquire_owned()), 2);
}

#[test]
fn it_crosses_threads_as_far_as_its_value_may() {
    type NotSync = Cell<u8>; // `Send`
    type NotSend = MutexGuard<'static, u8>; // `Sync`
    assert!(is!(AnyLock<NotSync, Shared>: Send) && is!(AnyLock<NotSync, Shared>: Sync));
    assert!(!is!(AnyLock<NotSend, Shared>: Send) && !is!(AnyLock<NotSend, Shared>: Sync));
    assert!(is!(LockGuard<'_, NotSync, Shared>: Send) && !is!(LockGuard<'_, NotSync, Shared>: Sync));
    assert!(!is!(LockGuard<'_, NotSend, Shared>: Send) && is!(LockGuard<'_, u8, Shared>: Sync));
    assert!(is!(OwnedLockGuard<NotSync, Shared>: Send) && !is!(OwnedLockGuard<NotSync, Shared>: Sync));
    assert!(is!(Acquire<'_, NotSync, Shared>: Send));
    assert!(!is!(Lock<u8>: Send) && !is!(Lock<u8>: Sync));
    assert!(!is!(runtime_sync::LockGuard<'_, u8>: Send) && !is!(runtime_sync::LockGuard<'_, u8>: Sync));
    assert!(!is!(runtime_sync::OwnedLockGuard<u8>: Send));
}

#[test]
fn threads_keep_each_other_out() {
    const ROUNDS: usize = if cfg!(miri) { 20 } else { 5_000 };
    let lock = runtime_sync::shared::Lock::new(0);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for round in 0..ROUNDS {
                    if round % 8 == 0 {
                        drop(block_on(poll_once(lock.acquire()))); // and often gives its place up
                    }
                    *lock.blocking_acquire() += 1;
                }
            });
        }
    });
    assert_eq!(lock.into_inner(), 3 * ROUNDS);
}
