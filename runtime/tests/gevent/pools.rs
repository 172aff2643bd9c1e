//! Pools and groups of greenlets.

use crate::support::{Log, SECOND, inside, wait_for_ever};
use runtime::{
    greenlet::{self, Builder, Group, Pool},
    task::TrySpawnError,
    time::Instant,
};
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};

fn sleep(seconds: u32) -> u32 {
    greenlet::sleep(seconds * SECOND);
    seconds
}

#[test]
fn a_pool_runs_so_many_at_once_and_who_wants_more_waits() {
    inside(|| {
        let (start, pool) = (Instant::now(), Pool::new(2));
        let greenlets: Vec<_> = (0..5).map(|_| pool.spawn(|| sleep(1))).collect();
        assert_eq!(start.elapsed(), 2 * SECOND, "the fifth began then");
        assert_eq!((pool.len(), pool.free_count(), pool.limit()), (1, 1, 2));
        pool.join();
        assert_eq!((start.elapsed(), pool.free_count()), (3 * SECOND, 2));
        assert!(pool.is_empty() && greenlets.iter().all(|one| one.is_successful()));
    });
}

#[test]
fn a_full_pool_gives_the_function_back() {
    inside(|| {
        let pool = Pool::new(1);
        let first = pool.try_spawn(|| sleep(1)).unwrap();
        let Err(TrySpawnError::Full(f)) = pool.try_spawn(|| 42) else { panic!("it is full") };
        assert_eq!(f(), 42);
        let start = Instant::now();
        pool.wait_available();
        assert_eq!((start.elapsed(), pool.free_count()), (SECOND, 1));
        assert!(first.is_dead());
        assert_eq!(pool.apply(|| sleep(1)).unwrap(), 1);
        assert!(pool.apply(|| panic!("out of tea")).unwrap_err().is_panic());
        assert_eq!(pool.free_count(), 1);
    });
}

/// Its room is free when its stack is empty, and not before.
#[test]
fn room_is_there_when_a_killed_one_is_gone() {
    struct Slow;
    impl Drop for Slow {
        fn drop(&mut self) {
            sleep(1);
        }
    }
    inside(|| {
        let pool = Pool::new(1);
        let killed = pool.spawn(|| {
            let _slow = Slow;
            wait_for_ever();
        });
        greenlet::yield_now();
        let start = Instant::now();
        killed.cancel();
        let next = pool.spawn(Instant::now);
        assert_eq!(next.get().unwrap().duration_since(start), SECOND);
        let never = pool.spawn(|| unreachable!("it is killed before"));
        never.cancel();
        assert_eq!(pool.free_count(), 0);
        greenlet::yield_now();
        assert_eq!(pool.free_count(), 1);
    });
}

#[test]
fn who_waits_for_room_and_is_killed_gives_up_the_place() {
    inside(|| {
        let pool = Rc::new(Pool::new(1));
        let first = pool.spawn(|| sleep(2));
        let (of_second, of_third) = (pool.clone(), pool.clone());
        let second =
            greenlet::spawn(move || drop(of_second.spawn(|| unreachable!("nobody is there to start it"))));
        let third = greenlet::spawn(move || of_third.apply(|| 42).unwrap());
        sleep(1);
        second.kill();
        assert_eq!(third.get().unwrap(), 42);
        assert!(first.is_dead() && pool.is_empty());
    });
}

#[test]
fn all_of_a_pool_are_killed_and_it_goes_on() {
    inside(|| {
        let (pool, log) = (Pool::new(3), Log::default());
        for name in ["a", "b"] {
            let log = log.clone();
            pool.spawn(move || {
                let _gone = log.at_drop(name);
                wait_for_ever();
            })
            .detach();
        }
        greenlet::yield_now();
        pool.kill();
        assert_eq!((log.take(), pool.len()), (vec!["a".to_string(), "b".to_string()], 0));
        pool.kill();
        assert_eq!(pool.apply(|| 42).unwrap(), 42);
        pool.spawn(|| sleep(2)).detach();
        assert!(pool.join_timeout(SECOND).is_err());
        pool.kill();
        pool.spawn(wait_for_ever).detach();
        greenlet::yield_now();
        assert!(pool.kill_timeout(SECOND).is_ok());
    });
}

#[test]
fn dropping_a_pool_kills_those_that_are_left() {
    inside(|| {
        let (pool, log) = (Pool::new(1), Log::default());
        let held = log.clone();
        let greenlet = pool.spawn(move || {
            let _gone = held.at_drop("gone");
            wait_for_ever();
        });
        greenlet::yield_now();
        drop(pool);
        assert!(greenlet.get().unwrap_err().is_cancelled());
        assert_eq!(log.take(), ["gone"]);
    });
}

#[test]
fn one_of_a_pool_kills_all_with_itself() {
    inside(|| {
        let (pool, log) = (Rc::new(Pool::new(2)), Log::default());
        let (own, said) = (pool.clone(), log.clone());
        let other = pool.spawn(wait_for_ever);
        let killer = pool.spawn(move || {
            let _gone = said.at_drop("killer");
            own.kill();
            said.say("not reached");
        });
        pool.join();
        assert!(other.is_dead() && killer.is_dead());
        assert_eq!(log.take(), ["killer"]);
    });
}

#[test]
fn a_map_keeps_the_order_of_its_items() {
    inside(|| {
        let (start, pool) = (Instant::now(), Pool::new(2));
        let outcomes = pool.map([3, 0, 1, 1], |n| {
            assert!(n != 0, "a bad item");
            sleep(n)
        });
        let values: Vec<_> = outcomes.into_iter().map(Result::ok).collect();
        assert_eq!(values, [Some(3), None, Some(1), Some(1)]);
        assert_eq!(start.elapsed(), 3 * SECOND, "the others go on beside the first");
    });
}

