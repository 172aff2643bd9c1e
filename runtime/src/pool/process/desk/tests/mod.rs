//! The desk in stories and in walks.

mod stories;
mod walk;

use super::{Action, Claims, Desk, JobId, Rules, Weight, WorkerId};
use std::{collections::BTreeSet, time::Duration};

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// Which jobs were sent, and which of them begun; all others of these can be taken back.
#[derive(Debug, Default)]
struct Posts {
    sent: BTreeSet<(WorkerId, JobId)>,
    begun: BTreeSet<(WorkerId, JobId)>,
}

impl Claims for Posts {
    fn revoke(&mut self, worker: WorkerId, job: JobId) -> bool {
        self.sent.contains(&(worker, job)) && !self.begun.contains(&(worker, job))
    }
}

/// A desk, what is shared with its workers, and the time.
struct Office {
    desk: Desk,
    posts: Posts,
    now: Duration,
}
