//! Datagrams with all that is known of them, and several at a time.

use super::UdpSocket;
use crate::{registration::Step, source::Direction, sys::datagram};
use std::{
    io::{self, IoSliceMut},
    net::{self, SocketAddr},
    os::fd::AsFd,
    slice,
};

/// What is known of a datagram that was received; see [`UdpSocket::recv_msg`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Datagram(datagram::Arrival);

impl Datagram {
    /// How many bytes of the buffer it fills.
    #[expect(clippy::len_without_is_empty, reason = "an empty datagram is as good as any")]
    pub fn len(&self) -> usize {
        self.0.len
    }

    /// Who has sent it.
    pub fn from(&self) -> SocketAddr {
        self.0.from
    }

    /// Whether it was longer than the buffer: its end is lost.
    pub fn is_truncated(&self) -> bool {
        self.0.is_cut
    }

    /// How long each is, the last perhaps shorter, if several datagrams came as one; see [`UdpSocket::set_gro`].
    pub fn segment_size(&self) -> Option<usize> {
        self.0.segment
    }

    /// The datagrams that came as one, cut from the buffer that they were received into; nearly always one.
    ///
    /// # Panics
    /// If `buf` is shorter than this datagram, and so another buffer.
    #[track_caller]
    pub fn segments<'a>(&self, buf: &'a [u8]) -> slice::Chunks<'a, u8> {
        let Some(filled) = buf.get(..self.0.len) else {
            panic!("the datagram has {} bytes: pass the buffer it was received into", self.0.len)
        };
        filled.chunks(self.0.segment.unwrap_or(self.0.len).max(1))
    }
}

impl From<datagram::Arrival> for Datagram {
    fn from(arrival: datagram::Arrival) -> Self {
        Self(arrival)
    }
}

impl Default for Datagram {
    /// A place for one that is still to be received.
    fn default() -> Self {
        Self(datagram::Arrival::NONE)
    }
}

impl UdpSocket {
    /// Receives one datagram, and tells all that is known of it: whether it was longer than `buf`, too.
    ///
    /// # Errors
    /// As for [`recv`](Self::recv).
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has received nothing.
    ///
    /// ```
    /// # use runtime_io::net::UdpSocket;
    /// # let reactor = runtime_io::Reactor::new()?;
    /// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
    /// # executor.block_on(async {
    /// let socket = UdpSocket::bind("127.0.0.1:0").await?;
    /// socket.send_to(b"longer than four", socket.local_addr()?).await?;
    /// let mut buf = [0; 4];
    /// let datagram = socket.recv_msg(&mut buf).await?;
    /// assert_eq!((&buf, datagram.len()), (b"long", 4));
    /// assert!(datagram.is_truncated());
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn recv_msg<'a>(&'a self, buf: &'a mut [u8]) -> impl Future<Output = io::Result<Datagram>> + 'a {
        self.reading(move |socket| datagram::receive(socket.as_fd(), buf).map(Datagram))
    }

    /// [`recv_msg`](Self::recv_msg) without waiting.
    ///
    /// # Errors
    /// `WouldBlock` if nothing is known or found to be there; otherwise as for `recv`.
    pub fn try_recv_msg(&self, buf: &mut [u8]) -> io::Result<Datagram> {
        self.attempt(Direction::Read, |socket| datagram::receive(socket.as_fd(), buf).map(Datagram))
    }

