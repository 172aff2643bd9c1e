//! A job of a pool of processes, as those see it who wait for it.

use super::{
    desk::JobId,
    office::Office,
    wire::{ANSWER_BYTES, Kind, text},
};
use crate::{
    pool::{
        JobError, JobPanic,
        ticket::{Source, Ticket},
    },
    process::{RemotePanic, luggage, packet::Packet, panic},
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

/// A job, with its pool.
pub(super) struct PoolJob<T> {
    ticket: Ticket<T>,
    office: Arc<Office>,
    /// `None`: it was refused.
    id: OnceLock<JobId>,
}

impl<T> PoolJob<T> {
    pub(super) fn new(office: &Arc<Office>) -> Self {
        Self { ticket: Ticket::new(office.tally().enter()), office: Arc::clone(office), id: OnceLock::new() }
    }

    /// The pool has taken it.
    pub(super) fn is(&self, job: JobId) {
        let _ = self.id.set(job);
    }
}

impl<T: DeserializeOwned + Send + 'static> PoolJob<T> {
    /// The pool has not.
    pub(super) fn refuse(self: &Arc<Self>, why: JobError) {
        Arc::clone(self).end(Ending::Failed(why));
    }
}

impl<T: DeserializeOwned + Send + 'static> Source<T> for PoolJob<T> {
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

impl<T: DeserializeOwned + Send + 'static> Answered for PoolJob<T> {
    fn begun(&self) {
        self.ticket.begin();
    }

    fn end(self: Arc<Self>, ending: Ending) {
        let outcome = match ending {
            Ending::Failed(error) => Err(error),
            Ending::Answer(kind, packet) => read(kind, packet),
        };
        let source: Arc<dyn Source<T>> = self;
        source.settle(outcome);
    }
}

fn read<T: DeserializeOwned>(kind: Kind, packet: Packet) -> Result<T, JobError> {
    match kind {
        Kind::Result => match panic::catch(|| luggage::decode_behind(ANSWER_BYTES, packet)) {
            Ok(result) => result.map_err(|error| JobError::ResultLost(error.to_string())),
            // How the user's type is read is the user's code.
            Err(panic) => Err(JobError::ResultLost(panic.to_string())),
        },
        Kind::Panic => {
            let panic = luggage::decode_behind::<RemotePanic>(ANSWER_BYTES, packet);
            Err(panic.map_or_else(
                |error| JobError::ResultLost(error.to_string()),
                |panic| JobError::Panicked(JobPanic::elsewhere(&panic)),
            ))
        }
        Kind::Arguments => Err(JobError::Arguments(text(&packet, ANSWER_BYTES))),
        Kind::Unsendable => Err(JobError::ResultLost(text(&packet, ANSWER_BYTES))),
        Kind::TooLong => {
            let bytes = packet.bytes.get(ANSWER_BYTES..).and_then(|bytes| bytes.try_into().ok());
            let bytes = bytes.map_or(u64::MAX, u64::from_le_bytes);
            Err(JobError::ResultLost(format!(
                "it takes {bytes} bytes, which is more than the pool's `max_message`"
            )))
        }
    }
}

impl<T> fmt::Debug for PoolJob<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolJob").field("id", &self.id.get()).field("ticket", &self.ticket).finish()
    }
}
