//! Queues between processes: what `multiprocessing.Queue` and `JoinableQueue` are.
//!
//! ```text
//!            items ─────────────────────────────>
//!  entrance <═════════════════════════════════════> exit      a pair of sockets that keep packets apart
//!            <───────────────── "there is a place"
//!  bell     <═════════════════════════════════════> button    another pair: "all is done"
//! ```
//!
//! Whoever has the queue has all four ends, and the memory in which places are counted (`board.rs`): so any of them can put
//! and take, and the system gives each item to one. There is no thread that feeds it, and no lock that somebody could
//! die with.

mod board;
mod shared;
#[cfg(test)]
mod tests;

use super::{
    luggage::{self, Descriptor, Loan},
    packet::{PacketError, Packets, Side, within},
    transfer::{PutError, RecvError, SendError, encode},
};
use crate::time::Duration;
use board::{Board, MAX_PLACES};
use runtime_io::packet::{Patience, shutdown};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned};
use shared::Shared;
use std::{
    fmt, io,
    marker::PhantomData,
    net::Shutdown,
    os::fd::AsFd,
    sync::{Arc, Mutex},
};

/// A queue of items for any number of producers and consumers, in any number of processes.
///
/// It is given to another process as an argument, or within any other value that is sent there; whoever has it may put and
/// get. First in, first out; each item goes to one consumer.
///
/// ```
/// # #[cfg(not(target_vendor = "apple"))] {
/// use runtime::process::Queue;
///
/// #[runtime::main]
/// async fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let queue = Queue::bounded(2)?;
///     queue.put("first".to_owned()).await?;
///     queue.put("second".to_owned()).await?;
///     assert!(queue.is_full());
///
///     // In another process, most of the time.
///     assert_eq!(queue.get().await?, "first");
///     queue.task_done();
///     assert_eq!(queue.len(), 1);
///     Ok(())
/// }
/// # }
/// ```
///
/// # What holds
/// - Once `put` has returned, the item is in the system's keeping, and arrives even if this process ends at once, as long as
///   anybody has the queue. There is no thread that would still have to send it.
/// - Who is killed while he puts has put the item or not; who is killed while he gets has it or not. Nobody meets half of one,
///   none arrives twice, and the queue goes on: a place that somebody has died with is free again after a second, or when what
///   is in the queue now has been taken.
/// - What fits: items of up to 64 KiB lie in a socket's buffer, of which Linux gives 200 to 400 kB; longer ones lie in files in
///   memory and count little. So several hundred short items fit, however many are allowed; then `put` waits for a consumer.
/// - Who waits longest is not always first: among processes the system decides.
///
/// The end is told by [`close`](Self::close), not by dropping: a consumer also has what it takes to be a producer.
///
/// Each of these can be awaited, tried, or waited for with the thread (`blocking_…`, for code outside of any runtime, such as
/// the function of a child: in a task it would stall all others; a greenlet is suspended instead). A clone is the same handle,
/// which belongs to the runtime that first awaited something of it; [`try_clone`](Self::try_clone) makes one for another.
pub struct Queue<T> {
    shared: Arc<Shared>,
    kind: PhantomData<fn(T) -> T>,
}

impl<T> Queue<T> {
    /// A queue in which up to `capacity` items may wait.
    ///
    /// # Errors
    /// If the process or the system has no descriptors or memory left; `Unsupported` on Apple's systems, which have no sockets
    /// that keep packets apart (`SOCK_SEQPACKET`).
    ///
    /// # Panics
    /// If the capacity is 0: there is no rendezvous between processes.
    #[track_caller]
    pub fn bounded(capacity: usize) -> io::Result<Self> {
        assert!(capacity > 0, "a queue between processes needs room for one item: use a capacity of 1");
        Self::make(Some(capacity))
    }

    /// A queue in which as many items may wait as the system has room for.
    ///
    /// # Errors
    /// As for [`bounded`](Self::bounded).
    pub fn unbounded() -> io::Result<Self> {
        Self::make(None)
    }

    fn make(capacity: Option<usize>) -> io::Result<Self> {
        let (entrance, exit) = Packets::pair()?;
        let (bell, button) = Packets::pair()?;
        Ok(Self::wrap([entrance, exit, bell, button], Board::create(places(capacity))?, capacity))
    }

    fn wrap(ends: [Packets; 4], board: Board, capacity: Option<usize>) -> Self {
        let [entrance, exit, bell, button] = ends;
        let shared = Shared { entrance, exit, bell, button, board, odd: Mutex::default(), capacity };
        Self { shared: Arc::new(shared), kind: PhantomData }
    }

