//! An open file: reading what is there, writing behind, and a position of its own.

mod attributes;
mod locks;
mod positioned;
mod reading;
mod traits;
mod writes;

use super::{
    cached::poll_turn,
    error::explain,
    job::{run, start, unanswered},
    options::{OpenOptions, open_to_read},
};
use crate::sys::{
    self,
    file::{Status, status},
};
use reading::Reading;
use runtime_sync::shared::oneshot::Receiver;
use std::{
    fmt, fs,
    future::poll_fn,
    io::{self, ErrorKind, Seek, SeekFrom},
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
    path::Path,
    pin::Pin,
    sync::{Arc, OnceLock, atomic::AtomicBool},
    task::{Context, Poll, ready},
};
use writes::Writes;

/// An open file.
///
/// **Reading** gives what is in memory at once (Linux, local file systems, up to 256 KiB a call), and goes to the
/// blocking pool for the rest. A read that is dropped before it is ready has not happened: the next begins at the same place.
///
/// **Writing** copies into a buffer of 256 KiB and is done with that: a thread writes it behind, in the order of the
/// calls, many small writes at once. A write that is dropped before it is ready has not happened either; one that was ready goes
/// through, also if the file is dropped or the runtime ends. [`flush`](Self::flush) waits until the system has it all,
/// [`sync_all`](Self::sync_all) until the disk has.
///
/// **Errors** of what is written behind (`StorageFull`, `QuotaExceeded`, `FileTooLarge`, an I/O error) are told by the next
/// operation on this handle, whatever it is, at the latest by `flush` or [`close`](Self::close); what had been
/// accepted after the place where it failed is given up, and the position is back there. Dropping the
/// file tells nobody: close what matters.
///
/// **The position** is this handle's own: another program, a child process or a clone that has the same open file does not
/// move it, and is not moved; [`into_std`](Self::into_std) tells it to the system. Only what has no places (a FIFO, a terminal) or was
/// opened to append is read and written wherever the system has got to. Waiting in such a read keeps a thread, so
/// for pipes and terminals see [`AsyncFd`](crate::AsyncFd).
///
/// It is tied to no runtime and may go to any thread. Dropping it closes it, once what was accepted is written.
///
/// ```
/// # let executor = runtime_executor::Executor::builder().build();
/// # executor.block_on(async {
/// use runtime_io::fs::{self, File};
/// let path = std::env::temp_dir().join(format!("file-{}", std::process::id()));
/// let mut file = File::create(&path).await?;
/// file.write_all(b"hello ").await?;
/// file.write_all(b"world").await?;
/// file.close().await?; // here a full disk is told at the latest
///
/// let mut file = File::open(&path).await?;
/// let mut text = String::new();
/// file.read_to_string(&mut text).await?;
/// assert_eq!(text, "hello world");
/// fs::remove_file(&path).await?;
/// # std::io::Result::Ok(())
/// # })?;
/// # std::io::Result::Ok(())
/// ```
pub struct File {
    open: Arc<Open>,
    /// Where the next byte is read or written; without meaning for streams.
    position: u64,
    /// Something was accepted since the writes were last found settled.
    has_written: bool,
    reading: Reading,
    /// A seek that asks where the end is.
    seeking: Option<Receiver<io::Result<u64>>>,
}

/// What the handle and the jobs for it share.
struct Open {
    file: fs::File,
    /// As it was opened, for errors.
    path: Option<Box<Path>>,
    /// The system keeps the position: there are no places, or every write goes to the end.
    is_stream: bool,
    /// It lies on a file system that asks no other machine.
    is_local: bool,
    /// The page cache has not refused to be asked yet.
    is_cached: AtomicBool,
    /// Made by the first write. The job for it outlives its hold on the rest.
    writes: OnceLock<Arc<Writes>>,
}

impl Open {
    fn poll_settled(&self, context: &Context<'_>) -> Poll<io::Result<()>> {
        self.writes.get().map_or(Poll::Ready(Ok(())), |writes| writes.poll_settled(context))
    }
}

