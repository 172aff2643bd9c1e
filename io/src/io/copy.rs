//! Copying all that a reader gives to a writer.

use super::flow::{AtEnd, Failure, Flow, Spare};
use futures_io::{AsyncRead, AsyncWrite};
use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll},
};

/// Copies everything from `reader` to `writer` until the reader ends, then flushes; gives the number of bytes.
///
/// While there is nothing to copy no buffer is held, and no more than 64 KiB lie in between if the writer takes
/// nothing, or 256 KiB between two sockets, where splice(2) does it if there is plenty. A fast pair lets others have their
/// turn. [`Copying::copied`] tells how far it is, also after an error.
/// For both directions at once there is [`copy_bidirectional`](super::copy_bidirectional()).
///
/// # Errors
/// What reading or writing fails with; `WriteZero` if the writer takes nothing any more.
///
/// # Cancel safety
/// What was read before it is dropped, up to 64 KiB (256 KiB between two sockets), may not have been written, and is lost then. Nothing else is: what
/// was not read can still be read.
///
/// ```
/// use runtime_io::io::{copy, duplex};
/// # let executor = runtime_executor::Executor::builder().build();
/// # executor.block_on(async {
/// let (near, mut far) = duplex(100);
/// let n = copy(&b"all of this"[..], near).await?; // drops `near`, so the other end reads an end
/// let mut arrived = Vec::new();
/// assert_eq!(copy(&mut far, &mut arrived).await?, n);
/// assert_eq!(arrived, b"all of this");
/// # std::io::Result::Ok(())
/// # })?;
/// # std::io::Result::Ok(())
/// ```
pub fn copy<R, W>(reader: R, writer: W) -> Copying<R, W>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    Copying { reader, writer, flow: Flow::new(AtEnd::Flush), spare: Spare::NONE }
}

/// The future that [`copy`] gives.
#[must_use = "futures do nothing unless awaited"]
pub struct Copying<R, W> {
    reader: R,
    writer: W,
    flow: Flow,
    spare: Spare,
}

impl<R, W> Copying<R, W> {
    /// How many bytes the writer has taken so far.
    ///
    /// ```
    /// use runtime_io::io::{copy, duplex};
    /// use futures_lite::future::poll_once;
    /// # let executor = runtime_executor::Executor::builder().build();
    /// # executor.block_on(async {
    /// let (near, _far) = duplex(4); // whose other end reads nothing
    /// let mut copying = copy(&b"more than fits"[..], near);
    /// assert!(poll_once(&mut copying).await.is_none());
    /// assert_eq!(copying.copied(), 4);
    /// # });
    /// ```
    pub fn copied(&self) -> u64 {
        self.flow.copied()
    }
}

impl<R, W> Future for Copying<R, W>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    type Output = io::Result<u64>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<u64>> {
        let Self { reader, writer, flow, spare } = self.get_mut();
        let polled = flow.poll(context, reader, writer, spare);
        spare.rest();
        polled.map(|ended| match ended {
            Ok(()) => Ok(flow.copied()),
            Err(Failure::Read(error) | Failure::Write(error)) => Err(error),
        })
    }
}

impl<R, W> fmt::Debug for Copying<R, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Copying").field("copied", &self.copied()).finish_non_exhaustive()
    }
}
