//! Datagrams without waiting, and for hand-written futures.

use super::UdpSocket;
use crate::source::Direction;
use std::{
    io,
    net::SocketAddr,
    task::{Context, Poll},
};

impl UdpSocket {
    /// [`recv`](Self::recv) without waiting.
    ///
    /// # Errors
    /// `WouldBlock` if nothing is known or found to be there; otherwise as for `recv`.
    pub fn try_recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.attempt(Direction::Read, |socket| socket.recv(buf))
    }

    /// [`recv_from`](Self::recv_from) without waiting.
    ///
    /// # Errors
    /// `WouldBlock` if nothing is known or found to be there; otherwise as for `recv`.
    pub fn try_recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.attempt(Direction::Read, |socket| socket.recv_from(buf))
    }

    /// [`peek`](Self::peek) without waiting.
    ///
    /// # Errors
    /// `WouldBlock` if nothing is known or found to be there; otherwise as for `recv`.
    pub fn try_peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.attempt(Direction::Read, |socket| socket.peek(buf))
    }

    /// [`peek_from`](Self::peek_from) without waiting.
    ///
    /// # Errors
    /// `WouldBlock` if nothing is known or found to be there; otherwise as for `recv`.
    pub fn try_peek_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.attempt(Direction::Read, |socket| socket.peek_from(buf))
    }

    /// [`send`](Self::send) without waiting.
    ///
    /// # Errors
    /// `WouldBlock` if there is no room in the socket's buffer; otherwise as for `send`.
    pub fn try_send(&self, bytes: &[u8]) -> io::Result<usize> {
        self.attempt(Direction::Write, |socket| socket.send(bytes))
    }

    /// [`send_to`](Self::send_to) without waiting.
    ///
    /// # Errors
    /// `WouldBlock` if there is no room in the socket's buffer; otherwise as for `send_to`.
    pub fn try_send_to(&self, bytes: &[u8], to: impl Into<SocketAddr>) -> io::Result<usize> {
        let to = to.into();
        self.attempt(Direction::Write, |socket| socket.send_to(bytes, to))
    }

    /// [`recv`](Self::recv) for hand-written futures. All `poll_` methods of a direction share one place for a waker: the
    /// last task to ask is the one that is woken. Tasks that share a socket use the `async` methods.
    ///
    /// # Errors
    /// As for `recv`.
    #[inline]
    pub fn poll_recv(&self, context: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.io.poll_read_with(context, |socket| socket.recv(buf))
    }

    /// [`recv_from`](Self::recv_from) for hand-written futures; see [`poll_recv`](Self::poll_recv).
    ///
    /// # Errors
    /// As for `recv_from`.
    #[inline]
    pub fn poll_recv_from(
        &self,
        context: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        self.io.poll_read_with(context, |socket| socket.recv_from(buf))
    }

    /// [`peek_from`](Self::peek_from) for hand-written futures; see [`poll_recv`](Self::poll_recv).
    ///
    /// # Errors
    /// As for `recv_from`.
    pub fn poll_peek_from(
        &self,
        context: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        self.io.poll_read_with(context, |socket| socket.peek_from(buf))
    }

    /// [`send`](Self::send) for hand-written futures; see [`poll_recv`](Self::poll_recv).
    ///
    /// # Errors
    /// As for `send`.
    #[inline]
    pub fn poll_send(&self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.io.poll_write_with(context, |socket| socket.send(bytes))
    }

    /// [`send_to`](Self::send_to) for hand-written futures; see [`poll_recv`](Self::poll_recv).
    ///
    /// # Errors
    /// As for `send_to`.
    #[inline]
    pub fn poll_send_to(
        &self,
        context: &mut Context<'_>,
        bytes: &[u8],
        to: SocketAddr,
    ) -> Poll<io::Result<usize>> {
        self.io.poll_write_with(context, |socket| socket.send_to(bytes, to))
    }

    /// [`readable`](Self::readable) for hand-written futures; see [`poll_recv`](Self::poll_recv).
    ///
    /// # Errors
    /// As for `readable`.
    pub fn poll_recv_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.poll_readable(context)
    }

    /// [`writable`](Self::writable) for hand-written futures; see [`poll_recv`](Self::poll_recv).
    ///
    /// # Errors
    /// As for `writable`.
    pub fn poll_send_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.poll_writable(context)
    }
}
