//! One direction of copying: read, write, and what lies in between.
//!
//! ```text
//!         the reader ends          the writer has flushed, or closed
//! Copying ---------------> Ending ----------------------------------> Done
//! ```
//!
//! A flow holds a buffer only while there are bytes in it that the writer does not take, and then the smallest that
//! holds them. Reading begins with the largest: between two polls it lies in the pool, so its size costs nobody
//! anything, and the same warm one serves all.

use super::buffers::{self, Buffer};
use futures_io::{AsyncRead, AsyncWrite};
use std::{
    io::{self, ErrorKind},
    pin::Pin,
    task::{Context, Poll, ready},
};

/// What one poll may carry, in bytes; then everybody else has a turn. That is some 100 µs of copying, where the budget
/// of operations alone would allow more than a millisecond.
const QUANTUM: usize = 4 * buffers::LARGEST;

#[derive(Debug)]
pub(super) struct Flow {
    stage: Stage,
    at_end: AtEnd,
    needs_flush: bool,
    is_drained: bool,
    /// Has bytes in it, or there is no pool here to give it back to.
    buffer: Option<Buffer>,
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
        let stage = Stage::Copying;
        Self { stage, at_end, needs_flush: false, is_drained: false, buffer: None, copied: 0 }
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
    /// then for good.
    #[inline]
    pub(super) fn poll<R, W>(
        &mut self,
        context: &mut Context<'_>,
        reader: &mut R,
        writer: &mut W,
    ) -> Poll<Result<(), Failure>>
    where
        R: AsyncRead + Unpin + ?Sized,
        W: AsyncWrite + Unpin + ?Sized,
    {
        self.is_drained = false;
        if self.stage == Stage::Copying {
            let polled = self.poll_copy(context, reader, writer);
            self.put_buffer_back();
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
    ) -> Poll<Result<(), Failure>>
    where
        R: AsyncRead + Unpin + ?Sized,
        W: AsyncWrite + Unpin + ?Sized,
    {
        let mut carried = 0;
        loop {
            ready!(self.poll_write_out(context, writer)).map_err(Failure::Write)?;
            if carried >= QUANTUM {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            let buffer = self.buffer.get_or_insert_with(|| Buffer::with_room(buffers::LARGEST));
            match Pin::new(&mut *reader).poll_read(context, buffer.room()) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Ok(())),
                Poll::Ready(Ok(n)) => {
                    buffer.fill(n);
                    carried += n;
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(Failure::Read(error))),
                Poll::Pending => {
                    ready!(self.poll_flush(context, writer)).map_err(Failure::Write)?;
                    self.is_drained = true;
                    return Poll::Pending;
                }
            }
        }
    }

    /// Writes what the buffer holds.
    fn poll_write_out<W>(&mut self, context: &mut Context<'_>, writer: &mut W) -> Poll<io::Result<()>>
    where
        W: AsyncWrite + Unpin + ?Sized,
    {
        let Some(buffer) = &mut self.buffer else { return Poll::Ready(Ok(())) };
        while !buffer.is_empty() {
            match ready!(Pin::new(&mut *writer).poll_write(context, buffer))? {
                0 => return Poll::Ready(Err(ErrorKind::WriteZero.into())),
                n => {
                    buffer.consume(n);
                    self.copied += n as u64;
                    self.needs_flush = true;
                }
            }
        }
        if buffer.room().len() < buffers::LARGEST {
            // A small one, in which bytes had to wait.
            self.buffer = None;
        }
        Poll::Ready(Ok(()))
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

    fn put_buffer_back(&mut self) {
        match &mut self.buffer {
            Some(buffer) if !buffer.is_empty() => buffer.shrink(),
            Some(_) if buffers::are_kept_here() => self.buffer = None,
            _ => {}
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
            let mut flow = Flow::new(AtEnd::Close);
            let mut poll = async || {
                poll_fn(|context| Poll::Ready(flow.poll(context, &mut far, &mut taking).is_ready())).await;
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
