//! The end of a pipe that gives what was written to the other.

use super::{End, adopt, into_blocking};
use crate::{
    async_fd::AsyncFd,
    knowledge::Knowledge,
    registration::Step,
    source::{Direction, WaiterId},
    sys,
};
use futures_io::AsyncRead;
use std::{
    fs::File,
    io::{self, IoSliceMut, Read},
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
    pin::Pin,
    task::{Context, Poll},
};

/// The end of a pipe or FIFO to read from; see [`pipe`](super::pipe()) and [`fifo`](crate::io::fifo).
///
/// It is read until the kernel says that nothing is left, never only until a read comes short: packets and other
/// processes' ways of writing would be waited for in vain.
///
/// The handle is `Send` and `Sync`, and belongs to the runtime where it first had to wait. Two tasks may read from it; each
/// byte goes to one of them.
#[derive(Debug)]
pub struct PipeReader {
    io: AsyncFd<Mouth>,
}

/// The descriptor, and what a read of nothing means.
#[derive(Debug)]
struct Mouth {
    file: File,
    /// It was opened by name, perhaps before anybody who writes: then the end is not here before they have come and gone.
    awaits_writers: bool,
}

impl PipeReader {
    pub(super) fn nonblocking(file: File) -> Self {
        Self { io: AsyncFd::of_kind(Mouth { file, awaits_writers: false }, Knowledge::OTHER) }
    }

    pub(in crate::io) fn of_fifo(file: File) -> Self {
        Self { io: AsyncFd::of_kind(Mouth { file, awaits_writers: true }, Knowledge::OTHER) }
    }

    /// Takes a descriptor, perhaps an inherited one or the standard library's, and makes its open file non-blocking, for
    /// everybody who shares it.
    ///
    /// # Errors
    /// `InvalidInput` if it is no pipe, or not open for reading.
    ///
    /// ```
    /// use runtime_io::io::{self, PipeReader};
    /// use std::process::{Command, Stdio};
    /// # let reactor = runtime_io::Reactor::new()?;
    /// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
    ///
    /// # executor.block_on(async {
    /// let mut child = Command::new("echo").arg("hello").stdout(Stdio::piped()).spawn()?;
    /// let reader = PipeReader::from_fd(child.stdout.take().unwrap())?;
    /// let mut greeting = [0; 6];
    /// reader.read_exact(&mut greeting).await?;
    /// assert_eq!(&greeting, b"hello\n");
    /// child.wait()?;
    /// # io::Result::Ok(())
    /// # })?;
    /// # io::Result::Ok(())
    /// ```
    pub fn from_fd(fd: impl Into<OwnedFd>) -> io::Result<Self> {
        adopt(fd.into(), End::Reader).map(Self::nonblocking)
    }

    /// Takes the descriptor out, non-blocking still: for another runtime, or [`from_fd`](Self::from_fd).
    pub fn into_owned_fd(self) -> OwnedFd {
        self.io.into_inner().file.into()
    }

    /// Takes the descriptor out and makes it block again: for a child, or for code that waits without a runtime.
    ///
    /// # Errors
    /// If the system refuses that.
    pub fn into_blocking_fd(self) -> io::Result<OwnedFd> {
        into_blocking(self.io.into_inner().file)
    }

    /// Reads what there is, as far as there is room; waits while there is nothing. 0 bytes mean that all writers are gone.
    ///
    /// # Errors
    /// What the system says, or a [`HandleError`](crate::HandleError).
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has read nothing.
    #[inline]
    pub fn read<'a>(&'a self, buf: &'a mut [u8]) -> impl Future<Output = io::Result<usize>> + 'a {
        self.io.reading(move |mouth| mouth.read(buf).map(Step::Done))
    }

    /// Reads until the buffer is full.
    ///
    /// # Errors
    /// `UnexpectedEof` if the writers are gone before; what the buffer holds then is unspecified. Otherwise as for
    /// [`read`](Self::read).
    ///
    /// # Cancel safety
    /// None: dropped before it is ready, it may have read, and what it has read is in the buffer.
    pub fn read_exact<'a>(&'a self, buf: &'a mut [u8]) -> impl Future<Output = io::Result<()>> + 'a {
        let mut filled = 0;
        self.io.reading(move |mouth: &Mouth| {
            let room = &mut buf[filled..];
            if room.is_empty() {
                return Ok(Step::Done(()));
            }
            match mouth.read(room)? {
                0 => Err(io::ErrorKind::UnexpectedEof.into()),
                n if n == room.len() => Ok(Step::Done(())),
                n => {
                    filled += n;
                    Ok(Step::Again)
                }
            }
        })
    }

    /// [`read`](Self::read) into several buffers, one after the other.
    ///
    /// # Errors
    /// As for [`read`](Self::read).
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has read nothing.
    pub fn read_vectored<'a>(
        &'a self,
        bufs: &'a mut [IoSliceMut<'_>],
    ) -> impl Future<Output = io::Result<usize>> + 'a {
        self.io.reading(move |mouth| mouth.read_vectored(bufs).map(Step::Done))
    }

    /// Waits until there is something to read, or the writers are gone. No buffer is needed until then.
    ///
    /// # Errors
    /// As for [`AsyncFd::readable`].
    ///
    /// # Cancel safety
    /// Dropping it loses nothing.
    pub fn readable(&self) -> impl Future<Output = io::Result<()>> {
        self.io.readable()
    }

    /// Reads what there is, as far as there is room.
    ///
    /// # Errors
    /// `WouldBlock` if there is nothing, or as for [`read`](Self::read).
    pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.io.try_op(Direction::Read, |mouth| mouth.read(buf).map(Step::Done))
    }
}

impl Mouth {
    #[inline]
    fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
        match (&self.file).read(buf)? {
            0 if !buf.is_empty() => self.nothing(),
            n => Ok(n),
        }
    }

    fn read_vectored(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let taken = sys::socket::at_once(bufs);
        let bufs = &mut bufs[taken];
        match (&self.file).read_vectored(bufs)? {
            0 if bufs.iter().any(|buf| !buf.is_empty()) => self.nothing(),
            n => Ok(n),
        }
    }

    /// A read gave nothing: the end, or too early.
    #[cold]
    fn nothing(&self) -> io::Result<usize> {
        if self.awaits_writers && !sys::pipe::have_writers_gone(self.as_fd())? {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(0)
    }
}

impl AsFd for Mouth {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// Whoever polls last is woken. Tasks that share the reader use the `async` methods, where everybody is.
impl AsyncRead for &PipeReader {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.io.poll_op(Direction::Read, &mut WaiterId::shared(), context, |mouth| {
            mouth.read(buf).map(Step::Done)
        })
    }

    fn poll_read_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        self.io.poll_op(Direction::Read, &mut WaiterId::shared(), context, |mouth| {
            mouth.read_vectored(bufs).map(Step::Done)
        })
    }
}

impl AsyncRead for PipeReader {
    #[inline]
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut &*self).poll_read(context, buf)
    }

    fn poll_read_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut &*self).poll_read_vectored(context, bufs)
    }
}

impl AsFd for PipeReader {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.io.as_fd()
    }
}

impl AsRawFd for PipeReader {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl TryFrom<OwnedFd> for PipeReader {
    type Error = io::Error;

    /// See [`from_fd`](PipeReader::from_fd).
    fn try_from(fd: OwnedFd) -> io::Result<Self> {
        Self::from_fd(fd)
    }
}

impl From<PipeReader> for OwnedFd {
    fn from(reader: PipeReader) -> Self {
        reader.into_owned_fd()
    }
}