impl File {
    /// Opens a file for reading.
    ///
    /// # Errors
    /// What [`std::fs::File::open`] fails with; the message names the path.
    ///
    /// # Cancel safety
    /// Dropping it loses nothing.
    pub async fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        open_to_read(path.as_ref()).await
    }

    /// Creates a file for writing, or empties the one that is there.
    ///
    /// # Errors
    /// What [`std::fs::File::create`] fails with; the message names the path.
    ///
    /// # Cancel safety
    /// As for [`OpenOptions::open`].
    pub async fn create(path: impl AsRef<Path>) -> io::Result<Self> {
        OpenOptions::new().write(true).create(true).truncate(true).open(path).await
    }

    /// Creates a file for reading and writing; if there is one, that is an error.
    ///
    /// # Errors
    /// What [`std::fs::File::create_new`] fails with; the message names the path.
    ///
    /// # Cancel safety
    /// As for [`OpenOptions::open`].
    pub async fn create_new(path: impl AsRef<Path>) -> io::Result<Self> {
        OpenOptions::new().read(true).write(true).create_new(true).open(path).await
    }

    /// How to open in other ways; the same as [`OpenOptions::new`].
    pub fn options() -> OpenOptions {
        OpenOptions::new()
    }

    /// Takes over a file of the standard library, with its position.
    ///
    /// # Errors
    /// If the system does not say what it is.
    ///
    /// ```
    /// let file = runtime_io::fs::File::from_std(std::fs::File::open("Cargo.toml")?)?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn from_std(file: fs::File) -> io::Result<Self> {
        let status = status(file.as_fd())?;
        let mut this = Self::assess(file, None, &status, false)?;
        if !this.open.is_stream {
            this.position = (&this.open.file).stream_position()?;
        }
        Ok(this)
    }

    /// Hands the file to blocking code, at the position where this handle was, once everything is written.
    ///
    /// # Errors
    /// What an earlier write failed with; the file is closed then.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it closes the file; what was accepted is written all the same.
    pub async fn into_std(mut self) -> io::Result<fs::File> {
        self.flush().await?;
        if !self.open.is_stream {
            (&self.open.file).seek(SeekFrom::Start(self.position))?;
        }
        drop(std::mem::replace(&mut self.reading, Reading::None));
        // A read that nobody waits for may be under way still, and share it.
        Arc::try_unwrap(self.open).map(|open| open.file).or_else(|open| open.file.try_clone())
    }

    /// For a file that has just been opened, at its beginning.
    pub(super) fn assess(
        file: fs::File,
        path: Option<Box<Path>>,
        status: &Status,
        is_local: bool,
    ) -> io::Result<Self> {
        let has_places = status.is_regular || status.is_block_device;
        let is_stream = !has_places || sys::file::appends(file.as_fd())?;
        let (is_cached, writes) = (AtomicBool::new(true), OnceLock::new());
        Ok(Self::of(Open { file, path, is_stream, is_local, is_cached, writes }, 0))
    }

    fn of(open: Open, position: u64) -> Self {
        let open = Arc::new(open);
        Self { open, position, has_written: false, reading: Reading::None, seeking: None }
    }

    /// Another handle for the same open file, at the same position, which is its own from there. Locks are shared.
    ///
    /// # Errors
    /// What an earlier write failed with, or if the process has no descriptor left.
    ///
    /// # Cancel safety
    /// Dropping it loses nothing.
    pub async fn try_clone(&self) -> io::Result<Self> {
        self.settled().await?;
        let Open { path, is_stream, is_local, .. } = &*self.open;
        let file = self.open.file.try_clone()?;
        let (is_cached, writes) = (AtomicBool::new(true), OnceLock::new());
        let open =
            Open { file, path: path.clone(), is_stream: *is_stream, is_local: *is_local, is_cached, writes };
        Ok(Self::of(open, self.position))
    }

    /// Accepts some of `buf` to be written: as much as there is room for, at least a byte unless `buf` is empty.
    ///
    /// # Errors
    /// What an earlier write failed with.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has accepted nothing.
    pub async fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        poll_fn(|context| self.poll_write_some(context, buf)).await
    }

    /// Accepts all of `buf`.
    ///
    /// # Errors
    /// What an earlier write, or an earlier part of this, failed with.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it may have accepted a part, from the beginning; [`position`](Self::position) tells.
    pub async fn write_all(&mut self, mut buf: &[u8]) -> io::Result<()> {
        while !buf.is_empty() {
            let accepted = self.write(buf).await?;
            buf = &buf[accepted..];
        }
        Ok(())
    }

    /// Waits until the system has everything that was accepted: whoever opens the file now reads it.
    ///
    /// # Errors
    /// What a write failed with.
    ///
    /// # Cancel safety
    /// Dropping it loses nothing.
    pub async fn flush(&mut self) -> io::Result<()> {
        poll_fn(|context| self.poll_settled(context)).await
    }

    /// Waits until everything is written, then closes the file, and tells what the system says of that: some file systems of
    /// the network find out only then that they have no room.
    ///
    /// # Errors
    /// What a write failed with, or the closing. The file is closed in any case.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it closes the file untold; what was accepted is written all the same.
    pub async fn close(mut self) -> io::Result<()> {
        self.flush().await?;
        let Self { open, reading, .. } = self;
        drop(reading);
        let Ok(open) = Arc::try_unwrap(open) else { return Ok(()) };
        let Open { file, path, is_local, .. } = open;
        let close = move || sys::file::close(file.into());
        let closed = if is_local { close() } else { run(close).await };
        closed.map_err(|error| explain_if(path.as_deref(), "close", error))
    }

    /// Where the next byte is read or written. Without meaning where the system keeps the position.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Moves the position; gives the new one, from the beginning. It may be behind the end.
    ///
    /// # Errors
    /// `InvalidInput` for a place before the beginning, what an earlier write failed with, or `NotSeekable` for what has
    /// no places.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has moved nothing, except where the system keeps the position.
    pub async fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.seeking = None;
        poll_fn(|context| self.poll_seek_to(context, to)).await
    }

    /// Moves the position to the beginning.
    ///
    /// # Errors
    /// As [`seek`](Self::seek).
    ///
    /// # Cancel safety
    /// As for [`seek`](Self::seek).
    pub async fn rewind(&mut self) -> io::Result<()> {
        self.seek(SeekFrom::Start(0)).await.map(drop)
    }

    fn poll_write_some(&mut self, context: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        ready!(poll_turn(context));
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.forget_read();
        let accepted = ready!(writes::poll_accept(&self.open, context, buf, self.position));
        if let Ok(accepted) = accepted {
            self.has_written = true;
            self.position += accepted as u64;
        } else {
            self.go_back();
        }
        Poll::Ready(accepted.map_err(|error| self.explain("write to", error)))
    }

    /// Everything that was accepted is written, or an error says why not.
    fn poll_settled(&mut self, context: &Context<'_>) -> Poll<io::Result<()>> {
        if !self.has_written {
            return Poll::Ready(Ok(()));
        }
        let settled = ready!(self.open.poll_settled(context));
        self.has_written = false;
        self.go_back();
        Poll::Ready(settled.map_err(|error| self.explain("write to", error)))
    }

    /// After a write that failed, the position is where it stopped.
    fn go_back(&mut self) {
        if let Some(position) = self.open.writes.get().and_then(|writes| writes.take_stopped_at()) {
            self.position = position;
        }
    }

    /// The same for those who share the handle; they do not move it.
    async fn settled(&self) -> io::Result<()> {
        let settled = poll_fn(|context| self.open.poll_settled(context)).await;
        settled.map_err(|error| self.explain("write to", error))
    }

    fn poll_seek_to(&mut self, context: &mut Context<'_>, to: SeekFrom) -> Poll<io::Result<u64>> {
        ready!(self.poll_settled(context))?;
        self.forget_read();
        let from = match to {
            SeekFrom::Start(position) if !self.open.is_stream => {
                self.position = position;
                return Poll::Ready(Ok(position));
            }
            SeekFrom::Current(_) if !self.open.is_stream => self.position,
            _ => ready!(self.poll_asked(context, to))?,
        };
        if self.open.is_stream {
            return Poll::Ready(Ok(from));
        }
        let (SeekFrom::Current(offset) | SeekFrom::End(offset)) = to else { unreachable!("handled above") };
        let Some(position) = from.checked_add_signed(offset) else {
            let error = io::Error::new(ErrorKind::InvalidInput, "that is before the beginning of the file");
            return Poll::Ready(Err(self.explain("seek in", error)));
        };
        self.position = position;
        Poll::Ready(Ok(position))
    }

    /// Asks the system: for the end, or to move its own position.
    fn poll_asked(&mut self, context: &mut Context<'_>, to: SeekFrom) -> Poll<io::Result<u64>> {
        let asked = match &mut self.seeking {
            Some(asked) => asked,
            None => {
                let open = Arc::clone(&self.open);
                let unread = self.reading.take_unread();
                let ask = move || match to {
                    SeekFrom::Current(offset) => {
                        (&open.file).seek(SeekFrom::Current(offset.saturating_sub(unread)))
                    }
                    to if open.is_stream => (&open.file).seek(to),
                    // Of a device `fstat` says nothing, and the system's position is nobody's.
                    _ => (&open.file).seek(SeekFrom::End(0)),
                };
                self.seeking.insert(start(ask)?)
            }
        };
        let answer = ready!(Pin::new(asked).poll(context));
        self.seeking = None;
        Poll::Ready(answer.map_err(unanswered)?.map_err(|error| self.explain("seek in", error)))
    }

    /// The error with the path, if the file was opened by one.
    fn explain(&self, action: &'static str, error: io::Error) -> io::Error {
        explain_if(self.open.path.as_deref(), action, error)
    }
}

fn explain_if(path: Option<&Path>, action: &'static str, error: io::Error) -> io::Error {
    match path {
        Some(path) => explain(action, path, error),
        None => error,
    }
}

impl AsFd for File {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.open.file.as_fd()
    }
}

impl AsRawFd for File {
    fn as_raw_fd(&self) -> RawFd {
        self.open.file.as_raw_fd()
    }
}

impl TryFrom<OwnedFd> for File {
    type Error = io::Error;

    /// Takes over an open file, with its position.
    fn try_from(fd: OwnedFd) -> io::Result<Self> {
        Self::from_std(fd.into())
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File")
            .field("fd", &self.as_raw_fd())
            .field("path", &self.open.path)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}
