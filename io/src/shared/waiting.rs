//! Waiting at a board: with the thread, which sleeps at its seat, or in a task, whose seat rings the member's bell.

use super::{
    Board,
    listener::Listeners,
    machine::{LOOK, Outcome, Refusal, Seat},
    refused,
};
use runtime_executor::time::Clock;
use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// The lock.
    Lock,
    /// So many permits.
    Permits(u32),
    /// That the event is set.
    Event,
    /// That a round of the barrier is full.
    Round,
    /// By who has the lock: gives it back, waits to be notified, and then for the lock. After an error the lock is not had.
    Notification,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It is had; at a barrier, the place in the round, and 0 elsewhere.
    Granted(u32),
    /// The time was over before there was a notification; the lock is had again.
    NotNotified,
    /// The barrier is broken, or was meanwhile.
    Broken,
}

/// Somebody who waits at a board, or does so once polled. Dropped before it is ready, it leaves nothing behind: what had been
/// granted goes to the next; but to drop who waits for a notification is to give up the lock.
#[derive(Debug)]
#[must_use = "it waits when it is polled or told to block"]
pub struct Wait<'a> {
    board: &'a Arc<Board>,
    want: Want,
    stage: Stage,
    is_notified: bool,
    /// Whether somebody else's listener knows the waker.
    is_listed: bool,
}

#[derive(Debug)]
enum Stage {
    Begin,
    Seated(Seat),
    Done,
}

impl Board {
    /// Waits for something, once the result is polled or blocks.
    pub fn wait(self: &Arc<Self>, want: Want) -> Wait<'_> {
        Wait { board: self, want, stage: Stage::Begin, is_notified: true, is_listed: false }
    }
}

impl Wait<'_> {
    /// Blocks the thread until it is had; `None`: `limit` was over before.
    ///
    /// # Errors
    /// `QuotaExceeded` if 1,024 wait already; `InvalidData` if somebody wrote on the board who should not have; in a forked
    /// child.
    pub fn block(mut self, limit: Option<Duration>) -> io::Result<Option<Answer>> {
        if let Some(answer) = self.begin(false)? {
            return Ok(Some(answer));
        }
        let clock = Clock::real();
        let deadline = limit.map(|limit| clock.now() + limit);
        // To look for a while first does not pay: where all cores are busy, whoever is waited for gets none.
        loop {
            self.board.machine.look_after();
            if let Some(answer) = self.look()? {
                return Ok(Some(answer));
            }
            let left = deadline.map_or(LOOK, |deadline| deadline.saturating_duration_since(clock.now()));
            if left.is_zero() && self.give_up() {
                return Ok(None);
            }
            if let Stage::Seated(seat) = &self.stage {
                let is_late = left.is_zero();
                self.board.machine.sleep(seat, if is_late { LOOK } else { left.min(LOOK) });
            }
            if let Some(answer) = self.look()? {
                return Ok(Some(answer));
            }
        }
    }

    /// The time is over. Gives whether there is nothing more to wait for: who waits for a notification waits for the lock from
    /// now on, unless he has not begun, and has it.
    pub fn give_up(&mut self) -> bool {
        match (&self.stage, self.want) {
            (Stage::Seated(seat), Want::Notification) => {
                if self.board.is_ours() && self.board.machine.unpark(seat) {
                    self.is_notified = false;
                }
                false
            }
            _ => {
                self.leave();
                true
            }
        }
    }

    /// Takes what there is, or a seat.
    fn begin(&mut self, rings: bool) -> io::Result<Option<Answer>> {
        self.stage = Stage::Done;
        self.board.check()?;
        let machine = &self.board.machine;
        let seat = match self.want {
            Want::Lock if machine.try_lock() => Ok(None),
            Want::Lock => machine.ask_for_lock(rings).map(Some),
            Want::Permits(permits) => machine.ask_for_permits(permits, rings),
            Want::Event => machine.ask_for_event(rings),
            Want::Round => match machine.arrive(rings) {
                Ok((place, None)) => return Ok(Some(Answer::Granted(place))),
                Ok((_, seat)) => Ok(seat),
                Err(Refusal::Broken) => return Ok(Some(Answer::Broken)),
                Err(refusal) => Err(refusal),
            },
            Want::Notification => machine.park(rings).map(Some).inspect_err(|_| machine.unlock()),
        };
        match seat.map_err(refused)? {
            None => Ok(Some(Answer::Granted(0))),
            Some(seat) => {
                self.stage = Stage::Seated(seat);
                Ok(None)
            }
        }
    }

    /// Whether the wait is over by now.
    fn look(&mut self) -> io::Result<Option<Answer>> {
        let Stage::Seated(seat) = &self.stage else { return Ok(None) };
        self.board.check()?;
        let Some(outcome) = self.board.machine.poll(seat) else { return Ok(None) };
        let answer = match outcome {
            Outcome::Granted if self.want == Want::Round => Answer::Granted(seat.note()),
            Outcome::Granted if self.is_notified => Answer::Granted(0),
            Outcome::Granted => Answer::NotNotified,
            Outcome::Refused => Answer::Broken,
            Outcome::Lost => {
                self.unlist();
                self.stage = Stage::Done;
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "somebody wrote into the shared memory who should not have",
                ));
            }
        };
        self.unlist();
        self.stage = Stage::Done;
        Ok(Some(answer))
    }

    fn leave(&mut self) {
        if self.board.is_ours()
            && let Stage::Seated(seat) = &self.stage
        {
            match self.want {
                Want::Notification => self.board.machine.leave_condition(seat),
                _ => self.board.machine.withdraw(seat),
            }
        }
        self.unlist();
        self.stage = Stage::Done;
    }

    fn unlist(&mut self) {
        if self.is_listed
            && let Stage::Seated(seat) = &self.stage
        {
            self.board.listeners.forget(seat);
            self.is_listed = false;
        }
    }
}

impl Future for Wait<'_> {
    type Output = io::Result<Answer>;

    /// # Panics
    /// If it was ready before.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if matches!(this.stage, Stage::Begin)
            && let Some(answer) = this.begin(true)?
        {
            return Poll::Ready(Ok(answer));
        }
        if let Some(answer) = this.look()? {
            return Poll::Ready(Ok(answer));
        }
        let Stage::Seated(seat) = &this.stage else { panic!("polled after it was ready") };
        if let Err(error) = Listeners::enlist(this.board, seat, cx.waker()) {
            this.leave();
            return Poll::Ready(Err(error));
        }
        this.is_listed = true;
        // Now that its bell is heard: nothing can have been missed.
        match this.look()? {
            Some(answer) => Poll::Ready(Ok(answer)),
            None => Poll::Pending,
        }
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        // Who has not begun to wait for a notification has the lock still.
        if matches!((&self.stage, self.want), (Stage::Begin, Want::Notification)) && self.board.is_ours() {
            self.board.machine.unlock();
        }
        self.leave();
    }
}
