//! The pulse of a connection that somebody watches: what its handle tells by the way, and its watcher looks at.
//!
//! The handle pays one plain store of a byte for an operation that has moved something, and reads no clock. The watcher
//! (`net/server/overseer.rs`) looks a few times per deadline, and notes when it was that it saw what.
//!
//! ```text
//!                 a write has gone through                  a writer is seated
//! nothing ────────────────────────────────> MOVED ────────────────────────────────> MOVED | WAITING
//!    ^ ^──────────── looked at ───────────────┘                                        │ looked at
//!    └─── the writer has given up, or taken an event ──── WAITING <─────────────────────┘
//! ```
//!
//! A `poll_write` that has no object to drop may have been given up, and then nobody takes the event. So where a writer seems
//! to wait, the watcher has a look at its seat, which the event has emptied.

use crate::{reactor::Reactor, source::Direction};
use mio::Token;
use runtime_executor::current;
use std::{
    rc::Rc,
    sync::atomic::{
        AtomicBool, AtomicU8, AtomicU64, AtomicUsize,
        Ordering::{Relaxed, SeqCst},
    },
};

/// Written by the handle and whoever uses the connection, mostly; read by the watcher. Nothing else is ordered by these, so
/// `Relaxed` will do.
#[derive(Debug)]
pub struct Pulse {
    has_read: AtomicBool,
    /// `MOVED` and `WAITING`.
    writes: AtomicU8,
    /// Where the last writer that had to wait was seated: bits of the runtime, and the source.
    runtime: AtomicU64,
    token: AtomicUsize,
    /// Somebody says that something goes on, whatever the bytes say.
    is_touched: AtomicBool,
    /// A [`Phase`].
    phase: AtomicU8,
    /// Closing shall throw away what was not sent.
    is_reset: AtomicBool,
}

const MOVED: u8 = 1;
const WAITING: u8 = 1 << 1;

/// What is going on with the requests of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Phase {
    /// The header of a request comes in.
    Header,
    /// It is there: the request is served.
    Serving,
    /// The same, and nothing is wanted of the peer but that it takes what it is sent.
    Working,
    /// The next request is waited for.
    Between,
    /// Nobody is to look at it any more: it was closed or taken apart, or somebody else has its deadlines.
    Lifted,
}

/// What has happened since the last look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Beat {
    pub(crate) has_read: bool,
    pub(crate) has_written: bool,
    pub(crate) is_touched: bool,
    /// A writer is seated now: the peer does not take what it is sent.
    pub(crate) is_write_waiting: bool,
}

impl Pulse {
    pub(crate) const fn new() -> Self {
        Self {
            has_read: AtomicBool::new(false),
            writes: AtomicU8::new(0),
            runtime: AtomicU64::new(0),
            token: AtomicUsize::new(0),
            is_touched: AtomicBool::new(false),
            phase: AtomicU8::new(Phase::Header as u8),
            is_reset: AtomicBool::new(false),
        }
    }

    // For the handle.

    /// Bytes have gone in or out.
    #[inline]
    pub(crate) fn moved(&self, direction: Direction) {
        match direction {
            Direction::Read => self.has_read.store(true, Relaxed),
            Direction::Write => self.writes.store(MOVED, Relaxed),
        }
    }

    /// A writer is seated at a source of a runtime, or is seated no more.
    #[cold]
    pub(crate) fn write_waits(&self, seat: Option<(u64, Token)>) {
        if let Some((runtime, token)) = seat {
            self.runtime.store(runtime, Relaxed);
            self.token.store(token.0, Relaxed);
            self.writes.fetch_or(WAITING, Relaxed);
        } else {
            self.writes.fetch_and(!WAITING, Relaxed);
        }
    }

    /// The handle gives its descriptor up. Whether that shall throw away what was not sent.
    pub(crate) fn ends(&self) -> bool {
        self.enter(Phase::Lifted);
        self.is_reset.load(Relaxed)
    }

    // For whoever uses the connection.

    pub(crate) fn enter(&self, phase: Phase) {
        // That it has come so far is a sign of life.
        self.touch();
        if phase == Phase::Between {
            // What has been read is not the next request.
            self.has_read.store(false, Relaxed);
        }
        if self.phase() != Phase::Lifted {
            self.phase.store(phase as u8, Relaxed);
        }
    }

    pub(crate) fn touch(&self) {
        self.is_touched.store(true, Relaxed);
    }

    // For the watcher.

    pub(crate) fn phase(&self) -> Phase {
        const HEADER: u8 = Phase::Header as u8;
        const SERVING: u8 = Phase::Serving as u8;
        const WORKING: u8 = Phase::Working as u8;
        const BETWEEN: u8 = Phase::Between as u8;
        match self.phase.load(Relaxed) {
            HEADER => Phase::Header,
            SERVING => Phase::Serving,
            WORKING => Phase::Working,
            BETWEEN => Phase::Between,
            _ => Phase::Lifted,
        }
    }

    /// Between -> Header, unless somebody was faster.
    pub(crate) fn begin_header(&self) -> bool {
        let (between, header) = (Phase::Between as u8, Phase::Header as u8);
        self.phase.compare_exchange(between, header, SeqCst, Relaxed).is_ok()
    }

    /// Takes what has happened since the last look.
    pub(crate) fn look(&self) -> Beat {
        let mut writes = self.writes.load(Relaxed);
        if writes & MOVED != 0 {
            writes = self.writes.fetch_and(!MOVED, Relaxed);
        }
        Beat {
            has_read: take(&self.has_read),
            has_written: writes & MOVED != 0,
            is_touched: take(&self.is_touched),
            is_write_waiting: writes & WAITING != 0 && self.is_writer_seated(),
        }
    }

    /// Whether the writer that was seated last still is; taken for granted where that cannot be seen from here.
    fn is_writer_seated(&self) -> bool {
        let (runtime, token) = (self.runtime.load(Relaxed), Token(self.token.load(Relaxed)));
        let seated = current::with_extension(|reactor: &Rc<Reactor>| {
            reactor.runtime() != runtime || reactor.is_awaited(token, Direction::Write)
        });
        seated.unwrap_or(true)
    }

    pub(crate) fn reset_at_end(&self) {
        self.is_reset.store(true, Relaxed);
    }
}

/// Reads and clears a flag; writes only if there is something to clear, as that takes the cache line from its owner.
fn take(flag: &AtomicBool) -> bool {
    flag.load(Relaxed) && flag.swap(false, Relaxed)
}
