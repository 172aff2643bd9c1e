//! Strands: stacks with what runs on them, and the switch from one to another. All unsafe code of greenlets.
//!
//! ```text
//!            first resume            pause               resume
//! Fresh(f) ───────────────> running ───────> suspended ─────────> running ──> ended: returned, or panicked
//!     │ drop                                     │ drop
//!     └──> f is dropped, on its stack            └──> thrown at until it has unwound; abandoned if it never does
//! ```
//!
//! K1. A `Head` is made with its `Strand`, does not move, and is freed after the strand's stack has ended; with an abandoned
//!     stack it stays for ever. So whatever runs on a strand, or on one above it, may refer to its head.
//! K2. The thread's strand pointer (`current::strand`) is null or the head of the strand whose stack the thread is on. Only
//!     `resume` changes it, and puts back what was there before it returns; entering a runtime hides it. The `outer`s lead
//!     from there to the strands below, each of which is in the middle of a `resume` further down this very stack.
//! K3. `yielder` is good while its strand runs: it points into that strand's stack. To suspend by it is to leave all stacks
//!     above as well (a tower), and to come back to the very place.
//! K4. A poll may be left in the middle, and gone on with when the head has another waker, or is no more: code of another kind
//!     of stack can come back above another strand. So it has its waker itself, and after it nothing is known of the head.
//! K5. A stack may hold references into the runtime in which it ran: an anchor keeps that in memory, and elsewhere the strand
//!     is not resumed.
//! K6. What runs on a strand is `'static`, and neither the strand nor anything here is `Send`: a stack stays on its thread.

#![expect(unsafe_code, reason = "a stack is left in the middle, by pointers into it")]

mod here;

pub(super) use here::{companion, is_unwinding, may_wait, owner, pause, shielded, throw, wait, with_owner};

use super::killed::Killed;
use corosensei::{Coroutine, CoroutineResult, Yielder};
use runtime_executor::{
    PollWaker,
    current::{self, Anchor},
    report_abandoned,
    task::Polling,
};
use runtime_io::stack::Stack;
use std::{
    any::Any,
    cell::{Cell, OnceCell, RefCell},
    fmt,
    marker::PhantomData,
    mem,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    ptr::{self, NonNull},
    rc::Rc,
    sync::Arc,
    task::Waker,
    thread,
};

/// How often a strand is told to end before it is given up. A `catch_unwind` around a loop's body swallows as many.
const MAX_THROWS: u32 = 100;

/// Bytes of a function that may lie on its stack from the beginning. `corosensei` refuses more than a kilobyte, and an alignment
/// that is larger than a stack would put it below.
const MAX_INLINE: usize = 512;

type Panic = Box<dyn Any + Send>;
type Route<R> = Coroutine<(), (), Result<R, Panic>, Stack>;

/// Who resumes a strand, and so who is behind it while it is suspended.
pub(super) enum Kind {
    /// A future: the strand may wait for something, and its poller is told Pending.
    Future,
    /// Code of the strand below: to wait is to suspend that one, which takes this one along. By its owner it is found, and
    /// told from others: what it shares with who resumes it. It must not own the strand.
    Plain(Rc<dyn Any>),
}

/// What came of resuming.
pub(super) enum Step<R> {
    /// It paused.
    Suspended,
    Returned(R),
    Panicked(Panic),
}

struct Head {
    kind: Kind,
    /// The strand below, while this one is resumed.
    outer: Cell<*const Head>,
    /// Where to go on when it is resumed: its own head, or that of the top of a tower.
    top: Cell<*const Head>,
    yielder: Cell<*const Yielder<(), ()>>,
    /// Of who resumed it last; `None` before the first time.
    waker: RefCell<Option<Rc<PollWaker>>>,
    is_killed: Cell<bool>,
    throws: Cell<u32>,
    unwinding: Cell<Unwinding>,
    /// Other code of this thread was unwinding when it was resumed last.
    others_unwind: Cell<bool>,
    /// It was thrown at, and somebody unwinds ever since: so this one does, unless it swallowed that.
    was_thrown_at: Cell<bool>,
    /// While it is not 0 nothing is thrown at it.
    shields: Cell<u32>,
    /// See [`companion`].
    companion: OnceCell<Arc<dyn Any + Send + Sync>>,
}

