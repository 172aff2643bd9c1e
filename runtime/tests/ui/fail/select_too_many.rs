//! Sixty-four branches are enough for everybody; the sixty-fifth is underlined.

use runtime::{select, task::yield_now};

#[runtime::main]
async fn main() {
    select! {
        _ = yield_now() => {}
        _ = yield_now() => {}
        _ = yield_now() => {}
        _ = yield_now() => {}
        _ = yield_now() => {}
        _ = yield_now() => {}
        _ = yield_now() => {}
        _ = yield_now() => {}
        _ = yield_now() => {}
        _ = yield_now() => {}
        _ = yield_now() => {}
        _ = yield_now() => {}
        _ = yield_now() => {}
        _ = yield_now() => {}
        _ = yield_now() => {}
        _ = yield_now() => {}
        _ = yield_now() => {}
        _ = yield_now() => {}
        _ = yield_now() => {}
        _ = yield_now() => {}
        _ = yield_now() => {}
        _ = yield_now() => {}
        _ = yield_now() => {}
        _ = yield_now() => {}
        _ = yield_now() => {}
        _ = yield_now() => {}
        _ = yield_now() => {}
        _ = yield_now() => {}
        _ = yield_now() => {}
        _ = yield_now() => {}
        _ = yield_now() => {}
        _ = yield_now() => {}
        _ = yield_now() => {}
        _ = yield_now() => {}
        _ = yield_now() => {}
        _ = yield_now() => {}
        _ = yield_now() => {}
        _ = yield_now() => {}
        _ = yield_now() => {}
        _ = yield_now() => {}
        _ = yield_now() => {}
        _ = yield_now() => {}
        _ = yield_now() => {}
        _ = yield_now() => {}
        _ = yield_now() => {}
        _ = yield_now() => {}
        _ = yield_now() => {}
        _ = yield_now() => {}
        _ = yield_now() => {}
        _ = yield_now() => {}
        _ = yield_now() => {}
        _ = yield_now() => {}
        _ = yield_now() => {}
        _ = yield_now() => {}
        _ = yield_now() => {}
        _ = yield_now() => {}
        _ = yield_now() => {}
        _ = yield_now() => {}
        _ = yield_now() => {}
        _ = yield_now() => {}
        _ = yield_now() => {}
        _ = yield_now() => {}
        _ = yield_now() => {}
        _ = yield_now() => {}
        _ = yield_now() => {}
    }
}
