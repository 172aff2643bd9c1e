//! Whoever gets the lock has the value to himself, on whatever thread: it must be `Send`.
use runtime_sync::shared::Lock;
use std::rc::Rc;

fn main() {
    let lock = Lock::new(Rc::new(1));
    std::thread::scope(|scope| {
        scope.spawn(|| lock.try_acquire());
    });
}
