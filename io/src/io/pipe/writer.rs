//! The end of a pipe that is written to.

use super::{End, adopt, into_blocking};
use crate::{
    async_fd::AsyncFd,
    handle_error::HandleError,
    knowledge::Knowledge,
    operation::Operation,
    registration::Step,
    source::{Direction, WaiterId, Writing},
    sys,
};
use futures_io::AsyncWrite;
use std::{
    fs::File,
    io::{self, IoSlice, Write},
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
    pin::Pin,
    task::{Context, Poll},
};

/// The end of a pipe or FIFO to write to; see [`pipe`](super::pipe()) and [`fifo`](crate::io::fifo).
///
/// Nothing is buffered on this side of the kernel. A write of at most 4096 bytes (`PIPE_BUF`) goes in as a whole or waits, so
/// that several processes may write lines to one pipe; a longer one may go in in pieces.
///
/// A write that nobody will read fails with `BrokenPipe`, and the process lives on. In a program with a Rust `main` SIGPIPE is
/// ignored from the start. Where it is deadly at the time when the writer is made (a C `main`, or a program that gave the
/// signal its meaning back), it is held off during each write, which takes four more system calls.
///
/// Dropping it closes this end, and so does [`AsyncWriteExt::close`](crate::io::AsyncWriteExt::close).
#[derive(Debug)]
pub struct PipeWriter {
    /// `None` once it was closed.
    io: Option<AsyncFd<Tail>>,
}

/// The descriptor, and how to write without being killed.
#[derive(Debug)]
struct Tail {
    file: File,
    spares_sigpipe: bool,
}

impl PipeWriter {
    pub(in crate::io) fn nonblocking(file: File) -> Self {
        let tail = Tail { file, spares_sigpipe: sys::sigpipe::is_deadly() };
        Self { io: Some(AsyncFd::of_kind(tail, Knowledge::OTHER)) }
    }

    /// Takes a descriptor, perhaps an inherited one or the standard library's, and makes its open file non-blocking, for
    /// everybody who shares it.
    ///
    /// # Errors
    /// `InvalidInput` if it is no pipe, or not open for writing.
    ///
    /// ```
    /// use runtime_io::io::{self, PipeReader, PipeWriter};
    /// use std::process::{Command, Stdio};
    /// # let reactor = runtime_io::Reactor::new()?;
    /// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
    ///
    /// # executor.block_on(async {
    /// let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    /// let writer = PipeWriter::from_fd(child.stdin.take().unwrap())?;
    /// let reader = PipeReader::from_fd(child.stdout.take().unwrap())?;
    /// writer.write_all(b"meow").await?;
    /// let mut echo = [0; 4];
    /// reader.read_exact(&mut echo).await?;
    /// assert_eq!(&echo, b"meow");
    ///
    /// drop(writer); // the end of its input ends it
    /// child.wait()?;
    /// # io::Result::Ok(())
    /// # })?;
    /// # io::Result::Ok(())
    /// ```
    pub fn from_fd(fd: impl Into<OwnedFd>) -> io::Result<Self> {
        adopt(fd.into(), End::Writer).map(Self::nonblocking)
    }

    /// Takes the descriptor out, non-blocking still: for another runtime, or [`from_fd`](Self::from_fd).
    ///
    /// # Panics
    /// If it was closed by [`AsyncWriteExt::close`](crate::io::AsyncWriteExt::close).
    #[track_caller]
    pub fn into_owned_fd(mut self) -> OwnedFd {
        self.take().file.into()
    }

    /// Takes the descriptor out and makes it block again: for a child, or for code that waits without a runtime.
    ///
    /// # Errors
    /// If the system refuses that.
    ///
    /// # Panics
    /// If it was closed by [`AsyncWriteExt::close`](crate::io::AsyncWriteExt::close).
    #[track_caller]
    pub fn into_blocking_fd(mut self) -> io::Result<OwnedFd> {
        into_blocking(self.take().file)
    }

    #[track_caller]
    fn take(&mut self) -> Tail {
        self.io.take().unwrap_or_else(|| closed()).into_inner()
    }

    /// Writes as much as there is room for, at least one byte; waits while there is no room.
    ///
    /// # Errors
    /// `BrokenPipe` if all readers are gone, what else the system says, or a [`HandleError`](crate::HandleError).
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has written nothing.
    #[inline]
    pub fn write<'a>(&'a self, buf: &'a [u8]) -> impl Future<Output = io::Result<usize>> + 'a {
        self.writing(move |tail| tail.write(buf).map(Step::Done))
    }

