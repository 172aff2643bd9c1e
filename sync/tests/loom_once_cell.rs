//! Model checks of the shared `OnceCell` and `Promise`: one value, made once, and seen whole by all who waited.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p runtime-sync --release --test loom_once_cell`
#![cfg(loom)]
#![allow(clippy::arc_with_non_send_sync, reason = "loom's threads are one thread in truth")]

mod models;

use models::{Exclusive, beside, block_on, give_up, model};
use runtime_sync::shared::{OnceCell, Promise};
use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

fn made() -> Exclusive {
    let value = Exclusive::default();
    value.change();
    value
}

#[test]
fn it_is_made_once() {
    model(|| {
        let cell = Arc::new(OnceCell::new());
        let made_by = Arc::new(AtomicUsize::new(0));
        let threads = [(); 2].map(|()| {
            let (cell, made_by) = (Arc::clone(&cell), Arc::clone(&made_by));
            beside(move || {
                let make = async || {
                    made_by.fetch_add(1, Relaxed);
                    made()
                };
                block_on(cell.get_or_init(make)).look();
            })
        });
        cell.get().into_iter().for_each(Exclusive::look);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(made_by.load(Relaxed), 1);
    });
}

#[test]
fn one_who_gives_up_making_it_leaves_it_to_the_next() {
    model(|| {
        let cell = Arc::new(OnceCell::new());
        let (leaving, staying) = (Arc::clone(&cell), Arc::clone(&cell));
        let leaves = beside(move || {
            give_up(leaving.get_or_init(async || pending::<Exclusive>().await))
                .into_iter()
                .for_each(Exclusive::look);
        });
        let stays = beside(move || block_on(staying.get_or_init(async || made())).look());
        block_on(cell.get_or_init(async || made())).look();
        leaves.join().unwrap();
        stays.join().unwrap();
    });
}

#[test]
fn set_against_making_it() {
    model(|| {
        let cell = Arc::new(OnceCell::new());
        let other = Arc::clone(&cell);
        let thread = beside(move || other.set(made()).is_ok());
        let mut made_here = false;
        block_on(cell.get_or_init(async || {
            made_here = true;
            made()
        }))
        .look();
        assert!(thread.join().unwrap() != made_here);
    });
}

#[test]
fn a_promise_is_kept_to_all_who_wait() {
    model(|| {
        let promise = Arc::new(Promise::<Exclusive>::new());
        let threads = [(); 2].map(|()| {
            let promise = Arc::clone(&promise);
            beside(move || block_on(promise.wait()).look())
        });
        assert!(promise.set(made()).is_ok());
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn a_promise_is_kept_once() {
    model(|| {
        let promise = Arc::new(Promise::<Exclusive>::new());
        let other = Arc::clone(&promise);
        let thread = beside(move || other.set(made()).is_ok());
        let mine = promise.set(made()).is_ok();
        block_on(promise.wait()).look();
        assert!(thread.join().unwrap() != mine);
    });
}
