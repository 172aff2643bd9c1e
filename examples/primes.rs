//! Counts prime numbers with a process for each core: the same work once in this process, and once shared out.
//!
//! The processes take pieces of the work from one queue, so nobody is idle while there is any, however the pieces differ; what
//! each has found is its result. A daemon, a process that ends with the program, shows how much is left.
//!
//! ```text
//! $ cargo run --release --quiet --example primes -- 20000000
//! alone: 1270607 primes below 20000000, in 4.71 s
//! Process-1 has found 639530 in 62 pieces
//! Process-2 has found 631077 in 66 pieces
//! 2 processes: 1270607 primes below 20000000, in 2.41 s
//! ```

use runtime::{
    join_all,
    process::{self, Process, Queue},
    time::{Instant, interval},
};
use std::{
    env,
    error::Error,
    io::{IsTerminal, stderr},
    iter,
    num::NonZero,
    ops::Range,
    thread,
    time::Duration,
};

/// Far more than there are processes, as the high ones take longer.
const PIECES: u64 = 128;

#[runtime::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let below = arguments.next().map_or(Ok(2_000_000), |below| below.parse())?;
    let processes = match arguments.next() {
        Some(processes) => processes.parse()?,
        None => thread::available_parallelism().map_or(1, NonZero::get),
    };

    let begin = Instant::now();
    let found = primes_in(0..below);
    println!("alone: {found} primes below {below}, in {:.2} s", begin.elapsed().as_secs_f64());

    let begin = Instant::now();
    let work = Queue::unbounded()?;
    // What a process is given is moved there, so it is given a clone.
    let start = |_| Process::spawn(count, work.clone());
    let workers = (0..processes).map(start).collect::<Result<Vec<_>, _>>()?;
    Process::builder().daemon(true).spawn(watch, work.clone())?;
    let length = below.div_ceil(PIECES).max(1);
    for from in (0..PIECES).map(|piece| piece * length) {
        work.put(from.min(below)..below.min(from + length)).await?;
    }
    // Nothing more will come: whoever finds nothing in there from now on is told so, and ends.
    work.close()?;

    let mut sum = 0;
    for (worker, joined) in workers.iter().zip(join_all(workers.iter().map(Process::join)).await) {
        let (found, pieces) = joined?;
        println!("{} has found {found} in {pieces} pieces", worker.name());
        sum += found;
    }
    println!("{processes} processes: {sum} primes below {below}, in {:.2} s", begin.elapsed().as_secs_f64());
    Ok(())
}

/// What each process does: a plain function, which waits with its thread, as that has nothing else to do.
fn count(work: Queue<Range<u64>>) -> (usize, usize) {
    let pieces = iter::from_fn(move || work.blocking_get().ok());
    pieces.fold((0, 0), |(found, pieces), piece| (found + primes_in(piece), pieces + 1))
}

/// Never returns, and need not: it ends with `main`.
async fn watch(work: Queue<Range<u64>>) {
    let mut ticks = interval(Duration::from_millis(200));
    loop {
        ticks.tick().await;
        if stderr().is_terminal() {
            eprint!("\r{}: {} pieces are left ", process::current().name(), work.len());
        }
    }
}

fn primes_in(range: Range<u64>) -> usize {
    range.filter(|&n| is_prime(n)).count()
}

fn is_prime(n: u64) -> bool {
    n >= 2 && (2..).take_while(|divisor| divisor * divisor <= n).all(|divisor| !n.is_multiple_of(divisor))
}
