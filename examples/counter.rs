//! A lost update, and the lock that prevents it: a hundred tasks take one away from 100 each.
//!
//! With Python's threads, `n -= 1` loses updates by bad luck, and its interpreter lock does not help: that one protects
//! the interpreter. Tasks take turns at `.await` and nowhere else, so here it is no matter of luck. With an `.await`
//! between reading and writing, all updates but one are lost, every time; without one, none is. "Coroutines need no
//! locks" is half of the truth.
//!
//! The last two lines tell what a lock costs: only the section under it is done by one task after the other, where
//! joining each task before the next is started does everything so.
//!
//! ```text
//! $ cargo run --quiet --example counter
//! no lock, and 0.5 s between reading and writing: 99 left after 0.5 s
//! no lock, and no await between them: 0 left after 0 s
//! a lock around those 0.5 s: 0 left after 50 s
//! 3 s of other work before them, not under the lock: 0 left after 53 s
//! no lock, one task after the other: 0 left after 350 s
//! ```
//!
//! The clock is paused, so these are virtual seconds: the program takes no time.

use runtime::{
    join_all, spawn,
    sync::Lock,
    time::{Instant, pause, sleep},
};
use std::{cell::Cell, rc::Rc, time::Duration};

const OTHER_WORK: Duration = Duration::from_secs(3);
const BETWEEN: Duration = Duration::from_millis(500);

#[runtime::main]
async fn main() {
    pause();
    report("no lock, and 0.5 s between reading and writing", unprotected(BETWEEN)).await;
    report("no lock, and no await between them", without_await()).await;
    report("a lock around those 0.5 s", locked(Duration::ZERO)).await;
    report("3 s of other work before them, not under the lock", locked(OTHER_WORK)).await;
    report("no lock, one task after the other", one_by_one()).await;
}

async fn report(what: &str, count_down: impl Future<Output = u32>) {
    let start = Instant::now();
    let left = count_down.await;
    println!("{what}: {left} left after {} s", start.elapsed().as_secs_f64());
}

async fn unprotected(between: Duration) -> u32 {
    let n = Rc::new(Cell::new(100));
    let tasks = (0..100).map(|_| {
        let n = Rc::clone(&n);
        spawn(async move {
            let read = n.get();
            sleep(between).await; // all the others read the same meanwhile
            n.set(read - 1);
        })
    });
    join_all(tasks).await;
    n.get()
}

async fn without_await() -> u32 {
    let n = Rc::new(Cell::new(100));
    let tasks = (0..100).map(|_| {
        let n = Rc::clone(&n);
        spawn(async move { n.set(n.get() - 1) })
    });
    join_all(tasks).await;
    n.get()
}

async fn locked(other_work: Duration) -> u32 {
    // The lock has the number in it: without the lock there is no way to the number.
    let n = Rc::new(Lock::new(100));
    let tasks = (0..100).map(|_| {
        let n = Rc::clone(&n);
        spawn(async move {
            sleep(other_work).await;
            let mut n = n.acquire().await;
            let read = *n;
            sleep(BETWEEN).await;
            *n = read - 1;
        })
    });
    join_all(tasks).await;
    *n.acquire().await
}

async fn one_by_one() -> u32 {
    let n = Rc::new(Cell::new(100));
    for _ in 0..100 {
        let n = Rc::clone(&n);
        let task = spawn(async move {
            sleep(OTHER_WORK).await;
            let read = n.get();
            sleep(BETWEEN).await;
            n.set(read - 1);
        });
        task.await.expect("it does not panic");
    }
    n.get()
}
