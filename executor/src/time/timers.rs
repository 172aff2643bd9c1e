//! The timers of one runtime: its clock and its wheel, and the wakes between them.
//!
//! The loop calls [`turn`](Timers::turn), [`until_next`](Timers::until_next) and, in virtual time,
//! [`jump_to_next`](Timers::jump_to_next); futures call the rest. Wakers are other people's code: they are cloned,
//! called and dropped only while nothing here is borrowed.

use std::{
    cell::{Cell, RefCell},
    task::{Context, Poll},
    time::{Duration, Instant as StdInstant},
};

use super::{
    AutoAdvance, Clock, Instant,
    wheel::{FIRE_LIMIT, FOREVER, Key, Look, Wheel, When},
};
use crate::{
    inspect::{self, Lag},
    task::waker::Waiter,
};

/// Turns without an idle moment after which an [`advance`](super::advance) takes its next step all the same. A task
/// that spins on `yield_now` until the time has come would otherwise wait for itself.
const PATIENCE: u32 = 100;

pub(crate) struct Timers {
    clock: Clock,
    /// What the wheel calls 0.
    origin: StdInstant,
    /// The latest reading of the clock, by whomever.
    last_reading: Cell<u64>,
    /// How late each turn was for the earliest of the timers that it fired.
    lag: Lag,
    wheel: RefCell<Wheel>,
    /// Room for the waiters of one turn, kept from turn to turn.
    firing: Cell<Vec<Waiter>>,
    orders: RefCell<Vec<Order>>,
    last_order: Cell<u64>,
    /// Turns since virtual time moved last, counted while there is an order.
    turns_waited: Cell<u32>,
}

/// An [`advance`](super::advance) under way.
struct Order {
    id: u64,
    target: u64,
    waiter: Waiter,
}

