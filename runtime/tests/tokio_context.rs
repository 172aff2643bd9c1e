//! Tokio on a thread of its own: who finds it, what is dropped where, and how it ends. What libraries do with it is tested with
//! these, in `examples/ecosystem/tokio_context`.
#![cfg(feature = "macros")]

#[path = "../../io/tests/support/sys.rs"]
#[expect(dead_code, reason = "of all that a fork is the only thing needed here")]
mod sys;

use runtime::{
    Builder, Runtime, spawn, spawn_blocking,
    sync::shared::oneshot,
    task::yield_now,
    testing::{Sim, settle},
    time::{Instant, sleep},
    tokio_context::{self, TokioContext, in_tokio},
};
use std::{
    cell::{Cell, RefCell},
    future::{Future, pending, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    task::{Context, Poll, Waker},
    thread,
    time::Duration,
};
use sys::in_forked_child;
use tokio::runtime::{Handle, Id};

const HOUR: Duration = Duration::from_secs(3600);

/// The tokio of this thread, here and now.
fn tokio_here() -> Option<Id> {
    Handle::try_current().ok().map(|tokio| tokio.id())
}

/// Notes, when it is dropped, in which tokio that was.
struct Dropped(Rc<Cell<Option<Option<Id>>>>);

impl Dropped {
    fn new() -> (Self, Rc<Cell<Option<Option<Id>>>>) {
        let note = Rc::new(Cell::new(None));
        (Self(Rc::clone(&note)), note)
    }
}

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.set(Some(tokio_here()));
    }
}

/// Tells whoever holds the other end when it is dropped, from whatever thread.
struct Gone(mpsc::Sender<Option<String>>);

impl Drop for Gone {
    fn drop(&mut self) {
        let _ = self.0.send(thread::current().name().map(str::to_owned));
    }
}

#[runtime::test]
async fn tokio_is_there_for_whom_it_was_asked_and_for_nobody_else() {
    assert_eq!(tokio_here(), None);
    let task = spawn(in_tokio(async {
        let before = tokio_here();
        yield_now().await;
        assert_eq!(tokio_here(), before, "the same after each wait");
        before
    }));
    settle().await;
    assert_eq!(tokio_here(), None);
    let id = task.await.unwrap();
    assert!(id.is_some());
    assert_eq!(tokio_here(), None);
    assert_eq!(tokio_context::handle().id(), id.unwrap(), "there is one for the whole runtime");
    // One inside another is in the same.
    assert_eq!(in_tokio(async { in_tokio(async { tokio_here() }).await }).await, id);
}

#[runtime::test]
async fn what_is_awaited_stays_here_and_what_is_spawned_runs_there() {
    let here = thread::current().id();
    let (ours, there) = in_tokio(async move {
        let theirs = tokio::spawn(async { thread::current().name().map(str::to_owned) });
        (thread::current().id(), theirs.await.unwrap())
    })
    .await;
    assert_eq!(ours, here);
    assert_eq!(there.as_deref(), Some("runtime-tokio"));
    // A task that ours starts in there is ours, and not in tokio.
    let found = in_tokio(async { spawn(async { (thread::current().id(), tokio_here()) }).await });
    assert_eq!(found.await.unwrap(), (here, None));
    // From there a handle leads back.
    let home = runtime::Handle::current();
    let back = in_tokio(async {
        tokio::spawn(async move { home.spawn(|| async { thread::current().id() }).await.unwrap() }).await
    });
    assert_eq!(back.await.unwrap(), here);
}

#[runtime::test]
async fn a_panic_goes_its_way_and_leaves_tokio_behind() {
    let task = spawn(in_tokio(async {
        yield_now().await;
        panic!("on its own account");
    }));
    let error = task.await.unwrap_err();
    assert!(error.is_panic());
    assert_eq!(tokio_here(), None);
    assert!(
        in_tokio(async { tokio::spawn(async { panic!("over there") }).await }).await.unwrap_err().is_panic()
    );
    assert_eq!(in_tokio(async { 1 }).await, 1);
}

