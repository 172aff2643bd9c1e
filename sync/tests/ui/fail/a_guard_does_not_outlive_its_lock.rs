//! A guard borrows its lock; an owned one would keep it alive.
use runtime_sync::Lock;

fn main() {
    let guard = {
        let lock = Lock::new(1);
        lock.try_acquire()
    };
    drop(guard);
}
