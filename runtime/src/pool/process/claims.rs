//! Who has a job that was sent: the worker, if it has begun it; the pool, if it has taken it back before. One word of memory
//! that both share decides, so it is known even of a worker that was killed between two instructions.
//!
//! ```text
//!                      begin (worker) --> BEGUN
//! post (pool) --> SENT
//!                      revoke (pool) ---> REVOKED
//! ```

use super::desk::JobId;
use runtime_io::host::SharedMemory;
use std::{
    io,
    os::fd::OwnedFd,
    sync::atomic::{AtomicU64, Ordering},
};

/// How many jobs may lie at one worker: a bit each in a word, and twice what the desk sends.
pub(super) const CELLS: usize = 64;

const SENT: u64 = 1;
const BEGUN: u64 = 2;
const REVOKED: u64 = 3;

/// The cells of one worker.
#[derive(Debug)]
pub(super) struct Claims {
    memory: SharedMemory,
}

impl Claims {
    /// For a worker that is to be.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { memory: SharedMemory::create(CELLS)? })
    }

    /// In the worker.
    pub(super) fn from_fd(fd: OwnedFd) -> io::Result<Self> {
        Ok(Self { memory: SharedMemory::from_fd(fd, CELLS)? })
    }

    /// What the worker is to be given.
    pub(super) fn fd(&self) -> io::Result<OwnedFd> {
        self.memory.fd().try_clone_to_owned()
    }

    /// The job is sent now.
    pub(super) fn post(&self, cell: usize, job: JobId) {
        if let Some(cell) = self.cell(cell) {
            cell.store(word(job, SENT), Ordering::Release);
        }
    }

    /// The worker begins it. Whether it may: it was not taken back.
    pub(super) fn begin(&self, cell: usize, job: JobId) -> bool {
        self.settle(cell, job, BEGUN)
    }

    /// The pool takes it back. Whether it may: it was not begun.
    pub(super) fn revoke(&self, cell: usize, job: JobId) -> bool {
        self.settle(cell, job, REVOKED)
    }

    fn settle(&self, cell: usize, job: JobId, how: u64) -> bool {
        let Some(cell) = self.cell(cell) else { return false };
        let (before, after) = (word(job, SENT), word(job, how));
        cell.compare_exchange(before, after, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    fn cell(&self, cell: usize) -> Option<&AtomicU64> {
        self.memory.cells().get(cell)
    }
}

/// Numbers of jobs are never used again, so a cell of one job is never taken for that of another.
fn word(job: JobId, state: u64) -> u64 {
    (job.number << 2) | state
}

#[cfg(all(test, not(miri)))]
mod tests {
    use super::Claims;
    use crate::pool::process::desk::JobId;

    #[test]
    fn a_job_is_begun_or_taken_back_and_never_both() {
        let ours = Claims::new().unwrap();
        let theirs = Claims::from_fd(ours.fd().unwrap()).unwrap();
        let jobs = [1, 2, 3].map(|number| JobId { number, index: 0 });
        ours.post(5, jobs[0]);
        assert!(theirs.begin(5, jobs[0]));
        assert!(!ours.revoke(5, jobs[0]), "it was begun");
        ours.post(5, jobs[1]);
        assert!(!theirs.begin(5, jobs[0]), "another's cell");
        assert!(ours.revoke(5, jobs[1]));
        assert!(!theirs.begin(5, jobs[1]), "it was taken back");
        ours.post(5, jobs[2]);
        assert!(!theirs.begin(5, jobs[1]), "also when the cell is used again");
        assert!(theirs.begin(5, jobs[2]) && !theirs.begin(5, jobs[2]), "once");
        assert!(!theirs.begin(64, jobs[2]) && !ours.revoke(usize::MAX, jobs[2]), "no such cell");
    }
}
