//! What the stories are played with: a waker that counts and tells, and a future polled by hand.

#![expect(unsafe_code, reason = "a waker whose clone can be watched has no safe constructor")]

use runtime_sync::{
    broadcast, channel,
    flavour::{Flavour, Local, Shared},
    oneshot, shared, watch,
};
use std::{
    cell::{Cell, RefCell},
    future::Future,
    mem::ManuallyDrop,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, RawWaker, RawWakerVTable, Waker},
};

/// When a hook of a [`Probe`] runs.
#[derive(Debug, Clone, Copy)]
pub(crate) enum On {
    Clone,
    Wake,
    Drop,
}

type Hook = RefCell<Option<Box<dyn FnMut()>>>;

/// What a hand-made waker points to. It stays on its thread, whatever its waker's type says: no story sends one.
#[derive(Default)]
pub(crate) struct Probe {
    wakes: Cell<usize>,
    copies: Cell<usize>,
    hooks: [Hook; 3],
}

impl Probe {
    /// Runs `hook` at each such call of its wakers, but not within itself.
    pub(crate) fn on(&self, event: On, hook: impl FnMut() + 'static) {
        self.hooks[event as usize].replace(Some(Box::new(hook)));
    }

    pub(crate) fn waker(self: &Rc<Self>) -> Waker {
        self.copies.set(self.copies.get() + 1);
        let data = Rc::into_raw(Rc::clone(self)).cast();
        // SAFETY: the functions take `data` for what it is, one count of an `Rc<Probe>`; no story lets a waker leave
        // its thread.
        unsafe { Waker::new(data, &VTABLE) }
    }

    /// Wakers that are alive.
    pub(crate) fn copies(&self) -> usize {
        self.copies.get()
    }

    pub(crate) fn wakes(&self) -> usize {
        self.wakes.get()
    }

    fn run(&self, event: On) {
        let place = &self.hooks[event as usize];
        let hook = place.take();
        if let Some(mut hook) = hook {
            hook();
            place.borrow_mut().get_or_insert(hook);
        }
    }
}

static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop_waker);

/// The probe behind a waker, and the count that the waker owns.
unsafe fn probe(data: *const ()) -> Rc<Probe> {
    // SAFETY: the caller has a waker's data, which `Probe::waker` made like this.
    unsafe { Rc::from_raw(data.cast()) }
}

unsafe fn clone(data: *const ()) -> RawWaker {
    // SAFETY: it is a waker's data. The count stays with the waker.
    let probe = ManuallyDrop::new(unsafe { probe(data) });
    probe.run(On::Clone);
    let copy = ManuallyDrop::new(probe.waker());
    RawWaker::new(copy.data(), copy.vtable())
}

unsafe fn wake(data: *const ()) {
    // SAFETY: it is a waker's data, and the waker is used up: also if its hook panics.
    let waker = unsafe { Waker::new(data, &VTABLE) };
    waker.wake_by_ref();
}

unsafe fn wake_by_ref(data: *const ()) {
    // SAFETY: it is a waker's data. The count stays with the waker.
    let probe = ManuallyDrop::new(unsafe { probe(data) });
    probe.wakes.set(probe.wakes.get() + 1);
    probe.run(On::Wake);
}

unsafe fn drop_waker(data: *const ()) {
    // SAFETY: it is a waker's data, and the waker is used up.
    let probe = unsafe { probe(data) };
    probe.copies.set(probe.copies.get() - 1);
    probe.run(On::Drop);
}

/// A future that is polled by hand. Dropping it cancels.
pub(crate) struct Task<'a, T> {
    future: Option<Pin<Box<dyn Future<Output = T> + 'a>>>,
    probe: Rc<Probe>,
    /// Wakes that its last poll has answered.
    seen: usize,
}

impl<'a, T> Task<'a, T> {
    pub(crate) fn new(future: impl Future<Output = T> + 'a) -> Self {
        Self { future: Some(Box::pin(future)), probe: Rc::default(), seen: 0 }
    }

