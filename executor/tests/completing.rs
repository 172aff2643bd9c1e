//! `task::as_completed`, `task::wait` and `task::shield`: waiting for tasks in other ways than for all or for one.
#![cfg(not(loom))]

mod common;

use common::{Log, executor, poll_once, scaled};
use futures_core::Stream;
use runtime_executor::{
    Executor, JoinHandle, spawn,
    task::{self, Until, as_completed, shield, wait, yield_now},
    time::{Clock, Duration, Instant, sleep, timeout},
};
use runtime_sync::Lock;
use std::{
    cell::{Cell, RefCell},
    future::{Ready, pending, poll_fn, ready},
    pin::Pin,
    rc::Rc,
    task::{Poll, Waker},
};

const SECOND: Duration = Duration::from_secs(1);

fn in_virtual_time<T>(future: impl Future<Output = T>) -> T {
    Executor::builder().clock(Clock::paused()).build().block_on(future)
}

/// Tasks that sleep so many seconds and give them.
fn sleepers<const N: usize>(seconds: [u32; N]) -> [JoinHandle<u32>; N] {
    seconds.map(|n| {
        spawn(async move {
            sleep(n * SECOND).await;
            n
        })
    })
}

async fn outputs(handles: Vec<JoinHandle<u32>>) -> Vec<u32> {
    let mut outputs = Vec::new();
    for mut handle in handles {
        let Poll::Ready(output) = poll_once(&mut handle).await else { panic!("it is done, so it is ready") };
        outputs.push(output.unwrap());
    }
    outputs
}

#[test]
fn outputs_come_when_they_are_there_with_the_numbers_of_their_futures() {
    in_virtual_time(async {
        let start = Instant::now();
        let mut finished = as_completed(sleepers([3, 1, 4, 2]));
        let mut log = Vec::new();
        while let Some((index, outcome)) = finished.next().await {
            log.push((start.elapsed().as_secs(), index, outcome.unwrap()));
        }
        assert_eq!(log, [(1, 1, 1), (2, 3, 2), (3, 0, 3), (4, 2, 4)]);
        assert!(finished.next().await.is_none(), "again and again");
        assert_eq!(as_completed(Vec::<Ready<()>>::new()).next().await, None);
    });
}

/// Those that end in one turn come in the order of ending, though nobody looked in between.
#[test]
fn while_nobody_looks_the_order_of_ending_is_kept() {
    in_virtual_time(async {
        let mut finished = as_completed(sleepers([5, 3, 1, 2, 4]));
        assert_eq!(finished.next().await.unwrap().0, 2);
        sleep(10 * SECOND).await;
        let mut order = Vec::new();
        while let Some((index, _)) = finished.next().await {
            order.push(index);
        }
        assert_eq!(order, [3, 1, 4, 0]);
    });
}

#[test]
fn those_ready_at_first_come_in_the_order_of_the_input() {
    executor().block_on(async {
        let mut finished = as_completed((0..100).map(ready));
        for number in 0..100 {
            assert_eq!(finished.remaining(), 100 - number);
            assert_eq!(finished.next().await, Some((number, number)));
        }
    });
}

#[test]
fn it_is_a_stream_of_known_length_too() {
    executor().block_on(async {
        let mut finished = as_completed([ready('a'), ready('b')]);
        assert_eq!(finished.size_hint(), (2, Some(2)));
        let mut collected = Vec::new();
        while let Some(item) = poll_fn(|context| Pin::new(&mut finished).poll_next(context)).await {
            collected.push(item);
        }
        assert_eq!(collected, [(0, 'a'), (1, 'b')]);
        assert_eq!(finished.size_hint(), (0, Some(0)));
    });
}

#[test]
fn a_future_is_dropped_when_it_is_done_and_not_later() {
    let log = Log::default();
    executor().block_on(async {
        let child = async |name: &'static str, turns: usize| {
            let _guard = log.on_drop(name);
            for _ in 0..turns {
                yield_now().await;
            }
        };
        let mut finished = as_completed([child("late", 3), child("soon", 1), child("never looked at", 5)]);
        assert_eq!(finished.next().await.unwrap().0, 1);
        assert_eq!(log.take(), ["soon"]);
        assert_eq!(finished.next().await.unwrap().0, 0);
        assert_eq!(log.take(), ["late"]);
        drop(finished);
        assert_eq!(log.take(), ["never looked at"]);
    });
}

