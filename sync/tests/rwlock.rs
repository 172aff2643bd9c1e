//! Stories of `RwLock`: who may be in together, who comes next, and what a guard may become.

mod stories;

use runtime_sync::{
    Elapsed, Kind,
    flavour::{Flavour, Shared},
    rwlock::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock, RwLockReadGuard, RwLockWriteGuard},
};
use std::{
    cell::Cell,
    rc::Rc,
    sync::{
        Arc, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};
use stories::{Task, advance, in_both_flavours, is, now, open_waits, tired, with_services, woken};

in_both_flavours!(
    many_read_at_once_and_one_writes_alone,
    a_reader_does_not_overtake_a_writer_that_waits,
    readers_that_stand_together_are_let_in_together,
    a_writer_that_gives_up_admits_the_readers_behind_it,
    a_writer_between_readers_that_gives_up_lets_nobody_past_the_next_writer,
    a_reader_that_gives_up_lets_the_writer_behind_it_in,
    a_granted_writer_that_is_dropped_admits_who_is_next,
    granted_readers_that_are_dropped_leave_the_rest_in,
    a_downgrade_lets_readers_in_and_no_writer,
    an_upgrade_is_for_who_reads_alone_while_nobody_waits,
    trying_does_not_barge,
    a_limit_gives_the_place_up,
    waits_say_what_for_and_who_writes,
    a_task_with_nothing_left_to_spend_gives_way_and_takes_nothing,
    a_panic_of_the_holder_releases,
    it_costs_at_most_a_line_of_the_cache_besides_its_value,
);

fn many_read_at_once_and_one_writes_alone<F: Flavour>() {
    let lock = RwLock::<_, F>::new(1);
    let readers = [now(lock.read()), now(lock.read()), lock.try_read().unwrap()];
    assert_eq!(readers.iter().map(|guard| **guard).sum::<i32>(), 3);
    let writer = Task::waiting(lock.write());
    let [one, two, three] = readers;
    drop((one, three));
    assert!(!writer.is_woken(), "one still reads");
    drop(two);
    let mut guard = writer.ends();
    *guard = 7;
    let reader = Task::waiting(lock.read());
    let other = Task::waiting(lock.write());
    drop(guard);
    assert!(!other.is_woken());
    assert_eq!(*reader.ends(), 7);
    drop(other.ends());
}

fn a_reader_does_not_overtake_a_writer_that_waits<F: Flavour>() {
    let lock = RwLock::<_, F>::new(());
    let first = now(lock.read());
    let writer = Task::waiting(lock.write());
    let late = Task::waiting(lock.read());
    assert!(lock.try_read().is_none());
    drop(first);
    assert!(!late.is_woken());
    drop(writer.ends());
    drop(late.ends());
}

fn readers_that_stand_together_are_let_in_together<F: Flavour>() {
    let lock = RwLock::<_, F>::new(());
    let writer = now(lock.write());
    let mut queue: Vec<_> = (0..3).map(|_| Task::waiting(lock.read())).collect();
    let next_writer = Task::waiting(lock.write());
    queue.push(Task::waiting(lock.read()));
    drop(writer);
    assert_eq!(woken(&queue), [0, 1, 2]);
    let last = queue.pop().unwrap();
    let guards: Vec<_> = queue.into_iter().map(Task::ends).collect();
    assert!(!next_writer.is_woken());
    drop(guards);
    drop(next_writer.ends());
    drop(last.ends());
}

/// tokio #2849: a cancelled writer left the readers behind it asleep.
fn a_writer_that_gives_up_admits_the_readers_behind_it<F: Flavour>() {
    let lock = RwLock::<_, F>::new(());
    let reading = now(lock.read());
    let writer = Task::waiting(lock.write());
    let behind: Vec<_> = (0..3).map(|_| Task::waiting(lock.read())).collect();
    let last = Task::waiting(lock.write());
    drop(writer);
    assert_eq!(woken(&behind), [0, 1, 2]);
    assert!(!last.is_woken());
    drop(reading);
    drop(behind.into_iter().map(Task::ends).collect::<Vec<_>>());
    drop(last.ends());
    assert!(lock.try_write().is_some(), "nothing is left behind");
}

fn a_writer_between_readers_that_gives_up_lets_nobody_past_the_next_writer<F: Flavour>() {
    let lock = RwLock::<_, F>::new(());
    let reading = now(lock.read());
    let first = Task::waiting(lock.write());
    let second = Task::waiting(lock.write());
    let reader = Task::waiting(lock.read());
    drop(first);
    assert!(!second.is_woken() && !reader.is_woken());
    drop(second);
    drop(reader.ends());
    drop(reading);
}

fn a_reader_that_gives_up_lets_the_writer_behind_it_in<F: Flavour>() {
    let lock = RwLock::<_, F>::new(());
    let writing = now(lock.write());
    let reader = Task::waiting(lock.read());
    let writer = Task::waiting(lock.write());
    drop(writing);
    drop(reader); // it was let in, and has not noticed
    drop(writer.ends());
}

fn a_granted_writer_that_is_dropped_admits_who_is_next<F: Flavour>() {
    let lock = RwLock::<_, F>::new(());
    let reading = now(lock.read());
    let writer = Task::waiting(lock.write());
    let readers = [Task::waiting(lock.read()), Task::waiting(lock.read())];
    drop(reading);
    assert!(writer.is_woken() && woken(&readers).is_empty());
    drop(writer);
    assert_eq!(woken(&readers), [0, 1]);
    drop(readers);
    assert!(lock.try_write().is_some());
}

fn granted_readers_that_are_dropped_leave_the_rest_in<F: Flavour>() {
    let lock = RwLock::<_, F>::new(());
    let writing = now(lock.write());
    let [one, two] = [Task::waiting(lock.read()), Task::waiting(lock.read())];
    drop(writing);
    drop(one);
    let reading = two.ends();
    assert!(lock.try_write().is_none());
    assert!(lock.try_read().is_some());
    drop(reading);
    assert!(lock.try_write().is_some());
}

fn a_downgrade_lets_readers_in_and_no_writer<F: Flavour>() {
    let lock = RwLock::<_, F>::new(1);
    let mut writing = now(lock.write());
    *writing = 2;
    let reader = Task::waiting(lock.read());
    let writer = Task::waiting(lock.write());
    let reading = RwLockWriteGuard::downgrade(writing);
    assert!(!writer.is_woken());
    assert_eq!(*reader.ends() + *reading, 4);
    assert!(!writer.is_woken(), "the one that was a writer still reads");
    drop(reading);
    drop(writer.ends());
    assert!(lock.try_write().is_some(), "no permit is missing, and none was made up");
}

fn an_upgrade_is_for_who_reads_alone_while_nobody_waits<F: Flavour>() {
    let lock = RwLock::<_, F>::new(1);
    let one = now(lock.read());
    let other = now(lock.read());
    let Err(one) = RwLockReadGuard::try_upgrade(one) else { panic!("somebody else reads") };
    drop(other);
    let writer = Task::waiting(lock.write());
    let Err(one) = RwLockReadGuard::try_upgrade(one) else { panic!("a writer waits") };
    drop(writer);
    let Ok(mut write) = RwLockReadGuard::try_upgrade(one) else { panic!("nobody else is there") };
    *write += 1;
    assert!(lock.try_read().is_none());
    drop(write);
    assert_eq!(*lock.try_write().unwrap(), 2);
}

fn trying_does_not_barge<F: Flavour>() {
    let lock = RwLock::<_, F>::new(());
    let writing = lock.try_write().unwrap();
    assert!(lock.try_write().is_none() && lock.try_read().is_none());
    let reader = Task::waiting(lock.read());
    let writer = Task::waiting(lock.write());
    drop(writing);
    assert!(lock.try_read().is_none(), "a writer waits for the one reader that was let in");
    assert!(lock.try_write().is_none());
    drop(reader.ends());
    assert!(lock.try_read().is_none(), "it is the writer's already");
    drop(writer.ends());
    assert!(lock.try_read().is_some());
}

fn a_limit_gives_the_place_up<F: Flavour>() {
    with_services();
    let second = Duration::from_secs(1);
    let lock = RwLock::<_, F>::new(5);
    let reading = now(lock.read_timeout(second)).unwrap();
    let writer = Task::waiting(lock.write_timeout(second));
    let reader = Task::waiting(lock.read_timeout(2 * second));
    advance(second);
    assert_eq!(writer.ends().unwrap_err(), Elapsed);
    assert_eq!(*reader.ends().expect("the writer is out of the way"), 5);
    drop(reading);
    let writing = now(lock.write_timeout(second)).unwrap();
    let reader = Task::waiting(lock.read_timeout(second));
    advance(second);
    drop(writing);
    assert!(reader.ends().is_ok(), "what is there when it looks is in time");
}

fn waits_say_what_for_and_who_writes<F: Flavour>() {
    with_services();
    let (lock, created) = (RwLock::<_, F>::new(()), line!());
    let (guard, since) = (now(lock.write()), line!());
    let (reader, asked) = (Task::waiting(lock.read()), line!());
    let writer = Task::waiting(lock.write());
    let waits = open_waits();
    assert_eq!(waits.iter().map(|wait| wait.kind).collect::<Vec<_>>(), [Kind::Read, Kind::Write]);
    assert_eq!(waits[0].created.line(), created);
    assert_eq!(waits[0].asked.line(), asked);
    assert_eq!(waits[0].holder.expect("somebody writes").since.line(), since);
    drop(guard);
    let guard = reader.ends();
    assert_eq!(open_waits().len(), 1);
    drop(writer);
    assert!(open_waits().is_empty());
    let writer = Task::waiting(lock.write());
    assert_eq!(open_waits()[0].holder, None, "somebody reads: no one holder");
    drop((writer, guard));
    assert_eq!(
        format!("{:?}", RwLock::<i32, F>::default()).split(", created").next().unwrap(),
        "RwLock { readers: 0, written_since: None, waiters: 0"
    );
}

fn a_task_with_nothing_left_to_spend_gives_way_and_takes_nothing<F: Flavour>() {
    let lock = RwLock::<_, F>::new(());
    let reader = tired(|| lock.read());
    let writer = tired(|| lock.write());
    drop(lock.try_write().expect("those that gave way have taken nothing"));
    drop(reader.ends());
    drop(writer.ends());
}

fn a_panic_of_the_holder_releases<F: Flavour>() {
    let lock = RwLock::<_, F>::new(1);
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _guard = now(lock.write());
        panic!("on purpose");
    }));
    assert!(result.is_err());
    assert_eq!(*lock.try_read().unwrap(), 1);
}

