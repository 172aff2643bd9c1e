//! Redis by the `redis` crate, on our streams, tasks and timers.
//!
//! The crate has the protocol and the commands. What it calls a multiplexed connection takes a stream of anybody's, and wants
//! to be driven: a [`Connection`] is one, driven by a task of ours, with a limit on the time for answers that follows our clock.
//!
//! ```no_run
//! use redis::AsyncCommands;
//!
//! # #[runtime::main]
//! # async fn main() -> redis::RedisResult<()> {
//! let mut redis = redis_client::connect("redis://localhost").await?;
//! let visits: u64 = redis.incr("visits", 1).await?;
//! println!("you are number {visits}");
//! # Ok(())
//! # }
//! ```
//!
//! - **Commands of many tasks share a connection** (each has a clone of it), and none waits for the answer to another before it
//!   is sent. A command that blocks the connection, such as `BLPOP` or `XREADGROUP … BLOCK`, blocks it for all: give it one of
//!   its own.
//! - **A command that is dropped, or has reached its time limit, may be done all the same**; its answer is passed over.
//! - **Messages** (pub/sub) come by a [`Subscriber`].
//! - **A connection ends** when the server does, and every command under way fails. Whether the server has done it nobody knows,
//!   so nothing is repeated by itself. A [`Redis`] opens the next connection.
//!
//! What the crate does with tokio's or smol's timers and tasks does not work here, and is not needed: `Client::get_…`,
//! `ConnectionManager`, `aio::PubSub`, `set_response_timeout`, and clusters.

mod connection;
mod server;
mod subscriber;

pub use connection::{Connection, connect};
pub use server::Redis;
pub use subscriber::Subscriber;
