//! What happened to readers-writer locks.

use crate::stage::{Task, now};
use runtime_sync::{
    flavour::Flavour,
    rwlock::{RwLock, RwLockReadGuard, RwLockWriteGuard},
};

both!(
    a_cancelled_writer_does_not_strand_the_readers_behind_it,
    a_writer_cancelled_with_the_lock_in_hand_does_not_strand_anyone,
    a_cancelled_reader_does_not_keep_the_writer_out,
    readers_do_not_starve_a_writer,
    one_reader_that_leaves_does_not_let_the_writer_in,
    the_end_of_writing_does_not_wake_only_one_reader,
    a_downgrade_does_not_let_another_writer_in_between,
    an_upgrade_that_fails_does_not_cost_the_reader_its_place,
    an_upgrade_does_not_leave_a_reader_behind,
);

/// tokio #2849's neighbourhood, vs-threading #259, AsyncEx #134: the writer at the head of the queue was cancelled, and
/// the readers behind it, whom nothing kept out any more, slept on.
fn a_cancelled_writer_does_not_strand_the_readers_behind_it<F: Flavour>() {
    let lock = RwLock::<_, F>::new(());
    let reader = now(lock.read());
    let writer = Task::waiting(lock.write());
    let mut readers: Vec<_> = (0..2).map(|_| Task::waiting(lock.read())).collect();
    let mut later = Task::waiting(lock.write());
    drop(writer);
    assert!(!later.is_woken());
    let guards: Vec<_> = readers.iter_mut().map(Task::ends).collect();
    drop((guards, reader));
    drop(later.ends());
}

/// tokio #1699: the same with a writer that had the lock already and did not know.
fn a_writer_cancelled_with_the_lock_in_hand_does_not_strand_anyone<F: Flavour>() {
    let lock = RwLock::<_, F>::new(());
    let guard = now(lock.write());
    let writer = Task::waiting(lock.write());
    let mut readers: Vec<_> = (0..2).map(|_| Task::waiting(lock.read())).collect();
    drop(guard);
    assert!(writer.is_woken() && lock.try_read().is_none());
    drop(writer);
    drop(readers.iter_mut().map(Task::ends).collect::<Vec<_>>());
    assert!(lock.try_write().is_some());
}

/// tokio #1699: a reader that was let in and dropped counted as reading for ever.
fn a_cancelled_reader_does_not_keep_the_writer_out<F: Flavour>() {
    let lock = RwLock::<_, F>::new(());
    let guard = now(lock.write());
    let reader = Task::waiting(lock.read());
    let mut writer = Task::waiting(lock.write());
    drop(guard);
    assert!(reader.is_woken());
    drop(reader);
    drop(writer.ends());
}

/// async-lock's and tokio's `RwLock` before it was fair: readers who came and went in turns kept a writer out.
fn readers_do_not_starve_a_writer<F: Flavour>() {
    let lock = RwLock::<_, F>::new(());
    let reader = now(lock.read());
    let mut writer = Task::waiting(lock.write());
    assert!(lock.try_read().is_none());
    let mut newcomer = Task::waiting(lock.read());
    drop(reader);
    assert!(!newcomer.is_woken());
    drop(writer.ends());
    drop(newcomer.ends());
}

/// Two holders where one of them writes (asyncio, bpo-32734, in its dearest form).
fn one_reader_that_leaves_does_not_let_the_writer_in<F: Flavour>() {
    let lock = RwLock::<_, F>::new(());
    let (one, two) = (now(lock.read()), now(lock.read()));
    let mut writer = Task::waiting(lock.write());
    drop(one);
    assert!(!writer.is_woken() && lock.try_write().is_none());
    drop(two);
    let _guard = writer.ends();
    assert!(lock.try_read().is_none() && lock.try_write().is_none());
}

/// asyncio, #93222: what was released would have done for many, and one was woken.
fn the_end_of_writing_does_not_wake_only_one_reader<F: Flavour>() {
    let lock = RwLock::<_, F>::new(());
    let guard = now(lock.write());
    let mut readers: Vec<_> = (0..3).map(|_| Task::waiting(lock.read())).collect();
    let mut writer = Task::waiting(lock.write());
    let mut behind = Task::waiting(lock.read());
    drop(guard);
    let guards: Vec<_> = readers.iter_mut().map(Task::ends).collect();
    assert!(!writer.is_woken() && !behind.is_woken());
    drop(guards);
    drop(writer.ends());
    drop(behind.ends());
}

/// What a downgrade is for: between writing and reading nobody else writes.
fn a_downgrade_does_not_let_another_writer_in_between<F: Flavour>() {
    let lock = RwLock::<_, F>::new(0);
    let mut guard = now(lock.write());
    let mut reader = Task::waiting(lock.read());
    let mut writer = Task::waiting(lock.write());
    *guard = 7;
    let guard = RwLockWriteGuard::downgrade(guard);
    assert_eq!(*reader.ends(), 7);
    assert!(!writer.is_woken() && lock.try_write().is_none());
    assert_eq!(*guard, 7);
    drop(guard);
    *writer.ends() += 1;
    assert_eq!(*now(lock.read()), 8);
}

/// tokio #904, in this guise: what was taken on trial was not given back when the rest could not be had.
fn an_upgrade_that_fails_does_not_cost_the_reader_its_place<F: Flavour>() {
    let lock = RwLock::<_, F>::new(());
    let (one, two) = (now(lock.read()), now(lock.read()));
    let one = RwLockReadGuard::try_upgrade(one).expect_err("there is another reader");
    assert!(lock.try_write().is_none());
    drop(two);
    assert!(lock.try_write().is_none(), "the first still reads");
    drop(one);
    assert!(lock.try_write().is_some());
}

/// The other way round: what the reader had is part of what the writer gives back, once.
fn an_upgrade_does_not_leave_a_reader_behind<F: Flavour>() {
    let lock = RwLock::<_, F>::new(0);
    let mut guard = RwLockReadGuard::try_upgrade(now(lock.read())).expect("there is no other reader");
    assert!(lock.try_read().is_none());
    let mut waiter = Task::waiting(lock.write());
    *guard += 1;
    drop(guard);
    let mut guard = waiter.ends();
    *guard += 1;
    assert!(lock.try_read().is_none());
}
