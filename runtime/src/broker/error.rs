//! `Error`: what a broker may answer instead.

use std::{error, fmt};

/// What went wrong, by what there is to do about it.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The lease is over: somebody else has the job by now, or may have, or it is done. Leave it alone.
    LeaseLost,
    /// The queue has as many jobs as it [may have](super::Options::capacity): try again when some are done.
    Full,
    /// No answer in time. Whether what was asked has been done is not known. Trying again is all right.
    Unreachable(Box<dyn error::Error + Send + Sync>),
    /// The engine said no, and will say so again: somebody has to change something.
    Refused(Box<dyn error::Error + Send + Sync>),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LeaseLost => f.write_str("the lease on the job is over, and somebody else may have it"),
            Self::Full => f.write_str("the queue is full"),
            Self::Unreachable(cause) => write!(f, "the broker cannot be reached: {cause}"),
            Self::Refused(cause) => write!(f, "the broker refuses: {cause}"),
        }
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::LeaseLost | Self::Full => None,
            Self::Unreachable(cause) | Self::Refused(cause) => Some(&**cause),
        }
    }
}
