//! What can go wrong with a group.

use std::fmt;

/// Why a [`TaskGroup`](super::TaskGroup) gave no value: the errors of its children and of its body, in the order in
/// which they occurred. None at all if somebody called [`TaskGroup::cancel`](super::TaskGroup::cancel).
///
/// ```
/// use runtime_executor::{Executor, task::{GroupError, TaskGroup, yield_now}};
///
/// let outcome: Result<(), GroupError<&str>> = Executor::builder().build().block_on(TaskGroup::run(async |group| {
///     group.spawn(async { Err::<(), _>("no tea") });
///     group.spawn(async { Err::<(), _>("no milk") });
///     yield_now().await;
///     Ok(())
/// }));
/// let error = outcome.unwrap_err();
/// // The first error cancels the siblings: those that have not run yet never will.
/// assert_eq!(error.errors(), ["no tea"]);
/// assert_eq!(error.to_string(), "no tea");
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupError<E> {
    errors: Vec<E>,
}

impl<E> GroupError<E> {
    pub(super) fn new(errors: Vec<E>) -> Self {
        Self { errors }
    }

    /// All errors, the first one first.
    pub fn errors(&self) -> &[E] {
        &self.errors
    }

    /// All errors, the first one first.
    pub fn into_errors(self) -> Vec<E> {
        self.errors
    }

    /// The error that ended the group; `None` if it was [`TaskGroup::cancel`](super::TaskGroup::cancel).
    pub fn into_first(self) -> Option<E> {
        self.errors.into_iter().next()
    }

    /// Nothing failed: the group was cancelled by [`TaskGroup::cancel`](super::TaskGroup::cancel).
    pub fn is_cancelled(&self) -> bool {
        self.errors.is_empty()
    }
}

impl<E: fmt::Display> fmt::Display for GroupError<E> {
    /// The first error, and how many came after it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.errors {
            [] => f.write_str("the group was cancelled"),
            [only] => only.fmt(f),
            [first, rest @ ..] => write!(f, "{first} (and {} more of the same group)", rest.len()),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> std::error::Error for GroupError<E> {}

/// A future that a group did not take, given back: the group has ended, or is ending because something failed or
/// somebody cancelled it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Refused<F>(pub F);

impl<F> fmt::Debug for Refused<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Refused(..)")
    }
}

impl<F> fmt::Display for Refused<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the group takes no more children: it was cancelled, something in it failed, or it has ended",
        )
    }
}

impl<F> std::error::Error for Refused<F> {}

/// Why [`TaskGroup::start`](super::TaskGroup::start) gave no value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StartError<E> {
    /// The child failed before it was ready. The group does not see this error.
    Failed(E),
    /// The child ended well, but never said that it was ready.
    NeverReady,
    /// The child was cancelled, with its group or alone, or panicked (which the group passes on).
    Cancelled,
}

impl<E: fmt::Display> fmt::Display for StartError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => error.fmt(f),
            Self::NeverReady => {
                f.write_str("the child ended without calling `Started::set`, so it was never ready")
            }
            Self::Cancelled => f.write_str("the child was cancelled before it was ready"),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> std::error::Error for StartError<E> {}