    /// A task that was polled and waits.
    #[track_caller]
    pub(crate) fn waiting(future: impl Future<Output = T> + 'a) -> Self {
        let mut task = Self::new(future);
        task.waits();
        task
    }

    pub(crate) fn poll(&mut self) -> Poll<T> {
        self.seen = self.probe.wakes();
        let waker = self.probe.waker();
        let future = self.future.as_mut().expect("this task has not ended");
        let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
        if polled.is_ready() {
            self.future = None;
        }
        polled
    }

    /// Polls it, and it has to wait.
    #[track_caller]
    pub(crate) fn waits(&mut self) {
        assert!(self.poll().is_pending(), "it did not wait");
    }

    /// Polls it, and it does not have to wait.
    #[track_caller]
    pub(crate) fn passes(&mut self) -> T {
        let Poll::Ready(output) = self.poll() else { panic!("it had to wait") };
        output
    }

    /// Polls it as an executor would, because it was woken, and it ends.
    #[track_caller]
    pub(crate) fn ends(&mut self) -> T {
        assert!(self.is_woken(), "nobody woke it: it would sleep for ever");
        let Poll::Ready(output) = self.poll() else { panic!("it was woken for nothing") };
        output
    }

    /// Whether it was woken since it was polled last.
    pub(crate) fn is_woken(&self) -> bool {
        self.probe.wakes() > self.seen
    }

    pub(crate) fn probe(&self) -> &Rc<Probe> {
        &self.probe
    }

    /// Goes on with another waker, as a future does that moves to another task. Returns what the old one points to.
    pub(crate) fn change_waker(&mut self) -> Rc<Probe> {
        self.seen = 0;
        std::mem::take(&mut self.probe)
    }
}

/// Polls once, somewhere, for something that is there at once.
#[track_caller]
pub(crate) fn now<T>(future: impl Future<Output = T>) -> T {
    Task::new(future).passes()
}

/// A value whose drop is somebody else's code.
pub(crate) struct OnDrop(Box<dyn FnMut()>);

impl OnDrop {
    pub(crate) fn new(on_drop: impl FnMut() + 'static) -> Self {
        Self(Box::new(on_drop))
    }
}

impl Drop for OnDrop {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// What is opened by a function, for stories that are told in both flavours.
pub(crate) trait Open: Flavour {
    fn channel<T>(capacity: usize) -> (channel::Sender<T, Self>, channel::Receiver<T, Self>);
    fn oneshot<T>() -> (oneshot::Sender<T, Self>, oneshot::Receiver<T, Self>);
    fn broadcast<T>(capacity: usize) -> (broadcast::Sender<T, Self>, broadcast::Receiver<T, Self>);
    fn watch<T>(initial: T) -> (watch::Sender<T, Self>, watch::Receiver<T, Self>);
}

impl Open for Local {
    fn channel<T>(capacity: usize) -> (channel::Sender<T, Self>, channel::Receiver<T, Self>) {
        channel(capacity)
    }
    fn oneshot<T>() -> (oneshot::Sender<T, Self>, oneshot::Receiver<T, Self>) {
        oneshot::channel()
    }
    fn broadcast<T>(capacity: usize) -> (broadcast::Sender<T, Self>, broadcast::Receiver<T, Self>) {
        broadcast::channel(capacity)
    }
    fn watch<T>(initial: T) -> (watch::Sender<T, Self>, watch::Receiver<T, Self>) {
        watch::channel(initial)
    }
}

impl Open for Shared {
    fn channel<T>(capacity: usize) -> (channel::Sender<T, Self>, channel::Receiver<T, Self>) {
        shared::channel(capacity)
    }
    fn oneshot<T>() -> (oneshot::Sender<T, Self>, oneshot::Receiver<T, Self>) {
        shared::oneshot::channel()
    }
    fn broadcast<T>(capacity: usize) -> (broadcast::Sender<T, Self>, broadcast::Receiver<T, Self>) {
        shared::broadcast::channel(capacity)
    }
    fn watch<T>(initial: T) -> (watch::Sender<T, Self>, watch::Receiver<T, Self>) {
        shared::watch::channel(initial)
    }
}
