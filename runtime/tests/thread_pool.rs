//! The hard cases of a pool of threads. What happens when is decided by gates, never by time.
#![cfg(feature = "macros")]

use runtime::{
    Runtime,
    pool::{Job, JobError, Shutdown, ThreadPool},
    spawn, task,
    time::{self, Instant, timeout},
};
use std::{
    cell::{Cell, RefCell},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    rc::Rc,
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread::{self, ThreadId},
    time::Duration,
};

const LONG: Duration = Duration::from_secs(3600);

/// A job that has begun, and ends when it is told to.
struct Held {
    job: Job<ThreadId>,
    gate: Sender<()>,
}

impl Held {
    fn begin(pool: &ThreadPool) -> Self {
        let (gate, opens) = channel::<()>();
        let (tell, told) = channel();
        let job = move || {
            tell.send(()).unwrap();
            let _ = opens.recv();
            thread::current().id()
        };
        let job = pool.submit(job, ());
        told.recv().unwrap();
        Self { job, gate }
    }

    /// Lets it end; its future.
    fn release(self) -> Job<ThreadId> {
        drop(self.gate);
        self.job
    }
}

/// Tells by its end that something was dropped.
struct Witness(Sender<&'static str>);

impl Drop for Witness {
    fn drop(&mut self) {
        let _ = self.0.send("dropped");
    }
}

fn witness() -> (Witness, Receiver<&'static str>) {
    let (tell, told) = channel();
    (Witness(tell), told)
}

#[runtime::test]
async fn a_panic_is_the_outcome_and_the_thread_goes_on() {
    let pool = ThreadPool::new(1);
    let thread = Held::begin(&pool).release().await.unwrap();
    let error = pool.submit(|| resume_unwind(Box::new("out of tea")), ()).await.unwrap_err();
    assert_eq!(error.to_string(), "the job panicked: out of tea");
    let JobError::Panicked(panic) = error else { panic!("{error}") };
    assert_eq!((panic.message(), panic.location()), (Some("out of tea"), None));
    assert_eq!(panic.into_payload().unwrap().downcast_ref(), Some(&"out of tea"));
    let error = pool.submit(|| resume_unwind(Box::new(7)), ()).await.unwrap_err();
    assert_eq!(error.to_string(), "the job panicked with a value that is not text");
    assert_eq!(Held::begin(&pool).release().await.unwrap(), thread);
    pool.shutdown(Shutdown::Wait).await;
}

#[runtime::test]
async fn jobs_begin_in_their_order_on_as_many_threads_as_may() {
    let pool = ThreadPool::new(2);
    let held = [Held::begin(&pool), Held::begin(&pool)];
    let (tell, told) = channel();
    let jobs: Vec<_> = (0..10_000)
        .map(|number| {
            let tell = tell.clone();
            pool.submit(move || tell.send(number).unwrap(), ())
        })
        .collect();
    assert!(told.try_recv().is_err(), "both threads are held");
    let [first, second] = held;
    let first = first.release().await.unwrap();
    for job in jobs {
        job.await.unwrap();
    }
    assert!(told.try_iter().eq(0..10_000), "by one thread, in the order of submission");
    assert_ne!(second.release().await.unwrap(), first);
    pool.shutdown(Shutdown::Wait).await;
}

#[runtime::test]
async fn shutdown_waits_for_what_is_queued() {
    let pool = ThreadPool::new(1);
    let held = Held::begin(&pool);
    let queued: Vec<_> = (0..100).map(|n| pool.submit(|n: i32| n + 1, n)).collect();
    let mut shutdown = std::pin::pin!(pool.shutdown(Shutdown::Wait));
    assert!(futures_lite::future::poll_once(&mut shutdown).await.is_none());
    assert!(matches!(pool.submit(|| (), ()).await, Err(JobError::PoolClosed)), "it is closed at once");
    let first = held.release();
    shutdown.await;
    assert!(first.is_done());
    for (n, job) in (0..).zip(queued) {
        assert!(job.is_done());
        assert_eq!(job.await.unwrap(), n + 1);
    }
    assert!(format!("{pool:?}").contains("threads: 0, queued: 0, running: 0, closed: true"), "{pool:?}");
}

#[runtime::test]
async fn shutdown_can_cancel_what_is_queued_but_not_what_runs() {
    let pool = ThreadPool::new(1);
    let held = Held::begin(&pool);
    let (witness, dropped) = witness();
    let queued = pool.submit(move || drop(witness), ());
    let shutdown = pool.shutdown(Shutdown::CancelPending);
    assert_eq!(dropped.recv(), Ok("dropped"), "at once, and never called");
    assert!(queued.is_cancelled());
    assert!(matches!(queued.await, Err(JobError::Cancelled)));
    assert!(!held.job.is_done());
    let first = held.release();
    shutdown.await;
    first.await.unwrap();
}

#[runtime::test(start_paused = true)]
async fn a_job_that_never_returns_is_left_behind_with_a_count() {
    let pool = ThreadPool::new(1);
    let held = Held::begin(&pool);
    let queued = pool.submit(|| (), ());
    // On the virtual clock, which stands still while jobs may bring something: so it is told to go on.
    let waiting = spawn(timeout(LONG, pool.shutdown(Shutdown::Wait)));
    task::yield_now().await;
    time::advance(LONG).await;
    assert!(waiting.await.unwrap().is_err());
    assert_eq!(pool.terminate(), 1);
    assert!(matches!(queued.await, Err(JobError::Cancelled)));
    held.release().await.unwrap();
    pool.shutdown(Shutdown::Wait).await;
}

#[runtime::test]
async fn dropping_the_last_handle_gives_up_what_has_not_begun() {
    let pool = ThreadPool::new(1);
    let other = pool.clone();
    let held = Held::begin(&pool);
    let (witness, dropped) = witness();
    let queued = pool.submit(move || drop(witness), ());
    drop(pool);
    assert!(!queued.is_done(), "there is another handle");
    drop(other);
    assert_eq!(dropped.recv(), Ok("dropped"));
    assert!(matches!(queued.await, Err(JobError::PoolClosed)));
    held.release().await.unwrap();
}

#[runtime::test]
async fn a_job_whose_future_is_dropped_is_done_all_the_same() {
    let pool = ThreadPool::new(1);
    let held = Held::begin(&pool);
    let (tell, told) = channel();
    let (witness, dropped) = witness();
    let job = move || {
        tell.send("done").unwrap();
        witness
    };
    pool.submit(job, ()).detach();
    held.release().detach();
    assert_eq!(told.recv(), Ok("done"));
    assert_eq!(dropped.recv(), Ok("dropped"), "its result, on the pool's thread");
    pool.shutdown(Shutdown::Wait).await;
}

#[runtime::test]
async fn apply_that_is_given_up_is_not_done_unless_it_has_begun() {
    let pool = ThreadPool::new(1);
    let held = Held::begin(&pool);
    let (witness, dropped) = witness();
    let mut apply = Box::pin(pool.apply(move || drop(witness), ()));
    assert!(futures_lite::future::poll_once(&mut apply).await.is_none());
    drop(apply);
    assert_eq!(dropped.recv(), Ok("dropped"));
    held.release().await.unwrap();
    assert_eq!(pool.apply(|n: u8| n + 1, 1).await.unwrap(), 2);
    pool.shutdown(Shutdown::Wait).await;
}

#[runtime::test]
async fn a_job_is_cancelled_or_done_and_never_both() {
    let pool = ThreadPool::new(2);
    let done = Arc::new(AtomicUsize::new(0));
    let mut cancelled = 0;
    for _ in 0..2_000 {
        let done_here = done.clone();
        let job = pool.submit(move || done_here.fetch_add(1, Ordering::Relaxed), ());
        let is_cancelled = job.cancel();
        match job.await {
            Ok(_) => assert!(!is_cancelled),
            Err(JobError::Cancelled) => assert!(is_cancelled),
            Err(error) => panic!("{error}"),
        }
        cancelled += usize::from(is_cancelled);
    }
    pool.shutdown(Shutdown::Wait).await;
    assert_eq!(cancelled + done.load(Ordering::Relaxed), 2_000);
}

#[runtime::test]
async fn cancelling_is_for_those_that_have_not_begun() {
    let pool = ThreadPool::new(1);
    let held = Held::begin(&pool);
    assert!(held.job.is_running());
    assert!(!held.job.cancel());
    let queued = pool.submit(|| (), ());
    assert!(!queued.is_running() && !queued.is_done());
    assert!(queued.cancel());
    assert!(!queued.cancel(), "it was already");
    assert!(queued.is_done() && queued.is_cancelled());
    held.release().await.unwrap();
    pool.apply(|| (), ()).await.unwrap();
    assert!(queued.is_done() && !queued.is_running(), "its turn in the queue has come and gone");
    assert!(matches!(queued.await, Err(JobError::Cancelled)));
    let mut ended = pool.submit(|| 1, ());
    (&mut ended).await.unwrap();
    assert!(!ended.cancel() && ended.is_done() && !ended.is_cancelled());
    pool.shutdown(Shutdown::Wait).await;
}

#[runtime::test]
async fn too_many_jobs_are_refused() {
    let pool = ThreadPool::builder().threads(1).max_queued(2).build();
    let held = Held::begin(&pool);
    let queued = [pool.submit(|| 1, ()), pool.submit(|| 2, ())];
    let error = pool.submit(|| 3, ()).await.unwrap_err();
    assert_eq!(error.to_string(), "2 jobs wait in the pool already, and that is the limit");
    held.release().await.unwrap();
    for job in queued {
        job.await.unwrap();
    }
    assert_eq!(pool.submit(|| 4, ()).await.unwrap(), 4);
    pool.shutdown(Shutdown::Wait).await;
}

#[runtime::test]
async fn the_initializer_is_called_on_each_thread_before_its_first_job() {
    let begun = Arc::new(AtomicUsize::new(0));
    let begin = begun.clone();
    let pool = ThreadPool::builder().threads(2).name("ready").initializer(move || {
        assert!(thread::current().name().unwrap().starts_with("ready-"));
        begin.fetch_add(1, Ordering::Relaxed);
    });
    let pool = pool.build();
    let held = [Held::begin(&pool), Held::begin(&pool)];
    assert_eq!(begun.load(Ordering::Relaxed), 2);
    for held in held {
        held.release().await.unwrap();
    }
    for _ in 0..10 {
        pool.apply(|| (), ()).await.unwrap();
    }
    pool.shutdown(Shutdown::Wait).await;
    assert_eq!(begun.load(Ordering::Relaxed), 2);
}

#[runtime::test]
async fn an_initializer_that_fails_fails_the_jobs_and_not_those_that_run() {
    let turn = AtomicUsize::new(0);
    let pool = ThreadPool::builder().threads(2).initializer(move || {
        if turn.fetch_add(1, Ordering::Relaxed) > 0 {
            resume_unwind(Box::new("no more connections"));
        }
    });
    let pool = pool.build();
    let held = Held::begin(&pool);
    let second = pool.submit(|| (), ());
    let error = second.await.unwrap_err();
    assert_eq!(error.to_string(), "the initializer of the pool failed: no more connections");
    assert!(error.never_began());
    assert!(matches!(pool.submit(|| (), ()).await, Err(JobError::Initializer(_))), "from now on");
    held.release().await.unwrap();
    pool.shutdown(Shutdown::Wait).await;
}

#[runtime::test]
async fn callbacks_are_called_here_in_order_and_before_whoever_awaits() {
    let pool = ThreadPool::new(1);
    let held = Held::begin(&pool);
    let said = Rc::new(RefCell::new(Vec::new()));
    let here = thread::current().id();
    let say = |what: &'static str| {
        let said = said.clone();
        move |outcome: &Result<ThreadId, JobError>| {
            assert_eq!(thread::current().id(), here);
            assert_ne!(*outcome.as_ref().unwrap(), here);
            said.borrow_mut().push(what);
        }
    };
    held.job.on_done(say("first"));
    held.job.on_done(|_| resume_unwind(Box::new("in a callback")));
    held.job.on_done(say("second"));
    let mut job = held.release();
    (&mut job).await.unwrap();
    assert_eq!(*said.borrow(), ["first", "second"]);
    let again = catch_unwind(AssertUnwindSafe(|| job.on_done(|_| ())));
    assert!(again.is_err(), "its outcome was given");
    pool.shutdown(Shutdown::Wait).await;
}

