//! The state machine of one connection: what has been sent, what has arrived, and what has gone wrong.
//!
//! Time is told from outside: [`Connection::advance`] lets everything happen that was to happen by now. Nothing here
//! waits or wakes; who is to be woken is collected.
//!
//! ```text
//! write ──> coming ──its time, if the link lets it through──> arrived ──> read
//! ```

use super::{Network, link::Link};
use crate::{testing::random::Random, time::Instant};
use std::{
    collections::VecDeque,
    io::{self, ErrorKind},
    sync::Arc,
    task::Waker,
};

/// What an operation does to those who wait.
pub(super) type Woken = Vec<Waker>;

/// Which of the two ends.
pub(super) type Side = usize;

/// What an end may wait for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Direction {
    Read = 0,
    Write = 1,
}

#[derive(Debug)]
pub(super) struct Connection {
    ends: [End; 2],
    capacity: usize,
    /// What lies between the ends; without it, everything arrives at once.
    wire: Option<Wire>,
}

/// One end, and what is on its way there.
#[derive(Debug, Default)]
struct End {
    /// What has arrived, then what has not.
    bytes: VecDeque<u8>,
    arrived: usize,
    /// Nothing overtakes: what is due before that in front of it waits for that.
    coming: VecDeque<(Instant, Event)>,
    /// The peer's side has ended, and the news has arrived.
    has_end: bool,
    write_shut: bool,
    read_shut: bool,
    /// The connection is gone, as far as this end knows.
    is_dead: bool,
    /// Why; told once, as the kernel does.
    error: Option<ErrorKind>,
    /// Nobody uses this end any more.
    is_dropped: bool,
    waiting: [Vec<Waker>; 2],
}

/// What arrives at an end.
#[derive(Debug)]
enum Event {
    Bytes(usize),
    End,
    Reset,
}

/// What happens next.
#[derive(Clone, Copy)]
enum Next {
    Arrival(Side),
    HalfClose(Side),
    Doom,
}

/// A simulated network between the ends.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) link: Arc<Link>,
    pub(super) random: Random,
    pub(super) network: Network,
    /// When the connection will be reset from outside.
    pub(super) doom: Option<Instant>,
    /// When whose side will end.
    pub(super) half_close: Option<(Instant, Side)>,
}

impl Wire {
    /// Draws the connection's fate.
    pub(super) fn new(link: Arc<Link>, random: Random, network: Network, now: Instant) -> Self {
        let draw = |misfortune: &super::faults::Misfortune| {
            random.chance(misfortune.probability).then(|| now + random.duration(&misfortune.within))
        };
        let doom = draw(&network.resets);
        let half_close = draw(&network.half_closes).map(|at| (at, random.below(2) as Side));
        Self { link, random, network, doom, half_close }
    }
}

impl Connection {
    pub(super) fn new(capacity: usize, wire: Option<Wire>) -> Self {
        Self { ends: Default::default(), capacity, wire }
    }

    pub(super) fn is_wired(&self) -> bool {
        self.wire.is_some()
    }

    // Time.

    /// Lets everything happen that was to happen by `now`, in order, and has everybody look: the alarm that was to wake
    /// them may be put off, now that its reason is gone.
    pub(super) fn advance(&mut self, now: Instant, woken: &mut Woken) {
        while let Some((at, next)) = self.next().filter(|(at, _)| *at <= now) {
            woken.append(&mut self.all_waiting());
            match next {
                Next::Arrival(side) => self.arrive(side, at),
                Next::HalfClose(side) => {
                    self.wire.as_mut().expect("a wire has this fate").half_close = None;
                    self.end_writing(side, at, woken);
                }
                Next::Doom => {
                    self.wire.as_mut().expect("a wire has this fate").doom = None;
                    for side in [0, 1] {
                        self.kill(side);
                    }
                }
            }
        }
    }

    /// When something will happen by itself, if anybody waits for it.
    pub(super) fn alarm(&self) -> Option<Instant> {
        let is_awaited = self.ends.iter().any(|end| end.waiting.iter().any(|waiting| !waiting.is_empty()));
        if is_awaited { self.next().map(|(at, _)| at) } else { None }
    }

