//! Why a handle cannot be used here, in sentences that say what to do.

use std::{error::Error, fmt, io};

/// A socket or other I/O handle was used where or when it cannot work. It arrives inside an [`io::Error`].
///
/// ```
/// use runtime_io::HandleError;
///
/// let error: std::io::Error = HandleError::NoRuntime.into();
/// assert_eq!(error.downcast::<HandleError>().unwrap(), HandleError::NoRuntime);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum HandleError {
    /// No runtime runs on this thread.
    NoRuntime,
    /// The runtime on this thread was built without a reactor.
    NoReactor,
    /// Another runtime, on another thread, has registered the handle.
    OtherRuntime,
    /// The runtime that had registered the handle has ended.
    RuntimeEnded,
    /// The runtime was made before a `fork` and belongs to the parent.
    Forked,
    /// The handle was closed, by another task or thread.
    Closed,
}

impl fmt::Display for HandleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoRuntime => {
                "no runtime runs on this thread: await I/O inside `runtime::run(async { … })`, \
                 `#[runtime::main]` or `#[runtime::test]`"
            }
            Self::NoReactor => {
                "the runtime on this thread has no reactor: build it with `runtime::Runtime`, or give its executor \
                 one with `.park(reactor.clone()).extension(reactor)`"
            }
            Self::OtherRuntime => {
                "this handle belongs to the runtime of another thread, where it was first used: use it there, or \
                 hand a socket over before its first use or with `into_std` there and `from_std` here"
            }
            Self::RuntimeEnded => {
                "the runtime that used this handle has ended: take the socket out with `into_std` and wrap it \
                 again with `from_std`"
            }
            Self::Forked => {
                "this runtime was made before fork() and belongs to the parent process: a child must make a \
                 runtime of its own, or exec"
            }
            Self::Closed => "the handle was closed while or before it was waited for",
        })
    }
}

impl Error for HandleError {}

impl From<HandleError> for io::Error {
    fn from(error: HandleError) -> Self {
        let kind = match error {
            HandleError::Closed => io::ErrorKind::NotConnected,
            _ => io::ErrorKind::Other,
        };
        io::Error::new(kind, error)
    }
}
