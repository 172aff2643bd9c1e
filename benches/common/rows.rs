//! The rows about tasks, timers and wakes, each written once for every runtime. A row checks that the work was really
//! done, warms up with a fixed number of operations (so that it cancels in N against 2N), and divides processor time by
//! operations; rows with a second thread divide wall-clock time.

use std::future::{poll_fn, ready};
use std::hint::black_box;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use futures_channel::mpsc::unbounded;
use futures_lite::{StreamExt, future};

use super::clock::{self, nanoseconds_each, processor_time};
use super::foreign;
use super::machine::Core;
use crate::peers::Peer;

/// One figure of a row: what it is called in the tables, and the value.
pub(crate) type Figure = (&'static str, f64);

/// A row: its name on the command line and how often to do the operation.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// Operations in a full run, chosen for some 0.1–0.3 s of the slowest runtime.
    pub(crate) operations: u64,
    /// Operations with `--quick`.
    pub(crate) quick: u64,
}

const fn row(name: &'static str, operations: u64, quick: u64) -> Row {
    Row { name, operations, quick }
}

/// All rows, in the order of the table.
pub(crate) const ROWS: &[Row] = &[
    row("spawn_join", 400_000, 50_000),
    row("spawn_many", 10 * BURST, 2 * BURST),
    row("yield_one", 500_000, 50_000),
    row("yield_thousand", 2_000_000, 200_000),
    row("join_ready", 100 * FUTURES, 10 * FUTURES),
    row("join_yield", 100 * FUTURES, 10 * FUTURES),
    row("timer", 400_000, 40_000),
    row("timer_among", 400_000, 40_000),
    row("timer_first", 400_000, 40_000),
    row("timer_turn", 200_000, 20_000),
    row("sleeps", 100_000, 100_000),
    row("timeout_ready", 5_000_000, 500_000),
    row("items", 1_000_000, 200_000),
    row("round_trip", 20_000, 2_000),
    row("items_own", 1_000_000, 200_000),
    row("round_trip_own", 20_000, 2_000),
];

/// Operations before the clock starts: caches, lazily built tables and the allocator have seen the pattern.
const WARM_UP: u64 = 1_000;
/// Tasks alive at once in `spawn_many`.
const BURST: u64 = 100_000;
/// Futures in one `join_all`.
const FUTURES: u64 = 10_000;
/// Timers armed in one go before yielding: below the 128 operations after which tokio's budget makes a timer answer
/// Pending without having armed anything.
const TIMERS_PER_TURN: u64 = 100;
/// A timer that never fires here. The 10,000 live ones lie evenly on both sides of it.
const TIMER: Duration = Duration::from_secs(30);
/// One before all live ones: the case in which some runtimes write to their own eventfd to recompute a timeout.
const FIRST: Duration = Duration::from_secs(5);

/// Title of the figure that says whether any timer fired early; ratios of it mean nothing.
pub(crate) const EARLIEST: &str = "100,000 sleeps: least lateness, negative is early (ms)";

/// Runs the row called `name`; empty if the runtime has nothing to measure there.
///
/// # Panics
///
/// If there is no such row.
pub(crate) fn measure<P: Peer>(name: &str, operations: u64) -> Vec<Figure> {
    let (title, value) = match name {
        "spawn_join" => ("spawn + join, one at a time (ns)", P::run(spawn_join::<P>(operations))),
        "spawn_many" => ("spawn 100,000, then join all (ns each)", P::run(spawn_many::<P>(operations))),
        "yield_one" => ("yield, 1 task (ns)", P::run(yield_one::<P>(operations))),
        "yield_thousand" => ("yield, 1,000 tasks round robin (ns)", P::run(yield_thousand::<P>(operations))),
        "join_ready" => ("join_all of 10,000 ready (ns each)", P::run(join_ready::<P>(operations))),
        "join_yield" => ("join_all of 10,000 yielding once (ns each)", P::run(join_yield::<P>(operations))),
        "timer" => ("timer created, dropped (ns)", P::run(timer::<P>(operations, 0, TIMER))),
        "timer_among" => {
            ("the same among 10,000 live ones (ns)", P::run(timer::<P>(operations, 10_000, TIMER)))
        }
        "timer_first" => {
            ("the same, earlier than the 10,000 (ns)", P::run(timer::<P>(operations, 10_000, FIRST)))
        }
        "timer_turn" => ("timer kept over one turn, minus a yield (ns)", P::run(timer_turn::<P>(operations))),
        "sleeps" => return P::run(sleeps::<P>(operations)),
        "timeout_ready" => ("timeout around a ready future (ns)", P::run(timeout_ready::<P>(operations))),
        "items" => ("items from another thread (ns each)", P::run(items(operations))),
        "round_trip" => ("cross-thread round trip (ns)", P::run(round_trip(operations))),
        "items_own" => match P::items_through_own_channel(operations) {
            Some(run) => ("items from another thread, own channel (ns each)", P::run(run)),
            None => return Vec::new(),
        },
        "round_trip_own" => match P::round_trips_through_own_channel(operations) {
            Some(run) => ("cross-thread round trip, own channel (ns)", P::run(run)),
            None => return Vec::new(),
        },
        _ => panic!("no row named {name:?}"),
    };
    vec![(title, value)]
}

