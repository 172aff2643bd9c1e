//! `Barrier`: so many wait for each other.

use super::{block, shared_by_board, wait};
use runtime_io::shared::{Answer, Board, Kind, MAX_PARTIES, Want};
use std::{error::Error, fmt, io, sync::Arc, time::Duration};

/// A fixed number of processes, threads or tasks that wait for each other: all go on once the last has arrived, and then it begins
/// anew. It goes to other processes with whatever it is in; a clone is the same barrier.
///
/// It can be broken, by [`abort`](Barrier::abort), a time limit, or somebody who dies while he waits: then all who wait, and who
/// come, are told, until it is [reset](Barrier::reset). Somebody who dies elsewhere is not missed: wait with a limit. Limits and
/// blocking forms are those of [`Lock`](super::Lock).
///
/// ```
/// # if cfg!(target_os = "linux") {
/// use runtime::process::Barrier;
/// use std::thread;
///
/// let both = Barrier::new(2)?;
/// thread::scope(|scope| {
///     let other = scope.spawn(|| both.blocking_wait().unwrap());
///     assert_eq!(both.blocking_wait().unwrap() + other.join().unwrap(), 1, "one is 0, the other 1");
/// });
/// # }
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug)]
pub struct Barrier {
    board: Arc<Board>,
}

/// Not all who should come will, or one cannot wait for them.
#[derive(Debug)]
pub enum BarrierError {
    /// The barrier is broken, or was broken or reset meanwhile.
    Broken,
    /// Too many wait, this process was forked, or somebody wrote where only we should.
    Failed(io::Error),
}

impl fmt::Display for BarrierError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken => f.write_str("the barrier is broken: not all who should have come will"),
            Self::Failed(error) => write!(f, "cannot wait at the barrier: {error}"),
        }
    }
}

impl Error for BarrierError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Broken => None,
            Self::Failed(error) => Some(error),
        }
    }
}

impl Barrier {
    /// A barrier for so many, which no other process knows.
    ///
    /// # Errors
    /// `InvalidInput` for none, or more than 1,024; else as [`Lock::new`](super::Lock::new).
    pub fn new(parties: usize) -> io::Result<Self> {
        let parties = u32::try_from(parties).unwrap_or(MAX_PARTIES + 1);
        Ok(Self::on(Board::create(Kind::Barrier, parties, parties, 0)?))
    }

    pub(super) fn on(board: Arc<Board>) -> Self {
        Self { board }
    }

    /// Waits until as many as [`parties`](Barrier::parties) wait. Each of a round gets another of the numbers from 0 on: where
    /// nobody has given up, in the order of arrival.
    ///
    /// # Errors
    /// See [`BarrierError`].
    ///
    /// # Cancel safety
    /// Dropping it gives the place up: one more has to come. It does not break the barrier. Once the round is full, dropping it
    /// does not hold the others back.
    pub async fn wait(&self) -> Result<usize, BarrierError> {
        self.place(wait(&self.board, Want::Round, None).await)
    }

    /// [`wait`](Barrier::wait), for at most `limit`: after that it breaks the barrier.
    ///
    /// # Errors
    /// See [`BarrierError`]: also if the round was not full in time.
    ///
    /// # Cancel safety
    /// As [`wait`](Barrier::wait).
    pub async fn wait_timeout(&self, limit: Duration) -> Result<usize, BarrierError> {
        self.place(wait(&self.board, Want::Round, Some(limit)).await)
    }

    /// [`wait`](Barrier::wait), and blocks.
    ///
    /// # Errors
    /// See [`BarrierError`].
    pub fn blocking_wait(&self) -> Result<usize, BarrierError> {
        self.place(block(&self.board, Want::Round, None))
    }

    /// [`wait_timeout`](Barrier::wait_timeout), and blocks.
    ///
    /// # Errors
    /// As there.
    pub fn blocking_wait_timeout(&self, limit: Duration) -> Result<usize, BarrierError> {
        self.place(block(&self.board, Want::Round, Some(limit)))
    }

    /// Breaks the barrier, until it is [reset](Barrier::reset).
    ///
    /// # Errors
    /// `Unsupported` in a forked child.
    pub fn abort(&self) -> io::Result<()> {
        self.board.break_up()
    }

    /// Begins anew; whoever waits gets [`BarrierError::Broken`].
    ///
    /// # Errors
    /// `Unsupported` in a forked child.
    pub fn reset(&self) -> io::Result<()> {
        self.board.reset()
    }

    /// How many go on together.
    pub fn parties(&self) -> usize {
        self.board.parties() as usize
    }

    /// How many wait. It may be otherwise by the time this returns.
    pub fn waiting(&self) -> usize {
        self.board.arrived() as usize
    }

    /// Whether it is broken. It may be otherwise by the time this returns.
    pub fn is_broken(&self) -> bool {
        self.board.is_broken()
    }

    fn place(&self, answer: io::Result<Option<Answer>>) -> Result<usize, BarrierError> {
        match answer.map_err(BarrierError::Failed)? {
            Some(Answer::Granted(place)) => Ok(place as usize),
            Some(Answer::Broken | Answer::NotNotified) => Err(BarrierError::Broken),
            None => {
                self.abort().map_err(BarrierError::Failed)?;
                Err(BarrierError::Broken)
            }
        }
    }
}

shared_by_board!(Barrier, Kind::Barrier);
