//! A future that must not move can be lent to a `select!` only when it is pinned.

use runtime::{select, task::yield_now};

#[runtime::main]
async fn main() {
    let mut step = async { yield_now().await };
    select! {
        () = &mut step => {}
        () = yield_now() => {}
    }
}
