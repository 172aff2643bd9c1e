//! Lists.

use super::{ManagerError, Reply, managed, nothing, number, verbs};
use crate::process::{
    Data,
    luggage::encode,
    manager::wire::{Ask, ask},
    packet::Packet,
};

managed! {
    /// A list that a [`Manager`](crate::process::Manager) keeps: a proxy, of which any number of processes may have one.
    ///
    /// Each verb is one question to the manager's process, and whole: no other process comes in between. What takes two of them
    /// is not, unless it is an [`update`](Self::update), or under a lock. Items are copies: what is [`get`](Self::get) and then
    /// changed has to be [`set`](Self::set) again.
    ///
    /// Two items are equal if they are encoded alike. So a `HashMap` in another order is another item, a `BTreeMap` is not.
    ///
    /// # Cancel safety
    /// Of all verbs: a question that was sent may have been done, though nobody waited for the answer.
    ///
    /// ```
    /// use runtime::process::{ManagedList, Manager, Process};
    ///
    /// async fn add(list: ManagedList<u32>, item: u32) {
    ///     list.push(item).await.unwrap();
    /// }
    ///
    /// #[runtime::main]
    /// async fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     let manager = Manager::start().await?;
    ///     let list = manager.list([1, 2]).await?;
    ///     add(list.clone(), 3).await; // or in another process: `Process::spawn(add, (list.clone(), 3))`
    ///     assert_eq!(list.to_vec().await?, [1, 2, 3]);
    ///     manager.shutdown().await?;
    ///     Ok(())
    /// }
    /// ```
    ManagedList<T>
}

impl<T: Data> ManagedList<T> {
    verbs! {
        /// Puts an item at the end (`append`).
        ///
        /// # Errors
        /// [`ManagerError`].
        push / blocking_push(&self, item: T) -> () {
            ask(Ask::Extend, [encode(&item)?]) => nothing
        }

        /// Puts items at the end, all at once.
        ///
        /// # Errors
        /// [`ManagerError`].
        extend / blocking_extend(&self, items: impl IntoIterator<Item = T>) -> () {
            ask(Ask::Extend, encode_all(items)?) => nothing
        }

        /// Puts an item before the one at `index`, or at the end if `index` is the length.
        ///
        /// # Errors
        /// [`OutOfRange`](ManagerError::OutOfRange), or another [`ManagerError`].
        insert / blocking_insert(&self, index: usize, item: T) -> () {
            ask(Ask::Insert { at: index as u64 }, [encode(&item)?]) => nothing
        }

        /// A copy of an item; `None` if the list is too short.
        ///
        /// # Errors
        /// [`ManagerError`].
        get / blocking_get(&self, index: usize) -> Option<T> {
            ask(Ask::Item { at: index as u64 }, []) => Reply::value
        }

        /// Puts an item in the place of another, and gives that.
        ///
        /// # Errors
        /// [`OutOfRange`](ManagerError::OutOfRange), or another [`ManagerError`].
        set / blocking_set(&self, index: usize, item: T) -> T {
            ask(Ask::SetItem { at: index as u64 }, [encode(&item)?]) => |reply| super::must(reply.value()?)
        }

        /// Takes the last item out; `None` if there is none.
        ///
        /// # Errors
        /// [`ManagerError`].
        pop / blocking_pop(&self) -> Option<T> {
            ask(Ask::Pop, []) => Reply::value
        }

        /// Takes an item out (`pop(index)`).
        ///
        /// # Errors
        /// [`OutOfRange`](ManagerError::OutOfRange), or another [`ManagerError`].
        remove / blocking_remove(&self, index: usize) -> T {
            ask(Ask::Remove { at: index as u64 }, []) => |reply| super::must(reply.value()?)
        }

        /// How many items there are.
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

        /// Whether an item is equal to that.
        ///
        /// # Errors
        /// [`ManagerError`].
        contains / blocking_contains(&self, item: &T) -> bool {
            ask(Ask::Find, [encode(item)?]) => super::done
        }

        /// The index of the first item that is equal to that (`index`).
        ///
        /// # Errors
        /// [`ManagerError`].
        index_of / blocking_index_of(&self, item: &T) -> Option<usize> {
            ask(Ask::Find, [encode(item)?]) => |reply| Ok(reply.index())
        }

        /// How many items are equal to that.
        ///
        /// # Errors
        /// [`ManagerError`].
        count / blocking_count(&self, item: &T) -> usize {
            ask(Ask::Count, [encode(item)?]) => number
        }

        /// Takes all items out.
        ///
        /// # Errors
        /// [`ManagerError`].
        clear / blocking_clear(&self) -> () {
            ask(Ask::Clear, []) => nothing
        }

        /// A copy of all items, as they are at one moment.
        ///
        /// # Errors
        /// [`TooLong`](ManagerError::TooLong) if they are more than goes into one message, or another [`ManagerError`].
        to_vec / blocking_to_vec(&self) -> Vec<T> {
            ask(Ask::All, []) => Reply::values
        }
    }

    /// Changes the list as a whole, so that nobody comes in between: has `f` change a copy, and puts that in the list's place if it
    /// is still what was copied. Otherwise `f` begins anew with a fresh copy. Gives what `f` gave in the end.
    ///
    /// ```no_run
    /// # async fn sort(list: runtime::process::ManagedList<u32>) -> Result<(), runtime::process::ManagerError> {
    /// list.update(|items| items.sort()).await
    /// # }
    /// ```
    ///
    /// # Errors
    /// As for [`to_vec`](Self::to_vec).
    pub async fn update<R>(&self, mut f: impl FnMut(&mut Vec<T>) -> R) -> Result<R, ManagerError> {
        loop {
            let mut seen = self.proxy.call(ask(Ask::All, [])).await?;
            let (packet, result) = changed(&mut seen, &mut f)?;
            if self.proxy.call(packet).await?.is_done() {
                return Ok(result);
            }
        }
    }

    /// [`update`](Self::update) that blocks the thread.
    ///
    /// # Errors
    /// As there.
    pub fn blocking_update<R>(&self, mut f: impl FnMut(&mut Vec<T>) -> R) -> Result<R, ManagerError> {
        loop {
            let mut seen = self.proxy.blocking_call(ask(Ask::All, []))?;
            let (packet, result) = changed(&mut seen, &mut f)?;
            if self.proxy.blocking_call(packet)?.is_done() {
                return Ok(result);
            }
        }
    }
}

/// What to put in the place of what was seen.
pub(super) fn changed<T: Data, R>(
    seen: &mut Reply,
    f: &mut impl FnMut(&mut Vec<T>) -> R,
) -> Result<(Packet, R), ManagerError> {
    let changes = seen.number() as u64;
    let mut items = seen.values()?;
    let result = f(&mut items);
    Ok((ask(Ask::Replace { changes }, encode_all(items)?), result))
}

/// Each item as a parcel.
pub(in crate::process::manager) fn encode_all<T: Data>(
    items: impl IntoIterator<Item = T>,
) -> Result<Vec<Packet>, ManagerError> {
    Ok(items.into_iter().map(|item| encode(&item)).collect::<Result<_, _>>()?)
}