async fn spawn_join<P: Peer>(operations: u64) -> f64 {
    for index in 0..WARM_UP {
        assert_eq!(P::spawn(async move { black_box(index) }).await, index);
    }
    let start = processor_time();
    for index in 0..operations {
        assert_eq!(P::spawn(async move { black_box(index) }).await, index);
    }
    nanoseconds_each(processor_time() - start, operations)
}

async fn spawn_many<P: Peer>(operations: u64) -> f64 {
    spawn_burst::<P>().await;
    let start = processor_time();
    for _ in 0..operations / BURST {
        spawn_burst::<P>().await;
    }
    nanoseconds_each(processor_time() - start, operations)
}

async fn spawn_burst<P: Peer>() {
    let tasks: Vec<_> = (0..BURST).map(|index| P::spawn(async move { black_box(index) })).collect();
    let mut sum = 0;
    for task in tasks {
        sum += task.await;
    }
    assert_eq!(sum, BURST * (BURST - 1) / 2);
}

async fn yields<P: Peer>(count: u64) {
    for _ in 0..count {
        P::yield_now().await;
    }
}

async fn yield_one<P: Peer>(operations: u64) -> f64 {
    yields::<P>(WARM_UP).await;
    let start = processor_time();
    yields::<P>(operations).await;
    nanoseconds_each(processor_time() - start, operations)
}

async fn yield_thousand<P: Peer>(operations: u64) -> f64 {
    const TASKS: u64 = 1_000;
    let start_tasks = |each| (0..TASKS).map(move |_| P::spawn(yields::<P>(each))).collect::<Vec<_>>();
    for task in start_tasks(2) {
        task.await;
    }
    let start = processor_time();
    for task in start_tasks(operations / TASKS) {
        task.await;
    }
    nanoseconds_each(processor_time() - start, operations)
}

async fn join_ready<P: Peer>(operations: u64) -> f64 {
    let batch = || P::join_all((0..FUTURES).map(|index| async move { black_box(index) }));
    check_joined(&batch().await);
    let start = processor_time();
    for _ in 0..operations / FUTURES {
        check_joined(&batch().await);
    }
    nanoseconds_each(processor_time() - start, operations)
}

async fn join_yield<P: Peer>(operations: u64) -> f64 {
    let batch = || {
        P::join_all((0..FUTURES).map(|index| async move {
            P::yield_now().await;
            index
        }))
    };
    check_joined(&batch().await);
    let start = processor_time();
    for _ in 0..operations / FUTURES {
        check_joined(&batch().await);
    }
    nanoseconds_each(processor_time() - start, operations)
}

fn check_joined(outputs: &[u64]) {
    assert_eq!(outputs.len() as u64, FUTURES);
    assert_eq!(outputs.last(), Some(&(FUTURES - 1)), "not in input order");
}

/// Polls `future` once, with the task's own waker.
async fn poll_once(future: impl Future<Output = ()>) {
    let mut future = pin!(future);
    poll_fn(|cx| {
        assert!(future.as_mut().poll(cx).is_pending(), "a long timer fired at once");
        Poll::Ready(())
    })
    .await;
}

async fn timer<P: Peer>(operations: u64, live: u64, duration: Duration) -> f64 {
    let _alive = arm_live::<P>(live).await;
    arm_and_drop::<P>(WARM_UP, duration).await;
    let start = processor_time();
    arm_and_drop::<P>(operations, duration).await;
    nanoseconds_each(processor_time() - start, operations)
}

