//! `Semaphore`: so many at a time, of all processes together.

use super::{block, shared_by_board, wait};
use runtime_io::shared::{Answer, Board, Kind, MAX_PERMITS, Want};
use std::{fmt, io, mem, sync::Arc, time::Duration};

/// Permits for processes, and the threads and tasks in them. It goes to other processes with whatever it is in; a clone is the
/// same semaphore. Who asks is served in the order of asking: a head of the queue that asks for many is not passed by those who
/// ask for few.
///
/// Permits of a process that dies come back within 50 ms of somebody waiting for them. Limits and blocking forms are those of
/// [`Lock`](super::Lock).
///
/// ```
/// # if cfg!(target_os = "linux") {
/// use runtime::process::Semaphore;
///
/// let seats = Semaphore::new(2)?;
/// let one = seats.blocking_acquire()?;
/// let other = seats.try_acquire()?.expect("there are two");
/// assert!(seats.try_acquire()?.is_none());
/// drop((one, other));
/// seats.add_permits(1)?;
/// assert_eq!(seats.available_permits(), 3);
/// # }
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug)]
pub struct Semaphore {
    board: Arc<Board>,
}

impl Semaphore {
    /// The most permits there can be.
    pub const MAX_PERMITS: usize = MAX_PERMITS as usize;

    /// A semaphore with so many permits, which no other process knows.
    ///
    /// # Errors
    /// `InvalidInput` for more than [`MAX_PERMITS`](Semaphore::MAX_PERMITS); else as [`Lock::new`](super::Lock::new).
    pub fn new(permits: usize) -> io::Result<Self> {
        Self::bounded(permits, Self::MAX_PERMITS)
    }

    pub(super) fn bounded(permits: usize, bound: usize) -> io::Result<Self> {
        let count = |permits| u32::try_from(permits).unwrap_or(u32::MAX);
        Ok(Self::on(Board::create(Kind::Semaphore, count(permits), count(bound), 0)?))
    }

    pub(super) fn on(board: Arc<Board>) -> Self {
        Self { board }
    }

    /// Waits for a permit.
    ///
    /// # Errors
    /// `QuotaExceeded` if 1,024 wait already; `Unsupported` in a forked child; `InvalidData` if somebody wrote where only we should.
    ///
    /// # Cancel safety
    /// Dropping it gives the place in the queue up; a permit that had reached it goes to the next.
    pub async fn acquire(&self) -> io::Result<Permit<'_>> {
        self.acquire_many(1).await
    }

    /// Waits for several permits, and takes them together.
    ///
    /// # Errors
    /// As [`acquire`](Semaphore::acquire), and `InvalidInput` for more than there can be.
    ///
    /// # Cancel safety
    /// As [`acquire`](Semaphore::acquire).
    pub async fn acquire_many(&self, permits: usize) -> io::Result<Permit<'_>> {
        let permits = checked(permits)?;
        let answer = wait(&self.board, Want::Permits(permits), None).await;
        self.permit(answer, permits).map(expect_permit)
    }

    /// [`acquire`](Semaphore::acquire), for at most `limit`; `None`: it was over before.
    ///
    /// # Errors
    /// As [`acquire`](Semaphore::acquire).
    ///
    /// # Cancel safety
    /// As [`acquire`](Semaphore::acquire).
    pub async fn acquire_timeout(&self, limit: Duration) -> io::Result<Option<Permit<'_>>> {
        let answer = wait(&self.board, Want::Permits(1), Some(limit)).await;
        self.permit(answer, 1)
    }

    /// Takes a permit if one is free and nobody waits.
    ///
    /// # Errors
    /// As [`acquire`](Semaphore::acquire).
    pub fn try_acquire(&self) -> io::Result<Option<Permit<'_>>> {
        self.try_acquire_many(1)
    }

    /// Takes several permits if so many are free and nobody waits.
    ///
    /// # Errors
    /// As [`acquire_many`](Semaphore::acquire_many).
    pub fn try_acquire_many(&self, permits: usize) -> io::Result<Option<Permit<'_>>> {
        let permits = checked(permits)?;
        let taken = self.board.try_take(permits)?;
        self.permit(Ok(taken.then_some(Answer::Granted(0))), permits)
    }

    /// Blocks until there is a permit.
    ///
    /// # Errors
    /// As [`acquire`](Semaphore::acquire).
    pub fn blocking_acquire(&self) -> io::Result<Permit<'_>> {
        self.blocking_acquire_many(1)
    }

    /// Blocks until there are several permits, and takes them together.
    ///
    /// # Errors
    /// As [`acquire_many`](Semaphore::acquire_many).
    pub fn blocking_acquire_many(&self, permits: usize) -> io::Result<Permit<'_>> {
        let permits = checked(permits)?;
        self.permit(block(&self.board, Want::Permits(permits), None), permits).map(expect_permit)
    }

    /// [`blocking_acquire`](Semaphore::blocking_acquire), for at most `limit`; `None`: it was over before.
    ///
    /// # Errors
    /// As [`acquire`](Semaphore::acquire).
    pub fn blocking_acquire_timeout(&self, limit: Duration) -> io::Result<Option<Permit<'_>>> {
        self.permit(block(&self.board, Want::Permits(1), Some(limit)), 1)
    }

    /// Adds permits, which need not have been taken: whoever waits learns that something is there.
    ///
    /// # Errors
    /// `InvalidInput` if there were more than there can be; `Unsupported` in a forked child.
    pub fn add_permits(&self, permits: usize) -> io::Result<()> {
        self.board.add(checked(permits)?)
    }

    /// Permits that are free. It may be otherwise by the time this returns.
    pub fn available_permits(&self) -> usize {
        self.board.free() as usize
    }

    fn permit(&self, answer: io::Result<Option<Answer>>, permits: u32) -> io::Result<Option<Permit<'_>>> {
        Ok(answer?.map(|_| Permit { board: &self.board, permits }))
    }
}

fn checked(permits: usize) -> io::Result<u32> {
    let permits = u32::try_from(permits).ok().filter(|&permits| permits <= MAX_PERMITS);
    permits.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "more permits than there can be"))
}

fn expect_permit(permit: Option<Permit<'_>>) -> Permit<'_> {
    permit.expect("a wait without limit ends with the permit")
}

shared_by_board!(Semaphore, Kind::Semaphore);

/// One or several permits of a [`Semaphore`], until it is dropped. Any thread may drop it.
#[must_use = "the permit is given back when this is dropped"]
pub struct Permit<'a> {
    board: &'a Arc<Board>,
    permits: u32,
}

impl Permit<'_> {
    /// How many.
    pub fn permits(&self) -> usize {
        self.permits as usize
    }

    /// Does not give them back: there are fewer from now on, also when this process dies.
    pub fn forget(self) {
        self.board.forget(self.permits);
        mem::forget(self);
    }
}

impl fmt::Debug for Permit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("permits", &self.permits).finish_non_exhaustive()
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.board.give_back(self.permits);
    }
}
