//! Arrays.

use super::{ManagerError, Reply, managed, must, number, verbs};
use crate::process::{
    Data,
    luggage::encode,
    manager::wire::{Ask, ask},
};

managed! {
    /// So many values that a [`Manager`](crate::process::Manager) keeps, never more nor fewer: a proxy, of which any number of
    /// processes may have one.
    ///
    /// For numbers that are changed often, take a [`SharedArray`](crate::process::SharedArray): that lies in memory that the
    /// processes share.
    ///
    /// # Cancel safety
    /// Of all verbs: a question that was sent may have been done, though nobody waited for the answer.
    ///
    /// ```
    /// use runtime::process::Manager;
    ///
    /// #[runtime::main]
    /// async fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     let manager = Manager::start().await?;
    ///     let array = manager.array([0; 5]).await?;
    ///     array.set(3, 1).await?;
    ///     assert_eq!(array.to_vec().await?, [0, 0, 0, 1, 0]);
    ///     manager.shutdown().await?;
    ///     Ok(())
    /// }
    /// ```
    ManagedArray<T>
}

impl<T: Data> ManagedArray<T> {
    verbs! {
        /// A copy of a value; `None` if there are not that many.
        ///
        /// # Errors
        /// [`ManagerError`].
        get / blocking_get(&self, index: usize) -> Option<T> {
            ask(Ask::Item { at: index as u64 }, []) => Reply::value
        }

        /// Puts another value in the place of one, and gives that.
        ///
        /// # Errors
        /// [`OutOfRange`](ManagerError::OutOfRange), or another [`ManagerError`].
        set / blocking_set(&self, index: usize, value: T) -> T {
            ask(Ask::SetItem { at: index as u64 }, [encode(&value)?]) => |reply| must(reply.value()?)
        }

        /// How many there are.
        ///
        /// # Errors
        /// [`ManagerError`].
        len / blocking_len(&self) -> usize {
            ask(Ask::Len, []) => number
        }

        /// Whether there are none.
        ///
        /// # Errors
        /// [`ManagerError`].
        is_empty / blocking_is_empty(&self) -> bool {
            ask(Ask::Len, []) => |reply| Ok(reply.number() == 0)
        }

        /// A copy of all values, as they are at one moment.
        ///
        /// # Errors
        /// [`TooLong`](ManagerError::TooLong) if they are more than goes into one message, or another [`ManagerError`].
        to_vec / blocking_to_vec(&self) -> Vec<T> {
            ask(Ask::All, []) => Reply::values
        }
    }
}
