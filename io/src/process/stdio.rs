//! What a child's standard descriptors are.

use crate::{
    io::{PipeReader, PipeWriter},
    sys,
};
use std::{
    fs::File,
    io,
    net::TcpStream,
    os::{
        fd::{AsRawFd, OwnedFd, RawFd},
        unix::net::UnixStream,
    },
};

/// What a child gets as its standard input, output or errors.
///
/// ```
/// use runtime_io::process::{Command, Stdio};
/// # let reactor = runtime_io::Reactor::new()?;
/// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
/// # executor.block_on(async {
/// let mut first = Command::new("echo").arg("one two three").stdout(Stdio::piped()).spawn()?;
/// let words = first.stdout.take().unwrap();
/// let second = Command::new("wc").arg("-w").stdin(words.into_blocking_fd()?).output().await?;
/// assert_eq!(second.stdout.trim_ascii(), b"3");
/// assert!(first.wait().await?.success());
/// # std::io::Result::Ok(())
/// # })?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct Stdio(pub(super) Kind);

#[derive(Debug)]
pub(super) enum Kind {
    Inherit,
    Null,
    Piped,
    Given(OwnedFd),
}

impl Stdio {
    /// What this process has.
    pub fn inherit() -> Self {
        Self(Kind::Inherit)
    }

    /// Nothing: `/dev/null`.
    pub fn null() -> Self {
        Self(Kind::Null)
    }

    /// A pipe, of which [`Child`](super::Child) has the other end.
    pub fn piped() -> Self {
        Self(Kind::Piped)
    }
}

/// An open file of any kind, which should block: programs rarely expect another.
impl From<OwnedFd> for Stdio {
    fn from(fd: OwnedFd) -> Self {
        Self(Kind::Given(fd))
    }
}

macro_rules! from_descriptors {
    ($($type:ty),*) => {
        $(impl From<$type> for Stdio {
            fn from(given: $type) -> Self {
                OwnedFd::from(given).into()
            }
        })*
    };
}

from_descriptors!(File, TcpStream, UnixStream);

/// A child's end of one standard descriptor, and ours where there is one.
pub(super) struct Ends<T> {
    theirs: Option<OwnedFd>,
    pub(super) ours: Option<T>,
}

impl<T> Ends<T> {
    fn theirs(fd: OwnedFd) -> io::Result<Self> {
        // A standard descriptor's number would be overwritten before it is used.
        let theirs = match fd.as_raw_fd() {
            0..=libc::STDERR_FILENO => sys::descriptor::duplicate(fd.as_raw_fd(), libc::STDERR_FILENO + 1)?,
            _ => fd,
        };
        Ok(Self { theirs: Some(theirs), ours: None })
    }

    fn open(kind: &Kind, piped: impl FnOnce() -> io::Result<(OwnedFd, T)>) -> io::Result<Self> {
        match kind {
            Kind::Inherit => Ok(Self { theirs: None, ours: None }),
            Kind::Null => Self::theirs(File::options().read(true).write(true).open("/dev/null")?.into()),
            Kind::Given(fd) => Self::theirs(fd.try_clone()?),
            Kind::Piped => {
                let (theirs, ours) = piped()?;
                Ok(Self { ours: Some(ours), ..Self::theirs(theirs)? })
            }
        }
    }

    pub(super) fn number(&self) -> Option<RawFd> {
        self.theirs.as_ref().map(AsRawFd::as_raw_fd)
    }
}

impl Ends<PipeWriter> {
    pub(super) fn to_write(kind: &Kind) -> io::Result<Self> {
        Self::open(kind, || {
            let (reader, writer) = crate::io::pipe()?;
            Ok((reader.into_blocking_fd()?, writer))
        })
    }
}

impl Ends<PipeReader> {
    pub(super) fn to_read(kind: &Kind) -> io::Result<Self> {
        Self::open(kind, || {
            let (reader, writer) = crate::io::pipe()?;
            Ok((writer.into_blocking_fd()?, reader))
        })
    }
}
