//! Asks a PostgreSQL server a thousand questions at a time, and has it call back.
//!
//! ```text
//! $ cargo run -p pg_query -- "host=/var/run/postgresql user=me"
//! PostgreSQL 15.18 (Debian 15.18-0+deb12u1)
//! 1000 statements of 1000 tasks, one connection: 38 ms
//! the sum of their squares is 333833500
//! a notification by `news`: "it works"
//! ```

use pg_query::Session;
use runtime::{time::Instant, try_join_all};
use std::{env, error::Error, process::ExitCode};
use tokio_postgres::Config;

const HELP: &str = "\
usage: pg_query CONFIGURATION
such as \"host=localhost port=5432 user=me password=secret dbname=mine\", or host=/var/run/postgresql for the Unix socket";

#[runtime::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let config = match &arguments[..] {
        [text] => text.parse::<Config>(),
        _ => {
            eprintln!("{HELP}");
            return ExitCode::from(2);
        }
    };
    let outcome = match config {
        Ok(config) => show(&config).await,
        Err(error) => Err(error.into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // What the server says is the source of what the library says.
            let reason = error.source().map(|source| format!(": {source}")).unwrap_or_default();
            eprintln!("pg_query: {error}{reason}");
            ExitCode::FAILURE
        }
    }
}

async fn show(config: &Config) -> Result<(), Box<dyn Error>> {
    let session = Session::open(config).await?;
    let version: String = session.query_one("SELECT version()", &[]).await?.get(0);
    println!("{}", version.split(" on ").next().unwrap_or(&version));

    session.batch_execute("CREATE TEMPORARY TABLE squares (n bigint, square bigint)").await?;
    let statement =
        session.prepare("INSERT INTO squares SELECT n, n * n FROM (SELECT $1::bigint) one(n)").await?;
    let start = Instant::now();
    try_join_all((1..=1000_i64).map(async |n| session.execute(&statement, &[&n]).await)).await?;
    let took = start.elapsed().as_millis();
    println!("1000 statements of 1000 tasks, one connection: {took} ms");
    let sum = session.query_one("SELECT sum(square)::bigint FROM squares", &[]).await?;
    println!("the sum of their squares is {}", sum.get::<_, i64>(0));

    let mut notifications = session.notifications();
    session.batch_execute("LISTEN news").await?;
    let other = Session::open(config).await?;
    other.execute("SELECT pg_notify('news', $1)", &[&"it works"]).await?;
    let heard = notifications.recv().await?;
    println!("a notification by `{}`: {:?}", heard.channel(), heard.payload());

    other.close().await?;
    session.close().await?;
    Ok(())
}
