//! A guard that several threads look at shows all of them the value: it must be `Sync`.
use runtime_sync::shared::Lock;
use std::cell::Cell;

fn main() {
    let lock = Lock::new(Cell::new(1));
    let guard = lock.try_acquire().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| guard.set(2));
    });
}
