//! The local flavour is plain cells: another thread would change them at the same time.
use runtime_sync::Lock;

fn main() {
    let lock = Lock::new(1);
    std::thread::spawn(move || drop(lock));
}
