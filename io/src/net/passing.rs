//! Descriptors sent from process to process beside the bytes of a Unix connection.

use super::{connection::sealed::Connected, unix_stream::UnixStream};
use crate::{
    registration::Step,
    sys::ancillary::{self, Received},
};
use std::{
    error::Error,
    fmt, io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net,
    },
};

impl UnixStream {
    /// Sends some bytes, at least one, and beside the first of them duplicates of `fds`. Returns how many bytes were
    /// taken: the descriptors are on their way then, and the rest of the bytes is for [`write_all`](Self::write_all).
    ///
    /// The receiver must expect them, with [`recv_with_fds`](Self::recv_with_fds); a mere `read` of these bytes closes
    /// them. What has been sent and not yet received counts against a limit of the sender's (on Linux its limit of open
    /// files), beyond which the system says `ETOOMANYREFS`.
    ///
    /// # Errors
    /// `InvalidInput` for no bytes, which could carry nothing, or for more than 253 descriptors; otherwise what
    /// `sendmsg` says, such as `BrokenPipe`; or a [`HandleError`](crate::HandleError).
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has sent neither bytes nor descriptors.
    ///
    /// ```
    /// use runtime_io::net::UnixStream;
    /// use std::{fs::File, io::{Read, Write}, os::fd::AsFd};
    /// # let reactor = runtime_io::Reactor::new()?;
    /// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
    /// # executor.block_on(async {
    /// let (ours, theirs) = UnixStream::pair()?;
    /// let (mut reader, writer) = std::io::pipe()?;
    /// ours.send_with_fds(b"a pipe", &[writer.as_fd()]).await?;
    /// drop(writer);
    ///
    /// let mut buf = [0; 16];
    /// let (n, mut fds) = theirs.recv_with_fds(&mut buf, 1).await?;
    /// assert_eq!((&buf[..n], fds.len()), (&b"a pipe"[..], 1));
    /// File::from(fds.remove(0)).write_all(b"hello")?;
    /// let mut said = String::new();
    /// reader.read_to_string(&mut said)?;
    /// assert_eq!(said, "hello");
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn send_with_fds<'a>(
        &'a self,
        bytes: &'a [u8],
        fds: &'a [BorrowedFd<'a>],
    ) -> impl Future<Output = io::Result<usize>> + 'a {
        self.connection().io().writing(move |socket: &net::UnixStream| {
            check_parcel(bytes, fds)?;
            ancillary::send(socket.as_fd(), bytes, fds, None).map(Step::Done)
        })
    }

    /// Reads some bytes, and the descriptors beside them, of which `max_fds` are expected at most. 0 bytes are the end,
    /// as in [`read`](Self::read). What arrives is closed on `exec`, and may be anything: check what it is.
    ///
    /// Bytes that were sent with descriptors are never read together with those behind them, so a protocol in which
    /// each message is sent in one piece gets each message's own.
    ///
    /// # Errors
    /// [`DescriptorsLost`] inside the [`io::Error`] if more came than were expected, or this process can open no more.
    /// All that came are closed then, and the bytes are lost too: such a connection is of no use any more. Otherwise
    /// as for [`read`](Self::read).
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has received nothing.
    pub fn recv_with_fds<'a>(
        &'a self,
        buf: &'a mut [u8],
        max_fds: usize,
    ) -> impl Future<Output = io::Result<(usize, Vec<OwnedFd>)>> + 'a {
        self.connection().io().reading(move |socket: &net::UnixStream| {
            let received = ancillary::receive(socket.as_fd(), buf, max_fds)?;
            check_received(&received, max_fds)?;
            Ok(Step::Done((received.bytes, received.fds)))
        })
    }
}

/// Fails if descriptors that came could not all be kept; the others are closed with what was received.
pub(super) fn check_received(received: &Received, max_fds: usize) -> Result<(), DescriptorsLost> {
    let come = received.fds.len();
    if come > max_fds || received.truncated && come == max_fds.min(ancillary::MAX_FDS) {
        return Err(DescriptorsLost::TooMany { expected: max_fds });
    }
    if received.truncated { Err(DescriptorsLost::NoneLeft) } else { Ok(()) }
}

fn check_parcel(bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    if !bytes.is_empty() {
        return check_count(fds);
    }
    let complaint = "descriptors travel beside bytes: send at least one";
    Err(io::Error::new(io::ErrorKind::InvalidInput, complaint))
}

/// Fails for more descriptors than go with one message.
pub(super) fn check_count(fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    if fds.len() <= ancillary::MAX_FDS {
        return Ok(());
    }
    let complaint = "no more than 253 descriptors go with one message: send them in several";
    Err(io::Error::new(io::ErrorKind::InvalidInput, complaint))
}

/// Descriptors came with a message and could not all be kept, so all were closed. It arrives inside an [`io::Error`].
///
/// ```
/// use runtime_io::net::{DescriptorsLost, UnixStream};
/// use std::os::fd::AsFd;
/// # let reactor = runtime_io::Reactor::new()?;
/// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
/// # executor.block_on(async {
/// let (ours, theirs) = UnixStream::pair()?;
/// ours.send_with_fds(b"surprise", &[ours.as_fd()]).await?;
/// let error = theirs.recv_with_fds(&mut [0; 16], 0).await.unwrap_err();
/// assert_eq!(error.downcast::<DescriptorsLost>().unwrap(), DescriptorsLost::TooMany { expected: 0 });
/// # std::io::Result::Ok(())
/// # })?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum DescriptorsLost {
    /// More came than were expected.
    TooMany {
        /// How many would have been welcome.
        expected: usize,
    },
    /// This process or the system can open no more.
    NoneLeft,
}

impl fmt::Display for DescriptorsLost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany { expected } => {
                write!(
                    f,
                    "more descriptors came with a message than the {expected} expected: all were closed"
                )
            }
            Self::NoneLeft => f.write_str(
                "descriptors came with a message, and this process can open no more: all were closed",
            ),
        }
    }
}

impl Error for DescriptorsLost {}

impl From<DescriptorsLost> for io::Error {
    fn from(error: DescriptorsLost) -> Self {
        let kind = match error {
            DescriptorsLost::TooMany { .. } => io::ErrorKind::InvalidData,
            DescriptorsLost::NoneLeft => io::ErrorKind::Other,
        };
        io::Error::new(kind, error)
    }
}
