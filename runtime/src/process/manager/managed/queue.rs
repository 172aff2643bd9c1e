//! Queues.

use super::{ManagerError, Reply, managed, nothing, number, verbs, yes};
use crate::{
    process::{
        Data,
        luggage::encode,
        manager::{
            errors::ManagedPutError,
            proxy::Line,
            wire::{Ask, ask},
        },
        packet::Packet,
    },
    time::timeout,
};
use std::time::Duration;

managed! {
    /// A queue that a [`Manager`](crate::process::Manager) keeps: a proxy, of which any number of processes may have one. First in,
    /// first out.
    ///
    /// What [`put`](Self::put) has returned from is kept by the manager. An item is taken out when it has arrived: if a process dies
    /// before that, or a [`get`](Self::get) is cancelled, it goes to the next who asks.
    ///
    /// A [`Queue`](crate::process::Queue) needs no process of its own, and is faster. This one can hold any number of items, and
    /// outlives those who put them.
    ///
    /// ```
    /// use runtime::process::{Manager, ManagerError};
    ///
    /// #[runtime::main]
    /// async fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     let manager = Manager::start().await?;
    ///     let queue = manager.queue(Some(2)).await?;
    ///     queue.put("one".to_owned()).await?;
    ///     queue.put("two".to_owned()).await?;
    ///     let full = queue.try_put("three".to_owned()).await.unwrap_err();
    ///     assert!(matches!(full.why, ManagerError::Full) && full.item == "three");
    ///     assert_eq!(queue.get().await?, "one");
    ///     manager.shutdown().await?;
    ///     Ok(())
    /// }
    /// ```
    ManagedQueue<T>
}

impl<T: Data> ManagedQueue<T> {
    /// Waits until there is room, and puts an item in.
    ///
    /// # Errors
    /// [`ManagedPutError`] with the item: [`Closed`](ManagerError::Closed), or another [`ManagerError`].
    ///
    /// # Cancel safety
    /// Dropped while it waits for room, it has put nothing in. Dropped when there was room, and nobody waited for the answer, the item
    /// is in.
    pub async fn put(&self, item: T) -> Result<(), ManagedPutError<T>> {
        let done = async { self.proxy.call(put(&item, true)?).await };
        let done = done.await;
        result(item, done)
    }

    /// [`put`](Self::put) that blocks the thread.
    ///
    /// # Errors
    /// As there.
    pub fn blocking_put(&self, item: T) -> Result<(), ManagedPutError<T>> {
        let done = put(&item, true).and_then(|packet| self.proxy.blocking_call(packet));
        result(item, done)
    }

    /// [`put`](Self::put) for at most `limit`.
    ///
    /// # Errors
    /// [`Elapsed`](ManagerError::Elapsed), or as there.
    ///
    /// # Cancel safety
    /// As there; and so it may be that the limit is reached, and the item is in.
    pub async fn put_timeout(&self, item: T, limit: Duration) -> Result<(), ManagedPutError<T>> {
        let done = timeout(limit, async { self.proxy.call(put(&item, true)?).await });
        let done = done.await.unwrap_or(Err(ManagerError::Elapsed));
        result(item, done)
    }

    /// [`put_timeout`](Self::put_timeout) that blocks the thread.
    ///
    /// # Errors
    /// As there.
    pub fn blocking_put_timeout(&self, item: T, limit: Duration) -> Result<(), ManagedPutError<T>> {
        let done = put(&item, true).and_then(|packet| self.proxy.blocking_call_within(packet, limit));
        result(item, done)
    }

    /// Puts an item in, if there is room.
    ///
    /// # Errors
    /// [`Full`](ManagerError::Full), or as for [`put`](Self::put).
    ///
    /// # Cancel safety
    /// As there.
    pub async fn try_put(&self, item: T) -> Result<(), ManagedPutError<T>> {
        let done = async { self.proxy.call(put(&item, false)?).await };
        let done = done.await;
        result(item, done)
    }

    /// [`try_put`](Self::try_put) that blocks the thread until the manager has answered.
    ///
    /// # Errors
    /// As there.
    pub fn blocking_try_put(&self, item: T) -> Result<(), ManagedPutError<T>> {
        let done = put(&item, false).and_then(|packet| self.proxy.blocking_call(packet));
        result(item, done)
    }

