//! `select!`: what it lets win, what becomes of the losers, and what handlers may do.
#![cfg(feature = "macros")]

#[path = "../../executor/tests/common/every_point.rs"]
#[allow(dead_code, reason = "these stories use a part of it")]
mod every_point;

use every_point::{Point, at_every_point};
use runtime::{
    Runtime, join_all, select, spawn,
    sync::{Event, Lock, Semaphore, channel, oneshot, unbounded},
    task::yield_now,
    time::{Duration, Instant, sleep},
};
use std::{
    cell::{Cell, RefCell},
    future::{pending, poll_fn, ready},
    num::ParseIntError,
    pin::pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

const SECOND: Duration = Duration::from_secs(1);

/// Writes its name into the log when dropped.
struct Told<'a>(&'a RefCell<Vec<&'static str>>, &'static str);

impl Drop for Told<'_> {
    fn drop(&mut self) {
        self.0.borrow_mut().push(self.1);
    }
}

#[runtime::test(start_paused = true)]
async fn the_first_wins_and_all_futures_are_gone_when_its_handler_runs() {
    let log = RefCell::new(Vec::new());
    let branch = async |name: &'static str, seconds: u32| {
        let _told = Told(&log, name);
        sleep(seconds * SECOND).await;
        name
    };
    let start = Instant::now();
    let won = select! {
        name = branch("hare", 3) => { log.borrow_mut().push("hare's handler"); name }
        name = branch("tortoise", 1) => {
            log.borrow_mut().push("tortoise's handler");
            name
        },
        name = branch("snail", 9) => name,
    };
    assert_eq!((won, start.elapsed()), ("tortoise", SECOND));
    let mut log = log.take();
    assert_eq!(log.pop(), Some("tortoise's handler"));
    log.sort_unstable();
    assert_eq!(log, ["hare", "snail", "tortoise"]);
}

/// What the futures borrowed is free again in the handlers.
#[runtime::test]
async fn handlers_may_use_what_the_futures_borrowed() {
    let (sender, mut receiver) = unbounded();
    let mut log = String::new();
    sender.try_send(1).unwrap();
    sender.try_send(2).unwrap();
    let append = async |log: &mut String| {
        log.push('x');
        pending::<()>().await;
    };
    select! {
        biased;
        () = append(&mut log) => unreachable!(),
        item = receiver.recv() => {
            log.push_str(&format!("{item:?} {:?}", receiver.try_recv()));
        }
    }
    assert_eq!(log, "xSome(1) Ok(2)");
}

#[runtime::test(seed = 7)]
async fn among_those_that_are_always_ready_chance_is_fair() {
    let mut wins = [0; 4];
    for _ in 0..4_000 {
        wins[select! {
            n = ready(0) => n,
            n = ready(1) => n,
            _ = pending::<()>() => unreachable!(),
            n = ready(3) => n,
        }] += 1;
    }
    assert_eq!(wins[2], 0);
    // The branch behind one that is never ready wins in its place too: of four starts two lead to it.
    assert!((900..1_100).contains(&wins[0]) && (900..1_100).contains(&wins[1]), "{wins:?}");
    assert!((1_850..2_150).contains(&wins[3]), "{wins:?}");
}

#[test]
fn the_seed_decides_so_that_a_run_can_be_replayed() {
    let story = |seed: u64| {
        let runtime = runtime::Builder::new().seed(seed).build().unwrap();
        runtime.block_on(async {
            let mut order = Vec::new();
            for _ in 0..32 {
                order.push(select! { n = ready(0) => n, n = ready(1) => n, n = ready(2) => n });
            }
            order
        })
    };
    assert_eq!(story(1), story(1));
    assert_ne!(story(1), story(2));
}

#[runtime::test]
async fn biased_polls_in_the_order_of_the_source() {
    for _ in 0..100 {
        let won = select! { biased; _ = pending::<()>() => 0, _ = ready(()) => 1, _ = ready(()) => 2 };
        assert_eq!(won, 1);
    }
    let biased = 5;
    assert_eq!(select! { biased = ready(biased) => biased + 1 }, 6, "a name like any other");
}

