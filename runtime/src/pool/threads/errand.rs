//! One job of a pool of threads: what is to be called, until it is, and the ticket for the result.

use super::{
    super::{
        JobError, JobPanic,
        error::isolate,
        lock,
        ticket::{Source, Ticket},
    },
    crew::{Crew, Seat, Work},
};
use runtime_executor::current;
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex},
};

/// In one allocation, which the queue and the [`Job`](super::super::Job) share.
pub(super) struct Errand<T, W> {
    ticket: Ticket<T>,
    /// Whoever makes the ticket [`begin`](Ticket::begin) takes it.
    work: Mutex<Option<W>>,
    crew: Arc<Crew>,
}

impl<T, W> Errand<T, W>
where
    T: Send + 'static,
    W: FnOnce(&Seat) -> T + Send + 'static,
{
    pub(super) fn new(crew: &Arc<Crew>, work: W) -> Self {
        let (ticket, work) = (Ticket::new(crew.tally.enter()), Mutex::new(Some(work)));
        Self { ticket, work, crew: Arc::clone(crew) }
    }

    /// Does it on this thread. False: somebody else has begun it, or it was withdrawn.
    fn do_here(self: Arc<Self>, seat: &Seat) -> bool {
        if !self.ticket.begin() {
            return false;
        }
        let work = lock(&self.work).take().expect("it is begun once");
        let outcome = catch_unwind(AssertUnwindSafe(|| work(seat)));
        let source: Arc<dyn Source<T>> = self;
        source.settle(outcome.map_err(|payload| JobError::Panicked(JobPanic::here(payload))));
        true
    }
}

impl<T, W> Work for Errand<T, W>
where
    T: Send + 'static,
    W: FnOnce(&Seat) -> T + Send + 'static,
{
    fn run(self: Arc<Self>, seat: &Seat) {
        self.do_here(seat);
    }

    fn give_up(self: Arc<Self>, why: JobError) {
        if self.withdraw() {
            let source: Arc<dyn Source<T>> = self;
            source.settle(Err(why));
        }
    }
}

impl<T, W> Source<T> for Errand<T, W>
where
    T: Send + 'static,
    W: FnOnce(&Seat) -> T + Send + 'static,
{
    fn ticket(&self) -> &Ticket<T> {
        &self.ticket
    }

    fn withdraw(&self) -> bool {
        if !self.ticket.begin() {
            return false;
        }
        let work = lock(&self.work).take();
        isolate(|| drop(work));
        true
    }

    fn help(self: Arc<Self>) -> bool {
        // Not inside a runtime: an `async` function needs to enter its own.
        self.crew.is_here() && !current::is_entered() && self.do_here(&Seat::default())
    }
}
