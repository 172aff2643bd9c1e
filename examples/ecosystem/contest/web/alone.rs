//! No runtime: connections that answer one request and are kept then, to see what hyper keeps for each.

use std::future::Future;
use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use hyper::rt::{Read, ReadBufCursor, Sleep, Timer, Write};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::{Kind, service};

pub(super) fn serve(listener: &TcpListener, kind: Kind) {
    assert!(kind == Kind::Http1, "hyper alone serves nothing else");
    listener.set_nonblocking(false).expect("a listener that blocks");
    let mut kept = Vec::new();
    loop {
        let (stream, _) = listener.accept().expect("accept");
        stream.set_nonblocking(true).expect("O_NONBLOCK");
        poll(&mut [PollFd::new(stream.as_fd(), PollFlags::POLLIN)], PollTimeout::NONE).expect("a request");
        let mut connection = Box::pin(service::http1(Stream(stream), Never, false));
        // Reads the request, which is small enough to be whole, writes the answer, and finds no further request.
        if connection.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
            kept.push(connection);
        }
    }
}

struct Stream(TcpStream);

/// What an operation comes to where nobody is told when to try again.
fn once<T>(result: io::Result<T>) -> Poll<io::Result<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
        other => Poll::Ready(other),
    }
}

impl Read for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let mut bytes = [0; 8192];
        let room = buf.remaining().min(bytes.len());
        once(self.0.read(&mut bytes[..room])).map_ok(|read| buf.put_slice(&bytes[..read]))
    }
}

impl Write for Stream {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        once(self.0.write(buf))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        once(self.0.write_vectored(bufs))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A clock whose sleeps never end, and take no memory.
struct Never;

impl Timer for Never {
    fn sleep(&self, _: Duration) -> Pin<Box<dyn Sleep>> {
        Box::pin(Never)
    }

    fn sleep_until(&self, _: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(Never)
    }
}

impl Future for Never {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

impl Sleep for Never {}
