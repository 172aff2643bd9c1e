//! Why no child was started, in two numbers: that much a child can say before it is a program.

use std::io;

/// What was tried.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    /// To make a process.
    Fork,
    /// To give it its signals, descriptors, and the rest that is ours.
    Prepare,
    /// To run in another directory.
    Directory,
    /// To join a process group, or begin one.
    ProcessGroup,
    /// To become another user.
    Identity,
    /// To run the program.
    Execute,
}

impl Step {
    const ALL: [Self; 6] =
        [Self::Fork, Self::Prepare, Self::Directory, Self::ProcessGroup, Self::Identity, Self::Execute];
}

/// What was tried, and what the system said.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failure {
    pub(crate) step: Step,
    pub(crate) errno: i32,
}

impl Failure {
    pub(super) fn last(step: Step) -> Self {
        Self { step, errno: super::errno() }
    }

    /// Not zero.
    pub(super) fn to_bits(self) -> u64 {
        (self.step as u64 + 1) << 32 | u64::from(self.errno.cast_unsigned())
    }

    pub(super) fn from_bits(bits: u64) -> Option<Self> {
        let step = (bits >> 32).checked_sub(1)?;
        let errno = (bits & u64::from(u32::MAX)) as u32;
        Some(Self { step: *Step::ALL.get(step as usize)?, errno: errno.cast_signed() })
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self { step: Step::Fork, errno: error.raw_os_error().unwrap_or(libc::EIO) }
    }
}

impl From<Failure> for io::Error {
    fn from(failure: Failure) -> Self {
        Self::from_raw_os_error(failure.errno)
    }
}
