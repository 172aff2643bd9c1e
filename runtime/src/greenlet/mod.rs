//! Greenlets: functions with stacks of their own, on the same loop as the tasks; feature `greenlet`.
//!
//! A greenlet is a task, in all respects: it is spawned, named, listed, cancelled and joined like one, and takes its turns
//! among them. But it is written in blocking style, without `async`: where it waits, its stack is left as it is, and the
//! thread goes on with another task.
//!
//! ```
//! use runtime::{greenlet, sync::Lock, time::sleep};
//! use std::{rc::Rc, time::Duration};
//!
//! #[runtime::main]
//! async fn main() {
//!     let total = Rc::new(Lock::new(0));
//!     let greenlets: Vec<_> = (1..=3)
//!         .map(|n| {
//!             let total = total.clone();
//!             greenlet::spawn(move || {
//!                 let mut total = greenlet::wait(total.acquire());
//!                 greenlet::wait(sleep(Duration::from_millis(1))); // the others wait for the lock
//!                 *total += n;
//!             })
//!         })
//!         .collect();
//!     runtime::join_all(greenlets).await;
//!     assert_eq!(*total.acquire().await, 6);
//! }
//! ```

mod builder;
mod generator;
mod group;
mod handle;
mod imap;
mod killed;
mod later;
mod raw;
mod run;
mod stacks;
mod switch;
mod together;
mod wait;

pub use builder::{Builder, spawn, spawn_later};
pub use generator::{Generator, GeneratorState, Primed, Yielder};
pub use group::{Group, Pool};
pub use handle::JoinHandle;
pub use imap::Imap;
pub use killed::Killed;
pub use raw::Greenlet;
pub use run::{Run, run};
pub use together::{Iwait, iwait, join_all, join_until, join_until_timeout, kill_all, kill_all_timeout};
pub(crate) use wait::{companion, is_unwinding, shielded, try_wait};
pub use wait::{idle, is_inside, sleep, wait, yield_now};
