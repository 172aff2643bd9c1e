//! Model checks of the shared `Barrier`: all arrive or none passes, and nobody is left behind.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p runtime-sync --release --test loom_barrier`
#![cfg(loom)]

mod models;

use loom::sync::atomic::AtomicUsize;
use models::{beside, block_on, give_up, model};
use runtime_sync::{barrier::Broken, shared::Barrier};
use std::sync::{Arc, atomic::Ordering::Relaxed};

#[test]
fn three_wait_for_each_other() {
    model(|| {
        let barrier = Arc::new(Barrier::new(3));
        let arrived = Arc::new(AtomicUsize::new(0));
        let pass = |barrier: &Barrier, arrived: &AtomicUsize| {
            arrived.fetch_add(1, Relaxed);
            let index = block_on(barrier.wait()).unwrap();
            assert_eq!(arrived.load(Relaxed), 3);
            index
        };
        let threads = [(); 2].map(|()| {
            let (barrier, arrived) = (Arc::clone(&barrier), Arc::clone(&arrived));
            beside(move || pass(&barrier, &arrived))
        });
        let mut indices = vec![pass(&barrier, &arrived)];
        indices.extend(threads.into_iter().map(|thread| thread.join().unwrap()));
        indices.sort_unstable();
        assert_eq!(indices, [0, 1, 2]);
    });
}

#[test]
fn two_go_round_twice() {
    model(|| {
        let barrier = Arc::new(Barrier::new(2));
        let other = Arc::clone(&barrier);
        let twice =
            |barrier: &Barrier| [block_on(barrier.wait()).unwrap(), block_on(barrier.wait()).unwrap()];
        let thread = beside(move || twice(&other));
        let mine = twice(&barrier);
        let theirs = thread.join().unwrap();
        assert!(mine[0] != theirs[0] && mine[1] != theirs[1]);
    });
}

/// Once all had arrived, it no longer matters that one of them gives up without having taken notice.
#[test]
fn one_who_gives_up_counts_only_if_all_were_there() {
    model(|| {
        let barrier = Arc::new(Barrier::new(2));
        let (leaving, staying) = (Arc::clone(&barrier), Arc::clone(&barrier));
        let leaves = beside(move || give_up(leaving.wait()));
        let stays = beside(move || block_on(staying.wait()));
        let left = leaves.join().unwrap();
        barrier.abort();
        let stayed = stays.join().unwrap();
        assert!(stayed.is_ok() || left != Some(Ok(1)), "who came last says that all were there");
        assert_eq!(barrier.waiting(), 0);
    });
}

#[test]
fn abort_against_arrival() {
    model(|| {
        let barrier = Arc::new(Barrier::new(2));
        let (one, two) = (Arc::clone(&barrier), Arc::clone(&barrier));
        let threads = [one, two].map(|barrier| beside(move || block_on(barrier.wait())));
        barrier.abort();
        let results = threads.map(|thread| thread.join().unwrap());
        assert_eq!(results[0] == Err(Broken), results[1] == Err(Broken), "both pass or neither");
        assert!(barrier.is_broken());
    });
}
