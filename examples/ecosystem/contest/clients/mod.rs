//! Clients of databases: the same code on each runtime, generic over how that connects and spawns.

mod ours;
mod postgres;
mod redis;
mod tokio;

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use ::tokio::io::{AsyncRead, AsyncWrite};

use crate::harness::clock;

/// Name of our column.
pub(crate) const OURS: &str = "ours";
/// Name of tokio's.
pub(crate) const TOKIO: &str = "tokio";

/// What these libraries want of a runtime of one thread. Tasks are spawned as its documentation shows, so that a client that
/// is `Send` has no wrapper on either.
pub(crate) trait Runtime {
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    fn block_on<T>(future: impl Future<Output = T>) -> T;

    /// Without Nagle's algorithm.
    async fn connect(server: SocketAddr) -> Self::Stream;

    /// Starts a task; what is returned waits for it.
    fn spawn(task: impl Future<Output = ()> + Send + 'static) -> impl Future<Output = ()>;
}

/// Whose client.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Server {
    Redis,
    Postgres,
}

/// How it is asked.
#[derive(Clone, Copy)]
pub(crate) enum Manner {
    /// By one task, which waits for each answer.
    InTurn,
    /// By so many tasks that share one connection.
    Sharing(u64),
    /// By so many tasks, each with a connection of its own.
    Apart(u64),
    /// By one task, so many at a time in one piece.
    InBatches(u64),
    /// By one task, with so many rows in each answer.
    Rows(u64),
}

pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) server: Server,
    pub(crate) manner: Manner,
    /// What is measured, without what comes before it to get going.
    pub(crate) operations: u64,
}

const fn row(
    name: &'static str,
    title: &'static str,
    server: Server,
    manner: Manner,
    operations: u64,
) -> Row {
    Row { name, title, server, manner, operations }
}

pub(crate) const ROWS: &[Row] = &[
    row("redis_in_turn", "Redis: one task (µs per command)", Server::Redis, Manner::InTurn, 20_000),
    row("redis_sharing", "Redis: 50 tasks, one connection", Server::Redis, Manner::Sharing(50), 200_000),
    row("redis_apart", "Redis: 32 tasks, 32 connections", Server::Redis, Manner::Apart(32), 100_000),
    row("redis_batches", "Redis: pipelines of 100", Server::Redis, Manner::InBatches(100), 400_000),
    row(
        "postgres_in_turn",
        "PostgreSQL: one task (µs per statement)",
        Server::Postgres,
        Manner::InTurn,
        10_000,
    ),
    row(
        "postgres_sharing",
        "PostgreSQL: 50 tasks, one connection",
        Server::Postgres,
        Manner::Sharing(50),
        100_000,
    ),
    row(
        "postgres_apart",
        "PostgreSQL: 16 tasks, 16 connections",
        Server::Postgres,
        Manner::Apart(16),
        30_000,
    ),
    row(
        "postgres_rows",
        "PostgreSQL: 1,000 rows an answer (µs per answer)",
        Server::Postgres,
        Manner::Rows(1000),
        2_000,
    ),
];

impl Row {
    /// Processor time of this process for so many operations.
    pub(crate) fn run(&self, peer: &str, address: SocketAddr, operations: u64) -> Duration {
        match peer {
            OURS => self.run_on::<ours::Ours>(address, operations),
            TOKIO => self.run_on::<tokio::CurrentThread>(address, operations),
            unknown => panic!("who is {unknown}?"),
        }
    }

    fn run_on<R: Runtime>(&self, address: SocketAddr, operations: u64) -> Duration {
        R::block_on(async {
            match self.server {
                Server::Redis => redis::run::<R>(address, self.manner, operations).await,
                Server::Postgres => postgres::run::<R>(address, self.manner, operations).await,
            }
        })
    }
}

/// Runs the tasks that `make` makes of their shares, twice: a tenth of it so that everything has been used, then all of it,
/// whose processor time is returned.
async fn measured<R: Runtime, F>(tasks: u64, operations: u64, mut make: impl FnMut(u64, u64) -> F) -> Duration
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut before = Duration::ZERO;
    for total in [operations / 10, operations] {
        before = clock::processor_time();
        let tasks: Vec<_> = (0..tasks).map(|number| R::spawn(make(number, total / tasks))).collect();
        for task in tasks {
            task.await;
        }
    }
    clock::processor_time() - before
}
