//! The rows about coordination, each written once for all libraries. A row checks that the work was really done, warms up
//! with a fixed number of operations (so that it cancels in N against 2N), and divides processor time by operations.

use std::cell::Cell;
use std::future::Future;
use std::hint::black_box;
use std::rc::Rc;

use futures_lite::future::yield_now;

use super::{Bounded, CAPACITY, Event, Library, Lock, Oneshot, Outcome, Semaphore, Unbounded};
use crate::common::clock::{nanoseconds_each, processor_time};
use crate::common::rows::{Figure, Row};
use crate::peers::Peer;

const fn row(name: &'static str, operations: u64, quick: u64) -> Row {
    Row { name, operations, quick }
}

/// All rows, in the order of the table.
pub(crate) const ROWS: &[Row] = &[
    row("lock_free", 10_000_000, 500_000),
    row("lock_contended", 1_000_000, 50_000),
    row("lock_contended_own", 1_000_000, 50_000),
    row("semaphore_contended", 2_000_000, 100_000),
    row("event_thousand", 4_000 * WAITERS, 100 * WAITERS),
    row("oneshot", 2_000_000, 100_000),
    row("ping_pong", 1_000_000, 100_000),
    row("stream", 5 * ITEMS, ITEMS),
    row("unbounded", 5 * ITEMS, ITEMS),
    row("unbounded_flood", 5 * ITEMS, ITEMS),
];

/// Operations before the clock starts: caches, lazily built tables and the allocator have seen the pattern.
const WARM_UP: u64 = 1_000;
/// Tasks that contend for a lock, or for permits.
const TASKS: u64 = 100;
/// Permits that they contend for.
const PERMITS: u64 = 10;
/// Tasks that one event wakes.
const WAITERS: u64 = 1_000;
/// Items that go through one channel in the rows about streams.
const ITEMS: u64 = 1_000_000;
/// Items that are sent in one go in `unbounded`.
const BURST: u64 = 1_000;

/// Runs the row called `name`; empty if the library has nothing to measure there.
///
/// # Panics
///
/// If there is no such row.
pub(crate) fn measure<L: Library, P: Peer>(name: &str, operations: u64) -> Vec<Figure> {
    let figure = match name {
        "lock_free" if L::Lock::IS_OFFERED => {
            ("lock, free: acquire + release (ns)", P::run(lock_free::<L::Lock>(operations)))
        }
        "lock_contended" if L::Lock::IS_OFFERED => {
            let figure = P::run(lock_contended::<L::Lock, P, _>(operations, yield_now));
            ("lock, contended by 100 tasks (ns)", figure)
        }
        "lock_contended_own" if L::Lock::IS_OFFERED => {
            let figure = P::run(lock_contended::<L::Lock, P, _>(operations, P::yield_now));
            ("the same, with the runtime's own yield (ns)", figure)
        }
        "semaphore_contended" if L::Semaphore::IS_OFFERED => {
            let figure = P::run(semaphore_contended::<L::Semaphore, P>(operations));
            let Some(figure) = figure else { return Vec::new() };
            ("semaphore, 10 permits contended by 100 tasks (ns)", figure)
        }
        "event_thousand" if L::Event::IS_OFFERED => {
            ("event waking 1,000 waiters (ns each)", P::run(event_thousand::<L::Event, P>(operations)))
        }
        "oneshot" if L::Oneshot::IS_OFFERED => {
            ("oneshot created, sent, received (ns)", P::run(oneshot::<L::Oneshot, P>(operations)))
        }
        "ping_pong" if <L::Bounded as Bounded<1>>::IS_OFFERED => {
            ("channel of capacity 1, round trip (ns)", P::run(ping_pong::<L::Bounded, P>(operations)))
        }
        "stream" if <L::Bounded as Bounded<1>>::IS_OFFERED => {
            ("channel of capacity 1,024, stream (ns each)", P::run(stream::<L::Bounded, P>(operations)))
        }
        "unbounded" if L::Unbounded::IS_OFFERED => {
            let title = "unbounded channel, bursts of 1,000 (ns each)";
            (title, P::run(unbounded::<L::Unbounded, P>(operations, BURST)))
        }
        "unbounded_flood" if L::Unbounded::IS_OFFERED => {
            let title = "unbounded channel, 1,000,000 sent, then received (ns each)";
            (title, P::run(unbounded::<L::Unbounded, P>(operations, ITEMS)))
        }
        _ if ROWS.iter().any(|row| row.name == name) => return Vec::new(),
        _ => panic!("no row named {name:?}"),
    };
    vec![figure]
}

