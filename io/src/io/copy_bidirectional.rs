//! Copying both ways between two streams: the heart of a proxy.

use super::flow::{AtEnd, Failure, Flow, Spare};
use futures_io::{AsyncRead, AsyncWrite};
use std::{
    error::Error,
    fmt, io,
    pin::Pin,
    task::{Context, Poll, ready},
};

/// Copies from `a` to `b` and from `b` to `a`, until both have ended; gives the number of bytes from `a` to `b`, and from
/// `b` to `a`.
///
/// When one stream ends, the other is told so ([`poll_close`](AsyncWrite::poll_close), for a socket `shutdown`) once it
/// has taken everything, and the other direction goes on: half-closed connections stay half-closed on the far side.
///
/// A pair with nothing to copy holds no buffer: thousands of idle proxied connections cost their sockets and their task.
/// If one side takes nothing, at most 64 KiB of each direction wait in between (256 KiB between two sockets), and the
/// other side is not read. A fast pair lets others have their turn after 256 KiB, or half a mebibyte at most.
///
/// On Linux bytes that come in plenty, 64 KiB at once, go from one [`TcpStream`](crate::net::TcpStream) or
/// [`UnixStream`](crate::net::UnixStream) to another by splice(2), through pipes that the pairs of a runtime share: that
/// halves the processor time. No more than 128 pipes are open at a time, and none where SIGPIPE would be deadly.
///
/// # Errors
/// The first read or write that fails ends it, as a [`CopyError`] that says which, and how much was copied until then.
/// If it was a write, what the failed stream had sent before is still delivered: a server that refuses a request and
/// hangs up has its answer read. `?` makes an [`io::Error`] of the same kind of it.
///
/// # Cancel safety
/// What was read before it is dropped, up to 64 KiB each way (256 KiB between two sockets), may not have been written, and
/// is lost then. Nothing else is: what was not read can still be read. [`CopyBidirectional::copied`] tells how far it was.
///
/// ```
/// use runtime_io::{io::copy_bidirectional, net::{TcpListener, TcpStream}};
/// # let reactor = runtime_io::Reactor::new()?;
/// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
///
/// # executor.block_on(async {
/// # let server = TcpListener::bind("127.0.0.1:0").await?;
/// # let upstream_addr = server.local_addr()?;
/// # let listener = TcpListener::bind("127.0.0.1:0").await?;
/// # let mut client = TcpStream::connect(listener.local_addr()?).await?;
/// # let proxy = runtime_executor::spawn(async move {
/// let (mut client, _) = listener.accept().await?;
/// let mut upstream = TcpStream::connect(upstream_addr).await?;
/// let (to_server, to_client) = copy_bidirectional(&mut client, &mut upstream).await?;
/// println!("{to_server} bytes there, {to_client} back");
/// # assert_eq!((to_server, to_client), (8, 6));
/// # std::io::Result::Ok(())
/// # });
/// # let (server, _) = server.accept().await?;
/// # client.write_all(b"question").await?;
/// # client.shutdown(std::net::Shutdown::Write)?;
/// # use futures_lite::io::AsyncReadExt;
/// # let (mut question, mut answer) = (String::new(), String::new());
/// # (&server).read_to_string(&mut question).await?;
/// # assert_eq!(question, "question");
/// # server.write_all(b"answer").await?;
/// # drop(server);
/// # client.read_to_string(&mut answer).await?;
/// # assert_eq!(answer, "answer");
/// # proxy.await.unwrap()
/// # })?;
/// # std::io::Result::Ok(())
/// ```
pub fn copy_bidirectional<'a, A, B>(a: &'a mut A, b: &'a mut B) -> CopyBidirectional<'a, A, B>
where
    A: AsyncRead + AsyncWrite + Unpin + ?Sized,
    B: AsyncRead + AsyncWrite + Unpin + ?Sized,
{
    let (there, back) = (Flow::new(AtEnd::Close), Flow::new(AtEnd::Close));
    CopyBidirectional { a, b, there, back, spare: Spare::NONE, failed: None }
}

/// The future that [`copy_bidirectional()`] gives.
#[must_use = "futures do nothing unless awaited"]
pub struct CopyBidirectional<'a, A: ?Sized, B: ?Sized> {
    a: &'a mut A,
    b: &'a mut B,
    there: Flow,
    back: Flow,
    spare: Spare,
    /// A write that failed, while the other direction delivers what it has.
    failed: Option<(CopyStep, io::Error)>,
}

impl<A: ?Sized, B: ?Sized> CopyBidirectional<'_, A, B> {
    /// How many bytes have been written so far: from `a` to `b`, and from `b` to `a`. For a proxy that gives up, say after
    /// a `timeout`, and wants to know what went through.
    pub fn copied(&self) -> (u64, u64) {
        (self.there.copied(), self.back.copied())
    }
}

