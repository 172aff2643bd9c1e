//! Frames on a stream of bytes: lines, lengths before contents, or a codec of your own (feature `codec`).
//!
//! The codecs, and the buffers behind them, are those of `tokio-util`; here they work on any stream with the `futures-io`
//! traits, and the constructors insist on what its own leave open: how long a frame may be. Without a limit one peer that
//! never ends its line takes all memory.
//!
//! ```
//! use runtime_io::{io::codec, net::{TcpListener, TcpStream}};
//! # let reactor = runtime_io::Reactor::new()?;
//! # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
//!
//! # executor.block_on(async {
//! let listener = TcpListener::bind("127.0.0.1:0").await?;
//! let client = TcpStream::connect(listener.local_addr()?).await?;
//! let (server, _) = listener.accept().await?;
//!
//! let mut client = codec::lines(client, 1024);
//! client.send("how long is this line?").await?;
//! client.close().await?;
//!
//! let mut server = codec::lines(server, 1024);
//! while let Some(line) = server.next().await {
//!     server.send(line?.len().to_string()).await?;
//! }
//! assert_eq!(client.next().await.unwrap()?, "22");
//! # Ok::<_, codec::LinesCodecError>(())
//! # })?;
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! A type of your own for frames is a [`Decoder`] and an [`Encoder`]: see their documentation. A decoder that asks for more
//! bytes has to refuse frames that are too long, before it makes room for them.

