//! What nobody uses yet costs at most 64 bytes: a lock, an event, both ends of a channel. A program of its own, as it
//! counts what the whole process allocates.

#[path = "../../executor/tests/common/allocator.rs"]
mod allocator;

use allocator::{Allocator, live_bytes};
use runtime_sync::{BoundedSemaphore, Event, Lock, Queue, Semaphore, channel, unbounded};

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

const MOST: usize = 64;

/// What stays allocated while the result of `run` lives. The least of several attempts, as the harness's own thread may
/// be at work beside us.
fn allocates<T>(run: impl Fn() -> T) -> usize {
    let attempt = || {
        let before = live_bytes();
        let result = run();
        let bytes = live_bytes().saturating_sub(before);
        drop(result);
        bytes
    };
    (0..100).map(|_| attempt()).min().expect("there were attempts")
}

#[track_caller]
fn assert_small<T>(build: impl Fn() -> T) {
    let (inline, allocated) = (size_of::<T>(), allocates(build));
    assert!(inline <= MOST && allocated <= MOST, "{inline} bytes and {allocated} allocated");
}

#[test]
fn unused_primitives_are_small() {
    assert_small(|| Lock::new(()));
    assert_small(Event::new);
    assert_small(|| Semaphore::new(1));
    assert_small(|| BoundedSemaphore::new(1));
    assert_small(|| channel::<[u64; 32]>(1024));
    assert_small(unbounded::<[u64; 32]>);
    assert_small(|| Queue::<[u64; 32]>::bounded(1024));

    // Whoever takes what is there, or looks in vain, costs nothing either.
    let lock = Lock::new(());
    assert_eq!(allocates(|| lock.try_acquire().map(drop)), 0);
    let (sender, receiver) = channel::<u8>(1);
    assert_eq!(allocates(|| (sender.len(), receiver.clone().try_recv())), 0);
}
