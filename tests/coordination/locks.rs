//! `Lock` and `RLock`: what they exclude, the deadlocks that two of them make, and the one cure that `RLock` is.
//!
//! A deadlock here is one that stands still for an hour of virtual time, with the transcript up to then. `RLock` cures
//! it only where one and the same stands in for *all* the locks involved: two of them deadlock like two locks. The
//! cause is the order of acquiring, and re-entrance does not change that.

use crate::support::{LONG, Transcript, finish, give_up, ms, reports_of, secs, spawn_named, unfinished};
use runtime::{
    JoinHandle, Report, spawn,
    sync::{Kind, Lock, LockGuard, RLock, RLockGuard, shared},
    task::yield_now,
    time::sleep,
};
use std::{cell::Cell, rc::Rc, sync::Arc};

/// `Lock` and `RLock`, for programs that are run with either.
trait Exclusive: 'static {
    type Guard<'a>;
    fn take(&self) -> impl Future<Output = Self::Guard<'_>>;
}

impl Exclusive for Lock<()> {
    type Guard<'a> = LockGuard<'a, ()>;
    fn take(&self) -> impl Future<Output = LockGuard<'_, ()>> {
        self.acquire()
    }
}

impl Exclusive for RLock<()> {
    type Guard<'a> = RLockGuard<'a, ()>;
    fn take(&self) -> impl Future<Output = RLockGuard<'_, ()>> {
        self.acquire()
    }
}

#[runtime::test(start_paused = true)]
async fn acquire_critical_section_release() {
    let lock = Lock::new(0);
    let mut guard = lock.acquire().await;
    *guard += 1;
    assert!(lock.locked());
    // A second `acquire` would wait; this one does not.
    assert!(lock.try_acquire().is_none());
    drop(guard);
    assert!(!lock.locked());
    assert_eq!(*lock.try_acquire().expect("it is free again"), 1);
}

/// Python hangs, and `123` is never printed. Here nobody could ever wake the task, which is found at once.
#[runtime::test(start_paused = true)]
async fn acquiring_a_lock_twice_is_an_error_that_names_the_lock_and_both_lines() {
    let transcript = Transcript::new();
    let (lock, created) = (Rc::new(Lock::new(())), line!());
    let task = {
        let (lock, transcript) = (Rc::clone(&lock), transcript.clone());
        spawn(async move {
            let _first = lock.acquire().await;
            transcript.say("once");
            let _second = lock.acquire().await;
            transcript.say("123");
        })
    };
    let error = task.await.unwrap_err();
    assert!(error.is_panic());
    let message = error.to_string();
    let place = |line: u32| format!("{}:{line}:", file!());
    let lines = [place(created), place(created + 4), place(created + 6)];
    assert!(lines.iter().all(|line| message.contains(line)), "{lines:?}: {message}");
    assert!(message.contains("would wait for ever"), "{message}");
    transcript.expect(["0 once"]);
    // The panic has released the first, and others go on.
    assert!(!lock.locked());
}

/// Its guard may be on another thread by then, as far as anybody knows, so this is no error but reported.
#[test]
fn acquiring_a_shared_lock_twice_stands_still_and_is_reported() {
    let reports = reports_of(async {
        let lock = Arc::new(shared::Lock::new(()));
        let task = {
            let lock = Arc::clone(&lock);
            spawn(async move {
                let _first = lock.acquire().await;
                let _second = lock.acquire().await;
            })
        };
        sleep(LONG).await;
        assert!(!task.is_finished() && lock.locked());
        give_up([task]).await;
        assert!(!lock.locked());
    });
    assert!(matches!(reports[..], [Report::SelfWait { kind: Kind::Lock, .. }]), "{reports:?}");
}

/// Whoever has the guard need not be who acquired it: here the first task waits for what another gives back.
#[test]
fn acquiring_twice_is_all_right_where_the_guard_was_handed_on() {
    let reports = reports_of(async {
        let clock = Transcript::new();
        let lock = Rc::new(Lock::new(()));
        let guard = Rc::clone(&lock).acquire_owned().await;
        let other = spawn(async move {
            sleep(secs(10)).await;
            drop(guard);
        });
        drop(lock.acquire_owned().await);
        clock.expect_time(secs(10));
        finish([other]).await;
    });
    assert_eq!(reports, []);
}