    /// Allows items of so many bytes, as they are sent, instead of 64 MiB: here, and in handles that are sent from here on.
    ///
    /// # Panics
    /// If there are clones of this handle already.
    #[must_use]
    #[track_caller]
    pub fn max_message(mut self, bytes: usize) -> Self {
        let shared = Arc::get_mut(&mut self.shared).expect("the limit is set before the handle is cloned");
        shared.entrance.set_limit(bytes);
        shared.exit.set_limit(bytes);
        self
    }

    /// Another handle, for the runtime of another thread.
    ///
    /// # Errors
    /// If the process or the system has no descriptors left.
    pub fn try_clone(&self) -> io::Result<Self> {
        let Shared { entrance, exit, bell, button, board, capacity, .. } = &*self.shared;
        let ends = [entrance.try_clone()?, exit.try_clone()?, bell.try_clone()?, button.try_clone()?];
        let board = Board::from_fd(board.fd().try_clone_to_owned()?, places(*capacity))?;
        Ok(Self::wrap(ends, board, *capacity))
    }

    /// Says that an item somebody got is done with. The last one lets those pass who [`join`](Self::join). An item that could not
    /// be read ([`RecvError::Unreadable`]) is done with already.
    ///
    /// # Panics
    /// If that was said more often than items were got.
    #[track_caller]
    pub fn task_done(&self) {
        assert!(self.shared.task_done(), "task_done() was called more often than items were got");
    }

    /// Waits until every item that was put is done with; passes at once if none is unfinished.
    ///
    /// An item that was got by a process which died before it said so is never done, and this waits for ever: it is not
    /// known whether what the item asks for has happened.
    ///
    /// # Errors
    /// A [`HandleError`](runtime_io::HandleError), or what the system says.
    ///
    /// # Cancel safety
    /// Nothing is lost by dropping it.
    pub async fn join(&self) -> io::Result<()> {
        self.shared.join().await.map_err(io::Error::from)
    }

    /// [`join`](Self::join), waiting with the thread.
    ///
    /// # Errors
    /// What the system says.
    pub fn blocking_join(&self) -> io::Result<()> {
        self.shared.blocking_join().map_err(io::Error::from)
    }

    /// Items put and not yet done with.
    pub fn unfinished(&self) -> usize {
        self.shared.board.unfinished() as usize
    }

    /// Takes no more items in, from whatever process: those who put get theirs back from now on. Consumers get what is there,
    /// then [`RecvError::Closed`].
    ///
    /// # Errors
    /// What the system says.
    pub fn close(&self) -> io::Result<()> {
        shutdown(self.shared.entrance.as_fd(), Shutdown::Both)
    }

    /// Whether it was closed.
    pub fn is_closed(&self) -> bool {
        self.shared.is_closed()
    }

    /// Items that are there, or are being put.
    pub fn len(&self) -> usize {
        self.shared.len()
    }

    /// Whether no item is there.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether somebody who puts now has to wait.
    pub fn is_full(&self) -> bool {
        let shared = &*self.shared;
        shared.board.used() == shared.board.places().len()
            || !shared.entrance.is_ready(Side::Send, Some(Duration::ZERO)).unwrap_or(true)
    }

    /// How many items may wait; `None`: as many as the system has room for.
    pub fn capacity(&self) -> Option<usize> {
        self.shared.capacity
    }
}

impl<T: Serialize> Queue<T> {
    /// Puts an item in, waiting for room if there is none.
    ///
    /// # Errors
    /// [`PutError`] gives the item back: `Closed`, `Unsendable` or `Io`.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, nothing was put; the item is dropped with it.
    pub async fn put(&self, item: T) -> Result<(), PutError<T>> {
        match encode(&item) {
            Ok(packet) => outcome(item, self.shared.put(&packet).await),
            Err(why) => Err(PutError { item, why }),
        }
    }

    /// Puts an item in, if there is room.
    ///
    /// # Errors
    /// [`PutError`] gives the item back: `Full`, or as [`put`](Self::put).
    pub fn try_put(&self, item: T) -> Result<(), PutError<T>> {
        match encode(&item) {
            Ok(packet) => outcome(item, self.shared.try_put(&packet)),
            Err(why) => Err(PutError { item, why }),
        }
    }

    /// [`put`](Self::put), for at most `limit`.
    ///
    /// # Errors
    /// `Elapsed`, or as there.
    ///
    /// # Cancel safety
    /// As there.
    pub async fn put_timeout(&self, item: T, limit: Duration) -> Result<(), PutError<T>> {
        match encode(&item) {
            Ok(packet) => outcome(item, within(Some(limit), self.shared.put(&packet)).await),
            Err(why) => Err(PutError { item, why }),
        }
    }