#[test]
fn ten_thousand_are_polled_only_when_they_wake() {
    let size = scaled(10_000, 71);
    executor().block_on(async {
        let polls = Rc::new(Cell::new(0));
        let wakers: Rc<RefCell<Vec<Option<Waker>>>> = Rc::new(RefCell::new(vec![None; size]));
        let child = |number: usize| {
            let (polls, wakers) = (polls.clone(), wakers.clone());
            poll_fn(move |context| {
                polls.set(polls.get() + 1);
                match &mut wakers.borrow_mut()[number] {
                    Some(_) => Poll::Ready(number),
                    first => {
                        *first = Some(context.waker().clone());
                        Poll::Pending
                    }
                }
            })
        };
        let order = spawn({
            let mut finished = as_completed((0..size).map(child).collect::<Vec<_>>());
            async move {
                let mut order = Vec::new();
                while let Some((index, _)) = finished.next().await {
                    order.push(index);
                }
                order
            }
        });
        while polls.get() < size {
            yield_now().await;
        }
        let woken: Vec<usize> = (0..size).map(|number| number * 7 % size).collect();
        for (nth, number) in woken.iter().enumerate() {
            let waker = wakers.borrow()[*number].clone().unwrap();
            waker.wake();
            if nth % 100 == 0 {
                yield_now().await;
            }
        }
        assert_eq!(order.await.unwrap(), woken, "in the order of waking");
        assert_eq!(polls.get(), 2 * size);
    });
}

#[test]
fn a_consumer_of_ready_futures_gives_way_in_the_end() {
    executor().block_on(async {
        let other = spawn(async {});
        let mut finished = as_completed((0..1_000).map(ready));
        let mut taken = 0;
        while !other.is_finished() {
            finished.next().await.expect("the other has its turn before all are taken");
            taken += 1;
        }
        assert!(taken > 10, "{taken}");
    });
}

#[test]
fn a_future_that_panics_has_its_panic_go_on_and_the_rest_stay_good() {
    executor().block_on(async {
        let outcome = spawn(async {
            let child = async |number: usize| {
                assert_ne!(number, 1, "child 1 panics");
                number
            };
            let mut finished = as_completed((0..3).map(child));
            assert_eq!(finished.next().await, Some((0, 0)));
            finished.next().await
        });
        assert!(outcome.await.unwrap_err().to_string().contains("child 1 panics"));
    });
}

#[test]
fn until_the_first_has_ended() {
    in_virtual_time(async {
        let start = Instant::now();
        let (done, pending) = wait(sleepers([3, 1, 2]), Until::First).await;
        assert_eq!((start.elapsed(), done.len(), pending.len()), (SECOND, 1, 2));
        assert_eq!(outputs(done).await, [1]);
        let (done, pending) = wait(pending, Until::First).await;
        assert_eq!(outputs(done).await, [2]);
        let (done, pending) = wait(pending, Until::First).await;
        assert_eq!((start.elapsed(), pending.len()), (3 * SECOND, 0));
        assert_eq!(outputs(done).await, [3]);
    });
}

/// All that have ended by then are given, not only the one that ended the waiting.
#[test]
fn those_that_end_in_the_same_turn_are_done_as_well() {
    in_virtual_time(async {
        let (done, pending) = wait(sleepers([2, 1, 3, 1, 1]), Until::First).await;
        assert_eq!(outputs(done).await, [1, 1, 1]);
        assert_eq!(pending.len(), 2);
        let (done, pending) = wait(pending, Until::Count(0)).await;
        assert_eq!((done.len(), pending.len()), (0, 2), "nobody is waited for");
        sleep(10 * SECOND).await;
        let (done, pending) = wait(pending, Until::Count(0)).await;
        assert_eq!(pending.len(), 0);
        assert_eq!(outputs(done).await, [2, 3], "in the order of the input");
    });
}

