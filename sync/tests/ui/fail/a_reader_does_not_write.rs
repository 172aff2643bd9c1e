//! A guard for reading, or of a re-entrant lock, gives no `&mut`.
use runtime_sync::{RLock, RwLock};

fn main() {
    *RwLock::new(1).try_read().unwrap() = 2;
    *RLock::new(1).try_acquire().unwrap() = 2;
}
