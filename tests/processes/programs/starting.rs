//! Processes beside threads and tasks: whose memory, which number, what it costs.

use super::{Program, programs, sleep_seconds};
use runtime::{
    join_all,
    process::{self, Process},
    spawn, spawn_blocking,
};
use serde::{Deserialize, Serialize};
use std::{
    error::Error,
    os::unix::process::parent_id,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

pub(super) const ALL: &[Program] = programs![
    whose_number,
    what_it_costs,
    a_global,
    fifty,
    three_at_once,
    with_a_struct,
    parents,
    killed,
    attributes,
    in_turn,
];

type Outcome = Result<(), Box<dyn Error>>;

/// Two tasks, two threads and two processes say who they are.
#[runtime::main]
async fn whose_number() {
    fn work(name: String) {
        println!("{name} {}", std::process::id());
    }
    let tasks: Vec<_> = (1..=2).map(|n| spawn(async move { work(format!("task-{n}")) })).collect();
    let threads: Vec<_> = (1..=2).map(|n| spawn_blocking(move || work(format!("thread-{n}")))).collect();
    let processes = (1..=2).map(|n| Process::spawn(work, format!("process-{n}")).unwrap());
    let processes: Vec<_> = processes.collect();
    println!("main {}", std::process::id());
    join_all(tasks.into_iter().chain(threads)).await.into_iter().for_each(Result::unwrap);
    for process in &processes {
        process.join().await.unwrap();
    }
}

/// The time from start to join, of one task, one thread, one process.
#[runtime::main]
#[expect(clippy::disallowed_methods, reason = "it is about the time of the machine, and about its threads")]
async fn what_it_costs() {
    const ROUNDS: usize = 20;
    fn nothing() {}
    let mut best = [Duration::MAX; 3];
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        spawn(async { nothing() }).await.unwrap();
        best[0] = best[0].min(begin.elapsed());

        let begin = Instant::now();
        std::thread::spawn(nothing).join().unwrap();
        best[1] = best[1].min(begin.elapsed());

        let begin = Instant::now();
        Process::spawn(nothing, ()).unwrap().join().await.unwrap();
        best[2] = best[2].min(begin.elapsed());
    }
    for (name, time) in ["task", "thread", "process"].into_iter().zip(best) {
        println!("{name} {}", time.as_nanos());
    }
}

static N: AtomicU64 = AtomicU64::new(100);

/// Who sees that a global has been changed.
#[runtime::main]
async fn a_global() -> Outcome {
    fn change() -> u64 {
        N.store(0, Relaxed);
        N.load(Relaxed)
    }
    println!("process {}", Process::spawn(change, ())?.join().await?);
    println!("main {}", N.load(Relaxed));
    println!("task {}", spawn(async { change() }).await?);
    println!("main-then {}", N.load(Relaxed));
    Ok(())
}

/// Fifty processes and fifty threads compute the same.
#[runtime::main]
#[expect(clippy::disallowed_methods, reason = "it is about the time of the machine")]
async fn fifty() -> Outcome {
    /// n to the power of n, as far as it fits.
    fn power(n: u64) -> u64 {
        (0..n).fold(1, |product: u64, _| product.wrapping_mul(n))
    }
    let begin = Instant::now();
    let processes = (0..50).map(|n| Process::spawn(power, n)).collect::<Result<Vec<_>, _>>()?;
    let mut by_processes = Vec::new();
    for process in &processes {
        by_processes.push(process.join().await?);
    }
    println!("processes {}", begin.elapsed().as_nanos());

    let begin = Instant::now();
    let threads: Vec<_> = (0..50).map(|n| std::thread::spawn(move || power(n))).collect();
    let by_threads: Vec<u64> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    println!("threads {}", begin.elapsed().as_nanos());
    println!("equal {}", by_processes == by_threads);
    println!("last {}", by_threads[49]);
    Ok(())
}

/// Three processes at once; then the end.
#[runtime::main]
#[expect(clippy::disallowed_methods, reason = "it is about the time of the machine")]
async fn three_at_once() -> Outcome {
    fn greet(name: String) {
        sleep_seconds(5.0);
        println!("hello {name}");
    }
    let begin = Instant::now();
    let processes = ["a", "b", "c"]
        .map(|name| Process::spawn(greet, name.to_owned()))
        .into_iter()
        .collect::<Result<Vec<_>, _>>()?;
    for process in processes {
        process.join().await?;
    }
    println!("end");
    println!("took {}", begin.elapsed().as_millis());
    Ok(())
}

/// What is a class with a method `run` elsewhere.
#[derive(Serialize, Deserialize)]
struct MyProcess {
    number: u32,
}

impl MyProcess {
    fn run(self) {
        sleep_seconds(1.0);
        println!("hello {} from number {}", process::current().name(), self.number);
    }
}

#[runtime::main]
async fn with_a_struct() -> Outcome {
    let start = |number| {
        let name = format!("MyProcess-{number}");
        Process::builder().name(name).spawn(MyProcess::run, MyProcess { number })
    };
    let processes = (1..=3).map(start).collect::<Result<Vec<_>, _>>()?;
    for process in processes {
        process.join().await?;
    }
    println!("end");
    Ok(())
}

/// Who has started whom.
#[runtime::main]
async fn parents() -> Outcome {
    fn info(title: String) {
        let me = process::current();
        println!("{title} {} {} {} {:?}", me.name(), parent_id(), me.pid(), me.parent());
    }
    info("main".to_owned());
    let child = Process::spawn(info, "child".to_owned())?;
    child.join().await?;
    println!("it was {}", child.pid());
    Ok(())
}

/// Started, alive, killed, dead.
#[runtime::main]
async fn killed() -> Outcome {
    let process = Process::spawn(|| sleep_seconds(1e6), ())?;
    println!("alive {}", process.is_alive());
    println!("status {:?}", process.exit_status());
    process.kill()?;
    println!(
        "error {}",
        process.join().await.unwrap_err().to_string().replace(&process.pid().to_string(), "N")
    );
    println!("alive {}", process.is_alive());
    println!("status {}", process.exit_status().unwrap());
    process.kill()?;
    process.terminate()?;
    Ok(())
}

/// What there is to ask a process.
#[runtime::main]
async fn attributes() -> Outcome {
    fn work() -> (String, bool) {
        (process::current().name().to_owned(), process::current().is_daemon())
    }
    let processes = [
        Process::spawn(work, ())?,
        Process::builder().name("worker").spawn(work, ())?,
        Process::builder().daemon(true).spawn(work, ())?,
    ];
    for process in &processes {
        println!("{} {} {}", process.name(), process.is_daemon(), process.pid() != std::process::id());
    }
    for process in &processes {
        println!("{:?} {}", process.join().await?, process.is_alive());
    }
    Ok(())
}

/// Processes that depend on each other's results, one after the other.
#[runtime::main]
async fn in_turn() -> Outcome {
    let mut n = 1;
    for _ in 0..5 {
        n = Process::spawn(|n: u32| n * 3, n)?.join().await?;
    }
    println!("{n}");
    Ok(())
}
