//! `scope`: greenlets that borrow, and why that is sound.
//!
//! A greenlet may not borrow, as nobody knows when it ends. Here the one who lends waits for that: a function that borrows is
//! made into one that does not (U1), and is gone before what it borrows is (U2 to U5).
//!
//! U1. *A function is gone* once its [`Ticket`] was dropped. Whoever has the function has the ticket with it, and drops it
//!     after all else: after the call, in which the function, its variables and what it captured were dropped, by return or by
//!     unwinding, and after its value was handed over; or, if it is never called, after what it captured. From there to the end of all that had
//!     to do with the function nothing waits, so nobody else runs.
//! U2. What it borrows outlives `'scope`, and so the frame of [`scope`], or is in `Scope` itself, in that frame. The frame is
//!     left, by return or by unwinding, only after its [`Wait`] was dropped, and that returns only when no ticket is left.
//! U3. Where [`scope`] waits, a kill is caught, or not thrown. Should it be unable to wait and panic, that unwinds, and the drop
//!     of `Wait` waits again: if that panics too, it does so in a destructor during unwinding, which ends the process.
//! U4. An owner's stack that is not unwound (abandoned at the end of the runtime, or forgotten) stays in memory for ever, with all that
//!     its frames own, and it borrows nothing from elsewhere: what a strand is given or sent, of whatever kind it is, is `'static`.
//!     So children that are still there find all in place. (`greenlet/switch/`: K1, K6.)
//! U5. A child whose stack is abandoned keeps its ticket for ever, although its task has ended. Children of its own may borrow from
//!     the same frames and be alive: their owner's owner then never leaves its scope, and is abandoned in its turn.
//!
//! Values go to whoever joins, by way of a [`Packet`]. They are dropped by the function's side before the ticket, or by that of a
//! handle, which cannot leave `'scope`.

#![expect(unsafe_code, reason = "greenlets that borrow from a frame which waits for them")]

use super::{Builder, Result, Thread, handle};
use crate::{
    greenlet::{self, Killed},
    sync::Event,
    task::CancelHandle,
};
use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    fmt, io,
    marker::PhantomData,
    mem,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    rc::Rc,
};

/// Runs `f`, which may start greenlets that borrow, and waits for the end of all of them. See [`std::thread::scope`].
///
/// If the greenlet that is here is killed, so are those that it has started, and it waits for their end before it goes on
/// unwinding.
///
/// ```
/// use runtime::green::thread;
/// use std::time::Duration;
///
/// # runtime::run(runtime::greenlet::run(|| {
/// let words = vec![String::from("borrowed"), String::from("by"), String::from("greenlets")];
/// let mut lengths = vec![0; words.len()];
/// thread::scope(|s| {
///     for (word, length) in words.iter().zip(&mut lengths) {
///         s.spawn(move || {
///             thread::sleep(Duration::from_millis(1));
///             *length = word.len();
///         });
///     }
/// });
/// assert_eq!(lengths, [8, 2, 9]);
/// # }));
/// ```
///
/// # Panics
/// Outside a greenlet: there is nobody who could wait. With the panic of `f`; and if one of the greenlets panicked and nobody
/// joined it.
#[track_caller]
pub fn scope<'env, F, T>(f: F) -> T
where
    F: for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> T,
{
    assert!(
        greenlet::is_inside(),
        "`thread::scope` waits for the greenlets that it starts, and needs a greenlet for that: call it inside \
         `greenlet::spawn(|| …)` or `greenlet::run(|| …)`, or use `task::scope` in a task"
    );
    let scope = Scope { family: Rc::new(Family::new()), scope: PhantomData, env: PhantomData };
    let family = &*scope.family;
    let all = Wait(family);
    let mut result = catch_unwind(AssertUnwindSafe(|| f(&scope)));
    let is_killed = result.as_ref().is_err_and(|panic| panic.is::<Killed>());
    if !is_killed && let Err(panic) = catch_unwind(AssertUnwindSafe(|| all.wait())) {
        result = Err(panic);
    }
    all.wait_for_killed();
    drop(all);
    let value = result.unwrap_or_else(|panic| resume_unwind(panic));
    assert!(family.unjoined_panics.get() == 0, "a scoped greenlet panicked");
    value
}

