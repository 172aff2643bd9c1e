//! The `redis` crate's multiplexed connection, over the runtime's own stream and without a limit of time, which would be
//! tokio's on both. Commands that only read: what the server does about its disk is no part of this.

use std::net::SocketAddr;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisConnectionInfo, Value, cmd, pipe};

use super::{Manner, Runtime, measured};

pub(crate) async fn run<R: Runtime>(address: SocketAddr, manner: Manner, operations: u64) -> Duration {
    match manner {
        Manner::InTurn => asking::<R>(vec![connect::<R>(address).await], 1, operations).await,
        Manner::Sharing(tasks) => asking::<R>(vec![connect::<R>(address).await], tasks, operations).await,
        Manner::Apart(tasks) => {
            let mut connections = Vec::new();
            for _ in 0..tasks {
                connections.push(connect::<R>(address).await);
            }
            asking::<R>(connections, tasks, operations).await
        }
        Manner::InBatches(length) => in_batches::<R>(connect::<R>(address).await, length, operations).await,
        Manner::Rows(_) => unreachable!("Redis has none"),
    }
}

async fn connect<R: Runtime>(address: SocketAddr) -> MultiplexedConnection {
    let config = AsyncConnectionConfig::new().set_response_timeout(None).set_connection_timeout(None);
    let (stream, login) = (R::connect(address).await, RedisConnectionInfo::default());
    let opened = MultiplexedConnection::new_with_config(&login, stream, config).await;
    let (connection, driver) = opened.expect("it lets us in");
    drop(R::spawn(driver));
    connection
}

/// The connections go round.
async fn asking<R: Runtime>(
    connections: Vec<MultiplexedConnection>,
    tasks: u64,
    operations: u64,
) -> Duration {
    measured::<R, _>(tasks, operations, |task, operations| {
        let mut connection = connections[task as usize % connections.len()].clone();
        async move {
            for _ in 0..operations {
                let answer: Value =
                    cmd("GET").arg("key").query_async(&mut connection).await.expect("an answer");
                assert_eq!(answer, Value::Nil);
            }
        }
    })
    .await
}

async fn in_batches<R: Runtime>(connection: MultiplexedConnection, length: u64, operations: u64) -> Duration {
    measured::<R, _>(1, operations, |_, operations| {
        let mut connection = connection.clone();
        async move {
            for _ in 0..operations / length {
                let mut batch = pipe();
                for n in 0..length {
                    batch.cmd("ECHO").arg(n);
                }
                let answers: Vec<u64> = batch.query_async(&mut connection).await.expect("answers");
                assert!(answers.into_iter().eq(0..length));
            }
        }
    })
    .await
}