/// Lets every other ready task run. Not by a yield, by which a task on monoio overtakes everybody.
async fn let_others_run<P: Peer>() {
    P::spawn(async {}).await;
}

async fn acquisitions<L: Lock>(lock: &L, count: u64) {
    for _ in 0..count {
        *lock.acquire().await += 1;
    }
}

async fn lock_free<L: Lock>(operations: u64) -> f64 {
    let lock = black_box(L::new());
    acquisitions(&lock, WARM_UP).await;
    let start = processor_time();
    acquisitions(&lock, operations).await;
    let elapsed = processor_time() - start;
    assert_eq!(*lock.acquire().await, WARM_UP + operations);
    nanoseconds_each(elapsed, operations)
}

/// Each task takes the lock, lets the others run into it, and releases it. It lets them by `pause`: waking itself is the
/// same for all, while tokio's `yield_now` asks the kernel for events if nobody else is ready, which would be most of
/// what is measured.
async fn lock_contended<L: Lock, P: Peer, Y: Future<Output = ()> + 'static>(
    operations: u64,
    pause: impl Fn() -> Y + Copy + 'static,
) -> f64 {
    let lock = Rc::new(L::new());
    let contend = async |each| {
        let tasks: Vec<_> = (0..TASKS)
            .map(|_| {
                let lock = Rc::clone(&lock);
                P::spawn(async move {
                    for _ in 0..each {
                        let mut guard = lock.acquire().await;
                        let before = *guard;
                        pause().await;
                        *guard = before + 1;
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await;
        }
    };
    contend(2).await;
    let start = processor_time();
    contend(operations / TASKS).await;
    let elapsed = processor_time() - start;
    assert_eq!(*lock.acquire().await, 2 * TASKS + operations, "two were in at once");
    nanoseconds_each(elapsed, operations)
}

/// As with the lock. `None` if the permits were never all out at once: tasks that yield run again before anybody else
/// here, so they did not contend.
async fn semaphore_contended<S: Semaphore, P: Peer>(operations: u64) -> Option<f64> {
    let semaphore = Rc::new(S::new(usize::try_from(PERMITS).expect("few")));
    let inside = Rc::new(Cell::new(0));
    let most = Rc::new(Cell::new(0));
    let contend = async |each| {
        let tasks: Vec<_> = (0..TASKS)
            .map(|_| {
                let (semaphore, inside, most) = (Rc::clone(&semaphore), Rc::clone(&inside), Rc::clone(&most));
                P::spawn(async move {
                    for _ in 0..each {
                        let permit = semaphore.acquire().await;
                        inside.set(inside.get() + 1);
                        most.set(inside.get().max(most.get()));
                        yield_now().await;
                        inside.set(inside.get() - 1);
                        drop(permit);
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await;
        }
    };
    contend(2).await;
    let start = processor_time();
    contend(operations / TASKS).await;
    let elapsed = processor_time() - start;
    assert!(most.get() <= PERMITS, "{} had a permit", most.get());
    (most.get() == PERMITS).then(|| nanoseconds_each(elapsed, operations))
}

/// A thousand tasks wait again and again. An operation is one of them waiting, being woken, and having run.
async fn event_thousand<E: Event, P: Peer>(operations: u64) -> f64 {
    let event = Rc::new(E::new());
    let woken = Rc::new(Cell::new(0));
    let rounds = operations / WAITERS;
    let tasks: Vec<_> = (0..WAITERS)
        .map(|_| {
            let (event, woken) = (Rc::clone(&event), Rc::clone(&woken));
            P::spawn(async move {
                // One round to warm up.
                for _ in 0..=rounds {
                    event.wait().await;
                    woken.set(woken.get() + 1);
                }
            })
        })
        .collect();
    let wake_all = async || {
        let before = woken.get();
        event.wake_all();
        while woken.get() < before + WAITERS {
            let_others_run::<P>().await;
        }
    };
    let_others_run::<P>().await;
    wake_all().await;
    let start = processor_time();
    for _ in 0..rounds {
        wake_all().await;
    }
    let elapsed = processor_time() - start;
    for task in tasks {
        task.await;
    }
    assert_eq!(woken.get(), (rounds + 1) * WAITERS, "somebody was woken too often");
    nanoseconds_each(elapsed, rounds * WAITERS)
}

/// What two tasks send each other: the way to answer.
struct Baton<O: Oneshot>(O::Sender<Baton<O>>);

/// Each message carries the sender of the channel by which the other task shall answer: per operation one channel is
/// created, sent through and received from, and one task is woken.
async fn oneshot<O: Oneshot, P: Peer>(operations: u64) -> f64 {
    let (there, mut receiver) = O::channel::<Baton<O>>();
    let partner = P::spawn(async move {
        let mut received = 0;
        while let Some(Baton(answer)) = O::receive(receiver).await.value() {
            received += 1;
            let next;
            (receiver, next) = baton();
            O::send(answer, next);
        }
        received
    });
    let mut there = Some(there);
    let mut exchange = async |count| {
        for _ in 0..count / 2 {
            let (receiver, next) = baton::<O>();
            O::send(there.take().expect("answered"), next);
            there = O::receive(receiver).await.value().map(|Baton(answer)| answer);
        }
    };
    exchange(WARM_UP).await;
    let start = processor_time();
    exchange(operations).await;
    let elapsed = processor_time() - start;
    drop(there);
    assert_eq!(partner.await, (WARM_UP + operations) / 2);
    nanoseconds_each(elapsed, operations)
}

fn baton<O: Oneshot>() -> (O::Receiver<Baton<O>>, Baton<O>) {
    let (sender, receiver) = O::channel();
    (receiver, Baton(sender))
}

/// Two channels of capacity 1 and two tasks; an operation is a round trip.
async fn ping_pong<C: Bounded<1>, P: Peer>(operations: u64) -> f64 {
    let (mut there, mut from_there) = C::channel();
    let (mut to_here, mut here) = C::channel();
    let partner = P::spawn(async move {
        while let Some(value) = C::receive(&mut from_there).await.value() {
            C::send(&mut to_here, value).await.value().expect("receiver lives");
        }
    });
    let mut trips = async |count| {
        for trip in 0..count {
            C::send(&mut there, trip).await.value().expect("receiver lives");
            assert_eq!(C::receive(&mut here).await.value(), Some(trip));
        }
    };
    trips(WARM_UP).await;
    let start = processor_time();
    trips(operations).await;
    let elapsed = processor_time() - start;
    drop(there);
    partner.await;
    nanoseconds_each(elapsed, operations)
}

/// Nanoseconds per item of `run`, which sends a number of items through a new channel.
async fn through_fresh_channels(operations: u64, run: impl AsyncFn(u64)) -> f64 {
    run(WARM_UP).await;
    let start = processor_time();
    let mut left = operations;
    while left > 0 {
        run(left.min(ITEMS)).await;
        left -= left.min(ITEMS);
    }
    nanoseconds_each(processor_time() - start, operations)
}

async fn stream<C: Bounded<CAPACITY>, P: Peer>(operations: u64) -> f64 {
    let run = async |items: u64| {
        let (mut sender, mut receiver) = C::channel();
        let feed = P::spawn(async move {
            for item in 0..items {
                C::send(&mut sender, item).await.value().expect("receiver lives");
            }
        });
        let mut sum = 0;
        while let Some(item) = C::receive(&mut receiver).await.value() {
            sum += item;
        }
        assert_eq!(sum, items * (items - 1) / 2, "items were lost");
        feed.await;
    };
    through_fresh_channels(operations, run).await
}

async fn unbounded<C: Unbounded, P: Peer>(operations: u64, burst: u64) -> f64 {
    let run = async |items: u64| {
        let (sender, mut receiver) = C::channel();
        let feed = P::spawn(async move {
            let mut sent = 0;
            while sent < items {
                let end = items.min(sent + burst);
                for item in sent..end {
                    C::send(&sender, item);
                }
                sent = end;
                let_others_run::<P>().await;
            }
        });
        let mut sum = 0;
        while let Some(item) = C::receive(&mut receiver).await.value() {
            sum += item;
        }
        assert_eq!(sum, items * (items - 1) / 2, "items were lost");
        feed.await;
    };
    through_fresh_channels(operations, run).await
}