    /// Receives all datagrams that are there, one into each of `bufs`, and what is known of them into `datagrams`; waits
    /// for the first. Returns how many, which is never more than the shorter of the two has places, nor more than 32.
    ///
    /// On Linux this is one system call (`recvmmsg`), which under load is a good part of what a datagram costs; elsewhere
    /// it gives one datagram at a time. One that waits anyway gains too: if fewer came than there was room for, the next
    /// wait need not look first.
    ///
    /// # Errors
    /// As for [`recv`](Self::recv).
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has received nothing.
    ///
    /// ```
    /// # use runtime_io::net::UdpSocket;
    /// # let reactor = runtime_io::Reactor::new()?;
    /// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
    /// # executor.block_on(async {
    /// use runtime_io::net::Datagram;
    /// use std::io::IoSliceMut;
    ///
    /// let server = UdpSocket::bind("127.0.0.1:0").await?;
    /// # let client = UdpSocket::bind("127.0.0.1:0").await?;
    /// # client.send_to(b"one", server.local_addr()?).await?;
    /// let mut memory = vec![0; 16 * 1500];
    /// let mut datagrams = [Datagram::default(); 16];
    /// let mut bufs: Vec<_> = memory.chunks_mut(1500).map(IoSliceMut::new).collect();
    /// let count = server.recv_many(&mut bufs, &mut datagrams).await?;
    /// for (datagram, buf) in datagrams[..count].iter().zip(&bufs) {
    ///     println!("{:?} from {}", &buf[..datagram.len()], datagram.from());
    /// }
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn recv_many<'a>(
        &'a self,
        bufs: &'a mut [IoSliceMut<'_>],
        datagrams: &'a mut [Datagram],
    ) -> impl Future<Output = io::Result<usize>> + 'a {
        self.io.reading(move |socket| receive_step(socket, bufs, datagrams))
    }

    /// [`recv_many`](Self::recv_many) without waiting.
    ///
    /// # Errors
    /// `WouldBlock` if nothing is known or found to be there; otherwise as for `recv`.
    pub fn try_recv_many(
        &self,
        bufs: &mut [IoSliceMut<'_>],
        datagrams: &mut [Datagram],
    ) -> io::Result<usize> {
        self.io.try_op(Direction::Read, |socket| receive_step(socket, bufs, datagrams))
    }

    /// Sends several datagrams to the peer this socket is connected to, with one system call on Linux (`sendmmsg`).
    /// Returns how many were taken: at least one of them unless there were none, and no more than 32. The rest is for
    /// another call, which is told why if it fails.
    ///
    /// # Errors
    /// Of the first datagram, as for [`send`](Self::send).
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has sent nothing.
    ///
    /// ```
    /// # use runtime_io::net::UdpSocket;
    /// # let reactor = runtime_io::Reactor::new()?;
    /// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
    /// # executor.block_on(async {
    /// # let server = UdpSocket::bind("127.0.0.1:0").await?;
    /// # let client = UdpSocket::bind("127.0.0.1:0").await?;
    /// # client.connect(server.local_addr()?).await?;
    /// let mut rest: &[&[u8]] = &[b"one", b"two", b"three"];
    /// while !rest.is_empty() {
    ///     let sent = client.send_many(rest).await?;
    ///     rest = &rest[sent..];
    /// }
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn send_many<'a>(
        &'a self,
        datagrams: &'a [&'a [u8]],
    ) -> impl Future<Output = io::Result<usize>> + 'a {
        self.writing(move |socket| send_all(socket, datagrams))
    }

    /// [`send_many`](Self::send_many) without waiting.
    ///
    /// # Errors
    /// `WouldBlock` if there is no room for any; otherwise as for `send_many`.
    pub fn try_send_many(&self, datagrams: &[&[u8]]) -> io::Result<usize> {
        self.attempt(Direction::Write, |socket| send_all(socket, datagrams))
    }

    /// [`send_many`](Self::send_many), each datagram to an address of its own.
    ///
    /// # Errors
    /// Of the first datagram, as for [`send_to`](Self::send_to).
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has sent nothing.
    pub fn send_many_to<'a>(
        &'a self,
        datagrams: &'a [(&'a [u8], SocketAddr)],
    ) -> impl Future<Output = io::Result<usize>> + 'a {
        self.writing(move |socket| send_all_to(socket, datagrams))
    }

    /// [`send_many_to`](Self::send_many_to) without waiting.
    ///
    /// # Errors
    /// `WouldBlock` if there is no room for any; otherwise as for `send_many_to`.
    pub fn try_send_many_to(&self, datagrams: &[(&[u8], SocketAddr)]) -> io::Result<usize> {
        self.attempt(Direction::Write, |socket| send_all_to(socket, datagrams))
    }

    /// Sends `bytes` to the peer this socket is connected to, as datagrams of `segment_size` bytes each, the last perhaps
    /// shorter. Returns how many bytes were taken: all, or those of whole datagrams, for up to 64 of them.
    ///
    /// Linux carries them through most of the network as one (`UDP_SEGMENT`), and each costs a fraction of a `send`. Where
    /// the kernel or the device cannot, they are sent one by one; the receiver sees no difference.
    ///
    /// # Errors
    /// As for [`send`](Self::send).
    ///
    /// # Panics
    /// If `segment_size` is 0.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has sent nothing.
    ///
    /// ```
    /// # use runtime_io::net::UdpSocket;
    /// # let reactor = runtime_io::Reactor::new()?;
    /// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
    /// # executor.block_on(async {
    /// # let server = UdpSocket::bind("127.0.0.1:0").await?;
    /// # let client = UdpSocket::bind("127.0.0.1:0").await?;
    /// # client.connect(server.local_addr()?).await?;
    /// assert_eq!(client.send_segmented(&[7; 2_500], 1_200).await?, 2_500);
    /// let mut buf = [0; 1_500];
    /// assert_eq!(server.recv(&mut buf).await?, 1_200);
    /// assert_eq!(server.recv(&mut buf).await?, 1_200);
    /// assert_eq!(server.recv(&mut buf).await?, 100);
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn send_segmented<'a>(
        &'a self,
        bytes: &'a [u8],
        segment_size: usize,
    ) -> impl Future<Output = io::Result<usize>> + 'a {
        check_segment(segment_size);
        self.writing(move |socket| datagram::send_segmented(socket.as_fd(), bytes, segment_size, None))
    }

    /// [`send_segmented`](Self::send_segmented) to an address.
    ///
    /// # Errors
    /// As for [`send_to`](Self::send_to).
    ///
    /// # Panics
    /// If `segment_size` is 0.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has sent nothing.
    #[track_caller]
    pub fn send_segmented_to<'a>(
        &'a self,
        bytes: &'a [u8],
        segment_size: usize,
        to: impl Into<SocketAddr>,
    ) -> impl Future<Output = io::Result<usize>> + 'a {
        check_segment(segment_size);
        let to = Some(to.into());
        self.writing(move |socket| datagram::send_segmented(socket.as_fd(), bytes, segment_size, to))
    }

    /// Whether datagrams that follow each other, of one sender and one length, may be handed over as one (`UDP_GRO`).
    ///
    /// # Errors
    /// What the system says.
    pub fn gro(&self) -> io::Result<bool> {
        datagram::coalesces(self.as_fd())
    }

    /// Sets [`gro`](Self::gro). Receive with [`recv_msg`](Self::recv_msg) or [`recv_many`](Self::recv_many) then, into
    /// buffers of 65,535 bytes, and take the datagrams apart with [`Datagram::segments`]: `recv` does not tell where one
    /// ends and the next begins.
    ///
    /// # Errors
    /// Where the system has no such thing; datagrams then come one by one as before, so that may be ignored.
    ///
    /// ```
    /// # use runtime_io::net::UdpSocket;
    /// # let reactor = runtime_io::Reactor::new()?;
    /// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
    /// # executor.block_on(async {
    /// # let server = UdpSocket::bind("127.0.0.1:0").await?;
    /// # let client = UdpSocket::bind("127.0.0.1:0").await?;
    /// let _ = server.set_gro(true);
    /// # client.send_segmented_to(&[7; 250], 100, server.local_addr()?).await?;
    /// let mut buf = vec![0; 65_535];
    /// let mut lengths = Vec::new();
    /// while lengths.len() < 3 {
    ///     let datagram = server.recv_msg(&mut buf).await?;
    ///     lengths.extend(datagram.segments(&buf).map(<[u8]>::len));
    /// }
    /// assert_eq!(lengths, [100, 100, 50]);
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn set_gro(&self, on: bool) -> io::Result<()> {
        datagram::set_coalesces(self.as_fd(), on)
    }
}

fn receive_step(
    socket: &net::UdpSocket,
    bufs: &mut [IoSliceMut<'_>],
    datagrams: &mut [Datagram],
) -> io::Result<Step<usize>> {
    let (count, drained) = datagram::receive_many(socket.as_fd(), bufs, datagrams)?;
    Ok(if drained { Step::Drained(count) } else { Step::Done(count) })
}

fn send_all(socket: &net::UdpSocket, datagrams: &[&[u8]]) -> io::Result<usize> {
    datagram::send_many(socket.as_fd(), datagrams.len(), |number| (datagrams[number], None))
}

fn send_all_to(socket: &net::UdpSocket, datagrams: &[(&[u8], SocketAddr)]) -> io::Result<usize> {
    datagram::send_many(socket.as_fd(), datagrams.len(), |number| {
        let (bytes, to) = datagrams[number];
        (bytes, Some(to))
    })
}

#[track_caller]
fn check_segment(segment_size: usize) {
    assert!(
        segment_size > 0,
        "datagrams of 0 bytes each would never come to an end: say how long each is to be"
    );
}
