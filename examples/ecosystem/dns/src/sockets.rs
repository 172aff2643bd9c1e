//! Our sockets, under names of this crate: so that they can have the traits of another one.

use crate::Timer;
use hickory_net::runtime::{DnsTcpStream, DnsUdpSocket};
use runtime::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpSocket, TcpStream, UdpSocket},
};
use std::{
    io::{self, IoSlice},
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
};

/// A [`UdpSocket`] with a name server at the other end.
#[derive(Debug)]
pub struct DatagramSocket(UdpSocket);

impl DatagramSocket {
    pub(crate) async fn bind(local: SocketAddr) -> io::Result<Self> {
        Ok(Self(UdpSocket::bind(local).await?))
    }
}

impl DnsUdpSocket for DatagramSocket {
    type Time = Timer;

    fn poll_recv_from(
        &self,
        context: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        self.0.poll_recv_from(context, buf)
    }

    fn poll_send_to(
        &self,
        context: &mut Context<'_>,
        bytes: &[u8],
        to: SocketAddr,
    ) -> Poll<io::Result<usize>> {
        self.0.poll_send_to(context, bytes, to)
    }
}

/// A [`TcpStream`] with a name server at the other end.
#[derive(Debug)]
pub struct Stream(TcpStream);

impl Stream {
    pub(crate) async fn connect(server: SocketAddr, from: Option<SocketAddr>) -> io::Result<Self> {
        let stream = match from {
            None => TcpStream::connect(server).await?,
            Some(local) => {
                let socket = if server.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
                socket.bind(local)?;
                socket.connect(server).await?
            }
        };
        // Questions are short, and somebody waits for each answer.
        stream.set_nodelay(true)?;
        Ok(Self(stream))
    }
}

impl DnsTcpStream for Stream {
    type Time = Timer;
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_read(context, buf)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(context, bufs)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_close(context)
    }
}
