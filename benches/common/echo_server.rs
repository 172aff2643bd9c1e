//! The echo servers, each in the process and on the core that [`Server`](super::server::Server) gave it.

use std::net::TcpListener;

use super::machine::{Core, Cores};
use super::server::{self, announce};
use crate::peers::{self, Peer, Visit, raw_mio};

/// A handler with a buffer of its own.
pub(crate) const OWNING: &str = "owning";
/// A handler that borrows a buffer when there is something to read.
pub(crate) const LENDING: &str = "lending";

/// A handler in blocking style, with a buffer of its own.
pub(crate) const BLOCKING: &str = "blocking";

/// The child's part: listens on a free port, says which, and serves until it is killed. Ends at once, without a word, if
/// the peer has no such handler.
pub(crate) fn serve(peer: &str, handler: &str, cores: Cores) -> ! {
    if peers::NO_ECHO.contains(&peer) {
        std::process::exit(0);
    }
    cores.pin(Core::Measured);
    let listener = server::listener();
    if peer == raw_mio::NAME {
        if handler == BLOCKING {
            std::process::exit(0);
        }
        // Its one buffer is both.
        announce(&listener);
        raw_mio::serve(listener);
    }
    peers::with_peer(peer, Serve { listener, handler: handler.to_owned() });
    std::process::exit(0)
}

struct Serve {
    listener: TcpListener,
    handler: String,
}

impl Visit for Serve {
    type Output = ();
    fn visit<P: Peer>(self) {
        P::run(async move {
            if self.handler == OWNING {
                announce(&self.listener);
                P::serve(self.listener).await;
                return;
            }
            let second = self.listener.try_clone().expect("a descriptor");
            let serving =
                if self.handler == LENDING { P::serve_lending(second) } else { P::serve_blocking(second) };
            let Some(serving) = serving else { return };
            announce(&self.listener);
            drop(self.listener);
            serving.await;
        });
    }
}
