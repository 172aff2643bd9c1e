//! `try_join_all`, `try_join!` and `race`: many futures in one task, of which one may end the waiting for the others.
#![cfg(not(loom))]

mod common;

use common::{Drops, Guarded, Log, elsewhere, executor, own_waker, pause, poll_once, scaled};
use runtime_executor::{
    Executor, race, spawn,
    task::yield_now,
    time::{Clock, Instant, sleep},
    try_join, try_join_all,
};
use std::{
    cell::{Cell, RefCell},
    future::{Ready, pending, poll_fn, ready},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    rc::Rc,
    task::{Poll, Waker},
    time::Duration,
};

type Child<T> = Pin<Box<dyn Future<Output = T>>>;

const SECOND: Duration = Duration::from_secs(1);

fn in_virtual_time<T>(future: impl Future<Output = T>) -> T {
    Executor::builder().clock(Clock::paused()).build().block_on(future)
}

/// `story` in a task: what it panics with.
async fn panic_of<T: 'static>(story: impl Future<Output = T> + 'static) -> String {
    spawn(story).await.map(drop).expect_err("it should panic").to_string()
}

/// Children that count their polls, keep their wakers, and end when somebody says with what.
struct Crowd<T> {
    polls: Cell<usize>,
    members: RefCell<Vec<(Option<Waker>, Option<T>)>>,
}

impl<T: 'static> Crowd<T> {
    fn of(size: usize) -> Rc<Self> {
        let members = (0..size).map(|_| (None, None)).collect();
        Rc::new(Self { polls: Cell::new(0), members: RefCell::new(members) })
    }

    fn children(self: &Rc<Self>) -> Vec<Child<T>> {
        let child = |number: usize| -> Child<T> {
            let crowd = self.clone();
            Box::pin(poll_fn(move |context| {
                crowd.polls.set(crowd.polls.get() + 1);
                let (waker, output) = &mut crowd.members.borrow_mut()[number];
                waker.get_or_insert_with(|| context.waker().clone());
                output.take().map_or(Poll::Pending, Poll::Ready)
            }))
        };
        (0..self.members.borrow().len()).map(child).collect()
    }

    fn end(&self, number: usize, output: T) {
        let waker = {
            let (waker, place) = &mut self.members.borrow_mut()[number];
            *place = Some(output);
            waker.clone()
        };
        waker.expect("polled before").wake();
    }
}

/// Lets every task run as far as it can.
async fn settle() {
    for _ in 0..scaled(400, 12) {
        yield_now().await;
    }
}

#[test]
fn all_succeed_and_the_values_come_in_the_order_of_the_input() {
    in_virtual_time(async {
        let start = Instant::now();
        let sleeps = [3, 1, 2].map(async |n: u32| {
            sleep(n * SECOND).await;
            Ok::<_, ()>(n)
        });
        assert_eq!(try_join_all(sleeps).await, Ok(vec![3, 1, 2]));
        assert_eq!(start.elapsed(), 3 * SECOND);
        assert_eq!(try_join_all(Vec::<Ready<Result<(), ()>>>::new()).await, Ok(vec![]));
    });
}

#[test]
fn the_first_error_drops_the_siblings_before_it_is_given() {
    let log = Log::default();
    in_virtual_time(async {
        let child = async |name: &str, seconds: u32, outcome: Result<u32, &'static str>| {
            let _guard = log.on_drop(&format!("{name} dropped"));
            sleep(seconds * SECOND).await;
            outcome
        };
        let start = Instant::now();
        let children = [
            child("slow", 60, Ok(0)),
            child("quick", 1, Ok(1)),
            child("failing", 2, Err("no")),
            child("last", 3, Err("late")),
        ];
        let mut joined = try_join_all(children);
        assert_eq!((&mut joined).await, Err("no"));
        log.add(format!("error after {:?}", start.elapsed()));
    });
    assert_eq!(
        log.take(),
        ["quick dropped", "failing dropped", "slow dropped", "last dropped", "error after 2s"]
    );
}

#[test]
fn an_error_at_the_first_poll_leaves_those_behind_unpolled() {
    let polls = Cell::new(0);
    executor().block_on(async {
        let child = async |number: usize| {
            polls.set(polls.get() + 1);
            if number == 3 { Err(number) } else { pending().await }
        };
        assert_eq!(try_join_all((0..10).map(child)).await, Err::<Vec<()>, _>(3));
    });
    assert_eq!(polls.get(), 4);
}

