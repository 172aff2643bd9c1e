//! The smallest program worth reading: three tasks on one thread share an `Rc`, sleep at the same time, and are
//! joined.
//!
//! ```text
//! $ cargo run --quiet --example hello
//! Three guests set out.
//! Grace is here: 1 of 3.
//! Barbara is here: 2 of 3.
//! Ada is here: 3 of 3.
//! In the order of the invitations: Ada took 30 ms, Grace took 10 ms, Barbara took 20 ms.
//! ```

use runtime::{join_all, spawn, time::sleep};
use std::{cell::Cell, rc::Rc, time::Duration};

#[runtime::main]
async fn main() {
    // Tasks take turns only at an `.await`, so what they share needs neither `Arc` nor `Mutex`.
    let arrived = Rc::new(Cell::new(0));
    let guests = [("Ada", 30), ("Grace", 10), ("Barbara", 20)].map(|(name, ms)| {
        let arrived = Rc::clone(&arrived);
        spawn(async move {
            sleep(Duration::from_millis(ms)).await;
            arrived.set(arrived.get() + 1);
            println!("{name} is here: {} of 3.", arrived.get());
            format!("{name} took {ms} ms")
        })
    });

    println!("Three guests set out.");
    // Outputs come in the order of the input, whoever was first. A task that panics would be an `Err` here.
    let reports: Vec<String> =
        join_all(guests).await.into_iter().map(|guest| guest.expect("no guest panics")).collect();
    println!("In the order of the invitations: {}.", reports.join(", "));
}
