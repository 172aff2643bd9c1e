//! Raw greenlets: stacks between which a program switches by itself, without a loop.
//!
//! ```text
//!            first switch            switch elsewhere            switch here
//! not begun ─────────────> running ──────────────────> suspended ───────────> running ──> dead: it has returned or panicked
//!     │ throw, exit                                        │ last handle dropped
//!     └──> dead: the function is dropped                   └──> its stack is unwound, or abandoned
//! ```
//!
//! Below the stacks is a switch that goes down and up again (`switch/`). So whoever switches writes down where to, and
//! leaves; and *main*, the code below that switched to the first of them, goes there (`life.rs`), until it is switched to
//! itself.

mod life;

use super::switch;
use life::{Life, Mailbox, Order, Parcel, Refusal, Stage, drive};
use std::{any::Any, fmt, mem, panic::resume_unwind, ptr, rc::Rc, thread};

/// A function with a stack of its own, to which one switches by name, and which switches to others (Python's `greenlet`). It
/// is no task: no loop is involved, and no runtime needed. This is a handle; clones of it are the same greenlet.
///
/// ```
/// use runtime::greenlet::Greenlet;
/// use std::{cell::{OnceCell, RefCell}, rc::Rc};
///
/// let said = Rc::new(RefCell::new(Vec::new()));
/// let two: Rc<OnceCell<Greenlet<()>>> = Rc::default();
/// let one = Greenlet::new({
///     let (said, two) = (said.clone(), two.clone());
///     move |()| {
///         said.borrow_mut().push(12);
///         two.get().unwrap().switch(());
///         said.borrow_mut().push(34);
///     }
/// });
/// let _ = two.set(Greenlet::new({
///     let (said, one) = (said.clone(), one.clone());
///     move |()| {
///         said.borrow_mut().push(56);
///         one.switch(());
///         unreachable!("nobody comes back");
///     }
/// }));
/// one.switch(());
/// assert_eq!(*said.borrow(), [12, 56, 34]);
/// assert!(one.is_dead());
/// ```
///
/// # The rules
/// - Each switch carries a `T`. The first one to a greenlet begins it: its function is called with the value. Another one
///   lets it go on: the value is what its own [`switch`](Self::switch) gives.
/// - What it returns goes to its [parent](Self::parent), as if it had switched there; so does a panic, to be thrown there. The
///   parent is the greenlet in which it was made, unless that was changed.
/// - A switch to one that is dead lands in its nearest ancestor that lives.
/// - The first ancestor of all is [`main`](Self::main): the code that is on no greenlet of this type. Each task and each
///   [`spawn`](super::spawn)ed greenlet is a main of its own, which is to say: who switches to a greenlet from there gets
///   control back there, whoever else has run that greenlet before.
/// - Dropping the last handle of a suspended one unwinds its stack: what is on it is dropped, as in a panic. (Two that hold
///   handles of each other on their stacks are never dropped, as always with `Rc`.)
/// - It stays on its thread:
///
/// ```compile_fail,E0277
/// # use runtime::greenlet::Greenlet;
/// let greenlet = Greenlet::new(|number: u32| number + 1);
/// std::thread::spawn(move || greenlet.switch(1));
/// ```
///
/// In a spawned greenlet it may [`wait`](super::wait()): that suspends both, as a tower, and until both go on, nobody can switch
/// to it.
pub struct Greenlet<T: 'static>(
    /// None: main.
    Option<Rc<Life<T>>>,
);

