//! Folders as streams of what is in them.

use super::{
    cached::poll_turn,
    error::explain,
    job::{run, start, unanswered},
};
use futures_core::Stream;
use runtime_sync::shared::oneshot::Receiver;
use std::{
    collections::VecDeque,
    ffi::OsString,
    fmt,
    fs::{self, FileType, Metadata},
    future::poll_fn,
    io,
    os::unix::fs::DirEntryExt,
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

/// Entries that are read ahead: a trip to the pool costs as much as reading some dozens.
const BATCH: usize = 128;

/// What is in a folder, in no order, without `.` and `..`: a [`Stream`], and an [`Iterator`] that is awaited.
///
/// At most 128 entries are read ahead, and those only when the former are used up; a folder of millions costs
/// no more memory than that. What is made or removed meanwhile may be met or not.
///
/// ```
/// # let executor = runtime_executor::Executor::builder().build();
/// # executor.block_on(async {
/// let mut folder = runtime_io::fs::read_dir("src").await?;
/// let mut names = Vec::new();
/// while let Some(entry) = folder.next_entry().await? {
///     names.push(entry.file_name());
/// }
/// assert!(names.contains(&"lib.rs".into()));
/// # std::io::Result::Ok(())
/// # })?;
/// # std::io::Result::Ok(())
/// ```
#[must_use = "streams do nothing unless polled"]
pub struct ReadDir {
    path: Arc<Path>,
    state: State,
}

enum State {
    Read(Batch),
    UnderWay(Receiver<Batch>),
}

struct Batch {
    entries: VecDeque<io::Result<DirEntry>>,
    /// `None` once all is read, or nothing more can be.
    rest: Option<fs::ReadDir>,
}

/// Lists what is in a folder.
///
/// # Errors
/// What [`std::fs::read_dir`] fails with; the message names the path.
///
/// # Cancel safety
/// Dropping it loses nothing.
pub async fn read_dir(path: impl AsRef<Path>) -> io::Result<ReadDir> {
    let path: Arc<Path> = path.as_ref().into();
    let of = Arc::clone(&path);
    let first = run(move || match fs::read_dir(&of) {
        Ok(rest) => Ok(Batch::read(rest, &of)),
        Err(error) => Err(explain("list", &of, error)),
    });
    let state = State::Read(first.await?);
    Ok(ReadDir { path, state })
}

impl Batch {
    /// On the pool.
    fn read(mut rest: fs::ReadDir, path: &Path) -> Self {
        let mut entries = VecDeque::with_capacity(BATCH);
        while entries.len() < BATCH {
            match rest.next() {
                None => return Self { entries, rest: None },
                Some(Ok(entry)) => entries.push_back(Ok(DirEntry::new(entry))),
                Some(Err(error)) => {
                    entries.push_back(Err(explain("list", path, error)));
                    return Self { entries, rest: None };
                }
            }
        }
        Self { entries, rest: Some(rest) }
    }
}

impl ReadDir {
    /// The next entry; `None` after the last.
    ///
    /// # Errors
    /// What the system says; after that there are no more.
    ///
    /// # Cancel safety
    /// Dropping it loses nothing.
    pub async fn next_entry(&mut self) -> io::Result<Option<DirEntry>> {
        poll_fn(|context| self.poll_entry(context)).await.transpose()
    }

    fn poll_entry(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<DirEntry>>> {
        loop {
            match &mut self.state {
                State::Read(batch) => {
                    ready!(poll_turn(context));
                    if let Some(entry) = batch.entries.pop_front() {
                        return Poll::Ready(Some(entry));
                    }
                    let Some(rest) = batch.rest.take() else { return Poll::Ready(None) };
                    let path = Arc::clone(&self.path);
                    match start(move || Batch::read(rest, &path)) {
                        Ok(answer) => self.state = State::UnderWay(answer),
                        Err(error) => return Poll::Ready(Some(Err(error))),
                    }
                }
                State::UnderWay(answer) => {
                    let answer = ready!(Pin::new(answer).poll(context));
                    let over = |error| Batch { entries: [Err(unanswered(error))].into(), rest: None };
                    self.state = State::Read(answer.unwrap_or_else(over));
                }
            }
        }
    }
}

impl Stream for ReadDir {
    type Item = io::Result<DirEntry>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_entry(context)
    }
}

impl fmt::Debug for ReadDir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadDir").field("path", &self.path).finish_non_exhaustive()
    }
}

/// What a folder says of something in it.
#[derive(Clone)]
pub struct DirEntry {
    entry: Arc<fs::DirEntry>,
    /// As far as the folder itself knows it.
    kind: Option<FileType>,
}

impl DirEntry {
    /// On the pool: most file systems have the kind in the folder, for others the file has to be asked.
    fn new(entry: fs::DirEntry) -> Self {
        let kind = entry.file_type().ok();
        Self { entry: Arc::new(entry), kind }
    }

    /// Its name.
    pub fn file_name(&self) -> OsString {
        self.entry.file_name()
    }

    /// The path of the folder, as it was given, and the name.
    pub fn path(&self) -> PathBuf {
        self.entry.path()
    }

    /// Its number on the file system.
    pub fn ino(&self) -> u64 {
        self.entry.ino()
    }

    /// What it is; a symbolic link is not followed. Known already, as a rule.
    ///
    /// # Errors
    /// If it is gone, say.
    ///
    /// # Cancel safety
    /// Dropping it loses nothing.
    pub async fn file_type(&self) -> io::Result<FileType> {
        match self.kind {
            Some(kind) => Ok(kind),
            None => self.metadata().await.map(|metadata| metadata.file_type()),
        }
    }

    /// What is known about it; a symbolic link is not followed.
    ///
    /// # Errors
    /// If it is gone, say; the message names the path.
    ///
    /// # Cancel safety
    /// Dropping it loses nothing.
    pub async fn metadata(&self) -> io::Result<Metadata> {
        let entry = Arc::clone(&self.entry);
        run(move || entry.metadata().map_err(|error| explain("ask about", &entry.path(), error))).await
    }
}

impl fmt::Debug for DirEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DirEntry").field(&self.path()).finish()
    }
}
