//! One reactor per core: worker processes (or threads) of one program, under a supervisor that holds every listener.
//!
//! ```no_run
//! use runtime::{cluster, net::{Server, TcpStream}};
//!
//! #[runtime::main(workers = "per-core")]
//! async fn main() -> std::io::Result<()> {
//!     let server = Server::bind("127.0.0.1:7000").await?; // the same listener in every worker
//!     server.serve(greet).await?; // until the worker is to stop, and its clients have finished
//!     Ok(())
//! }
//!
//! async fn greet(stream: TcpStream, _peer: std::net::SocketAddr) -> std::io::Result<()> {
//!     let me = cluster::me().expect("this is a worker");
//!     stream.write_all(format!("hello from worker {}\n", me.slot).as_bytes()).await
//! }
//! ```
//!
//! A process is what resources belong to, and what can die without taking others along; a reactor is one thread. So a program
//! for several cores is several processes with one reactor each: nothing is shared by accident, nothing is locked, and a crash
//! costs one worker's connections. [`Mode::Threads`] puts the reactors into one process instead: less is isolated, and memory can
//! be shared ([`sync::shared`](crate::sync::shared), [`Handle`](crate::Handle)).
//!
//! # What runs where
//!
//! The process that was started becomes the **supervisor**: [`Cluster::run`] never calls `main` there. It starts the same program
//! again, with the same arguments, once per **worker**; in there `run` finds that it is a worker, and calls `main`. What comes
//! before `run` therefore runs everywhere, and should be little. The supervisor runs no code of yours but its hooks.
//!
//! # No connection is lost
//!
//! Whoever has the last descriptor of a listener takes the connections in its queue along when it dies. So the supervisor makes
//! every listener and keeps it: [`TcpListener::bind`](crate::net::TcpListener::bind) and
//! [`UnixListener::bind`](crate::net::UnixListener::bind) in a worker ask it for one, and workers that bind the same address get
//! the same ([`Listeners`]; port 0 is the same port for all). A killed worker loses what it had accepted. What was in the queue is
//! served by the others, and by its replacement.
//!
//! Sockets that somebody else has opened for the program (systemd's socket units) are used for the addresses that they listen on.
//!
//! # The life of a worker
//!
//! - It **is ready** when something waits in `accept` for the first time, or says [`ready`]. One that is not ready in time has
//!   failed to start.
//! - It **beats**: its reactor adds one to a number in shared memory, once a second. One that has not for ten seconds, because
//!   code blocks its thread, is aborted and replaced.
//! - It **stops** when it is asked to: its listeners accept nothing more, [`stopping`] resolves, and it ends when `main` returns, or
//!   when every connection that its listeners accepted is closed, or when its grace period is over: then what is left is counted and
//!   cut, and `main` has 50 ms to log whom its [`Server`](crate::net::Server) names.
//! - When it **ends** without having been asked to, another takes its place ([`Restart`]): the first time at once, then after
//!   100 ms, 200 ms and so on. A slot in which workers end too often is given up, while the others serve. [`ExitReason`] tells
//!   ends apart.
//! - If the supervisor is killed, workers finish what they have, as if they were asked to stop.
//!
//! # Signals
//!
//! | to the supervisor | |
//! |---|---|
//! | SIGTERM | stops: every worker gets its grace period; a second one hurries |
//! | SIGINT, SIGQUIT | stops at once |
//! | SIGHUP | reloads: a new generation of workers is started, of the program that now lies where this one did; when all of them are ready the old ones stop. If one is not, the old ones go on as if nothing had been |
//! | SIGTTIN, SIGTTOU | one worker more, one less |
//!
//! A worker that gets a SIGTERM of its own is replaced, and stops when the replacement is ready. The exit code of the cluster is
//! that of [`Ended`].
//!
//! # As a service
//!
//! ```text
//! [Service]
//! ExecStart=/usr/local/bin/server
//! ExecReload=/bin/kill -HUP $MAINPID
//! KillMode=mixed
//! TimeoutStopSec=45
//! SuccessExitStatus=124
//! Restart=on-failure
//! ```
//!
//! `KillMode=mixed` leaves the workers to the supervisor; the time to stop is a little more than [`Cluster::grace`]; 124 says that
//! clients were cut when it was over. With a socket unit the listeners outlive the supervisor too.
//!
//! # Where to begin reading
//!
//! `fleet/` decides everything and does nothing; `supervisor/` does what it decides; `worker/` is the other side; `wire/` what they
//! tell each other.

mod builder;
mod counters;
mod ended;
mod exit_reason;
mod fleet;
mod hooks;
mod messages;
mod settings;
mod supervisor;
mod wire;
mod worker;

#[cfg(feature = "messages")]
pub use self::messages::{Channel, channel};
#[cfg(feature = "process-pool")]
pub(crate) use self::wire::handshake::BuildId;
pub use self::{
    builder::Cluster,
    counters::{Counter, Stats, WorkerStats, counter, stats},
    ended::Ended,
    exit_reason::{BootFailure, ExitReason},
    hooks::Worker,
    messages::{Peer, RecvError, SendError, WorkerId},
    settings::{Listeners, Mode, Restart},
    worker::{Me, is_stopping, me, ready, recycle, served, stopping},
};
pub use runtime_io::host::Identity;
