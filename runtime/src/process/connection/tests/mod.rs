//! The machines of connections, without sockets: what they agree on, and what they refuse.

mod frames;
mod handshake;
mod keys;
mod places;

use proptest::test_runner::Config;

/// A short smoke; `FUZZ_CASES` makes it longer.
fn fuzz() -> Config {
    let cases = std::env::var("FUZZ_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(256);
    Config { cases: if cfg!(miri) { 8 } else { cases }, failure_persistence: None, ..Config::default() }
}
