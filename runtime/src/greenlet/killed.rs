//! What is thrown at a greenlet that is killed.

use std::{fmt, marker::PhantomData};

/// What a greenlet's wait panics with, silently, once the greenlet was killed: so its stack is unwound, and what is on it
/// dropped. gevent's `GreenletExit`.
///
/// Code that catches panics should let it pass:
///
/// ```
/// use runtime::greenlet::Killed;
/// use std::panic::{catch_unwind, resume_unwind};
///
/// # fn work() {}
/// if let Err(panic) = catch_unwind(work) {
///     if panic.is::<Killed>() {
///         resume_unwind(panic);
///     }
///     // …
/// }
/// ```
///
/// A greenlet that swallows it is told again by its next wait that has to wait, a hundred times. One that returns in spite
/// of it has finished with what it returned.
pub struct Killed(PhantomData<()>);

impl Killed {
    pub(super) fn new() -> Self {
        Self(PhantomData)
    }
}

impl fmt::Debug for Killed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Killed")
    }
}

impl fmt::Display for Killed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the greenlet was killed")
    }
}