    fn next(&self) -> Option<(Instant, Next)> {
        let wire = self.wire.as_ref()?;
        let arrival = |side: Side| {
            let (due, _) = self.ends[side].coming.front()?;
            Some((wire.link.arrival(*due)?, Next::Arrival(side)))
        };
        let half_close = wire.half_close.map(|(at, side)| (at, Next::HalfClose(side)));
        let doom = wire.doom.map(|at| (at, Next::Doom));
        [arrival(0), arrival(1), half_close, doom].into_iter().flatten().min_by_key(|(at, _)| *at)
    }

    fn arrive(&mut self, side: Side, at: Instant) {
        let end = &mut self.ends[side];
        match end.coming.pop_front() {
            Some((_, Event::Bytes(n))) if end.is_dropped => {
                end.bytes.drain(end.arrived..end.arrived + n);
                // To somebody who is gone: the first such bytes are answered by a reset.
                if !end.is_dead {
                    end.is_dead = true;
                    self.send(side ^ 1, Event::Reset, at);
                }
            }
            Some((_, Event::Bytes(n))) => end.arrived += n,
            Some((_, Event::End)) => end.has_end = true,
            Some((_, Event::Reset)) => self.kill(side),
            None => {}
        }
    }

    /// The end learns that the connection is gone. What has arrived can still be read.
    fn kill(&mut self, side: Side) {
        let end = &mut self.ends[side];
        if !end.is_dead {
            end.is_dead = true;
            end.error = Some(if end.has_end { ErrorKind::BrokenPipe } else { ErrorKind::ConnectionReset });
        }
        end.coming.clear();
        end.bytes.truncate(end.arrived);
    }

    /// Sends an event on its way to `side`.
    fn send(&mut self, side: Side, event: Event, now: Instant) {
        if let Some(wire) = &mut self.wire {
            let due = now + wire.random.duration(&wire.network.delay);
            self.ends[side].coming.push_back((due, event));
        }
    }

    // Operations.

    /// `None`: nothing to read yet.
    pub(super) fn read(
        &mut self,
        side: Side,
        buf: &mut [u8],
        keep: bool,
        woken: &mut Woken,
    ) -> Option<io::Result<usize>> {
        let end = &mut self.ends[side];
        if buf.is_empty() {
            return Some(Ok(0));
        }
        if end.arrived > 0 {
            let mut n = end.arrived.min(buf.len());
            if let Some(wire) = &self.wire
                && wire.random.chance(wire.network.short_reads)
            {
                n = wire.random.up_to(n);
            }
            let (front, back) = end.bytes.as_slices();
            let from_front = n.min(front.len());
            buf[..from_front].copy_from_slice(&front[..from_front]);
            buf[from_front..n].copy_from_slice(&back[..n - from_front]);
            if !keep {
                end.bytes.drain(..n);
                end.arrived -= n;
                self.ends[side ^ 1].wake(Direction::Write, woken);
            }
            return Some(Ok(n));
        }
        // Whoever has seen the end is told nothing else by reading.
        if !end.has_end
            && let Some(error) = end.error.take()
        {
            return Some(Err(error.into()));
        }
        (end.has_end || end.is_dead || end.read_shut).then_some(Ok(0))
    }

    /// `None`: no room yet.
    pub(super) fn write(
        &mut self,
        side: Side,
        buf: &[u8],
        now: Instant,
        woken: &mut Woken,
    ) -> Option<io::Result<usize>> {
        let room = self.room(side);
        let end = &mut self.ends[side];
        if let Some(error) = end.error.take() {
            return Some(Err(error.into()));
        }
        if end.is_dead || end.write_shut {
            return Some(Err(ErrorKind::BrokenPipe.into()));
        }
        if buf.is_empty() {
            return Some(Ok(0));
        }
        if room == 0 {
            return None;
        }
        let mut n = room.min(buf.len());
        let mut cut = None;
        if let Some(wire) = &self.wire {
            if wire.random.chance(wire.network.splits) {
                n = wire.random.up_to(n);
            }
            if n > 1 && wire.random.chance(wire.network.splits) {
                cut = Some(wire.random.up_to(n - 1));
            }
        }
        let peer = &mut self.ends[side ^ 1];
        peer.bytes.extend(&buf[..n]);
        if self.wire.is_none() {
            peer.arrived += n;
            peer.wake(Direction::Read, woken);
        }
        if let Some(first) = cut {
            self.send(side ^ 1, Event::Bytes(first), now);
        }
        self.send(side ^ 1, Event::Bytes(n - cut.unwrap_or(0)), now);
        Some(Ok(n))
    }

