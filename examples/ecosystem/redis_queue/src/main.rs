//! Jobs for as many machines as there are, by way of a Redis server; and the same code without one.
//!
//! ```text
//! redis_queue push 'tea for 2' 'cake for 3'     # prints the jobs' names
//! redis_queue work FOLDER                       # writes a bill per order, until SIGTERM or Ctrl-C; start several
//! redis_queue status
//! redis_queue dead
//! redis_queue demo FOLDER                       # all in this process, in memory
//! ```
//!
//! The server is `REDIS_URL`, or redis://127.0.0.1:6379; `REDIS_QUEUE` names the queue, `LEASE_MS` is how long a worker may be
//! silent. Kill workers in the middle of it, pull out the server's plug: as long as it keeps its data (`appendonly yes`,
//! `appendfsync always`) there is one bill for every order that was accepted.

use runtime::{
    broker::{Broker, Delivery, Error, Memory, Options, Redis, Tally, Worker},
    fs, select,
    signal::{SignalKind, signal},
    time::sleep,
};
use std::{env, io, path::Path, process, time::Duration};

/// What a bill takes: the work that would be done.
const WORK: Duration = Duration::from_millis(20);

#[runtime::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["push", ref orders @ ..] => push(&queue()?, orders).await?,
        ["work", folder] => {
            let tally = work(queue()?, folder, end()?).await?;
            eprintln!("{tally:?}");
        }
        ["status"] => println!("{:?}", queue()?.counts().await?),
        ["dead"] => {
            for job in queue()?.dead(100).await? {
                println!(
                    "{} after {} attempts: {}",
                    job.id(),
                    job.attempts(),
                    String::from_utf8_lossy(job.body())
                );
            }
        }
        ["demo", folder] => {
            let jobs = Memory::new(Options::default());
            push(&jobs, &["tea for 2", "cake for 3"]).await?;
            work(jobs, folder, sleep(Duration::from_secs(1))).await?;
        }
        _ => return Err("usage: redis_queue push ORDER… | work FOLDER | status | dead | demo FOLDER".into()),
    }
    Ok(())
}

fn queue() -> Result<Redis, Box<dyn std::error::Error>> {
    let url = env::var("REDIS_URL").unwrap_or_else(|_| "redis://127.0.0.1:6379".to_owned());
    let name = env::var("REDIS_QUEUE").unwrap_or_else(|_| "orders".to_owned());
    let mut options = Options::default().max_deliveries(100);
    if let Ok(lease_ms) = env::var("LEASE_MS") {
        options = options.lease(Duration::from_millis(lease_ms.parse()?));
    }
    Ok(Redis::new(&url, &name, options)?)
}

/// Accepted is what has a name: only of that the customer is told.
async fn push(jobs: &impl Broker, orders: &[&str]) -> Result<(), Error> {
    for order in orders {
        // Unreachable may mean that it was pushed nevertheless: then it is there twice, and a second bill must do no harm.
        let id = loop {
            match jobs.push(order.as_bytes()).await {
                Ok(id) => break id,
                Err(Error::Unreachable(_) | Error::Full) => sleep(Duration::from_millis(100)).await,
                Err(error) => return Err(error),
            }
        };
        println!("{id} {order}");
    }
    Ok(())
}

async fn work(
    jobs: impl Broker + 'static,
    folder: &str,
    end: impl Future<Output = ()>,
) -> Result<Tally, Error> {
    let folder = folder.to_owned();
    Worker::new(jobs)
        .concurrency(8)
        .retry_after(|_| Duration::from_millis(50))
        .on_failure(|delivery, reason| eprintln!("{delivery:?}: {reason}"))
        .run(end, async move |delivery| bill(Path::new(&folder), delivery).await)
        .await
}

/// Whoever does it twice has done no harm: it is the same file, and never half of one.
async fn bill(folder: &Path, delivery: &Delivery) -> io::Result<()> {
    sleep(WORK).await;
    let name = format!("{}.bill", delivery.id());
    let draft = folder.join(format!("{name}.{}", process::id()));
    fs::write(&draft, delivery.body()).await?;
    fs::rename(&draft, folder.join(name)).await?;
    println!("{} {}", delivery.id(), delivery.attempt());
    Ok(())
}

/// SIGTERM, or Ctrl-C.
fn end() -> io::Result<impl Future<Output = ()>> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
