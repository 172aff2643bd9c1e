//! Children that end at once: started and awaited, one after the other and sixteen at a time. What the children use is not
//! counted.

use std::process::Command;
use std::thread;

use super::{Row, STD, Work, timed, timed_on};
use crate::peers::Peer;
use crate::peers::ours::Ours;
use crate::peers::smol::Smol;
use crate::peers::tokio_local_runtime::TokioLocalRuntime;

const PROGRAM: &str = "/bin/true";
const AT_A_TIME: u64 = 16;

pub(super) const ONE: Row = Row {
    name: "child",
    title: "child started and awaited (µs)",
    what: "child",
    operations: 1_000,
    window: 1,
    work: Work::Alone(&[
        (Ours::NAME, |operations| timed_on::<Ours, _>(operations, |count| one_by_one(count, ours))),
        (TokioLocalRuntime::NAME, |operations| {
            timed_on::<TokioLocalRuntime, _>(operations, |count| one_by_one(count, tokio))
        }),
        (Smol::NAME, |operations| timed_on::<Smol, _>(operations, |count| one_by_one(count, smol))),
        (STD, |operations| timed(operations, |count| (0..count).for_each(|_| std_child()))),
    ]),
};
pub(super) const MANY: Row = Row {
    name: "children",
    title: "children, 16 at a time (µs each)",
    what: "child, 16 at a time",
    operations: 1_600,
    window: 1,
    work: Work::Alone(&[
        (Ours::NAME, |operations| timed_on::<Ours, _>(operations, |count| at_a_time::<Ours, _>(count, ours))),
        (TokioLocalRuntime::NAME, |operations| {
            timed_on::<TokioLocalRuntime, _>(operations, |count| {
                at_a_time::<TokioLocalRuntime, _>(count, tokio)
            })
        }),
        (Smol::NAME, |operations| timed_on::<Smol, _>(operations, |count| at_a_time::<Smol, _>(count, smol))),
        (STD, |operations| timed(operations, on_threads)),
    ]),
};

async fn one_by_one<F: Future<Output = ()>>(count: u64, start: fn() -> F) {
    for _ in 0..count {
        start().await;
    }
}

async fn at_a_time<P: Peer, F: Future<Output = ()> + 'static>(count: u64, start: fn() -> F) {
    for _ in 0..count / AT_A_TIME {
        P::join_all((0..AT_A_TIME).map(|_| P::spawn(start()))).await;
    }
}

async fn ours() {
    assert!(runtime::process::Command::new(PROGRAM).status().await.expect("it starts").success());
}

async fn tokio() {
    assert!(tokio::process::Command::new(PROGRAM).status().await.expect("it starts").success());
}

async fn smol() {
    assert!(async_process::Command::new(PROGRAM).status().await.expect("it starts").success());
}

fn std_child() {
    assert!(Command::new(PROGRAM).status().expect("it starts").success());
}

#[expect(clippy::disallowed_methods, reason = "threads of the standard library are what is measured")]
fn on_threads(count: u64) {
    for _ in 0..count / AT_A_TIME {
        let waiting: Vec<_> = (0..AT_A_TIME).map(|_| thread::spawn(std_child)).collect();
        waiting.into_iter().for_each(|thread| thread.join().expect("it waits"));
    }
}