#[runtime::test]
async fn a_callback_of_a_job_that_has_ended_is_called_at_once() {
    let pool = ThreadPool::new(1);
    let job = pool.submit(|| 42, ());
    pool.shutdown(Shutdown::Wait).await;
    let seen = Rc::new(Cell::new(0));
    for _ in 0..2 {
        let see = seen.clone();
        job.on_done(move |outcome| see.set(see.get() + outcome.as_ref().unwrap()));
    }
    assert_eq!(seen.get(), 84);
    assert_eq!(job.await.unwrap(), 42);
}

#[runtime::test]
async fn shutdown_waits_for_callbacks() {
    let pool = ThreadPool::new(1);
    let seen = Rc::new(Cell::new(0));
    for _ in 0..3 {
        let see = seen.clone();
        let job = pool.submit(|| (), ());
        job.on_done(move |_| see.set(see.get() + 1));
        job.detach();
    }
    pool.shutdown(Shutdown::Wait).await;
    assert_eq!(seen.get(), 3);

    let pool = ThreadPool::new(1);
    let (gate, opens) = channel::<()>();
    let job = pool.submit(move || opens.recv().is_err(), ());
    let see = seen.clone();
    job.on_done(move |_| see.set(see.get() + 1));
    drop(gate);
    while !job.is_done() {
        thread::yield_now();
    }
    // It has ended, and this thread, which has the callback, has had no turn since.
    assert!(futures_lite::future::poll_once(pool.shutdown(Shutdown::Wait)).await.is_none());
    assert_eq!(seen.get(), 3);
    pool.shutdown(Shutdown::Wait).await;
    assert_eq!(seen.get(), 4);
}

