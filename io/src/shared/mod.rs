//! Boards in memory that processes share: who holds something, and who waits for it, of which nothing is lost when one of them
//! dies. The locks, semaphores, events, conditions and barriers of processes are made of these.
//!
//! What a board has on it, and why a death at any instruction does no harm, is told in `machine/mod.rs`; how one sleeps at
//! it, with a thread or in a task, in `waiting.rs`.

mod listener;
mod machine;
mod region;
mod waiting;

pub use machine::Kind;
pub use waiting::{Answer, Wait, Want};

use crate::sys::fork;
use listener::Listeners;
use machine::{Machine, Refusal};
use region::Region;
use std::{
    fmt, io,
    os::fd::OwnedFd,
    sync::{Arc, atomic::AtomicU64},
};

/// The most permits that a board can have.
pub const MAX_PERMITS: u32 = u32::MAX >> 1;

/// The most who can wait for each other at a barrier.
pub const MAX_PARTIES: u32 = machine::SEATS as u32;

/// A board that is shared with the processes to which its descriptor is given, and cells beside it.
///
/// Each process that opens it is a member. What a member has is given back when it dies, however that happens, within 50 ms of
/// somebody waiting for it; a lock is marked then ([`is_orphaned`](Board::is_orphaned)).
///
/// A child that was forked without running another program is not a member, and has to open the board anew: until then,
/// everything that can fail does, and the rest does nothing. While such a child lives, the death of its parent goes unnoticed.
///
/// ```
/// # if cfg!(target_os = "linux") {
/// use runtime_io::shared::{Board, Kind};
///
/// let ours = Board::create(Kind::Lock, 1, 1, 0)?;
/// let theirs = Board::open(ours.share()?, Kind::Lock, 0)?; // in another process
/// assert!(ours.try_lock()? && !theirs.try_lock()?);
/// ours.unlock();
/// assert!(theirs.try_lock()?);
/// drop(theirs); // as if it had died
/// assert!(ours.try_lock()? && ours.is_orphaned());
/// # }
/// # std::io::Result::Ok(())
/// ```
pub struct Board {
    machine: Machine<Region>,
    listeners: Listeners,
    /// Forks below the process that joined there were here then.
    depth: u32,
}

