//! `tokio-postgres` over the runtime's own stream, with prepared statements.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use support::Postgres;
use tokio_postgres::{Client, Config, NoTls};

use super::{Manner, Runtime, measured};

pub(crate) async fn run<R: Runtime>(address: SocketAddr, manner: Manner, operations: u64) -> Duration {
    match manner {
        Manner::InTurn => asking::<R>(vec![connect::<R>(address).await], 1, operations).await,
        Manner::Sharing(tasks) => asking::<R>(vec![connect::<R>(address).await], tasks, operations).await,
        Manner::Apart(tasks) => {
            let mut clients = Vec::new();
            for _ in 0..tasks {
                clients.push(connect::<R>(address).await);
            }
            asking::<R>(clients, tasks, operations).await
        }
        Manner::Rows(rows) => rows_of::<R>(connect::<R>(address).await, rows, operations).await,
        Manner::InBatches(_) => unreachable!("statements are sent one by one"),
    }
}

async fn connect<R: Runtime>(address: SocketAddr) -> Arc<Client> {
    let mut config = Config::new();
    config.user(Postgres::USER).dbname(Postgres::DATABASE);
    let (client, connection) =
        config.connect_raw(R::connect(address).await, NoTls).await.expect("it lets us in");
    drop(R::spawn(async { connection.await.expect("it lasts") }));
    Arc::new(client)
}

/// The clients go round.
async fn asking<R: Runtime>(clients: Vec<Arc<Client>>, tasks: u64, operations: u64) -> Duration {
    measured::<R, _>(tasks, operations, |task, operations| {
        let client = Arc::clone(&clients[task as usize % clients.len()]);
        async move {
            let double = client.prepare("SELECT $1::bigint * 2").await.expect("a statement");
            for n in 0..operations as i64 {
                let row = client.query_one(&double, &[&n]).await.expect("an answer");
                assert_eq!(row.get::<_, i64>(0), 2 * n);
            }
        }
    })
    .await
}

async fn rows_of<R: Runtime>(client: Arc<Client>, rows: u64, operations: u64) -> Duration {
    measured::<R, _>(1, operations, |_, operations| {
        let client = Arc::clone(&client);
        async move {
            let statement =
                client.prepare("SELECT generate_series(1, $1::bigint)").await.expect("a statement");
            for _ in 0..operations {
                let found = client.query(&statement, &[&(rows as i64)]).await.expect("an answer");
                assert_eq!(found.len() as u64, rows);
            }
        }
    })
    .await
}