#[runtime::test]
async fn a_cancelled_job_calls_its_callbacks() {
    let pool = ThreadPool::new(1);
    let held = Held::begin(&pool);
    let queued = pool.submit(|| (), ());
    let seen = Rc::new(Cell::new(false));
    let see = seen.clone();
    queued.on_done(move |outcome| see.set(matches!(outcome, Err(JobError::Cancelled))));
    queued.cancel();
    assert!(seen.get());
    held.release().await.unwrap();
    pool.shutdown(Shutdown::Wait).await;
}

#[runtime::test]
async fn get_on_the_thread_of_the_reactor_calls_the_callbacks_itself() {
    let pool = ThreadPool::new(1);
    let seen = Rc::new(RefCell::new(Vec::new()));
    let Held { mut job, gate } = Held::begin(&pool);
    assert!(matches!(job.get(Duration::ZERO), Err(JobError::Elapsed)));
    for number in 0..2 {
        let see = seen.clone();
        job.on_done(move |_| see.borrow_mut().push(number));
    }
    assert!(matches!(job.get(Duration::from_millis(1)), Err(JobError::Elapsed)));
    drop(gate);
    job.get(LONG).unwrap();
    assert_eq!(*seen.borrow(), [0, 1]);
    pool.shutdown(Shutdown::Wait).await;
}