fn it_costs_at_most_a_line_of_the_cache_besides_its_value<F: Flavour>() {
    assert!(size_of::<RwLock<(), F>>() <= 64, "{}", size_of::<RwLock<(), F>>());
    assert_eq!(size_of::<RwLock<[u64; 8], F>>(), size_of::<RwLock<(), F>>() + 64);
}

#[test]
fn who_owns_it_needs_no_lock() {
    let mut lock = runtime_sync::RwLock::from(1);
    *lock.get_mut() += 1;
    assert_eq!(lock.into_inner(), 2);
}

#[test]
fn owned_guards_keep_their_lock() {
    with_services();
    let lock = Rc::new(runtime_sync::RwLock::new(1));
    let reading: OwnedRwLockReadGuard<_> = now(Rc::clone(&lock).read_owned());
    let more = Rc::clone(&lock).try_read_owned().unwrap();
    assert!(Rc::clone(&lock).try_write_owned().is_none());
    assert_eq!(*reading + *more, 2);
    let writer = Task::waiting(Rc::clone(&lock).write_owned());
    drop((reading, more));
    let mut writing: OwnedRwLockWriteGuard<_> = writer.ends();
    *writing += 1;
    let reader = Task::waiting(Rc::clone(&lock).read_owned());
    assert!(open_waits()[0].holder.unwrap().owner.has_owned_guard(), "the guard may be anywhere");
    let reading = OwnedRwLockWriteGuard::downgrade(writing);
    drop(reader.ends());
    assert_eq!(Rc::strong_count(&lock), 2, "a guard that became another counts once");
    let weak = Rc::downgrade(&lock);
    drop(lock);
    assert_eq!(*reading, 2);
    drop(reading);
    assert!(weak.upgrade().is_none());

    let lock = Arc::new(runtime_sync::shared::RwLock::new(1));
    let writing = Arc::clone(&lock).try_write_owned().unwrap();
    let there =
        thread::scope(|scope| scope.spawn(|| *OwnedRwLockWriteGuard::downgrade(writing)).join().unwrap());
    assert_eq!(there, 1);
    drop(now(Arc::clone(&lock).write_owned()));
    drop(now(Arc::clone(&lock).read_owned()));
    assert_eq!(*Arc::clone(&lock).try_read_owned().unwrap(), 1);
}

