//! The machines of connections, without sockets: what they agree on, and what they refuse.

mod frames;
mod fuzz;
mod handshake;
mod keys;
mod places;

use proptest::test_runner::Config;

fn few() -> Config {
    Config { cases: if cfg!(miri) { 8 } else { 256 }, failure_persistence: None, ..Config::default() }
}
