//! An async runtime for people who want one thread, one reactor and `!Send` tasks: asyncio's `run` and `gather`,
//! gevent's `spawn` and `joinall`, in Rust and without `Arc<Mutex<_>>`.
//!
//! ```
//! use runtime::{join_all, spawn, time::sleep};
//! use std::{cell::Cell, rc::Rc, time::Duration};
//!
//! #[runtime::main]
//! async fn main() {
//!     let visits = Rc::new(Cell::new(0)); // shared by tasks, and neither atomic nor locked
//!     let tasks = (1..=3).map(|n| {
//!         let visits = visits.clone();
//!         spawn(async move {
//!             sleep(Duration::from_millis(n)).await;
//!             visits.set(visits.get() + 1);
//!             n * n
//!         })
//!     });
//!     let squares: Vec<u64> = join_all(tasks).await.into_iter().map(|joined| joined.unwrap()).collect();
//!     assert_eq!(squares, [1, 4, 9]);
//!     assert_eq!(visits.get(), 3);
//! }
//! ```
//!
//! # The three units
//!
//! A **task** is the unit of execution: a future that the runtime drives on its own. A **reactor** is the unit of
//! scheduling: one thread, one kernel queue, any number of tasks, which take turns at their `.await`s and nowhere
//! else. A **worker process** is the unit of isolation: [`cluster`] runs one reactor per core in as many of them.
//!
//! Because tasks take turns only at `.await`, what lies between two of them is atomic to all other tasks of the
//! reactor. The price: code that blocks the thread stalls them all. Such code belongs in [`spawn_blocking`].
//!
//! # Where things are
//!
//! | for | see |
//! |---|---|
//! | starting a program | [`macro@main`], [`run`], [`Runtime`] |
//! | tasks | [`spawn`], [`join_all`], [`join!`], [`task`] |
//! | the first, or the first failure, of several | [`select!`], [`race`], [`try_join_all`], [`try_join!`], [`task::wait`], [`task::as_completed`] |
//! | tasks that belong together | [`task::TaskGroup`], [`task::scope`], [`task::TaskPool`], [`task::CancelScope`], [`task::defer`] |
//! | time, also virtual | [`time`] |
//! | sockets | [`net`], [`io`] |
//! | messages and descriptors between processes | [`net::UnixDatagram`], [`net::UnixSeqpacket`], [`net::UnixStream`] |
//! | what is typed and shown | [`io::stdin`], [`io::stdout`] |
//! | pipes, also with a name | [`io::pipe()`], [`io::fifo`] |
//! | files | [`fs`] |
//! | copying, proxies, connections in memory, frames | [`io::copy()`], [`io::copy_bidirectional()`], [`io::duplex()`], `io::codec` |
//! | serving connections, deadlines for them, and stopping in order | [`net::Server`], [`net::Deadlines`] |
//! | HTTP, with feature `http` | `http` |
//! | deploying a server | [`guide::cluster`] |
//! | WebSocket, with feature `websocket` | `http::websocket` |
//! | connections that nobody reads or changes on the way, with feature `tls` | `tls` |
//! | signals | [`signal`] |
//! | child processes | [`process::Command`] |
//! | functions in processes of their own, with feature `process-pool` | `process::Process` |
//! | objects that a process keeps for others | `process::Manager`, `process::Value` |
//! | what processes share | `process::SharedValue`, `process::Lock`, `process::Semaphore`, `process::Event` |
//! | connections to processes that were not started by this one, with feature `process-pool` | `process::Listener`, `process::Client` |
//! | all cores | [`cluster`] |
//! | jobs for other machines, and a queue of them that forgets none | [`broker`] |
//! | other threads | [`Handle`], [`spawn_blocking`], [`sync::shared`] |
//! | jobs, on threads or in processes | [`pool`] |
//! | code in blocking style, with feature `greenlet` | `greenlet`, and `green` with the names of the standard library |
//! | libraries that are welded to tokio, with feature `tokio-context` | `tokio_context` |
//! | tests | [`macro@test`], [`time::pause`], [`testing`]: simulations with seeds |
//! | who does what now | [`inspect::dump`], [`inspect::stats`], [`task::list`] |
//! | the same by Prometheus, or by tokio-console | [`inspect::prometheus`](inspect::prometheus()), [`inspect`] |
//! | what keeps the thread from all others | [`Builder::watch_stalls`] |
//! | what hangs, and why | [`inspect::Deadlock`], [`task::waits`], [`Report`], [`Builder::on_report`] |
//! | a process from outside, with `rt tree PID` | [`Builder::inspect`] |
//! | crates of others: which work here, and how | [`guide::ecosystem`] |
//!
//! # Features
//!
//! Without them this crate takes ten from outside. The last column says how many each adds, by `cargo tree -e normal`.
//!
//! | feature | for | by | more |
//! |---|---|---|---:|
//! | `macros` (default) | [`macro@main`], [`macro@test`], [`select!`] | | 0 |
//! | `codec` | `io::codec`: lines and frames on streams | `tokio-util` | 4 |
//! | `greenlet` | `greenlet` and `green`: code in blocking style | `corosensei` | 3 |
//! | `http` | `http`: servers | `hyper`, `h2` | 22 |
//! | `hyper` | `hyper` on our streams, tasks and clock | `hyper` | 6 |
//! | `messages` | `cluster::channel`: messages between workers | `serde`, `postcard` | 11 |
//! | `process-pool` | `pool::ProcessPool`, and what is in [`process`] beside child processes | the same, `hmac`, `sha2` | 24 |
//! | `redis` | `broker::Redis` | `redis` | 51 |
//! | `sanitizer` | telling AddressSanitizer of switches between stacks; links with it only | `corosensei` | 3 |
//! | `stacks` | native stacks in reports of stalls | `backtrace` | 9 |
//! | `tls` | `tls`; the provider of cryptography comes on top | `rustls`, `tokio-rustls` | 10 |
//! | `tokio-context` | `tokio_context`: libraries that are welded to tokio | `tokio` | 1 |
//! | `tokio-io` | the traits of `tokio::io` on our streams | `tokio` | 2 |
//! | `tracing` | a span for each task | `tracing` | 3 |
//! | `websocket` | `http::websocket` | `async-tungstenite`, `axum-core` | 51 |

pub mod broker;
pub mod cluster;
mod doze;
#[cfg(feature = "greenlet")]
pub mod green;
#[cfg(feature = "greenlet")]
pub mod greenlet;
#[cfg(any(feature = "messages", feature = "process-pool"))]
mod guarded;
pub mod guide;
#[cfg(feature = "http")]
pub mod http;
#[cfg(feature = "hyper")]
pub mod hyper;
mod inspector;
pub mod pool;
pub mod process;
mod runtime;
#[cfg(feature = "macros")]
mod select;
pub mod testing;
#[cfg(feature = "tls")]
pub mod tls;
#[cfg(feature = "tokio-context")]
pub mod tokio_context;

pub use self::runtime::{Builder, Runtime, run};
pub use runtime_executor::{
    Handle, JoinHandle, OnExit, Report, RuntimeId, SharedJoinHandle, Stopped, inspect, join, join_all, race,
    random_u64, spawn, spawn_blocking, task, task_local, time, try_join, try_join_all,
};
pub use runtime_io::{fs, io, net, signal};
#[cfg(feature = "macros")]
pub use runtime_macros::{main, test};
pub use runtime_sync as sync;

#[doc(hidden)]
pub mod __private;
