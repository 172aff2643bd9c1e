//! The table of registered descriptors: what the selector has said about each, and who waits for it.
//!
//! A source is a letter box: events leave bits in it, and the handle takes them out when it has nothing better to
//! go by. One invariant carries the rest: **a direction with an event in the box has no waiters.** Waiters are added
//! only under the borrow that found the box empty, and an event takes them all out. So nobody sleeps through one.

use mio::{Token, event::Event};
use runtime_executor::Waiter;
use slab::Slab;
use std::{fmt, num::NonZeroU32, os::fd::RawFd, task::Waker};

/// What a waiter waits for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Direction {
    /// Bytes, connections or the end of them.
    Read,
    /// Room.
    Write,
}

/// A direction as a type: it costs no place in a future and no branch in its `poll`.
pub(crate) trait Side {
    const DIRECTION: Direction;
}

pub(crate) struct Reading;
pub(crate) struct Writing;

impl Side for Reading {
    const DIRECTION: Direction = Direction::Read;
}

impl Side for Writing {
    const DIRECTION: Direction = Direction::Write;
}

/// What an event said, as bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Readiness(u8);

impl Readiness {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const READABLE: Self = Self(1);
    pub(crate) const WRITABLE: Self = Self(1 << 1);
    /// Urgent data is among the bytes.
    pub(crate) const PRIORITY: Self = Self(1 << 2);
    /// The peer has ended its side or both, or there is an error: no further edge will say so.
    pub(crate) const HUNG_UP: Self = Self(1 << 3);

    #[inline]
    pub(crate) const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    #[inline]
    const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    #[inline]
    pub(crate) const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    #[inline]
    pub(crate) const fn of(direction: Direction) -> Self {
        match direction {
            Direction::Read => Self::READABLE,
            Direction::Write => Self::WRITABLE,
        }
    }

    /// Reads an event. Hang-ups and errors make both directions ready, asked for or not: every operation that
    /// waits will learn its fate by trying.
    #[inline]
    pub(crate) fn of_event(event: &Event) -> Self {
        let mut bits = 0;
        if event.is_readable() {
            bits |= Self::READABLE.0;
        }
        if event.is_writable() {
            bits |= Self::WRITABLE.0;
        }
        if event.is_priority() {
            bits |= Self::READABLE.0 | Self::PRIORITY.0;
        }
        if event.is_read_closed() {
            bits |= Self::READABLE.0 | Self::HUNG_UP.0;
        }
        if event.is_write_closed() {
            bits |= Self::WRITABLE.0 | Self::HUNG_UP.0;
        }
        if event.is_error() {
            bits |= Self::READABLE.0 | Self::WRITABLE.0 | Self::HUNG_UP.0;
        }
        Self(bits)
    }
}

/// Tells the waiters of one source apart. Never used twice, so a late removal hits nobody else.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct WaiterId(u64);

impl WaiterId {
    /// Waits for nothing yet.
    pub(crate) const NONE: Self = Self(0);

    /// The one place per direction that the `poll_…` methods share: they have no object to keep a number in.
    #[inline]
    pub(crate) const fn shared() -> Self {
        Self(1)
    }

    #[inline]
    pub(crate) fn is_none(self) -> bool {
        self == Self::NONE
    }
}

/// One registered descriptor. Two places for waiters lie in it, since nearly always one task reads and one writes;
/// further ones go to a list.
struct Source {
    generation: NonZeroU32,
    readiness: Readiness,
    /// The descriptor, for dumps: its low 24 bits, for which there is room. All ones if it has more.
    number: [u8; 3],
    reader: Option<Waiter>,
    reader_id: WaiterId,
    writer: Option<Waiter>,
    writer_id: WaiterId,
    crowd: Option<Box<Crowd>>,
}

const _: () = assert!(size_of::<Source>() <= 64, "a source outgrew its cache line");

#[derive(Default)]
struct Crowd {
    seats: Vec<Seat>,
}

