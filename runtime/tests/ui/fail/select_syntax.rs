//! Each `select!` says under the right token what is wrong with it.

use runtime::select;
use std::future::{pending, ready};

#[runtime::main]
async fn main() {
    select! {}

    select! { else => {} }

    select! { ready(1) => {} }

    select! { n = ready(1) }

    select! { n = ready(1) => }

    select! { = ready(1) => {} }

    select! { n = => {} }

    select! {
        n = ready(1) => drop(n)
        _ = pending::<()>() => {}
    }

    select! {
        n = ready(1), m = ready(2) => drop((n, m)),
    }

    select! {
        n = ready(1), if => drop(n),
    }

    select! {
        n = ready(1) => { ready(n) }.await,
    }

    select! {
        else => {}
        n = ready(1) => drop(n),
    }

    select! {
        biased,
        n = ready(1) => drop(n),
    }

    select! {
        n = ready(1) => drop(n),
        default => {}
    }

    select! {
        n = ready(1) => drop(n),
        complete => {}
    }
}
