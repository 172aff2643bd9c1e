//! The outcome of a job, between whoever does the job and whoever wants it.

use super::{JobError, callbacks::Callbacks, error::isolate, lock, tally::Entry};
use runtime_executor::{OutsideWork, RuntimeId};
use std::{
    any::Any,
    collections::VecDeque,
    fmt, mem,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    thread::{self, ThreadId},
    time::Duration,
};

/// What became of a job.
pub(crate) type Outcome<T> = Result<T, JobError>;

/// A job as its [`Job`](super::Job) sees it, whoever does it: a thread here, or a process.
///
/// Whoever does it calls [`begin`](Ticket::begin) if it can tell when it does, and [`settle`](trait@Source#method.settle) in any
/// case, once: also when it gives up.
pub(crate) trait Source<T>: Send + Sync {
    /// Where the outcome goes.
    fn ticket(&self) -> &Ticket<T>;

    /// Takes the job back from those who would do it. True: nobody has begun it, nobody will, and the caller settles it.
    fn withdraw(&self) -> bool;

    /// This thread is about to block until there is an outcome. If it is one that does jobs of this pool, and nobody has begun
    /// this one, it does it here and now: true.
    fn help(self: Arc<Self>) -> bool {
        false
    }

    /// This thread is about to block until there is an outcome. If nobody but this thread drives the pool, it does so until
    /// something has happened, for at most `limit`: true. False: others do, and this thread can sleep.
    fn drive(&self, limit: Option<Duration>) -> bool {
        let _ = limit;
        false
    }
}

/// Where the outcome of one job is kept.
///
/// ```text
///            begin             settle, with callbacks          the last callback returned
/// Pending ───────────▶ Running ───────────────────────▶ Telling ──────────────────────────▶ Over
///    │                    └──────────────────────────────────────────────────────────────────▲
///    └─ settle: cancelled, refused, or nobody said when it was begun ────────────────────────┘  settle, without
/// ```
///
/// The outcome is inside from `settle` on; outside while a callback sees it; and gone once it was taken, when it is over.
pub(crate) struct Ticket<T>(Mutex<State<T>>);

struct State<T> {
    stage: Stage,
    outcome: Option<Outcome<T>>,
    is_cancelled: bool,
    /// Whoever waits for the [`Job`](super::Job).
    waiting: Option<Waker>,
    /// Those who are to be called, in order.
    listeners: VecDeque<Listener>,
    /// The thread that calls one now.
    teller: Option<ThreadId>,
    /// Dropped when it is over, after whoever waits was woken.
    open: Option<(Option<OutsideWork>, Entry)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Pending,
    Running,
    Telling,
    Over,
}

/// A callback, where it is.
struct Listener {
    home: RuntimeId,
    /// That of the runtime.
    thread: ThreadId,
    number: u64,
    /// Whoever does the job works for that runtime as well.
    _outside: Option<OutsideWork>,
}

impl<T> Ticket<T> {
    /// For a job that somebody wants to be done; for the runtime of this thread, if there is one. It counts as open in `entry`
    /// until it is over.
    pub(crate) fn new(entry: Entry) -> Self {
        Self(Mutex::new(State {
            stage: Stage::Pending,
            outcome: None,
            is_cancelled: false,
            waiting: None,
            listeners: VecDeque::new(),
            teller: None,
            open: Some((OutsideWork::begin(), entry)),
        }))
    }

    /// It is begun now. False: somebody else has begun it, or it was withdrawn.
    pub(crate) fn begin(&self) -> bool {
        let mut state = lock(&self.0);
        let is_pending = state.stage == Stage::Pending;
        if is_pending {
            state.stage = Stage::Running;
        }
        is_pending
    }

    /// Nobody has begun it, as far as is known.
    pub(crate) fn is_pending(&self) -> bool {
        lock(&self.0).stage == Stage::Pending
    }

    /// It is being done, as far as is known.
    pub(crate) fn is_running(&self) -> bool {
        lock(&self.0).stage == Stage::Running
    }

    /// There is an outcome, or was.
    pub(crate) fn has_ended(&self) -> bool {
        matches!(lock(&self.0).stage, Stage::Telling | Stage::Over)
    }

    /// It was cancelled before it was begun.
    pub(crate) fn is_cancelled(&self) -> bool {
        lock(&self.0).is_cancelled
    }

    /// Takes the outcome, once it is over; who asks too early is woken then.
    ///
    /// # Panics
    /// If it was taken before.
    #[track_caller]
    pub(super) fn poll_take(&self, context: &Context<'_>) -> Poll<Outcome<T>> {
        let mut state = lock(&self.0);
        if state.stage != Stage::Over {
            if state.waiting.as_ref().is_some_and(|known| known.will_wake(context.waker())) {
                return Poll::Pending;
            }
            drop(state);
            let new = context.waker().clone(); // code of others: not under the lock
            state = lock(&self.0);
            if state.stage != Stage::Over {
                let old = state.waiting.replace(new);
                drop(state);
                drop(old);
                return Poll::Pending;
            }
        }
        let outcome = state.outcome.take();
        drop(state);
        let Some(outcome) = outcome else {
            panic!("a job gives its outcome once, and this one has given it: keep the value, or submit again")
        };
        Poll::Ready(outcome)
    }

    /// Whether the next callback is to be called by a runtime of this thread that does not run now, and cannot as long as
    /// this thread waits.
    pub(super) fn is_stuck_here(&self) -> bool {
        let state = lock(&self.0);
        let next = state.listeners.front().filter(|_| state.stage == Stage::Telling);
        next.is_some_and(|next| next.thread == thread::current().id() && !next.home.is_current())
    }