    /// Writes the whole buffer.
    ///
    /// # Errors
    /// As for [`write`](Self::write); part of the buffer may have been written.
    ///
    /// # Cancel safety
    /// None: dropped before it is ready, it may have written part of a buffer of more than 4096 bytes.
    pub fn write_all<'a>(&'a self, buf: &'a [u8]) -> impl Future<Output = io::Result<()>> + 'a {
        let mut rest = buf;
        self.writing(move |tail| {
            if rest.is_empty() {
                return Ok(Step::Done(()));
            }
            match tail.write(rest)? {
                0 => Err(io::ErrorKind::WriteZero.into()),
                n if n == rest.len() => Ok(Step::Done(())),
                n => {
                    rest = &rest[n..];
                    Ok(Step::Again)
                }
            }
        })
    }

    /// [`write`](Self::write) from several buffers, one after the other.
    ///
    /// # Errors
    /// As for [`write`](Self::write).
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has written nothing.
    pub fn write_vectored<'a>(
        &'a self,
        bufs: &'a [IoSlice<'_>],
    ) -> impl Future<Output = io::Result<usize>> + 'a {
        self.writing(move |tail| tail.write_vectored(bufs).map(Step::Done))
    }

    /// Waits until there is room for 4096 bytes, or all readers are gone.
    ///
    /// # Errors
    /// As for [`AsyncFd::writable`].
    ///
    /// # Cancel safety
    /// Dropping it loses nothing.
    pub fn writable(&self) -> impl Future<Output = io::Result<()>> {
        self.io.as_ref().map_or(OrClosed::Closed, |io| OrClosed::Open(io.writable()))
    }

    /// Writes as much as there is room for.
    ///
    /// # Errors
    /// `WouldBlock` if there is none, or as for [`write`](Self::write).
    pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
        let io = self.io.as_ref().ok_or(HandleError::Closed)?;
        io.try_op(Direction::Write, |tail| tail.write(buf).map(Step::Done))
    }

    #[inline]
    fn writing<R, F>(&self, op: F) -> OrClosed<Operation<'_, Writing, Tail, F>>
    where
        F: FnMut(&Tail) -> io::Result<Step<R>>,
    {
        self.io.as_ref().map_or(OrClosed::Closed, |io| OrClosed::Open(io.writing(op)))
    }

    fn poll_op(
        &self,
        context: &mut Context<'_>,
        mut op: impl FnMut(&Tail) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let io = self.io.as_ref().ok_or(HandleError::Closed)?;
        io.poll_op(Direction::Write, &mut WaiterId::shared(), context, |tail| op(tail).map(Step::Done))
    }
}

/// What is done to a writer, which may be closed.
enum OrClosed<F> {
    Open(F),
    Closed,
}

impl<F, T> Future for OrClosed<F>
where
    F: Future<Output = io::Result<T>> + Unpin,
{
    type Output = io::Result<T>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Self::Open(operation) => Pin::new(operation).poll(context),
            Self::Closed => Poll::Ready(Err(HandleError::Closed.into())),
        }
    }
}

#[cold]
#[track_caller]
fn closed() -> ! {
    panic!("this end of the pipe was closed and has no descriptor any more: take it out before `close`")
}

impl Tail {
    #[inline]
    fn write(&self, buf: &[u8]) -> io::Result<usize> {
        if self.spares_sigpipe {
            return sys::sigpipe::write_spared(self.as_fd(), &[IoSlice::new(buf)]);
        }
        (&self.file).write(buf)
    }

    fn write_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        if self.spares_sigpipe {
            return sys::sigpipe::write_spared(self.as_fd(), bufs);
        }
        (&self.file).write_vectored(bufs)
    }
}

impl AsFd for Tail {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// Whoever polls last is woken. Tasks that share the writer use the `async` methods, where everybody is.
impl AsyncWrite for PipeWriter {
    #[inline]
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_op(context, |tail| tail.write(buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_op(context, |tail| tail.write_vectored(bufs))
    }

    /// Nothing is buffered on this side of the system.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Closes this end, so that the reader finds the end of what was written. Later writes fail with
    /// [`HandleError::Closed`].
    fn poll_close(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io = None;
        Poll::Ready(Ok(()))
    }
}

impl AsFd for PipeWriter {
    /// # Panics
    /// If it was closed by [`AsyncWriteExt::close`](crate::io::AsyncWriteExt::close).
    #[track_caller]
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.io.as_ref().unwrap_or_else(|| closed()).as_fd()
    }
}

impl AsRawFd for PipeWriter {
    #[track_caller]
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl TryFrom<OwnedFd> for PipeWriter {
    type Error = io::Error;

    /// See [`from_fd`](PipeWriter::from_fd).
    fn try_from(fd: OwnedFd) -> io::Result<Self> {
        Self::from_fd(fd)
    }
}

impl From<PipeWriter> for OwnedFd {
    #[track_caller]
    fn from(writer: PipeWriter) -> Self {
        writer.into_owned_fd()
    }
}
