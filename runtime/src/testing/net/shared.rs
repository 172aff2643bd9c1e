//! A connection that two ends share: the lock, the wakes outside it, and the alarm for what happens by itself.

use super::connection::{Connection, Direction, Side, Woken};
use crate::time::{Instant, Sleep, sleep_until};
use runtime_executor::current;
use std::{
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::{Context, Poll, Wake, Waker},
};

#[derive(Debug)]
pub(super) struct Shared {
    /// What takes time here; without it, the clock is not read.
    is_wired: bool,
    made: Instant,
    /// Held for no call of a waker.
    connection: Mutex<Connection>,
    /// Wakes everybody when something happens by itself. Taken out while it is polled.
    alarm: Mutex<Option<Sleep>>,
}

/// Rings for a connection, if it still exists.
struct Bell(Weak<Shared>);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if let Some(shared) = self.0.upgrade() {
            shared.wake_all();
        }
    }
}

impl Shared {
    pub(super) fn new(connection: Connection) -> Arc<Self> {
        Arc::new(Self {
            is_wired: connection.is_wired(),
            made: Instant::now(),
            connection: Mutex::new(connection),
            alarm: Mutex::default(),
        })
    }

    /// Time does not go back, not even for an end that outlives its simulation.
    fn now(&self) -> Instant {
        if self.is_wired { Instant::now().max(self.made) } else { self.made }
    }

    /// Tries an operation, which is `None` if it would have to wait.
    pub(super) fn attempt<R>(
        self: &Arc<Self>,
        operation: impl FnOnce(&mut Connection, Instant, &mut Woken) -> R,
    ) -> R {
        let now = self.now();
        let mut woken = Woken::new();
        let mut connection = self.lock();
        connection.advance(now, &mut woken);
        let outcome = operation(&mut connection, now, &mut woken);
        let alarm = connection.alarm();
        drop(connection);
        woken.into_iter().for_each(Waker::wake);
        if let Some(at) = alarm.filter(|_| current::is_entered()) {
            self.set_alarm(at);
        }
        outcome
    }

    /// Tries an operation; if it would have to wait, so does the task.
    pub(super) fn poll<R>(
        self: &Arc<Self>,
        side: Side,
        direction: Direction,
        context: &mut Context<'_>,
        operation: impl FnOnce(&mut Connection, Instant, &mut Woken) -> Option<R>,
    ) -> Poll<R> {
        if current::poll_budget(context).is_pending() {
            return Poll::Pending;
        }
        let mut waker = Some(context.waker().clone());
        let outcome = self.attempt(|connection, now, woken| {
            let outcome = operation(connection, now, woken);
            if outcome.is_none() {
                waker = waker.take().and_then(|waker| connection.wait(side, direction, waker));
            }
            outcome
        });
        outcome.map_or(Poll::Pending, Poll::Ready)
    }

    /// Has everybody look again.
    pub(super) fn wake_all(&self) {
        let waiting = self.lock().all_waiting();
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Nobody waits any more.
    pub(super) fn forget_waiting(&self) {
        let waiting = self.lock().all_waiting();
        drop(waiting);
    }

    /// Sets the alarm for the next thing that happens by itself.
    fn set_alarm(self: &Arc<Self>, at: Instant) {
        let former = self.alarm().take();
        let mut alarm = match former {
            Some(alarm) if alarm.deadline() == Some(at) => alarm,
            _ => sleep_until(at),
        };
        // Without any lock, as it may ring at once: then whoever it wakes will set it again.
        let bell = Waker::from(Arc::new(Bell(Arc::downgrade(self))));
        if pin!(&mut alarm).poll(&mut Context::from_waker(&bell)).is_ready() {
            self.wake_all();
        }
        *self.alarm() = Some(alarm);
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn alarm(&self) -> MutexGuard<'_, Option<Sleep>> {
        self.alarm.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
