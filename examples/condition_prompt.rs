//! Ten tasks wait at a door; type how many keys to make, and so many get through. `q`, or the end of the input, ends it.
//!
//! A `Condition` has the lock of what it is about in it. Waiting hands the guard in and gets it back when the task was
//! notified and has its turn at the lock, so whoever is woken goes through alone. To wait without the lock does not
//! compile; in Python it is a `RuntimeError`, when it happens.
//!
//! ```text
//! $ printf '2\n0\nsome\n4\nq\n' | cargo run --quiet --example condition_prompt
//! Ten are at the door. How many keys? (q: no more)
//! *****
//! through the door: 0
//! through the door: 1
//! *****
//! `some` is not a number of keys
//! *****
//! through the door: 2
//! through the door: 3
//! through the door: 4
//! through the door: 5
//! 6 have gone through, 4 still wait
//! ```

use runtime::{spawn, spawn_blocking, sync::Condition};
use std::{io, rc::Rc};

const WAITERS: usize = 10;

#[runtime::main]
async fn main() -> io::Result<()> {
    // What the lock protects: how many have gone through.
    let door = Rc::new(Condition::new(0));
    for number in 0..WAITERS {
        let door = Rc::clone(&door);
        // Nobody waits for these tasks: those that are left are cancelled when `main` returns.
        spawn(async move {
            let mut gone_through = door.wait(door.lock().await).await;
            println!("through the door: {number}");
            *gone_through += 1;
        })
        .detach();
    }

    println!("Ten are at the door. How many keys? (q: no more)");
    loop {
        // Reading a terminal blocks the thread, so it is not for this one.
        let line = spawn_blocking(|| io::stdin().lines().next().transpose());
        let line = line.await.expect("reading does not panic")?;
        match line.as_deref().map(str::trim) {
            None | Some("q") => break,
            Some(line) => match line.parse() {
                Ok(keys) => {
                    door.notify(keys);
                    println!("*****");
                }
                Err(_) => println!("`{line}` is not a number of keys"),
            },
        }
    }

    let gone_through = *door.lock().await;
    println!("{gone_through} have gone through, {} still wait", WAITERS - gone_through);
    Ok(())
}