#[test]
fn until_so_many_have_ended() {
    in_virtual_time(async {
        let start = Instant::now();
        let (done, pending) = wait(sleepers([5, 4, 3, 2, 1]), Until::Count(3)).await;
        assert_eq!((start.elapsed(), pending.len()), (3 * SECOND, 2));
        assert_eq!(outputs(done).await, [3, 2, 1]);
        let (done, pending) = wait(pending, Until::Count(30)).await;
        assert_eq!(
            (start.elapsed(), done.len(), pending.len()),
            (5 * SECOND, 2, 0),
            "no more than there are"
        );
    });
}

#[test]
fn until_one_fails_or_all_have_ended() {
    in_virtual_time(async {
        let start = Instant::now();
        let tasks = [1, 2, 3, 4].map(|n: u32| {
            spawn(async move {
                sleep(n * SECOND).await;
                assert_ne!(n, 2, "on purpose");
                if n == 1 { Err("a value like any other") } else { Ok(n) }
            })
        });
        let (done, pending) = wait(tasks, Until::FirstError).await;
        assert_eq!((start.elapsed(), done.len(), pending.len()), (2 * SECOND, 2, 2));
        let mut outcomes = Vec::new();
        for handle in done {
            outcomes.push(handle.await);
        }
        assert!(outcomes[0].as_ref().unwrap().is_err() && outcomes[1].as_ref().unwrap_err().is_panic());
        pending[1].cancel();
        let (done, pending) = wait(pending, Until::FirstError).await;
        assert_eq!((start.elapsed(), done.len(), pending.len()), (2 * SECOND, 1, 1), "cancelling is failing");
        drop(done);
        let (done, pending) = wait(pending, Until::FirstError).await;
        assert_eq!((start.elapsed(), done.len(), pending.len()), (3 * SECOND, 1, 0));
    });
}

#[test]
fn until_all_have_ended_or_there_are_none() {
    in_virtual_time(async {
        let start = Instant::now();
        let (done, pending) = wait(sleepers([3, 1, 2]), Until::All).await;
        assert_eq!((start.elapsed(), pending.len()), (3 * SECOND, 0));
        assert_eq!(outputs(done).await, [3, 1, 2]);
        for until in [Until::First, Until::FirstError, Until::All, Until::Count(3)] {
            let (done, pending) = wait(Vec::<JoinHandle<()>>::new(), until).await;
            assert_eq!((done.len(), pending.len()), (0, 0), "{until:?}");
        }
    });
}

#[test]
fn handles_that_are_borrowed_survive_the_end_of_the_waiting() {
    in_virtual_time(async {
        let mut tasks = sleepers([1, 2, 3]);
        assert!(timeout(2 * SECOND + SECOND / 2, wait(&mut tasks, Until::All)).await.is_err());
        assert_eq!(tasks.each_ref().map(JoinHandle::is_finished), [true, true, false]);
        let (done, pending) = wait(tasks.iter_mut(), Until::First).await;
        assert_eq!((done.len(), pending.len()), (2, 1));
        for handle in pending {
            handle.cancel();
        }
        let [one, two, three] = tasks;
        assert_eq!((one.await.unwrap(), two.await.unwrap()), (1, 2));
        assert!(three.await.unwrap_err().is_cancelled());
    });
}

#[test]
fn handles_that_were_given_away_are_detached_by_the_end_of_the_waiting() {
    let log = Log::default();
    in_virtual_time(async {
        let task = spawn({
            let log = log.clone();
            async move {
                sleep(2 * SECOND).await;
                log.add("ended");
            }
        });
        assert!(timeout(SECOND, wait([task], Until::All)).await.is_err());
        sleep(5 * SECOND).await;
    });
    assert_eq!(log.take(), ["ended"]);
}

