//! A connection of any family: what [`TcpStream`](super::TcpStream) and [`UnixStream`](super::UnixStream) have in
//! common, which is nearly everything. Their methods are described where users find them, and done here.

use super::share::{Tallied, Tally};
use crate::{
    async_fd::AsyncFd,
    io::Buffer,
    knowledge::Knowledge,
    operation::Operation,
    pulse::Pulse,
    registration::Step,
    source::{Direction, Reading, WaiterId, Writing},
    sys,
};
use std::{
    fmt,
    io::{self, IoSlice, IoSliceMut},
    net::Shutdown,
    os::fd::{AsFd, BorrowedFd},
    sync::Arc,
    task::{Context, Poll},
};

/// A connected socket of the standard library, as a [`Connection`] needs it. Writes raise no SIGPIPE.
pub trait Transport: AsFd + fmt::Debug + 'static {
    /// What both ends are called.
    type Address;

    fn read(&self, buf: &mut [u8]) -> io::Result<Got>;
    /// What it got is initialized, from the beginning of `buf` on.
    #[cfg(any(feature = "hyper", feature = "tokio-io"))]
    fn read_uninit(&self, buf: &mut [std::mem::MaybeUninit<u8>]) -> io::Result<Got>;
    fn read_vectored(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<Got>;
    fn peek(&self, buf: &mut [u8]) -> io::Result<usize>;
    fn write(&self, buf: &[u8]) -> io::Result<usize>;
    fn shutdown(&self, how: Shutdown) -> io::Result<()>;
    fn peer_addr(&self) -> io::Result<Self::Address>;
    fn local_addr(&self) -> io::Result<Self::Address>;
}

/// What a read got.
#[derive(Clone, Copy, Debug)]
pub struct Got {
    pub(crate) bytes: usize,
    /// Whether nothing was in the way of more: less than there was room for is then all there was.
    pub(crate) is_unhindered: bool,
}

impl Got {
    /// The end of the stream is no short read: it stays, so that later reads need not wait for an event.
    #[inline]
    pub(super) fn has_drained(self, room: usize) -> bool {
        self.is_unhindered && self.bytes > 0 && self.bytes < room
    }

    #[inline]
    fn done(self, room: usize) -> Step<usize> {
        if self.has_drained(room) { Step::Short(self.bytes) } else { Step::Done(self.bytes) }
    }

    /// It was part of something.
    #[inline]
    pub(super) fn going_on<R>(self, room: usize) -> Step<R> {
        if self.has_drained(room) { Step::AgainAfterShort } else { Step::Again }
    }
}

/// A stream of ours, or rather the connection in it: what the halves of streams are made from. Sealed.
pub trait ByteStream: sealed::Connected {}

pub(crate) mod sealed {
    use super::{Connection, Transport};

    /// The part of [`ByteStream`](super::ByteStream) that is ours to change.
    pub trait Connected: Send + Sync + 'static {
        #[doc(hidden)]
        type Transport: Transport;
        #[doc(hidden)]
        fn connection(&self) -> &Connection<Self::Transport>;
    }
}

/// A connected socket and its tie to a reactor.
pub struct Connection<S: Transport> {
    io: AsyncFd<S>,
    /// Dropped last: what is counted as closed is closed.
    _tallied: Tallied,
}

impl<S: Transport> Connection<S> {
    /// Wraps a connection that is non-blocking already.
    pub(crate) fn new(socket: S, kind: Knowledge, tally: Option<Tally>) -> io::Result<Self> {
        sys::socket::spare_sigpipe(socket.as_fd())?;
        Ok(Self { io: AsyncFd::of_kind(socket, kind), _tallied: Tallied::enter(tally) })
    }

    /// From now on `pulse` is told what is done here.
    pub(crate) fn watch(&mut self, pulse: Arc<Pulse>) {
        self.io.watch(pulse);
    }

    pub(crate) fn into_inner(self) -> S {
        self.io.into_inner()
    }

    #[inline]
    pub(crate) fn io(&self) -> &AsyncFd<S> {
        &self.io
    }

    #[inline]
    pub(crate) fn get_ref(&self) -> &S {
        self.io.get_ref()
    }