#[test]
fn it_works_where_no_runtime_runs() {
    let mut selected = pin!(async {
        select! { n = ready(1) => n, n = ready(2) => n }
    });
    let polled = selected.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert_eq!(polled, Poll::Ready(1), "the first, as there is no seed");
}

#[runtime::test(start_paused = true)]
async fn a_branch_behind_a_false_guard_is_not_even_made() {
    let mut nothing: Option<oneshot::Receiver<u32>> = None;
    let made = Cell::new(0);
    let make = || {
        made.set(made.get() + 1);
        sleep(SECOND)
    };
    for closed in [false, true] {
        select! {
            _ = nothing.as_mut().expect("not made"), if nothing.is_some() => unreachable!(),
            _ = make(), if !closed => {}
            else => assert!(closed),
        }
    }
    assert_eq!(made.get(), 1);
}

/// All guards come before all futures, so a guard may look at what a future borrows.
#[runtime::test]
async fn guards_are_evaluated_before_the_futures() {
    let mut items = vec![3];
    let take = async |items: &mut Vec<u32>| items.pop();
    let won = select! {
        biased;
        item = take(&mut items), if !items.is_empty() => item,
        _ = ready(()), if items.len() > 1 => None,
    };
    assert_eq!(won, Some(3));
}

#[runtime::test(start_paused = true)]
async fn a_branch_whose_pattern_does_not_match_is_disabled_and_the_rest_goes_on() {
    let log = RefCell::new(Vec::new());
    let polls = Cell::new(0);
    let gives = async |output: Option<u32>| {
        let _told = Told(&log, "dropped");
        polls.set(polls.get() + 1);
        output
    };
    let start = Instant::now();
    let won = select! {
        Some(n) = gives(None) => n,
        _ = async { sleep(SECOND).await; assert_eq!(log.take(), ["dropped"], "at once, not at the end") } => 7,
    };
    assert_eq!((won, start.elapsed(), polls.get()), (7, SECOND, 1));

    let closed = select! {
        Some(_) = gives(None) => "some",
        Ok(1) = ready(Err::<u32, ()>(())) => "one",
        else => "all are disabled",
    };
    assert_eq!(closed, "all are disabled");
}

#[runtime::test]
#[should_panic(expected = "every branch of this `select!` is disabled")]
async fn without_an_else_it_panics_when_all_are_disabled() {
    select! {
        Some(()) = ready(None) => {}
        () = pending(), if false => {}
    }
}

#[derive(Debug, PartialEq)]
struct Place {
    row: i32,
    name: Option<String>,
}

const LIMIT: i32 = 9;

/// Every kind of pattern, each with an output that matches and, as the branch is then disabled, with one that does not.
#[runtime::test]
async fn patterns_of_all_kinds() {
    macro_rules! only {
        ($pattern:pat => $value:expr; $good:expr; $bad:expr) => {{
            let is_bad = select! { $pattern = ready($bad) => { let _ = $value; false } else => true };
            assert!(is_bad, "{} should not match", stringify!($pattern));
            select! { $pattern = ready($good) => $value, else => panic!("{} should match", stringify!($pattern)) }
        }};
    }
    let owned = || Some(String::from("text"));
    let place = |row| Place { row, name: owned() };
    assert_eq!(only!(Some(text) => text; owned(); None::<String>), "text");
    assert_eq!(only!(Some(mut text) => { text.push('s'); text }; owned(); None::<String>), "texts");
    assert_eq!(only!(Some(ref text) => text.len(); owned(); None::<String>), 4);
    assert_eq!(only!(Some(ref mut text) => { text.clear(); text.len() }; owned(); None::<String>), 0);
    assert_eq!(only!(whole @ Some(_) => whole; owned(); None::<String>), owned());
    assert_eq!(only!(Place { row: 1, name } => name; place(1); place(2)), owned());
    assert_eq!(only!(Place { row, name: Some(_) } => row; place(1); Place { row: 3, name: None }), 1);
    assert_eq!(only!(&[first, .., last] => (first, last); &[1, 2, 3][..]; &[1][..]), (1, 3));
    assert_eq!(only!(&Some(n) => n; &Some(1); &None::<i32>), 1);
    assert_eq!(only!((1 | 2, n) => n; (2, "two"); (3, "three")), "two");
    assert_eq!(only!(n @ 3..=5 => n; 4; 6), 4);
    assert!(only!(4.. => true; 4; 3));
    assert!(only!(-1 => true; -1; 1));
    assert!(only!(LIMIT => true; LIMIT; 8));
    assert!(only!(i32::MAX => true; i32::MAX; 8));
    assert!(only!("yes" => true; "yes"; "no"));
    assert!(only!("yes" | "oui" => true; "oui"; "no"));
    assert!(only!(Some("yes") => true; Some("yes"); Some("no")));
    assert!(only!(None => true; None::<String>; owned()));
    assert!(only!(Poll::Pending | Poll::Ready(LIMIT) => true; Poll::Ready(LIMIT); Poll::Ready(0)));
    assert_eq!(only!(Ok(n) | Err(n @ 1..) => n; Err(1); Err::<i32, i32>(-1)), 1);

    let irrefutable = select! { Place { row, .. } = ready(place(4)) => row };
    let nested = select! { (mut a, [b, _]) = ready((1, [2, 3])) => { a += b; a } };
    let Place { row, name } = select! { place = ready(place(5)) => place };
    assert_eq!((irrefutable, nested, row, name), (4, 3, 5, owned()));
}