#[runtime::test(start_paused = true)]
async fn whoever_has_an_rlock_gets_it_again() {
    let lock = RLock::new(123);
    let first = lock.acquire().await;
    let second = lock.acquire().await;
    assert_eq!((*first, *second, lock.count()), (123, 123, 2));
    drop(first);
    assert_eq!(lock.count(), 1);
    drop(second);
    assert_eq!(lock.count(), 0);
}

/// Others get it after the last release, not after the first.
#[runtime::test(start_paused = true)]
async fn an_rlock_is_free_when_it_was_released_as_often_as_acquired() {
    let transcript = Transcript::new();
    let lock = Rc::new(RLock::new(()));
    let owner = {
        let (lock, transcript) = (Rc::clone(&lock), transcript.clone());
        spawn(async move {
            let mut guards = Vec::new();
            for _ in 0..3 {
                guards.push(lock.acquire().await);
            }
            while let Some(guard) = guards.pop() {
                sleep(secs(1)).await;
                drop(guard);
                transcript.say(format!("released, {} to go", guards.len()));
            }
        })
    };
    yield_now().await;
    assert!(lock.try_acquire().is_none(), "it belongs to a task, not to the thread");
    drop(lock.acquire().await);
    transcript.say("main has it");
    finish([owner]).await;
    transcript.expect(["1 released, 2 to go", "2 released, 1 to go", "3 released, 0 to go", "3 main has it"]);
}

/// In Python one forgets a `release`; here one has to forget a guard, and in so many words. The owner is told when it
/// ends, and so is whoever waits then.
#[test]
fn an_rlock_with_a_release_too_few_stays_with_its_owner() {
    let reports = reports_of(async {
        let lock = Rc::new(RLock::new(()));
        let owner = {
            let lock = Rc::clone(&lock);
            spawn(async move {
                drop(lock.acquire().await);
                std::mem::forget([lock.acquire().await, lock.acquire().await]);
                lock.count()
            })
        };
        assert_eq!(owner.await.unwrap(), 2);
        let next = {
            let lock = Rc::clone(&lock);
            spawn(async move { drop(lock.acquire().await) })
        };
        sleep(LONG).await;
        assert!(!next.is_finished(), "the owner is gone, and the lock with it");
        give_up([next]).await;
    });
    assert!(
        matches!(
            reports[..],
            [
                Report::EndedHolding { kind: Kind::RLock, count: 2, .. },
                Report::HolderEnded { kind: Kind::RLock, .. }
            ]
        ),
        "{reports:?}"
    );
}

/// Each task takes A, then B in it, releases both; then B, and 2 s later A in it. The first has come to the second half
/// when the second has begun with the first.
#[runtime::test(start_paused = true)]
async fn ten_tasks_with_two_locks_in_both_orders_stand_still_after_four_lines() {
    let transcript = Transcript::new();
    let locks = Rc::new((Lock::new(()), Lock::new(())));
    let tasks: Vec<_> = (1..=10)
        .map(|number| {
            let (locks, transcript) = (Rc::clone(&locks), transcript.clone());
            spawn(async move {
                let (a, b) = &*locks;
                {
                    let _a = a.acquire().await;
                    transcript.say(format!("Thread-{number} A"));
                    let _b = b.acquire().await;
                    transcript.say(format!("Thread-{number} B"));
                }
                let _b = b.acquire().await;
                transcript.say(format!("Thread-{number} B???"));
                sleep(secs(2)).await;
                let _a = a.acquire().await;
                transcript.say(format!("Thread-{number} A???"));
            })
        })
        .collect();

    sleep(LONG).await;
    transcript.expect(["0 Thread-1 A", "0 Thread-1 B", "0 Thread-1 B???", "0 Thread-2 A"]);
    assert_eq!(unfinished(&tasks), 10);
    // Task 2 waits for B, which task 1 has; eight tasks and then task 1 wait for A, which task 2 has.
    let describe = |lock: &Lock<()>| format!("{lock:?}");
    assert!(describe(&locks.0).contains("waiters: 9"), "{:?}", locks.0);
    assert!(describe(&locks.1).contains("waiters: 1"), "{:?}", locks.1);

    give_up(tasks).await;
    assert!(!locks.0.locked() && !locks.1.locked(), "whoever is cancelled lets go");
}