impl Timers {
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            origin: clock.now().into_std(),
            clock,
            last_reading: Cell::new(0),
            lag: Lag::default(),
            wheel: RefCell::new(Wheel::new()),
            firing: Cell::default(),
            orders: RefCell::default(),
            last_order: Cell::new(0),
            turns_waited: Cell::new(0),
        }
    }

    #[inline]
    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    // For the loop.

    /// Whether there is nothing to do, now or later: then the loop need not read the clock.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.wheel.borrow().live() == 0 && self.orders.borrow().is_empty()
    }

    /// Reads the clock, for whoever asks for the [`last_reading`](Self::last_reading) until the next one.
    pub(crate) fn read_clock(&self) -> u64 {
        let now = self.reading();
        self.last_reading.set(now);
        now
    }

    /// The clock, as the loop last read it: in nanoseconds since the runtime was made.
    #[inline]
    pub(crate) fn last_reading(&self) -> u64 {
        self.last_reading.get()
    }

    /// How late turns were for their timers.
    pub(crate) fn lag(&self) -> &Lag {
        &self.lag
    }

    /// How many timers will fire.
    pub(crate) fn live(&self) -> usize {
        self.wheel.borrow().live()
    }

    /// Whoever waits for a timer that has not fired, and when that will be, unless it is never.
    pub(crate) fn for_each_waiter(&self, mut f: impl FnMut(&Waiter, Option<Instant>)) {
        self.wheel
            .borrow()
            .for_each_waiter(self.reading(), |waiter, at| f(waiter, at.map(|at| self.instant_at(at))));
        let orders = self.orders.borrow();
        orders.iter().for_each(|order| f(&order.waiter, Some(self.instant_at(order.target))));
    }

    /// Reads the clock once, gives timers registered since the last turn their deadlines, and wakes the owners of up
    /// to 1,024 due ones. Gives how many fired.
    pub(crate) fn turn(&self) -> usize {
        self.lose_patience();
        let now = self.read_clock();
        let mut waiters = self.firing.take();
        let mut fired = 0;
        let mut wheel = self.wheel.borrow_mut();
        wheel.advance_to(now);
        while fired < FIRE_LIMIT
            && let Some((key, waiter)) = wheel.pop_due()
        {
            if inspect::IS_KEPT && fired == 0 {
                self.lag.note(now - wheel.deadline(key).unwrap_or(now));
            }
            waiters.extend(waiter);
            fired += 1;
        }
        drop(wheel);
        waiters.drain(..).for_each(Waiter::wake);
        self.firing.set(waiters);
        fired
    }

    /// From the reading of the last [`turn`](Self::turn) to the earliest deadline: how long the loop may sleep. Zero if
    /// another turn has work to do; `None` if no timer is set, or only a paused clock could bring it about.
    pub(crate) fn until_next(&self) -> Option<Duration> {
        let mut wheel = self.wheel.borrow_mut();
        let wait = wheel.next_deadline()?.saturating_sub(wheel.now());
        (wait == 0 || !self.clock.is_paused()).then(|| Duration::from_nanos(wait))
    }

    /// Whether [`jump_to_next`](Self::jump_to_next) should be called, now that no task can run. `idle_outside`: no
    /// event from outside could change that either.
    pub(crate) fn may_advance(&self, idle_outside: bool) -> bool {
        self.clock.is_paused()
            && match self.clock.auto_advance() {
                AutoAdvance::Always => true,
                AutoAdvance::WhenIdle if idle_outside => true,
                // An order is an order; and what is due is due without moving the clock.
                _ => !self.orders.borrow().is_empty() || self.until_next().is_some(),
            }
    }

    /// Takes one step in virtual time: to the earliest deadline, or, if that is further away than an
    /// [`advance`](super::advance) goes, to its end, which wakes it. True if there is something for a
    /// [`turn`](Self::turn) or a task to do; false if the clock is not paused or there is nothing to wait for.
    pub(crate) fn jump_to_next(&self) -> bool {
        if !self.clock.is_paused() {
            return false;
        }
        self.turns_waited.set(0);
        let mut wheel = self.wheel.borrow_mut();
        wheel.settle(self.reading());
        let next = wheel.next_deadline();
        drop(wheel);
        let target = self.orders.borrow().iter().map(|order| order.target).min();
        match (next, target) {
            (None, None) => return false,
            // Timers due at the very end of an order come first, and run until nothing is ready.
            (Some(next), target) if target.is_none_or(|target| next <= target) => {
                self.clock.move_to(self.instant_at(next));
            }
            (_, target) => {
                self.clock.move_to(self.instant_at(target.unwrap_or(0)));
                self.wake_orders();
            }
        }
        true
    }

    /// Forgets all timers, at shutdown. Futures that hold one stay pending.
    pub(crate) fn clear(&self) {
        let waiters = self.wheel.borrow_mut().clear();
        let orders = self.orders.take();
        drop((waiters, orders));
    }

    // For futures.

    /// Starts a timer for the task of `cx`.
    #[inline]
    pub(crate) fn start(&self, when: When, cx: &Context<'_>) -> Key {
        let waiter = Waiter::new(cx.waker());
        self.wheel.borrow_mut().insert(when, waiter)
    }

    /// Forgets a timer.
    #[inline]
    pub(crate) fn cancel(&self, key: Key) {
        let waiter = self.wheel.borrow_mut().remove(key);
        drop(waiter);
    }

    /// Gives a timer that still waits a new time, and a new key.
    pub(crate) fn restart(&self, key: Key, when: When) -> Option<Key> {
        self.wheel.borrow_mut().reset(key, when)
    }

    /// Whether a timer fired, and then its deadline; it is forgotten by that. Otherwise it will wake the task of `cx`.
    #[inline]
    pub(crate) fn poll(&self, key: Key, cx: &Context<'_>) -> Poll<Instant> {
        let look = self.wheel.borrow().look(key, cx.waker());
        match look {
            Look::Waiting { same_waiter: true } | Look::Gone => Poll::Pending,
            Look::Waiting { same_waiter: false } => {
                let waiter = Waiter::new(cx.waker());
                let former = self.wheel.borrow_mut().set_waiter(key, waiter);
                drop(former);
                Poll::Pending
            }
            Look::Fired(at) => {
                self.cancel(key);
                Poll::Ready(self.instant_at(at))
            }
        }
    }

    /// A timer's deadline, once it has one.
    pub(crate) fn deadline(&self, key: Key) -> Option<Instant> {
        let at = self.wheel.borrow().deadline(key)?;
        Some(self.instant_at(at))
    }

    pub(crate) fn is_fired(&self, key: Key) -> bool {
        self.wheel.borrow().is_fired(key)
    }

    /// Whether a timer has fired, or its deadline has passed by the reading of the last turn.
    #[inline]
    pub(crate) fn is_due(&self, key: Key) -> bool {
        let wheel = self.wheel.borrow();
        wheel.deadline(key).is_some_and(|at| at <= wheel.now())
    }

    /// Whether a deadline has passed by the reading of the last turn: true is sure, false is not.
    #[inline]
    pub(crate) fn is_past(&self, when: When) -> bool {
        matches!(when, When::At(at) if at <= self.wheel.borrow().now())
    }

    /// A deadline as the wheel counts; one before the origin is long past.
    #[inline]
    pub(crate) fn at(&self, instant: Instant) -> When {
        let since = instant.into_std().checked_duration_since(self.origin);
        When::At(since.map_or(0, nanos))
    }

    // For `advance`.

    /// Orders the clock to go `duration` further, step by step. Gives the order's number.
    pub(crate) fn order(&self, duration: Duration, cx: &Context<'_>) -> u64 {
        let target = self.reading().saturating_add(nanos(duration)).min(FOREVER - 1);
        let waiter = Waiter::new(cx.waker());
        let id = self.last_order.get() + 1;
        self.last_order.set(id);
        self.turns_waited.set(0);
        self.orders.borrow_mut().push(Order { id, target, waiter });
        id
    }

    /// Whether an order was carried out. Otherwise it will wake the task of `cx`.
    pub(crate) fn poll_order(&self, id: u64, cx: &Context<'_>) -> Poll<()> {
        let waiter = Waiter::new(cx.waker());
        let mut orders = self.orders.borrow_mut();
        let Some(order) = orders.iter_mut().find(|order| order.id == id) else { return Poll::Ready(()) };
        let former = std::mem::replace(&mut order.waiter, waiter);
        drop(orders);
        drop(former);
        Poll::Pending
    }

    /// Takes an order back; the clock stays where it is.
    pub(crate) fn cancel_order(&self, id: u64) {
        let mut orders = self.orders.borrow_mut();
        let place = orders.iter().position(|order| order.id == id);
        let order = place.map(|place| orders.remove(place));
        drop(orders);
        drop(order);
    }

    /// Lets the clock run again. Orders end where they are.
    pub(crate) fn resume(&self) {
        self.clock.resume();
        for order in self.orders.take() {
            order.waiter.wake();
        }
    }

    /// Wakes the orders whose end the clock has reached, in the order in which they were given.
    fn wake_orders(&self) {
        let now = self.reading();
        let mut orders = self.orders.borrow_mut();
        let (done, rest) = orders.drain(..).partition::<Vec<_>, _>(|order| order.target <= now);
        *orders = rest;
        drop(orders);
        for order in done {
            order.waiter.wake();
        }
    }

    /// See [`PATIENCE`].
    fn lose_patience(&self) {
        if !self.orders.borrow().is_empty() {
            let waited = self.turns_waited.get() + 1;
            self.turns_waited.set(waited);
            if waited >= PATIENCE {
                self.jump_to_next();
            }
        }
    }

    /// The clock, as the wheel counts. Stops short of forever.
    fn reading(&self) -> u64 {
        nanos(self.clock.now().into_std().saturating_duration_since(self.origin)).min(FOREVER - 1)
    }

    fn instant_at(&self, nanos: u64) -> Instant {
        Instant::from_std(self.origin) + Duration::from_nanos(nanos)
    }
}

/// A duration in nanoseconds, or the largest number.
#[inline]
pub(super) fn nanos(duration: Duration) -> u64 {
    duration.as_secs().saturating_mul(1_000_000_000).saturating_add(u64::from(duration.subsec_nanos()))
}
