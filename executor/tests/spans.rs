//! Spans of tasks and the events between their turns, as a subscriber sees them, and as tokio-console adds them up.
#![cfg(feature = "tracing")]

use runtime_executor::{
    Executor, OnExit, join_all, spawn, spawn_blocking,
    task::{self, yield_now},
    time::{Clock, sleep},
};
use runtime_sync::{Event as Bell, shared};
use std::{
    collections::BTreeMap,
    fmt::{Debug, Write},
    future::pending,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
    subscriber::with_default,
};
use tracing_core::span::Current;

/// Writes down what happens to spans. They are numbered from 1, as they come.
#[derive(Clone, Default)]
struct Transcript(Arc<Mutex<Written>>);

#[derive(Default)]
struct Written {
    lines: Vec<String>,
    spans: Vec<&'static Metadata<'static>>,
    entered: Vec<Id>,
}

impl Transcript {
    fn add(&self, line: String) {
        self.0.lock().unwrap().lines.push(line);
    }

    fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().lines.clone()
    }
}

/// Fields that stay the same from run to run, and from edit to edit.
struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if matches!(field.name(), "runtime" | "size.bytes" | "loc.line" | "loc.col") {
            return;
        }
        let value = format!("{value:?}");
        let value = value.trim_matches('"').rsplit('/').next().unwrap();
        write!(self.0, " {field}={value}").unwrap();
    }
}

impl Subscriber for Transcript {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        matches!(metadata.target(), "runtime::task" | "runtime::waker")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut fields = Fields(String::new());
        span.record(&mut fields);
        let kin = if span.is_root() { "" } else { " has a parent" };
        self.add(format!("new{}{kin}", fields.0));
        let mut written = self.0.lock().unwrap();
        written.spans.push(span.metadata());
        Id::from_u64(written.spans.len() as u64)
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}

    fn record_follows_from(&self, span: &Id, follows: &Id) {
        self.add(format!("{} follows from {}", span.into_u64(), follows.into_u64()));
    }

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields(String::new());
        event.record(&mut fields);
        self.add(fields.0.trim_start().to_owned());
    }

    fn enter(&self, span: &Id) {
        self.add(format!("enter {}", span.into_u64()));
        self.0.lock().unwrap().entered.push(span.clone());
    }

    fn exit(&self, span: &Id) {
        self.add(format!("exit {}", span.into_u64()));
        assert_eq!(self.0.lock().unwrap().entered.pop().as_ref(), Some(span));
    }

    fn try_close(&self, span: Id) -> bool {
        self.add(format!("close {}", span.into_u64()));
        true
    }

    fn current_span(&self) -> Current {
        let written = self.0.lock().unwrap();
        let innermost = written.entered.last();
        innermost.map_or_else(Current::none, |span| {
            Current::new(span.clone(), written.spans[span.into_u64() as usize - 1])
        })
    }
}

#[test]
fn each_task_has_a_span_that_its_turns_are_inside_and_that_ends_with_it() {
    let transcript = Transcript::default();
    let executor = Executor::builder().build();
    with_default(transcript.clone(), || {
        executor.block_on(async {
            let worker = task::Builder::new().name("worker").spawn(async {
                yield_now().await;
                spawn(async {}).await.unwrap();
            });
            worker.await.unwrap();
        });
    });
    let expected = [
        "new kind=block_on task.id=0 task.name=main",
        "enter 1",
        "new kind=task task.id=1 task.name=worker loc.file=spans.rs",
        "2 follows from 1",
        "op=waker.clone task.id=1", // main waits
        "exit 1",
        "enter 2",
        "op=waker.wake_by_ref task.id=2", // it gives way
        "exit 2",
        "enter 2",
        "new kind=task task.id=2 loc.file=spans.rs",
        "3 follows from 2",
        "op=waker.clone task.id=2", // it waits for its child
        "exit 2",
        "enter 3",
        "op=waker.wake task.id=2", // which ends
        "exit 3",
        "close 3",
        "enter 2",
        "op=waker.wake task.id=1",
        "exit 2",
        "close 2",
        "enter 1",
        "exit 1",
        "close 1",
    ];
    assert_eq!(transcript.lines(), expected);
}

