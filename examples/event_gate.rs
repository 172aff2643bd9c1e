//! A gate that is opened for everybody at once: five workers, a boss, and somebody who does not wait for ever.
//!
//! An `Event` wakes all who wait, in the order in which they came, and lets pass who comes later, until it is cleared
//! (Python's `threading.Event`). One event for two meetings, as here, works because everybody has cleared it, at one
//! second, long before the second meeting; two events would not depend on that. `wait_timeout` says whether it was
//! set in time.
//!
//! ```text
//! $ cargo run --quiet --example event_gate
//! 0 s: boss: everybody stays until ten
//! 0 s: Ada: oh dear
//! 0 s: Grace: oh dear
//! 0 s: Barbara: oh dear
//! 0 s: Mary: oh dear
//! 0 s: Jean: oh dear
//! 2 s: visitor: still closed?
//! 4 s: visitor: still closed?
//! 5 s: boss: it is ten, off you go
//! 5 s: Ada: oh yeah
//! 5 s: Grace: oh yeah
//! 5 s: Barbara: oh yeah
//! 5 s: Mary: oh yeah
//! 5 s: Jean: oh yeah
//! 5 s: visitor: there they are
//! ```
//!
//! The clock is paused, so these are virtual seconds: the program takes no time.

use runtime::{
    join_all, spawn,
    sync::Event,
    task::yield_now,
    time::{Instant, pause, sleep},
};
use std::{rc::Rc, time::Duration};

#[runtime::main]
async fn main() {
    pause();
    let start = Instant::now();
    let say = move |line: &str| println!("{} s: {line}", start.elapsed().as_secs());

    let gate = Rc::new(Event::new());
    let mut people: Vec<_> = ["Ada", "Grace", "Barbara", "Mary", "Jean"]
        .into_iter()
        .map(|name| {
            let gate = Rc::clone(&gate);
            spawn(async move {
                gate.wait().await;
                say(&format!("{name}: oh dear"));
                sleep(Duration::from_secs(1)).await;
                gate.clear();
                gate.wait().await;
                say(&format!("{name}: oh yeah"));
            })
        })
        .collect();
    yield_now().await; // they are all at the gate now

    say("boss: everybody stays until ten");
    gate.set();
    sleep(Duration::from_secs(2)).await;

    people.push({
        let gate = Rc::clone(&gate);
        spawn(async move {
            say("visitor: still closed?");
            while !gate.wait_timeout(Duration::from_secs(2)).await {
                say("visitor: still closed?");
            }
            say("visitor: there they are");
        })
    });

    sleep(Duration::from_secs(3)).await;
    say("boss: it is ten, off you go");
    gate.set();
    join_all(people).await;
}
