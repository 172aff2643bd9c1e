//! Model checks of the pool: a job is never lost between a thread that gives up waiting, the submitter, and the
//! end. A lost notification leaves a thread blocked for ever, which loom reports.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p runtime-executor --release --lib blocking::`

use super::pool::{Config, Pool};
use loom::{
    model::Builder,
    sync::{Condvar, Mutex},
    thread,
};
use runtime_sync::shared::oneshot::{Receiver, RecvError, channel};
use std::{sync::Arc, task::Wake, time::Duration};

/// Explores all schedules with at most three preemptions: a worker, its submitter and a closer are too much for
/// all of them, and no known bug of such queues needs more.
fn model(body: impl Fn() + Sync + Send + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(body);
}

/// In the model a keep-alive of zero ends at once and any other never does.
fn pool(max_threads: usize, keep_alive: Duration) -> Pool {
    Pool::with(Config { keep_alive, ..Config::new(max_threads) })
}

/// A job that tells when it runs, and by its channel that it was dropped without.
fn submit(pool: &Pool) -> Receiver<()> {
    let (sender, receiver) = channel();
    pool.submit(Box::new(move || sender.send(()).unwrap())).unwrap();
    receiver
}

#[test]
fn submit_against_a_thread_that_gives_up_waiting() {
    model(|| {
        let pool = pool(1, Duration::ZERO);
        let first = submit(&pool);
        assert_eq!(first.blocking_recv(), Ok(()));
        let second = submit(&pool); // while the thread finishes, waits, gives up, or has left
        assert_eq!(second.blocking_recv(), Ok(()));
        assert_eq!(pool.shutdown(None), 0);
        assert_eq!(pool.outstanding(), 0);
    });
}

#[test]
fn submit_against_a_thread_that_begins_to_wait() {
    model(|| {
        let pool = pool(1, Duration::MAX);
        let first = submit(&pool);
        assert_eq!(first.blocking_recv(), Ok(()));
        let second = submit(&pool);
        assert_eq!(second.blocking_recv(), Ok(()));
        assert_eq!(pool.shutdown(None), 0);
    });
}

#[test]
fn shutdown_against_a_thread_that_starts_or_waits() {
    model(|| {
        let pool = pool(1, Duration::MAX);
        let job = submit(&pool);
        assert_eq!(pool.shutdown(None), 0);
        // It ran or it was dropped; either is known by now.
        assert_eq!(pool.outstanding(), 0);
        let _ = job.blocking_recv();
    });
}

#[test]
fn two_jobs_and_two_threads_that_leave_at_once() {
    model(|| {
        let pool = pool(2, Duration::ZERO);
        let (first, second) = (submit(&pool), submit(&pool));
        assert_eq!(first.blocking_recv(), Ok(()));
        assert_eq!(second.blocking_recv(), Ok(()));
        assert_eq!(pool.shutdown(None), 0);
    });
}

#[test]
fn submit_against_shutdown() {
    model(|| {
        let pool = pool(1, Duration::MAX);
        let other = pool.clone();
        let closer = thread::spawn(move || other.shutdown(None));
        let (sender, receiver) = channel();
        let refused = pool.submit(Box::new(move || sender.send(()).unwrap())).is_err();
        let fate = receiver.blocking_recv();
        assert!(!refused || fate == Err(RecvError), "refused, it never runs");
        assert_eq!(closer.join().unwrap(), 0);
        assert_eq!(pool.outstanding(), 0);
    });
}

#[test]
fn shutdown_that_does_not_wait_against_the_end_of_a_job() {
    model(|| {
        let pool = pool(1, Duration::MAX);
        let job = submit(&pool);
        let stragglers = pool.shutdown(Some(Duration::ZERO));
        assert!(stragglers <= 1);
        assert_eq!(pool.shutdown(None), 0);
        let _ = job.blocking_recv();
    });
}

/// A loop that sleeps until it is woken.
struct Doze(Mutex<bool>, Condvar);

impl Wake for Doze {
    fn wake(self: Arc<Self>) {
        *self.0.lock().unwrap() = true;
        self.1.notify_one();
    }
}

#[test]
fn a_loop_that_sleeps_while_jobs_are_outstanding_hears_of_the_last() {
    model(|| {
        let doze = Arc::new(Doze(Mutex::new(false), Condvar::new()));
        let bell = Some(Arc::clone(&doze).into());
        let pool = Pool::with(Config { keep_alive: Duration::MAX, bell, ..Config::new(1) });
        let _job = submit(&pool);
        while pool.outstanding() > 0 {
            let mut woken = doze.0.lock().unwrap();
            while !*woken {
                woken = doze.1.wait(woken).unwrap();
            }
            *woken = false;
        }
        assert_eq!(pool.shutdown(None), 0);
    });
}