#[runtime::test]
async fn get_in_a_callback_of_its_own_is_refused() {
    let pool = ThreadPool::new(1);
    let job = Rc::new(RefCell::new(pool.submit(|| 42, ())));
    let (own, refused) = (job.clone(), Rc::new(Cell::new(false)));
    let see = refused.clone();
    job.borrow().on_done(move |_| {
        let got = catch_unwind(AssertUnwindSafe(|| own.borrow_mut().get(None)));
        see.set(got.is_err());
    });
    pool.shutdown(Shutdown::Wait).await;
    assert!(refused.get());
    assert_eq!(job.borrow_mut().get(None).unwrap(), 42);
}

#[test]
fn callbacks_of_a_runtime_that_has_ended_are_dropped_and_the_job_is_not() {
    let pool = ThreadPool::new(1);
    let (witness, dropped) = witness();
    let Held { mut job, gate } = Held::begin(&pool);
    runtime::run(async {
        job.on_done(move |_| drop(witness));
    });
    assert_eq!(dropped.recv(), Ok("dropped"));
    drop(gate);
    job.get(None).unwrap();
    pool.blocking_shutdown(Shutdown::Wait);
}

/// What panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

#[test]
fn callbacks_that_panic_when_they_are_dropped_do_not_end_the_process() {
    let pool = ThreadPool::new(1);
    let (gate, opens) = channel::<()>();
    let mut job = pool.submit(move || opens.recv().is_err(), ());
    runtime::run(async {
        for _ in 0..3 {
            let bomb = Bomb;
            job.on_done(move |_| drop(bomb));
        }
    });
    drop(gate);
    assert!(job.get(None).unwrap());
}

