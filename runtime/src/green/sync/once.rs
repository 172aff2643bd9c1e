//! `Once`: [`std::sync::Once`], whose first call may wait.

use crate::{
    green::waiting::wait,
    sync::shared::{Lock, LockGuard},
};
use std::{
    fmt,
    panic::{RefUnwindSafe, UnwindSafe},
    sync::atomic::{
        AtomicU8,
        Ordering::{Acquire, Relaxed, Release},
    },
};

/// [`std::sync::Once`]: something that is done once, by whoever comes first, while others wait for it. What is done may wait
/// too.
///
/// ```
/// use runtime::green::{sync::Once, thread};
/// use std::time::Duration;
///
/// static PREPARED: Once = Once::new();
/// let prepare = || PREPARED.call_once(|| thread::sleep(Duration::from_millis(1)));
///
/// # runtime::run(runtime::greenlet::run(move || {
/// let other = thread::spawn(prepare);
/// prepare();
/// assert!(PREPARED.is_completed());
/// other.join().unwrap();
/// # }));
/// ```
pub struct Once {
    state: AtomicU8,
    /// Whoever has this may change the state.
    turn: Lock<()>,
}

const INCOMPLETE: u8 = 0;
const POISONED: u8 = 1;
const COMPLETE: u8 = 2;

impl UnwindSafe for Once {}
impl RefUnwindSafe for Once {}

/// In what state a [`Once`] is called. See [`std::sync::OnceState`].
#[derive(Debug)]
pub struct OnceState {
    is_poisoned: bool,
}

impl Once {
    /// See [`std::sync::Once::new`]. The line of this call is remembered: reports name it by that.
    #[expect(clippy::new_without_default, reason = "the standard library's has none either")]
    #[track_caller]
    pub const fn new() -> Self {
        Self { state: AtomicU8::new(INCOMPLETE), turn: Lock::const_new(()) }
    }

    /// Calls `f` if nobody has; if somebody is at it, waits for that. See [`std::sync::Once::call_once`].
    ///
    /// # Panics
    /// With the panic of `f`; and if a former call was unwound, by a panic or a kill. Where it cannot wait (see the
    /// [module](super)) and has to.
    #[inline]
    #[track_caller]
    pub fn call_once<F: FnOnce()>(&self, f: F) {
        if !self.is_completed() {
            self.call(false, |_| f());
        }
    }

    /// [`call_once`](Once::call_once) that calls `f` even if a former call was unwound. See
    /// [`std::sync::Once::call_once_force`].
    ///
    /// # Panics
    /// With the panic of `f`. Where it cannot wait and has to.
    #[inline]
    #[track_caller]
    pub fn call_once_force<F: FnOnce(&OnceState)>(&self, f: F) {
        if !self.is_completed() {
            self.call(true, f);
        }
    }

    /// See [`std::sync::Once::is_completed`].
    #[inline]
    pub fn is_completed(&self) -> bool {
        self.state.load(Acquire) == COMPLETE
    }

    #[cold]
    #[track_caller]
    fn call(&self, is_forced: bool, f: impl FnOnce(&OnceState)) {
        let turn = match self.turn.try_acquire() {
            Some(turn) => turn,
            None => wait("`Once::call_once`", self.turn.acquire()),
        };
        let former = self.state.load(Relaxed);
        if former == COMPLETE {
            return;
        }
        let is_poisoned = former == POISONED;
        assert!(is_forced || !is_poisoned, "Once instance has previously been poisoned");
        let mut calling = Calling { state: &self.state, becomes: POISONED, _turn: turn };
        f(&OnceState { is_poisoned });
        calling.becomes = COMPLETE;
    }
}

/// A call that goes on; however it ends, the next finds out how, and then has its turn.
struct Calling<'a> {
    state: &'a AtomicU8,
    becomes: u8,
    _turn: LockGuard<'a, ()>,
}

impl Drop for Calling<'_> {
    fn drop(&mut self) {
        self.state.store(self.becomes, Release);
    }
}

impl OnceState {
    /// See [`std::sync::OnceState::is_poisoned`].
    pub fn is_poisoned(&self) -> bool {
        self.is_poisoned
    }
}

impl fmt::Debug for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Once").field("is_completed", &self.is_completed()).finish_non_exhaustive()
    }
}
