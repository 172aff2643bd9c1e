//! Reactor, sockets and descriptors for the single-threaded executor.
//!
//! Users import the `runtime` crate; this is its third floor. It knows descriptors and wakers, never a task: the
//! executor sleeps on the [`Reactor`] through [`runtime_executor::Park`], and everything else that crosses is a
//! [`Waker`](std::task::Waker).
//!
//! Where to begin reading: `registration.rs` (how an operation is tried and waits), `source.rs` (what is known of a
//! descriptor, and who waits for it), `reactor.rs` (the selector), `async_fd.rs` (any descriptor, awaited),
//! `net/tcp_stream.rs`, `fs/mod.rs` (files, which have no readiness).

mod async_fd;
pub mod blocking;
#[cfg(any(feature = "hyper", feature = "tokio-io"))]
pub mod bridge;
mod elsewhere;
pub mod fs;
mod handle_error;
pub mod host;
pub mod io;
mod knowledge;
pub mod net;
mod operation;
pub mod owner;
pub mod packet;
mod probe;
pub mod process;
mod pulse;
mod reactor;
mod registration;
pub mod shared;
pub mod signal;
mod source;
#[cfg(feature = "greenlet")]
pub mod stack;
mod starved;
mod sys;

pub use async_fd::AsyncFd;
pub use handle_error::HandleError;
pub use probe::ThreadProbe;
pub use reactor::Reactor;
