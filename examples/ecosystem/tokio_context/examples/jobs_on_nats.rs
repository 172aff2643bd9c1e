//! Jobs on a NATS server with JetStream (`nats-server -js`): pushed by who is started with words, done by who is started without.
//!
//! ```text
//! cargo run --example jobs_on_nats             # as many workers as you like, on any machine
//! cargo run --example jobs_on_nats one two     # three jobs, the last after five seconds
//! ```

use runtime::{
    broker::{Broker, Error, Options},
    time::sleep,
    tokio_context::in_tokio,
};
use std::{env, time::Duration};
use tokio_context::Nats;

#[runtime::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = env::var("NATS_ADDRESS").unwrap_or_else(|_| "localhost:4222".into());
    let client = in_tokio(async_nats::connect(address)).await?;
    let jobs = Nats::open(client, "words", Options::default().lease(Duration::from_secs(10))).await?;
    let words: Vec<String> = env::args().skip(1).collect();
    if words.is_empty() {
        return work(&jobs).await.map_err(Into::into);
    }
    for word in &words {
        println!("pushed {}: {word}", jobs.push(word.as_bytes()).await?);
    }
    println!("pushed {}, for later", jobs.push_after(Duration::from_secs(5), b"at last").await?);
    Ok(())
}

/// Nothing here knows which broker it is: with `broker::Redis` it would be the same.
async fn work(jobs: &impl Broker) -> Result<(), Error> {
    loop {
        for delivery in jobs.pull(1, Duration::from_secs(60)).await? {
            sleep(Duration::from_millis(100)).await; // hard work
            println!("done {}: {}", delivery.id(), String::from_utf8_lossy(delivery.body()));
            jobs.ack(&delivery).await?;
        }
    }
}
