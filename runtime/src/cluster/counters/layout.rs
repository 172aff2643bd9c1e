//! Which cell of the shared memory is what.
//!
//! ```text
//! head      mark | how many seats | how many names | epoch | facts of the cluster
//! names     64 times: length, 64 bytes
//! departed  a block: what workers that are gone have counted, and the supervisor itself
//! seats     a block for each
//!
//! block     life + 1 (0: nobody) | slot | beats | accepted | closed | cut | … | 64 named counters
//! ```
//!
//! Every cell has one writer at a time: the supervisor the head, the names and who sits where; a worker its own block. All
//! workers can write everywhere, so what is read here is checked, decides about nothing but figures and the heartbeat, and the
//! supervisor reads back nothing that it has written.
//!
//! A block is a whole number of cache lines, so workers do not slow each other down.

use crate::cluster::wire::MAX_NAME_BYTES;
use runtime_io::net::share::Tally;
use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

/// There are so many named counters at most. They cost 512 bytes per seat.
pub(crate) const MAX_NAMES: usize = 64;

/// Cells of a cache line.
const LINE: usize = 8;
/// Beyond it no snapshot is waited for: whoever changes the seats was stopped in the middle of it. A millisecond or so.
const MAX_TRIES: usize = 1_000;

/// In the first cell: this is the memory of a cluster, laid out as here.
const MARK: u64 = u64::from_le_bytes(*b"rtcount1");

const SEATS_AT: usize = 1;
const NAMES_COUNT_AT: usize = 2;
/// Odd while somebody takes a seat or leaves one.
const EPOCH_AT: usize = 3;
const FACTS_AT: usize = LINE;
const NAMES_AT: usize = 2 * LINE;
const NAME_CELLS: usize = 1 + MAX_NAME_BYTES / 8;
const DEPARTED_AT: usize = NAMES_AT + MAX_NAMES * NAME_CELLS;

const LIFE: usize = 0;
const SLOT: usize = 1;
const BEATS: usize = 2;
const ACCEPTED: usize = 3;
const CLOSED: usize = 4;
const CUT: usize = 5;
const NAMED: usize = LINE;

/// As the sockets expect them.
const _: () = assert!(CLOSED == ACCEPTED + 1);
const BLOCK: usize = NAMED + MAX_NAMES;

/// The names end and the blocks begin at a cache line.
const _: () = assert!((DEPARTED_AT | BLOCK) & (LINE - 1) == 0);

/// What the supervisor counts itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fact {
    /// Workers started, ever.
    Started,
    /// Workers that ended without being asked to.
    Died,
    /// Of them, those that had stopped answering.
    Hung,
    /// Connections that were cut at the end of a grace period.
    Forced,
    /// Times that the program was loaded anew, with success.
    Reloads,
}

/// The shared cells, laid out.
#[derive(Clone, Copy)]
pub(crate) struct Layout {
    cells: &'static [AtomicU64],
    seats: usize,
}

/// The cells are not those of a cluster, or not enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotOurs;

impl Layout {
    /// How many cells a cluster with so many seats needs. A worker has a seat from its start until it was reaped, so there
    /// must be one for the old and one for the new of each slot.
    pub(crate) const fn cells(seats: usize) -> usize {
        DEPARTED_AT + (1 + seats) * BLOCK
    }

    /// Lays out cells that are all 0, for the supervisor.
    ///
    /// # Panics
    /// If there are fewer than [`cells`](Self::cells) says.
    pub(crate) fn create(cells: &'static [AtomicU64], seats: usize) -> Self {
        assert!(cells.len() >= Self::cells(seats), "{} cells are too few for {seats} seats", cells.len());
        cells[SEATS_AT].store(seats as u64, Ordering::Relaxed);
        cells[0].store(MARK, Ordering::Release);
        Self { cells, seats }
    }