#[test]
fn a_task_that_is_cancelled_or_panics_ends_its_span() {
    let transcript = Transcript::default();
    let executor = Executor::builder().on_exit(OnExit::Wait).build();
    with_default(transcript.clone(), || {
        executor.block_on(async {
            let cancelled = spawn(pending::<()>());
            let panicking = spawn(async { panic!("expected") });
            cancelled.cancel();
            drop((cancelled, panicking));
        });
        let panic = catch_unwind(AssertUnwindSafe(|| executor.block_on(async { panic!("expected") })));
        assert!(panic.is_err());
    });
    let of_ends = |line: &String| line.starts_with("exit") || line.starts_with("close");
    let ends: Vec<_> = transcript.lines().into_iter().filter(of_ends).collect();
    let expected = ["exit 1", "close 1", "exit 2", "close 2", "exit 3", "close 3", "exit 4", "close 4"];
    assert_eq!(ends, expected);
}

#[test]
fn a_blocking_job_has_a_span_of_its_own_on_its_own_thread() {
    let transcript = Transcript::default();
    let executor = Executor::builder().build();
    with_default(transcript.clone(), || {
        executor.block_on(async { spawn_blocking(|| ()).await.unwrap() });
    });
    // The job is queued before the task that waits for it is spawned.
    let [mut job, mut waiting] = [const { Vec::new() }; 2];
    for line in transcript.lines() {
        match line.as_str() {
            "enter 2" | "exit 2" | "close 2" => job.push(line),
            _ if line.starts_with("new") => waiting.push(line),
            _ => {}
        }
    }
    assert_eq!(job, ["enter 2", "exit 2", "close 2"]);
    let [main, blocking, task] = &waiting[..] else { panic!("three spans: {waiting:?}") };
    assert!(main.starts_with("new kind=block_on"), "{main}");
    assert!(blocking.starts_with("new kind=blocking fn="), "{blocking}");
    assert!(blocking.ends_with(" loc.file=spans.rs"), "{blocking}");
    assert_eq!(task, "new kind=task task.id=1 loc.file=spans.rs");
}

/// Adds up as tokio-console does: of each span its polls, wakes, wakes by itself, and wakers that are out.
#[derive(Clone, Default)]
struct Console(Arc<Mutex<BTreeMap<u64, Row>>>);

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Row {
    polls: u32,
    wakes: u32,
    self_wakes: u32,
    wakers: i32,
    is_inside: bool,
    is_closed: bool,
}

impl Console {
    fn with<R>(&self, span: u64, f: impl FnOnce(&mut Row) -> R) -> R {
        f(self.0.lock().unwrap().entry(span).or_default())
    }

    /// What would have it warn that a task has lost its waker: it waits, and nobody could wake it.
    fn accuses(&self, span: u64) -> bool {
        self.with(span, |row| !row.is_closed && !row.is_inside && row.polls > row.wakes && row.wakers == 0)
    }
}

/// An event that says `op` and `task.id`.
#[derive(Default)]
struct WakerEvent {
    op: String,
    span: u64,
}

impl Visit for WakerEvent {
    fn record_debug(&mut self, _field: &Field, _value: &dyn Debug) {}

    fn record_str(&mut self, field: &Field, value: &str) {
        assert_eq!(field.name(), "op");
        self.op = value.to_owned();
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        assert_eq!(field.name(), "task.id");
        self.span = value;
    }
}

impl Subscriber for Console {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.name() == "runtime.spawn" || metadata.target() == "runtime::waker"
    }

    fn new_span(&self, _span: &Attributes<'_>) -> Id {
        let mut rows = self.0.lock().unwrap();
        let number = rows.len() as u64 + 1;
        rows.insert(number, Row::default());
        Id::from_u64(number)
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut told = WakerEvent::default();
        event.record(&mut told);
        self.with(told.span, |row| {
            row.wakes += u32::from(told.op.starts_with("waker.wake"));
            row.self_wakes += u32::from(told.op.starts_with("waker.wake") && row.is_inside);
            row.wakers += match told.op.as_str() {
                "waker.clone" => 1,
                "waker.wake" | "waker.drop" => -1,
                "waker.wake_by_ref" => 0,
                other => panic!("the console does not know {other}"),
            };
        });
    }

    fn enter(&self, span: &Id) {
        self.with(span.into_u64(), |row| {
            row.polls += 1;
            row.is_inside = true;
        });
    }

    fn exit(&self, span: &Id) {
        self.with(span.into_u64(), |row| row.is_inside = false);
    }

    fn try_close(&self, span: Id) -> bool {
        self.with(span.into_u64(), |row| row.is_closed = true);
        true
    }
}