    /// [`put`](Self::put), waiting with the thread.
    ///
    /// # Errors
    /// As there.
    pub fn blocking_put(&self, item: T) -> Result<(), PutError<T>> {
        self.put_by_thread(item, None)
    }

    /// [`put`](Self::put), waiting with the thread for at most `limit`.
    ///
    /// # Errors
    /// `Elapsed`, or as there.
    pub fn blocking_put_timeout(&self, item: T, limit: Duration) -> Result<(), PutError<T>> {
        self.put_by_thread(item, Some(limit))
    }

    fn put_by_thread(&self, item: T, limit: Option<Duration>) -> Result<(), PutError<T>> {
        match encode(&item) {
            Ok(packet) => outcome(item, self.shared.blocking_put(&packet, limit)),
            Err(why) => Err(PutError { item, why }),
        }
    }
}

fn outcome<T>(item: T, put: Result<(), PacketError>) -> Result<(), PutError<T>> {
    put.map_err(|error| PutError { item, why: SendError::from(error) })
}

impl<T: DeserializeOwned> Queue<T> {
    /// Takes the next item, waiting for one if there is none.
    ///
    /// # Errors
    /// `Closed` if the queue is closed and everything was taken; `Unreadable`, `Io`.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, nothing was taken.
    pub async fn get(&self) -> Result<T, RecvError> {
        self.shared.read(self.shared.get().await)
    }

    /// Takes the next item, if there is one.
    ///
    /// # Errors
    /// `Empty`, or as [`get`](Self::get).
    pub fn try_get(&self) -> Result<T, RecvError> {
        let shared = &*self.shared;
        shared.read(shared.take(shared.exit.as_fd(), Patience::Never).map_err(PacketError::from))
    }

    /// [`get`](Self::get), for at most `limit`.
    ///
    /// # Errors
    /// `Elapsed`, or as there.
    ///
    /// # Cancel safety
    /// As there.
    pub async fn get_timeout(&self, limit: Duration) -> Result<T, RecvError> {
        self.shared.read(within(Some(limit), self.shared.get()).await)
    }

    /// [`get`](Self::get), waiting with the thread.
    ///
    /// # Errors
    /// As there.
    pub fn blocking_get(&self) -> Result<T, RecvError> {
        self.shared.read(self.shared.blocking_get(None))
    }

    /// [`get`](Self::get), waiting with the thread for at most `limit`.
    ///
    /// # Errors
    /// `Elapsed`, or as there.
    pub fn blocking_get_timeout(&self, limit: Duration) -> Result<T, RecvError> {
        self.shared.read(self.shared.blocking_get(Some(limit)))
    }
}

/// How many places a queue of that capacity has.
fn places(capacity: Option<usize>) -> usize {
    capacity.unwrap_or(MAX_PLACES).clamp(1, MAX_PLACES)
}

impl<T> Clone for Queue<T> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), kind: PhantomData }
    }
}

impl<T> Serialize for Queue<T> {
    /// A handle for another process. It fails wherever else a value is serialised.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Shared { entrance, exit, bell, button, board, capacity, .. } = &*self.shared;
        let ends = [entrance, exit, bell, button].map(|end| Loan(end.as_fd()));
        let limit_bytes = entrance.limit_bytes() as u64;
        (limit_bytes, capacity.map(|capacity| capacity as u64), ends, Loan(board.fd())).serialize(serializer)
    }
}

/// What [`Queue::serialize`] writes.
type Manifest = (u64, Option<u64>, [Descriptor; 4], Descriptor);

impl<'de, T> Deserialize<'de> for Queue<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (limit_bytes, capacity, ends, board) = Manifest::deserialize(deserializer)?;
        let limit_bytes = usize::try_from(limit_bytes).unwrap_or(usize::MAX);
        let capacity = capacity.map(|capacity| usize::try_from(capacity).unwrap_or(usize::MAX));
        let open = || {
            let [entrance, exit, bell, button] = ends.map(|end| Packets::from_fd(end.0));
            let ends = [entrance?.with_limit(limit_bytes), exit?.with_limit(limit_bytes), bell?, button?];
            Ok(Self::wrap(ends, Board::from_fd(board.0, places(capacity))?, capacity))
        };
        open().map_err(|error: io::Error| luggage::refuse(&error))
    }
}

impl<T> fmt::Debug for Queue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue")
            .field("len", &self.len())
            .field("capacity", &self.capacity())
            .field("is_closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}
