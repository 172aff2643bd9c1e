//! What the stories share: things that note their drop, wakers that misbehave, a park that keeps a record.

#![allow(dead_code, reason = "each story uses a part of it")]

pub(crate) mod allocator;
pub(crate) mod every_point;
pub(crate) mod foreign;
pub(crate) mod reports;

use runtime_executor::{Executor, Park, time::Clock};
use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    io,
    pin::Pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    thread::ThreadId,
    time::Duration,
};

/// An executor with nothing special.
pub(crate) fn executor() -> Executor {
    Executor::builder().build()
}

/// One on the virtual clock.
pub(crate) fn paused() -> Executor {
    Executor::builder().clock(Clock::paused()).build()
}

/// `full` in a usual run, `small` under Miri, which is some thousand times slower.
pub(crate) const fn scaled(full: usize, small: usize) -> usize {
    if cfg!(miri) { small } else { full }
}

/// Runs `f` on another thread and waits for it.
pub(crate) fn elsewhere<T: Send>(f: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| match scope.spawn(f).join() {
        Ok(value) => value,
        Err(payload) => std::panic::resume_unwind(payload),
    })
}

/// A list that a story writes as it goes, to be compared with what it should read.
#[derive(Clone, Default, Debug)]
pub(crate) struct Log(Rc<RefCell<Vec<String>>>);

impl Log {
    pub(crate) fn add(&self, line: impl Into<String>) {
        self.0.borrow_mut().push(line.into());
    }

    /// What was written since the last time.
    pub(crate) fn take(&self) -> Vec<String> {
        self.0.take()
    }

    /// Something that writes `line` when dropped.
    pub(crate) fn on_drop(&self, line: &str) -> OnDrop<impl FnOnce() + use<>> {
        let (log, line) = (self.clone(), line.to_owned());
        OnDrop::new(move || log.add(line))
    }
}

/// Calls a closure when dropped.
pub(crate) struct OnDrop<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> OnDrop<F> {
    pub(crate) fn new(f: F) -> Self {
        Self(Some(f))
    }
}

impl<F: FnOnce()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        if let Some(f) = self.0.take() {
            f();
        }
    }
}

/// Panics when dropped.
pub(crate) fn bomb(message: &'static str) -> OnDrop<impl FnOnce()> {
    OnDrop::new(move || panic!("{message}"))
}

/// How often, and on which threads, the values of one story were dropped.
#[derive(Clone, Default)]
pub(crate) struct Drops(Arc<std::sync::Mutex<Vec<ThreadId>>>);

impl Drops {
    /// A value to be counted.
    pub(crate) fn value(&self) -> Dropped {
        Dropped(self.clone())
    }

    pub(crate) fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// Asserts that there were `expected` drops, all of them on this thread.
    #[track_caller]
    pub(crate) fn assert_here(&self, expected: usize) {
        let drops = self.0.lock().unwrap();
        assert_eq!(drops.len(), expected, "times dropped");
        let here = std::thread::current().id();
        assert!(drops.iter().all(|thread| *thread == here), "dropped on a foreign thread");
    }
}

pub(crate) struct Dropped(Drops);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.0.lock().unwrap().push(std::thread::current().id());
    }
}

/// A future from a closure that sees its own drop: it keeps `guard` until it is dropped, also when done.
pub(crate) struct Guarded<G, F> {
    poll: F,
    _guard: G,
}

impl<G: Unpin, T, F: FnMut(&mut Context<'_>) -> Poll<T> + Unpin> Guarded<G, F> {
    pub(crate) fn new(guard: G, poll: F) -> Self {
        Self { poll, _guard: guard }
    }
}

impl<G: Unpin, T, F: FnMut(&mut Context<'_>) -> Poll<T> + Unpin> Future for Guarded<G, F> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        (self.poll)(context)
    }
}

/// The waker of the task that awaits this.
pub(crate) async fn own_waker() -> Waker {
    poll_fn(|context| Poll::Ready(context.waker().clone())).await
}

/// Pending until `flag` is set; whoever sets it must wake.
pub(crate) async fn until(flag: &AtomicBool) {
    poll_fn(|_| if flag.load(Ordering::Acquire) { Poll::Ready(()) } else { Poll::Pending }).await;
}

/// Pending once, without asking to be woken.
pub(crate) async fn pause() {
    let mut paused = false;
    poll_fn(|_| if std::mem::replace(&mut paused, true) { Poll::Ready(()) } else { Poll::Pending }).await;
}

/// Polls once.
pub(crate) async fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    poll_fn(|context| Poll::Ready(Pin::new(&mut *future).poll(context))).await
}

/// A foreign waker that counts.
#[derive(Default)]
pub(crate) struct Counting {
    pub(crate) wakes: AtomicUsize,
}

impl Wake for Counting {
    fn wake(self: Arc<Self>) {
        self.wakes.fetch_add(1, Ordering::Relaxed);
    }
}

/// A foreign waker that calls a closure, each time.
pub(crate) struct Calling<F>(pub(crate) F);

impl<F: Fn() + Send + Sync + 'static> Wake for Calling<F> {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }
}

/// For what must not leave its thread, and does not: a waker that calls a local closure. Used elsewhere it panics.
pub(crate) fn local_waker(f: impl Fn() + 'static) -> Waker {
    struct Fence<F> {
        home: ThreadId,
        f: F,
    }
    thread_local! {
        static CLOSURES: RefCell<Vec<Rc<dyn Fn()>>> = const { RefCell::new(Vec::new()) };
    }
    let number = CLOSURES.with_borrow_mut(|closures| {
        closures.push(Rc::new(f));
        closures.len() - 1
    });
    let fence = Fence { home: std::thread::current().id(), f: number };
    Arc::new(Calling(move || {
        assert_eq!(fence.home, std::thread::current().id(), "a local waker was called elsewhere");
        let f = CLOSURES.with_borrow(|closures| closures[fence.f].clone());
        f();
    }))
    .into()
}

/// One call of [`Park::park`].
pub(crate) type Parked = Option<Duration>;

type Event = Rc<dyn Fn(Parked)>;

/// A park that never blocks: it notes each call and does what the story says.
pub(crate) struct FakePark {
    pub(crate) calls: RefCell<Vec<Parked>>,
    pub(crate) waiters: Cell<usize>,
    pub(crate) unparks: Arc<Counting>,
    /// Called by each `park`, with nothing borrowed.
    pub(crate) event: RefCell<Option<Event>>,
}

impl FakePark {
    pub(crate) fn new() -> Rc<Self> {
        Rc::new(Self {
            calls: RefCell::default(),
            waiters: Cell::new(0),
            unparks: Arc::default(),
            event: RefCell::new(None),
        })
    }

    pub(crate) fn on_park(&self, event: impl Fn(Parked) + 'static) {
        *self.event.borrow_mut() = Some(Rc::new(event));
    }

    pub(crate) fn take_calls(&self) -> Vec<Parked> {
        self.calls.take()
    }
}

impl Park for FakePark {
    fn park(&self, timeout: Parked) -> io::Result<()> {
        self.calls.borrow_mut().push(timeout);
        assert!(self.calls.borrow().len() < 100_000, "the loop spins");
        let event = self.event.borrow().clone();
        if let Some(event) = event {
            event(timeout);
        }
        Ok(())
    }

    fn unparker(&self) -> Waker {
        self.unparks.clone().into()
    }

    fn waiters(&self) -> usize {
        self.waiters.get()
    }
}
