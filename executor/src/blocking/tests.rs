//! Stories of the pool on its own: when it grows, whom it serves first, and how it ends.
//!
//! No test waits for time to pass. What a thread has done is learned from the job, from the bell (rung when nothing
//! is outstanding any more, if asked for) or from a thread-local's destructor (run when the thread ends).

use super::pool::{Config, Job, Pool, Reason};
use std::{
    cell::{Cell, RefCell},
    io,
    panic::resume_unwind,
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    task::{Wake, Waker},
    thread,
    time::Duration,
};

const HOUR: Duration = Duration::from_secs(3600);

/// One thread at most, which stays.
pub(super) fn one() -> Config {
    at_most(1)
}

fn at_most(max_threads: usize) -> Config {
    Config { keep_alive: HOUR, ..Config::new(max_threads) }
}

/// Tells its rings to a channel.
struct Bell(Sender<()>);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.send(()).unwrap();
    }
}

fn bell() -> (Option<Waker>, Receiver<()>) {
    let (ring, rings) = channel();
    (Some(Arc::new(Bell(ring)).into()), rings)
}

/// Waits until no job is outstanding: then every thread is free.
fn quiet(pool: &Pool, rings: &Receiver<()>) {
    while pool.outstanding() > 0 {
        rings.recv().unwrap();
    }
}

/// A job that runs, on the thread of the given name, until it is released.
struct Held {
    thread: String,
    release: Sender<()>,
}

impl Held {
    /// Submits the job and waits until it has started.
    fn start(pool: &Pool) -> Self {
        let (started, release) = Self::submit(pool);
        Self { thread: started.recv().unwrap(), release }
    }

    fn submit(pool: &Pool) -> (Receiver<String>, Sender<()>) {
        let ((start, started), (release, released)) = (channel(), channel::<()>());
        let job = move || {
            start.send(String::from(thread::current().name().unwrap())).unwrap();
            let _ = released.recv();
        };
        pool.submit(Box::new(job)).unwrap();
        (started, release)
    }

    fn release(self) {
        drop(self.release);
    }
}

/// A job, and a channel that closes when it is dropped; it says so before if the job ran.
pub(super) fn witness() -> (Job, Receiver<&'static str>) {
    let (tell, told) = channel();
    (Box::new(move || tell.send("ran").unwrap()), told)
}

fn text(pool: &Pool) -> String {
    format!("{pool:?}")
}

#[test]
fn it_grows_only_when_no_thread_is_free() {
    let (bell, rings) = bell();
    let pool = Pool::with(Config { bell, ..at_most(10) });
    assert_eq!(text(&pool), "Pool { threads: 0, queued: 0, running: 0, closed: false }");
    let first = Held::start(&pool);
    let second = Held::start(&pool);
    assert_eq!(first.thread, "runtime-blocking-0");
    assert_eq!(second.thread, "runtime-blocking-1");
    first.release();
    second.release();
    quiet(&pool, &rings);
    for _ in 0..100 {
        Held::start(&pool).release();
        quiet(&pool, &rings);
    }
    assert_eq!(text(&pool), "Pool { threads: 2, queued: 0, running: 0, closed: false }");
    let held: Vec<_> = (0..3).map(|_| Held::start(&pool)).collect();
    assert_eq!(text(&pool), "Pool { threads: 3, queued: 0, running: 3, closed: false }");
    drop(held);
    quiet(&pool, &rings);
    Held::start(&pool).release();
    assert_eq!(pool.shutdown(None), 0, "the threads that wait for work were all told");
    assert_eq!(text(&pool), "Pool { threads: 0, queued: 0, running: 0, closed: true }");
}

#[test]
fn each_job_of_a_burst_gets_a_thread() {
    thread_local!(static CREATED: Cell<usize> = const { Cell::new(0) });
    let start = |builder: thread::Builder, body| {
        CREATED.set(CREATED.get() + 1);
        builder.spawn(body)
    };
    let pool = Pool::with(Config { start, ..at_most(10) });
    let jobs: Vec<_> = (0..4).map(|_| Held::submit(&pool)).collect();
    assert_eq!(CREATED.get(), 4, "though none of them need have looked at the queue yet");
    for (started, _) in &jobs {
        started.recv().unwrap();
    }
    drop(jobs);
    assert_eq!(pool.shutdown(None), 0);
}

