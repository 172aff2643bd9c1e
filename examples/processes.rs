//! What processes of work are like: who has started whom, what they share and what not, what is told when one fails, and who
//! waits for whom at the end.
//!
//! ```text
//! $ cargo run --quiet --example processes
//! MainProcess (4711) counts to 101
//! Process-1 (4712, child of 4711) counts to 101
//! MainProcess (4711) still has 101
//! Process-2 has heard: how are you?
//! MainProcess has heard: fine
//! no result: the process panicked at examples/processes.rs:56:5: there is no number 7
//! no result: process 4714 was killed by signal 15 (SIGTERM): somebody wanted it to end
//! main has ended
//! nobody has joined Process-6, and it is waited for
//! ```

use runtime::process::{self, Pipe, Process, pipe};
use std::{
    error::Error,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    thread,
    time::Duration,
};

static COUNT: AtomicU64 = AtomicU64::new(100);

/// A process has its own copy of every static, as it was when the program began.
fn count() {
    let (me, count) = (process::current(), COUNT.fetch_add(1, Relaxed) + 1);
    match me.parent() {
        Some(parent) => println!("{} ({}, child of {parent}) counts to {count}", me.name(), me.pid()),
        None => println!("{} ({}) counts to {count}", me.name(), me.pid()),
    }
}

/// A function may be `async`; its process has a runtime for it.
async fn answer(line: Pipe<String>) {
    let question = line.recv().await.expect("there is a question");
    println!("{} has heard: {question}", process::current().name());
    line.send(&"fine".to_owned()).await.expect("somebody wants to know");
}

fn endless() {
    loop {
        thread::park();
    }
}

fn late() {
    let quiet = Duration::from_millis(200);
    runtime::run(runtime::time::sleep(quiet));
    println!("nobody has joined {}, and it is waited for", process::current().name());
}

fn fail(number: u32) -> u32 {
    panic!("there is no number {number}")
}

#[runtime::main]
async fn main() -> Result<(), Box<dyn Error>> {
    count();
    Process::spawn(count, ())?.join().await?;
    let me = process::current();
    println!("{} ({}) still has {}", me.name(), me.pid(), COUNT.load(Relaxed));

    // One end is given away; when either side has ended, the other is told.
    let (ours, theirs) = pipe()?;
    let friend = Process::spawn(answer, theirs)?;
    ours.send(&"how are you?".to_owned()).await?;
    println!("{} has heard: {}", me.name(), ours.recv().await?);
    friend.join().await?;

    let failing = Process::spawn(fail, 7)?;
    if let Err(error) = failing.join().await {
        println!("no result: {error}");
    }
    let stuck = Process::spawn(endless, ())?;
    stuck.terminate()?;
    if let Err(error) = stuck.join().await {
        println!("no result: {error}");
    }

    // When main has ended, a daemon is ended too, and everybody else is waited for.
    Process::builder().daemon(true).spawn(endless, ())?;
    Process::spawn(late, ())?;
    println!("main has ended");
    Ok(())
}