#[test]
fn whoever_waits_for_whatever_has_one_waker_out_until_it_is_woken() {
    let console = Console::default();
    let seen = console.clone();
    let executor = Executor::builder().clock(Clock::paused()).build();
    with_default(console.clone(), || {
        executor.block_on(async move {
            let bell = Rc::new(Bell::new());
            let for_a_bell = spawn({
                let bell = bell.clone();
                async move {
                    bell.wait().await;
                    yield_now().await;
                }
            });
            let for_time = spawn(sleep(Duration::from_secs(1)));
            let for_a_task = spawn(async { for_time.await.unwrap() });
            let for_several = spawn(join_all([1, 2, 3].map(|seconds| sleep(Duration::from_secs(seconds)))));
            let for_ever = spawn(pending::<()>());
            yield_now().await;
            let waits = Row { polls: 1, wakers: 1, ..Row::default() };
            for span in 2..=6 {
                assert_eq!(seen.with(span, |row| *row), waits, "span {span}");
            }

            bell.set();
            for_ever.cancel();
            let woken = Row { polls: 1, wakes: 1, ..Row::default() };
            assert_eq!([2, 6].map(|span| seen.with(span, |row| *row)), [woken; 2]);
            for_a_bell.await.unwrap();
            for_a_task.await.unwrap();
            for_several.await.unwrap();
            assert!(for_ever.await.unwrap_err().is_cancelled());

            let rows = [2, 3, 4, 5, 6].map(|span| seen.with(span, |row| *row));
            let once = Row { polls: 2, wakes: 1, is_closed: true, ..Row::default() };
            // It gives way once it was woken.
            let yielding = Row { polls: 3, wakes: 2, self_wakes: 1, ..once };
            // Its three sleeps end one by one.
            let thrice = Row { polls: 4, wakes: 3, ..once };
            assert_eq!(rows, [yielding, once, once, thrice, once]);
        });
    });
    let main = console.with(1, |row| *row);
    assert_eq!((main.wakers, main.self_wakes, main.is_closed), (0, 1, true), "{main:?}");
}

#[test]
fn a_wake_from_another_thread_is_told_once_it_has_arrived() {
    let console = Console::default();
    let seen = console.clone();
    let executor = Executor::builder().build();
    with_default(console, || {
        executor.block_on(async move {
            let (sender, receiver) = shared::oneshot::channel();
            let waiting = spawn(receiver);
            yield_now().await;
            assert!(!seen.accuses(2));
            thread::scope(|threads| {
                threads.spawn(|| sender.send(42).unwrap());
            });
            assert_eq!(seen.with(2, |row| row.wakes), 0);
            assert_eq!(waiting.await.unwrap(), Ok(42));
            let row = seen.with(2, |row| *row);
            assert_eq!(row, Row { polls: 2, wakes: 1, is_closed: true, ..Row::default() });
        });
    });
}

/// A subscriber with a bug in it. Whatever thread asks is in the span that began last.
#[derive(Default)]
struct Bad(Mutex<Option<&'static Metadata<'static>>>);

impl Subscriber for Bad {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("runtime::")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        *self.0.lock().unwrap() = Some(span.metadata());
        Id::from_u64(1)
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {
        panic!("expected");
    }

    fn event(&self, _event: &Event<'_>) {
        panic!("expected");
    }

    fn enter(&self, _span: &Id) {
        panic!("expected");
    }

    fn exit(&self, _span: &Id) {
        panic!("expected");
    }

    fn try_close(&self, _span: Id) -> bool {
        panic!("expected");
    }

    fn current_span(&self) -> Current {
        self.0.lock().unwrap().map_or_else(Current::none, |metadata| Current::new(Id::from_u64(1), metadata))
    }
}

#[test]
fn a_subscriber_that_panics_harms_no_task_and_no_job() {
    let executor = Executor::builder().build();
    let sum = with_default(Bad::default(), || {
        executor.block_on(async {
            let bell = Rc::new(Bell::new());
            let task = spawn({
                let bell = bell.clone();
                async move {
                    bell.wait().await;
                    sleep(Duration::from_millis(1)).await;
                    40
                }
            });
            yield_now().await;
            bell.set();
            task.await.unwrap() + spawn_blocking(|| 2).await.unwrap()
        })
    });
    assert_eq!(sum, 42);
}
