//! corosensei's coroutines as they are.

use corosensei::{Coroutine, CoroutineResult, stack::DefaultStack};

pub(super) fn run(row: &str, operations: u64) {
    assert_eq!(row, "switch");
    let stack = DefaultStack::new(64 << 10).expect("memory for a stack");
    let mut route = Coroutine::with_stack(stack, |yielder, mut given: u64| {
        loop {
            given = yielder.suspend(given + 1);
        }
    });
    let mut value = 0;
    for _ in 0..operations {
        let result: CoroutineResult<u64, ()> = route.resume(value);
        value = result.as_yield().expect("it never returns");
    }
    assert_eq!(value, operations);
    // It never ends, and to unwind it is not part of this.
    std::mem::forget(route);
}
