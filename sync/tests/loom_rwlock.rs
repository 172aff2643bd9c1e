//! Model checks of the shared `RwLock`: one writes or several read, and nobody sleeps on, whoever gives up.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p runtime-sync --release --test loom_rwlock`
#![cfg(loom)]
#![allow(clippy::arc_with_non_send_sync, reason = "loom's threads are one thread in truth")]

mod models;

use models::{Doze, Exclusive, beside, block_on, give_up, model};
use runtime_sync::shared::{RwLock, RwLockWriteGuard};
use std::sync::Arc;

fn lock() -> Arc<RwLock<Exclusive>> {
    Arc::new(RwLock::new(Exclusive::default()))
}

#[test]
fn a_writer_and_two_readers() {
    model(|| {
        let lock = lock();
        let readers = [(); 2].map(|()| {
            let lock = Arc::clone(&lock);
            beside(move || block_on(lock.read()).look())
        });
        block_on(lock.write()).change();
        readers.into_iter().for_each(|reader| reader.join().unwrap());
        assert!(lock.try_write().is_some());
    });
}

#[test]
fn two_writers_and_a_reader() {
    model(|| {
        let lock = lock();
        let writers = [(); 2].map(|()| {
            let lock = Arc::clone(&lock);
            beside(move || block_on(lock.write()).change())
        });
        block_on(lock.read()).look();
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        assert!(lock.try_write().is_some());
    });
}

#[test]
fn a_writer_that_gives_up_lets_the_readers_behind_it_in() {
    model(|| {
        let lock = lock();
        let reading = lock.try_read().unwrap();
        let (writing, behind) = (Arc::clone(&lock), Arc::clone(&lock));
        let writer = beside(move || drop(give_up(writing.write()).inspect(|guard| guard.change())));
        let reader = beside(move || block_on(behind.read()).look());
        writer.join().unwrap();
        reader.join().unwrap(); // while we read
        reading.look();
        drop(reading);
        assert!(lock.try_write().is_some());
    });
}

#[test]
fn a_writer_gives_up_while_it_is_let_in() {
    model(|| {
        let lock = lock();
        let reading = Arc::clone(&lock).try_read_owned().unwrap();
        let mut write = lock.write();
        let mut read = lock.read();
        let bell = Doze::new();
        assert!(Doze::new().poll(&mut write).is_pending());
        assert!(bell.poll(&mut read).is_pending());
        let thread = beside(move || drop(reading));
        drop(write);
        bell.finish(&mut read).look();
        thread.join().unwrap();
        assert!(lock.try_write().is_some());
    });
}

#[test]
fn a_downgrade_lets_readers_in_and_nobody_else() {
    model(|| {
        let lock = lock();
        let writing = lock.try_write().unwrap();
        let (reading, other) = (Arc::clone(&lock), Arc::clone(&lock));
        let reader = beside(move || block_on(reading.read()).look());
        let writer = beside(move || block_on(other.write()).change());
        writing.change();
        let still = RwLockWriteGuard::downgrade(writing);
        still.look();
        drop(still);
        reader.join().unwrap();
        writer.join().unwrap();
    });
}

#[test]
fn of_two_who_upgrade_one_at_most_can() {
    use runtime_sync::shared::RwLockReadGuard;
    model(|| {
        let lock = lock();
        let other = Arc::clone(&lock);
        let try_it = |lock: &RwLock<Exclusive>| {
            let reading = lock.try_read()?;
            reading.look();
            RwLockReadGuard::try_upgrade(reading).ok().map(|writing| writing.change())
        };
        let thread = beside(move || try_it(&other));
        let mine = try_it(&lock);
        let _ = (thread.join().unwrap(), mine);
        assert!(lock.try_write().is_some());
    });
}
