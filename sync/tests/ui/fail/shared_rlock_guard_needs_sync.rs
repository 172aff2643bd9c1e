//! A task may have several guards of a re-entrant lock, here and there: the value must be `Sync`.
use runtime_sync::shared::RLock;
use std::cell::Cell;

fn main() {
    let lock = RLock::new(Cell::new(1));
    let guard = lock.try_acquire().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || guard.set(2));
    });
}
