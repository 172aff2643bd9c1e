//! The table of registered descriptors: what the selector said about each, and who waits for it.
//!
//! One invariant carries the rest: **a direction that is ready has no waiters.** Waiters are added only under the
//! borrow that found the direction not ready, and whatever makes it ready takes them all. So nobody can sleep
//! through an event, and whoever finds a direction ready has nothing to clean up.

use mio::{Token, event::Event};
use slab::Slab;
use std::{num::NonZeroU32, task::Waker};

/// What a waiter waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Direction {
    /// Bytes, connections or the end of them.
    Read,
    /// Room.
    Write,
}

/// What is known about a descriptor, as bits.
///
/// | bit | set | cleared |
/// |---|---|---|
/// | `READABLE`, `WRITABLE` | by an event | when an operation finds the direction exhausted |
/// | `PRIORITY` | by an event: urgent data is among the bytes | when a read finds nothing more |
/// | `READ_CLOSED`, `WRITE_CLOSED`, `ERROR` | by an event | never: no further edge would repeat them |
/// | `FULL_READS` | at registration: a short read proves nothing for this kind | never |
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Readiness(u8);

impl Readiness {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const READABLE: Self = Self(1);
    pub(crate) const WRITABLE: Self = Self(1 << 1);
    const PRIORITY: Self = Self(1 << 2);
    const READ_CLOSED: Self = Self(1 << 3);
    const WRITE_CLOSED: Self = Self(1 << 4);
    const ERROR: Self = Self(1 << 5);
    pub(crate) const FULL_READS: Self = Self(1 << 6);

    /// With any of these a short read does not mean that the queue is empty: it stops at an urgent mark, and the
    /// end of a stream or its error lies behind the last byte without an edge of its own.
    const MORE_BEHIND: Self = Self(
        Self::PRIORITY.0 | Self::READ_CLOSED.0 | Self::WRITE_CLOSED.0 | Self::ERROR.0 | Self::FULL_READS.0,
    );

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
    const fn of(direction: Direction) -> Self {
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
            bits |= Self::PRIORITY.0 | Self::READABLE.0;
        }
        if event.is_read_closed() {
            bits |= Self::READ_CLOSED.0 | Self::READABLE.0;
        }
        if event.is_write_closed() {
            bits |= Self::WRITE_CLOSED.0 | Self::WRITABLE.0;
        }
        if event.is_error() {
            bits |= Self::ERROR.0 | Self::READABLE.0 | Self::WRITABLE.0;
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
    reader: Option<Waker>,
    reader_id: WaiterId,
    writer: Option<Waker>,
    writer_id: WaiterId,
    crowd: Option<Box<Crowd>>,
}

#[derive(Default)]
struct Crowd {
    waiters: Vec<Waiter>,
}

struct Waiter {
    id: WaiterId,
    direction: Direction,
    waker: Waker,
}

impl Source {
    fn seat(&mut self, direction: Direction) -> (&mut Option<Waker>, &mut WaiterId) {
        match direction {
            Direction::Read => (&mut self.reader, &mut self.reader_id),
            Direction::Write => (&mut self.writer, &mut self.writer_id),
        }
    }

    fn waiter(&mut self, direction: Direction, id: WaiterId) -> Option<&mut Waker> {
        let Self { reader, reader_id, writer, writer_id, crowd, .. } = self;
        let (seat, seated) = match direction {
            Direction::Read => (reader, reader_id),
            Direction::Write => (writer, writer_id),
        };
        if *seated == id && seat.is_some() {
            return seat.as_mut();
        }
        let waiters = crowd.as_mut()?.waiters.iter_mut();
        waiters.into_iter().find(|w| w.id == id && w.direction == direction).map(|w| &mut w.waker)
    }

    /// Takes all who wait in a direction, first come first; returns how many.
    #[inline]
    fn take(&mut self, direction: Direction, into: &mut Vec<Waker>) -> usize {
        let before = into.len();
        into.extend(self.seat(direction).0.take());
        if self.crowd.is_some() {
            self.take_crowd(direction, into);
        }
        into.len() - before
    }

    #[cold]
    fn take_crowd(&mut self, direction: Direction, into: &mut Vec<Waker>) {
        if let Some(crowd) = &mut self.crowd {
            into.extend(crowd.waiters.extract_if(.., |w| w.direction == direction).map(|w| w.waker));
            if crowd.waiters.is_empty() {
                self.crowd = None;
            }
        }
    }
}

/// How an operation stands with its direction of a source.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Try it.
    Ready,
    /// Not ready, and the waker given is registered.
    Waiting,
    /// Not ready, and nobody will wake the task yet.
    Unseated,
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

impl Table {
    /// Adds a source; `None` if the slots are used up.
    pub(crate) fn insert(&mut self, readiness: Readiness) -> Option<Token> {
        if self.sources.len() >= INDEX_MASK {
            return None;
        }
        self.last_generation = self.last_generation.wrapping_add(1) & GENERATION_MASK;
        let generation = NonZeroU32::new(self.last_generation).unwrap_or(NonZeroU32::MIN);
        self.last_generation = generation.get();
        let index = self.sources.insert(Source {
            generation,
            readiness,
            reader: None,
            reader_id: WaiterId::NONE,
            writer: None,
            writer_id: WaiterId::NONE,
            crowd: None,
        });
        Some(Token((generation.get() as usize) << INDEX_BITS | index))
    }

