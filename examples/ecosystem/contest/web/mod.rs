//! The servers: what serves is the same code on every runtime (`service.rs`), and how it is served is what the runtime's own
//! documentation shows.

use std::net::TcpListener;

use crate::harness::machine::{Core, Cores};
use crate::harness::server;

mod alone;
mod ours;
mod service;
mod tokio;

/// Name of our column.
pub(crate) const OURS: &str = "ours";
/// Name of tokio's.
pub(crate) const TOKIO: &str = "tokio";
/// Name of the one with no runtime: hyper alone.
pub(crate) const FLOOR: &str = "hyper alone";

/// What serves.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// hyper's HTTP/1 connections, with hyper's defaults and the runtime's clock.
    Http1,
    /// The same, told to gather the answers to what has come at once.
    Gathering,
    /// hyper's HTTP/2 connections, with hyper's defaults and the runtime's clock.
    Http2,
    /// A service of hyper, by the runtime's server of HTTP where it has one, with that one's defaults.
    Served,
    /// A router of axum, by the server of HTTP that there is for the runtime, with that one's defaults.
    Axum,
    /// [`Http1`](Self::Http1) on two cores.
    Workers,
}

impl Kind {
    const NAMES: [(Kind, &str); 6] = [
        (Kind::Http1, "http1"),
        (Kind::Gathering, "gathering"),
        (Kind::Http2, "http2"),
        (Kind::Served, "served"),
        (Kind::Axum, "axum"),
        (Kind::Workers, "workers"),
    ];

    /// What it is called on the command line of the server.
    pub(crate) fn name(self) -> &'static str {
        Kind::NAMES.iter().find(|(kind, _)| *kind == self).expect("all have one").1
    }

    fn named(name: &str) -> Kind {
        Kind::NAMES.iter().find(|(_, known)| *known == name).expect("a known kind").0
    }
}

/// The child's part: listens on a free port, says which, and serves until it is killed.
///
/// # Panics
///
/// If nobody is called `peer`, or it has no such server.
pub(crate) fn serve(peer: &str, kind: &str, cores: Cores) {
    let kind = Kind::named(kind);
    if kind == Kind::Workers && peer == OURS {
        return ours::serve_with_workers();
    }
    if kind != Kind::Workers {
        cores.pin(Core::Measured);
    }
    let listener: TcpListener = server::listener();
    server::announce(&listener);
    match peer {
        OURS => ours::serve(listener, kind),
        TOKIO => tokio::serve(listener, kind),
        FLOOR => alone::serve(&listener, kind),
        _ => panic!("nobody is called {peer:?}"),
    }
}