    /// Whether this thread is inside a callback of this very job.
    pub(super) fn is_told_here(&self) -> bool {
        lock(&self.0).teller == Some(thread::current().id())
    }
}

impl<T: Send + 'static> dyn Source<T> {
    /// This is the outcome. False: there was one already, and this one was dropped.
    pub(crate) fn settle(self: &Arc<Self>, outcome: Outcome<T>) -> bool {
        let mut state = lock(&self.ticket().0);
        if matches!(state.stage, Stage::Telling | Stage::Over) {
            drop(state);
            drop(outcome);
            return false;
        }
        state.is_cancelled = matches!(outcome, Err(JobError::Cancelled));
        state.outcome = Some(outcome);
        state.stage = Stage::Telling;
        let waiting = if state.listeners.is_empty() { None } else { state.waiting.take() };
        drop(state);
        self.tell();
        // Somebody who blocks the thread that has the callbacks: it can go on with them itself.
        waiting.into_iter().for_each(Waker::wake);
        true
    }

    /// Withdraws it, if nobody has begun it.
    pub(super) fn cancel(self: &Arc<Self>) -> bool {
        self.ticket().is_pending() && self.withdraw() && self.settle(Err(JobError::Cancelled))
    }

    /// Has `f` called on this thread's runtime when there is an outcome; at once, if there is.
    ///
    /// # Panics
    /// If there is no runtime, and if the outcome was taken.
    #[track_caller]
    pub(super) fn listen(self: &Arc<Self>, f: impl FnOnce(&Outcome<T>) + 'static) {
        let callback = Box::new(move |outcome: &dyn Any| {
            f(outcome.downcast_ref().expect("callbacks are called with the outcome of their job"));
        });
        let registered = RuntimeId::current().zip(Callbacks::register(callback));
        let Some((home, number)) = registered else {
            panic!(
                "`on_done` needs a runtime on this thread, to call the callback there: `get` the outcome instead, or call \
                 this inside `runtime::run(async {{ … }})`, `#[runtime::main]` or `#[runtime::test]`"
            )
        };
        let mut state = lock(&self.ticket().0);
        let is_over = state.stage == Stage::Over;
        if is_over && state.outcome.is_none() {
            drop(state);
            drop(Callbacks::take(number));
            panic!("`on_done` on a job that has given its outcome: call it before")
        }
        let thread = thread::current().id();
        state.listeners.push_back(Listener { home, thread, number, _outside: OutsideWork::begin() });
        if is_over {
            state.stage = Stage::Telling;
            drop(state);
            self.tell();
        }
    }

    /// Goes on with calling callbacks, if nobody does: those of this thread's runtime at once, and then has the next runtime
    /// go on. After the last, it is over.
    pub(super) fn tell(self: &Arc<Self>) {
        loop {
            let mut state = lock(&self.ticket().0);
            if state.stage != Stage::Telling || state.outcome.is_none() {
                return;
            }
            let Some(&Listener { home, number, .. }) = state.listeners.front() else {
                state.stage = Stage::Over;
                let (waiting, open) = (state.waiting.take(), state.open.take());
                drop(state);
                waiting.into_iter().for_each(Waker::wake);
                drop(open);
                return;
            };
            if !home.is_current() {
                drop(state);
                let delivery = Delivery { source: Some(Arc::clone(self)), home };
                // Refused, the delivery is dropped, which goes on without those who cannot be told.
                let _ = home.post(move || delivery.run());
                return;
            }
            let listener = state.listeners.pop_front();
            let outcome = state.outcome.take();
            state.teller = Some(thread::current().id());
            drop(state);
            if let (Some(callback), Some(outcome)) = (Callbacks::take(number), &outcome) {
                isolate(|| callback(outcome));
            }
            let mut state = lock(&self.ticket().0);
            state.outcome = outcome;
            state.teller = None;
            drop(state);
            drop(listener);
        }
    }

    /// The same before this thread blocks, which may be the only one that can.
    pub(super) fn tell_here(self: &Arc<Self>) {
        let is_here = lock(&self.ticket().0).listeners.front().is_some_and(|next| next.home.is_current());
        if is_here {
            self.tell();
        }
    }

    /// That runtime has ended, and its callbacks with it.
    fn forget(self: &Arc<Self>, home: RuntimeId) {
        let mut state = lock(&self.ticket().0);
        let (gone, left) = mem::take(&mut state.listeners).into_iter().partition(|each| each.home == home);
        state.listeners = left;
        drop(state);
        drop::<VecDeque<_>>(gone);
        self.tell();
    }
}

/// An outcome on its way to the runtime that has the next callback.
struct Delivery<T: Send + 'static> {
    /// `None`: it has arrived.
    source: Option<Arc<dyn Source<T>>>,
    home: RuntimeId,
}

impl<T: Send + 'static> Delivery<T> {
    fn run(mut self) {
        if let Some(source) = self.source.take() {
            source.tell();
        }
    }
}

impl<T: Send + 'static> Drop for Delivery<T> {
    fn drop(&mut self) {
        if let Some(source) = self.source.take() {
            source.forget(self.home);
        }
    }
}

impl<T> fmt::Debug for Ticket<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = lock(&self.0);
        f.debug_struct("Ticket")
            .field("stage", &state.stage)
            .field("is_cancelled", &state.is_cancelled)
            .field("callbacks", &state.listeners.len())
            .finish()
    }
}
