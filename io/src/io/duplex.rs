//! Two ends of a connection in memory.

use futures_io::{AsyncRead, AsyncWrite};
use runtime_executor::current;
use std::{
    collections::VecDeque,
    fmt,
    future::poll_fn,
    io::{self, ErrorKind},
    mem,
    net::Shutdown,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
};

/// Two ends of a connection in memory that takes `capacity` bytes in each direction before the other end has read some.
///
/// What one end writes the other reads; a full direction has its writer wait. Dropping an end is for the other as for a
/// socket: what was written can still be read, then comes the end, and writes fail with `BrokenPipe`. It needs neither
/// reactor nor runtime, and its ends may be used on different threads. For a network that misbehaves see
/// `runtime::testing::net`, whose streams have addresses and may be reset.
///
/// # Panics
/// On a capacity of 0.
///
/// ```
/// use runtime_io::io::{AsyncReadExt, AsyncWriteExt, duplex};
/// # let executor = runtime_executor::Executor::builder().build();
/// # executor.block_on(async {
/// let (mut client, mut server) = duplex(4);
/// let echo = runtime_executor::spawn(async move {
///     let mut request = Vec::new();
///     server.read_to_end(&mut request).await?;
///     AsyncWriteExt::write_all(&mut server, &request).await
/// });
/// client.write_all(b"more than fits").await?; // goes on as the server reads
/// client.close().await?; // our side; the answer can still come
/// let mut answer = String::new();
/// client.read_to_string(&mut answer).await?;
/// assert_eq!(answer, "more than fits");
/// # echo.await.unwrap()
/// # })?;
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn duplex(capacity: usize) -> (DuplexStream, DuplexStream) {
    assert!(capacity > 0, "a connection with a capacity of 0 bytes could carry nothing: use at least 1");
    let lane = || Arc::new(Lane { capacity, state: Mutex::default() });
    let (there, back) = (lane(), lane());
    let one = DuplexStream { incoming: Arc::clone(&back), outgoing: Arc::clone(&there) };
    (one, DuplexStream { incoming: there, outgoing: back })
}

/// One end of a connection in memory; see [`duplex`].
///
/// Like [`TcpStream`](crate::net::TcpStream) it reads and writes through `&self`, also from several tasks, and implements
/// the `futures-io` traits, by value and by reference.
pub struct DuplexStream {
    incoming: Arc<Lane>,
    outgoing: Arc<Lane>,
}

impl DuplexStream {
    /// Reads some bytes, as soon as there are any. 0 is the end (or `buf` is empty).
    ///
    /// # Errors
    /// None; it is a `Result` for the sake of sockets.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has read nothing.
    pub async fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
        poll_fn(|context| self.incoming.poll(Waits::Reader, context, |state| state.read(buf))).await
    }

    /// Reads until `buf` is full.
    ///
    /// # Errors
    /// `UnexpectedEof` if the end comes first.
    ///
    /// # Cancel safety
    /// None: dropped before it is ready, it may have read some bytes, and how many is lost.
    pub async fn read_exact(&self, mut buf: &mut [u8]) -> io::Result<()> {
        while !buf.is_empty() {
            match self.read(buf).await? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                n => buf = &mut buf[n..],
            }
        }
        Ok(())
    }

    /// Writes some bytes, at least one unless `buf` is empty.
    ///
    /// # Errors
    /// `BrokenPipe` if the other end, or our side of the connection, is gone.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has written nothing.
    pub async fn write(&self, buf: &[u8]) -> io::Result<usize> {
        poll_fn(|context| self.poll_write_some(context, buf)).await
    }

    /// Writes all of `buf`.
    ///
    /// # Errors
    /// As for [`write`](Self::write).
    ///
    /// # Cancel safety
    /// None: dropped before it is ready, it may have written some bytes, and how many is lost.
    pub async fn write_all(&self, mut buf: &[u8]) -> io::Result<()> {
        while !buf.is_empty() {
            let n = self.write(buf).await?;
            buf = &buf[n..];
        }
        Ok(())
    }

    /// [`read`](Self::read) without waiting.
    ///
    /// # Errors
    /// `WouldBlock` if nothing is there.
    pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.incoming.attempt(|state| state.read(buf)).unwrap_or_else(|| Err(ErrorKind::WouldBlock.into()))
    }

    /// [`write`](Self::write) without waiting.
    ///
    /// # Errors
    /// `WouldBlock` if there is no room; otherwise as for `write`.
    pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
        let capacity = self.outgoing.capacity;
        let written = self.outgoing.attempt(|state| state.write(buf, capacity));
        written.unwrap_or_else(|| Err(ErrorKind::WouldBlock.into()))
    }

    /// Ends one side of the connection or both: the other end reads an end after what was written; our own reads give
    /// what has arrived, then 0. Doing it twice is no mistake.
    ///
    /// ```
    /// use runtime_io::{io::duplex, net::Shutdown};
    /// # let executor = runtime_executor::Executor::builder().build();
    /// # executor.block_on(async {
    /// let (one, other) = duplex(16);
    /// one.write_all(b"bye").await?;
    /// one.shutdown(Shutdown::Write);
    /// let mut buf = [0; 16];
    /// assert_eq!((other.read(&mut buf).await?, other.read(&mut buf).await?), (3, 0));
    /// other.write_all(b"so long").await?; // the other direction is still there
    /// assert_eq!(one.read(&mut buf).await?, 7);
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn shutdown(&self, how: Shutdown) {
        if how != Shutdown::Read {
            self.outgoing.settle(|state| state.is_ended = true);
        }
        if how != Shutdown::Write {
            self.incoming.settle(|state| state.is_refused = true);
        }
    }

    fn poll_write_some(&self, context: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let capacity = self.outgoing.capacity;
        self.outgoing.poll(Waits::Writer, context, |state| state.write(buf, capacity))
    }
}

