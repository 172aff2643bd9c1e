//! Code that stops in the middle, without a loop and without `async`: generators and greenlets.
//!
//! `cargo run --example generators` solves a puzzle of eight queens by a recursion that hands out what it finds, lets one
//! producer feed two consumers, and lets two functions take turns.

use runtime::greenlet::{Generator, Greenlet, Yielder};

/// Completes the rows so far in all ways, and hands each of them out: an ordinary recursion, which may be left anywhere.
fn queens(rows: &mut Vec<usize>, yielder: &Yielder<Vec<usize>>) {
    if rows.len() == 8 {
        yielder.yield_(rows.clone());
        return;
    }
    for column in 0..8 {
        let is_safe =
            |(row, &other): (usize, &usize)| other != column && other.abs_diff(column) != rows.len() - row;
        if rows.iter().enumerate().all(is_safe) {
            rows.push(column);
            queens(rows, yielder);
            rows.pop();
        }
    }
}

fn main() {
    // Only as far as it is asked.
    for rows in Generator::new(|yielder| queens(&mut Vec::new(), yielder)).take(3) {
        println!("queens in columns {rows:?}");
    }

    // A consumer is handed something for each time that it waits, so it has to wait first: `prime`. To `send` before that
    // does not compile.
    let mut consumers = ["c1", "c2"].map(|name| {
        let consumer = Generator::<(), u32>::new(move |yielder| {
            println!("[{name}] is ready to eat");
            loop {
                let baozi = yielder.yield_(());
                println!("[{name}] is eating baozi {baozi}");
            }
        });
        consumer.prime().0
    });
    for round in 0..2 {
        println!("[producer] is making baozi {} and {}", 2 * round, 2 * round + 1);
        for (baozi, consumer) in (2 * round..).zip(&mut consumers) {
            let _ = consumer.send(baozi);
        }
    }

    // Greenlets switch by name, whoever has called whom. What a `switch` gives is what the next one hands over.
    let pong = Greenlet::new(|mut ball: u32| {
        loop {
            println!("        pong {ball}");
            ball = Greenlet::main().switch(ball + 1);
        }
    });
    let mut ball = 1;
    while ball < 6 {
        println!("ping {ball}");
        ball = pong.switch(ball + 1);
    }
    pong.exit(0);
    assert!(pong.is_dead());
}