/// `?`, `break`, `continue`, `return` and `.await` in a handler mean what they mean around the `select!`.
#[runtime::test(start_paused = true)]
async fn handlers_may_leave_by_any_door() {
    async fn sum(texts: &[&str]) -> Result<i64, ParseIntError> {
        let mut sum = 0;
        for text in texts {
            select! {
                text = ready(*text), if *text != "stop" => sum += text.parse::<i64>()?,
                else => return Ok(-1),
            }
        }
        Ok(sum)
    }
    assert_eq!(sum(&["1", "2"]).await, Ok(3));
    assert_eq!(sum(&["1", "stop", "x"]).await, Ok(-1));
    assert!(sum(&["1", "x"]).await.is_err());

    let start = Instant::now();
    let mut log = Vec::new();
    let last = 'outer: loop {
        for turn in 0.. {
            select! {
                n = ready(turn) => match n {
                    0 => continue,
                    1 => { sleep(SECOND).await; log.push(start.elapsed().as_secs()) }
                    2 => log.push(select! { n = ready(n + 40) => n, _ = pending::<()>() => unreachable!() }),
                    3 => {}
                    n => break 'outer n,
                },
            }
        }
    };
    assert_eq!((last, log), (4, vec![1, 42]));
}

/// Several arguments in a turbofish, a qualified path: commas that end nothing.
#[runtime::test]
async fn commas_inside_of_branches() {
    async fn both<A: Default, B: Default>(_: u8) -> (A, B) {
        (A::default(), B::default())
    }
    trait Makes<A, B> {
        fn make() -> std::future::Ready<u8>;
    }
    impl Makes<u8, u16> for () {
        fn make() -> std::future::Ready<u8> {
            ready(3)
        }
    }
    let is_on = true;
    let got = select! {
        biased;
        _ = pending::<()>(), if [1, 2].contains(&1) && is_on => (0, 0),
        pair = both::<u32, Option<fn(u8) -> u8>>(1), if !is_on => (pair.0, 1),
        _ = pending::<Result<u8, u16>>() => Default::default(),
        n = <() as Makes<u8, u16>>::make() => (u32::from(n), Vec::<(u8, u8)>::new().len()),
    };
    assert_eq!(got, (3, 0));
}

/// A temporary in the expression of a future lives as long as the future.
#[runtime::test]
async fn temporaries_live_as_long_as_the_futures() {
    async fn length(text: &str) -> usize {
        yield_now().await;
        text.len()
    }
    let n = select! {
        n = length(&String::from("four")) => n,
    };
    assert_eq!(n, 4);
}

