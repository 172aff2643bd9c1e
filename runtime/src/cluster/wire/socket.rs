//! What frames travel over: a stream of bytes that may be accompanied by descriptors.
//!
//! A seam, so that all of this runs over connections in memory too, under the simulator and Miri. An implementation loses
//! nothing when one of its futures is dropped before it is ready.

use crate::{net::UnixStream, testing::MemoryStream};
use std::{
    collections::VecDeque,
    io,
    os::fd::{BorrowedFd, OwnedFd},
    rc::Rc,
};

/// One end of a connection.
pub(crate) trait Socket {
    /// Some bytes; 0 is the end. Descriptors that came with them go to the end of `descriptors`; if more than `most` came it
    /// is an error, and they are closed.
    async fn receive(
        &self,
        buf: &mut [u8],
        most: usize,
        descriptors: &mut VecDeque<OwnedFd>,
    ) -> io::Result<usize>;

    /// Sends some of `bytes`, the first of them with `descriptors`.
    async fn send(&self, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<usize>;
}

impl<S: Socket> Socket for &S {
    async fn receive(
        &self,
        buf: &mut [u8],
        most: usize,
        descriptors: &mut VecDeque<OwnedFd>,
    ) -> io::Result<usize> {
        (**self).receive(buf, most, descriptors).await
    }

    async fn send(&self, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<usize> {
        (**self).send(bytes, descriptors).await
    }
}

impl<S: Socket> Socket for Rc<S> {
    async fn receive(
        &self,
        buf: &mut [u8],
        most: usize,
        descriptors: &mut VecDeque<OwnedFd>,
    ) -> io::Result<usize> {
        (**self).receive(buf, most, descriptors).await
    }

    async fn send(&self, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<usize> {
        (**self).send(bytes, descriptors).await
    }
}

impl Socket for UnixStream {
    /// Where none are expected they are not even received: the kernel drops those that a plain read meets.
    async fn receive(
        &self,
        buf: &mut [u8],
        most: usize,
        descriptors: &mut VecDeque<OwnedFd>,
    ) -> io::Result<usize> {
        if most == 0 && descriptors.is_empty() {
            return self.read(buf).await;
        }
        let (count, received) = self.recv_with_fds(buf, most).await?;
        descriptors.extend(received);
        Ok(count)
    }

    async fn send(&self, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<usize> {
        if descriptors.is_empty() {
            self.write(bytes).await
        } else {
            self.send_with_fds(bytes, descriptors).await
        }
    }
}

/// It carries no descriptors.
impl Socket for MemoryStream {
    async fn receive(&self, buf: &mut [u8], _: usize, _: &mut VecDeque<OwnedFd>) -> io::Result<usize> {
        self.read(buf).await
    }

    async fn send(&self, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<usize> {
        if descriptors.is_empty() { self.write(bytes).await } else { Err(io::ErrorKind::Unsupported.into()) }
    }
}
