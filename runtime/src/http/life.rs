//! How far a connection is: whether it has requests, since when not, and who is told.
//!
//! Each request has a ticket, from when its header is there until its reply has been handed over whole: with the service's
//! future at first, then with the body of the reply. So nothing is asked of services and bodies, and whatever becomes of them
//! (given up, panicked, reset by the peer), the ticket comes back.

use super::{listener::Version, upgrade::Continuation};
use crate::{cluster, net::Deadlines};
use hyper::{Request, StatusCode, body::Incoming};
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

/// Requests after which a worker of a cluster is told of them: it only wants to know when it has served enough.
const REPORTED: u64 = 64;

/// One connection.
pub(super) struct Life {
    deadlines: Deadlines,
    version: Cell<Version>,
    /// Requests that have come, ever.
    requests: Cell<u64>,
    /// Those that are not answered yet.
    pending: Cell<usize>,
    /// Parts of replies that were handed over and not taken yet. Of HTTP/2.
    owed: Cell<usize>,
    /// How often some of them was taken, ever.
    progress: Cell<u64>,
    /// It has been told to end. Of HTTP/2.
    is_leaving: Cell<bool>,
    /// Some of its streams may go on in another protocol. Of HTTP/2.
    has_tunnels: Cell<bool>,
    /// It has sent a request that no service was to see.
    has_erred: Cell<bool>,
    /// What the handler of the last request wants to be done with the connection afterwards, if the client has asked for that.
    continuation: RefCell<Option<Continuation>>,
}

impl Life {
    pub(super) fn new(deadlines: Deadlines) -> Self {
        Self {
            deadlines,
            version: Cell::new(Version::Http1),
            requests: Cell::new(0),
            pending: Cell::new(0),
            owed: Cell::new(0),
            progress: Cell::new(0),
            is_leaving: Cell::new(false),
            has_tunnels: Cell::new(false),
            has_erred: Cell::new(false),
            continuation: RefCell::default(),
        }
    }

    pub(super) fn speaks(&self, version: Version) {
        self.version.set(version);
    }

    #[inline]
    pub(super) fn version(&self) -> Version {
        self.version.get()
    }

    pub(super) fn requests(&self) -> u64 {
        self.requests.get()
    }

    /// Nothing was asked that is not answered, and nothing answered that is not taken.
    pub(super) fn is_idle(&self) -> bool {
        self.pending.get() == 0 && self.owed.get() == 0
    }

    /// How often a part of a reply was taken, if there is some more to take.
    pub(super) fn progress_owed(&self) -> Option<u64> {
        (self.owed.get() > 0).then(|| self.progress.get())
    }

    /// A request is answered without a service.
    #[cold]
    pub(super) fn refuse(&self) {
        self.has_erred.set(true);
    }

    pub(super) fn has_erred(&self) -> bool {
        self.has_erred.get()
    }

    /// It is told to end. As soon as it has nothing more to do, it only has the time that a header may take, whatever it sends
    /// instead.
    pub(super) fn leave(&self) {
        self.is_leaving.set(true);
        self.hurry_if_done();
    }

    #[inline]
    fn hurry_if_done(&self) {
        if self.is_leaving.get() && self.is_idle() {
            if self.has_tunnels.get() {
                // Of these we do not know whether they have ended; their bytes show that.
                self.deadlines.header_received();
            } else {
                self.deadlines.next_request();
            }
        }
    }

    /// It is no connection of HTTP any more.
    pub(super) fn lift_deadlines(&self) {
        self.deadlines.lift();
    }

    pub(super) fn continuation(&self) -> Option<Continuation> {
        self.continuation.take()
    }

    /// A client wants to go on in another protocol.
    pub(super) fn prepare(&self, request: &mut Request<Incoming>) {
        let continuation = Continuation::default();
        let before = self.continuation.replace(Some(continuation.clone()));
        drop(before);
        request.extensions_mut().insert(continuation);
    }

    #[inline]
    pub(super) fn begin(self: &Rc<Self>, is_tunnel: bool) -> Ticket {
        let requests = self.requests.get() + 1;
        self.requests.set(requests);
        self.pending.set(self.pending.get() + 1);
        // With HTTP/2 this is said once: bytes come at any time there, pings for instance, and do not begin a request.
        if self.version.get() == Version::Http1 || requests == 1 || self.is_leaving.get() {
            self.deadlines.working();
        }
        if requests.is_multiple_of(REPORTED) {
            cluster::served(REPORTED);
        }
        Ticket { life: Rc::clone(self), is_tunnel }
    }

    /// A part of a reply goes on its way.
    #[inline]
    pub(super) fn moved(&self) {
        self.progress.set(self.progress.get() + 1);
    }

    /// A part of a reply was taken, or is not wanted any more.
    #[inline]
    pub(super) fn paid(&self) {
        self.moved();
        self.owed.set(self.owed.get() - 1);
        self.hurry_if_done();
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        cluster::served(self.requests.get() % REPORTED);
    }
}

/// A request that is not answered yet.
pub(super) struct Ticket {
    life: Rc<Life>,
    /// Whether the client has asked for a tunnel (`CONNECT`).
    is_tunnel: bool,
}

impl Ticket {
    /// The reply says whether the client may go on in another protocol. `hyper` does not look at it: it would give the
    /// connection away at its end, whatever the reply to that request was.
    #[inline]
    pub(super) fn replied(&self, status: StatusCode) {
        let life = &self.life;
        if self.is_tunnel && status.is_success() {
            life.has_tunnels.set(true);
            return;
        }
        if life.continuation.borrow().is_some() && status != StatusCode::SWITCHING_PROTOCOLS {
            let refused = life.continuation.take();
            drop(refused);
        }
    }

    /// A part of the reply is handed over.
    #[inline]
    pub(super) fn owe(&self) -> Rc<Life> {
        self.life.owed.set(self.life.owed.get() + 1);
        Rc::clone(&self.life)
    }
}

impl Drop for Ticket {
    #[inline]
    fn drop(&mut self) {
        let life = &self.life;
        life.pending.set(life.pending.get() - 1);
        match life.version.get() {
            Version::Http1 => life.deadlines.next_request(),
            Version::Http2 => life.hurry_if_done(),
        }
    }
}

/// Who has sent a request, if the server was told to say so: [`with_connect_info`](super::Serve::with_connect_info). Among the
/// extensions of requests.
///
/// This is not `axum`'s type of the same name, which can only be made there; see
/// [`with_connect_info`](super::Serve::with_connect_info).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ConnectInfo<P>(pub P);