async fn noodles_first<L: Exclusive>(name: &str, noodles: Rc<L>, fork: Rc<L>, transcript: Transcript) {
    let _noodles = noodles.take().await;
    transcript.say(format!("{name} has the noodles"));
    let _fork = fork.take().await;
    transcript.say(format!("{name} has the fork, and eats"));
}

async fn fork_first<L: Exclusive>(name: &str, noodles: Rc<L>, fork: Rc<L>, transcript: Transcript) {
    let _fork = fork.take().await;
    transcript.say(format!("{name} has the fork"));
    sleep(secs(1)).await;
    let _noodles = noodles.take().await;
    transcript.say(format!("{name} has the noodles, and eats"));
}

/// Two eat twice each, once in either way.
fn eat<L: Exclusive>(noodles: &Rc<L>, fork: &Rc<L>, transcript: &Transcript) -> Vec<JoinHandle<()>> {
    let mut eaters = Vec::new();
    for name in ["Ada", "Grace"] {
        eaters.push(spawn(noodles_first(name, Rc::clone(noodles), Rc::clone(fork), transcript.clone())));
        eaters.push(spawn(fork_first(name, Rc::clone(noodles), Rc::clone(fork), transcript.clone())));
    }
    eaters
}

#[runtime::test(start_paused = true)]
async fn two_locks_around_noodles_and_fork_leave_three_hungry() {
    let transcript = Transcript::new();
    let (noodles, fork) = (Rc::new(Lock::new(())), Rc::new(Lock::new(())));
    let eaters = eat(&noodles, &fork, &transcript);
    sleep(LONG).await;
    transcript.expect([
        "0 Ada has the noodles",
        "0 Ada has the fork, and eats",
        "0 Ada has the fork",
        "0 Grace has the noodles",
    ]);
    assert_eq!(unfinished(&eaters), 3);
    give_up(eaters).await;
    assert!(!noodles.locked() && !fork.locked());
}

#[runtime::test(start_paused = true)]
async fn one_rlock_around_noodles_and_fork_feeds_everybody() {
    let transcript = Transcript::new();
    let both = Rc::new(RLock::new(()));
    finish(eat(&both, &both, &transcript)).await;
    transcript.expect([
        "0 Ada has the noodles",
        "0 Ada has the fork, and eats",
        "0 Ada has the fork",
        "1 Ada has the noodles, and eats",
        "1 Grace has the noodles",
        "1 Grace has the fork, and eats",
        "1 Grace has the fork",
        "2 Grace has the noodles, and eats",
    ]);
}

#[runtime::test(start_paused = true)]
async fn two_rlocks_deadlock_like_two_locks() {
    let transcript = Transcript::new();
    let (noodles, fork) = (Rc::new(RLock::new(())), Rc::new(RLock::new(())));
    let eaters = eat(&noodles, &fork, &transcript);
    sleep(LONG).await;
    transcript.expect([
        "0 Ada has the noodles",
        "0 Ada has the fork, and eats",
        "0 Ada has the fork",
        "0 Grace has the noodles",
    ]);
    assert_eq!(unfinished(&eaters), 3);
    give_up(eaters).await;
    assert_eq!((noodles.count(), fork.count()), (0, 0));
}

/// The smallest form: each has one and wants the other's.
#[runtime::test(start_paused = true)]
async fn two_rlocks_crossed_by_two_tasks_stand_still() {
    let locks = [Rc::new(RLock::new(())), Rc::new(RLock::new(()))];
    let tasks = [(0, 1), (1, 0)].map(|(first, second)| {
        let locks = locks.clone();
        spawn(async move {
            let _first = locks[first].acquire().await;
            let _again = locks[first].acquire().await;
            yield_now().await;
            let _second = locks[second].acquire().await;
        })
    });
    sleep(LONG).await;
    assert_eq!(unfinished(&tasks), 2);
    assert_eq!((locks[0].count(), locks[1].count()), (2, 2));
    give_up(tasks).await;
}

