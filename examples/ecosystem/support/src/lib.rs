//! What the tests of this workspace share: servers and clients that are other people's programs.
//!
//! Each test starts its own server, on a free port of the loopback device and in a folder of its own, and ends it by its
//! number, also when the test fails. Where a program is not installed, the test says so and passes:
//!
//! ```
//! use std::net::TcpStream;
//! use support::Redis;
//!
//! let Some(mut redis) = Redis::start() else { return };
//! assert!(TcpStream::connect(redis.address()).is_ok());
//! redis.kill();
//! assert!(TcpStream::connect(redis.address()).is_err());
//! redis.restart(); // at the same address, with the same data
//! ```
//!
//! All of it blocks the thread, for a moment: a server that is slow to start keeps nobody waiting but its test.

mod folder;
mod nats;
mod postgres;
mod program;
mod redis;

pub use self::{
    folder::Folder,
    nats::Nats,
    postgres::Postgres,
    program::{Ending, Program, find, free_address, skip},
    redis::Redis,
};
