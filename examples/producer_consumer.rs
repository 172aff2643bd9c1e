//! A baker, two guests, and a shelf with room for two buns: a bounded `Queue`, with `task_done`, `join` and `close`.
//!
//! As Python's `queue.Queue`: `put` waits while it is full, so that a baker who is faster than the guests does not bury
//! them; `get` waits while it is empty; `join` waits until every bun was not only taken but eaten. `close` is how the
//! guests learn that no more will come: they get what is left and then an error, where Python needs a `None` for each.
//!
//! ```text
//! $ cargo run --quiet --example producer_consumer
//! 1 s: baked 1
//! 1 s: Ada takes 1
//! 2 s: baked 2
//! 2 s: Grace takes 2
//! 3 s: baked 3
//! 4 s: baked 4
//! 5 s: baked 5, but there is no room
//! 6 s: Ada takes 3
//! 7 s: baked 6, but there is no room
//! 8 s: Grace takes 4
//! 11 s: Ada takes 5
//! 14 s: Grace takes 6
//! 20 s: all eaten
//! 20 s: Ada leaves
//! 20 s: Grace leaves
//! ```
//!
//! The clock is paused, so these are virtual seconds: the program takes no time.

use runtime::{
    join_all, spawn,
    sync::Queue,
    time::{Instant, pause, sleep},
};
use std::{rc::Rc, time::Duration};

const TO_BAKE: Duration = Duration::from_secs(1);

#[runtime::main]
async fn main() {
    pause();
    let start = Instant::now();
    let say = move |line: &str| println!("{} s: {line}", start.elapsed().as_secs());

    let shelf = Rc::new(Queue::bounded(2));
    let guests = [("Ada", 5), ("Grace", 6)].map(|(name, seconds_to_eat)| {
        let shelf = Rc::clone(&shelf);
        spawn(async move {
            while let Ok(bun) = shelf.get().await {
                say(&format!("{name} takes {bun}"));
                sleep(Duration::from_secs(seconds_to_eat)).await;
                shelf.task_done();
            }
            say(&format!("{name} leaves"));
        })
    });

    for bun in 1..=6 {
        sleep(TO_BAKE).await;
        say(&format!("baked {bun}{}", if shelf.is_full() { ", but there is no room" } else { "" }));
        shelf.put(bun).await.expect("it is open");
    }
    shelf.join().await;
    say("all eaten");
    shelf.close();
    join_all(guests).await;
}
