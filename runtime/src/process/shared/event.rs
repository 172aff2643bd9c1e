//! `Event`: all wait until it is set.

use super::{block, shared_by_board, wait};
use runtime_io::shared::{Board, Kind, Want};
use std::{io, sync::Arc, time::Duration};

/// A flag for which processes, and the threads and tasks in them, can wait. It goes to other processes with whatever it is in; a
/// clone is the same event.
///
/// Who waits when it is set passes, also if it is cleared at once, and if whoever set it dies on the way. Limits and blocking
/// forms are those of [`Lock`](super::Lock).
///
/// ```
/// # if cfg!(target_os = "linux") {
/// use runtime::process::Event;
/// use std::time::Duration;
///
/// let ready = Event::new()?;
/// assert!(!ready.blocking_wait_timeout(Duration::from_millis(1))?);
/// ready.set()?;
/// ready.blocking_wait()?;
/// # }
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug)]
pub struct Event {
    board: Arc<Board>,
}

impl Event {
    /// An event that is not set, and that no other process knows.
    ///
    /// # Errors
    /// As [`Lock::new`](super::Lock::new).
    pub fn new() -> io::Result<Self> {
        Ok(Self::on(Board::create(Kind::Event, 0, 0, 0)?))
    }

    pub(super) fn on(board: Arc<Board>) -> Self {
        Self { board }
    }

    /// Lets all pass who wait, and who come from now on.
    ///
    /// # Errors
    /// `Unsupported` in a forked child.
    pub fn set(&self) -> io::Result<()> {
        self.board.set()
    }

    /// Has those wait who come from now on.
    ///
    /// # Errors
    /// `Unsupported` in a forked child.
    pub fn clear(&self) -> io::Result<()> {
        self.board.clear()
    }

    /// Whether it is set. It may be otherwise by the time this returns.
    pub fn is_set(&self) -> bool {
        self.board.is_set()
    }

    /// Waits until it is set.
    ///
    /// # Errors
    /// As [`Semaphore::acquire`](super::Semaphore::acquire).
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn wait(&self) -> io::Result<()> {
        wait(&self.board, Want::Event, None).await.map(drop)
    }

    /// [`wait`](Event::wait), for at most `limit`; gives whether it was set.
    ///
    /// # Errors
    /// As [`wait`](Event::wait).
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn wait_timeout(&self, limit: Duration) -> io::Result<bool> {
        wait(&self.board, Want::Event, Some(limit)).await.map(|answer| answer.is_some())
    }

    /// Blocks until it is set.
    ///
    /// # Errors
    /// As [`wait`](Event::wait).
    pub fn blocking_wait(&self) -> io::Result<()> {
        block(&self.board, Want::Event, None).map(drop)
    }

    /// [`blocking_wait`](Event::blocking_wait), for at most `limit`; gives whether it was set.
    ///
    /// # Errors
    /// As [`wait`](Event::wait).
    pub fn blocking_wait_timeout(&self, limit: Duration) -> io::Result<bool> {
        block(&self.board, Want::Event, Some(limit)).map(|answer| answer.is_some())
    }
}

shared_by_board!(Event, Kind::Event);