    /// Waits until there is an item, and takes it.
    ///
    /// # Errors
    /// [`Closed`](ManagerError::Closed) if the queue is, and nothing is left; or another [`ManagerError`].
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has taken nothing: an item that was on its way is the first again, as soon as the manager
    /// knows.
    pub async fn get(&self) -> Result<T, ManagerError> {
        let mut line = self.proxy.line().await?;
        let mut reply = line.call(ask(Ask::Get { wait: true }, [])).await?;
        took(&mut line, &mut reply)
    }

    /// [`get`](Self::get) that blocks the thread.
    ///
    /// # Errors
    /// As there.
    pub fn blocking_get(&self) -> Result<T, ManagerError> {
        self.blocking_get_within(None)
    }

    /// [`get`](Self::get) for at most `limit`.
    ///
    /// # Errors
    /// [`Elapsed`](ManagerError::Elapsed), or as there.
    ///
    /// # Cancel safety
    /// As there.
    pub async fn get_timeout(&self, limit: Duration) -> Result<T, ManagerError> {
        timeout(limit, self.get()).await.unwrap_or(Err(ManagerError::Elapsed))
    }

    /// [`get_timeout`](Self::get_timeout) that blocks the thread.
    ///
    /// # Errors
    /// As there.
    pub fn blocking_get_timeout(&self, limit: Duration) -> Result<T, ManagerError> {
        self.blocking_get_within(Some(limit))
    }

    fn blocking_get_within(&self, limit: Option<Duration>) -> Result<T, ManagerError> {
        let mut line = self.proxy.blocking_line()?;
        let mut reply = line.blocking_call(ask(Ask::Get { wait: true }, []), limit)?;
        took(&mut line, &mut reply)
    }

    /// Takes an item, if there is one.
    ///
    /// # Errors
    /// [`Empty`](ManagerError::Empty), or as for [`get`](Self::get).
    ///
    /// # Cancel safety
    /// As there.
    pub async fn try_get(&self) -> Result<T, ManagerError> {
        let mut line = self.proxy.line().await?;
        let mut reply = line.call(ask(Ask::Get { wait: false }, [])).await?;
        took(&mut line, &mut reply)
    }

    /// [`try_get`](Self::try_get) that blocks the thread until the manager has answered.
    ///
    /// # Errors
    /// As there.
    pub fn blocking_try_get(&self) -> Result<T, ManagerError> {
        let mut line = self.proxy.blocking_line()?;
        let mut reply = line.blocking_call(ask(Ask::Get { wait: false }, []), None)?;
        took(&mut line, &mut reply)
    }

    verbs! {
        /// How many items are in it.
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

        /// Whether there is no room.
        ///
        /// # Errors
        /// [`ManagerError`].
        is_full / blocking_is_full(&self) -> bool {
            ask(Ask::IsFull, []) => yes
        }

        /// Says that an item that was taken has been dealt with.
        ///
        /// # Errors
        /// [`OverRelease`](ManagerError::OverRelease) if that is more often than items were put, or another [`ManagerError`].
        task_done / blocking_task_done(&self) -> () {
            ask(Ask::TaskDone, []) => |reply| if reply.is_done() { Ok(()) } else { Err(ManagerError::OverRelease) }
        }

        /// Waits until all items that were put have been [dealt with](Self::task_done).
        ///
        /// # Errors
        /// [`ManagerError`].
        ///
        /// # Cancel safety
        /// Dropped before it is ready, it leaves nothing behind.
        join / blocking_join(&self) -> () {
            ask(Ask::Join, []) => nothing
        }

        /// Closes it: nothing is put in any more. What is in it can be taken.
        ///
        /// # Errors
        /// [`ManagerError`].
        close / blocking_close(&self) -> () {
            ask(Ask::Close, []) => nothing
        }
    }
}

fn put<T: Data>(item: &T, wait: bool) -> Result<Packet, ManagerError> {
    Ok(ask(Ask::Put { wait }, [encode(item)?]))
}

fn result<T>(item: T, done: Result<Reply, ManagerError>) -> Result<(), ManagedPutError<T>> {
    match done {
        Ok(reply) if reply.is_done() => Ok(()),
        Ok(_) => Err(ManagedPutError { item, why: ManagerError::Full }),
        Err(error) => Err(ManagedPutError { item, why: error }),
    }
}

/// Says that an item has arrived, if one has, and reads it. One that cannot be read has arrived, too: it would be in everybody's
/// way for ever.
fn took<T: Data>(line: &mut Line, reply: &mut Reply) -> Result<T, ManagerError> {
    if !reply.is_done() {
        return Err(ManagerError::Empty);
    }
    if !line.say(Ask::Took) {
        return Err(ManagerError::Gone);
    }
    super::must(reply.value()?)
}