#[test]
fn the_limit_holds_and_the_queue_is_first_come_first_served() {
    let (bell, rings) = bell();
    let pool = Pool::with(Config { bell, ..one() });
    let held = Held::start(&pool);
    let (tell, told) = channel();
    for number in 0..100 {
        let tell = tell.clone();
        pool.submit(Box::new(move || tell.send(number).unwrap())).unwrap();
    }
    assert_eq!(text(&pool), "Pool { threads: 1, queued: 100, running: 1, closed: false }");
    held.release();
    quiet(&pool, &rings);
    assert_eq!(told.try_iter().collect::<Vec<_>>(), (0..100).collect::<Vec<_>>());
    assert_eq!(text(&pool), "Pool { threads: 1, queued: 0, running: 0, closed: false }");
    assert_eq!(pool.shutdown(None), 0);
}

#[test]
fn no_threads_allowed_still_means_one() {
    let pool = Pool::with(at_most(0));
    Held::start(&pool).release();
    assert_eq!(pool.shutdown(None), 0);
}

#[test]
fn outstanding_counts_queued_and_running_until_the_bell() {
    let (bell, rings) = bell();
    let pool = Pool::with(Config { bell, ..one() });
    assert_eq!(pool.outstanding(), 0);
    let first = Held::start(&pool);
    assert_eq!(pool.outstanding(), 1);
    let (second_started, second) = Held::submit(&pool);
    assert_eq!(pool.outstanding(), 2);
    first.release();
    second_started.recv().unwrap();
    assert_eq!(pool.outstanding(), 1);
    assert!(rings.try_recv().is_err(), "one job was outstanding at all times");
    drop(second);
    rings.recv().unwrap();
    assert_eq!(pool.outstanding(), 0);
    assert_eq!(pool.shutdown(None), 0);
    assert!(rings.try_recv().is_err());
}

#[test]
fn the_bell_rings_only_for_those_who_saw_jobs_outstanding() {
    let (bell, rings) = bell();
    let pool = Pool::with(Config { bell, ..one() });
    Held::start(&pool).release();
    let held = Held::start(&pool);
    assert!(rings.try_recv().is_err(), "nobody asked");
    assert_eq!(pool.outstanding(), 1);
    held.release();
    rings.recv().unwrap();
    Held::start(&pool).release();
    assert_eq!(pool.shutdown(None), 0);
    assert_eq!(pool.outstanding(), 0);
    assert!(rings.try_recv().is_err(), "nobody asked again");
}

#[test]
fn a_job_counts_until_its_closure_and_what_it_panics_with_are_gone() {
    struct Late(Pool, Sender<usize>);
    impl Drop for Late {
        fn drop(&mut self) {
            self.1.send(self.0.outstanding()).unwrap();
        }
    }
    let pool = Pool::with(one());
    let (tell, told) = channel();
    let (captured, thrown) = (Late(pool.clone(), tell.clone()), Late(pool.clone(), tell));
    let job = || {
        let _captured = captured;
        resume_unwind(Box::new(thrown));
    };
    pool.submit(Box::new(job)).unwrap();
    assert_eq!((told.recv(), told.recv()), (Ok(1), Ok(1)));
    assert_eq!(pool.shutdown(None), 0);
}

#[test]
fn an_idle_thread_ends_and_the_next_job_gets_a_new_one() {
    struct AtEnd(Sender<()>);
    impl Drop for AtEnd {
        fn drop(&mut self) {
            self.0.send(()).unwrap();
        }
    }
    thread_local!(static AT_END: RefCell<Option<AtEnd>> = const { RefCell::new(None) });

    let pool = Pool::with(Config { keep_alive: Duration::from_millis(1), ..at_most(10) });
    for _ in 0..5 {
        let (end, ended) = channel();
        let job = || AT_END.set(Some(AtEnd(end)));
        pool.submit(Box::new(job)).unwrap();
        ended.recv().unwrap();
        assert_eq!(text(&pool), "Pool { threads: 0, queued: 0, running: 0, closed: false }");
    }
    assert_eq!(pool.shutdown(None), 0);
}

#[test]
fn a_panic_ends_neither_the_thread_nor_the_count() {
    struct Nasty;
    impl Drop for Nasty {
        fn drop(&mut self) {
            resume_unwind(Box::new(())); // no memory, as this one is leaked
        }
    }
    let (bell, rings) = bell();
    let pool = Pool::with(Config { bell, ..at_most(10) });
    pool.submit(Box::new(|| resume_unwind(Box::new("in a job")))).unwrap();
    quiet(&pool, &rings);
    pool.submit(Box::new(|| resume_unwind(Box::new(Nasty)))).unwrap();
    quiet(&pool, &rings);
    assert_eq!(text(&pool), "Pool { threads: 1, queued: 0, running: 0, closed: false }");
    assert_eq!(Held::start(&pool).thread, "runtime-blocking-0");
    assert_eq!(pool.shutdown(None), 0);
}