/// The next item is started as soon as there is room, also while the first of all takes its time.
#[test]
fn imap_gives_results_in_order_and_as_they_come() {
    inside(|| {
        let pool = Pool::new(2);
        let timed = |start: Instant| move |n: Result<u32, _>| (n.unwrap(), start.elapsed().as_secs());
        let ordered: Vec<_> = pool.imap([3, 1, 1, 1, 2], sleep).map(timed(Instant::now())).collect();
        assert_eq!(ordered, [(3, 3), (1, 3), (1, 3), (1, 3), (2, 5)]);
        let unordered: Vec<_> =
            pool.imap_unordered([3, 1, 1, 1, 2], sleep).map(timed(Instant::now())).collect();
        assert_eq!(unordered, [(1, 1), (1, 2), (3, 3), (1, 3), (2, 5)]);
    });
}

#[test]
fn imap_asks_for_items_as_there_is_room() {
    inside(|| {
        let (pool, asked) = (Pool::new(2), Rc::new(Cell::new(0)));
        let count = asked.clone();
        let mut results =
            pool.imap((0..).inspect(move |_| count.set(count.get() + 1)), |n: u32| sleep(n.min(1)));
        assert_eq!(asked.get(), 0, "an iterator does nothing unless asked");
        results.next().unwrap().unwrap();
        assert!((2..=3).contains(&asked.get()), "{asked:?}");
        sleep(10);
        assert!((2..=3).contains(&asked.get()), "nobody has asked since: {asked:?}");
        assert!(pool.len() <= 2);
        drop(results);
        pool.join();
    });
}

#[test]
fn imap_shares_the_pool_with_others() {
    inside(|| {
        let pool = Rc::new(Pool::new(1));
        let blocker = pool.spawn(|| sleep(2));
        let start = Instant::now();
        let mut results = pool.imap([1, 1], sleep);
        assert_eq!(results.next().unwrap().unwrap(), 1);
        assert_eq!(start.elapsed(), 3 * SECOND, "it waits for room, like anybody");
        assert!(blocker.is_dead());
        assert_eq!(results.next().unwrap().unwrap(), 1);
        assert!(results.next().is_none() && results.next().is_none());
    });
}

#[test]
fn who_maps_and_is_killed_takes_its_greenlets_along() {
    inside(|| {
        let (pool, log) = (Rc::new(Pool::new(2)), Log::default());
        let (own, said) = (pool.clone(), log.clone());
        let mapper = greenlet::spawn(move || {
            let said = said.clone();
            drop(own.map(0..10, move |_| {
                let _gone = said.at_drop("gone");
                wait_for_ever();
            }));
        });
        sleep(1);
        assert_eq!(pool.len(), 2);
        mapper.kill();
        pool.join();
        assert_eq!(log.take(), ["gone", "gone"]);
    });
}

#[test]
fn no_items_no_results() {
    inside(|| {
        let group = Group::new();
        assert!(group.map([0_u32; 0], sleep).is_empty());
        assert!(group.imap_unordered([0_u32; 0], sleep).next().is_none());
    });
}

/// A group has no limit, and one that panics leaves the others alone.
#[test]
fn a_group_is_joined_and_killed_as_one() {
    inside(|| {
        let (start, group) = (Instant::now(), Group::new());
        let sleepers: Vec<_> = (1..=100).map(|_| group.spawn(|| sleep(1))).collect();
        let fails = Builder::new().name("fails").spawn_in(&group, || panic!("out of tea"));
        assert_eq!((start.elapsed(), group.len()), (Duration::ZERO, 101));
        group.join();
        assert_eq!(start.elapsed(), SECOND);
        assert!(sleepers.iter().all(|one| one.is_successful()));
        assert!(fails.get().unwrap_err().to_string().contains("'fails'"));
        let values = group.map([2, 1], sleep).into_iter().map(Result::unwrap);
        assert_eq!(values.collect::<Vec<_>>(), [2, 1]);
        let left = group.spawn(wait_for_ever);
        group.kill();
        assert!(left.is_dead() && group.is_empty());
    });
}

/// Tasks may fill a group, too: only waiting needs a greenlet.
#[test]
fn a_task_starts_greenlets_of_a_group() {
    let runtime = runtime::Builder::new().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let group = Group::new();
        assert_eq!(group.spawn(|| sleep(1)).await.unwrap(), 1);
        let pool = Pool::new(1);
        assert_eq!(pool.try_spawn(|| sleep(1)).unwrap().await.unwrap(), 1);
    });
}

/// At the end of a runtime nothing is started any more: neither functions nor places are kept.
#[test]
fn a_pool_at_the_end_of_its_runtime() {
    struct StartsOne(Rc<Pool>, Rc<RefCell<Option<bool>>>);
    impl Drop for StartsOne {
        fn drop(&mut self) {
            let refused = self.0.try_spawn(|| unreachable!("the runtime ends"));
            *self.1.borrow_mut() = Some(refused.is_ok_and(|handle| handle.is_dead()));
            assert_eq!(self.0.len(), 1, "the one that drops this");
        }
    }
    let seen = Rc::new(RefCell::new(None));
    let outcome = seen.clone();
    let runtime = runtime::Builder::new().start_paused(true).build().unwrap();
    runtime.block_on(greenlet::run(move || {
        let pool = Rc::new(Pool::new(2));
        let starts = StartsOne(pool.clone(), outcome);
        pool.spawn(move || {
            let _starts = starts;
            wait_for_ever();
        })
        .detach();
        greenlet::yield_now();
        // The pool outlives this function, by what its greenlet holds.
    }));
    drop(runtime);
    assert_eq!(*seen.borrow(), Some(true));
}