#[test]
fn it_crosses_threads_as_far_as_its_value_may() {
    type NotSync = Cell<u8>; // `Send`
    type NotSend = MutexGuard<'static, u8>; // `Sync`
    assert!(is!(RwLock<u8, Shared>: Send) && is!(RwLock<u8, Shared>: Sync));
    assert!(is!(RwLock<NotSync, Shared>: Send) && !is!(RwLock<NotSync, Shared>: Sync));
    assert!(!is!(RwLock<NotSend, Shared>: Send) && !is!(RwLock<NotSend, Shared>: Sync));
    assert!(!is!(runtime_sync::RwLock<u8>: Send) && !is!(runtime_sync::RwLock<u8>: Sync));

    assert!(is!(RwLockReadGuard<'_, u8, Shared>: Send) && is!(RwLockReadGuard<'_, u8, Shared>: Sync));
    assert!(
        !is!(RwLockReadGuard<'_, NotSync, Shared>: Send) && !is!(RwLockReadGuard<'_, NotSync, Shared>: Sync)
    );
    assert!(is!(RwLockWriteGuard<'_, u8, Shared>: Send) && is!(RwLockWriteGuard<'_, u8, Shared>: Sync));
    assert!(!is!(RwLockWriteGuard<'_, NotSync, Shared>: Sync));
    assert!(!is!(RwLockWriteGuard<'_, NotSend, Shared>: Send));
    assert!(is!(OwnedRwLockReadGuard<u8, Shared>: Send) && is!(OwnedRwLockWriteGuard<u8, Shared>: Send));
    assert!(!is!(OwnedRwLockReadGuard<NotSync, Shared>: Send));
    assert!(!is!(OwnedRwLockWriteGuard<NotSync, Shared>: Sync));
    assert!(!is!(runtime_sync::RwLockReadGuard<'_, u8>: Send));
    assert!(!is!(runtime_sync::RwLockWriteGuard<'_, u8>: Send));
    assert!(is!(runtime_sync::rwlock::Read<'_, u8, Shared>: Send));
    assert!(is!(runtime_sync::rwlock::Write<'_, u8, Shared>: Send));
}

#[test]
fn a_slice_may_be_behind_it() {
    let lock: Rc<runtime_sync::RwLock<[i32]>> = Rc::new(runtime_sync::RwLock::new([1, 2, 3]));
    now(lock.write())[1] = 5;
    assert_eq!(now(lock.read()).iter().sum::<i32>(), 9);
}

#[test]
fn threads_never_see_half_a_change() {
    const ROUNDS: usize = if cfg!(miri) { 20 } else { 2_000 };
    let pair = runtime_sync::shared::RwLock::new((0_usize, 0_usize));
    let reads = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..ROUNDS {
                    let mut pair = pair.blocking_write();
                    pair.0 += 1;
                    pair.1 += 1;
                    if pair.0 % 2 == 0 {
                        let pair = RwLockWriteGuard::downgrade(pair);
                        assert_eq!(pair.0, pair.1);
                    }
                }
            });
            scope.spawn(|| {
                for _ in 0..ROUNDS {
                    let pair = pair.blocking_read();
                    assert_eq!(pair.0, pair.1);
                    reads.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(pair.into_inner(), (2 * ROUNDS, 2 * ROUNDS));
    assert_eq!(reads.into_inner(), 2 * ROUNDS);
}
