//! Coordination between tasks and between threads.
//!
//! This is the lowest room of the house: it needs `futures-core` and `std`, nothing of the runtime above it, so
//! everything here works under any executor, under several at once, and under a twenty-line `block_on`.
//!
//! | in Python | here | for |
//! |---|---|---|
//! | `Lock` | [`Lock`] | one task at a time, across `await`s |
//! | `RLock` | [`RLock`] | the same, and its holder may enter again |
//! | – | [`RwLock`] | many readers, or one writer |
//! | `Semaphore`, `BoundedSemaphore` | [`Semaphore`], [`BoundedSemaphore`] | at most so many at once |
//! | `Event` | [`Event`] | a flag that any number wait for |
//! | `Condition` | [`Condition`] | waiting for a change of what a lock protects |
//! | `Barrier` | [`Barrier`] | going on together |
//! | `Future`, `AsyncResult` | [`Promise`], [`oneshot`] | one value, for many readers or for one |
//! | – | [`OnceCell`] | a value made once, by whoever needs it first |
//! | `queue.Queue`, `LifoQueue`, `PriorityQueue` | [`Queue`], [`LifoQueue`], [`PriorityQueue`] | work to be done, and knowing when it is |
//! | `gevent.queue.Channel` | [`channel()`], [`unbounded`] | items from many to many, closed by dropping |
//! | – | [`broadcast()`], [`watch()`] | every value to everybody; the latest value |
//!
//! # Two flavours
//!
//! The names at the root are the *local* flavour: plain cells, `!Send`, for the tasks of one reactor, the default. The
//! same names in [`shared`] are `Send + Sync`, for threads and for several reactors. Both are one implementation,
//! generic over a [`Flavour`](flavour::Flavour); the generic types are in the modules ([`lock`], [`channel`](mod@channel), …).
//!
//! # What holds for all of it
//!
//! - **Dropping a future before it returned `Ready` means that the operation did not happen**: no permit is taken, no item
//!   removed, the place in the queue is given up, and a grant that had already reached it is passed on before `drop`
//!   returns. Exceptions stand under a *Cancel safety* heading. (The contract is Trio's, made precise.)
//! - First come, first served. What is released goes to whoever has waited longest, and nobody overtakes those who wait.
//! - Code that is not ours (a waker's clone, wake or drop, the clone or drop of a value) never runs while a lock or borrow
//!   of ours is held, so it may call back into the very same object. The one exception: the `Ord` of what is in a
//!   [`PriorityQueue`].
//! - Nothing is allocated before somebody waits, or something is stored.
//! - Every wait is on show: in what, created where, asked for where, held by whom ([`Board`]). Under our runtime a task that would
//!   wait for itself is told so, and a grant that its task no longer looks at is reported (see [`Observer`]).
//! - An operation that does not have to wait counts against the budget of its task's poll, so a task whose locks and
//!   channels are always ready still gives way to others.
//!
//! ```
//! use futures_lite::future::block_on; // any executor will do
//! use runtime_sync::shared::oneshot;
//!
//! let (sender, receiver) = oneshot::channel();
//! let worker = std::thread::Builder::new().spawn(move || sender.send(6 * 7)).unwrap();
//! assert_eq!(block_on(receiver), Ok(42));
//! assert_eq!(worker.join().unwrap(), Ok(()));
//! ```

pub mod barrier;
mod block;
pub mod broadcast;
pub mod channel;
pub mod condition;
mod errors;
pub mod event;
mod exchange;
pub mod flavour;
mod follow;
pub mod lock;
mod names;
mod observer;
pub mod once_cell;
pub mod oneshot;
mod permits;
mod primitives;
pub mod promise;
pub mod queue;
pub mod rlock;
pub mod rwlock;
pub mod semaphore;
pub mod shared;
mod timed;
mod wait_list;
pub mod watch;

#[cfg(feature = "follow")]
pub use follow::{Followed, Tag, follow_waits};
pub use observer::{Holder, KEY_RUNTIME_BITS, Kind, Observer, Owner, Wait, install};
pub use timed::Elapsed;
pub use wait_list::{Board, Waiting};

names::names!(Local);
