//! Ten thousand children at a time, started and drained: `TaskGroup` and `scope` beside `FuturesUnordered`, the groups of
//! futures-concurrency and tokio's `JoinSet`. Nanoseconds per child, for children that are done at their first poll and
//! for those that wait for one turn of the loop.

use std::convert::Infallible;
use std::future::Future;
use std::hint::black_box;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_concurrency::future::FutureGroup;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use runtime::task::{TaskGroup, scope};
use tokio::task::JoinSet;

use super::{Contender, Contest, timed, timed_on};
use crate::peers::tokio_local_runtime::TokioLocalRuntime;

/// Children at a time.
const CHILDREN: u64 = 10_000;

const fn contest(
    name: &'static str,
    title: &'static str,
    contenders: &'static [(&'static str, Contender)],
) -> Contest {
    Contest { name, title, operations: 4_000_000, quick: 100_000, contenders }
}

pub(super) const GROUP_READY: Contest = contest(
    "group_ready",
    "TaskGroup, child done at once (ns)",
    &[
        ("ours", |n| group(n, at_once)),
        ("FuturesUnordered", |n| unordered(n, at_once)),
        ("FutureGroup", |n| future_group(n, at_once)),
        ("JoinSet", |n| join_set(n, at_once)),
    ],
);
pub(super) const GROUP_WAITS: Contest = contest(
    "group_waits",
    "TaskGroup, child waits a turn (ns)",
    &[
        ("ours", |n| group(n, soon)),
        ("FuturesUnordered", |n| unordered(n, soon)),
        ("FutureGroup", |n| future_group(n, soon)),
        ("JoinSet", |n| join_set(n, soon)),
    ],
);
pub(super) const SCOPE_READY: Contest = contest(
    "scope_ready",
    "scope, child done at once (ns)",
    &[
        ("ours", |n| in_scope(n, at_once)),
        ("FuturesUnordered", |n| unordered(n, at_once)),
        ("FutureGroup", |n| future_group(n, at_once)),
        ("JoinSet", |n| join_set(n, at_once)),
    ],
);
pub(super) const SCOPE_WAITS: Contest = contest(
    "scope_waits",
    "scope, child waits a turn (ns)",
    &[
        ("ours", |n| in_scope(n, soon)),
        ("FuturesUnordered", |n| unordered(n, soon)),
        ("FutureGroup", |n| future_group(n, soon)),
        ("JoinSet", |n| join_set(n, soon)),
    ],
);

async fn at_once(number: u64) {
    black_box(number);
}

async fn soon(number: u64) {
    Soon { was_polled: false }.await;
    black_box(number);
}

/// Wakes itself once: the same on every runtime.
struct Soon {
    was_polled: bool,
}

impl Future for Soon {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.was_polled, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

/// How many at a time.
fn batches(operations: u64) -> impl Iterator<Item = u64> {
    let batch = operations.min(CHILDREN);
    (0..operations / batch).map(move |_| batch)
}

fn group<F: Future<Output = ()> + 'static>(operations: u64, child: fn(u64) -> F) -> f64 {
    timed(operations, move |operations| async move {
        for children in batches(operations) {
            let outcome = TaskGroup::<Infallible>::run(async |group| {
                for number in 0..children {
                    group.spawn(child(number));
                }
                Ok(())
            });
            black_box(outcome.await).expect("nothing fails");
        }
    })
}

fn in_scope<F: Future<Output = ()> + 'static>(operations: u64, child: fn(u64) -> F) -> f64 {
    timed(operations, move |operations| async move {
        for children in batches(operations) {
            scope(async |s| {
                for number in 0..children {
                    s.spawn(child(number));
                }
            })
            .await;
        }
    })
}

fn unordered<F: Future<Output = ()> + 'static>(operations: u64, child: fn(u64) -> F) -> f64 {
    timed(operations, move |operations| async move {
        for children in batches(operations) {
            let mut all: FuturesUnordered<F> = (0..children).map(child).collect();
            while let Some(output) = all.next().await {
                black_box(output);
            }
        }
    })
}

fn future_group<F: Future<Output = ()> + 'static>(operations: u64, child: fn(u64) -> F) -> f64 {
    timed(operations, move |operations| async move {
        for children in batches(operations) {
            let mut all = FutureGroup::new();
            for number in 0..children {
                all.insert(child(number));
            }
            let mut all = std::pin::pin!(all);
            while let Some(output) = all.next().await {
                black_box(output);
            }
        }
    })
}

fn join_set<F: Future<Output = ()> + 'static>(operations: u64, child: fn(u64) -> F) -> f64 {
    timed_on::<TokioLocalRuntime, _>(operations, move |operations| async move {
        for children in batches(operations) {
            let mut all = JoinSet::new();
            for number in 0..children {
                all.spawn_local(child(number));
            }
            while let Some(output) = all.join_next().await {
                black_box(output).expect("nothing panics");
            }
        }
    })
}
