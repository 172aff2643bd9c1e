//! Stories of greenlets: how they run beside tasks, how they end, and what becomes of what is on their stacks.

#![cfg(all(feature = "greenlet", feature = "macros", not(miri)))]

use runtime::{
    Builder, Report,
    greenlet::{self, Killed},
    spawn,
    sync::{Event, Lock},
    task::{JoinError, yield_now},
    task_local,
    time::sleep,
};
use std::{
    cell::{Cell, RefCell},
    future::pending,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

type Log = Rc<RefCell<Vec<&'static str>>>;

const SECOND: Duration = Duration::from_secs(1);

/// Says something when it is dropped.
struct Says(&'static str, Log);

impl Drop for Says {
    fn drop(&mut self) {
        self.1.borrow_mut().push(self.0);
    }
}

/// Waits when it is dropped, and says so before and after.
struct Waits(Duration, Log);

impl Drop for Waits {
    fn drop(&mut self) {
        self.1.borrow_mut().push("begins to go");
        greenlet::wait(sleep(self.0));
        self.1.borrow_mut().push("is gone");
    }
}

fn wait_for_ever() {
    greenlet::wait(pending::<()>());
}

fn log() -> Log {
    Log::default()
}

/// A paused clock, and the reports that come.
fn reporting() -> (Builder, Rc<RefCell<Vec<String>>>) {
    let reports = Rc::new(RefCell::new(Vec::new()));
    let seen = reports.clone();
    let builder = Builder::new()
        .start_paused(true)
        .on_report(move |report: &Report| seen.borrow_mut().push(report.to_string()));
    (builder, reports)
}

#[runtime::test(start_paused = true)]
async fn greenlets_and_tasks_take_turns() {
    let log = log();
    let say = |who: &'static str| {
        let log = log.clone();
        move || log.borrow_mut().push(who)
    };
    let (one, two) = (say("greenlet"), say("task"));
    let greenlet = greenlet::spawn(move || {
        for _ in 0..3 {
            one();
            greenlet::wait(yield_now());
        }
    });
    let task = spawn(async move {
        for _ in 0..3 {
            two();
            yield_now().await;
        }
    });
    greenlet.await.unwrap();
    task.await.unwrap();
    assert_eq!(*log.borrow(), ["greenlet", "task", "greenlet", "task", "greenlet", "task"]);
}

#[runtime::test]
async fn a_panic_is_the_joiners() {
    let error: JoinError = greenlet::spawn(|| panic!("out of tea")).await.unwrap_err();
    assert!(error.to_string().starts_with("greenlet 1 (spawned at "), "{error}");
    assert!(error.to_string().ends_with("panicked: out of tea"), "{error}");
}

#[runtime::test]
async fn killed_before_its_first_turn_it_never_runs() {
    let log = log();
    let held = Says("dropped", log.clone());
    let greenlet = greenlet::spawn(move || {
        let _held = &held;
        unreachable!("it was killed")
    });
    greenlet.cancel();
    let error: JoinError = greenlet.await.unwrap_err();
    assert!(error.is_cancelled());
    assert_eq!(*log.borrow(), ["dropped"]);
}

#[runtime::test(start_paused = true)]
async fn killed_it_drops_what_is_on_its_stack_and_destructors_may_wait() {
    let log = log();
    let greenlet = greenlet::spawn({
        let log = log.clone();
        move || {
            let _last = Says("last", log.clone());
            let _slow = Waits(SECOND, log.clone());
            let _first = Says("first", log.clone());
            wait_for_ever();
        }
    });
    yield_now().await;
    assert!(greenlet.cancel());
    let ticks = log.clone();
    let ticker = spawn(async move {
        sleep(SECOND / 2).await;
        ticks.borrow_mut().push("others run");
    });
    assert!(greenlet.await.unwrap_err().is_cancelled());
    ticker.await.unwrap();
    assert_eq!(*log.borrow(), ["first", "begins to go", "others run", "is gone", "last"]);
    assert!(!thread::panicking());
}

#[runtime::test(start_paused = true)]
async fn while_one_unwinds_another_can_be_killed() {
    let log = log();
    let slow = greenlet::spawn({
        let log = log.clone();
        move || {
            let _slow = Waits(SECOND, log);
            wait_for_ever();
        }
    });
    let early = greenlet::spawn(wait_for_ever);
    yield_now().await;
    slow.cancel();
    yield_now().await;
    assert!(thread::panicking(), "the first one waits in the middle of it");
    let late = greenlet::spawn(wait_for_ever);
    yield_now().await;
    early.cancel();
    late.cancel();
    assert!(early.await.unwrap_err().is_cancelled(), "it waited before all this");
    assert!(late.await.unwrap_err().is_cancelled(), "for it that could not be told at once");
    assert!(slow.await.unwrap_err().is_cancelled());
}

#[runtime::test(start_paused = true)]
async fn a_panic_whose_destructor_waits_comes_out_in_the_end() {
    let log = log();
    let greenlet = greenlet::spawn({
        let log = log.clone();
        move || {
            let _slow = Waits(SECOND, log);
            panic!("out of tea");
        }
    });
    let error: JoinError = greenlet.await.unwrap_err();
    assert!(error.is_panic());
    assert_eq!(*log.borrow(), ["begins to go", "is gone"]);
}

#[runtime::test]
async fn who_swallows_it_and_returns_has_finished() {
    let greenlet = greenlet::spawn(|| match catch_unwind(wait_for_ever) {
        Ok(()) => unreachable!("nobody wakes it"),
        Err(panic) => panic.is::<Killed>(),
    });
    yield_now().await;
    greenlet.cancel();
    assert!(greenlet.await.unwrap());
}

#[runtime::test]
async fn who_swallows_it_once_is_told_again() {
    let greenlet = greenlet::spawn(|| {
        let _ = catch_unwind(wait_for_ever);
        wait_for_ever();
    });
    yield_now().await;
    greenlet.cancel();
    assert!(greenlet.await.unwrap_err().is_cancelled());
}

#[runtime::test]
async fn who_passes_it_on_is_dropped() {
    let greenlet = greenlet::spawn(|| {
        if let Err(panic) = catch_unwind(wait_for_ever) {
            resume_unwind(panic);
        }
    });
    yield_now().await;
    greenlet.cancel();
    assert!(greenlet.await.unwrap_err().is_cancelled());
}

#[test]
fn who_swallows_it_for_ever_is_abandoned() {
    let (builder, reports) = reporting();
    let swallowed = Rc::new(Cell::new(0));
    let counted = swallowed.clone();
    builder.build().unwrap().block_on(async {
        let greenlet = greenlet::spawn(move || {
            loop {
                let _ = catch_unwind(wait_for_ever);
                counted.set(counted.get() + 1);
            }
        });
        yield_now().await;
        greenlet.cancel();
        assert!(greenlet.await.unwrap_err().is_cancelled());
    });
    assert_eq!(swallowed.get(), 100);
    let [report] = &reports.borrow()[..] else { panic!("one report, not {reports:?}") };
    assert!(report.starts_with("the stack of greenlet 1 "), "{report}");
    assert!(report.contains("`catch_unwind` has swallowed it each time"), "{report}");
}

#[test]
fn at_the_end_destructors_have_a_grace_period() {
    let (builder, reports) = reporting();
    let log = log();
    let runtime = builder.build().unwrap();
    runtime.block_on(async {
        greenlet::spawn({
            let log = log.clone();
            move || {
                let _slow = Waits(SECOND, log);
                wait_for_ever();
            }
        })
        .detach();
        yield_now().await;
    });
    drop(runtime);
    assert_eq!(*log.borrow(), ["begins to go", "is gone"]);
    assert_eq!(*reports.borrow(), [""; 0]);
}

#[test]
fn after_the_grace_period_the_stack_is_abandoned() {
    let (builder, reports) = reporting();
    let log = log();
    let runtime = builder.build().unwrap();
    runtime.block_on(async {
        greenlet::spawn({
            let log = log.clone();
            move || {
                let _slow = Waits(3_600 * SECOND, log);
                wait_for_ever();
            }
        })
        .detach();
        yield_now().await;
    });
    drop(runtime);
    assert_eq!(*log.borrow(), ["begins to go"]);
    let [report] = &reports.borrow()[..] else { panic!("one report, not {reports:?}") };
    assert!(report.contains("a destructor on it waits"), "{report}");
}

#[runtime::test]
async fn a_run_that_is_dropped_unwinds_at_once() {
    let log = log();
    let mut run = Box::pin(greenlet::run({
        let log = log.clone();
        move || {
            let _held = Says("dropped", log);
            wait_for_ever();
        }
    }));
    assert!(std::future::poll_fn(|cx| std::task::Poll::Ready(run.as_mut().poll(cx).is_pending())).await);
    drop(run);
    assert_eq!(*log.borrow(), ["dropped"]);
}

#[runtime::test]
async fn a_wait_inside_a_poll_suspends_both() {
    let event = Rc::new(Event::new());
    let waited = event.clone();
    let greenlet = greenlet::spawn(move || {
        greenlet::wait(async {
            greenlet::wait(waited.wait());
            waited.wait().await;
            yield_now().await;
            42
        })
    });
    yield_now().await;
    event.set();
    assert_eq!(greenlet.await.unwrap(), 42);
}

#[runtime::test]
async fn task_locals_are_each_stacks_own() {
    task_local!(static USER: &'static str);
    let greenlet = greenlet::spawn(|| {
        USER.sync_scope("eve", || {
            greenlet::wait(yield_now());
            USER.get()
        })
    });
    yield_now().await;
    assert!(USER.try_with(|_| ()).is_err(), "the greenlet is in the middle of its scope");
    assert_eq!(greenlet.await.unwrap(), "eve");
}

#[runtime::test]
async fn locks_are_shared_with_tasks() {
    let lock = Rc::new(Lock::new(0));
    let held = lock.acquire().await;
    let greenlet = greenlet::spawn({
        let lock = lock.clone();
        move || *greenlet::wait(lock.acquire())
    });
    yield_now().await;
    let mut held = held;
    *held = 7;
    drop(held);
    assert_eq!(greenlet.await.unwrap(), 7);
}

#[test]
fn outside_of_greenlets_there_is_nothing_to_suspend() {
    let panic = catch_unwind(AssertUnwindSafe(wait_for_ever)).unwrap_err();
    let said = panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(|s| s.to_string()));
    assert!(said.unwrap().contains("call this inside `greenlet::spawn(|| …)`"));
}

#[test]
fn a_stack_is_not_resumed_in_another_runtime() {
    let mut run = Box::pin(greenlet::run(wait_for_ever));
    let first = Builder::new().build().unwrap();
    first.block_on(async {
        std::future::poll_fn(|cx| {
            let _ = run.as_mut().poll(cx);
            std::task::Poll::Ready(())
        })
        .await;
    });
    let panic = catch_unwind(AssertUnwindSafe(|| runtime::run(run.as_mut()))).unwrap_err();
    assert!(panic.downcast_ref::<String>().unwrap().contains("resume it there"));
    first.block_on(async { drop(run) });
}

/// Notices that it is dropped, and looks at what it refers to.
struct Needs<'a>(&'a Says, Arc<AtomicBool>);

impl Drop for Needs<'_> {
    fn drop(&mut self) {
        self.1.store(true, Ordering::Relaxed);
        assert_eq!(self.0.0, "first");
    }
}

#[test]
fn at_the_end_of_its_thread_it_is_abandoned() {
    thread_local! {
        static RUNTIME: runtime::Runtime = Builder::new().build().unwrap();
        static OTHER: Says = Says("first", Log::default());
    }
    let was_dropped = Arc::new(AtomicBool::new(false));
    let noticed = was_dropped.clone();
    let run = || {
        RUNTIME.with(|runtime| {
            runtime.block_on(async move {
                let other = || OTHER.with(|other| (Needs(other, noticed), wait_for_ever()).1);
                greenlet::spawn(other).detach();
                yield_now().await;
            });
        });
        // Now the thread's locals go, the youngest first: what the greenlet refers to, then its runtime.
    };
    thread::scope(|scope| scope.spawn(run).join()).unwrap();
    assert!(!was_dropped.load(Ordering::Relaxed), "it would have looked at what is gone");
}
