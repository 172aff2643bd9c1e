//! Model checks of the shared `watch`: the last value is never missed, and nobody waits for what has happened.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p runtime-sync --release --test loom_watch`
#![cfg(loom)]

mod models;

use models::{beside, block_on, give_up, model};
use runtime_sync::shared::watch::{Closed, channel};
use std::sync::Arc;

#[test]
fn a_value_against_one_who_waits_for_it() {
    model(|| {
        let (sender, mut receiver) = channel(0);
        let thread = beside(move || {
            sender.send(1).unwrap();
            sender // which lives on: the value alone has to wake
        });
        assert_eq!(block_on(receiver.changed()), Ok(()));
        assert_eq!(*receiver.borrow(), 1);
        drop(thread.join().unwrap());
    });
}

#[test]
fn values_and_the_end_against_one_who_looks() {
    model(|| {
        let (sender, mut receiver) = channel(0);
        let thread = beside(move || {
            sender.send(1).unwrap();
            sender.send(2).unwrap();
        });
        let mut seen = vec![0];
        while block_on(receiver.changed()) == Ok(()) {
            seen.push(*receiver.borrow_and_update());
        }
        assert!(seen.is_sorted() && seen.last() == Some(&2));
        assert_eq!(receiver.has_changed(), Err(Closed));
        thread.join().unwrap();
    });
}

#[test]
fn two_who_wait_against_the_end() {
    model(|| {
        let (sender, receiver) = channel(0);
        let threads = [receiver.clone(), receiver]
            .map(|mut receiver| beside(move || assert_eq!(block_on(receiver.changed()), Err(Closed))));
        drop(sender);
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

#[test]
fn two_who_change_the_value() {
    model(|| {
        let (sender, receiver) = channel(0);
        let sender = Arc::new(sender);
        let other = Arc::clone(&sender);
        let thread = beside(move || other.send_modify(|value| *value += 1));
        sender.send_modify(|value| *value += 10);
        thread.join().unwrap();
        assert_eq!(*receiver.borrow(), 11);
    });
}

#[test]
fn a_value_against_one_who_gives_up() {
    model(|| {
        let (sender, mut receiver) = channel(0);
        let thread = beside(move || {
            sender.send(1).unwrap();
            sender
        });
        let got = give_up(receiver.changed());
        let sender = thread.join().unwrap();
        assert_eq!(receiver.has_changed(), Ok(got.is_none()), "seen, or still to be seen");
        drop(sender);
    });
}

#[test]
fn values_against_one_who_waits_for_one_of_them() {
    model(|| {
        let (sender, mut receiver) = channel(0);
        let thread = beside(move || {
            sender.send(1).unwrap();
            sender.send(2).unwrap();
            sender
        });
        assert_eq!(*block_on(receiver.wait_for(|value| *value == 2)).unwrap(), 2);
        drop(thread.join().unwrap());
    });
}

#[test]
fn the_last_receiver_goes_while_the_sender_waits_for_it() {
    model(|| {
        let (sender, receiver) = channel(0);
        let other = receiver.clone();
        let threads = [receiver, other].map(|receiver| beside(move || drop(receiver)));
        block_on(sender.closed());
        assert_eq!(sender.send(1).unwrap_err().0, 1);
        for thread in threads {
            thread.join().unwrap();
        }
    });
}
