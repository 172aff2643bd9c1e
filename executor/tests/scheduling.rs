//! Who runs when: first in, first out, everybody once before anybody twice; the outside is asked often enough
//! when the tasks are busy, and not at all when there is nobody to ask.
#![cfg(not(loom))]

mod common;

use common::{FakePark, Log, elsewhere, executor, own_waker, pause, scaled};
use runtime_executor::{
    Executor, RuntimeId, current, spawn,
    task::yield_now,
    time::{self, Clock, Instant},
};
use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    rc::Rc,
    sync::atomic::Ordering,
    task::{Poll, Waker},
    time::Duration,
};

/// The promise of the loop: the outside is asked at least every so many polls.
const MAX_POLLS: usize = 61;

#[test]
fn tasks_run_in_the_order_in_which_they_became_ready() {
    let log = Log::default();
    executor().block_on(async {
        let task = |number: usize| {
            let log = log.clone();
            spawn(async move {
                log.add(format!("{number} once"));
                yield_now().await;
                log.add(format!("{number} twice"));
            })
        };
        let handles = [0, 1, 2].map(task);
        log.add("main first");
        yield_now().await;
        log.add("main again");
        for handle in handles {
            handle.await.unwrap();
        }
    });
    let expected =
        ["main first", "0 once", "1 once", "2 once", "main again", "0 twice", "1 twice", "2 twice"];
    assert_eq!(log.take(), expected);
}

#[test]
fn the_order_of_wakes_is_the_order_of_polls() {
    let log = Log::default();
    executor().block_on(async {
        let wakers: Rc<RefCell<Vec<Waker>>> = Rc::default();
        for number in 0..5 {
            let (log, wakers) = (log.clone(), wakers.clone());
            spawn(async move {
                let own = own_waker().await;
                wakers.borrow_mut().push(own);
                pause().await;
                log.add(number.to_string());
            })
            .detach();
        }
        yield_now().await;
        for number in [3, 1, 4, 1, 0, 3, 2] {
            wakers.borrow()[number].wake_by_ref();
        }
        yield_now().await;
    });
    assert_eq!(log.take(), ["3", "1", "4", "0", "2"]);
}

#[test]
fn what_a_batch_wakes_runs_in_the_next_turn() {
    let log = Log::default();
    executor().block_on(async {
        let waker = Rc::new(RefCell::new(None::<Waker>));
        let (store, note) = (waker.clone(), log.clone());
        spawn(async move {
            *store.borrow_mut() = Some(own_waker().await);
            pause().await;
            note.add("woken");
        })
        .detach();
        yield_now().await;
        let (first, second) = (log.clone(), log.clone());
        spawn(async move {
            waker.borrow().as_ref().unwrap().wake_by_ref();
            first.add("waker");
        })
        .detach();
        spawn(async move { second.add("ready before it") }).detach();
        yield_now().await;
        log.add("main, ready before it, too");
        yield_now().await;
    });
    assert_eq!(log.take(), ["waker", "ready before it", "main, ready before it, too", "woken"]);
}

/// A pseudo-random number below `limit`.
fn random(state: &Cell<u64>, limit: usize) -> usize {
    let mut bits = state.get();
    bits ^= bits << 13;
    bits ^= bits >> 7;
    bits ^= bits << 17;
    state.set(bits);
    (bits >> 11) as usize % limit
}