    /// Finds its way in cells that a supervisor has laid out.
    ///
    /// # Errors
    /// [`NotOurs`].
    pub(crate) fn open(cells: &'static [AtomicU64]) -> Result<Self, NotOurs> {
        if cells.len() < DEPARTED_AT || cells[0].load(Ordering::Acquire) != MARK {
            return Err(NotOurs);
        }
        let seats = usize::try_from(cells[SEATS_AT].load(Ordering::Relaxed)).map_err(|_| NotOurs)?;
        let has_room = seats < cells.len() && Self::cells(seats) <= cells.len();
        if has_room { Ok(Self { cells, seats }) } else { Err(NotOurs) }
    }

    /// How many seats there are.
    pub(crate) fn seats(&self) -> usize {
        self.seats
    }

    /// One of the seats.
    ///
    /// # Panics
    /// If there are not so many.
    pub(crate) fn seat(&self, number: usize) -> Seat {
        assert!(number < self.seats, "seat {number} of {}", self.seats);
        self.block(1 + number)
    }

    /// Where the counts of those who are gone are kept, and the supervisor's own.
    pub(crate) fn departed(&self) -> Seat {
        self.block(0)
    }

    fn block(&self, number: usize) -> Seat {
        let start = DEPARTED_AT + number * BLOCK;
        Seat { cells: self.cells[start..start + BLOCK].first_chunk().expect("a block is that long") }
    }

    /// One of the figures that the supervisor keeps.
    pub(crate) fn fact(&self, fact: Fact) -> &'static AtomicU64 {
        &self.cells[FACTS_AT + fact as usize]
    }

    /// For the supervisor: from now on that worker counts in this seat.
    pub(crate) fn take_seat(&self, number: usize, life: u64, slot: u32) {
        let seat = self.seat(number);
        self.change(|| {
            seat.clear();
            seat.cells[SLOT].store(slot.into(), Ordering::Relaxed);
            seat.cells[LIFE].store(life.saturating_add(1), Ordering::Relaxed);
        });
    }

    /// For the supervisor: the worker in this seat is gone. What it has counted stays in the sums.
    pub(crate) fn leave_seat(&self, number: usize) {
        let seat = self.seat(number);
        let departed = self.departed();
        self.change(|| {
            // Connections that it had open have closed with it: what is open is counted among the living.
            departed.accepted().fetch_add(seat.accepted().load(Ordering::Relaxed), Ordering::Relaxed);
            for name in 0..MAX_NAMES {
                departed.named(name).fetch_add(seat.named(name).load(Ordering::Relaxed), Ordering::Relaxed);
            }
            seat.clear();
        });
    }

    /// For the supervisor, before it publishes it: the name of the counter with that number.
    ///
    /// # Panics
    /// If the name is too long, or the number too high.
    pub(crate) fn set_name(&self, number: usize, name: &str) {
        assert!(number < MAX_NAMES && name.len() <= MAX_NAME_BYTES);
        let cells = self.name_cells(number);
        for (cell, bytes) in cells[1..].iter().zip(name.as_bytes().chunks(8)) {
            let mut word = [0; 8];
            word[..bytes.len()].copy_from_slice(bytes);
            cell.store(u64::from_le_bytes(word), Ordering::Relaxed);
        }
        cells[0].store(name.len() as u64, Ordering::Relaxed);
        self.cells[NAMES_COUNT_AT].store(1 + number as u64, Ordering::Release);
    }

    /// The names of all counters, in the order of their numbers.
    pub(crate) fn names(&self) -> Vec<String> {
        let count = self.cells[NAMES_COUNT_AT].load(Ordering::Acquire);
        (0..MAX_NAMES.min(usize::try_from(count).unwrap_or(MAX_NAMES)))
            .map(|number| self.name(number))
            .collect()
    }

    fn name(&self, number: usize) -> String {
        let cells = self.name_cells(number);
        let length = usize::try_from(cells[0].load(Ordering::Relaxed)).unwrap_or(MAX_NAME_BYTES);
        let words = cells[1..].iter().map(|cell| cell.load(Ordering::Relaxed).to_le_bytes());
        let bytes: Vec<u8> = words.flatten().take(length).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn name_cells(&self, number: usize) -> &'static [AtomicU64] {
        let start = NAMES_AT + number * NAME_CELLS;
        &self.cells[start..start + NAME_CELLS]
    }

    /// Reads what belongs together while nobody takes or leaves a seat.
    pub(crate) fn snapshot<T>(&self, read: impl Fn() -> T) -> T {
        let epoch = &self.cells[EPOCH_AT];
        for _ in 0..MAX_TRIES {
            let before = epoch.load(Ordering::Acquire);
            let value = read();
            std::sync::atomic::fence(Ordering::Acquire);
            if before & 1 == 0 && epoch.load(Ordering::Relaxed) == before {
                return value;
            }
            std::thread::yield_now();
        }
        read()
    }

    /// For the supervisor, which alone changes who sits where.
    fn change(&self, change: impl FnOnce()) {
        let epoch = &self.cells[EPOCH_AT];
        epoch.fetch_add(1, Ordering::Relaxed);
        std::sync::atomic::fence(Ordering::Release);
        change();
        epoch.fetch_add(1, Ordering::Release);
    }
}

