//! What is known of a descriptor without asking: what an operation has found, what events have said, and which of them
//! prove that nothing is left.

use crate::{
    blocking,
    reactor::READ_INTEREST,
    source::{Direction, Readiness},
};
use mio::Interest;
use std::{io, os::fd::BorrowedFd, time::Duration};

/// Whether events tell of urgent data, and of the end of the peer's side.
const REPORTS_ALL: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// What is known of a descriptor, as bits.
///
/// | bit | meaning | set | cleared |
/// |---|---|---|---|
/// | `AWAIT_READ`, `AWAIT_WRITE` | the direction is to wait for | it was found exhausted | by an event, or a doubt |
/// | `PRIORITY` | urgent data is among the bytes | by an event | a read found nothing more |
/// | `HUNG_UP` | an end or an error lies behind the bytes | by an event | never: no edge would repeat it |
/// | `FULL_READS` | a short read proves nothing for this kind | at birth | never |
/// | `UNASKED_READ`, `UNASKED_WRITE` | the selector does not report the direction; never with its `AWAIT_…` | at birth | the first wait |
/// | `PATIENT` | no memory is a reason to wait, not an error: whoever has begun a stream cannot do without its next bytes | at birth | never |
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Knowledge(u8);

impl Knowledge {
    const AWAIT_READ: u8 = 1;
    const AWAIT_WRITE: u8 = 1 << 1;
    const PRIORITY: u8 = 1 << 2;
    const HUNG_UP: u8 = 1 << 3;
    const FULL_READS: u8 = 1 << 4;
    const UNASKED_READ: u8 = 1 << 5;
    const UNASKED_WRITE: u8 = 1 << 6;
    const PATIENT: u8 = 1 << 7;

    /// For TCP where the system reports urgent data and half-closed connections with its events: a short read
    /// means that nothing is left unless one of them was reported. The queue was then empty at some moment of the
    /// call, and whatever came later makes a new edge.
    pub(crate) const TCP: Self = if REPORTS_ALL { Self(Self::PATIENT) } else { Self::OTHER_STREAM };
    /// For Unix connections the same, except where a read was hindered by what lies beside the bytes.
    pub(crate) const UNIX: Self = if REPORTS_ALL {
        Self(Self::UNASKED_READ | Self::UNASKED_WRITE | Self::PATIENT)
    } else {
        Self::OTHER_STREAM
    };
    /// For packets, pipes, devices: only `EAGAIN` means that nothing is left.
    pub(crate) const OTHER: Self = Self(Self::FULL_READS | Self::UNASKED_READ | Self::UNASKED_WRITE);

    const OTHER_STREAM: Self = Self(Self::OTHER.0 | Self::PATIENT);

    #[inline]
    pub(crate) const fn awaits(self, direction: Direction) -> bool {
        self.0 & Self::await_bit(direction) != 0
    }

    #[inline]
    const fn await_bit(direction: Direction) -> u8 {
        match direction {
            Direction::Read => Self::AWAIT_READ,
            Direction::Write => Self::AWAIT_WRITE,
        }
    }

    const fn unasked_bit(direction: Direction) -> u8 {
        if matches!(direction, Direction::Read) { Self::UNASKED_READ } else { Self::UNASKED_WRITE }
    }

    /// Whether the selector does not report a direction yet.
    pub(crate) const fn is_unasked(self, direction: Direction) -> bool {
        self.0 & Self::unasked_bit(direction) != 0
    }

    /// The selector reports a direction from now on.
    pub(crate) const fn asked(self, direction: Direction) -> Self {
        Self(self.0 & !Self::unasked_bit(direction))
    }

    /// What the selector is to be asked about.
    pub(crate) fn interest(self) -> Interest {
        match (self.is_unasked(Direction::Read), self.is_unasked(Direction::Write)) {
            (false, true) => READ_INTEREST,
            (true, false) => Interest::WRITABLE,
            _ => READ_INTEREST | Interest::WRITABLE,
        }
    }

    /// An event has come for a direction.
    #[inline]
    pub(crate) const fn learn(self, direction: Direction, event: Readiness) -> Self {
        let mut bits = self.0 & !Self::await_bit(direction);
        if event.intersects(Readiness::PRIORITY) {
            bits |= Self::PRIORITY;
        }
        if event.intersects(Readiness::HUNG_UP) {
            bits |= Self::HUNG_UP;
        }
        Self(bits)
    }

    /// An attempt got `EAGAIN`.
    #[inline]
    pub(crate) const fn exhausted(self, direction: Direction) -> Self {
        match direction {
            Direction::Read => Self(self.0 & !Self::PRIORITY | Self::AWAIT_READ),
            Direction::Write => Self(self.0 | Self::AWAIT_WRITE),
        }
    }

    /// An attempt got `EAGAIN`: the direction is exhausted. But before an urgent byte Linux says so to whoever has a signal
    /// pending (`tcp_recvmsg`), whatever lies behind that byte, and no edge follows; poll(2) knows better.
    pub(crate) fn got_nothing(self, fd: BorrowedFd<'_>, direction: Direction) -> Self {
        let is_doubtful = matches!(direction, Direction::Read) && self.0 & Self::PRIORITY != 0;
        if is_doubtful
            && blocking::readable(fd, Some(Duration::ZERO))
                .unwrap_or_else(|error| error.kind() == io::ErrorKind::Interrupted)
        {
            return self;
        }
        self.exhausted(direction)
    }

    /// Somebody doubts that a direction is exhausted still.
    pub(crate) const fn presumed_ready(self, direction: Direction) -> Self {
        Self(self.0 & !Self::await_bit(direction))
    }

    /// No edge would tell of more: of what lies behind urgent data or an end, or while the selector is not asked about
    /// reading.
    const NO_EDGE: u8 = Self::PRIORITY | Self::HUNG_UP | Self::UNASKED_READ;

    /// A read got less than there was room for.
    #[inline]
    pub(crate) const fn came_short(self) -> Self {
        if self.0 & (Self::NO_EDGE | Self::FULL_READS) == 0 { Self(self.0 | Self::AWAIT_READ) } else { self }
    }

    /// A read found that nothing is left behind what it got.
    #[inline]
    pub(crate) const fn drained(self) -> Self {
        if self.0 & Self::NO_EDGE == 0 { Self(self.0 | Self::AWAIT_READ) } else { self }
    }

    /// Whether an operation that found no memory is to wait.
    pub(crate) const fn is_patient(self) -> bool {
        self.0 & Self::PATIENT != 0
    }

    /// Whether neither urgent data nor a hang-up is known of.
    pub(crate) const fn is_plain(self) -> bool {
        self.0 & (Self::PRIORITY | Self::HUNG_UP) == 0
    }

    /// As it lies in an atomic.
    #[inline]
    pub(crate) const fn bits(self) -> u8 {
        self.0
    }

    /// What [`bits`](Self::bits) gave.
    #[inline]
    pub(crate) const fn of_bits(bits: u8) -> Self {
        Self(bits)
    }
}