/// Whether a strand that pauses does so in a destructor, while it is being unwound. The thread alone counts panics, those of
/// all its stacks together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Unwinding {
    No,
    Yes,
    /// Somebody is, and it may be this one.
    Unclear,
}

/// A stack and what runs on it.
pub(super) struct Strand<R: 'static> {
    head: NonNull<Head>,
    /// Until it has ended, or was abandoned.
    route: Option<Route<R>>,
    is_abandoned: bool,
    anchor: Option<Anchor>,
    /// Its own part of what belongs to a poll; while it runs, that of who resumed it.
    polling: Polling,
    is_local: PhantomData<*mut ()>,
}

impl<R: 'static> Strand<R> {
    /// A strand for `f`, which begins when it is resumed.
    pub(super) fn new(kind: Kind, stack: Stack, f: impl FnOnce() -> R + 'static) -> Self {
        let head = NonNull::from(Box::leak(Box::new(Head::new(kind))));
        // SAFETY: K1.
        unsafe { head.as_ref() }.top.set(head.as_ptr());
        let route = if size_of_val(&f) <= MAX_INLINE && align_of_val(&f) <= align_of::<u128>() {
            Self::route(head, stack, f)
        } else {
            Self::route(head, stack, Box::new(f))
        };
        Self {
            head,
            route: Some(route),
            is_abandoned: false,
            anchor: None,
            polling: Polling::default(),
            is_local: PhantomData,
        }
    }

    fn route(head: NonNull<Head>, stack: Stack, f: impl FnOnce() -> R + 'static) -> Route<R> {
        Route::with_stack(stack, move |yielder, ()| {
            // SAFETY: K1.
            let head = unsafe { head.as_ref() };
            head.yielder.set(yielder);
            catch_unwind(AssertUnwindSafe(|| {
                if head.is_killed.get() {
                    // Here, as `corosensei` ends the process if that panics elsewhere.
                    drop(f);
                    resume_unwind(Box::new(Killed::new()));
                }
                f()
            }))
        })
    }

    fn head(&self) -> &Head {
        // SAFETY: K1.
        unsafe { self.head.as_ref() }
    }

    /// Whether it has begun, and not ended.
    pub(super) fn is_suspended(&self) -> bool {
        self.route.as_ref().is_some_and(|route| route.started() && !route.done())
    }

    /// From now on its pauses throw [`Killed`], but for those of destructors while it is being unwound.
    pub(super) fn kill(&self) {
        self.head().is_killed.set(true);
    }

    /// It was killed, and did not hear of it as somebody's stack is being unwound, perhaps its own: to be resumed again soon.
    pub(super) fn is_unclear(&self) -> bool {
        self.head().is_killed.get() && self.head().unwinding.get() == Unwinding::Unclear
    }

    /// It swallows whatever is thrown at it.
    pub(super) fn is_incorrigible(&self) -> bool {
        self.head().throws.get() > MAX_THROWS
    }

    /// Lets it run until it pauses or ends. The waker is for its waits, if its kind is `Future`.
    ///
    /// # Panics
    /// If it has ended, and if it began in a runtime that is not the current one.
    // A processor expects each function to return to where it was called; one that returns on another stack does not.
    #[inline(always)]
    #[track_caller]
    pub(super) fn resume(&mut self, waker: &Waker) -> Step<R> {
        if !Anchor::is_of_current(&self.anchor) {
            self.hold_on_to_runtime();
        }
        let route = self.route.as_mut().expect("a strand that has ended is not resumed");
        // SAFETY: K1.
        let head = unsafe { self.head.as_ref() };
        // First, as it may panic.
        if let Kind::Future = head.kind {
            head.lend(waker);
        }
        self.polling.swap();
        head.others_unwind.set(thread::panicking() && head.unwinding.get() != Unwinding::Yes);
        // SAFETY: K2.
        let outer = unsafe { current::replace_strand(head.top.get().cast()) };
        head.outer.set(outer.cast());
        let result = route.resume(());
        // SAFETY: K2.
        unsafe { current::replace_strand(outer) };
        self.polling.swap();
        match result {
            CoroutineResult::Yield(()) => Step::Suspended,
            CoroutineResult::Return(result) => {
                self.end();
                result.map_or_else(Step::Panicked, Step::Returned)
            }
        }
    }

    /// It has not been in a runtime before, and is now.
    #[cold]
    #[track_caller]
    fn hold_on_to_runtime(&mut self) {
        if let Some(anchor) = &self.anchor {
            panic!(
                "this stack has run inside a runtime ({anchor:?}), to which it may refer, and that does not run here \
                 now: resume it there"
            );
        }
        self.anchor = current::anchor();
        self.polling = Polling::now();
        // From now on the end of the thread is noticed.
        current::is_thread_ending();
    }

    /// It began in a runtime that is not the current one.
    pub(super) fn is_elsewhere(&self) -> bool {
        !self.anchor.as_ref().is_none_or(Anchor::is_current)
    }

    /// Whether a panic at the place where it paused would leave it as panics do: not in a destructor while it unwinds.
    pub(super) fn may_be_thrown_at(&self) -> bool {
        self.head().may_throw()
    }

    /// Nothing is left on the stack.
    fn end(&mut self) {
        if let Some(route) = self.route.take() {
            drop(route.into_stack());
        }
        (self.anchor, self.polling) = (None, Polling::default());
    }

    /// Leaves the stack as it is, with all that is on it and all that it refers to.
    pub(super) fn abandon(&mut self) {
        mem::forget((self.route.take(), self.anchor.take(), mem::take(&mut self.polling)));
        self.is_abandoned = true;
    }

    /// Unwinds it here and now; gives the panic that came out of that, if it was another one.
    fn unwind(&mut self) -> Option<Panic> {
        if cfg!(panic = "abort") {
            self.abandon();
            report_abandoned(
                "with `panic = \"abort\"` a stack cannot be unwound. Let greenlets return before they are dropped",
            );
            return None;
        }
        if current::is_thread_ending() {
            self.abandon();
            report_abandoned(
                "its thread ends, and thread-locals that it refers to may be gone. Keep neither runtimes nor greenlets in \
                 thread-locals",
            );
            return None;
        }
        if self.is_elsewhere() {
            self.abandon();
            report_abandoned(
                "its runtime does not run here any more. Drop it inside the runtime in which it ran",
            );
            return None;
        }
        self.kill();
        match self.resume(Waker::noop()) {
            Step::Suspended => {
                self.abandon();
                report_abandoned(if self.is_incorrigible() { SWALLOWS } else { WAITS_FOR_EVER });
                None
            }
            Step::Returned(value) => catch_unwind(AssertUnwindSafe(|| drop(value))).err(),
            Step::Panicked(panic) => (!panic.is::<Killed>()).then_some(panic),
        }
    }
}