    /// Whether a read has something to say.
    pub(super) fn is_readable(&self, side: Side) -> bool {
        let end = &self.ends[side];
        end.arrived > 0 || end.error.is_some() || end.has_end || end.is_dead || end.read_shut
    }

    /// Whether a write has.
    pub(super) fn is_writable(&self, side: Side) -> bool {
        let end = &self.ends[side];
        end.error.is_some() || end.is_dead || end.write_shut || self.room(side) > 0
    }

    fn room(&self, side: Side) -> usize {
        self.capacity.saturating_sub(self.ends[side ^ 1].bytes.len())
    }

    /// Our side ends: the peer reads what was sent, then the end.
    pub(super) fn end_writing(&mut self, side: Side, now: Instant, woken: &mut Woken) {
        let end = &mut self.ends[side];
        if end.write_shut || end.is_dead {
            return;
        }
        end.write_shut = true;
        end.wake(Direction::Write, woken);
        if self.wire.is_none() {
            self.ends[side ^ 1].has_end = true;
            self.ends[side ^ 1].wake(Direction::Read, woken);
        }
        self.send(side ^ 1, Event::End, now);
    }

    /// Reads of this end end, once what has arrived is read.
    pub(super) fn end_reading(&mut self, side: Side, woken: &mut Woken) {
        self.ends[side].read_shut = true;
        self.ends[side].wake(Direction::Read, woken);
    }

    pub(super) fn is_dead(&self, side: Side) -> bool {
        self.ends[side].is_dead
    }

    /// The end is dropped. As with the kernel, whoever leaves unread what has arrived resets the connection, and what he
    /// sent last may get lost.
    pub(super) fn leave(&mut self, side: Side, now: Instant, woken: &mut Woken) {
        let end = &mut self.ends[side];
        let has_unread = end.arrived > 0;
        end.is_dropped = true;
        end.bytes.drain(..end.arrived);
        end.arrived = 0;
        if self.wire.is_some() && has_unread {
            self.reset(side, now);
        } else {
            self.end_writing(side, now, woken);
        }
        if self.wire.is_none() {
            // Nobody will read what the peer writes; at the peer, reading goes on as far as there is something.
            self.ends[side].is_dead = true;
            self.ends[side ^ 1].write_shut = true;
        }
        self.ends[side ^ 1].wake(Direction::Write, woken);
    }

    /// Tells the peer that the connection is gone. How much of what is under way still arrives is a matter of luck.
    pub(super) fn reset(&mut self, side: Side, now: Instant) {
        let (Some(wire), false) = (&self.wire, self.ends[side].is_dead) else { return };
        self.ends[side].is_dead = true;
        let peer = &mut self.ends[side ^ 1];
        let kept = wire.random.below(peer.coming.len() as u64 + 1) as usize;
        for (_, lost) in peer.coming.drain(kept..) {
            if let Event::Bytes(n) = lost {
                peer.bytes.truncate(peer.bytes.len() - n);
            }
        }
        self.send(side ^ 1, Event::Reset, now);
    }

    // Waiting.

    /// Notes who is to be woken. Gives him back if he is noted already.
    pub(super) fn wait(&mut self, side: Side, direction: Direction, waker: Waker) -> Option<Waker> {
        let waiting = &mut self.ends[side].waiting[direction as usize];
        if waiting.iter().any(|other| other.will_wake(&waker)) {
            return Some(waker);
        }
        waiting.push(waker);
        None
    }

    pub(super) fn all_waiting(&mut self) -> Woken {
        self.ends
            .iter_mut()
            .flat_map(|end| end.waiting.iter_mut().flat_map(|waiting| waiting.drain(..)))
            .collect()
    }
}

impl End {
    fn wake(&mut self, direction: Direction, woken: &mut Woken) {
        woken.append(&mut self.waiting[direction as usize]);
    }
}