struct Seat {
    id: WaiterId,
    direction: Direction,
    waiter: Waiter,
}

impl Source {
    #[inline]
    fn seat(&mut self, direction: Direction) -> (&mut Option<Waiter>, &mut WaiterId) {
        match direction {
            Direction::Read => (&mut self.reader, &mut self.reader_id),
            Direction::Write => (&mut self.writer, &mut self.writer_id),
        }
    }

    /// Takes what the box holds for a direction.
    #[inline]
    fn take_event(&mut self, direction: Direction) -> Option<Readiness> {
        let found = self.readiness;
        if !found.intersects(Readiness::of(direction)) {
            return None;
        }
        self.readiness = found.without(match direction {
            Direction::Read => Readiness::READABLE.with(Readiness::PRIORITY),
            Direction::Write => Readiness::WRITABLE,
        });
        Some(found)
    }

    fn waiter(&mut self, direction: Direction, id: WaiterId) -> Option<&mut Waiter> {
        let Self { reader, reader_id, writer, writer_id, crowd, .. } = self;
        let (seat, seated) = match direction {
            Direction::Read => (reader, reader_id),
            Direction::Write => (writer, writer_id),
        };
        if *seated == id && seat.is_some() {
            return seat.as_mut();
        }
        let mut seats = crowd.as_mut()?.seats.iter_mut();
        seats.find(|seat| seat.id == id && seat.direction == direction).map(|seat| &mut seat.waiter)
    }

    /// Whether somebody may wait in a direction: the quick question before `take_waiters`.
    #[inline]
    fn has_waiters(&self, direction: Direction) -> bool {
        let seat = match direction {
            Direction::Read => &self.reader,
            Direction::Write => &self.writer,
        };
        seat.is_some() || self.crowd.is_some()
    }

    /// Takes all who wait in a direction, first come first; returns how many.
    #[inline]
    fn take_waiters(&mut self, direction: Direction, into: &mut Vec<Waiter>) -> usize {
        let mut taken = 0;
        if let Some(waiter) = self.seat(direction).0.take() {
            into.push(waiter);
            taken = 1;
        }
        if self.crowd.is_none() { taken } else { taken + self.take_crowd(direction, into) }
    }

    #[cold]
    fn take_crowd(&mut self, direction: Direction, into: &mut Vec<Waiter>) -> usize {
        let before = into.len();
        if let Some(crowd) = &mut self.crowd {
            into.extend(
                crowd.seats.extract_if(.., |seat| seat.direction == direction).map(|seat| seat.waiter),
            );
            if crowd.seats.is_empty() {
                self.crowd = None;
            }
        }
        into.len() - before
    }
}

/// What a waiter waits for, in words.
struct Awaited {
    number: [u8; 3],
    direction: Direction,
}

impl fmt::Display for Awaited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c] = self.number;
        match u32::from_le_bytes([a, b, c, 0]) {
            0xFF_FFFF => f.write_str("a descriptor")?,
            number => write!(f, "descriptor {number}")?,
        }
        f.write_str(match self.direction {
            Direction::Read => " to be readable",
            Direction::Write => " to be writable",
        })
    }
}

/// How an operation stands with its direction of a source.
#[derive(Debug)]
pub(crate) enum Standing {
    /// An event has come, and said this.
    Ready(Readiness),
    /// None has come, and the waiter will be woken by the next one.
    Waiting,
    /// There is no such source.
    Gone,
}

/// All sources of one reactor.
pub(crate) struct Table {
    sources: Slab<Source>,
    last_generation: u32,
    last_waiter: u64,
    waiting: usize,
}

/// A token is a slot below and a generation above, so that an event for a source that is gone cannot reach the
/// next one in its slot. Generations repeat after 2^32 registrations (2^12 where pointers have 32 bits), while an
/// event is at most one batch old.
const INDEX_BITS: u32 = if usize::BITS == 64 { 32 } else { 20 };
const INDEX_MASK: usize = (1 << INDEX_BITS) - 1;
const GENERATION_MASK: u32 = (usize::MAX >> INDEX_BITS) as u32;