    /// Removes a source; whoever still waits for it goes to `into`. Whether it was there.
    pub(crate) fn remove(&mut self, token: Token, into: &mut Vec<Waker>) -> bool {
        let Some(source) = self.source(token) else { return false };
        let taken = source.take(Direction::Read, into) + source.take(Direction::Write, into);
        self.waiting -= taken;
        self.sources.remove(token.0 & INDEX_MASK);
        true
    }

    #[inline]
    fn source(&mut self, token: Token) -> Option<&mut Source> {
        let source = self.sources.get_mut(token.0 & INDEX_MASK)?;
        (source.generation.get() as usize == token.0 >> INDEX_BITS).then_some(source)
    }

    /// How many sources there are.
    pub(crate) fn len(&self) -> usize {
        self.sources.len()
    }

    /// How many waiters an event could wake.
    #[inline]
    pub(crate) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Notes what an event said; whoever waited for it goes to `into`.
    #[inline]
    pub(crate) fn deliver(&mut self, token: Token, readiness: Readiness, into: &mut Vec<Waker>) {
        let Some(source) = self.source(token) else { return };
        source.readiness = source.readiness.with(readiness);
        let mut taken = 0;
        if readiness.intersects(Readiness::READABLE) {
            taken += source.take(Direction::Read, into);
        }
        if readiness.intersects(Readiness::WRITABLE) {
            taken += source.take(Direction::Write, into);
        }
        self.waiting -= taken;
    }

    /// Where an operation stands whose waiter is `id` and whose task `waker` wakes.
    #[inline]
    pub(crate) fn standing(
        &mut self,
        token: Token,
        direction: Direction,
        id: WaiterId,
        waker: &Waker,
    ) -> Standing {
        let Some(source) = self.source(token) else { return Standing::Gone };
        if source.readiness.intersects(Readiness::of(direction)) {
            return Standing::Ready;
        }
        if id.is_none() {
            return Standing::Unseated;
        }
        match source.waiter(direction, id) {
            Some(seated) if seated.will_wake(waker) => Standing::Waiting,
            _ => Standing::Unseated,
        }
    }

    /// Seats a waiter, under a new number unless it brings one. Gives back the waker it had before. An error with
    /// its own waker means that things have changed since [`standing`](Self::standing): ask again.
    #[inline]
    pub(crate) fn seat(
        &mut self,
        token: Token,
        direction: Direction,
        id: &mut WaiterId,
        waker: Waker,
    ) -> Result<Option<Waker>, Waker> {
        let last_waiter = self.last_waiter;
        let Some(source) = self.source(token) else { return Err(waker) };
        if source.readiness.intersects(Readiness::of(direction)) {
            return Err(waker);
        }
        if id.is_none() {
            *id = WaiterId(last_waiter + 1);
        } else if let Some(seated) = source.waiter(direction, *id) {
            return Ok(Some(std::mem::replace(seated, waker)));
        }
        let (seat, seated) = source.seat(direction);
        if seat.is_none() {
            *seat = Some(waker);
            *seated = *id;
        } else {
            let crowd = source.crowd.get_or_insert_default();
            crowd.waiters.push(Waiter { id: *id, direction, waker });
        }
        self.last_waiter = self.last_waiter.max(id.0);
        self.waiting += 1;
        Ok(None)
    }

    pub(crate) fn number_waiter(&mut self) -> WaiterId {
        self.last_waiter += 1;
        WaiterId(self.last_waiter)
    }

    /// Removes a waiter, if it is still there.
    pub(crate) fn unseat(&mut self, token: Token, direction: Direction, id: WaiterId) -> Option<Waker> {
        let source = self.source(token)?;
        let (seat, seated) = source.seat(direction);
        let waker = if *seated == id && seat.is_some() {
            seat.take()
        } else {
            let crowd = source.crowd.as_mut()?;
            let place = crowd.waiters.iter().position(|w| w.id == id && w.direction == direction)?;
            let waiter = crowd.waiters.remove(place);
            if crowd.waiters.is_empty() {
                source.crowd = None;
            }
            Some(waiter.waker)
        };
        self.waiting -= usize::from(waker.is_some());
        waker
    }

    /// An operation got `EAGAIN`: nothing is there until the next event.
    pub(crate) fn exhausted(&mut self, token: Token, direction: Direction) {
        let Some(source) = self.source(token) else { return };
        source.readiness = source.readiness.without(match direction {
            Direction::Read => Readiness::READABLE.with(Readiness::PRIORITY),
            Direction::Write => Readiness::WRITABLE,
        });
    }

    /// A read gave less than there was room for. Whether that proves that nothing more is there; the direction is
    /// then no longer ready.
    ///
    /// It does for TCP on systems that report urgent data and half-closed connections with the event, and only as
    /// long as none was reported. Then the queue was empty at some moment of the call, and whatever came later
    /// made a new edge.
    #[inline]
    pub(crate) fn came_short(&mut self, token: Token) -> bool {
        let Some(source) = self.source(token) else { return false };
        let drained = !source.readiness.intersects(Readiness::MORE_BEHIND);
        if drained {
            source.readiness = source.readiness.without(Readiness::READABLE);
        }
        drained
    }

    /// What is not ready, for selectors that have to be asked anew after each event.
    #[cfg(mio_unsupported_force_poll_poll)]
    pub(crate) fn lacking(&mut self, token: Token) -> Option<mio::Interest> {
        let readiness = self.source(token)?.readiness;
        let mut interest = None;
        if !readiness.intersects(Readiness::READABLE) {
            interest = Some(crate::reactor::READ_INTEREST);
        }
        if !readiness.intersects(Readiness::WRITABLE) {
            interest = Some(interest.map_or(mio::Interest::WRITABLE, |i| i | mio::Interest::WRITABLE));
        }
        interest
    }
}
