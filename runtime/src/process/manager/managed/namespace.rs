//! Namespaces.

use super::{ManagerError, Reply, managed, verbs};
use crate::process::{
    Value,
    luggage::encode,
    manager::wire::{Ask, ask},
};

managed! {
    /// Names with values of any type that a [`Manager`](crate::process::Manager) keeps: a proxy, of which any number of processes
    /// may have one.
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
    ///     let settings = manager.namespace().await?;
    ///     settings.set("retries", 3).await?;
    ///     settings.set("host", "localhost").await?;
    ///     assert_eq!(settings.get("retries").await?, Some(3.into()));
    ///     manager.shutdown().await?;
    ///     Ok(())
    /// }
    /// ```
    ManagedNamespace
}

impl ManagedNamespace {
    verbs! {
        /// Gives a name a value.
        ///
        /// # Errors
        /// [`ManagerError`].
        set / blocking_set(&self, name: &str, value: impl Into<Value>) -> () {
            ask(Ask::Update, [encode(name)?, encode(&value.into())?]) => super::nothing
        }

        /// A copy of the value that a name has.
        ///
        /// # Errors
        /// [`ManagerError`].
        get / blocking_get(&self, name: &str) -> Option<Value> {
            ask(Ask::Look, [encode(name)?]) => Reply::value
        }

        /// Takes a name and its value out (`del`).
        ///
        /// # Errors
        /// [`ManagerError`].
        remove / blocking_remove(&self, name: &str) -> Option<Value> {
            ask(Ask::Take, [encode(name)?]) => Reply::value
        }

        /// All names and copies of their values, as they are at one moment, in the order in which the names came.
        ///
        /// # Errors
        /// [`TooLong`](ManagerError::TooLong) if they are more than goes into one message, or another [`ManagerError`].
        items / blocking_items(&self) -> Vec<(String, Value)> {
            ask(Ask::All, []) => Reply::pairs
        }
    }
}
