//! What supervisor and worker tell each other about the worker's life.
//!
//! ```text
//! worker      Hello ──────> Bind ──> Ready ──> … ────────> Ending   (then it exits)
//! supervisor       Welcome ──> Bound ──> … ──> Stop ──> Hurry
//!                └ Refused  (then it closes)
//! ```
//!
//! The worker speaks first. A [`Hello`](ToSupervisor::Hello) is read by supervisors of every version, past and future: it
//! never changes, nor does [`Refused`](ToWorker::Refused). Everything after it is of the version that they agreed on.

use super::{
    codec::{Bytes, Malformed, Wire, messages},
    frame::Message,
    handshake::BuildId,
};
use std::{io, net::SocketAddr, path::PathBuf, time::Duration};

messages! {
    /// From a worker to its supervisor. No descriptor ever comes this way.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub(crate) enum ToSupervisor {
        /// The first message of all; see [`handshake`](super::handshake).
        1 = Hello {
            /// [`handshake::MAGIC`](super::handshake::MAGIC): whoever does not know it is something else than a worker.
            magic: u64,
            /// The lowest and the highest version of these messages that the worker knows.
            lowest: u16,
            /// See `lowest`.
            highest: u16,
            /// Of what program it runs.
            build: BuildId,
            /// As which process.
            pid: u32,
        },
        /// It wants to listen. Answered by [`Bound`](ToWorker::Bound).
        2 = Bind {
            /// Comes back in the answer. Unique within the worker's life.
            request: u32,
            /// Where.
            place: Place,
        },
        /// It serves.
        3 = Ready,
        /// It has done as many requests as it should, and wants to be replaced.
        4 = Recycle,
        /// It wants to count under that name. Answered by [`CounterIs`](ToWorker::CounterIs).
        5 = Counter {
            /// At most [`MAX_NAME_BYTES`](crate::cluster::wire::MAX_NAME_BYTES).
            name: String,
        },
        /// It has drained as far as it could in its time, and exits next.
        6 = Ending {
            /// So many connections it had to cut.
            forced: u64,
        },
    }

    /// From a supervisor to one of its workers.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub(crate) enum ToWorker {
        /// The supervisor cannot work with this worker and closes the connection. The worker says so and exits.
        1 = Refused {
            /// For people.
            why: String,
        },
        /// The worker is taken in.
        2 = Welcome {
            /// The version of all that follows.
            version: u16,
            /// Its place among the workers, counted from 0; its replacement gets the same.
            slot: u32,
            /// No other worker of this cluster ever has the same.
            life: u64,
            /// How often the program was loaded anew before.
            generation: u64,
            /// How many workers there are to be.
            workers: u32,
            /// How often its heart should beat.
            heartbeat: Duration,
            /// How long it may drain if the supervisor dies.
            grace: Duration,
            /// The core it is pinned to.
            core: Option<u32>,
            /// After so many requests it asks to be replaced.
            max_requests: Option<u64>,
            /// The largest message, in bytes, that it may send to others.
            max_message: u32,
        },
        /// The answer to [`Bind`](ToSupervisor::Bind). A success is accompanied by the descriptor of a listening socket.
        3 = Bound {
            /// That of the request.
            request: u32,
            /// Names the listener in [`Adopt`](Self::Adopt) and [`Release`](Self::Release).
            result: Result<u32, Failure>,
        },
        /// Stop accepting, finish what is going on, exit.
        4 = Stop {
            /// For at most so long.
            grace: Duration,
            /// Nobody accepts after it: it takes first what the kernel has queued.
            last: bool,
        },
        /// What is still going on need not be finished.
        5 = Hurry,
        /// Accept from this socket too: nobody serves the slot that it belongs to. Accompanied by its descriptor.
        6 = Adopt {
            /// The listener whose connections they are.
            listener: u32,
            /// Names the adopted socket in [`Release`](Self::Release).
            key: u64,
        },
        /// The slot has a worker again: stop accepting from that socket, and close it.
        7 = Release {
            /// See [`Adopt`](Self::Adopt).
            listener: u32,
            /// See [`Adopt`](Self::Adopt).
            key: u64,
        },
        /// The answer to [`Counter`](ToSupervisor::Counter).
        8 = CounterIs {
            /// That of the request.
            name: String,
            /// Which of the named counters; `None`: there are too many already.
            index: Option<u32>,
        },
    }

    /// Where to listen.
    #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
    pub(crate) enum Place {
        /// On a TCP address.
        1 = Tcp {
            /// With port 0 the system chooses one, the same for all workers.
            address: SocketAddr,
        },
        /// On a Unix socket.
        2 = Unix {
            /// In the file system.
            path: PathBuf,
        },
    }
}

impl Message for ToSupervisor {
    fn descriptors(&self) -> usize {
        0
    }
}

impl Message for ToWorker {
    fn descriptors(&self) -> usize {
        usize::from(matches!(self, Self::Bound { result: Ok(_), .. } | Self::Adopt { .. }))
    }
}

/// An error of the system, as far as it can travel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// The system's number of it.
    code: Option<i32>,
    /// What it said.
    text: String,
}

impl From<&io::Error> for Failure {
    fn from(error: &io::Error) -> Self {
        Self { code: error.raw_os_error(), text: error.to_string() }
    }
}

impl From<Failure> for io::Error {
    /// With a number of the system it is of the same kind as where it came from.
    fn from(failure: Failure) -> Self {
        match failure.code {
            Some(code) => Self::from_raw_os_error(code),
            None => Self::other(failure.text),
        }
    }
}

impl Wire for Failure {
    fn put(&self, to: &mut Vec<u8>) {
        self.code.put(to);
        self.text.put(to);
    }

    fn take(from: &mut Bytes<'_>) -> Result<Self, Malformed> {
        Ok(Self { code: Wire::take(from)?, text: String::take(from)? })
    }
}
