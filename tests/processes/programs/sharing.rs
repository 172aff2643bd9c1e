//! Memory, locks and signs that processes share.

use super::{Program, SECOND, programs, sleep_seconds};
use runtime::process::{self, Barrier, Event, Lock, LockError, Process, Semaphore, SharedArray, SharedValue};
use std::{
    error::Error,
    io::{Write, stdout},
    process::id,
};

pub(super) const ALL: &[Program] = programs![
    an_array,
    values_of_types,
    a_counter,
    whole_lines,
    holder_is_killed,
    gate,
    so_many_at_once,
    all_together,
];

type Outcome = Result<(), Box<dyn Error>>;

/// Each of five processes fills its own place of one array.
#[runtime::main]
async fn an_array() -> Outcome {
    fn fill(array: SharedArray<i32>, place: usize) {
        array.set(place, 1);
    }
    let array = SharedArray::new(5)?;
    println!("{:?}", array.to_vec());
    let start = |place| Process::spawn(fill, (array.clone(), place));
    for process in (0..5).map(start).collect::<Result<Vec<_>, _>>()? {
        process.join().await?;
    }
    println!("{:?}", array.to_vec());
    Ok(())
}

/// Numbers, a character and a flag, changed over there while this process looks: nothing is copied. And what an array refuses.
#[runtime::main]
async fn values_of_types() -> Outcome {
    type Values = (SharedValue<i32>, SharedValue<f64>, SharedValue<char>, SharedValue<bool>);
    async fn change(
        (number, half, letter, flag): Values,
        array: SharedArray<i32>,
        seen: Event,
        go_on: Event,
    ) -> String {
        number.set(number.get() - 8);
        half.update(|half| half / 2.0);
        letter.set('ß');
        array.fetch_add(4, i32::MIN);
        seen.set().unwrap();
        go_on.wait().await.unwrap();
        let sum = array.with_lock(|array| array.to_vec().iter().map(|&n| i64::from(n)).sum::<i64>()).await;
        format!("{} {}", flag.get(), sum.unwrap())
    }
    let values: Values =
        (SharedValue::new(7)?, SharedValue::new(3.5)?, SharedValue::new('s')?, SharedValue::new(false)?);
    let array = SharedArray::<i32>::new(5)?; // `Array("i", 5)`
    let (seen, go_on) = (Event::new()?, Event::new()?);
    let process = Process::spawn(change, (values.clone(), array.clone(), seen.clone(), go_on.clone()))?;
    seen.wait().await?;
    println!("{} {} {} {:?}", values.0.get(), values.1.get(), values.2.get(), array.to_vec());
    values.3.set(true);
    array.set(4, -1);
    array.set(0, i32::MAX);
    go_on.set()?;
    println!("{}", process.join().await?);

    println!("{:?} of {}", array.get(5), array.len());
    let error =
        Process::spawn(|array: SharedArray<i32>| array.set(5, 1), array.clone())?.join().await.unwrap_err();
    println!("refused {}", error.to_string().contains("5"));
    println!("{:?}", array.to_vec());
    Ok(())
}

/// A number that is read, kept for a moment, and written: ten processes, ten times each, with a lock and without.
#[runtime::main]
async fn a_counter() -> Outcome {
    fn count(n: SharedValue<u32>, begin: Barrier, with_lock: bool) {
        let add = |n: &SharedValue<u32>| {
            let seen = n.get();
            sleep_seconds(0.01);
            n.set(seen + 1);
        };
        begin.blocking_wait().unwrap();
        for _ in 0..10 {
            if with_lock { n.blocking_with_lock(add).unwrap() } else { add(&n) }
        }
    }
    for with_lock in [true, false] {
        let (n, begin) = (SharedValue::new(0)?, Barrier::new(10)?);
        let start = |_| Process::spawn(count, (n.clone(), begin.clone(), with_lock));
        for process in (0..10).map(start).collect::<Result<Vec<_>, _>>()? {
            process.join().await?;
        }
        println!("{with_lock} {}", n.get());
    }
    Ok(())
}

