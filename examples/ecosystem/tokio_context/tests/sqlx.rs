//! `sqlx` on a PostgreSQL server, from tasks of ours.

use runtime::{
    join, join_all, select, spawn, spawn_blocking, task,
    testing::settle,
    time::sleep,
    tokio_context::{self, in_tokio},
};
use sqlx::{
    PgPool, Row,
    postgres::{PgConnectOptions, PgListener, PgPoolOptions},
};
use std::time::Duration;
use support::Postgres;

fn options(server: &Postgres) -> PgConnectOptions {
    let address = server.address();
    PgConnectOptions::new()
        .host(&address.ip().to_string())
        .port(address.port())
        .username(Postgres::USER)
        .database(Postgres::DATABASE)
}

async fn pool(server: &Postgres, connections: u32) -> PgPool {
    let pool = PgPoolOptions::new().max_connections(connections).acquire_timeout(Duration::from_secs(20));
    in_tokio(pool.connect_with(options(server))).await.unwrap()
}

/// One server for all of them: to make one takes longer than all stories together.
#[runtime::test]
async fn stories() {
    let Some(server) = Postgres::start() else { return };
    a_connection_that_is_dropped_goes_back_to_the_pool_by_way_of_tokio(&server).await;
    notifications_come_to_whoever_listens(&server).await;
    queries_share_a_pool_and_a_restart_of_the_server_is_survived(server).await;
}

async fn queries_share_a_pool_and_a_restart_of_the_server_is_survived(mut server: Postgres) {
    let pool = pool(&server, 3).await;
    in_tokio(sqlx::query("CREATE TABLE squares (n BIGINT PRIMARY KEY, square BIGINT)").execute(&pool))
        .await
        .unwrap();

    // More tasks than connections: each waits for its turn in sqlx's own queue.
    let inserts = (0..30_i64).map(|n| {
        let pool = pool.clone();
        spawn(in_tokio(async move {
            sqlx::query("INSERT INTO squares VALUES ($1, $2)").bind(n).bind(n * n).execute(&pool).await
        }))
    });
    for inserted in join_all(inserts).await {
        assert_eq!(inserted.unwrap().unwrap().rows_affected(), 1);
    }

    // A transaction that is cancelled half-way is rolled back, by what is spawned when it is dropped.
    let half_way = spawn(in_tokio({
        let pool = pool.clone();
        async move {
            let mut transaction = pool.begin().await.unwrap();
            sqlx::query("DELETE FROM squares").execute(&mut *transaction).await.unwrap();
            task::yield_now().await;
            std::future::pending::<()>().await;
        }
    }));
    while sum(&pool, "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction'").await == 0 {
        sleep(Duration::from_millis(1)).await;
    }
    half_way.cancel_and_wait().await.unwrap_err();
    assert_eq!(sum(&pool, "SELECT count(*) FROM squares").await, 30);

    // What the pool keeps is broken now. It finds out, and knocks until somebody opens.
    server.kill();
    let query = sum(&pool, "SELECT sum(square)::BIGINT FROM squares");
    let restart = spawn_blocking(move || {
        server.restart();
        server
    });
    let (sum_of_squares, server) = join!(query, restart);
    assert_eq!(sum_of_squares, (0..30).map(|n| n * n).sum::<i64>());
    in_tokio(pool.close()).await;
    drop(server);
}

async fn sum(pool: &PgPool, query: &'static str) -> i64 {
    in_tokio(sqlx::query(query).fetch_one(pool)).await.unwrap().get(0)
}

async fn a_connection_that_is_dropped_goes_back_to_the_pool_by_way_of_tokio(server: &Postgres) {
    let pool = pool(server, 1).await;
    let connection = in_tokio(pool.acquire()).await.unwrap();
    let waiting = spawn(in_tokio({
        let pool = pool.clone();
        async move { sqlx::query("SELECT 7::BIGINT").fetch_one(&pool).await.unwrap().get::<i64, _>(0) }
    }));
    settle().await;
    assert!(!waiting.is_finished(), "there is one connection only, and it is here");
    // Its drop spawns: outside of tokio it would panic.
    let tokio = tokio_context::handle();
    {
        let _entered = tokio.enter();
        drop(connection);
    }
    assert_eq!(waiting.await.unwrap(), 7);
    in_tokio(pool.close()).await;
}

async fn notifications_come_to_whoever_listens(server: &Postgres) {
    let pool = pool(server, 2).await;
    let mut listener = in_tokio(PgListener::connect_with(&pool)).await.unwrap();
    in_tokio(listener.listen("news")).await.unwrap();
    let notify = spawn(in_tokio({
        let pool = pool.clone();
        async move {
            for number in 0..10 {
                sqlx::query("SELECT pg_notify('news', $1)")
                    .bind(number.to_string())
                    .execute(&pool)
                    .await
                    .unwrap();
            }
        }
    }));
    for number in 0..10 {
        let notification = in_tokio(listener.recv()).await.unwrap();
        assert_eq!(notification.payload(), number.to_string());
    }
    notify.await.unwrap();
    // With nothing to hear it waits, and is dropped where it can be.
    select! {
        heard = in_tokio(listener.recv()) => panic!("{heard:?}"),
        () = sleep(Duration::from_millis(20)) => {}
    }
    in_tokio(async { drop(listener) }).await;
    in_tokio(pool.close()).await;
}
