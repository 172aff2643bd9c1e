//! What rustc says of the parts of a `select!` points at those parts.

use runtime::select;
use std::future::ready;

#[runtime::main]
async fn main() {
    select! { n = 5 => drop(n) }

    select! { Some(n) = ready(1_u8) => drop::<u8>(n) }

    let text: &str = select! {
        n = ready(1_u8) => "one",
        _ = ready(()) => 2,
    };
    drop(text);

    select! { n = ready(1_u8), if "yes" => drop(n) }

    select! { n = ready(1_u8) => missing(n) }
}

fn not_async() {
    select! { n = ready(1_u8) => drop(n) }
}