impl Board {
    /// A board with so many permits, or parties of a barrier, that nobody else has yet. `bound` is how many permits there may
    /// ever be. Beside it are so many cells, all 0.
    ///
    /// # Errors
    /// `InvalidInput` for too many cells, or numbers beyond [`MAX_PERMITS`] or [`MAX_PARTIES`]; or what the system says.
    pub fn create(kind: Kind, total: u32, bound: u32, cells: usize) -> io::Result<Arc<Self>> {
        let most = if kind == Kind::Barrier { MAX_PARTIES } else { MAX_PERMITS };
        if total > most || bound > MAX_PERMITS || kind == Kind::Barrier && total == 0 {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("between 1 and {most} are possible"),
            ));
        }
        let region = Region::create(cells)?;
        Machine::prepare(&region, kind, total, bound);
        Self::join(region, kind)
    }

    /// Opens what another process has made.
    ///
    /// # Errors
    /// `InvalidData` if it is not such a board with so many cells, or could be shortened; `QuotaExceeded` if 256 processes have
    /// it; or what the system says.
    pub fn open(fd: OwnedFd, kind: Kind, cells: usize) -> io::Result<Arc<Self>> {
        Self::join(Region::open(fd, cells)?, kind)
    }

    fn join(region: Region, kind: Kind) -> io::Result<Arc<Self>> {
        fork::watch();
        let machine = Machine::join(region, kind)?;
        Ok(Arc::new(Self { machine, listeners: Listeners::default(), depth: fork::depth() }))
    }

    /// What to give to another process.
    ///
    /// # Errors
    /// If the system has no descriptors left, or there is no `/proc`.
    pub fn share(&self) -> io::Result<OwnedFd> {
        self.machine.ground().share()
    }

    /// The cells beside the board.
    pub fn cells(&self) -> &[AtomicU64] {
        self.machine.ground().cells()
    }

    /// Whether this process is the one that opened it.
    #[inline]
    fn is_ours(&self) -> bool {
        self.depth == fork::depth()
    }

    #[inline]
    fn check(&self) -> io::Result<()> {
        if self.is_ours() { Ok(()) } else { Err(forked()) }
    }

    /// Takes the lock if nobody has it and nobody waits; also from a holder who is dead.
    ///
    /// # Errors
    /// In a forked child.
    #[inline]
    pub fn try_lock(&self) -> io::Result<bool> {
        self.check()?;
        Ok(self.machine.try_lock() || self.try_after_repair(|machine| machine.try_lock()))
    }

    /// Gives the lock back, which this process must have.
    #[inline]
    pub fn unlock(&self) {
        if self.is_ours() {
            self.machine.unlock();
        }
    }

    /// Whether somebody has the lock, or it is about to be somebody's.
    pub fn is_locked(&self) -> bool {
        self.machine.is_locked()
    }

    /// Whether a holder of the lock has died with it, and nobody has called [`mend`](Board::mend) since.
    #[inline]
    pub fn is_orphaned(&self) -> bool {
        self.machine.is_orphaned()
    }

    /// Says that what the lock protects is in order; by who has the lock.
    pub fn mend(&self) {
        if self.is_ours() {
            self.machine.mend();
        }
    }

    /// Has so many of those who wait at the lock's condition queue for the lock; gives how many there were.
    ///
    /// # Errors
    /// In a forked child.
    pub fn notify(&self, count: usize) -> io::Result<usize> {
        self.check()?;
        Ok(self.machine.notify(count))
    }

    /// Takes so many permits, if they are free and nobody waits.
    ///
    /// # Errors
    /// In a forked child.
    pub fn try_take(&self, permits: u32) -> io::Result<bool> {
        self.check()?;
        Ok(self.machine.try_take(permits) || self.try_after_repair(|machine| machine.try_take(permits)))
    }

    /// The second attempt, if somebody is dead.
    #[cold]
    fn try_after_repair(&self, attempt: impl FnOnce(&Machine<Region>) -> bool) -> bool {
        self.machine.look_after() && attempt(&self.machine)
    }

    /// Returns permits that this process has.
    pub fn give_back(&self, permits: u32) {
        if self.is_ours() {
            self.machine.give_back(permits);
        }
    }

    /// Permits that this process has will not come back.
    pub fn forget(&self, permits: u32) {
        if self.is_ours() {
            self.machine.forget(permits);
        }
    }

    /// Adds permits.
    ///
    /// # Errors
    /// `InvalidInput` if there were more than the bound allows; in a forked child.
    pub fn add(&self, permits: u32) -> io::Result<()> {
        self.check()?;
        self.machine.add(permits).map_err(refused)
    }

    /// Permits that are free.
    pub fn free(&self) -> u32 {
        if self.is_ours() { self.machine.free() } else { 0 }
    }

    /// Whether the event is set.
    pub fn is_set(&self) -> bool {
        self.machine.is_set()
    }

    /// Sets the event: all pass who wait, and who come.
    ///
    /// # Errors
    /// In a forked child.
    pub fn set(&self) -> io::Result<()> {
        self.check()?;
        self.machine.set();
        Ok(())
    }

    /// Clears the event: who comes has to wait.
    ///
    /// # Errors
    /// In a forked child.
    pub fn clear(&self) -> io::Result<()> {
        self.check()?;
        self.machine.clear();
        Ok(())
    }

    /// How many go on together at the barrier.
    pub fn parties(&self) -> u32 {
        self.machine.parties()
    }

    /// How many wait there.
    pub fn arrived(&self) -> u32 {
        if self.is_ours() { self.machine.arrived() } else { 0 }
    }

    /// Whether the barrier is broken: by somebody who said so, or who died while waiting.
    pub fn is_broken(&self) -> bool {
        self.machine.is_broken()
    }

    /// Breaks the barrier: who waits, and who comes, is told.
    ///
    /// # Errors
    /// In a forked child.
    pub fn break_up(&self) -> io::Result<()> {
        self.check()?;
        self.machine.break_up();
        Ok(())
    }

    /// Begins a new round of a barrier that is whole again; who waits is told that his was broken.
    ///
    /// # Errors
    /// In a forked child.
    pub fn reset(&self) -> io::Result<()> {
        self.check()?;
        self.machine.reset();
        Ok(())
    }
}

impl fmt::Debug for Board {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.machine.fmt(f)
    }
}

#[cold]
fn forked() -> io::Error {
    io::Error::new(
        io::ErrorKind::Unsupported,
        "this process was forked after it had opened what it shares: open it anew by its descriptor",
    )
}

#[cold]
fn refused(refusal: Refusal) -> io::Error {
    match refusal {
        Refusal::Full => io::Error::new(
            io::ErrorKind::QuotaExceeded,
            format!("{} wait already, which is all there is room for", machine::SEATS),
        ),
        Refusal::TooMany => io::Error::new(io::ErrorKind::InvalidInput, "more permits than there may be"),
        Refusal::Broken => io::Error::new(io::ErrorKind::BrokenPipe, "the barrier is broken"),
    }
}