#[runtime::test]
async fn what_is_dropped_finds_tokio_too() {
    let id = Some(tokio_context::handle().id());
    // When it is done: what it held is gone before its output is given.
    let (guard, dropped) = Dropped::new();
    in_tokio(async { drop(guard) }).await;
    assert_eq!(dropped.take(), Some(id));
    // When it is cancelled.
    let (guard, dropped) = Dropped::new();
    let task = spawn(in_tokio(async {
        let _guard = guard;
        pending::<()>().await;
    }));
    settle().await;
    task.cancel_and_wait().await.unwrap_err();
    assert_eq!(dropped.take(), Some(id));
    // When it has never been polled: its parts may have been made in tokio.
    let (guard, dropped) = Dropped::new();
    drop(in_tokio(async {
        let _guard = guard;
    }));
    assert_eq!(dropped.take(), Some(id));
    // When it panics, twice even.
    let (guard, dropped) = Dropped::new();
    let panics = in_tokio(async {
        let _guard = guard;
        panic!("with a guard");
    });
    spawn(panics).await.unwrap_err();
    assert_eq!(dropped.take(), Some(id));
    assert_eq!(tokio_here(), None);
}

#[runtime::test]
async fn a_future_that_is_done_goes_before_its_output_is_given() {
    let (guard, dropped) = Dropped::new();
    // It keeps the guard when it is done, until it is dropped itself.
    let mut done = pin!(in_tokio(poll_fn(move |_| {
        let _kept = &guard;
        Poll::Ready(())
    })));
    done.as_mut().await;
    assert_eq!(dropped.take(), Some(Some(tokio_context::handle().id())));
}

#[test]
fn tokio_ends_with_the_runtime_after_its_tasks() {
    let (gone, told) = mpsc::channel();
    let (guard, dropped) = Dropped::new();
    let runtime = Runtime::new().unwrap();
    let id = runtime.block_on(async {
        in_tokio(async {
            let alive = Gone(gone);
            tokio::spawn(async {
                let _alive = alive;
                pending::<()>().await;
            });
        })
        .await;
        spawn(in_tokio(async {
            let _guard = guard;
            pending::<()>().await;
        }))
        .detach();
        settle().await;
        tokio_context::handle().id()
    });
    assert!(told.try_recv().is_err(), "it lives as long as the runtime does");
    drop(runtime);
    assert_eq!(dropped.take(), Some(Some(id)), "our task found tokio to its end");
    assert_eq!(
        told.try_recv().unwrap().as_deref(),
        Some("runtime-tokio"),
        "and theirs has ended when we have"
    );
}

#[test]
fn a_runtime_waits_for_blocking_calls_of_tokio_unless_told_for_how_long() {
    /// A call that has begun, and blocks until it is allowed to go on.
    fn blocked(runtime: &Runtime) -> (mpsc::Sender<()>, Arc<AtomicBool>) {
        let ((go, wait), done) = (mpsc::channel::<()>(), Arc::new(AtomicBool::new(false)));
        let is_done = Arc::clone(&done);
        runtime.block_on(async {
            let (begin, begun) = oneshot::channel();
            tokio_context::handle().spawn_blocking(move || {
                begin.send(()).unwrap();
                let _ = wait.recv();
                is_done.store(true, Ordering::SeqCst);
            });
            begun.await.unwrap();
        });
        (go, done)
    }
    let runtime = Runtime::new().unwrap();
    let (go, done) = blocked(&runtime);
    let releaser = thread::Builder::new().spawn(move || go.send(()).unwrap()).unwrap();
    drop(runtime);
    assert!(done.load(Ordering::SeqCst));
    releaser.join().unwrap();

    let runtime = Runtime::new().unwrap();
    let (go, done) = blocked(&runtime);
    assert_eq!(runtime.shutdown_timeout(Duration::from_millis(1)), 0, "it is no job of ours");
    assert!(!done.load(Ordering::SeqCst));
    drop(go);
}

