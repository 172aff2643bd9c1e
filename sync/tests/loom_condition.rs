//! Model checks of the shared `Condition`: no notification is lost, and whoever waited returns with the lock.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p runtime-sync --release --test loom_condition`
#![cfg(loom)]

mod models;

use models::{Exclusive, beside, block_on, give_up, model};
use runtime_sync::shared::Condition;
use std::sync::Arc;

/// What is protected: a number, and who changes it must be alone.
#[derive(Default)]
struct Jobs {
    number: usize,
    alone: Exclusive,
}

fn jobs() -> Arc<Condition<Jobs>> {
    Arc::new(Condition::new(Jobs::default()))
}

fn put(jobs: &Condition<Jobs>, number: usize) {
    let mut guard = block_on(jobs.lock());
    guard.alone.change();
    guard.number += number;
}

fn take(jobs: &Condition<Jobs>) {
    block_on(async {
        let mut guard = jobs.wait_for(jobs.lock().await, |jobs| jobs.number > 0).await;
        guard.alone.change();
        guard.number -= 1;
    });
}

#[test]
fn notify_against_wait() {
    model(|| {
        let jobs = jobs();
        let other = Arc::clone(&jobs);
        let thread = beside(move || take(&other));
        put(&jobs, 1);
        jobs.notify(1); // without the lock
        thread.join().unwrap();
    });
}

#[test]
fn all_who_wait_are_notified() {
    model(|| {
        let jobs = jobs();
        let threads = [(); 2].map(|()| {
            let jobs = Arc::clone(&jobs);
            beside(move || take(&jobs))
        });
        put(&jobs, 2);
        jobs.notify_all();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(block_on(jobs.lock()).number, 0);
    });
}

#[test]
fn two_jobs_for_two_notified_one_by_one() {
    model(|| {
        let jobs = jobs();
        let threads = [(); 2].map(|()| {
            let jobs = Arc::clone(&jobs);
            beside(move || take(&jobs))
        });
        put(&jobs, 2);
        jobs.notify(1);
        jobs.notify(1);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn the_notification_of_one_who_gives_up_reaches_the_next() {
    model(|| {
        let jobs = jobs();
        let (leaving, staying) = (Arc::clone(&jobs), Arc::clone(&jobs));
        let leaves = beside(move || {
            let guard = block_on(leaving.lock());
            let waited = give_up(leaving.wait(guard)).is_some();
            assert!(!waited, "it polled once: it cannot have been notified by then");
        });
        let stays = beside(move || take(&staying));
        put(&jobs, 1);
        jobs.notify(1);
        leaves.join().unwrap();
        stays.join().unwrap();
    });
}

#[test]
fn a_thread_may_block_on_it() {
    model(|| {
        let jobs = jobs();
        let other = Arc::clone(&jobs);
        let thread = beside(move || {
            let mut guard = other.blocking_lock();
            while guard.number == 0 {
                guard = other.blocking_wait(guard);
            }
            guard.alone.change();
        });
        put(&jobs, 1);
        jobs.notify_all();
        thread.join().unwrap();
    });
}