impl Default for Table {
    fn default() -> Self {
        Self { sources: Slab::new(), last_generation: 0, last_waiter: WaiterId::shared().0, waiting: 0 }
    }
}

/// The source that a token means, unless it is gone.
#[inline]
fn find(sources: &mut Slab<Source>, token: Token) -> Option<&mut Source> {
    let source = sources.get_mut(token.0 & INDEX_MASK)?;
    (source.generation.get() as usize == token.0 >> INDEX_BITS).then_some(source)
}

impl Table {
    /// Adds a source for a descriptor; `None` if the slots are used up.
    pub(crate) fn insert(&mut self, number: RawFd) -> Option<Token> {
        if self.sources.len() >= INDEX_MASK {
            return None;
        }
        self.last_generation = self.last_generation.wrapping_add(1) & GENERATION_MASK;
        let generation = NonZeroU32::new(self.last_generation).unwrap_or(NonZeroU32::MIN);
        self.last_generation = generation.get();
        let number = if let Ok([number @ .., 0]) = u32::try_from(number).map(u32::to_le_bytes) {
            number
        } else {
            [u8::MAX; 3]
        };
        let index = self.sources.insert(Source {
            generation,
            readiness: Readiness::NONE,
            number,
            reader: None,
            reader_id: WaiterId::NONE,
            writer: None,
            writer_id: WaiterId::NONE,
            crowd: None,
        });
        Some(Token((generation.get() as usize) << INDEX_BITS | index))
    }

    /// Removes a source; whoever still waits for it goes to `into`.
    pub(crate) fn remove(&mut self, token: Token, into: &mut Vec<Waiter>) {
        let Some(source) = self.source(token) else { return };
        let taken = source.take_waiters(Direction::Read, into) + source.take_waiters(Direction::Write, into);
        self.waiting -= taken;
        self.sources.remove(token.0 & INDEX_MASK);
    }

    #[inline]
    fn source(&mut self, token: Token) -> Option<&mut Source> {
        find(&mut self.sources, token)
    }

    /// How many sources there are.
    pub(crate) fn len(&self) -> usize {
        self.sources.len()
    }

    /// Calls `visit` with everybody who waits, and for what.
    pub(crate) fn visit_waiters(&self, visit: &mut dyn FnMut(&Waiter, &dyn fmt::Display)) {
        for (_, source) in &self.sources {
            let mut visit = |waiter, direction| visit(waiter, &Awaited { number: source.number, direction });
            if let Some(reader) = &source.reader {
                visit(reader, Direction::Read);
            }
            if let Some(writer) = &source.writer {
                visit(writer, Direction::Write);
            }
            let seats = source.crowd.iter().flat_map(|crowd| &crowd.seats);
            seats.for_each(|seat| visit(&seat.waiter, seat.direction));
        }
    }

    /// How many waiters an event could wake.
    #[inline]
    pub(crate) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Notes what an event said; whoever waited for it goes to `into`.
    #[inline(always)]
    pub(crate) fn deliver(&mut self, token: Token, readiness: Readiness, into: &mut Vec<Waiter>) {
        let Self { sources, waiting, .. } = self;
        let Some(source) = find(sources, token) else { return };
        source.readiness = source.readiness.with(readiness);
        if readiness.intersects(Readiness::READABLE) && source.has_waiters(Direction::Read) {
            *waiting -= source.take_waiters(Direction::Read, into);
        }
        if readiness.intersects(Readiness::WRITABLE) && source.has_waiters(Direction::Write) {
            *waiting -= source.take_waiters(Direction::Write, into);
        }
    }

    /// Takes the event that an operation may go by, if there is one.
    #[inline]
    pub(crate) fn take_event(&mut self, token: Token, direction: Direction) -> Option<Readiness> {
        self.source(token)?.take_event(direction)
    }

