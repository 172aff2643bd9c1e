//! [`std::sync`] for greenlets: who has to wait is suspended, and the thread goes on with others.
//!
//! Names, signatures and errors are the standard library's, and where an error has only a private constructor there, its
//! twin here. Everything may be shared by greenlets, tasks and threads alike, of several runtimes, and of none.
//!
//! ```
//! use runtime::green::{
//!     sync::{Arc, Mutex, mpsc},
//!     thread,
//! };
//!
//! # runtime::run(runtime::greenlet::run(|| {
//! let total = Arc::new(Mutex::new(0));
//! let (sender, numbers) = mpsc::channel();
//! let adder = thread::spawn({
//!     let total = Arc::clone(&total);
//!     move || numbers.iter().for_each(|number: u32| *total.lock().unwrap() += number)
//! });
//! for number in 1..=4 {
//!     sender.send(number).unwrap();
//! }
//! drop(sender);
//! adder.join().unwrap();
//! assert_eq!(*total.lock().unwrap(), 10);
//! # }));
//! ```
//!
//! # Who waits how
//!
//! | where | what has to wait |
//! |---|---|
//! | in a greenlet | suspends it; a [kill](crate::greenlet) throws it out of the wait, and what had reached it goes to the next |
//! | on a thread without a runtime, [`spawn_blocking`](crate::spawn_blocking)'s among them | blocks the thread |
//! | in a task, or elsewhere on the thread of a runtime | panics: whoever could end the wait has to run on this very thread. With a limit of time it blocks the thread |
//!
//! What does not have to wait works everywhere. First come, first served: what is released goes to whoever has waited
//! longest, unlike in the standard library, where anybody may get it.
//!
//! # Poison
//!
//! As in the standard library: a [`Mutex`] or [`RwLock`] is poisoned when a guard that may write is dropped by unwinding that
//! began after it was taken. That goes for unwinding by a kill too: whatever the killed greenlet was in the middle of is as half
//! done as after a panic. While one greenlet unwinds, and its destructors wait, a panic in another may pass without
//! poisoning, as the thread only knows that somebody unwinds; but no greenlet poisons what is not its own.
//!
//! # Deadlocks
//!
//! Greenlets that wait for each other's locks are found and reported, and [`on_deadlock`](crate::Builder::on_deadlock) says what
//! else is done about it. A wait for something else (a notification, an item) counts as one that another thread may end, as all
//! here may be shared with threads: if none does, it lasts, as it would in the standard library.
//!
//! # What to leave behind
//!
//! A guard of [`std::sync`] that is held while the greenlet waits keeps the whole thread from that lock: whoever wants it next
//! blocks, and nobody is left who could release it. Locks that are held across waits are those of this module.

mod barrier;
mod condvar;
mod lazy_lock;
pub mod mpsc;
mod mutex;
mod once;
mod once_lock;
mod poison;
mod rwlock;

pub use std::sync::{Arc, LockResult, PoisonError, TryLockError, TryLockResult, Weak, atomic};

pub use barrier::{Barrier, BarrierWaitResult};
pub use condvar::{Condvar, WaitTimeoutResult};
pub use lazy_lock::LazyLock;
pub use mutex::{Mutex, MutexGuard};
pub use once::{Once, OnceState};
pub use once_lock::OnceLock;
pub use rwlock::{RwLock, RwLockReadGuard, RwLockWriteGuard};