/// Not twice as big as the futures in it, as naively moved ones would make it.
#[runtime::test]
async fn it_takes_no_more_room_than_its_futures() {
    async fn big() -> u8 {
        let room = [1_u8; 4_000];
        yield_now().await;
        room[7]
    }
    let selected = async {
        select! { n = big() => n, n = big() => n, n = big(), if true => n }
    };
    let (three, all) = (3 * size_of_val(&big()), size_of_val(&selected));
    assert!(all < three + three / 10 + 200, "{all} bytes for three futures of {three} bytes together");
    assert_eq!(selected.await, 1);
}

/// A branch on `&mut future` lends it: it can go on in the next turn of a loop.
#[runtime::test(start_paused = true)]
async fn a_borrowed_future_goes_on_where_it_was() {
    let start = Instant::now();
    let mut deadline = sleep(3 * SECOND);
    let mut step = pin!(async {
        sleep(2 * SECOND).await;
        "stepped"
    });
    let mut ticks = Vec::new();
    let mut stepped = None;
    loop {
        select! {
            biased;
            () = &mut deadline => break,
            done = &mut step, if stepped.is_none() => stepped = Some((done, start.elapsed())),
            () = sleep(SECOND) => ticks.push(start.elapsed().as_secs()),
        }
    }
    assert_eq!((start.elapsed(), stepped), (3 * SECOND, Some(("stepped", 2 * SECOND))));
    assert_eq!(ticks, [1]);
}

#[runtime::test(start_paused = true)]
async fn handles_and_whatever_can_be_turned_into_a_future_are_branches() {
    struct Request(u32);
    impl IntoFuture for Request {
        type Output = u32;
        type IntoFuture = std::future::Ready<u32>;
        fn into_future(self) -> Self::IntoFuture {
            ready(self.0)
        }
    }
    let mut handle = spawn(async {
        sleep(SECOND).await;
        5
    });
    let got = select! { biased; n = &mut handle => n.unwrap(), n = Request(6) => n };
    assert_eq!(got, 6);
    assert_eq!(select! { joined = handle => joined.unwrap(), () = sleep(60 * SECOND) => 0 }, 5);
}

#[runtime::test]
async fn a_branch_that_panics_takes_the_others_along() {
    let log = Rc::new(RefCell::new(Vec::new()));
    let outcome = spawn({
        let log = log.clone();
        async move {
            let other = async {
                let _told = Told(&log, "dropped");
                pending::<()>().await;
            };
            select! {
                biased;
                () = other => {}
                () = async { yield_now().await; panic!("branch") } => {}
            }
        }
    });
    assert!(outcome.await.unwrap_err().to_string().contains("branch"));
    assert_eq!(log.take(), ["dropped"]);
}

#[runtime::test]
async fn a_handler_that_panics_does_so_with_the_futures_gone() {
    let log = Rc::new(RefCell::new(Vec::new()));
    let outcome = spawn({
        let log = log.clone();
        async move {
            let other = async {
                let _told = Told(&log, "dropped");
                pending::<()>().await;
            };
            select! {
                biased;
                () = other => {}
                () = ready(()) => {
                    assert_eq!(*log.borrow(), ["dropped"]);
                    panic!("handler")
                }
            }
        }
    });
    assert!(outcome.await.unwrap_err().to_string().contains("handler"));
}

/// The fair order begins anywhere, but whoever is polled is polled once each time the task wakes.
#[runtime::test]
async fn each_wake_polls_each_branch_once() {
    let polls = RefCell::new([0; 5]);
    let branch = |number: usize| {
        let polls = &polls;
        poll_fn(move |context: &mut Context<'_>| {
            let polls = &mut polls.borrow_mut()[number];
            *polls += 1;
            context.waker().wake_by_ref();
            if *polls == 20 && number == 3 { Poll::Ready(()) } else { Poll::Pending }
        })
    };
    select! {
        () = branch(0) => unreachable!(),
        () = branch(1) => unreachable!(),
        () = branch(2) => unreachable!(),
        () = branch(3) => {}
        () = branch(4) => unreachable!(),
    }
    let polls = polls.take();
    assert_eq!(polls[3], 20);
    assert!(polls.iter().all(|polls| (19..=20).contains(polls)), "{polls:?}");
}