#[test]
fn callbacks_of_several_runtimes_are_called_each_in_its_own() {
    let pool = ThreadPool::new(1);
    let Held { job, gate } = Held::begin(&pool);
    let called = Arc::new(AtomicUsize::new(0));
    let job = Arc::new(std::sync::Mutex::new(job));
    let registered = Arc::new(Barrier::new(3));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                runtime::run(async {
                    let (here, called) = (thread::current().id(), called.clone());
                    let (tell, told) = runtime::sync::oneshot::channel();
                    job.lock().unwrap().on_done(move |_| {
                        assert_eq!(thread::current().id(), here);
                        called.fetch_add(1, Ordering::Relaxed);
                        tell.send(()).unwrap();
                    });
                    registered.wait();
                    told.await.unwrap();
                });
            });
        }
        registered.wait();
        drop(gate);
    });
    job.lock().unwrap().get(None).unwrap();
    assert_eq!(called.load(Ordering::Relaxed), 2);
    pool.blocking_shutdown(Shutdown::Wait);
}

#[test]
fn jobs_may_wait_for_jobs_that_they_submit() {
    fn sum(pool: &ThreadPool, from: u64, to: u64) -> u64 {
        if to - from == 1 {
            return from;
        }
        let (middle, pool) = (from.midpoint(to), pool.clone());
        let halves = [(from, middle), (middle, to)].map(|(from, to)| {
            let inner = pool.clone();
            pool.submit(move || sum(&inner, from, to), ())
        });
        halves.into_iter().map(|mut half| half.get(None).unwrap()).sum()
    }
    for threads in [1, 2] {
        let pool = ThreadPool::new(threads);
        let inner = pool.clone();
        let mut whole = pool.submit(move || sum(&inner, 0, 64), ());
        assert_eq!(whole.get(None).unwrap(), 63 * 64 / 2, "on {threads} threads, and more jobs that wait");
        pool.blocking_shutdown(Shutdown::Wait);
    }
}

#[test]
fn a_job_cannot_wait_for_the_end_of_its_pool() {
    let pool = ThreadPool::new(1);
    let inner = pool.clone();
    let mut job = pool.submit(move || inner.blocking_shutdown(Shutdown::Wait), ());
    let error = job.get(None).unwrap_err();
    assert!(error.to_string().contains("waits for itself"), "{error}");
    pool.blocking_shutdown(Shutdown::Wait);
}

#[test]
fn the_last_handle_may_go_with_a_job_of_the_pool() {
    let pool = ThreadPool::new(1);
    let Held { mut job, gate } = Held::begin(&pool);
    let (inner, owned) = channel::<ThreadPool>();
    let mut last = pool.submit(move || drop(owned.recv().unwrap()), ());
    let mut never = pool.submit(|| unreachable!("there is no pool any more"), ());
    inner.send(pool).unwrap();
    drop(gate);
    job.get(None).unwrap();
    last.get(None).unwrap();
    assert!(matches!(never.get(None), Err(JobError::PoolClosed)));
}

#[runtime::test]
async fn a_result_that_nobody_takes_may_panic_as_it_is_dropped() {
    struct Nasty;
    impl Drop for Nasty {
        fn drop(&mut self) {
            resume_unwind(Box::new("in the drop of a result"));
        }
    }
    let pool = ThreadPool::new(1);
    let held = Held::begin(&pool);
    pool.submit(|| Nasty, ()).detach();
    let nasty = Nasty;
    let cancelled = pool.submit(move || drop(nasty), ());
    assert!(cancelled.cancel(), "and what it would have taken is dropped");
    let thread = held.release().await.unwrap();
    assert_eq!(Held::begin(&pool).release().await.unwrap(), thread, "the thread goes on");
    pool.shutdown(Shutdown::Wait).await;
}