#[test]
fn handles_of_the_siblings_are_detached_and_their_tasks_go_on() {
    let log = Log::default();
    in_virtual_time(async {
        let sibling = {
            let log = log.clone();
            spawn(async move {
                sleep(2 * SECOND).await;
                log.add("the sibling has ended");
            })
        };
        let failing = spawn(async { panic!("on purpose") });
        assert!(try_join_all([sibling, failing]).await.unwrap_err().is_panic());
        log.add("failed");
        sleep(5 * SECOND).await;
    });
    assert_eq!(log.take(), ["failed", "the sibling has ended"]);
}

#[test]
fn ten_thousand_children_are_each_polled_when_they_wake_and_not_otherwise() {
    let size = scaled(10_000, 71);
    executor().block_on(async {
        let crowd = Crowd::of(size);
        let group = spawn(try_join_all(crowd.children()));
        settle().await;
        for number in 0..size {
            crowd.end(number * 7 % size, Ok::<_, ()>(number));
            if number % 10 == 0 {
                yield_now().await;
            }
        }
        assert_eq!(group.await.unwrap().unwrap().len(), size);
        assert_eq!(crowd.polls.get(), 2 * size);

        let crowd = Crowd::of(size);
        let group = spawn(race(crowd.children()));
        settle().await;
        assert_eq!(crowd.polls.get(), size);
        crowd.end(size / 2, "won");
        crowd.end(size / 3, "second");
        assert_eq!(group.await.unwrap(), "won");
        assert_eq!(crowd.polls.get(), size + 1);
    });
}

#[test]
fn wakers_of_losers_fall_silent_and_their_slots_serve_others() {
    executor().block_on(async {
        let crowd = Crowd::of(5);
        let group = spawn(race(crowd.children()));
        settle().await;
        crowd.end(0, 1);
        assert_eq!(group.await.unwrap(), 1);
        let stale: Vec<_> = crowd.members.borrow().iter().filter_map(|(waker, _)| waker.clone()).collect();
        let successors = Crowd::<Result<(), ()>>::of(5);
        let group = spawn(try_join_all(successors.children()));
        settle().await;
        stale.iter().for_each(Waker::wake_by_ref);
        elsewhere(|| stale.iter().for_each(Waker::wake_by_ref));
        settle().await;
        assert!(successors.polls.get() <= 10, "a stale wake from elsewhere costs at most a poll");
        successors.end(3, Err(()));
        assert_eq!(group.await.unwrap(), Err(()));
        let slot = |waker: &Waker| waker.data().addr() & 0xff_ffff;
        for _ in 0..scaled(300, 30) {
            let _ = try_join_all([Box::pin(own_waker()) as Child<Waker>].map(async |waker| {
                waker.await;
                pause_once().await;
                Err::<(), ()>(())
            }))
            .await;
            race([yield_now(), yield_now()]).await;
        }
        let tasks: Vec<_> = (0..20).map(|_| spawn(own_waker())).collect();
        for task in tasks {
            assert!(slot(&task.await.unwrap()) < slot(&stale[0]) + 25, "slots leak");
        }
    });
}

async fn pause_once() {
    yield_now().await;
}

#[test]
fn a_panicking_child_takes_its_siblings_along_and_goes_on_to_the_caller() {
    let drops = Drops::default();
    executor().block_on(async {
        let children = || {
            let child = |number: usize| {
                Guarded::new(drops.value(), move |_| -> Poll<Result<(), ()>> {
                    assert_ne!(number, 1, "child 1 panics");
                    Poll::Pending
                })
            };
            (0..3).map(child).collect::<Vec<_>>()
        };
        assert!(panic_of(try_join_all(children())).await.contains("child 1 panics"));
        drops.assert_here(3);
        assert!(panic_of(race(children())).await.contains("child 1 panics"));
        drops.assert_here(6);
    });
}

/// The second of three losers panics in its destructor; the others are dropped all the same.
#[test]
fn a_loser_that_panics_when_dropped_does_not_save_the_others() {
    let log = Log::default();
    let story = {
        let log = log.clone();
        async move {
            let loser = async |number: usize, log: Log| {
                let _guard = log.on_drop(&format!("{number}"));
                let _bomb = (number == 1).then(|| common::bomb("in drop"));
                if number == 3 { "won" } else { pending().await }
            };
            race((0..5).map(|number| loser(number, log.clone()))).await
        }
    };
    executor().block_on(async { assert!(panic_of(story).await.contains("in drop")) });
    let mut said = log.take();
    said.sort();
    assert_eq!(said, ["0", "1", "2", "3"], "the last was never polled, so it held nothing");
}

