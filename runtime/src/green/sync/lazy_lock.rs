//! `LazyLock`: [`std::sync::LazyLock`], whose initialiser may wait.

use super::Once;
use std::{
    fmt, mem,
    ops::Deref,
    panic::{RefUnwindSafe, UnwindSafe},
    sync::{Mutex, OnceLock, PoisonError},
};

/// [`std::sync::LazyLock`]: a value that is made when it is first used, while others who need it wait. What makes it may wait
/// too; if that is unwound, by a panic or a kill, the value is poisoned.
///
/// ```
/// use runtime::green::{sync::LazyLock, thread};
/// use std::time::Duration;
///
/// static CONFIG: LazyLock<String> = LazyLock::new(|| {
///     thread::sleep(Duration::from_millis(1)); // as if it were fetched
///     "debug".to_owned()
/// });
///
/// # runtime::run(runtime::greenlet::run(|| {
/// let length = thread::spawn(|| CONFIG.len());
/// assert_eq!(*CONFIG, "debug");
/// assert_eq!(length.join().unwrap(), 5);
/// # }));
/// ```
pub struct LazyLock<T, F = fn() -> T> {
    once: Once,
    value: OnceLock<T>,
    /// Until it is called. Nobody waits for this mutex: only who calls by `once` takes it.
    init: Mutex<Option<F>>,
}

impl<T: RefUnwindSafe + UnwindSafe, F: UnwindSafe> RefUnwindSafe for LazyLock<T, F> {}

impl<T, F: FnOnce() -> T> LazyLock<T, F> {
    /// See [`std::sync::LazyLock::new`]. The line of this call is remembered: reports name it by that.
    #[track_caller]
    pub const fn new(f: F) -> Self {
        Self { once: Once::new(), value: OnceLock::new(), init: Mutex::new(Some(f)) }
    }

    /// The value; the first call makes it. See [`std::sync::LazyLock::force`].
    ///
    /// # Panics
    /// With the panic of what makes it; and if that was unwound before. Where it cannot wait (see the [module](super)) and
    /// has to.
    #[inline]
    #[track_caller]
    pub fn force(this: &Self) -> &T {
        match this.value.get() {
            Some(value) => value,
            None => this.make(),
        }
    }

    #[cold]
    #[track_caller]
    fn make(&self) -> &T {
        self.once.call_once_force(|state| {
            assert!(!state.is_poisoned(), "LazyLock instance has previously been poisoned");
            let init = mem::take(&mut *self.init.lock().unwrap_or_else(PoisonError::into_inner));
            let value = init.expect("called once")();
            assert!(self.value.set(value).is_ok(), "set once");
        });
        self.value.get().expect("made, or the call has panicked")
    }
}

impl<T, F: FnOnce() -> T> Deref for LazyLock<T, F> {
    type Target = T;

    #[inline]
    #[track_caller]
    fn deref(&self) -> &T {
        Self::force(self)
    }
}

impl<T: Default> Default for LazyLock<T> {
    #[track_caller]
    fn default() -> Self {
        Self::new(T::default)
    }
}

impl<T: fmt::Debug, F> fmt::Debug for LazyLock<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_tuple("LazyLock");
        match self.value.get() {
            Some(value) => debug.field(value),
            None => debug.field(&format_args!("<uninit>")),
        };
        debug.finish()
    }
}