#[test]
fn submitted_while_the_pool_is_shut_down_a_job_is_done_or_refused() {
    for how in [Shutdown::Wait, Shutdown::CancelPending] {
        let (pool, done) = (ThreadPool::new(2), Arc::new(AtomicUsize::new(0)));
        let submitters: Vec<_> = (0..2)
            .map(|_| {
                let (pool, done) = (pool.clone(), done.clone());
                let submit = move || {
                    let (mut succeeded, mut refused) = (0, false);
                    while !refused {
                        let done = done.clone();
                        match pool.submit(move || done.fetch_add(1, Ordering::Relaxed), ()).get(None) {
                            Ok(_) => succeeded += 1,
                            Err(JobError::PoolClosed | JobError::Cancelled) => refused = true,
                            Err(error) => panic!("{error}"),
                        }
                    }
                    succeeded
                };
                thread::Builder::new().spawn(submit).unwrap()
            })
            .collect();
        pool.submit(|| (), ()).get(None).unwrap();
        pool.blocking_shutdown(how);
        let succeeded: usize = submitters.into_iter().map(|submitter| submitter.join().unwrap()).sum();
        assert_eq!(done.load(Ordering::Relaxed), succeeded);
    }
}

#[runtime::test]
async fn no_callback_is_lost_between_registration_and_end() {
    let pool = ThreadPool::new(2);
    let called = Rc::new(Cell::new(0));
    let jobs: Vec<_> = (0..2_000)
        .map(|_| {
            let job = pool.submit(|| (), ());
            for _ in 0..2 {
                let called = called.clone();
                job.on_done(move |_| called.set(called.get() + 1));
            }
            job
        })
        .collect();
    for job in jobs {
        job.await.unwrap();
    }
    assert_eq!(called.get(), 4_000);
    pool.shutdown(Shutdown::Wait).await;
}

#[test]
fn a_job_may_be_awaited_in_another_runtime() {
    let pool = ThreadPool::new(1);
    let (mut job, gate) = runtime::run(async {
        let Held { mut job, gate } = Held::begin(&pool);
        assert!(futures_lite::future::poll_once(&mut job).await.is_none());
        (job, gate)
    });
    runtime::run(async {
        let awaiting = spawn(async move {
            assert!(futures_lite::future::poll_once(&mut job).await.is_none());
            job.await.unwrap()
        });
        task::yield_now().await;
        drop(gate);
        awaiting.await.unwrap();
    });
    pool.blocking_shutdown(Shutdown::Wait);
}

#[test]
fn a_runtime_may_end_while_its_jobs_run() {
    let pool = ThreadPool::new(1);
    let runtime = Runtime::new().unwrap();
    let (held, queued) = runtime.block_on(async {
        let (held, queued) = (Held::begin(&pool), pool.submit(|| 1, ()));
        held.job.on_done(|_| unreachable!("the runtime has ended"));
        (held, queued)
    });
    drop(runtime);
    let (mut first, mut second) = (held.release(), queued);
    first.get(None).unwrap();
    assert_eq!(second.get(None).unwrap(), 1);
    pool.blocking_shutdown(Shutdown::Wait);
}

#[test]
fn who_awaits_a_job_is_not_said_to_be_stuck() {
    let (tell, reports) = channel();
    let on_report = move |report: &runtime::Report| tell.send(report.to_string()).unwrap();
    let runtime = runtime::Builder::new().on_report(on_report).start_paused(true).build().unwrap();
    let pool = ThreadPool::new(1);
    runtime.block_on(async {
        let start = Instant::now();
        let Held { job, gate } = Held::begin(&pool);
        let lock = Rc::new(runtime::sync::Lock::new(()));
        let held = lock.clone();
        let holder = spawn(async move {
            let _guard = held.acquire().await;
            job.await.unwrap()
        });
        let behind = spawn(async move { drop(lock.acquire().await) });
        // Only the job can wake anybody now, and an hour of virtual time waits for it as well.
        let timer = spawn(time::sleep(LONG));
        let opener = thread::Builder::new().spawn(move || drop(gate)).unwrap();
        holder.await.unwrap();
        behind.await.unwrap();
        assert_eq!(start.elapsed(), Duration::ZERO, "time stood still while the job ran");
        timer.await.unwrap();
        assert_eq!(start.elapsed(), LONG);
        opener.join().unwrap();
        pool.shutdown(Shutdown::Wait).await;
    });
    drop(runtime);
    assert_eq!(reports.try_iter().collect::<Vec<_>>(), Vec::<String>::new());
}

#[test]
fn a_job_is_for_any_thread() {
    fn is_send<T: Send>(_: &T) {}
    let pool = ThreadPool::new(1);
    is_send(&pool.submit(|| 1, ()));
    is_send(&pool.apply(|| 1, ()));
    is_send(&pool.shutdown(Shutdown::Wait));
}
