//! What tasks wait for, as resources and operations on them: told as tokio-console understands it.
#![cfg(feature = "tracing")]

use runtime_executor::{
    Executor, join_all,
    task::{self, yield_now},
    time::{Clock, interval, sleep, timeout},
};
use runtime_sync::{Event as Bell, Lock, channel, shared};
use std::{
    fmt::{Debug, Write},
    future::poll_fn,
    pin::{Pin, pin},
    ptr,
    rc::Rc,
    sync::{Arc, Mutex, MutexGuard},
    task::Poll,
    time::Duration,
};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
    subscriber::with_default,
};

/// Writes down what tokio-console makes of what it is told. What belongs to what it takes from the spans that are entered,
/// as tokio-console does.
#[derive(Clone, Default)]
struct Console {
    seen: Arc<Mutex<Seen>>,
    wants_only_tasks: bool,
}

impl Console {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }

    fn lines(&self) -> Vec<String> {
        self.seen().lines.clone()
    }
}

#[derive(Default)]
struct Seen {
    lines: Vec<String>,
    spans: Vec<Span>,
    entered: Vec<usize>,
}

struct Span {
    name: &'static str,
    fields: Fields,
    handles: u32,
}

#[derive(Default)]
struct Fields {
    text: String,
    is_ours: bool,
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let value = format!("{value:?}");
        let value = value.trim_matches('"');
        match field.name() {
            "loc.file" => self.is_ours = value.ends_with("tests/resources.rs"),
            "loc.line" if self.is_ours => write!(self.text, " of {}", comment(value)).unwrap(),
            "is_internal" if value == "true" => self.text.push_str(" internal"),
            "inherits_child_attrs" => assert_eq!(value, "false"),
            "loc.line" | "loc.col" | "is_internal" => {}
            name if name.ends_with(".op") => assert_eq!(value, "override"),
            name => match value.split_once("executor/tests/resources.rs:") {
                Some((before, place)) => write!(self.text, " {name}={before}{}", comment(place)).unwrap(),
                None => write!(self.text, " {name}={value}").unwrap(),
            },
        }
    }
}

/// What stands in this file at the end of that line: so places are told that stay the same from edit to edit.
fn comment(place: &str) -> &str {
    let line: usize = place.split(':').next().unwrap().parse().unwrap();
    let line = include_str!("resources.rs").lines().nth(line - 1).unwrap();
    line.split_once(" // ").map_or("?", |(_, comment)| comment)
}

impl Seen {
    /// The innermost span of that name that is entered, by its number.
    fn inside(&self, name: &str) -> Option<usize> {
        self.entered.iter().rev().copied().find(|span| self.spans[span - 1].name == name)
    }

    fn task(&self) -> String {
        let task = self.inside(TASK).expect("inside a task");
        let fields = &self.spans[task - 1].fields.text;
        fields.split(' ').find_map(|field| field.strip_prefix("task.name=")).unwrap_or("?").to_owned()
    }
}

const TASK: &str = "runtime.spawn";
const RESOURCE: &str = "runtime.resource";
const OPERATION: &str = "runtime.resource.async_op";

impl Subscriber for Console {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        match metadata.target() {
            "runtime::task" => true,
            "runtime::waker" => false,
            target => target.starts_with("runtime::") && !self.wants_only_tasks,
        }
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut seen = self.seen();
        let mut fields = Fields::default();
        span.record(&mut fields);
        let number = seen.spans.len() + 1;
        let name = span.metadata().name();
        match name {
            RESOURCE => seen.lines.push(format!("{number} is{}", fields.text)),
            OPERATION => {
                let resource = seen.inside(RESOURCE).expect("inside the resource");
                seen.lines.push(format!("{number} waits for {resource}:{}", fields.text));
            }
            _ => {}
        }
        seen.spans.push(Span { name, fields, handles: 1 });
        Id::from_u64(number as u64)
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut seen = self.seen();
        let mut fields = Fields::default();
        event.record(&mut fields);
        let resource = seen.inside(RESOURCE).expect("inside the resource");
        let line = match event.metadata().target() {
            "runtime::resource::poll_op" => {
                let operation = seen.inside(OPERATION).expect("inside the operation");
                format!("{operation} polled by {}:{}", seen.task(), fields.text)
            }
            "runtime::resource::async_op::state_update" => {
                let operation = seen.inside(OPERATION).expect("inside the operation");
                format!("{operation} has{}", fields.text)
            }
            "runtime::resource::state_update" => format!("{resource} has{}", fields.text),
            other => panic!("the console does not know {other}"),
        };
        seen.lines.push(line);
    }

    fn enter(&self, span: &Id) {
        self.seen().entered.push(span.into_u64() as usize);
    }

    fn exit(&self, span: &Id) {
        assert_eq!(self.seen().entered.pop(), Some(span.into_u64() as usize));
    }

    fn clone_span(&self, span: &Id) -> Id {
        self.seen().spans[span.into_u64() as usize - 1].handles += 1;
        span.clone()
    }

    fn try_close(&self, span: Id) -> bool {
        let mut seen = self.seen();
        let number = span.into_u64() as usize;
        let span = &mut seen.spans[number - 1];
        span.handles -= 1;
        let is_over = span.handles == 0;
        if is_over && span.name != TASK {
            seen.lines.push(format!("{number} ends"));
        }
        is_over
    }

    fn current_span(&self) -> tracing_core::span::Current {
        tracing_core::span::Current::none()
    }
}