/// Why a stack is abandoned.
pub(super) const SWALLOWS: &str = "it was told to end a hundred times, and a `catch_unwind` has swallowed it each time. Let \
                                   `greenlet::Killed` pass";
const WAITS_FOR_EVER: &str = "a destructor on it waits, and what it waits for cannot come any more. Let destructors that wait \
                              run before the end: kill the greenlet, and wait for that";

impl<R> Drop for Strand<R> {
    /// # Panics
    /// With the panic of a destructor on the stack.
    fn drop(&mut self) {
        let may_begin = !cfg!(panic = "abort") && !current::is_thread_ending();
        let panic =
            if self.is_suspended() || may_begin && self.route.is_some() { self.unwind() } else { None };
        if !self.is_abandoned {
            // One that could not even begin drops what it was to run.
            self.route = None;
            // SAFETY: K1: made by `Box::leak`, and the stack has ended.
            drop(unsafe { Box::from_raw(self.head.as_ptr()) });
        }
        match panic {
            Some(panic) if !thread::panicking() => resume_unwind(panic),
            panic => mem::forget(panic),
        }
    }
}

impl<R> fmt::Debug for Strand<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Strand").field("is_suspended", &self.is_suspended()).finish_non_exhaustive()
    }
}

impl Head {
    fn new(kind: Kind) -> Self {
        Self {
            kind,
            outer: Cell::new(ptr::null()),
            top: Cell::new(ptr::null()),
            yielder: Cell::new(ptr::null()),
            waker: RefCell::default(),
            is_killed: Cell::new(false),
            throws: Cell::new(0),
            unwinding: Cell::new(Unwinding::No),
            others_unwind: Cell::new(false),
            was_thrown_at: Cell::new(false),
            shields: Cell::new(0),
            companion: OnceCell::new(),
        }
    }

