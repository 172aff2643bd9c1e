//! `OnceLock`: [`std::sync::OnceLock`], whose initialiser may wait.

use crate::{
    green::waiting::wait,
    sync::shared::{Lock, LockGuard},
};
use std::{
    fmt,
    panic::{RefUnwindSafe, UnwindSafe},
};

/// [`std::sync::OnceLock`]: a value that is made once, by whoever needs it first, while others wait for it. What makes it may
/// wait too; if that is unwound, by a panic or a kill, the one that waits longest makes it.
///
/// ```
/// use runtime::green::{sync::OnceLock, thread};
/// use std::time::Duration;
///
/// static ADDRESS: OnceLock<String> = OnceLock::new();
/// let resolve = || {
///     ADDRESS.get_or_init(|| {
///         thread::sleep(Duration::from_millis(1));
///         "192.0.2.1".to_owned()
///     })
/// };
///
/// # runtime::run(runtime::greenlet::run(move || {
/// let other = thread::spawn(resolve);
/// assert!(std::ptr::eq(resolve(), other.join().unwrap()));
/// # }));
/// ```
pub struct OnceLock<T> {
    value: std::sync::OnceLock<T>,
    /// Whoever has this may set the value.
    turn: Lock<()>,
}

impl<T: RefUnwindSafe + UnwindSafe> RefUnwindSafe for OnceLock<T> {}
impl<T: UnwindSafe> UnwindSafe for OnceLock<T> {}

impl<T> OnceLock<T> {
    /// See [`std::sync::OnceLock::new`]. The line of this call is remembered: reports name it by that.
    #[track_caller]
    pub const fn new() -> Self {
        Self { value: std::sync::OnceLock::new(), turn: Lock::const_new(()) }
    }

    /// See [`std::sync::OnceLock::get`].
    #[inline]
    pub fn get(&self) -> Option<&T> {
        self.value.get()
    }

    /// See [`std::sync::OnceLock::get_mut`].
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.value.get_mut()
    }

    /// Sets the value, once nobody is making one. See [`std::sync::OnceLock::set`].
    ///
    /// # Errors
    /// If there is one; `value` comes back.
    ///
    /// # Panics
    /// Where it cannot wait (see the [module](super)) and has to.
    #[track_caller]
    pub fn set(&self, value: T) -> Result<(), T> {
        if self.value.get().is_some() {
            return Err(value);
        }
        let _turn = self.turn("`OnceLock::set`");
        self.value.set(value)
    }

    /// The value; if there is none, `f` makes it, or whoever is at it does. See [`std::sync::OnceLock::get_or_init`].
    ///
    /// # Panics
    /// With the panic of `f`. Where it cannot wait (see the [module](super)) and has to.
    #[inline]
    #[track_caller]
    pub fn get_or_init<F: FnOnce() -> T>(&self, f: F) -> &T {
        match self.value.get() {
            Some(value) => value,
            None => self.init(f),
        }
    }

    /// See [`std::sync::OnceLock::into_inner`].
    pub fn into_inner(self) -> Option<T> {
        self.value.into_inner()
    }

    /// See [`std::sync::OnceLock::take`].
    pub fn take(&mut self) -> Option<T> {
        self.value.take()
    }

    #[cold]
    #[track_caller]
    fn init(&self, f: impl FnOnce() -> T) -> &T {
        let _turn = self.turn("`OnceLock::get_or_init`");
        if let Some(value) = self.value.get() {
            return value;
        }
        let made = f();
        self.value.get_or_init(|| made)
    }

    #[track_caller]
    fn turn(&self, what: &str) -> LockGuard<'_, ()> {
        match self.turn.try_acquire() {
            Some(turn) => turn,
            None => wait(what, self.turn.acquire()),
        }
    }
}

impl<T> Default for OnceLock<T> {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl<T> From<T> for OnceLock<T> {
    #[track_caller]
    fn from(value: T) -> Self {
        Self { value: value.into(), turn: Lock::const_new(()) }
    }
}

impl<T: Clone> Clone for OnceLock<T> {
    #[track_caller]
    fn clone(&self) -> Self {
        Self { value: self.value.clone(), turn: Lock::const_new(()) }
    }
}

impl<T: PartialEq> PartialEq for OnceLock<T> {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl<T: Eq> Eq for OnceLock<T> {}

impl<T: fmt::Debug> fmt::Debug for OnceLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}