/// Where [`scope`] starts its greenlets. See [`std::thread::Scope`].
pub struct Scope<'scope, 'env: 'scope> {
    family: Rc<Family>,
    /// Invariant, as in the standard library: what is borrowed for `'scope` is borrowed for all of it.
    scope: PhantomData<&'scope mut &'scope ()>,
    env: PhantomData<&'env mut &'env ()>,
}

/// What a scope and its greenlets share.
struct Family {
    tickets: Cell<usize>,
    /// Set when the last ticket is dropped.
    all_gone: Event,
    /// Those that run, by number.
    children: RefCell<BTreeMap<u64, CancelHandle>>,
    latest: Cell<u64>,
    unjoined_panics: Cell<usize>,
}

/// Is there as long as a function that borrows from the scope.
struct Ticket {
    family: Rc<Family>,
    number: u64,
}

/// Waits for all of a scope, whatever happens.
struct Wait<'a>(&'a Family);

/// A function that borrows, with its ticket. In this order it is dropped.
struct Job<'scope, F, T> {
    f: F,
    packet: Rc<Packet<'scope, T>>,
    ticket: Ticket,
}

/// The way of a value to whoever joins.
struct Packet<'scope, T> {
    result: RefCell<Option<Result<T>>>,
    scope: PhantomData<&'scope ()>,
}

impl<'scope, 'env> Scope<'scope, 'env> {
    /// Starts a greenlet that may borrow what outlives the scope. See [`std::thread::Scope::spawn`].
    ///
    /// What is made in the scope does not outlive it:
    /// ```compile_fail
    /// runtime::green::thread::scope(|s| {
    ///     let word = String::from("made here");
    ///     s.spawn(|| word.len());
    /// });
    /// ```
    /// And nothing that may borrow gets out:
    /// ```compile_fail
    /// let handle = runtime::green::thread::scope(|s| s.spawn(|| 1));
    /// ```
    #[track_caller]
    pub fn spawn<F, T>(&'scope self, f: F) -> ScopedJoinHandle<'scope, T>
    where
        F: FnOnce() -> T + 'scope,
        T: 'scope,
    {
        Builder::new().start_scoped(self, f)
    }
}

impl Builder {
    /// Starts a greenlet in a scope. See [`std::thread::Builder::spawn_scoped`].
    ///
    /// # Errors
    /// As [`spawn`](Builder::spawn).
    #[track_caller]
    pub fn spawn_scoped<'scope, F, T>(
        self,
        scope: &'scope Scope<'scope, '_>,
        f: F,
    ) -> io::Result<ScopedJoinHandle<'scope, T>>
    where
        F: FnOnce() -> T + 'scope,
        T: 'scope,
    {
        self.check()?;
        Ok(self.start_scoped(scope, f))
    }

    #[track_caller]
    fn start_scoped<'scope, F, T>(self, scope: &'scope Scope<'scope, '_>, f: F) -> ScopedJoinHandle<'scope, T>
    where
        F: FnOnce() -> T + 'scope,
        T: 'scope,
    {
        let family = &scope.family;
        let packet = Rc::new(Packet { result: RefCell::new(None), scope: PhantomData });
        let ticket = Ticket::new(family);
        let number = ticket.number;
        let job = Job { f, packet: Rc::clone(&packet), ticket };
        let borrowing: Box<dyn FnOnce() + 'scope> = Box::new(move || job.run());
        // SAFETY: the two types differ in a lifetime only, and the function is gone before that ends (U1, U2).
        let function =
            unsafe { mem::transmute::<Box<dyn FnOnce() + 'scope>, Box<dyn FnOnce() + 'static>>(borrowing) };
        let (greenlet, thread) = self.start(function).into_parts();
        if !greenlet.is_finished() {
            family.children.borrow_mut().insert(number, greenlet.cancel_handle());
        }
        ScopedJoinHandle { greenlet, thread, packet, family: Rc::clone(family) }
    }
}