/// Lines that take many writes each, and come out whole.
#[runtime::main]
async fn whole_lines() -> Outcome {
    fn say(lock: Lock, n: u32) {
        let _whole = lock.blocking_acquire().unwrap();
        let mut out = stdout().lock();
        for word in ["hello world", &n.to_string(), &"x".repeat(10_000), "end\n"] {
            write!(out, "{word} ").unwrap();
            out.flush().unwrap();
        }
    }
    let lock = Lock::new()?;
    for process in (0..10).map(|n| Process::spawn(say, (lock.clone(), n))).collect::<Result<Vec<_>, _>>()? {
        process.join().await?;
    }
    Ok(())
}

/// Whoever comes next is told, and goes on.
#[runtime::main]
async fn holder_is_killed() -> Outcome {
    fn hold(lock: Lock, held: Event) {
        let _guard = lock.blocking_acquire().unwrap();
        held.set().unwrap();
        sleep_seconds(1e6);
    }
    async fn wait(lock: Lock) -> bool {
        matches!(lock.acquire().await, Err(LockError::OwnerDied(_)))
    }
    let (lock, held) = (Lock::new()?, Event::new()?);
    let holder = Process::spawn(hold, (lock.clone(), held.clone()))?;
    held.wait().await?;
    let waiter = Process::spawn(wait, lock.clone())?;
    assert!(waiter.join_timeout(SECOND).await.is_err());
    holder.kill()?;
    println!("died {}", waiter.join().await?);
    Ok(())
}

/// A parent opens a gate for its children: the boss and the workers.
#[runtime::main]
async fn gate() -> Outcome {
    fn work(gate: Event) {
        gate.blocking_wait().unwrap();
        println!("worker: oh, what a life");
    }
    let gate = Event::new()?;
    let workers = (0..5).map(|_| Process::spawn(work, gate.clone())).collect::<Result<Vec<_>, _>>()?;
    println!("boss: {}", gate.is_set());
    gate.set()?;
    for worker in workers {
        worker.join().await?;
    }
    println!("boss: {}", gate.is_set());
    Ok(())
}

/// Ten processes, of whom three at a time have a permit.
#[runtime::main]
async fn so_many_at_once() -> Outcome {
    fn enter(permits: Semaphore, inside: SharedValue<i32>, most: SharedValue<i32>) {
        let _permit = permits.blocking_acquire().unwrap();
        let now = inside.fetch_add(1) + 1;
        most.update(|most| most.max(now));
        sleep_seconds(0.5);
        inside.update(|inside| inside - 1);
    }
    let (permits, inside, most) = (Semaphore::new(3)?, SharedValue::new(0)?, SharedValue::new(0)?);
    let start = |_| Process::spawn(enter, (permits.clone(), inside.clone(), most.clone()));
    for process in (0..10).map(start).collect::<Result<Vec<_>, _>>()? {
        process.join().await?;
    }
    println!("inside {}", inside.get());
    println!("most {}", most.get());
    println!("permits {}", permits.available_permits());
    Ok(())
}

/// Nobody goes on before all are there.
#[runtime::main]
async fn all_together() -> Outcome {
    fn meet(barrier: Barrier, order: SharedValue<u32>) -> (u32, bool, u32) {
        assert_ne!(Some(id()), process::current().parent());
        let came = order.fetch_add(1);
        let leads = barrier.blocking_wait().unwrap() == 0;
        (came, leads, order.get())
    }
    let (barrier, order) = (Barrier::new(4)?, SharedValue::new(0)?);
    let start = |_| Process::spawn(meet, (barrier.clone(), order.clone()));
    let mut met = Vec::new();
    for process in (0..4).map(start).collect::<Result<Vec<_>, _>>()? {
        met.push(process.join().await?);
    }
    met.sort_unstable();
    println!("came {:?}", met.iter().map(|(came, ..)| came).collect::<Vec<_>>());
    println!("leaders {}", met.iter().filter(|(_, leads, _)| *leads).count());
    println!("seen {:?}", met.iter().map(|(.., seen)| seen).collect::<Vec<_>>());
    Ok(())
}