    /// How an operation stands, with the event taken if there is one: a poll for nothing finds whom it would seat in the
    /// seat. `None` if more than a look is needed, which is for [`ask`](Self::ask).
    #[inline(always)]
    pub(crate) fn look(
        &mut self,
        token: Token,
        direction: Direction,
        id: WaiterId,
        waker: &Waker,
    ) -> Option<Standing> {
        let Some(source) = self.source(token) else { return Some(Standing::Gone) };
        if let Some(event) = source.take_event(direction) {
            return Some(Standing::Ready(event));
        }
        let (seat, seated) = source.seat(direction);
        let is_seated = *seated == id && seat.as_ref().is_some_and(|seat| seat.will_wake(waker));
        is_seated.then_some(Standing::Waiting)
    }

    /// Takes the event that an operation may go by. If there is none, seats its waiter, which gets a number if it
    /// has none. `waiter` then holds the one that had the seat before; it is left alone if there was an event or
    /// the source is gone.
    #[inline(always)]
    pub(crate) fn ask(
        &mut self,
        token: Token,
        direction: Direction,
        id: &mut WaiterId,
        waiter: &mut Option<Waiter>,
    ) -> Standing {
        let Self { sources, last_waiter, waiting, .. } = self;
        let Some(source) = find(sources, token) else { return Standing::Gone };
        if let Some(event) = source.take_event(direction) {
            return Standing::Ready(event);
        }
        if id.is_none() {
            *last_waiter += 1;
            *id = WaiterId(*last_waiter);
        } else if let Some(seated) = source.waiter(direction, *id) {
            if let Some(waiter) = waiter {
                std::mem::swap(seated, waiter);
            }
            return Standing::Waiting;
        }
        *waiting += 1;
        let (seat, seated) = source.seat(direction);
        if seat.is_none() {
            *seat = waiter.take();
            *seated = *id;
        } else if let Some(waiter) = waiter.take() {
            source.crowd.get_or_insert_default().seats.push(Seat { id: *id, direction, waiter });
        }
        Standing::Waiting
    }

    /// A number for a waiter that has no seat yet.
    pub(crate) fn number_waiter(&mut self) -> WaiterId {
        self.last_waiter += 1;
        WaiterId(self.last_waiter)
    }

    /// Removes a waiter, if it is still there.
    pub(crate) fn unseat(&mut self, token: Token, direction: Direction, id: WaiterId) -> Option<Waiter> {
        let source = self.source(token)?;
        let (seat, seated) = source.seat(direction);
        let waiter = if *seated == id && seat.is_some() {
            seat.take()
        } else {
            let crowd = source.crowd.as_mut()?;
            let place = crowd.seats.iter().position(|seat| seat.id == id && seat.direction == direction)?;
            let seat = crowd.seats.remove(place);
            if crowd.seats.is_empty() {
                source.crowd = None;
            }
            Some(seat.waiter)
        };
        self.waiting -= usize::from(waiter.is_some());
        waiter
    }

    /// Whether anybody is seated in a direction.
    pub(crate) fn is_awaited(&mut self, token: Token, direction: Direction) -> bool {
        let Some(source) = self.source(token) else { return false };
        let mut crowd = source.crowd.iter().flat_map(|crowd| &crowd.seats);
        crowd.any(|seat| seat.direction == direction) || source.seat(direction).0.is_some()
    }

    /// What is waited for, for a selector that has to be asked anew after each event.
    #[cfg(mio_unsupported_force_poll_poll)]
    pub(crate) fn awaited(&mut self, token: Token) -> Option<mio::Interest> {
        match (self.is_awaited(token, Direction::Read), self.is_awaited(token, Direction::Write)) {
            (true, true) => Some(crate::reactor::READ_INTEREST | mio::Interest::WRITABLE),
            (true, false) => Some(crate::reactor::READ_INTEREST),
            (false, true) => Some(mio::Interest::WRITABLE),
            (false, false) => None,
        }
    }
}

#[cfg(test)]
mod tests;
