//! What `select!` expands to gives nobody's lints anything to complain about.

#![deny(warnings)]
#![deny(unused, nonstandard_style, future_incompatible, rust_2018_idioms, rust_2024_compatibility)]
#![deny(missing_docs, unreachable_pub, unused_qualifications, single_use_lifetimes, let_underscore_drop)]
#![deny(elided_lifetimes_in_paths, explicit_outlives_requirements, trivial_casts)]
#![deny(clippy::all, clippy::pedantic)]
#![forbid(unused_results)]

use runtime::select;
use std::future::{pending, ready};

#[runtime::main]
async fn main() {
    let limit = 3;
    let mut text = String::new();
    select! {
        biased;
        Some(mut n) = ready(Some(1)) => {
            n += limit;
            text.push_str(&n.to_string());
        }
        _ = pending::<u8>(), if limit > 2 => {}
        (a, _) = pending::<(String, u8)>() => text.push_str(&a),
        else => {}
    }
    select! {
        () = ready(()) => text.push('!'),
        () = pending() => {}
    }
    assert_eq!(text, "4!");
}