/// What the console has seen when that has run, on a paused clock.
fn watch(main: impl Future<Output = ()>) -> Vec<String> {
    let console = Console::default();
    let executor = Executor::builder().clock(Clock::paused()).build();
    with_default(console.clone(), || executor.block_on(main));
    console.lines()
}

fn named(name: &str) -> task::Builder {
    task::Builder::new().name(name)
}

/// Polls it once. It is not ready.
async fn begin(mut future: impl Future + Unpin) {
    let polled = poll_fn(|cx| Poll::Ready(Pin::new(&mut future).poll(cx))).await;
    assert!(polled.is_pending());
}

#[test]
fn a_lock_that_somebody_waits_for_is_a_resource_until_it_is_dropped() {
    let lines = watch(async {
        let lock = Rc::new(Lock::new(())); // the lock
        let holder = named("holder").spawn({
            let lock = lock.clone();
            async move {
                let guard = lock.acquire().await; // the holder's line
                yield_now().await;
                drop(guard);
            }
        });
        let waiter = named("waiter").spawn(async move {
            drop(lock.acquire().await); // the waiter's line
            drop(lock.acquire().await); // at once
        });
        holder.await.unwrap();
        waiter.await.unwrap();
    });
    let expected = [
        "4 is concrete_type=Lock kind=Sync of the lock",
        "5 waits for 4: source=Lock",
        "5 has asked=the waiter's line",
        "5 has holder=task 1 since the holder's line",
        "5 polled by waiter: op_name=acquire is_ready=false",
        "5 polled by waiter: op_name=acquire is_ready=true",
        "5 ends",
        "4 ends",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn a_queue_that_grows_is_the_same_resource_and_what_comes_to_its_address_is_another() {
    let mut addresses = Vec::new();
    let lines = watch(async {
        for guests in [3, 1] {
            let bell = Bell::new(); // the bell
            addresses.push(ptr::from_ref(&bell).addr());
            let mut waiting = pin!(join_all((0..guests).map(|_| bell.wait()))); // a guest
            begin(waiting.as_mut()).await;
            bell.set();
            waiting.await;
        }
    });
    assert_eq!(addresses[0], addresses[1]);
    let of_spans =
        |line: &String| line.contains(" is ") || line.contains(" waits ") || line.ends_with(" ends");
    let lines: Vec<_> = lines.into_iter().filter(of_spans).collect();
    let expected = [
        "2 is concrete_type=Event kind=Sync of the bell",
        "3 waits for 2: source=Event",
        "4 waits for 2: source=Event",
        "5 waits for 2: source=Event",
        "3 ends",
        "4 ends",
        "5 ends",
        "2 ends",
        "6 is concrete_type=Event kind=Sync of the bell",
        "7 waits for 6: source=Event",
        "7 ends",
        "6 ends",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn a_wait_that_is_given_up_ends_without_having_been_ready() {
    let lines = watch(async {
        let bell = Bell::new(); // the bell
        let patience = Duration::from_secs(1);
        let waited = timeout(patience, bell.wait()).await; // the limit
        assert!(waited.is_err());
    });
    let expected = [
        "2 is concrete_type=Event kind=Sync of the bell",
        "3 waits for 2: source=Event",
        "3 has asked=the limit",
        "3 polled by main: op_name=wait is_ready=false",
        "4 is concrete_type=Sleep kind=timer of the limit",
        "5 waits for 4: source=Sleep",
        "4 has duration=1000 duration.unit=ms",
        "5 polled by main: op_name=poll_elapsed is_ready=false",
        "5 polled by main: op_name=poll_elapsed is_ready=true", // it is due, as the last poll of the other begins
        "3 polled by main: op_name=wait is_ready=false",
        "3 ends",
        "5 ends",
        "4 ends",
        "2 ends",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn a_sleep_is_one_resource_however_often_it_is_used() {
    let lines = watch(async {
        drop(sleep(Duration::from_secs(1))); // nobody waits for that
        let mut nap = sleep(Duration::from_secs(1)); // a nap
        (&mut nap).await;
        nap.reset_after(Duration::from_secs(2));
        nap.await;
        let mut ticks = interval(Duration::from_secs(3)); // the clock
        for _ in 0..3 {
            ticks.tick().await; // the first is due at once
        }
    });
    let expected = [
        "2 is concrete_type=Sleep kind=timer of a nap",
        "3 waits for 2: source=Sleep",
        "2 has duration=1000 duration.unit=ms",
        "3 polled by main: op_name=poll_elapsed is_ready=false",
        "3 polled by main: op_name=poll_elapsed is_ready=true",
        "2 has duration=2000 duration.unit=ms",
        "3 polled by main: op_name=poll_elapsed is_ready=false",
        "3 polled by main: op_name=poll_elapsed is_ready=true",
        "3 ends",
        "2 ends",
        "4 is concrete_type=Sleep kind=timer of the clock",
        "5 waits for 4: source=Sleep",
        "5 polled by main: op_name=poll_elapsed is_ready=false",
        "5 polled by main: op_name=poll_elapsed is_ready=true",
        "5 polled by main: op_name=poll_elapsed is_ready=false",
        "5 polled by main: op_name=poll_elapsed is_ready=true",
        "5 ends",
        "4 ends",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn a_channel_is_two_resources() {
    let lines = watch(async {
        let (sender, mut receiver) = channel(1); // the channel
        begin(pin!(receiver.recv())).await;
        sender.send(1).await.unwrap();
        begin(pin!(sender.send(2))).await;
    });
    let of_resources = |line: &String| line.contains(" is ") || line.contains("op_name=");
    let lines: Vec<_> = lines.into_iter().filter(of_resources).collect();
    let expected = [
        "2 is concrete_type=channel kind=Sync of the channel",
        "3 polled by main: op_name=recv is_ready=false",
        "4 is concrete_type=channel kind=Sync of the channel",
        "5 polled by main: op_name=send is_ready=false",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn what_serves_something_of_ours_is_internal() {
    let lines = watch(async {
        let lock = Lock::new(()); // the lock
        let _guard = lock.try_acquire().unwrap();
        assert!(lock.acquire_timeout(Duration::from_secs(1)).await.is_err());
    });
    let lines: Vec<_> = lines.into_iter().filter(|line| line.contains(" is ")).collect();
    let expected =
        ["2 is concrete_type=Lock kind=Sync of the lock", "4 is concrete_type=Sleep kind=timer internal"];
    assert_eq!(lines, expected);
}

#[test]
fn a_shared_lock_is_one_resource_for_several_runtimes() {
    let console = Console::default();
    with_default(console.clone(), || {
        let lock = shared::Lock::new(()); // the lock
        let guard = lock.try_acquire().unwrap();
        let mut waits = [1, 2].map(|_| Box::pin(lock.acquire()));
        for wait in &mut waits {
            Executor::builder().build().block_on(begin(wait));
        }
        drop((waits, guard));
    });
    let of_spans =
        |line: &String| line.contains(" is ") || line.contains(" waits ") || line.ends_with(" ends");
    let lines: Vec<_> = console.lines().into_iter().filter(of_spans).collect();
    let expected = [
        "2 is concrete_type=Lock kind=Sync of the lock",
        "3 waits for 2: source=Lock",
        "5 waits for 2: source=Lock",
        "3 ends",
        "5 ends",
        "2 ends",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn who_wants_only_tasks_is_told_only_of_tasks_and_who_comes_later_finds_the_resource() {
    let console = Console { wants_only_tasks: true, ..Console::default() };
    let lock = Lock::new(()); // the lock
    let guard = lock.try_acquire().unwrap();
    let wait = || async {
        begin(pin!(lock.acquire())).await;
        begin(pin!(sleep(Duration::from_secs(1)))).await;
    };
    with_default(console.clone(), || Executor::builder().build().block_on(wait()));
    assert_eq!(console.lines(), [""; 0]);
    let lines = watch(wait());
    drop(guard);
    assert_eq!(lines[0], "2 is concrete_type=Lock kind=Sync of the lock");
}
