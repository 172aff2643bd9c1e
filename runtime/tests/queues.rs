//! Queues between processes: code of the user's that panics, and what is left of those that are gone.
#![cfg(all(feature = "process-pool", target_os = "linux"))]

use runtime::process::Queue;
use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
};

#[derive(Debug, serde::Serialize)]
struct Unreadable;

impl<'de> serde::Deserialize<'de> for Unreadable {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        panic!("it panics when it is read");
    }
}

#[test]
fn who_joins_does_not_wait_for_an_item_whose_type_panics_when_it_is_read() {
    let queue = Queue::bounded(4).unwrap();
    queue.blocking_put(Unreadable).unwrap();
    assert_eq!(queue.unfinished(), 1);
    catch_unwind(AssertUnwindSafe(|| queue.blocking_get())).unwrap_err();
    assert_eq!(queue.unfinished(), 0);
    queue.blocking_join().unwrap();
}

#[test]
fn queues_that_are_gone_leave_nothing() {
    let used = || {
        let descriptors = fs::read_dir("/proc/self/fd").unwrap().count();
        (descriptors, fs::read_to_string("/proc/self/maps").unwrap().lines().count())
    };
    let (descriptors, maps) = used();
    for n in 0..500 {
        let queue = Queue::bounded(4).unwrap();
        queue.try_clone().unwrap().blocking_put(n).unwrap();
        assert_eq!(queue.blocking_get().unwrap(), n);
    }
    // The other test runs at the same time.
    let (descriptors_after, maps_after) = used();
    assert!(descriptors_after < descriptors + 50, "{descriptors} {descriptors_after}");
    assert!(maps_after < maps + 50, "{maps} {maps_after}");
}
