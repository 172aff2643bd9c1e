//! The desk in stories and in walks.

mod stories;
mod walk;

use super::{Action, Claims, Desk, JobId, Rules, Weight, WorkerId};
use std::{collections::BTreeSet, time::Duration};

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// Which jobs were begun; all others can be taken back.
#[derive(Debug, Default)]
struct Begun(BTreeSet<(WorkerId, JobId)>);

impl Claims for Begun {
    fn revoke(&mut self, worker: WorkerId, job: JobId) -> bool {
        !self.0.contains(&(worker, job))
    }
}

/// A desk, what is shared with its workers, and the time.
struct Office {
    desk: Desk,
    begun: Begun,
    now: Duration,
}
