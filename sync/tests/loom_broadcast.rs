//! Model checks of the shared `broadcast`: every value is received once by everybody, or counted as missed.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p runtime-sync --release --test loom_broadcast`
#![cfg(loom)]

mod models;

use models::{beside, block_on, give_up, model};
use runtime_sync::shared::broadcast::{Receiver, RecvError, TryRecvError, channel};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

/// Receives to the end: what came, and how many were missed.
fn drain(mut receiver: Receiver<u32>) -> (Vec<u32>, u64) {
    let (mut got, mut missed) = (Vec::new(), 0);
    loop {
        match block_on(receiver.recv()) {
            Ok(value) => got.push(value),
            Err(RecvError::Lagged(more)) => missed += more,
            Err(RecvError::Closed) => return (got, missed),
        }
    }
}

#[test]
fn values_and_the_end_against_one_who_receives() {
    model(|| {
        let (sender, receiver) = channel(2);
        let thread = beside(move || {
            assert_eq!(sender.send(1), Ok(1));
            assert_eq!(sender.send(2), Ok(1));
        });
        assert_eq!(drain(receiver), (vec![1, 2], 0));
        thread.join().unwrap();
    });
}

#[test]
fn a_value_against_two_who_receive() {
    model(|| {
        let (sender, receiver) = channel(1);
        let other = receiver.resubscribe();
        let threads = [receiver, other].map(|receiver| beside(move || drain(receiver)));
        assert_eq!(sender.send(1), Ok(2));
        drop(sender);
        for thread in threads {
            assert_eq!(thread.join().unwrap(), (vec![1], 0));
        }
    });
}

#[test]
fn more_values_than_there_is_room_for() {
    model(|| {
        let (sender, receiver) = channel(1);
        let thread = beside(move || {
            for value in 1..=3 {
                assert_eq!(sender.send(value), Ok(1));
            }
        });
        let (got, missed) = drain(receiver);
        assert_eq!(got.len() as u64 + missed, 3);
        assert!(got.is_sorted() && got.last() == Some(&3));
        thread.join().unwrap();
    });
}

#[test]
fn two_senders_against_one_who_receives() {
    model(|| {
        let (sender, receiver) = channel(2);
        let other = sender.clone();
        let threads = [(sender, 1), (other, 2)]
            .map(|(sender, value)| beside(move || assert_eq!(sender.send(value), Ok(1))));
        let (mut got, missed) = drain(receiver);
        got.sort_unstable();
        assert_eq!((got, missed), (vec![1, 2], 0));
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

#[test]
fn a_value_against_one_who_gives_up() {
    model(|| {
        let (sender, mut receiver) = channel(1);
        let thread = beside(move || sender.send(1).unwrap());
        let got = give_up(receiver.recv());
        thread.join().unwrap();
        match got {
            Some(got) => assert_eq!(got, Ok(1)),
            None => assert_eq!(receiver.try_recv(), Ok(1), "it waits for the next attempt"),
        }
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
    });
}

#[test]
fn a_value_against_one_who_comes_and_one_who_goes() {
    model(|| {
        let (sender, receiver) = channel(1);
        let stays = receiver.resubscribe();
        let thread = beside(move || {
            let late = receiver.resubscribe();
            drop(receiver);
            late
        });
        let receivers = sender.send(1).unwrap();
        drop(sender);
        let (late, missed) = drain(thread.join().unwrap());
        match receivers {
            2 => assert!(late.is_empty() || late == [1], "sent before the one came, or after the other went"),
            _ => assert_eq!((receivers, late), (3, vec![1])),
        }
        assert_eq!(missed, 0);
        assert_eq!(drain(stays), (vec![1], 0));
    });
}

/// A value that counts how many of it there were, and how many are gone.
struct Copied(Arc<(AtomicUsize, AtomicUsize)>);

impl Clone for Copied {
    fn clone(&self) -> Self {
        self.0.0.fetch_add(1, Relaxed);
        Self(Arc::clone(&self.0))
    }
}

impl Drop for Copied {
    fn drop(&mut self) {
        self.0.1.fetch_add(1, Relaxed);
    }
}

#[test]
fn the_last_two_readers_of_a_value() {
    model(|| {
        let counts = Arc::new((AtomicUsize::new(1), AtomicUsize::new(0)));
        let (sender, mut receiver) = channel(1);
        let mut other = receiver.resubscribe();
        assert!(sender.send(Copied(Arc::clone(&counts))).is_ok());
        let thread = beside(move || drop(other.try_recv().ok().unwrap()));
        drop(receiver.try_recv().ok().unwrap());
        thread.join().unwrap();
        assert!(sender.is_empty());
        let (copies, gone) = (counts.0.load(Relaxed), counts.1.load(Relaxed));
        assert_eq!(copies, gone);
        assert!(
            (2..=3).contains(&copies),
            "one of them takes the value itself, unless both look at it at once"
        );
    });
}

#[test]
fn a_value_against_the_drop_of_the_only_receiver() {
    model(|| {
        let counts = Arc::new((AtomicUsize::new(1), AtomicUsize::new(0)));
        let (sender, receiver) = channel(1);
        let value = Copied(Arc::clone(&counts));
        let thread = beside(move || sender.send(value).err().map(|refused| refused.0));
        drop(receiver);
        let back = thread.join().unwrap();
        assert_eq!(counts.1.load(Relaxed), usize::from(back.is_none()));
    });
}

#[test]
fn the_last_sender_goes_while_one_begins_to_wait() {
    model(|| {
        let (sender, mut receiver) = channel::<u8>(1);
        let other = sender.clone();
        let thread = beside(move || drop(sender));
        drop(other);
        assert_eq!(block_on(receiver.recv()), Err(RecvError::Closed));
        thread.join().unwrap();
    });
}
