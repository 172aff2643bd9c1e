//! Where greenlets have their stacks from: a pool per runtime, on its shelf, and one for what a thread runs outside.

use runtime_executor::current;
use runtime_io::stack::{Options, Stack, StackError, StackPool};

/// A stack of at least so many bytes, or of the usual size.
pub(super) fn take(size: Option<usize>) -> Result<Stack, StackError> {
    let outside = || current::shared_by_thread(|| StackPool::new(Options::default()));
    let pool = current::with_extension(StackPool::clone).unwrap_or_else(outside);
    match size {
        None => pool.take(),
        Some(size) => pool.take_sized(size),
    }
}