/// A graph of tasks, each of which wakes some others, itself perhaps among them, by a seeded choice. A model beside
/// it, a plain queue, says who must be polled next.
#[test]
fn every_woken_task_is_polled_once_before_any_is_polled_twice() {
    for seed in 1..=scaled(30, 1) as u64 {
        let tasks = 5 + seed as usize * 3 % 60;
        let random_state = Rc::new(Cell::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        let expected: Rc<RefCell<std::collections::VecDeque<usize>>> = Rc::default();
        let wakers: Rc<RefCell<Vec<Option<Waker>>>> = Rc::new(RefCell::new(vec![None; tasks]));
        let polls = Rc::new(Cell::new(0));
        executor().block_on(async {
            for number in 0..tasks {
                let (state, expected, wakers, polls) =
                    (random_state.clone(), expected.clone(), wakers.clone(), polls.clone());
                expected.borrow_mut().push_back(number);
                spawn(poll_fn(move |context| -> Poll<()> {
                    assert_eq!(expected.borrow_mut().pop_front(), Some(number), "polled out of turn");
                    polls.set(polls.get() + 1);
                    wakers.borrow_mut()[number].get_or_insert_with(|| context.waker().clone());
                    for _ in 0..random(&state, 4) {
                        let target = random(&state, tasks);
                        if let Some(waker) = &wakers.borrow()[target] {
                            if !expected.borrow().contains(&target) {
                                expected.borrow_mut().push_back(target);
                            }
                            waker.wake_by_ref();
                        }
                    }
                    Poll::Pending
                }))
                .on_done(|outcome| assert!(outcome.as_ref().unwrap_err().is_cancelled()));
            }
            for _ in 0..scaled(2_000, 20) {
                yield_now().await;
                // The graph may die out; then some task is woken from here.
                if expected.borrow().is_empty() {
                    let target = random(&random_state, tasks);
                    expected.borrow_mut().push_back(target);
                    let waker = wakers.borrow()[target].clone();
                    waker.unwrap().wake();
                }
            }
        });
        assert!(polls.get() >= scaled(1_000, 10), "seed {seed}: {} polls", polls.get());
    }
}

#[test]
fn the_budget_makes_a_task_that_is_always_ready_give_way() {
    for budget in [1, 5, 128, 255] {
        let log = Rc::new(RefCell::new(Vec::new()));
        Executor::builder().budget(budget).build().block_on(async {
            for name in ["one", "two"] {
                let log = log.clone();
                spawn(async move {
                    let mut before = 0;
                    for operations in 0..3 * u32::from(budget) {
                        poll_fn(|context| {
                            let ready = current::poll_budget(context);
                            if ready.is_pending() {
                                log.borrow_mut().push((name, operations - before));
                                before = operations;
                            }
                            ready
                        })
                        .await;
                    }
                })
                .detach();
            }
            for _ in 0..10 {
                yield_now().await;
            }
        });
        let budget = u32::from(budget);
        assert_eq!(*log.borrow(), [("one", budget), ("two", budget), ("one", budget), ("two", budget)]);
    }
}

#[test]
fn the_root_has_a_budget_too_and_each_poll_a_new_one() {
    Executor::builder().budget(3).build().block_on(async {
        for _ in 0..5 {
            let mut taken = 0;
            poll_fn(|context| {
                while current::poll_budget(context).is_ready() {
                    taken += 1;
                }
                Poll::Ready(())
            })
            .await;
            assert_eq!(taken, 3);
            yield_now().await;
        }
    });
}

#[test]
fn outside_a_runtime_the_budget_has_no_end() {
    let mut context = std::task::Context::from_waker(Waker::noop());
    for _ in 0..1_000 {
        assert!(current::poll_budget(&mut context).is_ready());
    }
}

/// A task that wakes itself for ever, and counts.
fn hog() -> Rc<Cell<usize>> {
    let polls = Rc::new(Cell::new(0));
    let count = polls.clone();
    spawn(poll_fn(move |context| -> Poll<()> {
        count.set(count.get() + 1);
        context.waker().wake_by_ref();
        Poll::Pending
    }))
    .detach();
    polls
}

#[test]
fn a_self_waking_task_does_not_starve_a_timer_of_the_real_clock() {
    executor().block_on(async {
        let hog = hog();
        let start = Instant::now();
        time::sleep(Duration::from_millis(5)).await;
        assert!(start.elapsed() >= Duration::from_millis(5));
        assert!(hog.get() > 1, "both ran");
    });
}

#[test]
fn a_self_waking_task_does_not_starve_a_timer_of_a_paused_clock() {
    Executor::builder().clock(Clock::paused()).build().block_on(async {
        let hog = hog();
        let timer = spawn(time::sleep(Duration::from_secs(5)));
        yield_now().await;
        time::advance(Duration::from_secs(5)).await;
        let polls = hog.get();
        timer.await.unwrap();
        assert!(hog.get() - polls <= 2 * MAX_POLLS, "due, and fired {} polls later", hog.get() - polls);
    });
}

#[test]
fn a_timer_that_is_due_fires_within_as_many_polls_as_the_loop_promises() {
    Executor::builder().clock(Clock::paused()).build().block_on(async {
        let hog = hog();
        time::sleep_until(Instant::now()).await;
        let before = hog.get();
        time::sleep(Duration::ZERO).await; // due at the next look at the clock
        assert!(hog.get() - before <= MAX_POLLS, "{} polls", hog.get() - before);
    });
}

#[test]
fn a_busy_loop_asks_a_park_that_has_waiters_at_least_every_61_polls() {
    let park = FakePark::new();
    park.waiters.set(1);
    let executor = Executor::builder().park(park.clone()).build();
    executor.block_on(async {
        let hog = hog();
        let (seen, longest) = (Cell::new(0), Rc::new(Cell::new(0)));
        let (polls, most) = (hog.clone(), longest.clone());
        park.on_park(move |timeout| {
            assert_eq!(timeout, Some(Duration::ZERO), "a question, not a sleep");
            most.set(most.get().max(polls.get() - seen.replace(polls.get())));
        });
        while hog.get() < scaled(50_000, 300) {
            yield_now().await;
        }
        assert!(longest.get() <= MAX_POLLS, "{} polls without a question", longest.get());
        assert!(longest.get() > 1, "and not after each");
    });
    assert!(park.take_calls().len() >= 2 * scaled(50_000, 300) / MAX_POLLS);
}

#[test]
fn what_the_answer_of_the_outside_wakes_runs_beside_the_busy_task() {
    let park = FakePark::new();
    park.waiters.set(1);
    let executor = Executor::builder().park(park.clone()).build();
    executor.block_on(async {
        let hog = hog();
        let (echoes, answers) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let target: Rc<RefCell<Option<Waker>>> = Rc::default();
        let (count, store) = (echoes.clone(), target.clone());
        spawn(poll_fn(move |context| -> Poll<()> {
            store.borrow_mut().get_or_insert_with(|| context.waker().clone());
            count.set(count.get() + 1);
            Poll::Pending
        }))
        .detach();
        let answered = answers.clone();
        park.on_park(move |_| {
            if let Some(waker) = target.borrow().as_ref() {
                answered.set(answered.get() + 1);
                waker.wake_by_ref();
            }
        });
        while hog.get() < scaled(10_000, 700) {
            yield_now().await;
        }
        assert!(answers.get() > scaled(100, 5));
        assert!(echoes.get() + 2 >= answers.get(), "{} echoes to {} answers", echoes.get(), answers.get());
    });
}

/// Long polls: the time counts, not the polls.
#[test]
#[cfg_attr(miri, ignore = "the time that Miri takes means nothing")]
fn a_loop_of_long_polls_asks_after_a_millisecond_at_the_next_stride() {
    let park = FakePark::new();
    park.waiters.set(1);
    let executor = Executor::builder().park(park.clone()).build();
    executor.block_on(async {
        let polls = Rc::new(Cell::new(0));
        let count = polls.clone();
        let (seen, longest) = (Cell::new(0), Rc::new(Cell::new(0)));
        let (now, most) = (polls.clone(), longest.clone());
        park.on_park(move |_| most.set(most.get().max(now.get() - seen.replace(now.get()))));
        // Each poll takes a tenth of a millisecond at least.
        poll_fn(|context| {
            let start = Instant::now();
            while start.elapsed() < Duration::from_micros(100) {
                std::hint::spin_loop();
            }
            count.set(count.get() + 1);
            context.waker().wake_by_ref();
            if count.get() < 300 { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
        assert!((1..=30).contains(&longest.get()), "{} long polls without a question", longest.get());
    });
}

#[test]
fn with_nobody_to_ask_a_busy_loop_never_asks() {
    let park = FakePark::new();
    let executor = Executor::builder().park(park.clone()).build();
    executor.block_on(async {
        let hog = hog();
        for _ in 0..scaled(100_000, 1_000) {
            yield_now().await;
        }
        assert!(hog.get() >= scaled(100_000, 1_000));
    });
    assert_eq!(park.take_calls(), []);
}

#[test]
fn with_nobody_to_ask_spawning_and_joining_never_asks() {
    let park = FakePark::new();
    let executor = Executor::builder().park(park.clone()).build();
    executor.block_on(async {
        for _ in 0..scaled(10_000, 200) {
            spawn(async { yield_now().await }).await.unwrap();
        }
    });
    assert_eq!(park.take_calls(), []);
    assert_eq!(park.unparks.wakes.load(Ordering::Relaxed), 0, "and never rings its own bell");
}

#[test]
fn a_busy_loop_with_a_timer_but_no_waiters_never_asks() {
    let park = FakePark::new();
    let executor = Executor::builder().park(park.clone()).build();
    executor.block_on(async {
        let far = spawn(time::sleep(Duration::from_secs(3600)));
        for _ in 0..scaled(10_000, 500) {
            yield_now().await;
        }
        far.cancel();
    });
    assert_eq!(park.take_calls(), []);
}

#[test]
fn mail_reaches_a_busy_loop_within_as_many_polls_as_it_promises() {
    executor().block_on(async {
        let hog = hog();
        yield_now().await;
        let id = RuntimeId::current().unwrap();
        let arrived = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let set = arrived.clone();
        elsewhere(move || id.post(move || set.store(true, Ordering::Relaxed)).unwrap());
        let before = hog.get();
        while !arrived.load(Ordering::Relaxed) {
            yield_now().await;
        }
        assert!(hog.get() - before <= MAX_POLLS);
    });
}

/// One batch of very many tasks: the mail must not wait for its end.
#[test]
fn mail_is_read_in_the_middle_of_a_long_batch() {
    let tasks = scaled(10_000, 150);
    executor().block_on(async {
        let id = RuntimeId::current().unwrap();
        let (ran, at) =
            (Rc::new(Cell::new(0)), std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(usize::MAX)));
        for _ in 0..tasks {
            let (ran, at) = (ran.clone(), at.clone());
            spawn(async move {
                ran.set(ran.get() + 1);
                if ran.get() == 10 {
                    let count = ran.get();
                    elsewhere(move || id.post(move || at.store(count, Ordering::Relaxed)).unwrap());
                } else if at.load(Ordering::Relaxed) == 10 {
                    at.store(ran.get(), Ordering::Relaxed);
                }
            })
            .detach();
        }
        yield_now().await;
        let at = at.load(Ordering::Relaxed);
        assert!(at <= 10 + MAX_POLLS, "read after {at} of {tasks}");
    });
}

#[test]
fn an_idle_loop_sleeps_once_without_end_until_it_is_woken() {
    let park = FakePark::new();
    let executor = Executor::builder().park(park.clone()).build();
    executor.block_on(async {
        let waker = own_waker().await;
        park.on_park(move |_| waker.wake_by_ref());
        pause().await;
    });
    assert_eq!(park.take_calls(), [None]);
}

#[test]
fn an_idle_loop_sleeps_once_until_the_earliest_deadline() {
    let park = FakePark::new();
    let executor = Executor::builder().park(park.clone()).build();
    executor.block_on(async {
        let timers = [5, 3, 4].map(|hours| spawn(time::sleep(Duration::from_secs(3600 * hours))));
        let waker = own_waker().await;
        park.on_park(move |_| waker.wake_by_ref());
        pause().await;
        for timer in timers {
            timer.cancel();
        }
    });
    let calls = park.take_calls();
    let [Some(limit)] = calls[..] else { panic!("slept {calls:?}") };
    assert!(limit <= Duration::from_secs(3 * 3600));
    assert!(limit > Duration::from_secs(3 * 3600 - 600), "the time it took to get here is not ten minutes");
}

#[test]
fn an_idle_loop_whose_park_returns_early_sleeps_again() {
    let park = FakePark::new();
    let executor = Executor::builder().park(park.clone()).build();
    executor.block_on(async {
        let waker = own_waker().await;
        let sleeps = Cell::new(0);
        park.on_park(move |_| {
            sleeps.set(sleeps.get() + 1);
            if sleeps.get() == 5 {
                waker.wake_by_ref();
            }
        });
        pause().await;
    });
    assert_eq!(park.take_calls(), [None; 5]);
}

#[test]
fn mail_that_comes_before_the_sleep_prevents_it() {
    let park = FakePark::new();
    let executor = Executor::builder().park(park.clone()).build();
    executor.block_on(async {
        let waker = own_waker().await;
        let mut woken = false;
        poll_fn(|_| {
            if std::mem::replace(&mut woken, true) {
                return Poll::Ready(());
            }
            elsewhere(|| waker.wake_by_ref());
            Poll::Pending
        })
        .await;
    });
    assert_eq!(park.take_calls(), []);
    assert_eq!(park.unparks.wakes.load(Ordering::Relaxed), 0, "the loop was awake");
}

#[test]
fn a_park_that_fails_ends_the_run_with_a_sentence() {
    struct Broken;
    impl runtime_executor::Park for Broken {
        fn park(&self, _: Option<Duration>) -> std::io::Result<()> {
            Err(std::io::Error::other("descriptor closed behind our back"))
        }
        fn unparker(&self) -> Waker {
            Waker::noop().clone()
        }
        fn waiters(&self) -> usize {
            1
        }
    }
    let drops = common::Drops::default();
    let executor = Executor::builder().park(Rc::new(Broken)).build();
    let run = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let guard = drops.value();
        executor.block_on(async {
            spawn(async move {
                let _guard = guard;
                std::future::pending::<()>().await;
            })
            .await
            .unwrap();
        });
    }));
    let message = run.unwrap_err().downcast::<String>().unwrap();
    assert!(message.contains("descriptor closed behind our back"), "{message}");
    drop(executor);
    drops.assert_here(1);
}

