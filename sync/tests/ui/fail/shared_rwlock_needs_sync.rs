//! Several readers have the value at once: it must be `Sync`, or they could change it through a `Cell`.
use runtime_sync::shared::RwLock;
use std::cell::Cell;

fn main() {
    let lock = RwLock::new(Cell::new(1));
    std::thread::scope(|scope| {
        scope.spawn(|| lock.try_read().map(|guard| guard.set(2)));
    });
}
