//! Stories of `spawn_blocking`: what becomes of a job's value, of a job nobody wants any more, and of the runtime
//! while jobs are outstanding.

mod common;

use common::{OnDrop, elsewhere, executor};
use runtime_executor::{
    Executor, Handle, Park, ThreadPark, spawn, spawn_blocking,
    task::yield_now,
    time::{Clock, Duration, Instant, sleep},
};
use std::{
    cell::RefCell,
    io,
    panic::{catch_unwind, panic_any},
    pin::pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    task::{Context, Poll, Waker},
    thread,
};

const HOUR: Duration = Duration::from_secs(3600);

/// A job that tells when it has started, and ends when it is released.
fn held() -> (impl FnOnce() + Send, Receiver<()>, Sender<()>) {
    let ((start, started), (release, released)) = (channel(), channel::<()>());
    let job = move || {
        let _ = start.send(()); // not everybody wants to know
        let _ = released.recv();
    };
    (job, started, release)
}

fn one_thread() -> Executor {
    Executor::builder().blocking_threads(1).build()
}

/// The output of a future that must be ready.
fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("still pending"),
    }
}

fn thread_name() -> String {
    thread::current().name().unwrap_or_default().to_owned()
}

#[test]
fn the_value_of_a_job_comes_back_from_another_thread() {
    executor().block_on(async {
        let (name, sum) = spawn_blocking(|| (thread_name(), (1..=10).sum::<u32>())).await.unwrap();
        assert_eq!((&*name, sum), ("runtime-blocking-0", 55));
    });
}

#[test]
fn a_job_starts_at_once_without_being_awaited() {
    executor().block_on(async {
        let (tell, told) = channel();
        let handle = spawn_blocking(move || tell.send("running").unwrap());
        assert_eq!(told.recv(), Ok("running")); // blocks the loop: nothing was polled since
        handle.await.unwrap();
    });
}

#[test]
fn a_panic_in_a_job_is_the_handles_error_with_its_payload() {
    executor().block_on(async {
        let error = spawn_blocking(|| panic_any(7_u32)).await.unwrap_err();
        assert!(error.is_panic());
        assert_eq!(*error.into_panic().downcast::<u32>().unwrap(), 7);

        let error = spawn_blocking(|| panic!("disk on fire")).await.unwrap_err();
        let text = error.to_string();
        assert!(text.ends_with("panicked: disk on fire"), "{text}");
        assert!(text.contains("tests/blocking.rs"), "spawned at our line, not inside the runtime: {text}");

        assert_eq!(spawn_blocking(|| 1).await.unwrap(), 1); // the thread lives on
    });
}

#[test]
fn outside_a_runtime_the_panic_says_what_to_do() {
    let panic = catch_unwind(|| drop(spawn_blocking(|| 1))).unwrap_err();
    let text = panic.downcast_ref::<String>().unwrap();
    assert!(text.starts_with("spawn_blocking needs a runtime on this thread"), "{text}");
    assert!(text.contains("`runtime::Handle::spawn`"), "{text}");
}

#[test]
fn a_job_cancelled_before_its_turn_never_runs() {
    one_thread().block_on(async {
        let (first, started, release) = held();
        let first = spawn_blocking(first);
        started.recv().unwrap();
        let (tell, told) = channel();
        let second = spawn_blocking(move || tell.send("ran").unwrap());
        assert!(second.cancel_and_wait().await.unwrap_err().is_cancelled());
        drop(release);
        first.await.unwrap();
        assert!(told.recv().is_err(), "the closure was dropped, and did not run before");
    });
}

#[test]
fn a_job_cancelled_while_it_runs_goes_on_and_its_value_is_dropped_over_there() {
    let (job, started, release) = held();
    let (tell, told) = channel();
    executor().block_on(async {
        let handle = spawn_blocking(move || {
            job();
            OnDrop::new(move || tell.send(thread_name()).unwrap())
        });
        started.recv().unwrap();
        let outcome = handle.cancel_and_wait().await;
        assert!(outcome.is_err_and(|error| error.is_cancelled()), "without waiting for the job");
        assert!(told.try_recv().is_err());
        drop(release);
        assert_eq!(told.recv().unwrap(), "runtime-blocking-0");
    });
}

#[test]
fn a_detached_job_runs_and_its_value_is_dropped_once() {
    let drops = Arc::new(AtomicUsize::new(0));
    executor().block_on(async {
        let (tell, told) = channel();
        let seen = Arc::clone(&drops);
        spawn_blocking(move || {
            tell.send(()).unwrap();
            OnDrop::new(move || {
                seen.fetch_add(1, Ordering::Relaxed);
            })
        })
        .detach();
        told.recv().unwrap();
    });
    assert_eq!(drops.load(Ordering::Relaxed), 1, "the end of the runtime has waited for it");
}

