//! Single values.

use super::{ManagerError, list::changed, managed, must, verbs};
use crate::process::{
    Data,
    luggage::encode,
    manager::wire::{Ask, ask},
};

managed! {
    /// A value that a [`Manager`](crate::process::Manager) keeps: a proxy, of which any number of processes may have one.
    ///
    /// For a number that is changed often, take a [`SharedValue`](crate::process::SharedValue): that lies in memory that the
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
    ///     let counter = manager.value(0_u32).await?;
    ///     counter.update(|count| *count += 1).await?;
    ///     assert_eq!(counter.get().await?, 1);
    ///     manager.shutdown().await?;
    ///     Ok(())
    /// }
    /// ```
    ManagedValue<T>
}

impl<T: Data> ManagedValue<T> {
    verbs! {
        /// A copy of it.
        ///
        /// # Errors
        /// [`ManagerError`].
        get / blocking_get(&self) -> T {
            ask(Ask::Item { at: 0 }, []) => |reply| must(reply.value()?)
        }

        /// Puts another in its place, and gives the former.
        ///
        /// # Errors
        /// [`ManagerError`].
        set / blocking_set(&self, value: T) -> T {
            ask(Ask::SetItem { at: 0 }, [encode(&value)?]) => |reply| must(reply.value()?)
        }
    }

    /// Changes it, so that nobody comes in between: `f` changes a copy. If somebody has changed the value meanwhile, `f` begins anew
    /// with a fresh copy. Gives what `f` gave in the end.
    ///
    /// # Errors
    /// [`ManagerError`].
    pub async fn update<R>(&self, mut f: impl FnMut(&mut T) -> R) -> Result<R, ManagerError> {
        let mut f = |items: &mut Vec<T>| items.first_mut().map(&mut f);
        loop {
            let mut seen = self.proxy.call(ask(Ask::All, [])).await?;
            let (packet, result) = changed(&mut seen, &mut f)?;
            if self.proxy.call(packet).await?.is_done() {
                return must(result);
            }
        }
    }

    /// [`update`](Self::update) that blocks the thread.
    ///
    /// # Errors
    /// As there.
    pub fn blocking_update<R>(&self, mut f: impl FnMut(&mut T) -> R) -> Result<R, ManagerError> {
        let mut f = |items: &mut Vec<T>| items.first_mut().map(&mut f);
        loop {
            let mut seen = self.proxy.blocking_call(ask(Ask::All, []))?;
            let (packet, result) = changed(&mut seen, &mut f)?;
            if self.proxy.blocking_call(packet)?.is_done() {
                return must(result);
            }
        }
    }
}