impl Drop for DuplexStream {
    fn drop(&mut self) {
        self.shutdown(Shutdown::Both);
    }
}

impl fmt::Debug for DuplexStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waiting = |lane: &Lane| lane.state().bytes.len();
        f.debug_struct("DuplexStream")
            .field("to_read", &waiting(&self.incoming))
            .field("written", &waiting(&self.outgoing))
            .finish_non_exhaustive()
    }
}

/// What an empty lane keeps of its memory, in bytes.
const KEPT: usize = 4 * 1024;

/// One direction.
struct Lane {
    capacity: usize,
    /// Held for no call of a waker.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    bytes: VecDeque<u8>,
    /// The writer has ended.
    is_ended: bool,
    /// Nobody will read what is written.
    is_refused: bool,
    readers: Vec<Waker>,
    writers: Vec<Waker>,
    /// Who is to be woken once nobody holds the state.
    woken: Vec<Waker>,
}

/// On which side of a lane somebody waits.
#[derive(Clone, Copy)]
enum Waits {
    Reader,
    Writer,
}

impl State {
    /// `None` if there is nothing yet.
    fn read(&mut self, buf: &mut [u8]) -> Option<io::Result<usize>> {
        if self.bytes.is_empty() && !buf.is_empty() && !self.is_ended && !self.is_refused {
            return None;
        }
        let mut n = 0;
        while let (front, _) = self.bytes.as_slices()
            && !front.is_empty()
            && n < buf.len()
        {
            // A ring comes in two pieces.
            let piece = front.len().min(buf.len() - n);
            buf[n..n + piece].copy_from_slice(&front[..piece]);
            self.bytes.drain(..piece);
            n += piece;
        }
        if self.bytes.is_empty() && self.bytes.capacity() > KEPT {
            self.bytes = VecDeque::new();
        }
        if n > 0 {
            self.woken.append(&mut self.writers);
        }
        Some(Ok(n))
    }

    /// `None` if there is no room yet.
    fn write(&mut self, buf: &[u8], capacity: usize) -> Option<io::Result<usize>> {
        if self.is_ended || self.is_refused {
            return Some(Err(ErrorKind::BrokenPipe.into()));
        }
        let n = buf.len().min(capacity - self.bytes.len());
        if n == 0 && !buf.is_empty() {
            return None;
        }
        self.bytes.extend(&buf[..n]);
        if n > 0 {
            self.woken.append(&mut self.readers);
        }
        Some(Ok(n))
    }
}

impl Lane {
    /// Does something with the state, then wakes whom that concerns.
    fn attempt<R>(&self, operation: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.state();
        let outcome = operation(&mut state);
        let woken = mem::take(&mut state.woken);
        drop(state);
        woken.into_iter().for_each(Waker::wake);
        outcome
    }

    /// Tries an operation, which is `None` if it has to wait; then the task does.
    fn poll<R>(
        &self,
        waits: Waits,
        context: &mut Context<'_>,
        mut operation: impl FnMut(&mut State) -> Option<R>,
    ) -> Poll<R> {
        ready!(current::poll_budget(context));
        if let Some(outcome) = self.attempt(&mut operation) {
            return Poll::Ready(outcome);
        }
        // Cloned, and dropped if it is on the list already, while nobody holds the state.
        let mut waker = Some(context.waker().clone());
        let outcome = self.attempt(|state| {
            let outcome = operation(state);
            let waiting = match waits {
                Waits::Reader => &mut state.readers,
                Waits::Writer => &mut state.writers,
            };
            if outcome.is_none() && !waiting.iter().any(|other| other.will_wake(context.waker())) {
                waiting.extend(waker.take());
            }
            outcome
        });
        outcome.map_or(Poll::Pending, Poll::Ready)
    }

    /// Changes how things stand for good, so everybody looks again.
    fn settle(&self, change: impl FnOnce(&mut State)) {
        self.attempt(|state| {
            change(state);
            let State { readers, writers, woken, .. } = state;
            woken.append(readers);
            woken.append(writers);
        });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

macro_rules! traits {
    ($($type:ty),*) => {$(
        impl AsyncRead for $type {
            fn poll_read(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                buf: &mut [u8],
            ) -> Poll<io::Result<usize>> {
                self.incoming.poll(Waits::Reader, context, |state| state.read(buf))
            }
        }

        impl AsyncWrite for $type {
            fn poll_write(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                buf: &[u8],
            ) -> Poll<io::Result<usize>> {
                self.poll_write_some(context, buf)
            }

            fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }

            /// Ends our side of the connection; the other's may go on.
            fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.shutdown(Shutdown::Write);
                Poll::Ready(Ok(()))
            }
        }
    )*};
}

traits!(DuplexStream, &DuplexStream);
