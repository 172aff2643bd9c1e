//! Noodles, a fork, and two locks taken in both orders: a deadlock, and two ways out of it.
//!
//! Python's lesson ends with "use an `RLock`". What helps is that *one* lock stands for the noodles and the fork, so
//! that nobody can have only one of them; it must be re-entrant because everybody takes it twice. With an `RLock` for
//! each there is the same deadlock, as the first table shows. Where all take their locks in the same order, two plain
//! `Lock`s do.
//!
//! ```text
//! $ cargo run --quiet --example dining
//! Two locks, in both orders:
//!   0 s: Ada has the noodles
//!   0 s: Ada has the fork, and eats
//!   0 s: Grace has the fork
//!   0 s: Barbara has the noodles
//!   3600 s: 3 of 4 still wait, and go home
//! One lock for both:
//!   0 s: Ada has the noodles
//!   0 s: Ada has the fork, and eats
//!   0 s: Grace has the fork
//!   1 s: Grace has the noodles, and eats
//!   1 s: Barbara has the noodles
//!   1 s: Barbara has the fork, and eats
//!   1 s: Mary has the fork
//!   2 s: Mary has the noodles, and eats
//! Two locks, in one order:
//!   0 s: Ada has the noodles
//!   0 s: Ada has the fork, and eats
//!   0 s: Grace has the noodles
//!   1 s: Grace has the fork, and eats
//!   1 s: Barbara has the noodles
//!   1 s: Barbara has the fork, and eats
//!   1 s: Mary has the noodles
//!   2 s: Mary has the fork, and eats
//! ```
//!
//! The clock is paused, so these are virtual seconds, and the hour takes no time.
//! On standard error the runtime names the two in the circle, and who stands behind them, in the moment in which it closes.

use runtime::{
    join_all, spawn,
    sync::RLock,
    time::{Instant, pause, sleep, timeout},
};
use std::{rc::Rc, time::Duration};

const LONG: Duration = Duration::from_secs(3600);

/// What one eats or eats with, and its lock.
#[derive(Clone)]
struct Thing(&'static str, Rc<RLock<()>>);

#[runtime::main]
async fn main() {
    pause();
    let lock = || Rc::new(RLock::new(()));

    println!("Two locks, in both orders:");
    let (noodles, fork) = (Thing("noodles", lock()), Thing("fork", lock()));
    dinner([[&noodles, &fork], [&fork, &noodles], [&noodles, &fork], [&fork, &noodles]]).await;

    println!("One lock for both:");
    let both = lock();
    let (noodles, fork) = (Thing("noodles", Rc::clone(&both)), Thing("fork", both));
    dinner([[&noodles, &fork], [&fork, &noodles], [&noodles, &fork], [&fork, &noodles]]).await;

    println!("Two locks, in one order:");
    let (noodles, fork) = (Thing("noodles", lock()), Thing("fork", lock()));
    dinner([[&noodles, &fork]; 4]).await;
}

/// Four guests; each takes two things, in the order given. Every other one enjoys the sight for a second in between.
async fn dinner(orders: [[&Thing; 2]; 4]) {
    let start = Instant::now();
    let say = move |line: String| println!("  {} s: {line}", start.elapsed().as_secs());

    let mut guests = Vec::new();
    for (number, [first, second]) in orders.into_iter().enumerate() {
        let name = ["Ada", "Grace", "Barbara", "Mary"][number];
        let (first, second) = (first.clone(), second.clone());
        guests.push(spawn(async move {
            let _first = first.1.acquire().await;
            say(format!("{name} has the {}", first.0));
            if number % 2 == 1 {
                sleep(Duration::from_secs(1)).await;
            }
            let _second = second.1.acquire().await;
            say(format!("{name} has the {}, and eats", second.0));
        }));
    }

    if timeout(LONG, join_all(&mut guests)).await.is_err() {
        let waiting: Vec<_> = guests.iter().filter(|guest| guest.cancel()).collect();
        say(format!("{} of {} still wait, and go home", waiting.len(), guests.len()));
    }
}
