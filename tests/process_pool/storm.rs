//! Workers that are killed again and again while there is work.
//!
//! `POOL_STORM_SECONDS` and `POOL_STORM_KILLS` make a long one of it.

use crate::{Bytes, double, end, works};
use runtime::{
    pool::{JobError, ProcessPool},
    random_u64,
    time::{Instant, sleep, timeout},
};
use std::{cell::Cell, env, rc::Rc, time::Duration};

/// Within so long of a kill, whoever is to hear of it has.
const SOON: Duration = Duration::from_secs(10);

fn number(name: &str, otherwise: u64) -> u64 {
    env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

#[runtime::test]
async fn every_job_ends_once_whoever_is_killed() {
    let (seconds, kills) = (number("POOL_STORM_SECONDS", 3), number("POOL_STORM_KILLS", 30));
    let pool = ProcessPool::new(4).unwrap();
    let is_over = Rc::new(Cell::new(false));
    let work = runtime::spawn(work(pool.clone(), Rc::clone(&is_over)));
    let begun = Instant::now();
    let (mut killed, mut longest) = (0, Duration::ZERO);
    while killed < kills || begun.elapsed() < Duration::from_secs(seconds) {
        sleep(Duration::from_micros(random_u64() % 20_000)).await;
        let workers = pool.workers();
        if workers.is_empty() {
            continue;
        }
        end(workers[random_u64() as usize % workers.len()]);
        killed += 1;
        // What is submitted now is done soon, by whoever is left.
        let asked = Instant::now();
        match timeout(SOON, pool.submit(double, 7)).await.expect("a job hangs") {
            Ok(result) => assert_eq!(result, 14),
            Err(error) => assert!(matches!(error, JobError::WorkerDied(_)), "{error}"),
        }
        longest = longest.max(asked.elapsed());
    }
    is_over.set(true);
    let Totals { done, died } = timeout(SOON, work).await.expect("a job hangs").unwrap();
    println!(
        "{killed} kills: {done} jobs done, {died} died with their workers, none waited longer than {longest:?}"
    );
    assert!(done > 0 && died <= killed);
    works(&pool, 4).await;
}

struct Totals {
    done: u64,
    died: u64,
}

/// Jobs of all kinds, many at once.
async fn work(pool: ProcessPool, is_over: Rc<Cell<bool>>) -> Totals {
    let mut totals = Totals { done: 0, died: 0 };
    let mut round = 0_u64;
    while !is_over.get() {
        let sizes = (0..40).map(move |n| match (n + round) % 40 {
            0 => 3 << 20,
            1..5 => 100_000,
            5..10 => 10_000,
            _ => 10,
        });
        let jobs: Vec<_> =
            sizes.map(|len| (len, pool.submit(reverse, Bytes(vec![round as u8; len])))).collect();
        for (len, job) in jobs {
            match job.await {
                Ok(Bytes(bytes)) => {
                    assert!(bytes.len() == len && bytes.iter().all(|&byte| byte == round as u8));
                    totals.done += 1;
                }
                Err(JobError::WorkerDied(_)) => totals.died += 1,
                Err(error) => panic!("{error}"),
            }
        }
        round += 1;
    }
    totals
}

fn reverse(mut bytes: Bytes) -> Bytes {
    bytes.0.reverse();
    bytes
}
