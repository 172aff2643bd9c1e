//! Where greenlets have their stacks from: a pool per runtime, on its shelf.

use runtime_executor::current;
use runtime_io::stack::{Options, Stack, StackError, StackPool};

/// A stack of at least so many bytes, or of the usual size. Outside of runtimes it is from a pool of its own.
pub(super) fn take(size: Option<usize>) -> Result<Stack, StackError> {
    let pool =
        current::with_extension(StackPool::clone).unwrap_or_else(|| StackPool::new(Options::default()));
    match size {
        None => pool.take(),
        Some(size) => pool.take_sized(size),
    }
}