#[runtime::test]
async fn sixty_four_branches() {
    macro_rules! many {
        ($($number:literal)*) => {
            select! { $(_ = yield_after($number) => $number,)* }
        };
    }
    async fn yield_after(number: u32) {
        for _ in 0..number {
            yield_now().await;
        }
    }
    let won = many!(64 63 62 61 60 59 58 57 56 55 54 53 52 51 50 49 48 47 46 45 44 43 42 41 40 39 38 37 36 35 34 33
        32 31 30 29 28 27 26 25 24 23 22 21 20 19 18 17 16 15 14 13 12 11 10 9 8 7 6 5 4 3 2 1);
    assert_eq!(won, 1);
}

/// A consumer, a lock and a semaphore in one `select!`, dropped at each point where it waits: no item, no permit, no
/// turn at the lock is lost, whoever wins and whatever the seed.
#[test]
fn dropped_at_any_point_it_loses_nothing() {
    let points = at_every_point(async |point: Point| {
        let (sender, mut items) = channel(1);
        let (lock, permits, enough) =
            (Rc::new(Lock::new(())), Rc::new(Semaphore::new(1)), Rc::new(Event::new()));
        let rivals = spawn({
            let (lock, permits, enough) = (lock.clone(), permits.clone(), enough.clone());
            async move {
                for item in 0..6 {
                    let _guard = lock.acquire().await;
                    let _permit = permits.acquire().await.unwrap();
                    sleep(SECOND).await;
                    sender.send(item).await.unwrap();
                }
                enough.set();
            }
        });
        let mut book = Vec::new();
        let mut turns = 0;
        let story = async {
            loop {
                select! {
                    Some(item) = items.recv() => book.push(item),
                    guard = lock.acquire() => { turns += 1; drop(guard); sleep(SECOND / 2).await }
                    permit = permits.acquire() => { turns += 1; drop(permit); sleep(SECOND / 3).await }
                    () = enough.wait() => break,
                }
            }
        };
        point.run(story).await;
        while let Some(item) = items.recv().await {
            book.push(item);
        }
        rivals.await.unwrap();
        assert!(book.into_iter().eq(0..6), "each item once, in order");
        assert!(lock.try_acquire().is_some());
        assert_eq!(permits.available_permits(), 1);
    });
    assert!(points > 10, "only {points} points");
}

/// The program of a futurelock, with the losers owned: the handler can have the lock that a loser queued for.
#[test]
fn no_loser_is_granted_what_the_handler_waits_for() {
    let runtime = Runtime::new().unwrap();
    runtime.block_on(async {
        let lock = Rc::new(Lock::new(()));
        let background = lock.clone();
        let holder = spawn(async move {
            let _guard = background.acquire().await;
            for _ in 0..10 {
                yield_now().await;
            }
        });
        yield_now().await;
        select! {
            _ = lock.acquire() => unreachable!("somebody has it"),
            () = yield_now() => drop(lock.acquire().await),
        }
        holder.await.unwrap();
    });
}

#[runtime::test(start_paused = true)]
async fn a_thousand_tasks_select_at_once() {
    let (sender, receiver) = unbounded();
    let stop = Rc::new(Event::new());
    let workers = (0..1_000).map(|_| {
        let (mut receiver, stop) = (receiver.clone(), stop.clone());
        spawn(async move {
            let mut sum = 0_u64;
            loop {
                select! {
                    biased;
                    Some(n) = receiver.recv() => sum += n,
                    () = stop.wait() => return sum,
                    () = sleep(3600 * SECOND) => unreachable!(),
                }
            }
        })
    });
    let workers: Vec<_> = workers.collect();
    for n in 1..=10_000 {
        sender.try_send(n).unwrap();
        if n % 100 == 0 {
            yield_now().await;
        }
    }
    sleep(SECOND).await;
    stop.set();
    let sum: u64 = join_all(workers).await.into_iter().map(|sum| sum.unwrap()).sum();
    assert_eq!(sum, 10_000 * 10_001 / 2);
}