#[test]
fn a_panicking_bell_harms_nobody() {
    struct Cracked(Sender<()>);
    impl Wake for Cracked {
        fn wake(self: Arc<Self>) {
            self.0.send(()).unwrap();
            resume_unwind(Box::new("in the bell"));
        }
    }
    let (ring, rings) = channel();
    let pool = Pool::with(Config { bell: Some(Arc::new(Cracked(ring)).into()), ..one() });
    for _ in 0..2 {
        let held = Held::start(&pool);
        assert_eq!(pool.outstanding(), 1);
        held.release();
        rings.recv().unwrap();
    }
    assert_eq!(pool.shutdown(None), 0);
}

#[test]
fn shutdown_drops_what_is_queued_and_waits_for_what_runs() {
    let pool = Pool::with(one());
    let held = Held::start(&pool);
    let (tell, told) = channel();
    let (queued, fate) = witness();
    pool.submit(queued).unwrap();
    let closing = {
        let pool = pool.clone();
        let close = move || {
            let stragglers = pool.shutdown(None);
            tell.send("shutdown returned").unwrap();
            stragglers
        };
        thread::Builder::new().spawn(close).unwrap()
    };
    assert!(fate.recv().is_err(), "dropped, never run, before the running job has ended");
    assert!(told.try_recv().is_err());
    assert_eq!(pool.outstanding(), 1);
    held.release();
    assert_eq!(told.recv(), Ok("shutdown returned"));
    assert_eq!(closing.join().unwrap(), 0);
    assert_eq!(text(&pool), "Pool { threads: 0, queued: 0, running: 0, closed: true }");
}

#[test]
fn shutdown_with_a_limit_counts_those_that_still_run() {
    let (bell, rings) = bell();
    let pool = Pool::with(Config { bell, ..at_most(40) });
    (0..40).map(|_| Held::start(&pool)).collect::<Vec<_>>().into_iter().for_each(Held::release);
    quiet(&pool, &rings); // forty free threads
    let (first, second) = (Held::start(&pool), Held::start(&pool));
    assert_eq!(pool.shutdown(Some(Duration::ZERO)), 2);
    assert_eq!(text(&pool), "Pool { threads: 2, queued: 0, running: 2, closed: true }");
    first.release();
    second.release();
    assert_eq!(pool.shutdown(Some(Duration::MAX)), 0);
    assert_eq!(text(&pool), "Pool { threads: 0, queued: 0, running: 0, closed: true }");
}

#[test]
fn when_shutdown_returns_the_threads_have_ended_completely() {
    /// Ends slowly, and tells when it begins to and when it has.
    struct SlowEnd(Sender<()>, Arc<AtomicUsize>);
    impl Drop for SlowEnd {
        fn drop(&mut self) {
            let _ = self.0.send(());
            (0..10_000).for_each(|_| thread::yield_now());
            self.1.fetch_add(1, Ordering::Relaxed);
        }
    }
    thread_local!(static AT_END: RefCell<Option<SlowEnd>> = const { RefCell::new(None) });

    let (bell, rings) = bell();
    let pool = Pool::with(Config { bell, ..at_most(10) });
    let (held, ended) = ([Held::start(&pool), Held::start(&pool)], Arc::new(AtomicUsize::new(0)));
    held.into_iter().for_each(Held::release);
    quiet(&pool, &rings); // two threads

    let all_here = Arc::new(Barrier::new(3)); // a job on each, and this thread
    let (tell_end, ends) = channel();
    let (release, released) = channel::<()>();
    let (at_end, here) = (SlowEnd(tell_end, Arc::clone(&ended)), Arc::clone(&all_here));
    let slow = move || {
        AT_END.set(Some(at_end));
        here.wait();
    };
    let here = Arc::clone(&all_here);
    let last = move || {
        here.wait();
        let _ = released.recv();
    };
    pool.submit(Box::new(slow)).unwrap();
    pool.submit(Box::new(last)).unwrap();
    all_here.wait();
    let releaser = thread::Builder::new().spawn(move || {
        ends.recv().unwrap(); // the first has left and is at its slow end,
        drop(release); // then the other leaves and becomes the one that `shutdown` joins
    });
    assert_eq!(pool.shutdown(None), 0);
    assert_eq!(ended.load(Ordering::Relaxed), 1);
    releaser.unwrap().join().unwrap();
}