#[test]
fn the_first_of_a_race_wins_and_the_losers_are_gone_before_it_is_told() {
    let log = Log::default();
    in_virtual_time(async {
        let runner = async |name: &'static str, seconds: u32| {
            let _guard = log.on_drop(name);
            sleep(seconds * SECOND).await;
            name
        };
        let start = Instant::now();
        let mut running = race([runner("hare", 5), runner("tortoise", 1), runner("snail", 9)]);
        let won = (&mut running).await;
        log.add(format!("{won} won after {:?}", start.elapsed()));
    });
    assert_eq!(log.take(), ["tortoise", "hare", "snail", "tortoise won after 1s"]);
}

#[test]
fn of_several_ready_at_once_the_first_of_the_input_wins() {
    executor().block_on(async {
        assert_eq!(race((3..9).map(ready)).await, 3);
        let runners = 200;
        let ready_late = |number: usize| {
            let mut polls = 0;
            poll_fn(move |context| {
                polls += 1;
                context.waker().wake_by_ref();
                if polls == 2 { Poll::Ready(number) } else { Poll::Pending }
            })
        };
        assert_eq!(race((0..runners).map(ready_late)).await, 0, "all woke at their first poll, in order");
    });
}

#[test]
fn a_race_of_nobody_is_refused_where_it_is_called() {
    let refused = catch_unwind(|| race(Vec::<Ready<()>>::new())).unwrap_err();
    let message = refused.downcast::<&str>().unwrap();
    assert!(message.contains("would never end"), "{message}");
}

#[test]
fn polled_after_they_were_done_they_panic_with_a_sentence() {
    executor().block_on(async {
        let mut joined = try_join_all([ready(Err::<(), _>(1))]);
        assert_eq!(poll_once(&mut joined).await, Poll::Ready(Err(1)));
        assert!(
            panic_of(async move { poll_once(&mut joined).await.is_ready() })
                .await
                .contains("after it was done")
        );
        let mut joined = try_join_all([ready(Ok::<_, ()>(1))]);
        assert_eq!(poll_once(&mut joined).await, Poll::Ready(Ok(vec![1])));
        assert!(
            panic_of(async move { poll_once(&mut joined).await.is_ready() })
                .await
                .contains("after it was done")
        );
        let mut won = race([ready(1)]);
        assert_eq!(poll_once(&mut won).await, Poll::Ready(1));
        assert!(
            panic_of(async move { poll_once(&mut won).await.is_ready() }).await.contains("after it was done")
        );
    });
}

#[test]
fn try_join_gives_the_tuple_or_the_first_error() {
    let log = Log::default();
    in_virtual_time(async {
        let child = async |name: &'static str, seconds: u32| {
            let _guard = log.on_drop(name);
            sleep(seconds * SECOND).await;
            if name == "failing" { Err(name) } else { Ok(seconds) }
        };
        let start = Instant::now();
        assert_eq!(try_join!(child("one", 1), async { Ok("text") }, child("two", 2)), Ok((1, "text", 2)));
        assert_eq!(start.elapsed(), 2 * SECOND);
        assert_eq!(log.take(), ["one", "two"]);

        let failed = try_join!(child("slow", 60), child("failing", 3), child("done", 1));
        log.add(format!("{failed:?} after {:?}", start.elapsed()));
    });
    assert_eq!(log.take(), ["done", "failing", "slow", "Err(\"failing\") after 5s"]);
}

#[test]
fn a_branch_of_try_join_that_panics_takes_the_others_along() {
    let drops = Drops::default();
    executor().block_on(async {
        let [one, two] = [drops.value(), drops.value()];
        let message = panic_of(async move {
            try_join!(
                async move {
                    let _one = one;
                    pending::<Result<(), ()>>().await
                },
                async move {
                    let _two = two;
                    yield_now().await;
                    if true { panic!("branch") } else { Ok(()) }
                }
            )
        });
        assert!(message.await.contains("branch"));
    });
    drops.assert_here(2);
}

#[test]
fn a_race_that_was_caught_panicking_goes_on_with_the_others() {
    executor().block_on(async {
        let children: Vec<Child<u32>> = vec![
            Box::pin(async { panic!("child") }),
            Box::pin(async {
                pause().await;
                7
            }),
        ];
        let mut won = pin!(race(children));
        let caught = poll_fn(|context| {
            Poll::Ready(catch_unwind(AssertUnwindSafe(|| won.as_mut().poll(context).is_pending())))
        });
        assert!(caught.await.is_err());
        assert!(poll_once(&mut won).await.is_pending(), "the second is polled for the first time");
    });
}