#[test]
fn ten_thousand_jobs_on_four_threads() {
    let executor = Executor::builder().blocking_threads(4).build();
    let jobs = common::scaled(10_000, 100);
    let (busy, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let sum = executor.block_on(async {
        let job = |number: usize| {
            let (busy, most) = (Arc::clone(&busy), Arc::clone(&most));
            spawn_blocking(move || {
                most.fetch_max(busy.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
                busy.fetch_sub(1, Ordering::Relaxed);
                number
            })
        };
        let handles: Vec<_> = (0..jobs).map(job).collect();
        let mut sum = 0;
        for handle in handles {
            sum += handle.await.unwrap();
        }
        sum
    });
    assert_eq!(sum, jobs * (jobs - 1) / 2);
    assert!(most.load(Ordering::Relaxed) <= 4);
}

#[test]
fn the_loop_goes_on_beside_a_job() {
    executor().block_on(async {
        let (job, _started, release) = held();
        let job = spawn_blocking(job);
        for _ in 0..1_000 {
            yield_now().await;
        }
        assert!(!job.is_finished());
        drop(release);
        job.await.unwrap();
    });
}

#[test]
fn a_runtime_that_ends_drops_queued_jobs_and_waits_for_the_running_one() {
    let executor = one_thread();
    let (job, started, release) = held();
    let finished = Arc::new(AtomicBool::new(false));
    let (tell, told) = channel::<&str>();
    let mut queued = None;
    executor.block_on(async {
        let finished = Arc::clone(&finished);
        spawn_blocking(move || {
            job();
            finished.store(true, Ordering::Relaxed);
        })
        .detach();
        started.recv().unwrap();
        queued = Some(spawn_blocking(move || tell.send("ran").unwrap()));
    });
    // The running job is released only when the queued one is known to be gone.
    let releaser = thread::Builder::new().spawn(move || {
        let fate = told.recv();
        drop(release);
        fate
    });
    drop(executor);
    assert!(finished.load(Ordering::Relaxed));
    assert!(releaser.unwrap().join().unwrap().is_err(), "the queued job was dropped, never run");
    assert!(now(queued.unwrap()).unwrap_err().is_cancelled());
}

#[test]
fn a_limit_on_the_end_counts_the_jobs_left_behind() {
    let executor = executor();
    let (first, first_started, first_release) = held();
    let (second, second_started, second_release) = held();
    executor.block_on(async {
        spawn_blocking(first).detach();
        spawn_blocking(second).detach();
        first_started.recv().unwrap();
        second_started.recv().unwrap();
    });
    assert_eq!(executor.shutdown_timeout(Duration::ZERO), 2);
    drop((first_release, second_release));
}

#[test]
fn a_job_may_wait_for_a_task_of_the_runtime_that_runs_it() {
    executor().block_on(async {
        let runtime = Handle::current();
        let answer = spawn_blocking(move || runtime.spawn(|| async { 6 * 7 }).blocking_join().unwrap());
        assert_eq!(answer.await.unwrap(), 42);
    });
}

#[test]
fn a_job_that_waits_for_a_task_does_not_keep_the_runtime_from_ending() {
    let executor = executor();
    let (tell, told) = channel();
    executor.block_on(async {
        let runtime = Handle::current();
        spawn_blocking(move || {
            let task = runtime.spawn(std::future::pending::<()>);
            tell.send(()).unwrap();
            assert!(task.blocking_join().unwrap_err().is_cancelled());
        })
        .detach();
        told.recv().unwrap();
    });
    drop(executor); // cancels the task first, then waits for the job
}

#[test]
fn a_job_may_run_a_runtime_of_its_own() {
    executor().block_on(async {
        let inner = || executor().block_on(async { spawn_blocking(thread_name).await.unwrap() });
        assert_eq!(spawn_blocking(inner).await.unwrap(), "runtime-blocking-0"); // of the inner pool
    });
}

#[test]
fn a_job_started_by_a_drop_while_the_runtime_ends_does_no_harm() {
    let (tell, told) = channel::<()>();
    let executor = executor();
    executor.block_on(async {
        let at_end = OnDrop::new(move || {
            let handle = spawn_blocking(move || drop(tell));
            assert!(handle.is_finished(), "cancelled at once");
        });
        spawn(async move {
            let _at_end = at_end;
            std::future::pending::<()>().await;
        })
        .detach();
        yield_now().await;
    });
    drop(executor);
    assert!(told.recv().is_err(), "run or not, the job is gone");
}

/// When something is to happen in the real world.
#[derive(PartialEq, Clone, Copy)]
enum When {
    /// When the loop first sleeps without a limit.
    Asleep,
    /// When the loop first asks whether anything outside is being waited for.
    Asking,
}

/// Sleeps on the thread, and lets something happen once.
struct Outside {
    park: ThreadPark,
    when: When,
    event: RefCell<Option<Box<dyn FnOnce()>>>,
}

impl Outside {
    fn happen(&self, now: When) {
        let event = if now == self.when { self.event.take() } else { None };
        if let Some(event) = event {
            event();
        }
    }
}

impl Park for Outside {
    fn park(&self, timeout: Option<Duration>) -> io::Result<()> {
        if timeout.is_none() {
            self.happen(When::Asleep);
        }
        self.park.park(timeout)
    }

    fn unparker(&self) -> Waker {
        self.park.unparker()
    }

    fn waiters(&self) -> usize {
        self.happen(When::Asking);
        0
    }
}

/// An executor whose virtual clock stands, and in whose outside something happens.
fn in_virtual_time(when: When, event: impl FnOnce() + 'static) -> Executor {
    let outside = Outside { park: ThreadPark::new(), when, event: RefCell::new(Some(Box::new(event))) };
    Executor::builder().clock(Clock::paused()).park(Rc::new(outside)).build()
}

#[test]
fn virtual_time_stands_while_a_job_is_outstanding() {
    let (job, _started, release) = held();
    in_virtual_time(When::Asleep, move || drop(release)).block_on(async {
        let start = Instant::now();
        let sleeper = spawn(async move {
            sleep(HOUR).await;
            start.elapsed()
        });
        spawn_blocking(job).await.unwrap();
        assert_eq!(start.elapsed(), Duration::ZERO);
        assert!(!sleeper.is_finished());
        assert_eq!(sleeper.await.unwrap(), HOUR);
    });
}

#[test]
fn virtual_time_goes_on_after_a_job_for_which_nobody_waits() {
    let (job, started, release) = held();
    in_virtual_time(When::Asleep, move || drop(release)).block_on(async move {
        let start = Instant::now();
        let handle = spawn_blocking(job);
        started.recv().unwrap();
        assert!(handle.cancel_and_wait().await.unwrap_err().is_cancelled());
        // No task will be woken by the job's end; the loop, asleep because of it, must hear of it all the same.
        sleep(HOUR).await;
        assert_eq!(start.elapsed(), HOUR);
    });
}

#[test]
fn virtual_time_stands_if_a_job_ends_while_the_loop_decides() {
    let (job, _started, release) = held();
    let end_the_job = move || {
        drop(release);
        (0..1_000).for_each(|_| thread::yield_now()); // it may, or may not, have ended now: both must be right
    };
    in_virtual_time(When::Asking, end_the_job).block_on(async {
        let start = Instant::now();
        let sleeper = spawn(sleep(HOUR));
        spawn_blocking(job).await.unwrap();
        assert_eq!(start.elapsed(), Duration::ZERO);
        sleeper.await.unwrap();
    });
}

#[test]
fn virtual_time_and_many_short_jobs_agree() {
    in_virtual_time(When::Asleep, || ()).block_on(async {
        let start = Instant::now();
        for round in 1..=common::scaled(2_000, 20) {
            let sleeper = spawn(sleep(Duration::from_secs(1)));
            spawn_blocking(|| ()).await.unwrap();
            assert_eq!(start.elapsed().as_secs() + 1, round as u64);
            sleeper.await.unwrap();
        }
    });
}

#[test]
fn a_runtime_leaves_no_thread_behind() {
    thread_local!(static AT_END: RefCell<Option<Box<dyn Send>>> = const { RefCell::new(None) });
    let ended = Arc::new(AtomicUsize::new(0));
    elsewhere(|| {
        executor().block_on(async {
            let count = |_| {
                let ended = Arc::clone(&ended);
                spawn_blocking(move || {
                    let at_end = OnDrop::new(move || {
                        ended.fetch_add(1, Ordering::Relaxed);
                    });
                    AT_END.set(Some(Box::new(at_end)));
                })
            };
            let handles: Vec<_> = (0..8).map(count).collect();
            for handle in handles {
                handle.await.unwrap();
            }
        });
    });
    assert_eq!(
        ended.load(Ordering::Relaxed),
        8,
        "one for each job: by the next on its thread, or by the end of that"
    );
}
