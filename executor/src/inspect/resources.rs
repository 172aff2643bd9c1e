//! Spans and events by which a `tracing` subscriber sees what tasks wait for, in the words that tokio-console understands:
//! *resources* (a lock, a timer), and *operations* on them (one wait).
//!
//! A resource is told when somebody waits for it first, so what nobody waits for costs nothing, nor is on show. Its span is
//! kept with it (`runtime_sync::Tag`, `time/trace.rs`) and ends with it: no address is remembered that something else may come to.
//!
//! The console makes out by the spans that the thread is in what belongs to what: an operation to the resource in whose
//! span it begins, and to the task in whose span it is polled.

use super::{hooks::isolate, spans::Entered};
use crate::{
    core::Core,
    current,
    task::{raw::TaskRef, waker},
};
use runtime_sync::{Followed, Holder, Kind, Tag, Wait};
use std::{
    fmt::{self, Display},
    mem,
    panic::{AssertUnwindSafe, Location},
    sync::Arc,
    time::Duration,
};
use tracing::{Span, level_filters::LevelFilter, trace, trace_span};

/// Whether somebody may want to hear of a wait that begins here.
#[inline]
fn is_wanted() -> bool {
    LevelFilter::current() >= LevelFilter::TRACE && current::with(Core::running).flatten().is_some()
}

/// A span that ends without letting a panic of a subscriber out.
struct Kept(AssertUnwindSafe<Span>);

impl Kept {
    /// None if nobody wants the span that `begin` begins.
    fn begin(begin: impl FnOnce() -> Span) -> Option<Self> {
        let mut kept = Self(AssertUnwindSafe(Span::none()));
        isolate(|| kept.0.0 = begin());
        (!kept.0.is_disabled()).then_some(kept)
    }

    /// The same span once more: it ends when the last one is dropped.
    fn again(&self) -> Option<Self> {
        Self::begin(|| Span::clone(&self.0))
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let span = mem::replace(&mut *self.0, Span::none());
        isolate(|| drop(span));
    }
}

/// Whether that line is in this package: what waits there serves something of ours that the program uses.
fn is_internal(created: &Location<'_>) -> bool {
    let package = file!().trim_end_matches("inspect/resources.rs");
    created.file().starts_with(package)
}

/// The span of a resource of that type, which was created there.
fn resource(concrete_type: &str, kind: &str, created: &Location<'_>) -> Option<Kept> {
    Kept::begin(|| {
        trace_span!(
            target: "runtime::resource",
            parent: None,
            "runtime.resource",
            concrete_type,
            kind,
            is_internal = is_internal(created),
            inherits_child_attrs = false,
            loc.file = created.file(),
            loc.line = created.line(),
            loc.col = created.column(),
        )
    })
}

/// One wait for a resource.
pub(crate) struct Operation {
    span: Kept,
    resource: Kept,
    /// What is polled.
    name: &'static str,
}

impl Operation {
    fn begin(resource: Kept, source: &'static str, name: &'static str) -> Option<Self> {
        let inside = Entered::enter(&resource.0);
        let span = Kept::begin(|| {
            trace_span!(
                target: "runtime::resource::async_op",
                "runtime.resource.async_op",
                source,
                inherits_child_attrs = false,
            )
        });
        drop(inside);
        span.map(|span| Self { span, resource, name })
    }

    /// Calls `tell` inside the spans of the resource and of the operation.
    fn inside(&self, tell: impl FnOnce()) {
        let _resource = Entered::enter(&self.resource.0);
        let _operation = Entered::enter(&self.span.0);
        isolate(tell);
    }
}

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Operation").field(&self.name).finish()
    }
}

impl Followed for Operation {
    fn polled(&self, is_ready: bool) {
        self.inside(|| trace!(target: "runtime::resource::poll_op", op_name = self.name, is_ready));
    }
}

/// Somebody waits for a timer that was created there.
#[inline]
pub(crate) fn sleep(created: &'static Location<'static>) -> Option<Box<Operation>> {
    if is_wanted() { begin_sleep(created) } else { None }
}

#[cold]
fn begin_sleep(created: &'static Location<'static>) -> Option<Box<Operation>> {
    Operation::begin(resource("Sleep", "timer", created)?, "Sleep", "poll_elapsed").map(Box::new)
}

impl Operation {
    /// A poll has set the timer, to that if it was not to an instant.
    #[cold]
    pub(crate) fn begin_sleep(&self, duration: Option<Duration>) {
        if let Some(duration) = duration {
            let duration = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
            self.inside(|| {
                trace!(
                    target: "runtime::resource::state_update",
                    duration,
                    duration.unit = "ms",
                    duration.op = "override",
                );
            });
        }
        self.polled(false);
    }
}

/// See [`Observer::follow`](runtime_sync::Observer::follow).
pub(crate) fn follow(introduce: &mut dyn FnMut() -> (Tag, Wait)) -> Option<Arc<dyn Followed>> {
    if !is_wanted() {
        return None;
    }
    let (tag, wait) = introduce();
    let (concrete_type, method) = names(wait.kind);
    let known = match tag.get() {
        Some(known) => known,
        None => {
            let begun = resource(concrete_type, "Sync", wait.created)?;
            tag.get_or_init(|| Box::new(begun))
        }
    };
    let resource = known.downcast_ref::<Kept>()?.again()?;
    let operation = Operation::begin(resource, concrete_type, method)?;
    operation.inside(|| {
        trace!(
            target: "runtime::resource::async_op::state_update",
            asked = %wait.asked,
            asked.op = "override",
        );
        if let Some(holder) = wait.holder {
            trace!(
                target: "runtime::resource::async_op::state_update",
                holder = %By(holder),
                holder.op = "override",
            );
        }
    });
    Some(Arc::new(operation))
}

/// The type that somebody waits in, and the method.
fn names(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Lock => ("Lock", "acquire"),
        Kind::RLock => ("RLock", "acquire"),
        Kind::Read => ("RwLock", "read"),
        Kind::Write => ("RwLock", "write"),
        Kind::Semaphore => ("Semaphore", "acquire"),
        Kind::Event => ("Event", "wait"),
        Kind::Condition => ("Condition", "wait"),
        Kind::Barrier => ("Barrier", "wait"),
        Kind::OnceCell => ("OnceCell", "get_or_init"),
        Kind::Oneshot => ("oneshot", "recv"),
        Kind::Promise => ("Promise", "wait"),
        Kind::Send => ("channel", "send"),
        Kind::Receive => ("channel", "recv"),
        Kind::Broadcast => ("broadcast", "recv"),
        Kind::Watch => ("watch", "changed"),
        Kind::Put => ("Queue", "put"),
        Kind::Get => ("Queue", "get"),
        Kind::Join => ("Queue", "join"),
        _ => ("?", "wait"),
    }
}

/// Who holds something, for people.
struct By(Holder);

impl Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let task = waker::key_of_owner(self.0.owner).and_then(|key| {
            let find = |core: &Core| core.is_home_of(key).then(|| core.task_above(key).map(TaskRef::id))?;
            current::with(find)?
        });
        match task {
            Some(task) => write!(f, "{task} since {}", self.0.since),
            None => write!(f, "since {}", self.0.since),
        }
    }
}