/// Five tasks: A for 3 s and B in it, then B for 2 s and A in it.
fn five_go_both_ways<L: Exclusive>(a: &Rc<L>, b: &Rc<L>, transcript: &Transcript) -> Vec<JoinHandle<()>> {
    (1..=5)
        .map(|number| {
            let (a, b, transcript) = (Rc::clone(a), Rc::clone(b), transcript.clone());
            spawn(async move {
                {
                    let _a = a.take().await;
                    transcript.say(format!("Thread-{number} gotlockA"));
                    sleep(secs(3)).await;
                    let _b = b.take().await;
                    transcript.say(format!("Thread-{number} gotlockB"));
                }
                let _b = b.take().await;
                transcript.say(format!("Thread-{number} gotlockB"));
                sleep(secs(2)).await;
                let _a = a.take().await;
                transcript.say(format!("Thread-{number} gotlockA"));
            })
        })
        .collect()
}

#[runtime::test(start_paused = true)]
async fn five_tasks_that_go_both_ways_stand_still_with_two_locks() {
    let transcript = Transcript::new();
    let (a, b) = (Rc::new(Lock::new(())), Rc::new(Lock::new(())));
    let tasks = five_go_both_ways(&a, &b, &transcript);
    sleep(LONG).await;
    transcript.expect([
        "0 Thread-1 gotlockA",
        "3 Thread-1 gotlockB",
        "3 Thread-1 gotlockB",
        "3 Thread-2 gotlockA",
    ]);
    assert_eq!(unfinished(&tasks), 5);
    give_up(tasks).await;
}

/// 25 s: five times 3 and 2. First in, first out: all go the one way before any goes the other.
#[runtime::test(start_paused = true)]
async fn five_tasks_that_go_both_ways_get_through_with_one_rlock() {
    let transcript = Transcript::new();
    let lock = Rc::new(RLock::new(()));
    finish(five_go_both_ways(&lock, &lock, &transcript)).await;
    let one_way = (1..=5).flat_map(|number| {
        let (begin, end) = (3 * (number - 1), 3 * number);
        [format!("{begin} Thread-{number} gotlockA"), format!("{end} Thread-{number} gotlockB")]
    });
    let other_way = (1..=5).flat_map(|number| {
        let (begin, end) = (15 + 2 * (number - 1), 15 + 2 * number);
        [format!("{begin} Thread-{number} gotlockB"), format!("{end} Thread-{number} gotlockA")]
    });
    transcript.expect(one_way.chain(other_way));
    transcript.expect_time(secs(25));
}

#[runtime::test(start_paused = true)]
async fn ten_tasks_start_at_once_and_count_down_one_per_second() {
    let transcript = Transcript::new();
    let v = Rc::new(Lock::new(10));
    finish((0..10).map(|_| {
        let (v, transcript) = (Rc::clone(&v), transcript.clone());
        spawn(async move {
            transcript.say("ddd");
            let mut v = v.acquire().await;
            sleep(secs(1)).await;
            *v -= 1;
            transcript.say(v.to_string());
        })
    }))
    .await;
    let started = (0..10).map(|_| "0 ddd".to_owned());
    let counted = (1..=10).map(|second| format!("{second} {}", 10 - second));
    transcript.expect(started.chain(counted));
    transcript.expect_time(secs(10));
}

/// The number stands beside the lock, as in Python; nobody but the programmer says that it belongs to it.
#[runtime::test(start_paused = true)]
async fn a_lock_that_holds_nothing_protects_what_is_beside_it() {
    let clock = Transcript::new();
    let (lock, num) = (Rc::new(Lock::new(())), Rc::new(Cell::new(100)));
    let tasks = (1..=100).map(|number| {
        let (lock, num) = (Rc::clone(&lock), Rc::clone(&num));
        spawn_named(format!("Thread-{number}"), async move {
            let _guard = lock.acquire().await;
            let temp = num.get();
            sleep(ms(1)).await;
            num.set(temp - 1);
        })
    });
    finish(tasks).await;
    assert_eq!(num.get(), 0);
    clock.expect_time(ms(100));
}
