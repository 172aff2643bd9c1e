//! A job of a pool of processes, as those see it who wait for it.

use super::{
    desk::JobId,
    office::Office,
    wire::{ANSWER_BYTES, Kind, text},
};
use crate::{
    pool::{
        JobError, JobPanic,
        ticket::{Outcome, Source, Ticket},
    },
    process::{
        RemotePanic,
        luggage::{self, DecodeError},
        packet::Packet,
        panic,
        registry::{Called, Mishap},
    },
};
use serde::de::DeserializeOwned;
use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

/// What is there when a job has ended.
#[derive(Debug)]
pub(super) enum Ending {
    /// What its worker has said.
    Answer(Kind, Packet),
    Failed(JobError),
}

/// Somebody who waits for the end of a job.
pub(super) trait Answered: Send + Sync + fmt::Debug {
    /// It has begun, for certain.
    fn begun(&self);

    /// It has ended. Runs code of the user's.
    fn end(self: Arc<Self>, ending: Ending);
}

/// What is made of an answer.
pub(super) type Read<T> = fn(Kind, Packet) -> Outcome<T>;

/// A job, with its pool.
pub(super) struct PoolJob<T> {
    ticket: Ticket<T>,
    office: Arc<Office>,
    read: Read<T>,
    /// `None`: it was refused.
    id: OnceLock<JobId>,
}

impl<T> PoolJob<T> {
    pub(super) fn new(office: &Arc<Office>, read: Read<T>) -> Self {
        let ticket = Ticket::new(office.tally().enter());
        Self { ticket, office: Arc::clone(office), read, id: OnceLock::new() }
    }

    /// The pool has taken it.
    pub(super) fn is(&self, job: JobId) {
        let _ = self.id.set(job);
    }
}

impl<T: Send + 'static> PoolJob<T> {
    /// The pool has not.
    pub(super) fn refuse(self: &Arc<Self>, why: JobError) {
        Arc::clone(self).end(Ending::Failed(why));
    }
}

impl<T: Send + 'static> Source<T> for PoolJob<T> {
    fn ticket(&self) -> &Ticket<T> {
        &self.ticket
    }

    fn withdraw(&self) -> bool {
        self.id.get().is_some_and(|&job| self.office.withdraw(job))
    }

    fn drive(&self, limit: Option<Duration>) -> bool {
        self.office.drive(limit)
    }
}

impl<T: Send + 'static> Answered for PoolJob<T> {
    fn begun(&self) {
        self.ticket.begin();
    }

    fn end(self: Arc<Self>, ending: Ending) {
        let outcome = match ending {
            Ending::Failed(error) => Err(error),
            Ending::Answer(kind, packet) => (self.read)(kind, packet),
        };
        let source: Arc<dyn Source<T>> = self;
        source.settle(outcome);
    }
}

/// The result of one call.
pub(super) fn read<T: DeserializeOwned>(kind: Kind, packet: Packet) -> Outcome<T> {
    if kind != Kind::Result {
        return Err(failure(kind, packet));
    }
    match panic::catch(|| luggage::decode_behind(ANSWER_BYTES, packet)) {
        Ok(result) => result.map_err(|error| JobError::ResultLost(error.to_string())),
        // How the user's type is read is the user's code.
        Err(panic) => Err(JobError::ResultLost(panic.to_string())),
    }
}

/// The results of a chunk.
pub(super) fn read_each<T: DeserializeOwned>(kind: Kind, packet: Packet) -> Outcome<Vec<Outcome<T>>> {
    if kind != Kind::Result {
        return Err(failure(kind, packet));
    }
    let one = |called: Result<Called<T>, DecodeError>| match called {
        Ok(called) => called.map_err(JobError::from),
        Err(error) => Err(JobError::ResultLost(error.to_string())),
    };
    let called = luggage::decode_each(ANSWER_BYTES, packet);
    let called = called.map_err(|error| JobError::ResultLost(error.to_string()))?;
    Ok(called.into_iter().map(one).collect())
}

fn failure(kind: Kind, packet: Packet) -> JobError {
    match kind {
        Kind::Panic => match luggage::decode_behind::<RemotePanic>(ANSWER_BYTES, packet) {
            Ok(panic) => JobError::Panicked(JobPanic::elsewhere(&panic)),
            Err(error) => JobError::ResultLost(error.to_string()),
        },
        Kind::Arguments => JobError::Arguments(text(&packet, ANSWER_BYTES)),
        Kind::Result | Kind::Unsendable => JobError::ResultLost(text(&packet, ANSWER_BYTES)),
        Kind::TooLong => {
            let bytes = packet.bytes.get(ANSWER_BYTES..).and_then(|bytes| bytes.try_into().ok());
            let bytes = bytes.map_or(u64::MAX, u64::from_le_bytes);
            let what = format!("it takes {bytes} bytes, which is more than the pool's `max_message`");
            JobError::ResultLost(what)
        }
    }
}

impl From<Mishap> for JobError {
    fn from(mishap: Mishap) -> Self {
        match mishap {
            Mishap::Arguments(why) => Self::Arguments(why),
            Mishap::Panicked(panic) => Self::Panicked(JobPanic::elsewhere(&panic)),
            Mishap::Result(why) => Self::ResultLost(why),
        }
    }
}

impl<T> fmt::Debug for PoolJob<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolJob").field("id", &self.id.get()).field("ticket", &self.ticket).finish()
    }
}
