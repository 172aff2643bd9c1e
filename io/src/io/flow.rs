//! One direction of copying: read, write, and what lies in between.
//!
//! ```text
//!         the reader ends          the writer has flushed, or closed
//! Copying ---------------> Ending ----------------------------------> Done
//! ```
//!
//! In between lies a buffer, or a pipe when bytes come in plenty ([`splicing`](super::splicing)), never both.
//!
//! A flow holds a buffer only while there are bytes in it that the writer does not take, and then the smallest that
//! holds them. Reading begins with the largest: between two polls it lies in the pool, so its size costs nobody
//! anything, and the same warm one serves all.

use super::{
    buffers::{self, Buffer},
    splicing::{Burst, Drained},
};
use futures_io::{AsyncRead, AsyncWrite};
use std::{
    io::{self, ErrorKind},
    pin::Pin,
    task::{Context, Poll, ready},
};

/// What one poll may carry, in bytes; then everybody else has a turn. That is some 100 µs of copying, where the budget
/// of operations alone would allow more than a millisecond.
const QUANTUM: usize = 4 * buffers::LARGEST;

/// From how many bytes at once splicing pays: less is faster read and written.
const WORTHWHILE: usize = buffers::LARGEST;

#[derive(Debug)]
pub(super) struct Flow {
    stage: Stage,
    at_end: AtEnd,
    needs_flush: bool,
    is_drained: bool,
    /// Bytes come in plenty.
    is_streaming: bool,
    /// Has bytes in it.
    buffer: Option<Buffer>,
    burst: Burst,
    copied: u64,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Stage {
    Copying,
    Ending,
    Done,
}

/// What becomes of the writer when the reader has ended.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum AtEnd {
    Flush,
    Close,
}

/// Which end of a flow has failed, and how.
#[derive(Debug)]
pub(super) enum Failure {
    Read(io::Error),
    Write(io::Error),
}

impl Flow {
    pub(super) const fn new(at_end: AtEnd) -> Self {
        Self {
            stage: Stage::Copying,
            at_end,
            needs_flush: false,
            is_drained: false,
            is_streaming: false,
            buffer: None,
            burst: Burst::NONE,
            copied: 0,
        }
    }

    /// How many bytes the writer has taken.
    pub(super) const fn copied(&self) -> u64 {
        self.copied
    }

    /// Whether the last poll ended because there is nothing to read, and all that was read is written.
    pub(super) fn is_drained(&self) -> bool {
        self.is_drained
    }

    /// Copies until one end has to be waited for, or everybody else should have a turn. Ready once all is done, and
    /// then for good. `spare` is a buffer that flows share, if there is one already.
    #[inline]
    pub(super) fn poll<R, W>(
        &mut self,
        context: &mut Context<'_>,
        reader: &mut R,
        writer: &mut W,
        spare: &mut Spare,
    ) -> Poll<Result<(), Failure>>
    where
        R: AsyncRead + Unpin + ?Sized,
        W: AsyncWrite + Unpin + ?Sized,
    {
        self.is_drained = false;
        if self.stage == Stage::Copying {
            let polled = self.poll_copy(context, reader, writer, spare);
            self.burst.rest();
            ready!(polled)?;
            self.stage = Stage::Ending;
        }
        if self.stage == Stage::Ending {
            let writer = Pin::new(writer);
            let ended = match self.at_end {
                AtEnd::Flush => writer.poll_flush(context),
                AtEnd::Close => writer.poll_close(context),
            };
            ready!(ended).map_err(Failure::Write)?;
            self.stage = Stage::Done;
        }
        Poll::Ready(Ok(()))
    }