#[test]
fn runtimes_have_one_each() {
    let ids = || {
        let (one, other) = (Runtime::new().unwrap(), Runtime::new().unwrap());
        let id = |runtime: &Runtime| runtime.block_on(in_tokio(async { tokio_here().unwrap() }));
        let ids = [id(&one), id(&other)];
        assert_eq!([id(&one), id(&other)], ids, "and keep it");
        drop(one);
        assert_eq!(id(&other), ids[1], "whatever becomes of others");
        assert_ne!(ids[0], ids[1]);
    };
    let threads = [(); 2].map(|()| thread::Builder::new().spawn(ids).unwrap());
    ids();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn a_runtime_that_needs_none_has_none() {
    let runtime = Runtime::new().unwrap();
    runtime.block_on(async {
        drop(in_tokio(async {})); // never polled
        sleep(Duration::from_millis(1)).await;
    });
    // Were there one, its thread would be told to end, and waited for.
    assert_eq!(runtime.shutdown_timeout(Duration::ZERO), 0);
}

#[test]
fn one_that_was_entered_is_used_by_all() {
    let tokio = TokioContext::new().unwrap();
    let id = Some(tokio.handle().id());
    {
        let _entered = tokio.enter();
        runtime::run(async {
            assert_eq!(tokio_here(), id);
            assert_eq!(spawn(async { tokio_here() }).await.unwrap(), id, "in all tasks");
            assert_eq!(in_tokio(async { tokio_here() }).await, id);
            assert_eq!(Some(tokio_context::handle().id()), id);
            let theirs = tokio::spawn(async { thread::current().name().map(str::to_owned) }).await.unwrap();
            assert_eq!(theirs.as_deref(), Some("runtime-tokio"));
        });
    }
    assert_eq!(tokio_here(), None);
    // Without being entered it is used where that is said.
    let other = runtime::run(async {
        assert_eq!(tokio.in_tokio(async { tokio_here() }).await, id);
        in_tokio(async { tokio_here() }).await
    });
    assert!(other.is_some() && other != id);
}

#[test]
fn a_tokio_of_somebody_elses_does_as_well() {
    let theirs = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let id = theirs.handle().id();
    let (stop, stopped) = oneshot::channel::<()>();
    let handle = theirs.handle().clone();
    let driver = thread::Builder::new().spawn(move || _ = theirs.block_on(stopped)).unwrap();
    {
        let _entered = handle.enter();
        runtime::run(in_tokio(async move {
            assert_eq!(tokio_here(), Some(id));
            assert_eq!(tokio::spawn(async { 1 }).await.unwrap(), 1);
        }));
    }
    drop(stop);
    driver.join().unwrap();
}

#[test]
fn a_clock_that_is_paused_stands_still_while_tokio_may_answer() {
    let (parks, parked) = mpsc::channel();
    let runtime = Builder::new().start_paused(true).on_park(move || _ = parks.send(())).build().unwrap();
    runtime.block_on(async {
        let start = Instant::now();
        let timer = spawn(sleep(HOUR));
        // Over there they wait until our loop sleeps, which it does only if no time may pass.
        let answer = in_tokio(async { tokio::task::spawn_blocking(move || parked.recv().unwrap()).await });
        answer.await.unwrap();
        assert_eq!(start.elapsed(), Duration::ZERO);
        timer.await.unwrap();
        assert_eq!(start.elapsed(), HOUR, "and goes on when nobody waits for tokio any more");
        // Nor does one that was given up hold it.
        let waiting = spawn(in_tokio(pending::<()>()));
        settle().await;
        waiting.cancel_and_wait().await.unwrap_err();
        sleep(HOUR).await;
        assert_eq!(start.elapsed(), 2 * HOUR);
    });
}

#[test]
fn without_a_runtime_the_remedy_is_told() {
    let poll = || pin!(in_tokio(async {})).poll(&mut Context::from_waker(Waker::noop())).is_ready();
    let told = |panics: &dyn Fn()| {
        *catch_unwind(AssertUnwindSafe(panics)).unwrap_err().downcast::<&str>().expect("a sentence")
    };
    assert!(told(&|| _ = poll()).contains("or enter a `TokioContext` first"));
    assert!(told(&|| _ = tokio_context::handle()).contains("inside a runtime made by `runtime::Builder`"));
    let tokio = TokioContext::new().unwrap();
    let _entered = tokio.enter();
    assert!(poll(), "with one that was entered no runtime of ours is needed");
}

#[test]
fn a_simulation_has_no_tokio() {
    let failure = Sim::new().seeds(1).try_run(|| in_tokio(async {})).unwrap_err();
    assert!(failure.to_string().contains("a simulation has none"), "{failure}");
}

#[runtime::test]
async fn a_blocking_job_is_not_in_the_runtime() {
    let job = spawn_blocking(|| catch_unwind(|| tokio_context::handle().id()).is_err());
    assert!(job.await.unwrap());
}

#[test]
fn one_that_is_dropped_inside_itself_ends_a_little_later() {
    let tokio = TokioContext::new().unwrap();
    let (gone, told) = mpsc::channel();
    let alive = Gone(gone);
    tokio.handle().clone().spawn(async {
        let _alive = alive;
        drop(tokio);
        pending::<()>().await;
    });
    assert_eq!(told.recv().unwrap().as_deref(), Some("runtime-tokio"));
    // And so by a call that it would have to wait for.
    let tokio = TokioContext::new().unwrap();
    let (done, is_done) = mpsc::channel();
    tokio.handle().clone().spawn_blocking(move || {
        drop(tokio);
        done.send(()).unwrap();
    });
    is_done.recv().unwrap();
}

#[test]
fn who_waits_for_its_end_learns_whether_it_came() {
    let tokio = TokioContext::new().unwrap();
    let ((go, wait), (begin, begun)) = (mpsc::channel::<()>(), mpsc::channel());
    tokio.handle().spawn(async move {
        begin.send(()).unwrap();
        let _ = wait.recv(); // not a call for a task, as it keeps the thread
    });
    begun.recv().unwrap();
    assert!(!tokio.shutdown_timeout(Duration::from_millis(1)));
    drop(go);
    assert!(TokioContext::new().unwrap().shutdown_timeout(HOUR));
}

#[test]
fn a_runtime_in_a_thread_local_may_end_with_its_thread() {
    thread_local! {
        static KEPT: RefCell<Option<Runtime>> = const { RefCell::new(None) };
    }
    /// Tells, when it is dropped, whether a panic does that.
    struct Calm(mpsc::Sender<bool>);
    impl Drop for Calm {
        fn drop(&mut self) {
            self.0.send(!thread::panicking()).unwrap();
        }
    }
    let (gone, told) = mpsc::channel();
    let life = move || {
        KEPT.set(Some(Runtime::new().unwrap())); // first, so that it goes after what tokio keeps for this thread
        KEPT.with_borrow(|runtime| {
            let calm = Calm(gone);
            runtime.as_ref().unwrap().block_on(async {
                spawn(in_tokio(async {
                    let _calm = calm;
                    pending::<()>().await;
                }))
                .detach();
                settle().await;
            });
        });
    };
    thread::Builder::new().spawn(life).unwrap().join().unwrap();
    assert_eq!(told.try_recv(), Ok(true));
}

#[test]
fn a_fork_takes_no_tokio_along() {
    let tokio = TokioContext::new().unwrap();
    let future =
        runtime::run(async { tokio.in_tokio(async { tokio::spawn(async { 1 }).await.unwrap() }).await });
    assert_eq!(future, 1);
    let mut kept = Some(tokio);
    let status = in_forked_child(|| {
        let tokio = kept.take().unwrap();
        // Not by the panic hook: somebody else may have held the lock of standard error when the process was forked.
        std::panic::set_hook(Box::new(|_| ()));
        let refusals = [
            catch_unwind(AssertUnwindSafe(|| _ = tokio.handle().id())).is_err(),
            catch_unwind(AssertUnwindSafe(|| _ = tokio.enter())).is_err(),
            catch_unwind(AssertUnwindSafe(|| drop(tokio.in_tokio(async {})))).is_err(),
        ];
        drop(tokio); // which does not wait for a thread that is not there
        i32::from(refusals != [true; 3])
    });
    assert_eq!(status, 0);
    // The parent's is none the worse for it.
    let tokio = kept.unwrap();
    assert_eq!(
        runtime::run(async { tokio.in_tokio(async { tokio::spawn(async { 2 }).await.unwrap() }).await }),
        2
    );
}
