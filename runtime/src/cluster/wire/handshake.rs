//! Who is at the other end: the first message of a worker, and what a supervisor makes of it.
//!
//! A cluster may be older than its workers: after a reload the same supervisor runs a newer program. So both say which
//! versions of the control messages they know, and the highest that both know is spoken; if there is none, the worker is
//! refused in words, and the generation before it keeps serving.
//!
//! The [`BuildId`] is not for that: it tells whether the worker runs the very program that the supervisor has started.

use super::{
    codec::{Bytes, Malformed, Wire},
    control::ToSupervisor,
};
use std::{error::Error, fmt, fs::Metadata, io, os::unix::fs::MetadataExt};

/// The first bytes of a [`Hello`](ToSupervisor::Hello): `rtworker` in ASCII.
pub(crate) const MAGIC: u64 = u64::from_le_bytes(*b"rtworker");

/// The versions of the control messages that this code speaks, the lowest and the highest. To be raised with every change
/// that the other side would not understand.
pub(crate) const VERSIONS: (u16, u16) = (1, 1);

/// Which file a program was loaded from: the same for all processes that were started from the same file, another after it
/// was replaced or written anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct BuildId(u64);

impl BuildId {
    /// Of the program that this process runs, also if its file has been replaced or deleted since.
    ///
    /// # Errors
    /// If the system does not tell.
    pub(crate) fn of_this_program() -> io::Result<Self> {
        let metadata = if cfg!(target_os = "linux") {
            std::fs::metadata("/proc/self/exe")
        } else {
            std::env::current_exe().and_then(std::fs::metadata)
        };
        metadata.map(|metadata| Self::of(&metadata))
    }

    /// As it is displayed.
    #[cfg(feature = "process-pool")]
    pub(crate) fn parse(text: &str) -> Option<Self> {
        u64::from_str_radix(text, 16).ok().map(Self)
    }

    /// Of the program in the file that this is about.
    pub(crate) fn of(file: &Metadata) -> Self {
        let facts = [
            file.dev(),
            file.ino(),
            file.size(),
            file.mtime().cast_unsigned(),
            file.mtime_nsec().cast_unsigned(),
        ];
        // FNV-1a, by Fowler, Noll and Vo: it need not withstand anybody who tries.
        let bytes = facts.into_iter().flat_map(u64::to_le_bytes);
        Self(
            bytes.fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3)
            }),
        )
    }
}

impl fmt::Display for BuildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl Wire for BuildId {
    fn put(&self, to: &mut Vec<u8>) {
        self.0.put(to);
    }

    fn take(from: &mut Bytes<'_>) -> Result<Self, Malformed> {
        u64::take(from).map(Self)
    }
}

/// The first message of a worker.
pub(crate) fn hello(build: BuildId, pid: u32) -> ToSupervisor {
    let (lowest, highest) = VERSIONS;
    ToSupervisor::Hello { magic: MAGIC, lowest, highest, build, pid }
}

/// Why a worker is not taken in. [`Display`](fmt::Display) says it as [`Refused`](super::control::ToWorker::Refused) and
/// the log should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It said something else first.
    NoHello,
    /// It is no worker of ours, or speaks something else.
    Magic(u64),
    /// It knows these versions, and we none of them.
    Versions(u16, u16),
    /// It runs that program, and should run another.
    Build {
        /// What was started.
        expected: BuildId,
        /// What says hello.
        found: BuildId,
    },
    /// It is that process, and should be another.
    Pid {
        /// What was started.
        expected: u32,
        /// What says hello.
        found: u32,
    },
}

/// The version to speak with a worker that has said this first, if it is the process that was expected.
///
/// # Errors
/// [`Refusal`] otherwise.
pub(crate) fn check(first: &ToSupervisor, build: BuildId, expected_pid: u32) -> Result<u16, Refusal> {
    let ToSupervisor::Hello { magic, lowest, highest, build: found, pid } = *first else {
        return Err(Refusal::NoHello);
    };
    if magic != MAGIC {
        return Err(Refusal::Magic(magic));
    }
    let common = highest.min(VERSIONS.1);
    // Also if the lowest is above the highest: `common` is not above the highest.
    if common < lowest.max(VERSIONS.0) {
        return Err(Refusal::Versions(lowest, highest));
    }
    if found != build {
        return Err(Refusal::Build { expected: build, found });
    }
    if pid != expected_pid {
        return Err(Refusal::Pid { expected: expected_pid, found: pid });
    }
    Ok(common)
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoHello => f.write_str("the worker did not introduce itself first"),
            Self::Magic(magic) => {
                write!(f, "{magic:#018x} is not how a worker of this runtime introduces itself")
            }
            Self::Versions(lowest, highest) => {
                let (ours_lowest, ours_highest) = VERSIONS;
                write!(
                    f,
                    "the worker speaks versions {lowest} to {highest} of the control messages, the supervisor \
                     {ours_lowest} to {ours_highest}: restart the supervisor with the new program"
                )
            }
            Self::Build { expected, found } => {
                write!(f, "the worker runs program {found}, and {expected} was started")
            }
            Self::Pid { expected, found } => {
                write!(f, "the worker says that it is process {found}, and {expected} was started")
            }
        }
    }
}

impl Error for Refusal {}