#[test]
fn a_panic_in_the_drop_of_a_queued_job_does_not_spare_the_next() {
    struct Nasty;
    impl Drop for Nasty {
        fn drop(&mut self) {
            resume_unwind(Box::new("in the drop of a queued job"));
        }
    }
    let pool = Pool::with(one());
    let held = Held::start(&pool);
    let nasty = Nasty;
    pool.submit(Box::new(move || drop(nasty))).unwrap();
    let (queued, fate) = witness();
    pool.submit(queued).unwrap();
    assert_eq!(pool.shutdown(Some(Duration::ZERO)), 1);
    assert!(fate.recv().is_err());
    held.release();
    assert_eq!(pool.shutdown(None), 0);
}

#[test]
fn a_closed_pool_hands_jobs_back() {
    let pool = Pool::with(one());
    assert_eq!(pool.shutdown(None), 0);
    let (job, fate) = witness();
    let refused = pool.submit(job).unwrap_err();
    assert_eq!(refused.reason.to_string(), "the blocking pool has been shut down, together with its runtime");
    (refused.job)();
    assert_eq!(fate.recv(), Ok("ran"));
    assert_eq!(pool.outstanding(), 0);
}

#[test]
fn a_full_queue_hands_jobs_back() {
    let pool = Pool::with(Config { max_queued: 2, ..one() });
    let held = Held::start(&pool);
    for _ in 0..2 {
        pool.submit(witness().0).unwrap();
    }
    let refused = pool.submit(witness().0).unwrap_err();
    assert_eq!(refused.reason.to_string(), "2 blocking jobs are queued already, and that is the limit");
    assert_eq!(pool.outstanding(), 3);
    held.release();
    assert_eq!(pool.shutdown(None), 0);
}

#[test]
fn a_system_without_threads_fails_only_the_job_that_no_thread_can_run() {
    thread_local!(static REFUSE: Cell<bool> = const { Cell::new(true) });
    fn start(builder: thread::Builder, body: Job) -> io::Result<thread::JoinHandle<()>> {
        if REFUSE.get() { Err(io::ErrorKind::WouldBlock.into()) } else { builder.spawn(body) }
    }
    let pool = Pool::with(Config { start, ..at_most(10) });
    let (job, fate) = witness();
    let refused = pool.submit(job).unwrap_err();
    assert!(matches!(&refused.reason, Reason::NoThread(error) if error.kind() == io::ErrorKind::WouldBlock));
    assert!(refused.reason.to_string().contains("ulimit -u"));
    assert_eq!(text(&pool), "Pool { threads: 0, queued: 0, running: 0, closed: false }");
    drop(refused);
    assert!(fate.recv().is_err());

    REFUSE.set(false);
    let held = Held::start(&pool);
    REFUSE.set(true);
    let (job, fate) = witness();
    pool.submit(job).unwrap();
    assert_eq!(text(&pool), "Pool { threads: 1, queued: 1, running: 1, closed: false }");
    held.release();
    assert_eq!(fate.recv(), Ok("ran"), "by the one thread there is");
    assert_eq!(pool.shutdown(None), 0);
}

#[test]
fn a_job_may_submit_to_its_own_pool() {
    let pool = Pool::with(one());
    let (job, fate) = witness();
    let inner = pool.clone();
    pool.submit(Box::new(move || inner.submit(job).unwrap())).unwrap();
    assert_eq!(fate.recv(), Ok("ran"));
    assert_eq!(pool.shutdown(None), 0);
}

#[test]
fn a_pool_that_is_only_dropped_finishes_what_is_queued() {
    let pool = Pool::with(Config { keep_alive: Duration::ZERO, ..one() });
    let held = Held::start(&pool);
    let (job, fate) = witness();
    pool.submit(job).unwrap();
    drop(pool);
    held.release();
    assert_eq!(fate.recv(), Ok("ran"));
}

#[test]
fn four_submitters_against_threads_that_leave_at_once_lose_no_job() {
    const JOBS: usize = if cfg!(miri) { 20 } else { 2_000 };
    let pool = Pool::with(Config { keep_alive: Duration::ZERO, ..at_most(3) });
    let (tell, told) = channel();
    let submitters: Vec<_> = (0..4)
        .map(|_| {
            let (pool, tell) = (pool.clone(), tell.clone());
            let submit = move || {
                for _ in 0..JOBS {
                    let tell = tell.clone();
                    pool.submit(Box::new(move || tell.send(()).unwrap())).unwrap();
                }
            };
            thread::Builder::new().spawn(submit).unwrap()
        })
        .collect();
    drop(tell);
    assert_eq!(told.iter().count(), 4 * JOBS, "a job that is lost would keep the channel open");
    submitters.into_iter().for_each(|submitter| submitter.join().unwrap());
    assert_eq!(pool.shutdown(None), 0);
}