impl<F: FnOnce() -> T, T> Job<'_, F, T> {
    fn run(self) {
        // Dropped in the reverse order of this, also by a kill.
        let ticket = self.ticket;
        let packet = self.packet;
        let result = match catch_unwind(AssertUnwindSafe(self.f)) {
            Err(panic) if panic.is::<Killed>() => resume_unwind(panic),
            result => result,
        };
        if result.is_err() {
            let family = &ticket.family;
            family.unjoined_panics.set(family.unjoined_panics.get() + 1);
        }
        *packet.result.borrow_mut() = Some(result);
    }
}

impl Family {
    #[track_caller]
    fn new() -> Self {
        Self {
            tickets: Cell::new(0),
            all_gone: Event::new(),
            children: RefCell::default(),
            latest: Cell::new(0),
            unjoined_panics: Cell::new(0),
        }
    }

    fn kill_all(&self) {
        let children: Vec<_> = self.children.borrow().values().cloned().collect();
        children.iter().for_each(CancelHandle::cancel);
    }
}

impl Ticket {
    fn new(family: &Rc<Family>) -> Self {
        family.tickets.set(family.tickets.get() + 1);
        family.latest.set(family.latest.get() + 1);
        Self { family: Rc::clone(family), number: family.latest.get() }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let family = &self.family;
        family.children.borrow_mut().remove(&self.number);
        family.tickets.set(family.tickets.get() - 1);
        if family.tickets.get() == 0 {
            family.all_gone.set();
        }
    }
}

impl Wait<'_> {
    #[track_caller]
    fn wait(&self) {
        while self.0.tickets.get() > 0 {
            self.0.all_gone.clear();
            greenlet::wait(self.0.all_gone.wait());
        }
    }

    /// Kills those that are left, and waits for their end even if the greenlet was killed that waits.
    #[track_caller]
    fn wait_for_killed(&self) {
        if self.0.tickets.get() > 0 {
            self.0.kill_all();
            greenlet::shielded(|| self.wait());
        }
    }
}

impl Drop for Wait<'_> {
    /// If there is anybody left to wait for, it is dropped by unwinding.
    fn drop(&mut self) {
        self.wait_for_killed();
    }
}

/// Waits for a greenlet of a [`scope`]. See [`std::thread::ScopedJoinHandle`].
pub struct ScopedJoinHandle<'scope, T> {
    greenlet: greenlet::JoinHandle<()>,
    thread: Thread,
    packet: Rc<Packet<'scope, T>>,
    family: Rc<Family>,
}

impl<T> ScopedJoinHandle<'_, T> {
    /// Waits for the greenlet's end, and gives its value. See [`std::thread::ScopedJoinHandle::join`].
    ///
    /// # Errors
    /// What it panicked with. If it was killed, a [`JoinError`](crate::task::JoinError).
    ///
    /// # Panics
    /// Outside a greenlet on a thread that runs a runtime, unless it has ended.
    #[track_caller]
    pub fn join(self) -> Result<T> {
        handle::join(self.greenlet).map_err(handle::payload)?;
        let result = self.packet.result.take().expect("put there before the end");
        if result.is_err() {
            self.family.unjoined_panics.set(self.family.unjoined_panics.get() - 1);
        }
        result
    }

    /// See [`std::thread::ScopedJoinHandle::thread`].
    pub fn thread(&self) -> &Thread {
        &self.thread
    }

    /// The greenlet behind it, for what threads cannot: to be killed, above all. Its value goes another way.
    pub fn as_greenlet(&self) -> &greenlet::JoinHandle<()> {
        &self.greenlet
    }

    /// See [`std::thread::ScopedJoinHandle::is_finished`].
    pub fn is_finished(&self) -> bool {
        self.greenlet.is_finished()
    }
}

impl fmt::Debug for Scope<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").field("running", &self.family.tickets.get()).finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for ScopedJoinHandle<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopedJoinHandle").field("thread", &self.thread).finish_non_exhaustive()
    }
}
