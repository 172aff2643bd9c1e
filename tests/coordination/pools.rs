//! A pool made at home, and what tells it from a semaphore: the semaphore limits how many tasks go on at once, the pool
//! how many there are.

use crate::support::{Crowd, Transcript, finish, secs};
use runtime::{
    spawn,
    sync::{Queue, Semaphore},
    time::sleep,
};
use std::{collections::BTreeSet, rc::Rc};

/// The pool is a queue of permits to work: take one, work, put it back.
#[runtime::test(start_paused = true)]
async fn a_queue_of_five_permits_is_a_pool_of_five() {
    let transcript = Transcript::new();
    let (pool, crowd) = (Rc::new(Queue::bounded(5)), Crowd::default());
    for permit in 0..5 {
        pool.put(permit).await.unwrap();
    }
    let mut tasks = Vec::new();
    for job in 0..100 {
        let permit = pool.get().await.unwrap();
        let (pool, crowd, transcript) = (Rc::clone(&pool), crowd.clone(), transcript.clone());
        tasks.push(spawn(async move {
            let inside = crowd.enter();
            transcript.say(job.to_string());
            sleep(secs(1)).await;
            drop(inside);
            pool.put(permit).await.unwrap();
        }));
    }
    finish(tasks).await;
    transcript.expect((0..100).map(|job| format!("{} {job}", job / 5)));
    transcript.expect_time(secs(20));
    assert_eq!(crowd.most(), 5);
    assert!(pool.is_full(), "all permits are back");
}

/// A hundred jobs of 5 s, five at a time, take 100 s either way; by a hundred tasks or by five.
#[runtime::test(start_paused = true)]
async fn a_semaphore_needs_a_task_for_each_job_and_a_pool_for_each_worker() {
    let clock = Transcript::new();
    let (semaphore, crowd) = (Rc::new(Semaphore::new(5)), Crowd::default());
    let tasks: Vec<_> = (0..100)
        .map(|_| {
            let (semaphore, crowd) = (Rc::clone(&semaphore), crowd.clone());
            spawn(async move {
                let _permit = semaphore.acquire().await.unwrap();
                let _inside = crowd.enter();
                sleep(secs(5)).await;
            })
        })
        .collect();
    assert_eq!(tasks.iter().map(|task| task.id()).collect::<BTreeSet<_>>().len(), 100);
    finish(tasks).await;
    clock.expect_time(secs(100));
    assert_eq!(crowd.most(), 5);

    let clock = Transcript::new();
    let (jobs, crowd) = (Rc::new(Queue::unbounded()), Crowd::default());
    for job in 0..100 {
        jobs.put(job).await.unwrap();
    }
    jobs.close();
    let workers = (0..5).map(|_| {
        let (jobs, crowd) = (Rc::clone(&jobs), crowd.clone());
        spawn(async move {
            let mut done = 0;
            while jobs.get().await.is_ok() {
                let _inside = crowd.enter();
                sleep(secs(5)).await;
                done += 1;
            }
            done
        })
    });
    assert_eq!(finish(workers).await, [20; 5], "each in its turn");
    clock.expect_time(secs(100));
    assert_eq!(crowd.most(), 5);
}
