//! The watchdog, as far as it does without signals: it notices while it happens, and tells whoever wants to hear.

mod common;

use common::executor;
use runtime_executor::{
    Executor,
    inspect::{Frame, Glance, Probe, Sight, Stall},
    spawn, task,
};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, Receiver},
    },
    time::Duration,
};

const THRESHOLD: Duration = Duration::from_millis(4);
/// By then a stall was found, or never will be.
const TOO_LONG: Duration = Duration::from_secs(60);

/// An executor whose stalls arrive in a channel.
fn watched(probe: Option<FakeProbe>) -> (Executor, Receiver<Stall>) {
    watched_at(THRESHOLD, probe)
}

fn watched_at(threshold: Duration, probe: Option<FakeProbe>) -> (Executor, Receiver<Stall>) {
    let (sender, stalls) = mpsc::channel();
    let builder = Executor::builder()
        .watch_stalls(threshold)
        .on_stall(move |stall| sender.send(stall.clone()).unwrap());
    let builder = if let Some(probe) = probe { builder.stall_probe(probe) } else { builder };
    (builder.build(), stalls)
}

/// What the thread would say of itself, left by it before it stalls.
#[derive(Clone, Default)]
struct FakeProbe {
    glance: Arc<Mutex<Option<Glance>>>,
    looks: Arc<AtomicUsize>,
}

impl FakeProbe {
    /// To be called by the task that is about to stall.
    fn leave_glance(&self) {
        *self.glance.lock().unwrap() = Glance::take();
    }
}

impl Probe for FakeProbe {
    fn look(&self) -> Option<Sight> {
        self.looks.fetch_add(1, Ordering::Relaxed);
        Some(Sight { glance: *self.glance.lock().unwrap(), stack: vec![Frame::at(0x2a)] })
    }
}

#[test]
fn a_poll_that_keeps_the_thread_is_told_of_while_it_does() {
    let probe = FakeProbe::default();
    let (executor, stalls) = watched(Some(probe.clone()));
    let stall = executor.block_on(async move {
        let greedy = task::Builder::new().name("greedy").spawn(async move {
            probe.leave_glance();
            stalls.recv_timeout(TOO_LONG).expect("it was noticed")
        });
        greedy.await.unwrap()
    });
    let task = stall.task.clone().unwrap();
    assert_eq!((task.id().get(), task.name()), (1, Some("greedy")));
    assert!(task.spawned_at().unwrap().file().ends_with("stalls.rs"));
    assert!(stall.lasted >= THRESHOLD);
    let told = stall.to_string();
    assert!(told.starts_with("task 1 'greedy' (spawned at "), "{told}");
    assert!(told.contains(" ms, and still does: no other task can run. Let long computations "), "{told}");
    assert!(told.ends_with("\n    in 0x2a"), "{told}");
}

#[test]
fn without_a_probe_a_stall_is_told_of_without_its_task() {
    let (executor, stalls) = watched(None);
    let stall = executor.block_on(async { stalls.recv_timeout(TOO_LONG).unwrap() });
    assert_eq!((stall.task, stall.stack.len()), (None, 0));
}

#[test]
fn a_stall_in_the_second_run_is_found_too_and_one_between_two_runs_is_none() {
    let (executor, stalls) = watched(None);
    executor.block_on(async {});
    assert!(stalls.recv_timeout(20 * THRESHOLD).is_err(), "nobody is kept waiting");
    executor.block_on(async { stalls.recv_timeout(TOO_LONG).unwrap() });
}

#[test]
fn a_loop_that_sleeps_is_not_interrupted() {
    let probe = FakeProbe::default();
    // Long enough that a busy machine does not keep the thread from its own work for as long.
    let threshold = Duration::from_millis(100);
    let (executor, stalls) = watched_at(threshold, Some(probe.clone()));
    let (sender, receiver) = runtime_sync::shared::oneshot::channel();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let (_never, nothing) = mpsc::channel::<()>();
            assert!(nothing.recv_timeout(4 * threshold).is_err());
            sender.send(()).unwrap();
        });
        executor.block_on(receiver).unwrap();
    });
    assert!(stalls.try_recv().is_err(), "to sleep is not to stall");
    // The poll before the sleep and the one after it may each have been looked at once on a busy machine.
    assert!(probe.looks.load(Ordering::Relaxed) <= 2);
}

#[test]
fn who_panics_on_being_told_is_told_of_the_next_stall_all_the_same() {
    let told = Arc::new(AtomicUsize::new(0));
    let (sender, receiver) = mpsc::channel();
    let counter = told.clone();
    let executor = Executor::builder()
        .watch_stalls(THRESHOLD)
        .on_stall(move |_| {
            let before = counter.fetch_add(1, Ordering::Relaxed);
            sender.send(()).unwrap();
            assert!(before > 0, "the first one is too much");
        })
        .build();
    executor.block_on(async {
        receiver.recv_timeout(TOO_LONG).unwrap();
        // A sign of life is due after 15 polls.
        for _ in 0..15 {
            task::yield_now().await;
        }
        receiver.recv_timeout(TOO_LONG).unwrap();
    });
    assert_eq!(told.load(Ordering::Relaxed), 2);
}

#[test]
fn a_glance_sees_the_task_that_runs_and_tells_one_poll_from_the_next() {
    assert!(Glance::take().is_none(), "no runtime runs here");
    executor().block_on(async {
        let first = Glance::take().unwrap();
        assert_eq!(first.task(), Some(task::current()));
        let (inner, again) =
            spawn(async { (Glance::take().unwrap(), Glance::take().unwrap()) }).await.unwrap();
        assert_eq!((inner.polls(), again.polls()), (first.polls() + 1, first.polls() + 1));
        assert_eq!(inner.task().unwrap().id().get(), 1);

        let long = "x".repeat(100);
        let name = task::Builder::new().name(long).spawn(async { Glance::take().unwrap().task().unwrap() });
        assert_eq!(name.await.unwrap().name().map(str::len), Some(48));
    });
}