    /// From now on polls are made with this waker.
    #[inline]
    fn lend(&self, waker: &Waker) {
        let is_same = self.waker.borrow().as_ref().is_some_and(|before| before.will_wake(waker));
        if !is_same {
            self.replace_waker(waker);
        }
    }

    #[cold]
    fn replace_waker(&self, waker: &Waker) {
        let waker = Rc::new(PollWaker::new(waker));
        // A waker is anybody's code, also when it goes.
        let before = self.waker.replace(Some(waker));
        drop(before);
    }

    /// What to poll with.
    #[inline]
    fn waker(&self) -> Rc<PollWaker> {
        Rc::clone(self.waker.borrow().as_ref().expect("it was resumed"))
    }

    #[inline]
    fn has_waker(&self, waker: &Rc<PollWaker>) -> bool {
        self.waker.borrow().as_ref().is_some_and(|present| Rc::ptr_eq(present, waker))
    }

    fn owner(&self) -> Option<&dyn Any> {
        match &self.kind {
            Kind::Plain(owner) => Some(&**owner),
            Kind::Future => None,
        }
    }

    /// The strand below. While this one is resumed, and so from nowhere else but what runs on it or above it.
    fn below(&self) -> Option<&Head> {
        // SAFETY: K2, K1.
        unsafe { self.outer.get().as_ref() }
    }

    /// Leaves this strand, and all above it, until it is resumed. While it runs, and from nowhere else.
    ///
    /// # Panics
    /// With [`Killed`], if it was killed.
    #[inline(always)]
    fn pause(&self) {
        self.note_unwinding();
        self.throw_if_killed();
        self.suspend();
        self.throw_if_killed();
    }

    #[inline(always)]
    fn suspend(&self) {
        self.top.set(current::strand().cast());
        // SAFETY: K3.
        let yielder = unsafe { &*self.yielder.get() };
        yielder.suspend(());
    }

    #[inline]
    fn note_unwinding(&self) {
        if !thread::panicking() {
            self.was_thrown_at.set(false);
            self.unwinding.set(Unwinding::No);
        } else if self.others_unwind.get() {
            self.unwinding.set(Unwinding::Unclear);
        } else {
            self.unwinding.set(Unwinding::Yes);
        }
    }

    #[inline]
    fn throw_if_killed(&self) {
        if self.is_killed.get() {
            self.throw();
        }
    }

    fn may_throw(&self) -> bool {
        match self.unwinding.get() {
            Unwinding::No => true,
            Unwinding::Yes => false,
            Unwinding::Unclear => !thread::panicking(),
        }
    }

    #[cold]
    fn throw(&self) {
        if !self.may_throw() || self.shields.get() > 0 {
            return;
        }
        self.throws.set(self.throws.get() + 1);
        while self.throws.get() > MAX_THROWS {
            self.suspend();
        }
        self.was_thrown_at.set(true);
        resume_unwind(Box::new(Killed::new()));
    }
}
