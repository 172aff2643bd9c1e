//! The memory under a board, and the descriptor that keeps this process' seat in it.

use super::machine::{Ground, WORDS, mark_of};
use crate::sys::{futex, life, mapping::Mapping};
use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
    time::Duration,
};

/// The words of a board, and cells.
#[derive(Debug)]
pub(super) struct Region {
    /// Of an open file description that no other process has: with it goes the seat.
    fd: OwnedFd,
    mapping: Mapping,
}

impl Region {
    pub(super) fn create(cells: usize) -> io::Result<Self> {
        let (fd, mapping) = Mapping::create(cells, WORDS)?;
        Ok(Self { fd: life::open_own(fd.as_fd())?, mapping })
    }

    pub(super) fn open(fd: OwnedFd, cells: usize) -> io::Result<Self> {
        let (fd, mapping) = Mapping::open(fd, cells, WORDS)?;
        Ok(Self { fd: life::open_own(fd.as_fd())?, mapping })
    }

    /// The file, opened anew: one that is under way to somebody, or kept by him, does not keep our seat.
    pub(super) fn share(&self) -> io::Result<OwnedFd> {
        life::open_own(self.fd.as_fd())
    }

    #[inline]
    pub(super) fn cells(&self) -> &[AtomicU64] {
        self.mapping.cells()
    }

    #[inline]
    fn word(&self, word: usize) -> &AtomicU32 {
        &self.mapping.words()[word]
    }
}

impl Ground for Region {
    #[inline]
    fn load(&self, word: usize) -> u32 {
        self.word(word).load(Ordering::Acquire)
    }

    #[inline]
    fn store(&self, word: usize, value: u32) {
        self.word(word).store(value, Ordering::Release);
    }

    #[inline]
    fn replace(&self, word: usize, from: u32, to: u32) -> Result<(), u32> {
        let word = self.word(word);
        word.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).map(drop)
    }

    fn claim(&self, slot: usize) -> io::Result<bool> {
        life::claim(self.fd.as_fd(), slot, self.word(mark_of(slot)))
    }

    fn is_claimed(&self, slot: usize) -> bool {
        life::is_claimed(self.fd.as_fd(), slot, self.word(mark_of(slot)))
    }

    fn leave(&self, slot: usize) {
        life::leave(self.word(mark_of(slot)));
    }

    fn wait(&self, word: usize, value: u32, limit: Duration) {
        futex::wait(self.word(word), value, limit);
    }

    fn wake(&self, word: usize, count: u32) {
        futex::wake(self.word(word), count);
    }
}