impl<T: 'static> Greenlet<T> {
    /// A greenlet that will call `f`; nothing runs yet. Its parent is the current one.
    pub fn new(f: impl FnOnce(T) -> T + 'static) -> Self {
        Self(Some(Life::new(f, Self::current())))
    }

    /// With so many bytes of stack, instead of 64 KiB; rounded up to whole pages. Of no effect once it has begun.
    pub fn stack_size(self, bytes: usize) -> Self {
        self.0.iter().for_each(|life| life.stack_size.set(Some(bytes)));
        self
    }

    /// The greenlet of this type that runs here; [`main`](Self::main) if there is none.
    pub fn current() -> Self {
        switch::with_owner(|me: Option<&Mailbox<T>>| Self(me.and_then(|me| me.life.upgrade())))
    }

    /// What is below all greenlets of this type: the code that has switched to the first of them.
    ///
    /// ```
    /// use runtime::greenlet::Greenlet;
    /// let greenlet = Greenlet::new(|n| Greenlet::main().switch(n + 1) * 10);
    /// assert_eq!(greenlet.switch(1), 2);
    /// assert_eq!(greenlet.switch(3), 30);
    /// ```
    pub fn main() -> Self {
        Self(None)
    }

    /// Whether it is [`main`](Self::main).
    pub fn is_main(&self) -> bool {
        self.0.is_none()
    }

    /// Suspends what runs here, and goes on there with `value`. Returns when somebody switches back: with what that one has
    /// handed over, or with the result of a child that has ended.
    ///
    /// # Panics
    /// With what is [thrown](Self::throw) here meanwhile, and with the panic of a child. With [`Killed`](crate::greenlet::Killed), if this greenlet is
    /// to end. If that one cannot be switched to, as it has not switched away: it waits for something, or has called what
    /// runs here. If there is no memory for a stack.
    #[inline]
    #[track_caller]
    pub fn switch(&self, value: T) -> T {
        self.hand_over(Parcel::Value(value))
    }

    /// Switches there, and panics there with `panic`; the panic hook is not called. One that has not begun dies at once; out
    /// of this and of a dead one the panic goes to the nearest ancestor that lives. It also goes to the parent of one that is
    /// in a destructor, unwinding already.
    ///
    /// # Panics
    /// As [`switch`](Self::switch): with `panic`, if it goes through all of them.
    #[track_caller]
    pub fn throw(&self, panic: impl Any + Send) -> T {
        self.hand_over(Parcel::Panic(Box::new(panic)))
    }

    /// Switches there, and ends it: its stack is unwound, and `value` is its result, which goes to its parent (in Python it is
    /// `GreenletExit` that is thrown, and `value` what it carries). It is a panic with [`Killed`](crate::greenlet::Killed); a greenlet that catches it
    /// goes on. One that is unwinding already is handed the value.
    ///
    /// ```
    /// use runtime::greenlet::Greenlet;
    /// let greenlet = Greenlet::new(|()| loop {
    ///     Greenlet::main().switch(());
    /// });
    /// greenlet.switch(());
    /// greenlet.exit(());
    /// assert!(greenlet.is_dead());
    /// ```
    ///
    /// # Panics
    /// As [`switch`](Self::switch). If this is `main`, which nothing ends.
    #[track_caller]
    pub fn exit(&self, value: T) -> T {
        assert!(!self.is_main(), "main is not a greenlet that could be ended: switch to it, or throw");
        self.hand_over(Parcel::Exit(value))
    }

    /// Whether it has returned, or panicked.
    pub fn is_dead(&self) -> bool {
        self.0.as_ref().is_some_and(|life| matches!(life.stage.try_borrow().as_deref(), Ok(Stage::Dead)))
    }

    /// Whether it has begun, and is not dead.
    pub fn is_active(&self) -> bool {
        self.0.as_ref().is_none_or(|life| match life.stage.try_borrow().as_deref() {
            Ok(Stage::Begun(strand)) => strand.is_suspended(),
            Ok(Stage::Fresh(_) | Stage::Dead) => false,
            Err(_) => true,
        })
    }

    /// Where its result will go. None for `main`.
    pub fn parent(&self) -> Option<Self> {
        self.0.as_ref().map(|life| life.parent())
    }

    /// Sends its result elsewhere.
    ///
    /// # Panics
    /// If this is `main`. If it is an ancestor of `parent`: a result would go round in a circle.
    #[track_caller]
    pub fn set_parent(&self, parent: &Self) {
        let Some(life) = &self.0 else { panic!("main has no parent: it is the first ancestor of all") };
        let mut ancestor = parent.clone();
        while let Some(above) = ancestor.parent() {
            assert!(
                ancestor != *self,
                "a greenlet cannot be its own ancestor: choose a parent that does not descend from it"
            );
            ancestor = above;
        }
        drop(life.parent.replace(parent.clone()));
    }

    #[inline(always)]
    #[track_caller]
    fn hand_over(&self, parcel: Parcel<T>) -> T {
        let Order { to, parcel } = Order { to: self.clone(), parcel }.settle();
        let result: Result<T, Refusal> = switch::with_owner(|me: Option<&Mailbox<T>>| {
            if to.is_at(me) {
                return Ok(parcel.open(me));
            }
            to.0.as_ref().map_or(Ok(()), |life| life.check())?;
            Ok(match me {
                Some(me) => me.leave(Order { to, parcel }),
                None => {
                    drive(to, Some(parcel), None).expect("only one that is dropped has no order").open(None)
                }
            })
        });
        match result {
            Ok(value) => value,
            Err(refusal) => panic!("{refusal}"),
        }
    }

    fn is_at(&self, mailbox: Option<&Mailbox<T>>) -> bool {
        match (&self.0, mailbox) {
            (Some(life), Some(mailbox)) => ptr::eq(&*life.mailbox, mailbox),
            (None, None) => true,
            _ => false,
        }
    }
}

impl<T> Drop for Greenlet<T> {
    /// # Panics
    /// With the panic of a destructor on the stack.
    fn drop(&mut self) {
        let mut next = self.0.take();
        let mut first_panic = None;
        // A loop, as a line of ancestors may be long.
        while let Some(life) = next.take()
            && Rc::strong_count(&life) == 1
        {
            first_panic = first_panic.or(life.wind_up());
            if Rc::strong_count(&life) == 1 {
                next = life.parent.borrow_mut().0.take();
            }
        }
        match first_panic {
            Some(panic) if !thread::panicking() => resume_unwind(panic),
            panic => mem::forget(panic),
        }
    }
}

impl<T> Clone for Greenlet<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// Whether they are the same greenlet.
impl<T> PartialEq for Greenlet<T> {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(one), Some(other)) => Rc::ptr_eq(one, other),
            (None, None) => true,
            _ => false,
        }
    }
}

impl<T> Eq for Greenlet<T> {}

impl<T> fmt::Debug for Greenlet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.0.as_ref().map(|life| life.stage.try_borrow()) {
            None => "main",
            Some(Err(_)) => "running",
            Some(Ok(stage)) => match &*stage {
                Stage::Fresh(_) => "not begun",
                Stage::Begun(_) => "suspended",
                Stage::Dead => "dead",
            },
        };
        f.debug_struct("Greenlet").field("state", &state).finish_non_exhaustive()
    }
}