/// A handle that was borrowed does not go on pointing to who waited: with such a pointer left, the next who lives in that
/// slot would seem to be waited for, and a hopeless wait of his would not be found.
#[test]
fn those_still_running_forget_who_waited() {
    for is_dropped in [false, true] {
        in_virtual_time(async {
            let mut tasks = sleepers([1, 100, 200, 300]);
            if is_dropped {
                assert!(timeout(SECOND / 2, wait(&mut tasks, Until::First)).await.is_err());
            } else {
                assert_eq!(wait(&mut tasks, Until::First).await.0.len(), 1);
            }
            let hopeless = (0..4).map(|_| {
                spawn(async {
                    let lock = Lock::new(());
                    let _guard = lock.acquire().await;
                    drop(lock.acquire().await);
                })
            });
            for task in hopeless.collect::<Vec<_>>() {
                let found = timeout(SECOND, task).await.expect("found at once");
                assert!(found.unwrap_err().is_panic());
            }
        });
    }
}

#[test]
fn waiting_for_ten_thousand_tasks_polls_its_own_task_once_for_each_turn() {
    let size = scaled(10_000, 71);
    in_virtual_time(async {
        let tasks = (0..size).map(|number| {
            spawn(async move {
                sleep(number as u32 % 3 * SECOND).await;
            })
        });
        let (done, pending) = wait(tasks.collect::<Vec<_>>(), Until::All).await;
        assert_eq!((done.len(), pending.len(), task::count()), (size, 0, 0));
    });
}

#[test]
fn polled_after_it_was_done_it_panics() {
    executor().block_on(async {
        let mut waiting = wait(Vec::<JoinHandle<()>>::new(), Until::All);
        assert!(poll_once(&mut waiting).await.is_ready());
        let again = spawn(async move { poll_once(&mut waiting).await.is_ready() });
        assert!(again.await.unwrap_err().to_string().contains("after it was done"));
    });
}

#[test]
fn what_is_shielded_runs_to_its_end_wherever_the_waiting_is_cancelled() {
    for cancelled_after in [0, 1, 2, 3, 5] {
        let log = Log::default();
        in_virtual_time(async {
            let commit = {
                let log = log.clone();
                async move {
                    log.add("begins");
                    sleep(2 * SECOND).await;
                    log.add("ends");
                }
            };
            let waiting = spawn({
                let log = log.clone();
                let shielded = shield(commit);
                async move {
                    shielded.await;
                    log.add("after it");
                }
            });
            sleep(cancelled_after * SECOND / 2).await;
            let was_running = waiting.cancel();
            sleep(10 * SECOND).await;
            assert_eq!(was_running, cancelled_after < 4);
        });
        let all = ["begins", "ends", "after it"];
        let expected = if cancelled_after < 4 { &all[..2] } else { &all[..] };
        assert_eq!(log.take(), expected, "cancelled after {cancelled_after} half seconds");
    }
}

#[test]
fn a_shield_that_nobody_polls_runs_too_and_one_can_be_awaited_again() {
    in_virtual_time(async {
        let done = Rc::new(Cell::new(false));
        let sets = done.clone();
        drop(shield(async move { sets.set(true) }));
        sleep(SECOND).await;
        assert!(done.get());

        let mut answer = shield(async {
            sleep(3 * SECOND).await;
            42
        });
        assert!(timeout(SECOND, &mut answer).await.is_err());
        assert_eq!(timeout(3 * SECOND, answer).await, Ok(42));
    });
}

#[test]
fn a_panic_behind_a_shield_reaches_whoever_waits() {
    executor().block_on(async {
        let outcome = spawn(async { shield(async { panic!("behind the shield") }).await });
        assert!(outcome.await.unwrap_err().to_string().contains("behind the shield"));
    });
}

#[test]
fn a_shield_does_not_outlive_its_runtime() {
    let log = Log::default();
    in_virtual_time(async {
        let guard = log.on_drop("dropped");
        drop(shield(async move {
            let _guard = guard;
            pending::<()>().await;
        }));
        yield_now().await;
        log.add("main returns");
    });
    assert_eq!(log.take(), ["main returns", "dropped"]);
}
