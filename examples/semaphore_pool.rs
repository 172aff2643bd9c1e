//! Twenty jobs, at most five at a time: with a semaphore, and with a pool of workers.
//!
//! A `Semaphore` limits how many tasks are inside at once, and there is a task for each job. A pool has five tasks, which
//! take the jobs from a `Queue`. Both take four seconds; they differ in what exists meanwhile. Tasks are cheap, so prefer
//! the semaphore, unless there is no end of jobs, or each worker has something of its own (a connection, say). It is the
//! difference between Python's `threading.Semaphore` and its `ThreadPoolExecutor`.
//!
//! ```text
//! $ cargo run --quiet --example semaphore_pool
//! semaphore: 20 tasks, 5 permits
//!   0 s: jobs 1 2 3 4 5
//!   1 s: jobs 6 7 8 9 10
//!   2 s: jobs 11 12 13 14 15
//!   3 s: jobs 16 17 18 19 20
//! all done after 4 s, never more than 5 at once
//! pool: 5 tasks, 20 jobs in a queue
//!   0 s: jobs 1 2 3 4 5
//!   1 s: jobs 6 7 8 9 10
//!   2 s: jobs 11 12 13 14 15
//!   3 s: jobs 16 17 18 19 20
//! all done after 4 s, never more than 5 at once
//! ```
//!
//! The clock is paused, so these are virtual seconds: the program takes no time.

use runtime::{
    join_all, spawn,
    sync::{Queue, Semaphore},
    time::{Instant, pause, sleep},
};
use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
    time::Duration,
};

const JOBS: u32 = 20;
const AT_ONCE: usize = 5;

#[runtime::main]
async fn main() {
    pause();

    println!("semaphore: {JOBS} tasks, {AT_ONCE} permits");
    let shop = Rc::new(Shop::open());
    let semaphore = Rc::new(Semaphore::new(AT_ONCE));
    let tasks = (1..=JOBS).map(|job| {
        let (semaphore, shop) = (Rc::clone(&semaphore), Rc::clone(&shop));
        spawn(async move {
            // Given back when it goes out of scope, whichever way that happens.
            let _permit = semaphore.acquire().await.expect("nobody closes it");
            shop.work(job).await;
        })
    });
    join_all(tasks).await;
    shop.close();

    println!("pool: {AT_ONCE} tasks, {JOBS} jobs in a queue");
    let shop = Rc::new(Shop::open());
    let jobs = Rc::new(Queue::unbounded());
    let workers: Vec<_> = (0..AT_ONCE)
        .map(|_| {
            let (jobs, shop) = (Rc::clone(&jobs), Rc::clone(&shop));
            spawn(async move {
                while let Ok(job) = jobs.get().await {
                    shop.work(job).await;
                }
            })
        })
        .collect();
    for job in 1..=JOBS {
        jobs.put(job).await.expect("it is open");
    }
    jobs.close(); // what is in it is still done; then `get` gives an error, and the workers go home
    join_all(workers).await;
    shop.close();
}

/// Where a job takes a second, and where the books are kept.
struct Shop {
    opened: Instant,
    inside: Cell<usize>,
    most: Cell<usize>,
    /// The jobs that were begun, by the second.
    begun: RefCell<BTreeMap<u64, Vec<String>>>,
}

impl Shop {
    fn open() -> Self {
        Self { opened: Instant::now(), inside: Cell::new(0), most: Cell::new(0), begun: RefCell::default() }
    }

    async fn work(&self, job: u32) {
        self.inside.set(self.inside.get() + 1);
        self.most.set(self.most.get().max(self.inside.get()));
        self.begun.borrow_mut().entry(self.opened.elapsed().as_secs()).or_default().push(job.to_string());
        sleep(Duration::from_secs(1)).await;
        self.inside.set(self.inside.get() - 1);
    }

    fn close(&self) {
        for (second, jobs) in self.begun.take() {
            println!("  {second} s: jobs {}", jobs.join(" "));
        }
        let seconds = self.opened.elapsed().as_secs();
        println!("all done after {seconds} s, never more than {} at once", self.most.get());
    }
}
