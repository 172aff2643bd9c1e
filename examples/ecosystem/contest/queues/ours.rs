//! Our brokers: jobs are pushed, and a `Worker` does them.

use std::cell::Cell;
use std::rc::Rc;

use runtime::broker::{Broker, Delivery, Memory, Options, Redis, Worker};
use runtime::sync::Event;
use runtime::{join_all, spawn};

use super::{Engine, Row};
use crate::harness::clock::{nanoseconds_each, now, processor_time};

/// Microseconds of processor time and on the wall, for each job.
pub(crate) fn run(row: &Row, address: &str, jobs: u64) -> [f64; 2] {
    runtime::run(async {
        match row.engine {
            Engine::Redis => {
                let url = format!("redis://{address}");
                measured(|| Redis::new(&url, row.name, Options::default()).expect("an address"), row, jobs)
                    .await
            }
            Engine::Memory => measured(|| Memory::new(Options::default()), row, jobs).await,
        }
    })
}

/// A tenth as many first, to get going.
async fn measured<B: Broker + Clone + 'static>(open: impl Fn() -> B, row: &Row, jobs: u64) -> [f64; 2] {
    let broker = open();
    let mut spent = [0.0; 2];
    for jobs in [jobs / 10, jobs] {
        let (processor, start) = (processor_time(), now());
        push(&broker, row.at_once, jobs).await;
        work(broker.clone(), row.at_once, jobs).await;
        let (processor, wall) = (processor_time() - processor, start.elapsed());
        spent = [processor, wall].map(|time| nanoseconds_each(time, jobs) / 1e3);
    }
    spent
}

async fn push<B: Broker + Clone + 'static>(broker: &B, at_once: usize, jobs: u64) {
    let left = Rc::new(Cell::new(jobs));
    let tasks = (0..at_once).map(|_| {
        let (broker, left) = (broker.clone(), left.clone());
        spawn(async move {
            while left.get() > 0 {
                left.set(left.get() - 1);
                broker.push(b"nothing").await.expect("it is taken");
            }
        })
    });
    for task in join_all(tasks).await {
        task.expect("it ends");
    }
}

async fn work(broker: impl Broker + 'static, at_once: usize, jobs: u64) {
    let (end, left) = (Rc::new(Event::new()), Cell::new(jobs));
    let done = end.clone();
    let handler = async move |_: &Delivery| {
        left.set(left.get() - 1);
        if left.get() == 0 {
            done.set();
        }
        Ok::<_, String>(())
    };
    let tally = Worker::new(broker).concurrency(at_once).run(end.wait(), handler).await;
    assert_eq!(tally.expect("it works").done, jobs);
}