use futures_core::Stream;
use futures_io::{AsyncRead, AsyncWrite};
use futures_sink::Sink;
use runtime_executor::current;
use std::{
    fmt,
    future::poll_fn,
    io::{self, ErrorKind},
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio_util::{
    codec,
    compat::{Compat, FuturesAsyncReadCompatExt as _},
};

pub use tokio_util::bytes::{Buf, BufMut, Bytes, BytesMut};
pub use tokio_util::codec::{
    AnyDelimiterCodec, BytesCodec, Decoder, Encoder, LengthDelimitedCodec, LinesCodec, LinesCodecError,
};

/// Lines of text, of at most `max_bytes` bytes each, without the line's end (`\n`, or `\r\n`).
///
/// One that is longer is an error ([`LinesCodecError::MaxLineLengthExceeded`]), and left out. After an error
/// [`next`](Framed::next) gives `None` once; whoever asks again gets the line after it.
pub fn lines<S>(stream: S, max_bytes: usize) -> Framed<S, LinesCodec>
where
    S: AsyncRead + AsyncWrite,
{
    Framed::new(stream, LinesCodec::new_with_max_length(max_bytes))
}

/// Frames of at most `max_bytes` bytes each, with their length before them, in four bytes, the highest first.
///
/// A longer one is an `InvalidData` error, and the end: nobody knows where the next would begin. To send one is an
/// `InvalidInput` error. Other forms of the length take a [`LengthDelimitedCodec::builder`].
///
/// ```
/// use runtime_io::io::{codec, duplex};
/// # let executor = runtime_executor::Executor::builder().build();
/// # executor.block_on(async {
/// let (one, other) = duplex(1024);
/// let (mut one, mut other) = (codec::frames(one, 100), codec::frames(other, 100));
/// one.send(&b"a frame"[..]).await?;
/// assert_eq!(other.next().await.unwrap()?, "a frame");
/// assert!(one.send(&[0; 101][..]).await.is_err());
/// # std::io::Result::Ok(())
/// # })?;
/// # std::io::Result::Ok(())
/// ```
pub fn frames<S>(stream: S, max_bytes: usize) -> Framed<S, LengthDelimitedCodec>
where
    S: AsyncRead + AsyncWrite,
{
    Framed::new(stream, LengthDelimitedCodec::builder().max_frame_length(max_bytes).new_codec())
}

/// A stream of bytes as one of frames, and a sink for them.
///
/// It holds a buffer of 8 KiB for each direction, also while it is idle.
pub struct Framed<S, C> {
    framed: codec::Framed<Compat<S>, C>,
}

impl<S, C> Framed<S, C>
where
    S: AsyncRead + AsyncWrite,
{
    /// Frames as `codec` says. The length of a frame is limited by the codec, if it is.
    pub fn new(stream: S, codec: C) -> Self {
        Self { framed: codec::Framed::new(stream.compat(), codec) }
    }

    /// The stream. What was read from it already lies in the buffer, so reading from it loses its place.
    pub fn get_ref(&self) -> &S {
        self.framed.get_ref().get_ref()
    }

    /// The codec.
    pub fn codec_mut(&mut self) -> &mut C {
        self.framed.codec_mut()
    }

    /// Gives the stream back, and what was read from it and belongs to no frame that was taken, for whoever goes on in
    /// another protocol. What was not [flushed](Self::flush) is lost.
    ///
    /// ```
    /// use runtime_io::io::{codec, duplex};
    /// # let executor = runtime_executor::Executor::builder().build();
    /// # executor.block_on(async {
    /// let (one, other) = duplex(1024);
    /// one.write_all(b"UPGRADE\nbytes of another protocol").await?;
    /// let mut lines = codec::lines(other, 100);
    /// assert_eq!(lines.next().await.unwrap()?, "UPGRADE");
    /// let (_stream, rest) = lines.into_parts();
    /// assert_eq!(rest, "bytes of another protocol");
    /// # Ok::<_, codec::LinesCodecError>(())
    /// # })?;
    /// # Ok::<_, codec::LinesCodecError>(())
    /// ```
    pub fn into_parts(self) -> (S, BytesMut) {
        let parts = self.framed.into_parts();
        (parts.io.into_inner(), parts.read_buf)
    }
}

impl<S, C> Framed<S, C>
where
    S: AsyncRead + Unpin,
    C: Decoder + Unpin,
{
    /// The next frame; `None` at the end of the stream.
    ///
    /// # Errors
    /// What the codec says: of the stream, of a frame that is too long or makes no sense, of a stream that ends within one.
    /// After each comes `None`, once.
    ///
    /// # Cancel safety
    /// Dropping it loses nothing: the part of a frame that has come stays in the buffer.
    pub async fn next(&mut self) -> Option<Result<C::Item, C::Error>> {
        poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }
}

impl<S, C> Framed<S, C>
where
    S: AsyncWrite + Unpin,
    C: Unpin,
{
    /// Sends a frame, and flushes.
    ///
    /// # Errors
    /// What the codec says: of the stream, of a frame that is too long.
    ///
    /// # Cancel safety
    /// None: dropped before it is ready, the frame may be gone, in the buffer, or sent. It is never sent in part: what is in
    /// the buffer goes out with the next frame, or by [`flush`](Self::flush).
    pub async fn send<I>(&mut self, frame: I) -> Result<(), C::Error>
    where
        C: Encoder<I>,
    {
        self.feed(frame).await?;
        Ok(self.flush().await?)
    }

    /// Puts a frame into the buffer, once there is room: for several that may go out together. The buffer is written when it
    /// holds 8 KiB, or by [`flush`](Self::flush).
    ///
    /// # Errors
    /// As for [`send`](Self::send).
    ///
    /// # Cancel safety
    /// Dropped before it is ready, the frame is gone.
    pub async fn feed<I>(&mut self, frame: I) -> Result<(), C::Error>
    where
        C: Encoder<I>,
    {
        poll_fn(|context| Sink::<I>::poll_ready(Pin::new(&mut *self), context)).await?;
        Sink::start_send(Pin::new(self), frame)
    }

    /// Writes what is in the buffer.
    ///
    /// # Errors
    /// Those of the stream.
    ///
    /// # Cancel safety
    /// Dropping it loses nothing.
    pub async fn flush(&mut self) -> io::Result<()> {
        poll_fn(|context| self.poll_write_out(context)).await
    }

    /// Writes what is in the buffer, then ends our side of the stream. The peer's frames can still come.
    ///
    /// # Errors
    /// Those of the stream.
    ///
    /// # Cancel safety
    /// Dropping it loses nothing.
    pub async fn close(&mut self) -> io::Result<()> {
        poll_fn(|context| self.poll_end(context)).await
    }

    /// The sink does the same, but wants to know a type of frame for it.
    fn poll_write_out(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut rest = mem::take(self.framed.write_buffer_mut());
        let stream = self.framed.get_mut().get_mut();
        let written = loop {
            if rest.is_empty() {
                break Poll::Ready(Ok(()));
            }
            match Pin::new(&mut *stream).poll_write(context, &rest) {
                Poll::Ready(Ok(0)) => break Poll::Ready(Err(ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(n)) => rest.advance(n),
                Poll::Ready(Err(error)) => break Poll::Ready(Err(error)),
                Poll::Pending => break Poll::Pending,
            }
        };
        *self.framed.write_buffer_mut() = rest;
        ready!(written)?;
        Pin::new(self.framed.get_mut().get_mut()).poll_flush(context)
    }

    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_write_out(context))?;
        Pin::new(self.framed.get_mut().get_mut()).poll_close(context)
    }
}

/// One unit of the budget is charged for each frame, so a buffer full of small ones does not keep the others waiting.
impl<S, C> Stream for Framed<S, C>
where
    S: AsyncRead + Unpin,
    C: Decoder + Unpin,
{
    type Item = Result<C::Item, C::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        ready!(current::poll_budget(context));
        Pin::new(&mut self.framed).poll_next(context)
    }
}

impl<S, C, I> Sink<I> for Framed<S, C>
where
    S: AsyncWrite + Unpin,
    C: Encoder<I> + Unpin,
{
    type Error = C::Error;

    fn poll_ready(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), C::Error>> {
        Sink::<I>::poll_ready(Pin::new(&mut self.framed), context)
    }

    fn start_send(mut self: Pin<&mut Self>, frame: I) -> Result<(), C::Error> {
        Pin::new(&mut self.framed).start_send(frame)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), C::Error>> {
        self.poll_write_out(context).map_err(Into::into)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), C::Error>> {
        self.poll_end(context).map_err(Into::into)
    }
}

impl<S: fmt::Debug, C: fmt::Debug> fmt::Debug for Framed<S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Framed")
            .field("stream", self.framed.get_ref().get_ref())
            .field("codec", self.framed.codec())
            .field("to_read", &self.framed.read_buffer().len())
            .field("to_write", &self.framed.write_buffer().len())
            .finish()
    }
}
