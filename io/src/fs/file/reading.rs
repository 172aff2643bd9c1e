//! Reading on from the position: from the page cache, or by way of the pool.

use super::{
    super::{
        cached::{MAX_INLINE, charge, poll_turn},
        job::{run, start, unanswered},
    },
    File, Open,
};
use crate::sys::{self, page_cache};
use runtime_sync::shared::oneshot::Receiver;
use std::{
    future::poll_fn,
    io::{self, ErrorKind},
    os::fd::AsFd,
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll, ready},
};

/// What is read at a time of a stream that is read to its end.
const STREAM_ROOM: usize = 8 * 1024;

/// A read that went to the pool.
pub(super) enum Reading {
    None,
    /// From this position.
    UnderWay(Receiver<io::Result<Vec<u8>>>, u64),
    /// What came of a stream while nobody waited, or did not fit: it will not come again.
    Unread(Vec<u8>),
}

impl Reading {
    /// How far the system is ahead of what was read, which is forgotten: for a relative seek.
    pub(super) fn take_unread(&mut self) -> i64 {
        match std::mem::replace(self, Self::None) {
            Self::Unread(bytes) => i64::try_from(bytes.len()).unwrap_or(i64::MAX),
            _ => 0,
        }
    }
}

impl Open {
    /// Reads what is in memory at `offset`, or says `None`: somebody has to wait for the disk, or to look closer.
    pub(super) fn read_cached(&self, buf: &mut [u8], offset: u64) -> Option<io::Result<usize>> {
        if self.is_stream || !self.is_cached.load(Ordering::Relaxed) {
            return None;
        }
        let room = buf.len().min(MAX_INLINE);
        match page_cache::read_at(self.file.as_fd(), &mut buf[..room], offset) {
            // Linux 5.9 and 5.10 say so although there is more.
            Ok(0) => self.is_at_end(offset).then_some(Ok(0)),
            Ok(n) => Some(Ok(n)),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => None,
            // This file system cannot tell, or something is wrong, which the pool's call will say in earnest.
            Err(_) => {
                self.is_cached.store(false, Ordering::Relaxed);
                None
            }
        }
    }

    fn is_at_end(&self, offset: u64) -> bool {
        sys::file::status(self.file.as_fd()).is_ok_and(|status| status.is_regular && status.size <= offset)
    }

    /// On the pool: one read of at most `len` bytes, at a place or where the system is.
    pub(super) fn read(&self, len: usize, offset: Option<u64>) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(len);
        loop {
            match sys::file::read_into(self.file.as_fd(), &mut bytes, offset) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => return read.map(|_| bytes),
            }
        }
    }
}