impl<A, B> CopyBidirectional<'_, A, B>
where
    A: AsyncRead + AsyncWrite + Unpin + ?Sized,
    B: AsyncRead + AsyncWrite + Unpin + ?Sized,
{
    #[inline]
    fn poll_there(&mut self, context: &mut Context<'_>) -> Poll<Result<(), (CopyStep, io::Error)>> {
        self.there.poll(context, self.a, self.b, &mut self.spare).map_err(|failure| match failure {
            Failure::Read(error) => (CopyStep::ReadA, error),
            Failure::Write(error) => (CopyStep::WriteB, error),
        })
    }

    #[inline]
    fn poll_back(&mut self, context: &mut Context<'_>) -> Poll<Result<(), (CopyStep, io::Error)>> {
        self.back.poll(context, self.b, self.a, &mut self.spare).map_err(|failure| match failure {
            Failure::Read(error) => (CopyStep::ReadB, error),
            Failure::Write(error) => (CopyStep::WriteA, error),
        })
    }

    /// Ready when both directions are done, or one has failed and the other has delivered what it could.
    #[inline]
    fn poll_all(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.failed.is_none() {
            let failed = match self.poll_there(context) {
                Poll::Ready(Err(failed)) => failed,
                there => match self.poll_back(context) {
                    Poll::Ready(Err(failed)) => failed,
                    Poll::Ready(Ok(())) if there.is_ready() => return Poll::Ready(()),
                    _ => return Poll::Pending,
                },
            };
            self.failed = Some(failed);
        }
        self.poll_rest(context)
    }

    /// Ready when the stream that could not be written to has nothing more to be delivered for the time being, or it
    /// cannot be.
    #[cold]
    fn poll_rest(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let (polled, flow) = match self.failed {
            Some((CopyStep::WriteB, _)) => (self.poll_back(context), &self.back),
            Some((CopyStep::WriteA, _)) => (self.poll_there(context), &self.there),
            _ => return Poll::Ready(()),
        };
        if polled.is_pending() && !flow.is_drained() { Poll::Pending } else { Poll::Ready(()) }
    }
}

impl<A, B> Future for CopyBidirectional<'_, A, B>
where
    A: AsyncRead + AsyncWrite + Unpin + ?Sized,
    B: AsyncRead + AsyncWrite + Unpin + ?Sized,
{
    type Output = Result<(u64, u64), CopyError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let polled = this.poll_all(context);
        this.spare.rest();
        ready!(polled);
        let copied = this.copied();
        Poll::Ready(match this.failed.take() {
            None => Ok(copied),
            Some((step, source)) => Err(CopyError { step, source, copied }),
        })
    }
}

impl<A: ?Sized, B: ?Sized> fmt::Debug for CopyBidirectional<'_, A, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CopyBidirectional").field("copied", &self.copied()).finish_non_exhaustive()
    }
}

/// What [`copy_bidirectional()`] could not do.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CopyStep {
    /// Reading from the first stream.
    ReadA,
    /// Writing to the first stream, flushing or closing it.
    WriteA,
    /// Reading from the second stream.
    ReadB,
    /// Writing to the second stream, flushing or closing it.
    WriteB,
}

/// Why [`copy_bidirectional()`] has ended early, and how far it was.
///
/// ```
/// use runtime_io::io::{CopyStep, ErrorKind, copy_bidirectional, duplex};
/// # let executor = runtime_executor::Executor::builder().build();
/// # executor.block_on(async {
/// let (client, mut a) = duplex(100);
/// let (server, mut b) = duplex(100);
/// client.write_all(b"request").await?;
/// server.write_all(b"refused").await?;
/// drop(server);
///
/// let error = copy_bidirectional(&mut a, &mut b).await.unwrap_err();
/// assert_eq!((error.step(), error.kind()), (CopyStep::WriteB, ErrorKind::BrokenPipe));
/// assert_eq!(error.copied(), (0, 7)); // nothing there, and the refusal back
/// # std::io::Result::Ok(())
/// # })?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct CopyError {
    step: CopyStep,
    source: io::Error,
    copied: (u64, u64),
}

impl CopyError {
    /// What has failed.
    pub fn step(&self) -> CopyStep {
        self.step
    }

    /// How many bytes had been written: from `a` to `b`, and from `b` to `a`.
    pub fn copied(&self) -> (u64, u64) {
        self.copied
    }

    /// Of what kind the error is.
    pub fn kind(&self) -> io::ErrorKind {
        self.source.kind()
    }

    /// The error as it came from the stream.
    pub fn into_source(self) -> io::Error {
        self.source
    }
}

impl fmt::Display for CopyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let step = match self.step {
            CopyStep::ReadA => "reading from the first stream",
            CopyStep::WriteA => "writing to the first stream",
            CopyStep::ReadB => "reading from the second stream",
            CopyStep::WriteB => "writing to the second stream",
        };
        let (there, back) = self.copied;
        write!(f, "{step} failed after {there} bytes to the second and {back} to the first: {}", self.source)
    }
}

impl Error for CopyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}

impl From<CopyError> for io::Error {
    /// One of the same kind, with the whole story in it.
    fn from(error: CopyError) -> Self {
        Self::new(error.kind(), error)
    }
}
