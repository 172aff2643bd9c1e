//! Tests of concurrent programs: every order that may happen, as often as you like, and again.
//!
//! # Hunting a race with seeds
//!
//! Tasks take turns only at `.await`, but in which order they take them is not promised, and timers, locks and sockets
//! make it vary. A test that runs once has seen one order. [`Sim`] runs a program under many: a *seed* decides, for
//! every turn, in which order those who are ready go on, and all that is [random](crate::random_u64); time is virtual
//! and takes none. This shop sells its last ticket twice, though not always:
//!
//! ```
//! use runtime::{spawn, task::yield_now, testing::Sim};
//! use std::{cell::Cell, rc::Rc};
//!
//! async fn two_customers() {
//!     let left = Rc::new(Cell::new(1));
//!     let patient = left.clone();
//!     let one = spawn(async move {
//!         if patient.get() > 0 {
//!             yield_now().await; // writes the receipt, say
//!             patient.set(patient.get() - 1); // is there still one?
//!         }
//!     });
//!     let hasty = left.clone();
//!     let other = spawn(async move {
//!         if hasty.get() > 0 {
//!             hasty.set(hasty.get() - 1);
//!         }
//!     });
//!     one.await.unwrap();
//!     other.await.unwrap();
//!     assert!(left.get() >= 0, "sold {} tickets too many", -left.get());
//! }
//!
//! let failure = Sim::new().seeds(1000).try_run(two_customers).unwrap_err();
//! println!("{failure}");
//! ```
//!
//! With [`run`](Sim::run) in place of `try_run`, or with `#[runtime::test(seeds = 1000)]` on an `async fn`, the test fails
//! with that text, which names the seed, and the line that shows the very same run again:
//!
//! ```text
//! seed 0 fails in turn 4: it panicked: sold 1 tickets too many
//!   replay it with: RUNTIME_SIM_SEED=0 cargo test -p shop -- --exact two_customers_one_ticket
//!   or in the program: Sim::new().seed(0)
//! ```
//!
//! Run that line with a `println!` or a [`note`] more until you see why; when it is repaired, keep the seed as a test of
//! its own, or let all seeds run: a hundred thousand short ones take a second. `RUNTIME_SIM_SEEDS=1000000` runs more of
//! them than usual, at night.
//!
//! # What a seed decides, and what it cannot
//!
//! The guarantee of the loop stays: who was woken is polled once before anybody is polled twice. So nothing is found that
//! could not happen. What the seed decides is the order within each such round, what `random_u64` draws, and what becomes
//! of the [network in memory](net): how long bytes are under way, in which pieces they come, and, as far as
//! [`Network`](net::Network) allows it, which connections are reset and which hosts cannot reach each other for a while.
//!
//! What it does not decide must not matter. The first seed runs twice, and so does one that fails; if both runs do not
//! have the same [`Transcript`], the failure says where they part. The usual reasons are a `HashMap` that is iterated,
//! real time, an address that is compared or hashed, and a `static` or captured value that still holds what the last run
//! left in it. Threads and real sockets have no place here: [`spawn_blocking`](crate::spawn_blocking) refuses, and so
//! do the sockets of [`net`](crate::net) when they would wait. A wake that comes from a thread of your own is not waited
//! for.
//!
//! A program that is stuck is a failure as well: tasks wait for each other, or nobody is ready and no timer is set. So is one
//! that yields for ever, one with a task that panics while nobody holds its handle, and one about which the runtime has
//! anything else to [report](crate::Report).
//!
//! # In other tests
//!
//! [`settle`] waits until everybody else has gone as far as he can, [`Sequencer`] forces one particular order, [`duplex`]
//! connects two ends in memory. All three work in every runtime. [`broker`] proves an implementation of
//! [`Broker`](crate::broker::Broker).

pub mod broker;
pub mod net;
pub(crate) mod random;
mod sequencer;
mod sim;

pub use net::{MemoryStream, duplex};
pub use runtime_executor::{Settle, settle};
pub use sequencer::{Sequencer, Step};
pub use sim::{Cause, Failure, Sim, Summary, Transcript, note};
