//! What processes say to each other: queues and pipes.

use super::{Program, programs};
use runtime::process::{Pipe, Process, Queue, RecvError, pipe};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, error::Error};

pub(super) const ALL: &[Program] = programs![
    a_queue_of_squares,
    both_ways,
    ends_of_pipes,
    ends_that_are_kept,
    producers_and_consumers,
    any_type
];

type Outcome = Result<(), Box<dyn Error>>;

/// Three processes put their results into one queue.
#[runtime::main]
async fn a_queue_of_squares() -> Outcome {
    fn put(queue: Queue<u64>, n: u64) {
        queue.blocking_put(n * n + 1).unwrap();
    }
    let queue = Queue::unbounded()?;
    let processes = (0..3).map(|n| Process::spawn(put, (queue.clone(), n))).collect::<Result<Vec<_>, _>>()?;
    for _ in 0..3 {
        println!("{}", queue.get().await?);
    }
    for process in processes {
        process.join().await?;
    }
    Ok(())
}

/// What a list may have in it where lists are of anything.
#[derive(Debug, Serialize, Deserialize)]
enum Mixed {
    Number(i64),
    Text(String),
    Map(BTreeMap<String, Mixed>),
    List(Vec<Mixed>),
}

/// A process sends a list of all sorts of things, and hears something back.
#[runtime::main]
async fn both_ways() -> Outcome {
    async fn talk(line: Pipe<Mixed>) {
        let name = BTreeMap::from([("name".to_owned(), Mixed::Text("yuan".to_owned()))]);
        let list = vec![Mixed::Number(12), Mixed::Map(name), Mixed::Text("hello".to_owned())];
        line.send(&Mixed::List(list)).await.unwrap();
        println!("the child has received {:?}", line.recv().await.unwrap());
    }
    let (ours, theirs) = pipe()?;
    let child = Process::spawn(talk, theirs)?;
    println!("the parent has received {:?}", ours.recv().await?);
    ours.send(&Mixed::Text("how are you, child?".to_owned())).await?;
    child.join().await?;
    Ok(())
}

/// A reader finds the end when its writer has ended: nobody has to close what he does not use.
#[runtime::main]
async fn ends_of_pipes() -> Outcome {
    fn write(line: Pipe<u32>) {
        for n in 0..3 {
            line.blocking_send(&n).unwrap();
        }
    }
    fn read(line: Pipe<u32>) -> (u32, bool) {
        let mut sum = 0;
        loop {
            match line.blocking_recv() {
                Ok(n) => sum += n,
                Err(error) => return (sum, matches!(error, RecvError::Closed)),
            }
        }
    }
    let (to, from) = pipe()?;
    // Both ends go to children, and other children are there at the same time.
    let reader = Process::spawn(read, from)?;
    let writer = Process::spawn(write, to)?;
    let (ours, theirs) = pipe::<u32>()?;
    let other = Process::spawn(write, theirs)?;
    writer.join().await?;
    println!("{:?}", reader.join().await?);
    let mut sum = 0;
    while let Ok(n) = ours.recv().await {
        sum += n;
    }
    println!("{sum} {:?}", ours.recv().await.unwrap_err());
    other.join().await?;
    Ok(())
}

/// Who keeps an end is seen to keep it; who is killed keeps nothing.
#[runtime::main]
async fn ends_that_are_kept() -> Outcome {
    fn keep(line: Pipe<u32>) {
        line.blocking_send(&1).unwrap();
        super::sleep_seconds(1e6);
    }
    let (ours, theirs) = pipe()?;
    let keeper = Process::spawn(keep, theirs)?;
    println!("{}", ours.recv().await?);
    println!("{:?}", ours.recv_timeout(super::SECOND).await.unwrap_err());
    keeper.kill()?;
    println!("{:?}", ours.recv().await.unwrap_err());
    assert!(keeper.join().await.is_err());
    Ok(())
}

/// Many of both, and every item is done once.
#[runtime::main]
async fn producers_and_consumers() -> Outcome {
    const ITEMS: u64 = 200;
    fn produce(queue: Queue<u64>, number: u64) {
        for n in 0..ITEMS {
            queue.blocking_put(number * ITEMS + n).unwrap();
        }
    }
    fn consume(queue: Queue<u64>) -> Vec<u64> {
        let mut items = Vec::new();
        while let Ok(item) = queue.blocking_get() {
            items.push(item);
            queue.task_done();
        }
        items
    }
    let queue = Queue::bounded(8)?;
    let consumers = (0..3).map(|_| Process::spawn(consume, queue.clone())).collect::<Result<Vec<_>, _>>()?;
    let producers =
        (0..3).map(|n| Process::spawn(produce, (queue.clone(), n))).collect::<Result<Vec<_>, _>>()?;
    for producer in producers {
        producer.join().await?;
    }
    queue.join().await?;
    queue.close()?;
    let mut items = Vec::new();
    for consumer in consumers {
        let its = consumer.join().await?;
        // What comes of one producer comes in its order.
        for producer in 0..3 {
            let of = its.iter().filter(|item| **item / ITEMS == producer);
            assert!(of.is_sorted());
        }
        items.extend(its);
    }
    items.sort_unstable();
    println!("{} {}", items.len(), items == (0..3 * ITEMS).collect::<Vec<_>>());
    Ok(())
}

/// Any type that can be written down and read.
#[runtime::main]
async fn any_type() -> Outcome {
    type Anything = (Option<String>, Vec<f64>, BTreeMap<u8, char>, Result<(), bool>, [i128; 2]);
    fn echo(queue: Queue<Anything>, back: Queue<Anything>) {
        back.blocking_put(queue.blocking_get().unwrap()).unwrap();
    }
    let (there, back) = (Queue::bounded(1)?, Queue::bounded(1)?);
    let child = Process::spawn(echo, (there.clone(), back.clone()))?;
    let value: Anything = (
        Some("ü".repeat(100_000)),
        vec![f64::MIN, -0.0],
        BTreeMap::from([(7, 'ß')]),
        Err(true),
        [i128::MIN, 1],
    );
    there.put(value.clone()).await?;
    println!("{}", back.get().await? == value);
    child.join().await?;
    Ok(())
}
