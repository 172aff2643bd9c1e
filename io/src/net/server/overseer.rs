//! Looks after the connections of a server that has deadlines.
//!
//! One timer serves them all, and no connection has one of its own: eight times in the shortest deadline every pulse is
//! looked at, and what was seen is noted with the time of the look. So a deadline is never early, and late by an eighth of the
//! shortest or so; reads and writes tell no time, and a connection that comes and goes between two looks costs one
//! allocation.

use super::deadlines::Overdue;
use crate::pulse::{Phase, Pulse};
use runtime_executor::{
    Waiter,
    time::{Duration, Instant},
};
use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    sync::Arc,
    task::Poll,
};

/// Looks in the time of the shortest deadline.
const LOOKS: u32 = 8;
/// Between two looks, at least: deadlines of less than eight times that are no use to anybody.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
/// Connections looked at in a row, some tens of microseconds; then the others have their turn.
pub(super) const BATCH: usize = 1024;

/// How long what may last.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Limits {
    pub(super) header: Option<Duration>,
    pub(super) idle: Option<Duration>,
    pub(super) write: Option<Duration>,
}

impl Limits {
    fn shortest(&self) -> Option<Duration> {
        [self.header, self.idle, self.write].into_iter().flatten().min()
    }
}

/// Those who are watched.
#[derive(Default)]
pub(super) struct Overseer {
    limits: Cell<Limits>,
    /// By the numbers of their seats.
    wards: RefCell<Vec<Option<Ward>>>,
    /// How many there are.
    count: Cell<usize>,
    /// Whoever is to look, while there is nobody to look at.
    asleep: RefCell<Option<Waiter>>,
}

impl Overseer {
    pub(super) fn set_limits(&self, change: impl FnOnce(&mut Limits)) {
        let mut limits = self.limits.get();
        change(&mut limits);
        self.limits.set(limits);
    }

    /// Whoever sits down at `seat` is watched from now on, if there is any deadline; then its stream must tell the pulse.
    pub(super) fn enter(&self, seat: usize) -> Option<Arc<Pulse>> {
        self.limits.get().shortest()?;
        let pulse = Arc::new(Pulse::new());
        let ward = Ward::new(Arc::clone(&pulse), Instant::now());
        let mut wards = self.wards.borrow_mut();
        if wards.len() <= seat {
            wards.resize_with(seat + 1, || None);
        }
        wards[seat] = Some(ward);
        drop(wards);
        self.count.set(self.count.get() + 1);
        let asleep = self.asleep.take();
        if let Some(asleep) = asleep {
            asleep.wake();
        }
        Some(pulse)
    }

    pub(super) fn leave(&self, seat: usize) {
        let ward = self.wards.borrow_mut().get_mut(seat).and_then(Option::take);
        if ward.is_some() {
            self.count.set(self.count.get() - 1);
        }
    }

    /// Waits until there is somebody to look at: nobody is woken for an empty house.
    pub(super) async fn somebody(&self) {
        poll_fn(|context| {
            if self.count.get() > 0 {
                return Poll::Ready(());
            }
            let is_noted = |asleep: &Waiter| asleep.will_wake(context.waker());
            if !self.asleep.borrow().as_ref().is_some_and(is_noted) {
                let before = self.asleep.replace(Some(Waiter::new(context.waker())));
                drop(before);
            }
            Poll::Pending
        })
        .await;
    }

    /// Until the next look.
    pub(super) fn pause(&self) -> Duration {
        let shortest = self.limits.get().shortest().unwrap_or(Duration::MAX);
        (shortest / LOOKS).max(SHORTEST_PAUSE)
    }

    /// Looks at a batch of seats from `first` on. Gives who is overdue, and will be looked at no more; `None` if there are
    /// no such seats.
    pub(super) fn look(&self, first: usize) -> Option<Vec<(usize, Overdue)>> {
        let (now, limits) = (Instant::now(), self.limits.get());
        let mut wards = self.wards.borrow_mut();
        let batch = wards.get_mut(first..).filter(|rest| !rest.is_empty())?.iter_mut().take(BATCH);
        let mut overdue = Vec::new();
        for (seat, ward) in (first..).zip(batch) {
            if let Some(late) = ward.as_mut().and_then(|ward| ward.look(now, &limits)) {
                overdue.push((seat, late));
                *ward = None;
                self.count.set(self.count.get() - 1);
            }
        }
        Some(overdue)
    }
}

/// One connection, as it was at the last look.
struct Ward {
    pulse: Arc<Pulse>,
    /// Since when the header of its request comes in.
    header_since: Option<Instant>,
    /// The last look that saw a sign of life, or the beginning.
    quiet_since: Instant,
    /// The first look that saw a writer wait, of those since something was written.
    stuck_since: Option<Instant>,
}

/// About a hundred bytes for a connection that is watched: this, and 48 for its pulse.
const _: () = assert!(size_of::<Option<Ward>>() <= 64);

impl Ward {
    fn new(pulse: Arc<Pulse>, now: Instant) -> Self {
        Self { pulse, header_since: Some(now), quiet_since: now, stuck_since: None }
    }

    /// Notes what there is to see, and says what has lasted too long.
    fn look(&mut self, now: Instant, limits: &Limits) -> Option<Overdue> {
        let phase = self.pulse.phase();
        if phase == Phase::Lifted {
            return None;
        }
        let beat = self.pulse.look();
        if beat.has_read || beat.has_written || beat.is_touched || phase == Phase::Working {
            self.quiet_since = now;
        }
        if beat.has_written {
            self.stuck_since = None;
        }
        if beat.is_write_waiting {
            self.stuck_since.get_or_insert(now);
        }
        self.header_since = match phase {
            Phase::Header => self.header_since.or(Some(now)),
            // Its first byte has come.
            Phase::Between if beat.has_read && self.pulse.begin_header() => Some(now),
            _ => None,
        };
        let stuck_since = self.stuck_since.filter(|_| beat.is_write_waiting);
        let lasts = |since: Option<Instant>, limit: Option<Duration>| {
            limit.filter(|&limit| since.is_some_and(|since| now.duration_since(since) >= limit))
        };
        let late = lasts(self.header_since, limits.header)
            .map(Overdue::Header)
            .or_else(|| lasts(stuck_since, limits.write).map(Overdue::Write))
            .or_else(|| lasts(Some(self.quiet_since), limits.idle).map(Overdue::Idle))?;
        if beat.is_write_waiting {
            // What it does not take would be the kernel's to keep and offer for minutes.
            self.pulse.reset_at_end();
        }
        Some(late)
    }
}