    #[inline]
    pub(crate) fn read<'a>(
        &'a self,
        buf: &'a mut [u8],
    ) -> Operation<'a, Reading, S, impl FnMut(&S) -> io::Result<Step<usize>> + 'a> {
        self.io.reading(move |socket| read_step(socket, buf))
    }

    /// Takes a buffer for each attempt only, so none is held while it waits.
    pub(crate) fn read_pooled(&self, room: usize) -> impl Future<Output = io::Result<Buffer>> {
        self.io.reading(move |socket: &S| {
            let mut buffer = Buffer::with_room(room);
            let got = socket.read(buffer.room())?;
            let has_drained = got.has_drained(buffer.room().len());
            buffer.fill(got.bytes);
            Ok(if has_drained { Step::Short(buffer) } else { Step::Done(buffer) })
        })
    }

    #[inline]
    pub(crate) fn read_exact<'a>(
        &'a self,
        buf: &'a mut [u8],
    ) -> Operation<'a, Reading, S, impl FnMut(&S) -> io::Result<Step<()>> + 'a> {
        let mut filled = 0;
        self.io.reading(move |socket: &S| {
            let room = &mut buf[filled..];
            if room.is_empty() {
                return Ok(Step::Done(()));
            }
            let got = socket.read(room)?;
            match got.bytes {
                0 => Err(io::ErrorKind::UnexpectedEof.into()),
                n if n == room.len() => Ok(Step::Done(())),
                n => {
                    let step = got.going_on(room.len());
                    filled += n;
                    Ok(step)
                }
            }
        })
    }

    pub(crate) fn read_vectored<'a>(
        &'a self,
        bufs: &'a mut [IoSliceMut<'_>],
    ) -> impl Future<Output = io::Result<usize>> + 'a {
        self.io.reading(move |socket| read_vectored_step(socket, bufs))
    }

    pub(crate) fn peek<'a>(&'a self, buf: &'a mut [u8]) -> impl Future<Output = io::Result<usize>> + 'a {
        // The bytes stay, so even a short look leaves the socket readable.
        self.io.reading(move |socket: &S| socket.peek(buf).map(Step::Done))
    }

    #[inline]
    pub(crate) fn write<'a>(
        &'a self,
        buf: &'a [u8],
    ) -> Operation<'a, Writing, S, impl FnMut(&S) -> io::Result<Step<usize>> + 'a> {
        self.io.writing(move |socket| write_step(socket, buf))
    }

    #[inline]
    pub(crate) fn write_all<'a>(
        &'a self,
        buf: &'a [u8],
    ) -> Operation<'a, Writing, S, impl FnMut(&S) -> io::Result<Step<()>> + 'a> {
        let mut rest = buf;
        self.io.writing(move |socket: &S| {
            if rest.is_empty() {
                return Ok(Step::Done(()));
            }
            match socket.write(rest)? {
                0 => Err(io::ErrorKind::WriteZero.into()),
                n if n == rest.len() => Ok(Step::Done(())),
                n => {
                    rest = &rest[n..];
                    Ok(Step::Again)
                }
            }
        })
    }

    pub(crate) fn write_vectored<'a>(
        &'a self,
        bufs: &'a [IoSlice<'_>],
    ) -> impl Future<Output = io::Result<usize>> + 'a {
        self.io.writing(move |socket| write_vectored_step(socket, bufs))
    }

    pub(crate) fn readable(&self) -> impl Future<Output = io::Result<()>> {
        self.io.readable()
    }

    pub(crate) fn writable(&self) -> impl Future<Output = io::Result<()>> {
        self.io.writable()
    }

    pub(crate) fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.io.try_op(Direction::Read, |socket| read_step(socket, buf))
    }

    pub(crate) fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
        self.io.try_op(Direction::Write, |socket| write_step(socket, buf))
    }

    pub(crate) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.get_ref().shutdown(how)
    }

    pub(crate) fn peer_addr(&self) -> io::Result<S::Address> {
        self.get_ref().peer_addr()
    }

    pub(crate) fn local_addr(&self) -> io::Result<S::Address> {
        self.get_ref().local_addr()
    }

    // The `poll_…` methods share one place for a waker per direction: the last task to ask is the one that is woken.

    #[inline]
    pub(crate) fn poll_read(&self, context: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.io.poll_op(Direction::Read, &mut WaiterId::shared(), context, |socket| read_step(socket, buf))
    }

    /// What it says that it has read is initialized, from the beginning of `buf` on.
    #[cfg(any(feature = "hyper", feature = "tokio-io"))]
    #[inline]
    pub(crate) fn poll_read_uninit(
        &self,
        context: &mut Context<'_>,
        buf: &mut [std::mem::MaybeUninit<u8>],
    ) -> Poll<io::Result<usize>> {
        self.io.poll_op(Direction::Read, &mut WaiterId::shared(), context, |socket| {
            Ok(socket.read_uninit(buf)?.done(buf.len()))
        })
    }

    pub(crate) fn poll_read_vectored(
        &self,
        context: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        self.io.poll_op(Direction::Read, &mut WaiterId::shared(), context, |socket| {
            read_vectored_step(socket, bufs)
        })
    }

    #[inline]
    pub(crate) fn poll_write(&self, context: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.io.poll_op(Direction::Write, &mut WaiterId::shared(), context, |socket| write_step(socket, buf))
    }

    pub(crate) fn poll_write_vectored(
        &self,
        context: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.io.poll_op(Direction::Write, &mut WaiterId::shared(), context, |socket| {
            write_vectored_step(socket, bufs)
        })
    }

    pub(crate) fn poll_close(&self) -> Poll<io::Result<()>> {
        Poll::Ready(match self.shutdown(Shutdown::Write) {
            // The peer has reset the connection, or we have closed it before: there is nothing left to end.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            other => other,
        })
    }
}

#[inline]
fn read_step<S: Transport>(socket: &S, buf: &mut [u8]) -> io::Result<Step<usize>> {
    Ok(socket.read(buf)?.done(buf.len()))
}

fn read_vectored_step<S: Transport>(socket: &S, bufs: &mut [IoSliceMut<'_>]) -> io::Result<Step<usize>> {
    // What those have room for that the system does not take is no part of a short read.
    let taken = sys::socket::at_once(bufs);
    let bufs = &mut bufs[taken];
    let room = bufs.iter().map(|buf| buf.len()).sum();
    Ok(socket.read_vectored(bufs)?.done(room))
}

/// A short write is tried again rather than taken as a full buffer: only `EAGAIN` makes the kernel promise an event.
#[inline]
fn write_step<S: Transport>(socket: &S, buf: &[u8]) -> io::Result<Step<usize>> {
    socket.write(buf).map(Step::Done)
}

fn write_vectored_step<S: Transport>(socket: &S, bufs: &[IoSlice<'_>]) -> io::Result<Step<usize>> {
    sys::socket::send_vectored(socket.as_fd(), bufs).map(Step::Done)
}

impl<S: Transport> AsFd for Connection<S> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.io.as_fd()
    }
}

impl<S: Transport> fmt::Debug for Connection<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get_ref().fmt(f)
    }
}
