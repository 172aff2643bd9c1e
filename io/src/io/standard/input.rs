//! What has been read from standard input and nobody has taken yet: one for the process, so that what one handle has read
//! too much of, the next one finds, also in another runtime.

use super::{
    waiting::{Seat, Waiting, wake},
    way::Way,
};
use crate::fs::job::submit;
use std::{
    fs::File,
    io::{self, ErrorKind, Read},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

/// Read at a time where bytes are awaited: two pages hold any line that is typed (a terminal gives 4096 bytes of one).
const PIECE: usize = 8 * 1024;

/// Read at a time from a file: each time costs a way to the blocking pool and back.
const PIECE_OF_FILE: usize = 64 * 1024;

static INPUT: Mutex<Input> = Mutex::new(Input {
    bytes: Bytes { room: Vec::new(), start: 0, end: 0, searched: 0 },
    ended: false,
    failed: None,
    filling: false,
    waiting: Waiting::new(),
});

struct Input {
    bytes: Bytes,
    /// A job has found the end of the file, and nobody has been told.
    ended: bool,
    /// A job has failed, and nobody has been told.
    failed: Option<io::Error>,
    /// A job reads.
    filling: bool,
    waiting: Waiting,
}

fn input() -> MutexGuard<'static, Input> {
    INPUT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bytes that wait to be taken: `room[start..end]`, up to `searched` without the end of a line.
#[derive(Debug)]
pub(super) struct Bytes {
    room: Vec<u8>,
    start: usize,
    end: usize,
    searched: usize,
}

impl Bytes {
    fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Takes as many as there is room for.
    fn take(&mut self, buf: &mut [u8]) -> usize {
        let n = buf.len().min(self.end - self.start);
        buf[..n].copy_from_slice(&self.room[self.start..self.start + n]);
        self.advance(n);
        n
    }

    /// The length of the first line with its end, if all of it is here.
    fn line(&mut self) -> Option<usize> {
        let rest = &self.room[self.searched..self.end];
        match rest.iter().position(|&byte| byte == b'\n') {
            Some(place) => Some(self.searched + place + 1 - self.start),
            None => {
                self.searched = self.end;
                None
            }
        }
    }

    fn advance(&mut self, n: usize) {
        self.start += n;
        self.searched = self.searched.max(self.start);
        if self.is_empty() {
            (self.start, self.end, self.searched) = (0, 0, 0);
            // What one long line needed is not kept for ever.
            if self.room.len() > PIECE_OF_FILE {
                self.room = Vec::new();
            }
        }
    }

    /// Room for so many more.
    fn room_for(&mut self, n: usize) -> &mut [u8] {
        if self.room.len() - self.end < n && self.start > 0 {
            self.room.copy_within(self.start..self.end, 0);
            (self.searched, self.end) = (self.searched - self.start, self.end - self.start);
            self.start = 0;
        }
        if self.room.len() - self.end < n {
            let len = (self.end + n).max(self.room.len() * 2);
            self.room.resize(len, 0);
        }
        &mut self.room[self.end..]
    }

    fn read(&mut self, way: &Way) -> io::Result<usize> {
        let n = way.read(self.room_for(PIECE))?;
        self.end += n;
        Ok(n)
    }
}

/// What somebody wants of the input.
pub(super) trait Demand {
    /// Takes it, if it is here.
    fn take(&mut self, bytes: &mut Bytes) -> Option<io::Result<usize>>;

    /// Takes what is left at the end.
    fn take_rest(&mut self, bytes: &mut Bytes) -> io::Result<usize>;

    /// Reads; `None` if more is needed.
    fn read(&mut self, bytes: &mut Bytes, way: &Way) -> io::Result<Option<usize>>;
}

/// Any bytes, at least one.
pub(super) struct Any<'a>(pub(super) &'a mut [u8]);

impl Demand for Any<'_> {
    fn take(&mut self, bytes: &mut Bytes) -> Option<io::Result<usize>> {
        (!bytes.is_empty() || self.0.is_empty()).then(|| Ok(bytes.take(self.0)))
    }

    fn take_rest(&mut self, bytes: &mut Bytes) -> io::Result<usize> {
        Ok(bytes.take(self.0))
    }

    /// Right where they are wanted.
    fn read(&mut self, _: &mut Bytes, way: &Way) -> io::Result<Option<usize>> {
        way.read(self.0).map(Some)
    }
}

/// A line with its end. Until all of it is here, nothing is taken.
pub(super) struct Line<'a>(pub(super) &'a mut String);

