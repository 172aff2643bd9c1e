//! Who switches stacks: each does the rows of `greenlets.rs` as its documentation shows, with one thread.

mod foreign;
mod may;
mod ours;
mod routes;
mod tasks;

use std::net::{SocketAddr, TcpListener};

use crate::peers::OURS;
use nix::sys::socket::{Backlog, listen, setsockopt, sockopt};

/// Our tasks, which need no stacks: the comparison that a user has who could write `async`.
pub(crate) const TASKS: &str = "ours-tasks";
/// The stacks below our greenlets, bare.
pub(crate) const ROUTES: &str = "corosensei";
const MAY: &str = "may";
const GO: &str = "go";
const GEVENT: &str = "gevent";

pub(crate) struct Contender {
    pub(crate) name: &'static str,
    rows: &'static [&'static str],
    pub(crate) is_slow: bool,
}

pub(crate) const CONTENDERS: [Contender; 6] = [
    Contender { name: OURS, rows: &["switch", "yield", "spawn", "idle", "echo"], is_slow: false },
    Contender { name: TASKS, rows: &["yield", "spawn", "idle", "echo"], is_slow: false },
    Contender { name: ROUTES, rows: &["switch"], is_slow: false },
    Contender { name: MAY, rows: &["yield", "spawn", "idle", "echo"], is_slow: false },
    Contender { name: GO, rows: &["yield", "spawn", "idle", "echo"], is_slow: false },
    Contender { name: GEVENT, rows: &["switch", "yield", "spawn", "idle", "echo"], is_slow: true },
];

impl Contender {
    pub(crate) fn does(&self, row: &str) -> bool {
        self.rows.contains(&row)
    }

    /// Whether it is installed here.
    pub(crate) fn is_there(&self) -> bool {
        match self.name {
            GO => foreign::has_go(),
            GEVENT => foreign::has_gevent(),
            _ => true,
        }
    }
}

/// The child's part. `echo` serves, and `idle` waits, until the process is killed.
pub(crate) fn run(contender: &str, row: &str, operations: u64) {
    match contender {
        OURS => ours::run(row, operations),
        TASKS => tasks::run(row, operations),
        ROUTES => routes::run(row, operations),
        MAY => may::run(row, operations),
        GO => foreign::become_go(row, operations),
        GEVENT => foreign::become_gevent(row, operations),
        other => panic!("{other} is not known"),
    }
}

/// A listener like everybody's: what is accepted from it has no delay.
fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    listen(&listener, Backlog::MAXCONN).expect("listen");
    setsockopt(&listener, sockopt::TcpNoDelay, &true).expect("TCP_NODELAY");
    let address = listener.local_addr().expect("bound");
    (listener, address)
}
