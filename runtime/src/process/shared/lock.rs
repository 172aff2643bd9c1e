//! `Lock`: mutual exclusion of processes.

use super::{block, shared_by_board, wait};
use runtime_io::shared::{Answer, Board, Kind, Want};
use std::{error::Error, fmt, io, sync::Arc, time::Duration};

/// Mutual exclusion of processes, and of the threads and tasks in them. It goes to other processes with whatever it is in; a
/// clone is the same lock. Whoever asks for it gets it in the order of asking.
///
/// When its holder dies with it, however that happens, whoever waits gets it within 50 ms, and is told so
/// ([`LockError::OwnerDied`]): what it protects may be half-changed. From then on everybody is told, until a holder says that
/// all is well again ([`LockGuard::mend`]).
///
/// The forms that begin with `blocking_` block the thread; in a greenlet they suspend that instead.
///
/// ```
/// # if cfg!(target_os = "linux") {
/// use runtime::process::Lock;
///
/// let lock = Lock::new()?;
/// let guard = lock.blocking_acquire().unwrap();
/// assert!(lock.locked() && lock.try_acquire().unwrap().is_none());
/// drop(guard);
/// runtime::run(async { drop(lock.acquire().await.unwrap()) });
/// # }
/// # std::io::Result::Ok(())
/// ```
///
/// # Limits
/// 256 processes, where one that got it in several messages counts as many times, and 1,024 of their threads and tasks that wait.
/// On Linux it needs `/proc`. A child that was forked and runs no other
/// program has to get the lock anew, as a message, and as long as it lives, its parent's death goes unnoticed. A process that
/// is stopped, and not dead, keeps what it has.
#[derive(Clone, Debug)]
pub struct Lock {
    board: Arc<Board>,
}

/// The lock is had, but its former holder died with it; or it is not had.
pub enum LockError<G, E = io::Error> {
    /// It is had. Whoever had it before died, and nobody has [mended](LockGuard::mend) since what it protects.
    OwnerDied(G),
    /// It is not had: too many wait, this process was forked, or somebody wrote where only we should.
    Failed(E),
}

impl<G, E> LockError<G, E> {
    /// The guard, if it is had: for whom it is all the same.
    ///
    /// # Errors
    /// If it is not.
    pub fn recover(self) -> Result<G, E> {
        match self {
            Self::OwnerDied(guard) => Ok(guard),
            Self::Failed(error) => Err(error),
        }
    }

    pub(in crate::process) fn map<H>(self, f: impl FnOnce(G) -> H) -> LockError<H, E> {
        match self {
            Self::OwnerDied(guard) => LockError::OwnerDied(f(guard)),
            Self::Failed(error) => LockError::Failed(error),
        }
    }
}

impl<G> From<io::Error> for LockError<G> {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

impl<G, E: fmt::Debug> fmt::Debug for LockError<G, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OwnerDied(_) => f.write_str("OwnerDied"),
            Self::Failed(error) => f.debug_tuple("Failed").field(error).finish(),
        }
    }
}

impl<G, E: fmt::Display> fmt::Display for LockError<G, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OwnerDied(_) => f.write_str(
                "the process that had the lock died with it, so what it protects may be half-changed: take the guard out of \
                 this error, put it in order, and call `mend`",
            ),
            Self::Failed(error) => write!(f, "the lock cannot be taken: {error}"),
        }
    }
}

impl<G, E: Error + 'static> Error for LockError<G, E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::OwnerDied(_) => None,
            Self::Failed(error) => Some(error),
        }
    }
}

impl Lock {
    /// A lock that nobody has, and no other process knows.
    ///
    /// # Errors
    /// If the system has no memory or descriptors left, or no `/proc`.
    pub fn new() -> io::Result<Self> {
        Ok(Self::on(Board::create(Kind::Lock, 1, 1, 0)?))
    }

    pub(super) fn on(board: Arc<Board>) -> Self {
        Self { board }
    }

    pub(super) fn board(&self) -> &Arc<Board> {
        &self.board
    }

    /// Waits until nobody has it, and takes it.
    ///
    /// # Errors
    /// See [`LockError`].
    ///
    /// # Cancel safety
    /// Dropping it gives the place in the queue up; a lock that had reached it goes to the next.
    pub async fn acquire(&self) -> Result<LockGuard<'_>, LockError<LockGuard<'_>>> {
        let answer = wait(&self.board, Want::Lock, None).await;
        self.guard(answer).map(expect_guard)
    }

    /// [`acquire`](Lock::acquire), for at most `limit`; `None`: it was over before.
    ///
    /// # Errors
    /// See [`LockError`].
    ///
    /// # Cancel safety
    /// As [`acquire`](Lock::acquire).
    pub async fn acquire_timeout(
        &self,
        limit: Duration,
    ) -> Result<Option<LockGuard<'_>>, LockError<LockGuard<'_>>> {
        let answer = wait(&self.board, Want::Lock, Some(limit)).await;
        self.guard(answer)
    }

    /// Takes it if nobody has it and nobody waits for it.
    ///
    /// # Errors
    /// See [`LockError`].
    pub fn try_acquire(&self) -> Result<Option<LockGuard<'_>>, LockError<LockGuard<'_>>> {
        let taken = self.board.try_lock().map(|is_taken| is_taken.then_some(Answer::Granted(0)));
        self.guard(taken)
    }

    /// Blocks until nobody has it, and takes it.
    ///
    /// # Errors
    /// See [`LockError`].
    pub fn blocking_acquire(&self) -> Result<LockGuard<'_>, LockError<LockGuard<'_>>> {
        self.guard(block(&self.board, Want::Lock, None)).map(expect_guard)
    }

    /// [`blocking_acquire`](Lock::blocking_acquire), for at most `limit`; `None`: it was over before.
    ///
    /// # Errors
    /// See [`LockError`].
    pub fn blocking_acquire_timeout(
        &self,
        limit: Duration,
    ) -> Result<Option<LockGuard<'_>>, LockError<LockGuard<'_>>> {
        self.guard(block(&self.board, Want::Lock, Some(limit)))
    }

    /// Whether somebody has it. It may be otherwise by the time this returns.
    pub fn locked(&self) -> bool {
        self.board.is_locked()
    }

    #[inline]
    fn guard(
        &self,
        answer: io::Result<Option<Answer>>,
    ) -> Result<Option<LockGuard<'_>>, LockError<LockGuard<'_>>> {
        let guard = answer?.map(|_| LockGuard { board: &self.board });
        match guard {
            Some(guard) if self.board.is_orphaned() => Err(LockError::OwnerDied(guard)),
            guard => Ok(guard),
        }
    }
}

/// Without a limit one waits until one has it.
fn expect_guard<G>(guard: Option<G>) -> G {
    guard.expect("a wait without limit ends with the lock")
}

shared_by_board!(Lock, Kind::Lock);

/// Has a [`Lock`], until it is dropped. Any thread may drop it.
#[must_use = "the lock is given back when this is dropped"]
pub struct LockGuard<'a> {
    board: &'a Arc<Board>,
}

impl<'a> LockGuard<'a> {
    /// Says that what the lock protects is in order, after [`LockError::OwnerDied`]: the next holders are told nothing.
    pub fn mend(&self) {
        self.board.mend();
    }

    /// Of whom has it already, after a wait.
    pub(super) fn had(board: &'a Arc<Board>) -> Self {
        Self { board }
    }

    pub(super) fn board(&self) -> &'a Arc<Board> {
        self.board
    }
}

impl fmt::Debug for LockGuard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockGuard").finish_non_exhaustive()
    }
}

impl Drop for LockGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        self.board.unlock();
    }
}