impl Line<'_> {
    fn take_len(&mut self, bytes: &mut Bytes, len: usize) -> io::Result<usize> {
        let line = std::str::from_utf8(&bytes.room[bytes.start..bytes.start + len]);
        let taken = match line {
            Ok(line) => {
                self.0.push_str(line);
                Ok(len)
            }
            Err(_) => Err(io::Error::new(ErrorKind::InvalidData, "a line of standard input is not UTF-8")),
        };
        bytes.advance(len);
        taken
    }
}

impl Demand for Line<'_> {
    fn take(&mut self, bytes: &mut Bytes) -> Option<io::Result<usize>> {
        bytes.line().map(|len| self.take_len(bytes, len))
    }

    fn take_rest(&mut self, bytes: &mut Bytes) -> io::Result<usize> {
        self.take_len(bytes, bytes.end - bytes.start)
    }

    fn read(&mut self, bytes: &mut Bytes, way: &Way) -> io::Result<Option<usize>> {
        if bytes.read(way)? == 0 {
            return self.take_rest(bytes).map(Some);
        }
        self.take(bytes).transpose()
    }
}

impl Input {
    fn take(&mut self, demand: &mut impl Demand) -> Option<io::Result<usize>> {
        if let Some(taken) = demand.take(&mut self.bytes) {
            return Some(taken);
        }
        if let Some(error) = self.failed.take() {
            return Some(Err(error));
        }
        if !self.ended {
            return None;
        }
        // The next read looks whether there is more by now.
        self.ended = false;
        Some(demand.take_rest(&mut self.bytes))
    }
}

/// Whether there is anything to take.
pub(super) fn has_any() -> bool {
    let input = input();
    !input.bytes.is_empty() || input.ended || input.failed.is_some()
}

/// Takes what is here already.
pub(super) fn take(demand: &mut impl Demand) -> Option<io::Result<usize>> {
    input().take(demand)
}

/// Takes what is here or what a read gives; `None` if more is needed.
pub(super) fn fetch(demand: &mut impl Demand, way: &Way, seat: &mut Seat) -> io::Result<Option<usize>> {
    let mut input = input();
    if let Some(taken) = input.take(demand) {
        drop(input);
        return taken.map(Some);
    }
    let fetched = demand.read(&mut input.bytes, way);
    if input.bytes.is_empty() || input.waiting.is_empty() {
        drop(input);
        return fetched;
    }
    // Others may want what is left, and no event tells them of it.
    let former = input.waiting.leave(seat);
    let woken = input.waiting.take_all();
    drop(input);
    drop(former);
    wake(woken);
    fetched
}

/// Waits for others to read, and starts a job that does if it is a file.
pub(super) fn poll_filled(
    demand: &mut impl Demand,
    file: Option<&Arc<File>>,
    seat: &mut Seat,
    context: &Context<'_>,
) -> Poll<io::Result<usize>> {
    let waker = context.waker().clone();
    let mut input = input();
    if let Some(taken) = input.take(demand) {
        drop(input);
        return Poll::Ready(taken);
    }
    let former = input.waiting.sit(seat, waker);
    let job = match file {
        Some(file) if !input.filling => {
            input.filling = true;
            Some(Filling(Some(Arc::clone(file))))
        }
        _ => None,
    };
    drop(input);
    drop(former);
    match job.map_or(Ok(()), |job| submit(Box::new(move || job.run()))) {
        Ok(()) => Poll::Pending,
        Err(error) => Poll::Ready(Err(error)),
    }
}

/// Whoever has waited does so no more.
pub(super) fn leave(seat: &mut Seat) {
    if !seat.is_none() {
        let former = input().waiting.leave(seat);
        drop(former);
    }
}

/// A job that reads a piece of a file. Dropped before it has run, it leaves that to the next one.
struct Filling(Option<Arc<File>>);

impl Filling {
    fn run(mut self) {
        let Some(file) = self.0.take() else { return };
        let mut piece = vec![0; PIECE_OF_FILE];
        let read = loop {
            match (&*file).read(&mut piece) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        finish(|input| match read {
            Ok(0) => input.ended = true,
            Ok(n) => {
                input.bytes.room_for(n)[..n].copy_from_slice(&piece[..n]);
                input.bytes.end += n;
            }
            Err(error) => input.failed = Some(error),
        });
    }
}

impl Drop for Filling {
    fn drop(&mut self) {
        if self.0.is_some() {
            finish(|_| {});
        }
    }
}

fn finish(change: impl FnOnce(&mut Input)) {
    let mut input = input();
    change(&mut input);
    input.filling = false;
    let woken = input.waiting.take_all();
    drop(input);
    wake(woken);
}