#[test]
fn virtual_time_waits_for_the_answers_of_the_outside() {
    let park = FakePark::new();
    park.waiters.set(1);
    let executor = Executor::builder().park(park.clone()).clock(Clock::paused()).build();
    executor.block_on(async {
        let waker = own_waker().await;
        let start = Instant::now();
        let timer = spawn(time::sleep(Duration::from_secs(5)));
        let (answers, inner) = (Cell::new(0), park.clone());
        park.on_park(move |timeout| {
            answers.set(answers.get() + 1);
            // Asked first, then slept on: the fourth time there is an answer, and no waiter any more.
            assert_eq!(timeout, if answers.get() % 2 == 1 { Some(Duration::ZERO) } else { None });
            if answers.get() == 4 {
                inner.waiters.set(0);
                waker.wake_by_ref();
            }
        });
        pause().await;
        assert_eq!(start.elapsed(), Duration::ZERO, "no time passed while the outside could act");
        *park.event.borrow_mut() = None;
        timer.await.unwrap();
        assert_eq!(start.elapsed(), Duration::from_secs(5));
    });
}

#[test]
fn a_task_storm_is_served_in_order() {
    // Each task spawns two until there are enough: breadth first.
    let order = Rc::new(RefCell::new(Vec::new()));
    fn grow(order: Rc<RefCell<Vec<usize>>>, number: usize, limit: usize) {
        spawn(async move {
            order.borrow_mut().push(number);
            for child in [2 * number, 2 * number + 1] {
                if child < limit {
                    grow(order.clone(), child, limit);
                }
            }
        })
        .detach();
    }
    let limit = scaled(10_000, 200);
    executor().block_on(async {
        grow(order.clone(), 1, limit);
        while order.borrow().len() < limit - 1 {
            yield_now().await;
        }
    });
    assert_eq!(*order.borrow(), (1..limit).collect::<Vec<_>>());
}