impl File {
    /// Reads some bytes from the position on: at least one unless the end is reached or `buf` is empty, at most 256 KiB.
    ///
    /// # Errors
    /// What the system says, or what an earlier write failed with.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has read nothing: the position is where it was.
    pub async fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        // One that was dropped has read what was there then.
        self.forget_read();
        poll_fn(|context| self.poll_read_some(context, buf)).await
    }

    /// Fills `buf`.
    ///
    /// # Errors
    /// `UnexpectedEof` if the file ends before, or as [`read`](Self::read).
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it may have read a part, from the beginning; [`position`](Self::position) tells.
    pub async fn read_exact(&mut self, mut buf: &mut [u8]) -> io::Result<()> {
        while !buf.is_empty() {
            match self.read(buf).await? {
                0 => {
                    let error =
                        io::Error::new(ErrorKind::UnexpectedEof, "the file ends before the buffer is full");
                    return Err(self.explain("read", error));
                }
                n => buf = &mut buf[n..],
            }
        }
        Ok(())
    }

    /// Appends everything from the position on to `buf`; gives how much that was.
    ///
    /// # Errors
    /// As [`read`](Self::read). What was read until then is in `buf`, and the position behind it.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has moved the position behind what is in `buf`.
    pub async fn read_to_end(&mut self, buf: &mut Vec<u8>) -> io::Result<usize> {
        self.flush().await?;
        self.forget_read();
        if self.open.is_stream {
            return self.read_stream_to_end(buf).await;
        }
        let before = buf.len();
        if poll_fn(|context| self.poll_cached_to_end(context, buf)).await {
            return Ok(buf.len() - before);
        }
        let (open, position) = (Arc::clone(&self.open), self.position);
        let rest = run(move || {
            let mut rest = Vec::new();
            let expected = sys::file::status(open.file.as_fd())?.size.saturating_sub(position);
            sys::file::read_to_end(open.file.as_fd(), &mut rest, Some(position), expected).map(|()| rest)
        });
        let rest = rest.await.map_err(|error| self.explain("read", error))?;
        self.position += rest.len() as u64;
        if buf.capacity() == 0 {
            *buf = rest;
        } else {
            buf.extend_from_slice(&rest);
        }
        Ok(buf.len() - before)
    }

    /// Whether that was all, as it is if little is left and all of it in memory.
    fn poll_cached_to_end(&mut self, context: &mut Context<'_>, buf: &mut Vec<u8>) -> Poll<bool> {
        ready!(poll_turn(context));
        let Ok(status) = sys::file::status(self.as_fd()) else { return Poll::Ready(false) };
        let rest = status.size.saturating_sub(self.position);
        // The size is to be believed where nothing but disks and memory is behind it.
        if !self.open.is_local || rest > MAX_INLINE as u64 {
            return Poll::Ready(false);
        }
        let end = self.position + rest;
        // Room for a byte more, as a read that could have gone on has met the end.
        buf.reserve(rest as usize + 1);
        while self.position < end {
            let Ok(n @ 1..) = page_cache::read_into(self.as_fd(), buf, Some(self.position)) else { break };
            self.position += n as u64;
            charge(context, n);
        }
        Poll::Ready(self.position >= end)
    }

    async fn read_stream_to_end(&mut self, buf: &mut Vec<u8>) -> io::Result<usize> {
        let before = buf.len();
        let mut room = vec![0; STREAM_ROOM];
        loop {
            match self.read(&mut room).await? {
                0 => return Ok(buf.len() - before),
                n => buf.extend_from_slice(&room[..n]),
            }
        }
    }

    /// Appends everything from the position on to `text`; gives how many bytes that was.
    ///
    /// # Errors
    /// `InvalidData` if it is not UTF-8, when `text` is as it was; or as [`read`](Self::read).
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has moved the position, and what was read is lost.
    pub async fn read_to_string(&mut self, text: &mut String) -> io::Result<usize> {
        let mut bytes = Vec::new();
        let n = self.read_to_end(&mut bytes).await?;
        let read = String::from_utf8(bytes)
            .map_err(|error| self.explain("read", io::Error::new(ErrorKind::InvalidData, error)))?;
        if text.is_empty() {
            *text = read;
        } else {
            text.push_str(&read);
        }
        Ok(n)
    }

    /// A read that nobody waits for would give what was there when it began. What came of a stream is kept.
    pub(super) fn forget_read(&mut self) {
        if !self.open.is_stream {
            self.reading = Reading::None;
        }
    }

    pub(super) fn poll_read_some(
        &mut self,
        context: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        // What was written is read.
        ready!(self.poll_settled(context))?;
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        ready!(poll_turn(context));
        loop {
            match &mut self.reading {
                Reading::None => {
                    if let Some(read) = self.open.read_cached(buf, self.position) {
                        let n = read.map_err(|error| self.explain("read", error))?;
                        self.position += n as u64;
                        charge(context, n);
                        return Poll::Ready(Ok(n));
                    }
                    let (open, position) = (Arc::clone(&self.open), self.position);
                    let len = buf.len().min(MAX_INLINE);
                    let offset = (!open.is_stream).then_some(position);
                    let answer = start(move || open.read(len, offset))?;
                    self.reading = Reading::UnderWay(answer, position);
                }
                // Nobody waited for it, and the position is another now.
                Reading::UnderWay(_, position) if *position != self.position && !self.open.is_stream => {
                    self.reading = Reading::None;
                }
                Reading::UnderWay(answer, _) => {
                    let answer = ready!(Pin::new(answer).poll(context));
                    self.reading = Reading::None;
                    let bytes = answer.map_err(unanswered)?.map_err(|error| self.explain("read", error))?;
                    return Poll::Ready(Ok(self.hand_over(bytes, buf)));
                }
                Reading::Unread(bytes) => {
                    let bytes = std::mem::take(bytes);
                    self.reading = Reading::None;
                    return Poll::Ready(Ok(self.hand_over(bytes, buf)));
                }
            }
        }
    }

    /// Copies what fits. The rest can be read again, unless it is a stream's.
    fn hand_over(&mut self, mut bytes: Vec<u8>, buf: &mut [u8]) -> usize {
        let n = bytes.len().min(buf.len());
        buf[..n].copy_from_slice(&bytes[..n]);
        if self.open.is_stream {
            if n < bytes.len() {
                bytes.drain(..n);
                self.reading = Reading::Unread(bytes);
            }
        } else {
            self.position += n as u64;
        }
        n
    }
}