async fn arm_and_drop<P: Peer>(operations: u64, duration: Duration) {
    for _ in 0..operations / TIMERS_PER_TURN {
        for _ in 0..TIMERS_PER_TURN {
            poll_once(P::sleep(duration)).await;
        }
        P::yield_now().await;
    }
}

/// Arms `count` timers spread evenly over 10–60 s and keeps them.
async fn arm_live<P: Peer>(count: u64) -> Vec<impl Future<Output = ()>> {
    let mut live = Vec::new();
    for index in 0..count {
        let duration =
            Duration::from_secs(10) + Duration::from_secs(50) * u32::try_from(index).unwrap_or(0) / 10_000;
        let mut sleep = Box::pin(P::sleep(duration));
        poll_once(sleep.as_mut()).await;
        live.push(sleep);
        if index % TIMERS_PER_TURN == 0 {
            P::yield_now().await;
        }
    }
    live
}

/// The timer outlives a turn of the loop, as a timeout around a socket does: a runtime that postpones the work of
/// arming has to do it here. The yield alone is measured first and subtracted.
async fn timer_turn<P: Peer>(operations: u64) -> f64 {
    yields::<P>(WARM_UP).await;
    let start = processor_time();
    yields::<P>(operations).await;
    let yielding = processor_time() - start;
    let start = processor_time();
    for _ in 0..operations {
        let mut sleep = pin!(P::sleep(TIMER));
        poll_once(sleep.as_mut()).await;
        P::yield_now().await;
    }
    nanoseconds_each((processor_time() - start).saturating_sub(yielding), operations)
}

async fn sleeps<P: Peer>(operations: u64) -> Vec<Figure> {
    let start = processor_time();
    let tasks: Vec<_> = (0..operations)
        .map(|index| {
            let duration = Duration::from_millis(1 + scattered(index) % 100);
            P::spawn(async move {
                let begin = clock::now();
                P::sleep(duration).await;
                begin.elapsed().as_secs_f64() - duration.as_secs_f64()
            })
        })
        .collect();
    let mut lateness = Vec::new();
    for task in tasks {
        lateness.push(task.await);
    }
    let processor = nanoseconds_each(processor_time() - start, operations);
    lateness.sort_by(f64::total_cmp);
    let p99 = lateness[lateness.len() * 99 / 100];
    vec![
        ("100,000 sleeps of 1–100 ms: CPU each (ns)", processor),
        ("100,000 sleeps: p99 lateness (ms)", p99 * 1e3),
        (EARLIEST, lateness[0] * 1e3),
    ]
}

/// Spreads consecutive numbers over all of `u64`, the same for every runtime and run (SplitMix64's finalizer).
fn scattered(index: u64) -> u64 {
    let mut bits = index.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

async fn timeout_ready<P: Peer>(operations: u64) -> f64 {
    let limit = Duration::from_secs(1);
    for index in 0..WARM_UP {
        assert_eq!(P::timeout(limit, ready(black_box(index))).await, Some(index));
    }
    let start = processor_time();
    for index in 0..operations {
        assert_eq!(P::timeout(limit, ready(black_box(index))).await, Some(index));
    }
    nanoseconds_each(processor_time() - start, operations)
}

async fn items(items: u64) -> f64 {
    let (sender, receiver) = async_channel::unbounded();
    let feed = foreign::producer(items, move |item| sender.try_send(item).expect("receiver lives"));
    let start = feed.start();
    let mut received = 0;
    while receiver.recv().await.is_ok() {
        received += 1;
    }
    feed.finish(&start, received)
}

/// futures-channel rather than async-channel: the latter notifies with its lock held, and on one core the thread woken
/// then runs into that lock, which costs three times the trip itself.
async fn round_trip(trips: u64) -> f64 {
    let (there, mut thread_receives) = unbounded();
    let (thread_sends, mut back) = unbounded();
    let answering = foreign::thread(Core::Measured, move || {
        while let Some(item) = future::block_on(thread_receives.next()) {
            thread_sends.unbounded_send(item).expect("the asking task lives");
        }
    });
    let start = foreign::Stopwatch::start();
    for trip in 0..trips {
        there.unbounded_send(trip).expect("the answering thread lives");
        assert_eq!(back.next().await, Some(trip));
    }
    let elapsed = start.nanoseconds_per(trips);
    drop(there);
    answering.join().expect("the answering thread ends");
    elapsed
}