impl fmt::Debug for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Layout").field("seats", &self.seats).finish_non_exhaustive()
    }
}

/// Where one worker counts.
#[derive(Clone, Copy)]
pub(crate) struct Seat {
    cells: &'static [AtomicU64; BLOCK],
}

impl Seat {
    /// The worker that sits here: its life and its slot.
    pub(crate) fn worker(&self) -> Option<(u64, u32)> {
        let life = self.cells[LIFE].load(Ordering::Relaxed).checked_sub(1)?;
        Some((life, u32::try_from(self.cells[SLOT].load(Ordering::Relaxed)).unwrap_or(u32::MAX)))
    }

    /// One more with each beat of its heart.
    pub(crate) fn beats(&self) -> &'static AtomicU64 {
        &self.cells[BEATS]
    }

    /// Connections that it has accepted.
    pub(crate) fn accepted(&self) -> &'static AtomicU64 {
        &self.cells[ACCEPTED]
    }

    /// Those of them that are closed.
    pub(crate) fn closed(&self) -> &'static AtomicU64 {
        &self.cells[CLOSED]
    }

    /// How many of them are open.
    pub(crate) fn open_connections(&self) -> u64 {
        let closed = self.closed().load(Ordering::Acquire);
        self.accepted().load(Ordering::Relaxed).saturating_sub(closed)
    }

    /// For the worker: its time is up, and what is open now it will cut. It is written here so that the figure is right even
    /// if it is killed before it could tell.
    pub(crate) fn count_cut(&self) {
        self.cells[CUT].fetch_max(self.open_connections(), Ordering::Relaxed);
    }

    /// How many are lost if it ends now: those that are open, or were when it began to cut.
    pub(crate) fn lost_connections(&self) -> u64 {
        self.cells[CUT].load(Ordering::Relaxed).max(self.open_connections())
    }

    /// Both of them, for the sockets that count.
    pub(crate) fn tally(&self) -> Tally {
        Tally::new(self.cells[ACCEPTED..].first_chunk().expect("a block is that long"))
    }

    /// The named counter of that number.
    ///
    /// # Panics
    /// If it is not below [`MAX_NAMES`].
    pub(crate) fn named(&self, number: usize) -> &'static AtomicU64 {
        &self.cells[NAMED..][number]
    }

    fn clear(&self) {
        for cell in self.cells {
            cell.store(0, Ordering::Relaxed);
        }
    }
}

impl fmt::Debug for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seat").field("worker", &self.worker()).finish_non_exhaustive()
    }
}

impl fmt::Display for NotOurs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the shared memory is not laid out as the counters of a cluster")
    }
}

impl std::error::Error for NotOurs {}
