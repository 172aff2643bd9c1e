//! Guards of the shared flavour go where their value may go, and are dropped there.
use runtime_sync::shared::{Lock, RwLock, channel};
use std::{cell::Cell, sync::Arc, thread};

fn main() {
    let lock = Arc::new(Lock::new(Cell::new(1)));
    let guard = lock.clone().try_acquire_owned().unwrap();
    thread::scope(|scope| {
        scope.spawn(move || guard.set(2)); // `Cell` is `Send`, and nobody else has it now
    });
    assert_eq!(lock.try_acquire().unwrap().get(), 2);

    let text = RwLock::new(String::from("seen by several"));
    let guard = text.try_read().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| assert_eq!(guard.len(), 15));
        assert!(text.try_read().is_some());
    });

    let (sender, mut receiver) = channel(0);
    thread::scope(|scope| {
        scope.spawn(move || sender.blocking_send(Cell::new(7)).unwrap());
        assert_eq!(receiver.blocking_recv().map(Cell::into_inner), Some(7));
    });
}