    /// Ready at the end of the reader.
    fn poll_copy<R, W>(
        &mut self,
        context: &mut Context<'_>,
        reader: &mut R,
        writer: &mut W,
        spare: &mut Spare,
    ) -> Poll<Result<(), Failure>>
    where
        R: AsyncRead + Unpin + ?Sized,
        W: AsyncWrite + Unpin + ?Sized,
    {
        let mut carried = 0;
        if self.buffer.is_some() || !self.burst.is_empty() {
            ready!(self.poll_write_rest(context, writer)).map_err(Failure::Write)?;
        }
        while carried < QUANTUM {
            let polled = if self.is_streaming {
                self.poll_splice(context, reader, writer)
            } else {
                self.poll_pass_on(context, reader, writer, spare)
            };
            match polled? {
                Poll::Ready(Passed::Some(n)) => carried += n,
                Poll::Ready(Passed::End) => return Poll::Ready(Ok(())),
                Poll::Pending if self.buffer.is_some() || !self.burst.is_empty() => return Poll::Pending,
                Poll::Pending => {
                    ready!(self.poll_flush(context, writer)).map_err(Failure::Write)?;
                    self.is_drained = true;
                    return Poll::Pending;
                }
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// Reads once, and writes that. If the writer does not take all of it, the rest is kept.
    #[inline]
    fn poll_pass_on<R, W>(
        &mut self,
        context: &mut Context<'_>,
        reader: &mut R,
        writer: &mut W,
        spare: &mut Spare,
    ) -> Result<Poll<Passed>, Failure>
    where
        R: AsyncRead + Unpin + ?Sized,
        W: AsyncWrite + Unpin + ?Sized,
    {
        let room = spare.room();
        let size = room.len();
        let n = match Pin::new(reader).poll_read(context, room).map_err(Failure::Read)? {
            Poll::Pending => return Ok(Poll::Pending),
            Poll::Ready(0) => return Ok(Poll::Ready(Passed::End)),
            Poll::Ready(n) => n,
        };
        self.is_streaming = n == size;
        let mut rest = &spare.room()[..n];
        while !rest.is_empty() {
            match Pin::new(&mut *writer).poll_write(context, rest).map_err(Failure::Write)? {
                Poll::Ready(0) => return Err(Failure::Write(ErrorKind::WriteZero.into())),
                Poll::Ready(written) => {
                    self.copied += written as u64;
                    self.needs_flush = true;
                    rest = &rest[written..];
                }
                Poll::Pending => {
                    let left = rest.len();
                    self.buffer = Some(spare.take(n, left));
                    return Ok(Poll::Pending);
                }
            }
        }
        Ok(Poll::Ready(Passed::Some(n)))
    }

    /// Passes on by way of a pipe, as long as that pays.
    #[inline(never)]
    fn poll_splice<R, W>(
        &mut self,
        context: &mut Context<'_>,
        reader: &R,
        writer: &mut W,
    ) -> Result<Poll<Passed>, Failure>
    where
        R: ?Sized,
        W: AsyncWrite + Unpin + ?Sized,
    {
        let Poll::Ready(n) = self.burst.poll_fill(context, reader, writer).map_err(Failure::Read)? else {
            return Ok(Poll::Pending);
        };
        self.is_streaming = n >= WORTHWHILE;
        let written = self.poll_write_rest(context, writer).map_err(Failure::Write)?;
        // Nothing spliced is not the end: that is for the next read to say.
        Ok(written.map(|()| Passed::Some(n)))
    }

    /// Writes what had to wait.
    fn poll_write_rest<W>(&mut self, context: &mut Context<'_>, writer: &mut W) -> Poll<io::Result<()>>
    where
        W: AsyncWrite + Unpin + ?Sized,
    {
        loop {
            if let Some(buffer) = &mut self.buffer {
                while !buffer.is_empty() {
                    match ready!(Pin::new(&mut *writer).poll_write(context, buffer))? {
                        0 => return Poll::Ready(Err(ErrorKind::WriteZero.into())),
                        n => {
                            buffer.consume(n);
                            self.copied += n as u64;
                        }
                    }
                }
                self.needs_flush = true;
                self.buffer = None;
            }
            match ready!(self.burst.poll_drain(context, writer, &mut self.copied))? {
                Drained::All => return Poll::Ready(Ok(())),
                Drained::Refused => {
                    let mut buffer = Buffer::with_room(buffers::LARGEST);
                    let n = self.burst.read(buffer.room())?;
                    buffer.fill(n);
                    self.buffer = Some(buffer);
                }
            }
        }
    }

    /// Nothing comes for the time being, so what a writer of several layers holds back goes out.
    fn poll_flush<W>(&mut self, context: &mut Context<'_>, writer: &mut W) -> Poll<io::Result<()>>
    where
        W: AsyncWrite + Unpin + ?Sized,
    {
        if self.needs_flush {
            ready!(Pin::new(writer).poll_flush(context))?;
            self.needs_flush = false;
        }
        Poll::Ready(Ok(()))
    }
}

/// What one round of reading and writing came to.
enum Passed {
    Some(usize),
    End,
}

/// An empty buffer for reading, which flows share.
#[derive(Debug, Default)]
pub(super) struct Spare {
    buffer: Option<Buffer>,
}

impl Spare {
    pub(super) const NONE: Self = Self { buffer: None };

    #[inline]
    fn room(&mut self) -> &mut [u8] {
        self.buffer.get_or_insert_with(|| Buffer::with_room(buffers::LARGEST)).room()
    }

    /// Gives the buffer away, with the last `left` of `n` bytes that were read into it.
    #[cold]
    fn take(&mut self, n: usize, left: usize) -> Buffer {
        let mut buffer = self.buffer.take().expect("somebody has just read into it");
        buffer.fill(n);
        buffer.consume(n - left);
        buffer.shrink();
        buffer
    }

    /// To be called at the end of a poll: the buffer goes to the pool, if there is one here.
    #[inline]
    pub(super) fn rest(&mut self) {
        if self.buffer.is_some() && buffers::are_kept_here() {
            self.buffer = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Reactor, io::duplex};
    use futures_lite::future::poll_fn;
    use runtime_executor::Executor;

    /// The other stories cannot see it: a pair that is silent has no buffer, and one that is stuck a small one.
    #[test]
    fn only_bytes_that_wait_need_a_buffer() {
        let reactor = Reactor::new().unwrap();
        let executor = Executor::builder().park(reactor.clone()).extension(reactor).build();
        executor.block_on(async {
            let (near, mut far) = duplex(1000);
            let (mut taking, taken) = duplex(400);
            let (mut flow, mut spare) = (Flow::new(AtEnd::Close), Spare::NONE);
            let mut poll = async || {
                poll_fn(|context| {
                    let polled = flow.poll(context, &mut far, &mut taking, &mut spare);
                    assert!(polled.is_pending());
                    spare.rest();
                    assert!(spare.buffer.is_none());
                    Poll::Ready(())
                })
                .await;
                (flow.is_drained(), flow.buffer.as_mut().map(|buffer| (buffer.len(), buffer.room().len())))
            };
            assert_eq!(poll().await, (true, None));
            near.write_all(&[1; 1000]).await.unwrap();
            assert_eq!(poll().await, (false, Some((600, 4096 - 600))));
            taken.read_exact(&mut [0; 400]).await.unwrap();
            assert_eq!(poll().await, (false, Some((200, 4096 - 600))));
            taken.read_exact(&mut [0; 400]).await.unwrap();
            assert_eq!(poll().await, (true, None));
        });
    }
}
